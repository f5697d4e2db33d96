//! Whole suites: what they become, and refusals that take more than one change of a file.

use std::path::PathBuf;
use std::time::Duration;

use super::testing::{Project, refusal};
use super::{Overrides, PhaseKind, Probe, PublishedFigure, Scenario, Temperature};
use crate::engine::Builder;
use crate::plan::Plan;
use crate::units::{Bytes, Nanos};

const SUITE_FILE: &str = "scenarios/x.toml";
const FIXTURE_FILE: &str = "fixtures/app/fixture.toml";

fn found(scenarios: &[Scenario], name: &str) -> Scenario {
    let names: Vec<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
    scenarios
        .iter()
        .find(|scenario| scenario.name == name)
        .unwrap_or_else(|| panic!("{names:?}"))
        .clone()
}

#[test]
fn a_good_suite_is_resolved() {
    let project = Project::new();
    let suite = project.load(&Overrides::default()).unwrap();
    assert_eq!((suite.name.as_str(), suite.rounds, suite.warmup), ("small", 3, 1));
    assert_eq!(suite.timeout, Duration::from_secs(1200));
    assert_eq!(suite.path, project.path(SUITE_FILE));
    assert!(suite.text.starts_with("schema = 1"));
    assert_eq!(suite.public_args, ["MODE"]);
    assert_eq!(suite.images["python"], "python:3.13-slim");
    assert_eq!(suite.images["registry"], "registry:2");
    assert_eq!(suite.images["node"], "node:22");
    assert!(suite.images["uv"].starts_with("ghcr.io/astral-sh/uv:"));
    assert_eq!(
        suite.probe,
        Some(Probe::Http {
            port: 8000,
            path: "/health".to_owned()
        })
    );

    let published = suite.published.unwrap();
    assert_eq!(published.source, "somewhere (2025)");
    assert_eq!(
        published.figures["cold build"]["pip"],
        PublishedFigure::Time(Nanos(268_980_000_000))
    );
    assert_eq!(
        published.figures["image size"]["uv"],
        PublishedFigure::Size(Bytes(9_050_000_000))
    );
}

#[test]
fn a_good_fixture_is_resolved() {
    let project = Project::new();
    let fixture = project.load(&Overrides::default()).unwrap().fixture;
    assert_eq!((fixture.name.as_str(), fixture.variant.as_str()), ("app", "light"));
    assert_eq!(fixture.root, project.path("fixtures/app"));
    assert_eq!(fixture.layers, [PathBuf::from("common"), PathBuf::from("light")]);
    assert_eq!(fixture.templates, [PathBuf::from("pyproject.toml")]);
    assert_eq!(
        (
            fixture.placeholders["LIGHT"].as_str(),
            fixture.placeholders["HEAVY"].as_str()
        ),
        ("1.0", "2.0")
    );
    assert_eq!(fixture.disk, Some(Bytes(4_000_000_000)));
    assert_eq!(fixture.trial_time, Some(Nanos(90_000_000_000)));
    assert_eq!(fixture.lock.unwrap().command, ["uv", "lock"]);
    let bump = &fixture.edits["bump-light"];
    assert_eq!(bump.description, "A newer light dependency.");
    assert_eq!(bump.changes[1].replace, ["VERSION = @N@", "VERSION = -@N@"]);
}

#[test]
fn a_factor_multiplies_only_the_scenarios_that_it_changes() {
    let suite = Project::new().load(&Overrides::default()).unwrap();
    let names: Vec<_> = suite.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, ["pip", "uv[cache_mounts=on]", "uv[cache_mounts=off]"]);

    let pip = found(&suite.scenarios, "pip");
    assert_eq!((pip.factors.len(), pip.builder), (0, Builder::Buildkit));
    assert_eq!(pip.build_args["MODE"], "fast");
    assert_eq!(
        pip.image_args.into_iter().collect::<Vec<_>>(),
        [("PYTHON_IMAGE".to_owned(), "python".to_owned())]
    );

    let (on, off) = (
        found(&suite.scenarios, "uv[cache_mounts=on]"),
        found(&suite.scenarios, "uv[cache_mounts=off]"),
    );
    assert!(on.dockerfile.text().contains("type=cache"));
    assert!(!off.dockerfile.text().contains("type=cache") && off.dockerfile.text().contains("type=bind"));
    assert_eq!(
        (off.base_name.as_str(), off.factors),
        ("uv", vec![("cache_mounts".to_owned(), "off".to_owned())])
    );
    assert_eq!(
        (off.target.as_deref(), off.platform.as_deref()),
        (Some("Final"), Some("linux/amd64"))
    );
}

