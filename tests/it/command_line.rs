//! What needs no engine: help, plans, bad input, exit codes.

use bakeoff::fixture::Workspace;
use bakeoff::stats::{Level, fewest_rounds};
use bakeoff::suite::{self, Overrides};

use crate::support::{Place, repository, small};

#[test]
fn help_names_every_command_and_exit_code() {
    let help = Place::new().bakeoff(&["--help"]);
    assert_eq!(help.code, 0);
    for word in [
        "run",
        "plan",
        "report",
        "explain",
        "export",
        "list",
        "mirror",
        "doctor",
        "clean",
        "schema",
        "130 interrupted",
        "push, pull and start",
        "bakeoff check latest",
        "bakeoff power latest",
        "bakeoff trend",
        "bakeoff history add",
    ] {
        assert!(help.out.contains(word), "{word} is not in\n{}", help.out);
    }
    for command in ["plan", "report", "explain", "compare", "power", "check", "trend"] {
        let help = Place::new().bakeoff(&[command, "--help"]);
        let example = format!("\n  bakeoff {command} ");
        assert!(help.out.contains(&example), "{command} has no example:\n{}", help.out);
    }
}

#[test]
fn the_help_of_a_run_shows_what_it_can_do() {
    let help = Place::new().bakeoff(&["run", "--help"]).out;
    let (_, examples) = help.split_once("Examples:").expect("examples");
    for word in [
        "--network record",
        "--network replay",
        "--link",
        "--engine isolated",
        "--resume latest",
    ] {
        assert!(examples.contains(word), "{word} is not in\n{help}");
    }
}

#[test]
fn a_run_that_goes_on_takes_no_other_engine_but_may_find_one_in_the_environment() {
    let place = Place::new();
    let said = place.bakeoff(&["run", "--resume", "x", "--engine", "host"]);
    assert!(
        said.err.contains("'--engine <ENGINE>': a run goes on where it began"),
        "{}",
        said.err
    );
    // Every call here has BAKEOFF_ENGINE.
    let meant = place.bakeoff(&["run", "--resume", "x"]);
    assert_eq!(meant.code, 1, "{}", meant.err);
    assert!(
        meant.err.contains("bakeoff list") || meant.err.contains("bakeoff run"),
        "{}",
        meant.err
    );
}

