//! Runs that are killed, and go on.

use std::time::{Duration, Instant};

use bakeoff::engine::OwnedKind;
use bakeoff::runner::event::{Outcome, RunEnd};

use crate::support::{
    Alone, Ended, ONE, Place, TWO_LAYERS, engine, nothing_of_runs_is_left, of_runs, repository, service, small,
    until_it_pulls, with_journey,
};

/// Kills a run of two trials when the second one has measured something.
fn killed(alone: &Alone) -> Place {
    let one = format!("{ONE}build_args = {{ PIN = \"1\" }}\n");
    let place = small(&one, &[("Dockerfile", TWO_LAYERS)]).on(alone);
    let mut child = place
        .command(&["run", "suite.toml", "--out", "reports/runs/one", "--rounds", "2"])
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    let phases = || journal(&place).matches("\"event\":\"phase\"").count();
    while phases() < 5 {
        assert!(
            began.elapsed() < Duration::from_secs(240),
            "the second trial never began"
        );
        assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
    place
}

fn journal(place: &Place) -> String {
    std::fs::read_to_string(place.path("reports/runs/one/journal.jsonl")).unwrap_or_default()
}

fn resume(place: &Place) -> Ended {
    place.bakeoff(&["run", "--resume", "reports/runs/one"])
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_only_as_what_it_was() {
    let Some(alone) = Alone::start() else { return };
    let engine = &alone.engine;
    let place = killed(&alone);
    let before = journal(&place);
    let command = "bakeoff run --resume reports/runs/one";
    let report = place.bakeoff(&["report", "reports/runs/one"]).out.replace("\n  ", " ");
    assert!(report.contains(&format!("`{command}` goes on with it")), "{report}");

    let list = place.bakeoff(&["list"]).out;
    assert!(list.contains("unfinished") && list.contains(command), "{list}");

    // What it is made of must be as it was.
    for (file, what) in [
        ("suite.toml", "suite.toml differs from line"),
        ("app/Dockerfile", "the Dockerfile of one"),
        ("app/files/state", "the files of the fixture"),
    ] {
        let text = std::fs::read_to_string(place.path(file)).expect("readable");
        place.write(file, &format!("{text}# changed\n"));
        let refused = resume(&place);
        assert_eq!(refused.code, 3, "{file}: {}", refused.err);
        assert!(refused.err.contains(what), "{file}: {}", refused.err);
        place.write(file, &text);
    }
    let secret = std::fs::read_to_string(place.path("suite.toml")).expect("readable");
    place.write("suite.toml", &secret.replace("PIN = \"1\"", "PIN = \"2\""));
    let refused = resume(&place);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("values of build arguments"), "{}", refused.err);
    place.write("suite.toml", &secret);
    assert_eq!(
        place
            .bakeoff(&["run", "--resume", "reports/runs/one", "--rounds", "3"])
            .code,
        2
    );
    // And so must the machine, unless that is accepted.
    let elsewhere = before.replacen("\"cpus\":", "\"cpus\":1", 1);
    place.write("reports/runs/one/journal.jsonl", &elsewhere);
    let left = of_runs(engine);
    assert!(!left.is_empty(), "a killed run leaves its registry at least");
    let refused = resume(&place);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("processors"), "{}", refused.err);
    let mut away = place.command(&["run", "--resume", "reports/runs/one"]);
    let away: Ended = away
        .env("DOCKER_HOST", "ssh://nobody@192.0.2.1")
        .output()
        .expect("starts")
        .into();
    assert_eq!(away.code, 4, "{}", away.err);
    assert!(away.err.contains("run bakeoff on that machine"), "{}", away.err);
    assert_eq!(of_runs(engine), left, "a refusal takes nothing away");
    assert_eq!(journal(&place), elsewhere, "a refusal leaves the journal as it is");

    // A loss of power cuts the last line off. It is called from another folder here.
    place.write("reports/runs/one/journal.jsonl", &format!("{before}{{\"event\":\"pha"));
    std::fs::create_dir(place.path("elsewhere")).expect("a folder");
    let mut resumed = place.command(&["run", "--resume", "../reports/runs/one"]);
    resumed.current_dir(place.path("elsewhere"));
    let ended: Ended = resumed.output().expect("starts").into();
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.err.contains("cut off") && ended.err.contains("1 of 2 trials"),
        "{}",
        ended.err
    );
    assert!(journal(&place).starts_with(&before), "what was there stays");
    let log = place.log("reports/runs/one");
    assert_eq!((log.phases.len(), log.trials.len(), log.seams.len()), (8, 2, 1));
    assert_eq!(log.superseded.len(), before.matches("\"event\":\"phase\"").count() - 4);
    assert!(log.seams[0].torn && log.seams[0].changes.is_empty(), "{:?}", log.seams);
    assert!(matches!(log.end, Some(RunEnd { interrupted: false, .. })));
    assert!(ended.out.contains("gone on with after round 1, one"), "{}", ended.out);

    let again = resume(&place);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("nothing is left"), "{}", again.err);
    assert!(again.out.contains("cold build"), "{}", again.out);
    nothing_of_runs_is_left(engine);
}