#[test]
fn a_scenario_may_narrow_a_factor_and_have_one_of_its_own() {
    let project = Project::new();
    project.change(
        SUITE_FILE,
        "platform = \"linux/amd64\"",
        "factors = { cache_mounts = [\"off\"] }",
    );
    project.change(
        SUITE_FILE,
        "build_args",
        "factors = { builder = [\"classic\", \"buildkit\"] }\nbuild_args",
    );
    assert_eq!(project.names(), ["pip[builder=classic]", "pip[builder=buildkit]", "uv"]);
    let suite = project.load(&Overrides::default()).unwrap();
    assert_eq!(suite.scenarios[0].builder, Builder::Classic);
    assert_eq!(suite.scenarios[1].builder, Builder::Buildkit);
    assert!(
        !suite.scenarios[2].dockerfile.text().contains("type=cache"),
        "a single value still applies"
    );
}

#[test]
fn what_the_classic_builder_can_not_build_is_refused_with_both_places() {
    let message = refusal(
        SUITE_FILE,
        "[factors]",
        "[factors]\nbuilder = [\"buildkit\", \"classic\"]",
    );
    let lines: Vec<_> = message.lines().collect();
    // What stands in brackets is the dockerfile room's.
    let (first, _) = lines[0].split_once(" (").unwrap();
    assert_eq!(
        first,
        "scenarios/x.toml:19:24: the scenario \"uv\" can't be built with builder = \"classic\": \
         fixtures/app/Dockerfile.uv:3 needs BuildKit"
    );
    assert_eq!(
        lines[2..4],
        [
            "19 | builder = [\"buildkit\", \"classic\"]",
            "   |                        ^^^^^^^^^"
        ]
    );
    assert_eq!(lines[4], "fixtures/app/Dockerfile.uv:3:1:");
    assert!(lines[6].starts_with("3 | RUN --mount=type=cache"), "{message}");
}

#[test]
fn the_hint_about_the_classic_builder_mends_the_suite() {
    let project = Project::new();
    project.change(
        SUITE_FILE,
        "[factors]",
        "[factors]\nbuilder = [\"buildkit\", \"classic\"]",
    );
    let hint = project.load(&Overrides::default()).unwrap_err().hint().unwrap();
    let (_, exclude) = hint.split_once('\n').unwrap();
    assert_eq!(exclude, "[[exclude]]\nscenario = \"uv\"\nbuilder = \"classic\"");
    project.change(SUITE_FILE, "[probe]", &format!("{exclude}\n[probe]"));
    let expected = [
        "pip[builder=buildkit]",
        "pip[builder=classic]",
        "uv[cache_mounts=on]",
        "uv[cache_mounts=off]",
    ];
    assert_eq!(project.names(), expected);
}