#[test]
fn usage_errors_end_with_2() {
    let place = Place::new();
    for arguments in [
        &["run"][..],
        &["run", "x.toml", "--rounds", "0"],
        &["run", "--resume", "x", "--engine", "host"],
        &["run", "--resume", "x", "--rounds", "2"],
        &["plan", "x.toml", "--link", "fast"],
        &["plan", "x.toml", "--network", "offline"],
        &["report"],
        &["explain", "latest"],
        &["export", "--to", "bmf"],
        &["export", "latest"],
        &["export", "latest", "--to", "nonsense"],
        &["nonsense"],
    ] {
        assert_eq!(place.bakeoff(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn the_schema_is_printed_and_is_the_committed_one() {
    let printed = Place::new().bakeoff(&["schema"]);
    assert_eq!(printed.code, 0);
    let committed = std::fs::read_to_string(repository().join("scenarios/suite.schema.json")).expect("readable");
    assert_eq!(
        printed.out, committed,
        "run `bakeoff schema > scenarios/suite.schema.json`"
    );
}

#[test]
fn a_plan_is_the_same_for_the_same_seed_and_touches_no_engine() {
    let suite = repository().join("scenarios/published.toml");
    let arguments = [
        "plan",
        suite.to_str().expect("UTF-8"),
        "--seed",
        "7",
        "--rounds",
        "2",
        "--warmup",
        "1",
    ];
    let place = Place::new();
    let plan = |seed: &str| {
        let mut arguments = arguments;
        arguments[3] = seed;
        place
            .command(&arguments)
            .env("DOCKER_HOST", "unix:///no/such/socket")
            .output()
            .expect("starts")
    };
    let first = plan("7");
    assert!(first.status.success());
    let text = String::from_utf8_lossy(&first.stdout).into_owned();
    insta::assert_snapshot!(text);
    assert_eq!(text, String::from_utf8_lossy(&plan("7").stdout));
    assert_ne!(
        text,
        String::from_utf8_lossy(&plan("8").stdout).replace("seed 8", "seed 7")
    );
}

#[test]
fn a_plan_says_how_builds_reach_what_they_download() {
    let scenario = "[factors]\nlink = [\"1gbit,1ms\", \"80ms\"]\n[[scenario]]\nname = \"a\"\ndockerfile = \"D\"\n";
    let place = small(scenario, &[("D", "FROM scratch\nCOPY state /\n")]);
    let plan = |flags: &[&str]| place.bakeoff(&[&["plan", "suite.toml"], flags].concat());
    let said = |flags: &[&str]| {
        let ended = plan(flags);
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended.out
    };
    let by_factor = said(&[]);
    assert!(
        by_factor.contains("\nnetwork: auto, links 1gbit,1ms and 80ms\n"),
        "{by_factor}"
    );
    assert!(by_factor.contains("  a[link=1gbit+1ms]\n"), "{by_factor}");
    let one = said(&["--network", "replay", "--link", "0.1gbit,20ms"]);
    assert!(one.contains("\nnetwork: replay, link 100mbit,20ms\n"), "{one}");
    assert!(one.contains("\n  a\n") && !one.contains("a["), "{one}");
    let upstream = said(&["--network", "upstream", "--link", "unshaped"]);
    assert!(upstream.contains("\nnetwork: upstream\n"), "{upstream}");
    assert!(!said(&["--link", "unshaped"]).contains("network:"));

    let refused = plan(&["--network", "upstream"]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("add --link unshaped"), "{}", refused.err);
    let refused = plan(&["--recording", "a/b"]);
    assert_eq!(refused.code, 3);
    assert!(refused.err.contains("--recording: can't be"), "{}", refused.err);
    let refused = plan(&["--link", "100mb"]);
    assert!(refused.err.contains("such as \"100mbit,20ms\""), "{}", refused.err);
}

#[test]
fn the_edits_of_the_published_journey_change_the_fixture_as_often_as_a_bench_needs() {
    for variant in ["light", "torch"] {
        let overrides = Overrides {
            variant: Some(variant.into()),
            ..Overrides::default()
        };
        let suite = suite::load(&repository().join("scenarios/published.toml"), &overrides).expect("a valid suite");
        let supplied = [("PYTHON_MINOR".to_owned(), "3.12".to_owned())].into();
        let workspace = Workspace::new(&suite.fixture, &suite.dockerfiles(), &supplied).expect("laid out");
        for name in suite.journey.iter().flat_map(|phase| &phase.edits) {
            let edit = &suite.fixture.edits[name];
            let mut states = std::collections::BTreeSet::new();
            for times in 0..12 {
                workspace
                    .edit(&[edit], times)
                    .unwrap_or_else(|error| panic!("{variant}, {times}: {error}"));
                let read = |file: &str| std::fs::read_to_string(workspace.path().join(file)).expect("readable");
                states.insert([read("requirements.txt"), read("pyproject.toml"), read("src/main.py")]);
            }
            assert_eq!(states.len(), 12, "{}", edit.name);
        }
    }
}

#[test]
fn the_suites_have_rounds_enough_to_answer_what_they_ask() {
    let folder = std::fs::read_dir(repository().join("scenarios")).expect("readable");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let suites: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    assert!(suites.len() >= 5);
    for path in suites {
        let suite = suite::load(&path, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        let comparisons = suite.questions.len() * (suite.scenarios.len() - 1);
        assert!(comparisons > 0, "{} asks nothing", suite.name);
        let fewest = fewest_rounds(Level::FIVE_PERCENT, comparisons);
        let rounds = suite.rounds as usize;
        assert!(
            rounds >= fewest,
            "{}: {comparisons} comparisons take {fewest} rounds",
            suite.name
        );
    }
}

#[test]
fn bad_suites_end_with_3_and_say_where() {
    let scenario = "[[scenario]]\nname = \"a\"\ndockerfile = \"Dockerfile\"\n";
    let good = small(scenario, &[("Dockerfile", "FROM scratch\nCOPY state /\n")]);
    let suite = std::fs::read_to_string(good.path("suite.toml")).expect("readable");
    assert_eq!(
        good.bakeoff(&["plan", "suite.toml"]).code,
        0,
        "{}",
        good.bakeoff(&["plan", "suite.toml"]).err
    );
    let cases = [
        ("edit = \"bump\"", "edit = \"bumb\"", "did you mean \"bump\""),
        ("rounds = 1", "round = 1", "rounds"),
        ("rounds = 1", "rounds = \"one\"", "suite.toml:5"),
        ("dockerfile = \"Dockerfile\"", "dockerfile = \"Dockerfil\"", "Dockerfil"),
        (
            "kind = \"push\"\nimage = \"cold\"",
            "kind = \"push\"\nimage = \"cool\"",
            "cool",
        ),
        ("schema = 1", "schema = 99", "schema"),
    ];
    for (from, to, expected) in cases {
        assert!(suite.contains(from), "{from}");
        good.write("suite.toml", &suite.replacen(from, to, 1));
        let ended = good.bakeoff(&["plan", "suite.toml"]);
        assert_eq!(ended.code, 3, "{to}: {}", ended.err);
        assert!(
            ended.err.contains("suite.toml:") && ended.err.contains(expected),
            "{to}: {}",
            ended.err
        );
    }
    let missing = good.bakeoff(&["plan", "nowhere.toml"]);
    assert_eq!(missing.code, 3);
    assert!(missing.err.contains("nowhere.toml"), "{}", missing.err);
}

#[test]
fn a_broken_dockerfile_is_named_with_its_line() {
    let place = small(
        "[[scenario]]\nname = \"a\"\ndockerfile = \"Dockerfile\"\n",
        &[("Dockerfile", "FROM scratch\nCOPPY state /\n")],
    );
    let ended = place.bakeoff(&["run", "suite.toml"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(
        ended.err.contains("Dockerfile") && ended.err.contains('2') && ended.err.contains("COPY"),
        "{}",
        ended.err
    );
}

#[test]
fn without_an_engine_nothing_is_measured_and_the_remedy_is_said() {
    let place = small(
        "[[scenario]]\nname = \"a\"\ndockerfile = \"D\"\n",
        &[("D", "FROM scratch\nCOPY state /\n")],
    );
    for arguments in [&["run", "suite.toml"][..], &["doctor"], &["clean"]] {
        let output = place
            .command(arguments)
            .env("DOCKER_HOST", "unix:///no/such/socket")
            .output()
            .expect("starts");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {text}");
        assert!(text.contains("DOCKER_HOST"), "{arguments:?}: {text}");
    }
    assert!(
        !place.path("reports").exists(),
        "a run that could not begin left a folder"
    );
}

#[test]
fn reports_of_runs_that_are_not_there_say_so() {
    let place = Place::new();
    let ended = place.bakeoff(&["report", "latest"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("hint:"), "{}", ended.err);
    let listed = place.bakeoff(&["list"]);
    assert_eq!(
        (listed.code, listed.out.contains("no runs")),
        (0, true),
        "{}",
        listed.out
    );
}

#[test]
fn explain_tells_where_the_time_went_from_the_journal_alone() {
    let run = repository().join("reports/published-torch");
    let run = run.to_str().expect("UTF-8");
    let place = Place::new();
    let told = place.bakeoff(&["explain", run, "uv-single", "--phase", "hot build"]);
    assert_eq!(told.code, 0, "{}", told.err);
    // What breaks lines is the width alone.
    let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "25.98 * 44.3 % 25.98 34 RUN --mount=type=cache",
        "cached 12 RUN apt-get update",
        "32.46 * 55.3 % 32.46 exporting to image",
        "reached line 34 (RUN uv sync --no-install-project --no-dev), which takes pyproject.toml and uv.lock",
        "the hot push after it sent 3.10 GB",
    ] {
        assert!(words.contains(wanted), "{wanted} is not in\n{}", told.out);
    }
    assert!(!told.out.contains('\u{1b}'), "a pipe gets no colours");
    assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);

    let both = place.bakeoff(&["explain", run, "uv-*", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&both.out).expect("JSON");
    assert_eq!(json[0]["scenario"], "uv-single[cache_mounts=on]");
    assert_eq!(json[1]["cache_breaks"][0]["reran"], 5);

    for (format, wanted) in [
        ("terminal", "hot push: 262.7 s (1 round)"),
        ("terminal", "It sent 3.10 GB of layers that the registry did not have."),
        ("markdown", "hot push: 262.7 s (1 round)"),
        ("json", "\"seconds\": 262.65"),
    ] {
        let told = place.bakeoff(&["explain", run, "uv-single", "--phase", "hot push", "--format", format]);
        assert_eq!(told.code, 0, "{}", told.err);
        assert!(told.out.contains(wanted), "{}", told.out);
    }

    for (arguments, hint) in [
        (&["uv-sngle"][..], "did you mean \"uv-single[cache_mounts=on]\"?"),
        (&["uv-multi", "--phase", "hot bild"], "did you mean \"hot build\"?"),
        (&["uv-multi", "--phase", "hot pus"], "did you mean \"hot push\"?"),
    ] {
        let refused = place.bakeoff(&[&["explain", run], arguments].concat());
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains(hint), "{}", refused.err);
    }
}