#[test]
fn an_interrupted_run_goes_on_and_another_machine_can_be_accepted() {
    let Some(alone) = Alone::start() else { return };
    let engine = &alone.engine;
    let place = killed(&alone);
    let other = journal(&place).replacen("\"cpu_model\":\"", "\"cpu_model\":\"Other ", 1);
    place.write("reports/runs/one/journal.jsonl", &other);
    let mut child = place
        .command(&["run", "--resume", "reports/runs/one", "--allow-different-machine"])
        .spawn()
        .expect("starts");
    let began = Instant::now();
    while !journal(&place).contains("run-resumed") {
        assert!(began.elapsed() < Duration::from_secs(120) && child.try_wait().expect("a state").is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = resume(&place);
    assert_eq!(second.code, 4, "a second process must be refused: {}", second.err);
    assert!(second.err.contains("another process measures"), "{}", second.err);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let log = place.log("reports/runs/one");
    assert!(log.end.as_ref().is_some_and(|end| end.interrupted) && log.is_resumable());
    let ended = place.bakeoff(&["run", "--resume", "reports/runs/one", "--allow-different-machine"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let log = place.log("reports/runs/one");
    assert_eq!((log.phases.len(), log.trials.len(), log.seams.len()), (8, 2, 2));
    assert!(ended.out.contains("processor (Other "), "{}", ended.out);
    nothing_of_runs_is_left(engine);
}

#[test]
fn a_run_that_never_began_says_so() {
    let place = Place::new();
    place.write("reports/runs/one/journal.jsonl", "{\"event\":\"run-sta");
    let refused = resume(&place);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("no first record"), "{}", refused.err);
    assert!(refused.err.contains("can be removed"), "{}", refused.err);
    let old = std::fs::read_to_string(repository().join("reports/links/journal.jsonl")).expect("readable");
    let (header, _) = old.split_once('\n').expect("lines");
    place.write("reports/runs/one/journal.jsonl", &format!("{header}\n"));
    let refused = resume(&place);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("(schema 1)"), "{}", refused.err);
}

/// Kills runs so often, on engines of this kind. `inside` is the script that they are run in, if any.
fn soak(kills: &str, kind: &str, inside: Option<&str>) {
    let program = Place::new().command(&[]);
    let script = repository().join("scripts/soak");
    let mut command = match inside {
        Some(inside) => {
            let mut command = std::process::Command::new(repository().join(inside));
            command.arg(script);
            command
        }
        None => std::process::Command::new(script),
    };
    let soaked = command
        .args([kills, "7"])
        .env("BAKEOFF", program.get_program())
        .env("ENGINE", kind)
        .output()
        .expect("the script starts");
    let ended = Ended::from(soaked);
    eprintln!("{}\n{}", ended.out, ended.err);
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains(&format!("{kills} kills")) && ended.out.contains("no violation"));
}

#[test]
fn a_few_kills_lose_nothing_leave_nothing_and_touch_nothing() {
    let Some((_engine, _turn)) = engine() else { return };
    // On an engine that goes with all that killed runs leave in it.
    soak("5", "host", Some("scripts/offline"));
}

#[test]
fn kills_leave_nothing_of_isolated_engines_either() {
    let Some((_engine, _turn)) = engine() else { return };
    soak("3", "isolated", None);
}

#[test]
fn a_run_that_is_killed_while_it_pulls_goes_on_and_its_machine_is_removed() {
    let Some((engine, _turn)) = engine() else { return };
    let phases = [
        ("cold build", "build", "cold", ""),
        ("hot build", "build", "hot", "edit = \"bump\""),
        ("cold push", "push", "cold", ""),
        ("hot push", "push", "hot", ""),
        ("cold pull", "pull", "cold", ""),
        ("hot pull", "pull", "hot", ""),
    ];
    let place = with_journey(&phases, "", &service(100_000_000));
    let mut run = place.command(&[
        "run",
        "suite.toml",
        "--out",
        "reports/runs/one",
        "--rounds",
        "2",
        "--engine",
        "isolated",
    ]);
    let mut run = run.spawn().expect("the program starts");
    let file = place.path("reports/runs/one/journal.jsonl");
    let machine = until_it_pulls(&engine, &mut run, &file, "\"event\":\"trial-finished\"");
    run.kill().expect("killed");
    run.wait().expect("reaped");
    let before = journal(&place);
    assert_eq!(before.matches("\"event\":\"phase\"").count(), 10, "{before}");
    let left = of_runs(&engine);
    let is_there = |kind| {
        left.iter()
            .any(|thing| thing.kind == kind && thing.name.ends_with("-pull-1"))
    };
    assert!(
        is_there(OwnedKind::Container) && is_there(OwnedKind::Volume),
        "{left:?}"
    );

    let ended = resume(&place);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    assert!(ended.err.contains("1 of 2 trials"), "{}", ended.err);
    assert!(journal(&place).starts_with(&before), "what was there stays");
    let log = place.log("reports/runs/one");
    assert!(log.is_complete());
    assert_eq!((log.phases.len(), log.trials.len(), log.seams.len()), (12, 2, 1));
    assert_eq!(log.superseded.len(), 4);
    for record in &log.phases {
        assert_eq!(record.outcome, Outcome::Measured, "{}", record.phase);
    }
    for row in ["cold pull", "hot pull"] {
        assert!(ended.out.contains(row), "{}", ended.out);
    }
    nothing_of_runs_is_left(&engine);
    assert!(of_runs(&engine).iter().all(|thing| thing.id != machine));
}