#[test]
fn the_classic_builder_keeps_what_it_can_build_without_cache_mounts() {
    let project = Project::new();
    project.write(
        "fixtures/app/Dockerfile.uv",
        "FROM a AS final\nRUN --mount=type=cache,target=/c make\n",
    );
    project.change(
        SUITE_FILE,
        "[factors]",
        "[factors]\nbuilder = [\"buildkit\", \"classic\"]",
    );
    let hint = project.load(&Overrides::default()).unwrap_err().hint().unwrap();
    let (_, exclude) = hint.split_once('\n').unwrap();
    assert_eq!(
        exclude,
        "[[exclude]]\nscenario = \"uv\"\nbuilder = \"classic\"\ncache_mounts = \"on\""
    );
    project.change(SUITE_FILE, "[probe]", &format!("{exclude}\n[probe]"));
    let uv: Vec<_> = project
        .names()
        .into_iter()
        .filter(|name| name.starts_with("uv"))
        .collect();
    assert_eq!(
        uv,
        [
            "uv[builder=buildkit,cache_mounts=on]",
            "uv[builder=buildkit,cache_mounts=off]",
            "uv[builder=classic,cache_mounts=off]",
        ]
    );
}

#[test]
fn temperatures_follow_from_the_journey_unless_it_says_them() {
    let project = Project::new();
    project.change(
        SUITE_FILE,
        "[[journey]]\nname = \"cold push\"",
        "[[journey]]\nname = \"again\"\nkind = \"build\"\nimage = \"again\"\n\n\
         [[journey]]\nname = \"hot push\"\nkind = \"push\"\nimage = \"hot\"\n\n\
         [[journey]]\nname = \"again push\"\nkind = \"push\"\nimage = \"again\"\n\n\
         [[journey]]\nname = \"said push\"\nkind = \"push\"\nimage = \"cold\"\ntemperature = \"noop\"\n\n\
         [[journey]]\nname = \"cold push\"",
    );
    let journey = project.load(&Overrides::default()).unwrap().journey;
    let shown: Vec<_> = journey
        .iter()
        .map(|phase| (phase.name.as_str(), phase.kind, phase.temperature))
        .collect();
    assert_eq!(
        shown,
        [
            ("cold build", PhaseKind::Build, Temperature::Cold),
            ("hot build", PhaseKind::Build, Temperature::Hot),
            ("again", PhaseKind::Build, Temperature::Noop),
            ("hot push", PhaseKind::Push, Temperature::Hot),
            ("again push", PhaseKind::Push, Temperature::Noop),
            ("said push", PhaseKind::Push, Temperature::Noop),
            ("cold push", PhaseKind::Push, Temperature::Cold),
        ]
    );
    assert_eq!(journey[1].edits, ["bump-light"]);
}

#[test]
fn the_command_line_overrides_the_file() {
    let project = Project::new();
    let few = Overrides {
        rounds: Some(1),
        warmup: Some(0),
        scenario: vec!["uv".to_owned()],
        ..Overrides::default()
    };
    let suite = project.load(&few).unwrap();
    assert_eq!((suite.rounds, suite.warmup, suite.scenarios.len()), (1, 0, 2));
    assert!(suite.published.unwrap().figures["cold build"].contains_key("pip"));

    for (pattern, expected) in [
        ("*", vec!["pip", "uv[cache_mounts=on]", "uv[cache_mounts=off]"]),
        ("uv[cache_mounts=off]", vec!["uv[cache_mounts=off]"]),
        ("*=on]", vec!["uv[cache_mounts=on]"]),
        ("?ip", vec!["pip"]),
    ] {
        let overrides = Overrides {
            scenario: vec![pattern.to_owned()],
            ..Overrides::default()
        };
        let names: Vec<_> = project
            .load(&overrides)
            .unwrap()
            .scenarios
            .into_iter()
            .map(|s| s.name)
            .collect();
        assert_eq!(names, expected, "{pattern}");
    }
}

#[test]
fn what_the_command_line_gets_wrong_is_refused() {
    let project = Project::new();
    for (overrides, expected) in [
        (
            Overrides {
                variant: Some("torhc".to_owned()),
                ..Overrides::default()
            },
            "--fixture: unknown variant \"torhc\"; expected one of light, torch; did you mean \"torch\"?",
        ),
        (
            Overrides {
                rounds: Some(0),
                ..Overrides::default()
            },
            "--rounds: can't be 0; expected at least 1 measured round",
        ),
        (
            Overrides {
                scenario: vec!["uv".to_owned(), "pop".to_owned()],
                ..Overrides::default()
            },
            "--scenario: \"pop\" matches no scenario; expected one of pip, uv[cache_mounts=on], uv[cache_mounts=off]",
        ),
    ] {
        assert_eq!(project.load(&overrides).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_edit_is_tried_on_the_variant_in_use() {
    let project = Project::new();
    let torch = Overrides {
        variant: Some("torch".to_owned()),
        ..Overrides::default()
    };
    let message = project.shown(&project.load(&torch).unwrap_err());
    assert!(
        message.starts_with("fixtures/app/fixture.toml:37:8: the edit \"bump-light\" changes nothing"),
        "{message}"
    );
    assert!(
        message.contains("does not occur in fixtures/app/common/src/main.py"),
        "{message}"
    );

    project.change("fixtures/app/common/src/main.py", "9", "0");
    let fixture = project.load(&torch).unwrap().fixture;
    assert_eq!(
        (fixture.variant.as_str(), fixture.placeholders["HEAVY"].as_str()),
        ("torch", "none")
    );
    assert_eq!(fixture.layers, [PathBuf::from("common")]);
    assert_eq!(
        fixture.disk,
        Some(Bytes(1_000_000_000)),
        "the fixture's own, as the variant has none"
    );
}

#[test]
fn edits_see_the_context_with_its_placeholders_filled_in() {
    let loads = |find: &str, replace: &str| {
        let project = Project::new();
        project.change(FIXTURE_FILE, "find = \"light==1.0\"", &format!("find = '{find}'"));
        project.change(
            FIXTURE_FILE,
            "replace = \"light==1.1\"",
            &format!("replace = '{replace}'"),
        );
        project
            .load(&Overrides::default())
            .map(|suite| suite.fixture.edits["bump-light"].changes[0].clone())
    };
    let change = loads("heavy==@HEAVY@", "heavy==@HEAVY@.post@N@").unwrap();
    assert_eq!(
        (change.find.as_str(), change.replace[0].as_str()),
        ("heavy==2.0", "heavy==2.0.post@N@")
    );
    // The Python version is not known yet: what may be there is accepted, what can't be is not.
    assert!(loads("requires-python = \"==3.12.*\"", "x").is_ok());
    assert!(loads("python = \"==@PYTHON_MINOR@.*\"", "python = \">=@PYTHON_MINOR@\"").is_ok());
    assert!(loads("requires-python = \"==2.7.*\"", "x").is_err());
    assert!(loads("@LIGHT@.1", "x").is_err());
}

#[test]
fn a_lock_file_that_is_made_later_can_be_edited() {
    let project = Project::new();
    project.change(FIXTURE_FILE, "file = \"src/main.py\"", "file = \"uv.lock\"");
    assert!(project.load(&Overrides::default()).is_ok());
    project.write("fixtures/app/common/uv.lock", "");
    assert!(project.load(&Overrides::default()).is_err());
}

#[test]
fn an_edit_that_the_journey_does_not_use_may_be_another_variant_s() {
    let project = Project::new();
    project.change(FIXTURE_FILE, "find = \"VERSION\"\n", "find = \"only in torch\"\n");
    assert!(project.load(&Overrides::default()).is_ok());
    project.change(SUITE_FILE, "edit = \"bump-light\"", "edit = \"touch-source\"");
    assert!(project.load(&Overrides::default()).is_err());
}

#[test]
fn a_bare_folder_is_a_fixture() {
    let project = Project::new();
    std::fs::remove_file(project.path(FIXTURE_FILE)).unwrap();
    let message = project.shown(&project.load(&Overrides::default()).unwrap_err());
    assert!(
        message.starts_with("scenarios/x.toml:41:8: unknown edit \"bump-light\"; there are none\n"),
        "{message}"
    );

    project.change(SUITE_FILE, "edit = \"bump-light\"\n", "");
    let fixture = project.load(&Overrides::default()).unwrap().fixture;
    assert_eq!((fixture.name.as_str(), fixture.variant.as_str()), ("app", ""));
    assert_eq!((fixture.layers, fixture.edits.len()), (vec![PathBuf::from(".")], 0));
    let light = Overrides {
        variant: Some("light".to_owned()),
        ..Overrides::default()
    };
    let message = project.load(&light).unwrap_err().to_string();
    assert_eq!(message, "--fixture: unknown variant \"light\"; there are none");
}

#[test]
fn a_scenario_s_own_argument_wins_over_the_role() {
    let project = Project::new();
    project.change(SUITE_FILE, "{ MODE = \"fast\" }", "{ PYTHON_IMAGE = \"mine:1\" }");
    let pip = found(&project.load(&Overrides::default()).unwrap().scenarios, "pip");
    assert_eq!(
        (pip.image_args.len(), pip.build_args["PYTHON_IMAGE"].as_str()),
        (0, "mine:1")
    );
}

#[test]
fn a_dockerfile_may_lie_beside_the_suite() {
    let project = Project::new();
    project.write("scenarios/own.Dockerfile", "FROM a\n");
    project.change(SUITE_FILE, "\"Dockerfile.pip\"", "\"own.Dockerfile\"");
    let pip = found(&project.load(&Overrides::default()).unwrap().scenarios, "pip");
    assert_eq!(pip.dockerfile_path, project.path("scenarios/own.Dockerfile"));
    project.write("fixtures/app/own.Dockerfile", "FROM b\n");
    let pip = found(&project.load(&Overrides::default()).unwrap().scenarios, "pip");
    assert_eq!(pip.dockerfile_path, project.path("fixtures/app/own.Dockerfile"));
}

#[test]
fn what_is_wrong_with_a_dockerfile_is_told_with_its_line() {
    let unknown = refusal("fixtures/app/Dockerfile.pip", "RUN pip", "RNU pip");
    assert!(unknown.starts_with("fixtures/app/Dockerfile.pip:3:1: "), "{unknown}");
    assert!(
        unknown.ends_with("\n  |\n3 | RNU pip install x\n  | ^^^^^^^^^^^^^^^^^"),
        "{unknown}"
    );
    let empty = refusal("fixtures/app/Dockerfile.pip", "${PYTHON_IMAGE}", "${PYTHN_IMAGE}");
    assert!(empty.starts_with("fixtures/app/Dockerfile.pip:2:1: "), "{empty}");
}

#[test]
fn suites_without_scenarios_or_phases_are_refused() {
    let project = Project::new();
    let head = "schema = 1\n[suite]\nname = \"s\"\nfixture = \"../fixtures/app\"\n";
    project.write(SUITE_FILE, head);
    let message = |project: &Project| project.shown(&project.load(&Overrides::default()).unwrap_err());
    assert!(message(&project).contains(":3:8: the suite's journey is empty; expected at least one [[journey]]"));
    project.write(
        SUITE_FILE,
        &format!("{head}[[journey]]\nname = \"b\"\nkind = \"build\"\nimage = \"b\"\n"),
    );
    assert!(message(&project).contains(":3:8: the suite's list of scenarios is empty; expected at least one [[scen"));
}

#[test]
fn a_missing_suite_file_is_named() {
    let error = super::load(std::path::Path::new("nowhere/x.toml"), &Overrides::default()).unwrap_err();
    assert_eq!(error.to_string(), "can't read the suite nowhere/x.toml");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_published_suite_is_the_article_s() {
    let project = Project::new();
    project.write(SUITE_FILE, include_str!("../../scenarios/published.toml"));
    project.write("fixtures/fastapi/src/main.py", "VERSION = 0\n");
    for (name, text) in [
        ("pip-single", "FROM a\nRUN pip install -r requirements-heavy.txt\n"),
        (
            "pip-multi",
            "FROM a AS builder\nFROM a\nCOPY --from=builder /packages/heavy /h\n",
        ),
        (
            "uv-single",
            "FROM a\nRUN --mount=type=cache,target=/root/.cache/uv uv sync\n",
        ),
        (
            "uv-multi",
            "FROM a AS builder\nFROM a\nCOPY --from=builder /packages/heavy /h\n",
        ),
    ] {
        project.write(&format!("fixtures/fastapi/Dockerfile.{name}"), text);
    }
    project.write(
        "fixtures/fastapi/fixture.toml",
        "schema = 1\nname = \"fastapi\"\n[variant.light]\n[variant.torch]\n[edit.bump-light]\n\
         [[edit.bump-light.change]]\nfile = \"src/main.py\"\nfind = \"0\"\nreplace = \"1\"\n",
    );
    let suite = project
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = suite.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let expected = [
        "pip-single",
        "pip-multi",
        "uv-single[cache_mounts=on]",
        "uv-single[cache_mounts=off]",
        "uv-multi",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (suite.rounds, suite.warmup, suite.timeout),
        (8, 1, Duration::from_secs(3600))
    );
    let phases: Vec<_> = suite.journey.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(phases, ["cold build", "hot build", "cold push", "hot push"]);
    assert_eq!(suite.journey[3].temperature, Temperature::Hot);

    let figures = suite.published.as_ref().unwrap().figures.values();
    assert_eq!(figures.clone().count(), 5);
    assert!(figures.clone().all(|row| row.len() == 4));

    let order = Plan::new(&suite, 1).order(&suite);
    assert_eq!(order.len(), 5 * 9);
    assert!(
        names
            .iter()
            .all(|name| order.iter().filter(|key| key.scenario == *name).count() == 9)
    );
}

#[test]
fn the_examples_of_the_reference_load() {
    let reference = include_str!("../../docs/suite-format.md");
    let examples: Vec<_> = reference
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let [whole, expectations, network, fixture] = examples[..] else {
        panic!("{} examples", examples.len())
    };
    let project = Project::new();
    project.write(SUITE_FILE, whole);
    project.write("fixtures/fastapi/fixture.toml", fixture);
    project.write(
        "fixtures/fastapi/common/pyproject.toml",
        "deps = [\"@LIGHT@\", \"@HEAVY@\"]\n",
    );
    project.write("fixtures/fastapi/common/src/main.py", "BUILD = 0\n");
    project.write("fixtures/fastapi/light/notes.txt", "");
    project.write("fixtures/fastapi/Dockerfile.pip-single", "FROM a\nRUN pip install x\n");
    project.write(
        "fixtures/fastapi/Dockerfile.uv-single",
        "FROM a AS final\nRUN --mount=type=cache,target=/c uv sync\n",
    );
    let named: Vec<_> = project.names().iter().map(|name| format!("`{name}`")).collect();
    assert_eq!(named.len(), 4);
    // Prose breaks lines where it likes.
    let prose = reference.replace('\n', " ");
    assert!(
        prose.contains(&format!("{} and {}.", named[..3].join(", "), named[3])),
        "{named:?}"
    );

    project.change(SUITE_FILE, "[network]\nlink = \"100mbit,20ms\"\n", network);
    let network = project.load(&Overrides::default()).unwrap().network;
    assert_eq!(network.link.to_string(), "10mbit,80ms");
    assert!(network.synthetic.is_some());

    let head = whole.split("[[scenario]]").next().unwrap();
    project.write(SUITE_FILE, &format!("{head}{expectations}"));
    project.write(
        "fixtures/fastapi/fixture.toml",
        &format!("{fixture}[[edit.bump-heavy.change]]\nfile = \"src/main.py\"\nfind = \"0\"\nreplace = \"1\"\n"),
    );
    project.write(
        "fixtures/fastapi/Dockerfile.uv-multi",
        "FROM a AS builder\nFROM a\nCOPY --from=builder /packages/heavy /h\n",
    );
    let suite = project
        .load(&Overrides::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(suite.scenarios[0].reuse, [3]);
    assert!(!suite.journey[1].expect.reuse);
}
