//! Pulls and starts on real engines: that they are measured for what they are, and that what is not is caught.

use std::process::Child;
use std::time::{Duration, Instant};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{PullOutcome, http};
use bakeoff::journal::RunLog;
use bakeoff::runner::event::{Outcome, PhaseRecord};

use crate::support::{
    Place, container, engine, nothing_of_runs_is_left, of_runs, phase, service, until, wait, with_journey,
};

/// The short ids of the layers that a pull brought, and how many it found.
fn pulled(record: &PhaseRecord) -> (Vec<&str>, usize) {
    let trace = record.pull.as_ref().unwrap_or_else(|| panic!("{:?}", record.outcome));
    let such = |outcome| trace.layers.iter().filter(move |layer| layer.outcome == outcome);
    let new = such(PullOutcome::Pulled).map(|layer| layer.id.as_str()).collect();
    (new, such(PullOutcome::Exists).count())
}

fn has_figures(log: &RunLog, scenario: &str) {
    let cold = phase(log, scenario, "cold pull");
    let pushed = phase(log, scenario, "cold push").manifest.as_ref().expect("a manifest");
    let (layers, found) = pulled(cold);
    assert_eq!((layers.len(), found), (pushed.layers.len(), 0), "{:?}", cold.pull);
    for (digest, _) in &pushed.layers {
        let digest = digest.trim_start_matches("sha256:");
        assert!(layers.iter().any(|id| digest.starts_with(id)), "{digest}: {layers:?}");
    }
    // What the registry sent is what it was sent before: layers and the configuration.
    let traffic = |name: &str| {
        let travelled = phase(log, scenario, name).travelled.expect("what travelled");
        travelled.registry.expect("what the registry's log says")
    };
    assert_eq!(traffic("cold pull").pulled, traffic("cold push").uploaded);
    assert_eq!(traffic("cold pull").present.count, 0);
    let trace = cold.pull.as_ref().expect("a trace");
    assert_eq!((trace.wall, trace.digest.as_str()), (cold.wall, pushed.digest.as_str()));
    let parts = trace.parts();
    assert!(parts.downloading.0 + parts.both.0 > 0, "{trace:?}");

    // The base and the heavy layer are on the machine; the file that was edited is not. containerd does not name the former,
    // and of an image that is there no engine names any.
    let (layers, found) = pulled(phase(log, scenario, "hot pull"));
    let of_containerd = scenario.contains("containerd");
    assert!(
        layers.len() == 1 && (found >= 2 || of_containerd),
        "{layers:?} and {found}"
    );
    let (layers, _) = pulled(phase(log, scenario, "same pull"));
    assert!(layers.is_empty(), "{layers:?}");
    let wall = |name: &str| phase(log, scenario, name).wall;
    assert!(wall("hot pull") < wall("cold pull"));

    for name in ["cold start", "hot start"] {
        let record = phase(log, scenario, name);
        let start = record.start.expect("a trace");
        assert!(
            start.running < record.wall && start.asked > 0,
            "{start:?}, {}",
            record.wall
        );
    }
}

#[test]
fn pulls_and_starts_are_measured_cold_and_hot() {
    let Some((engine, _turn)) = engine() else { return };
    let more = "[probe]\nhttp = { port = 8000, path = \"/state\" }\n\
                [factors]\nengine = [\"host\", \"isolated\"]\nimage_store = [\"default\", \"containerd\"]\n\
                [[exclude]]\nengine = \"host\"\nimage_store = \"containerd\"\n\
                [[exclude]]\nengine = \"isolated\"\nimage_store = \"default\"\n";
    let phases = [
        ("cold build", "build", "cold", ""),
        ("hot build", "build", "hot", "edit = \"bump\""),
        ("cold push", "push", "cold", ""),
        ("hot push", "push", "hot", ""),
        ("cold pull", "pull", "cold", ""),
        ("hot pull", "pull", "hot", ""),
        ("same pull", "pull", "hot", ""),
        ("cold start", "start", "cold", ""),
        ("hot start", "start", "cold", ""),
    ];
    let place = with_journey(&phases, more, &service(3_000_000));
    let ended = place
        .command(&["run", "suite.toml", "--out", "run"])
        .env_remove("BAKEOFF_ENGINE")
        .output()
        .expect("the program starts");
    let (out, err) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert_eq!(ended.status.code(), Some(0), "{out}\n{err}");
    let log = place.log("run");
    assert_eq!(log.phases.len(), 18);
    for record in &log.phases {
        let scenario = &record.trial.scenario;
        assert_eq!(record.outcome, Outcome::Measured, "{} of {scenario}", record.phase);
    }
    for head in &log.header.scenarios {
        has_figures(&log, &head.name);
    }
    let temperatures: Vec<&str> = log.header.journey[4..]
        .iter()
        .map(|phase| phase.temperature.as_str())
        .collect();
    assert_eq!(temperatures, ["cold", "hot", "noop", "cold", "hot"]);
    assert!(log.header.engines.iter().any(|engine| engine.choice == "pull"));
    nothing_of_runs_is_left(&engine);

    for row in ["cold pull", "hot start"] {
        assert!(out.contains(row), "{out}");
    }
}

#[test]
fn what_is_not_what_it_says_is_caught() {
    let Some((engine, _turn)) = engine() else { return };
    // It serves nothing, and the image that the edit makes does not even stay.
    let never = service(3_000_000).replace(
        "[\"python3\", \"-m\", \"http.server\", \"8000\"]",
        "[\"sh\", \"-c\", \"echo not ready; grep cold state && exec sleep 60; exit 3\"]",
    );
    let more = "[probe]\nhttp = { port = 8000, path = \"/\" }\nlimit = \"1 s\"\n";
    let phases = [
        ("cold build", "build", "cold", ""),
        ("hot build", "build", "hot", "edit = \"bump\""),
        ("same build", "build", "same", ""),
        ("cold push", "push", "cold", ""),
        ("hot push", "push", "hot", ""),
        ("same push", "push", "same", "temperature = \"hot\""),
        ("cold pull", "pull", "cold", ""),
        // Nothing has changed between them.
        ("hot pull", "pull", "same", ""),
        // And here something has.
        ("same pull", "pull", "hot", "temperature = \"noop\""),
        ("cold start", "start", "cold", ""),
        ("hot start", "start", "hot", ""),
    ];
    let place = with_journey(&phases, more, &never);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    let outcome = |name: &str| &phase(&log, "one", name).outcome;
    assert_eq!(*outcome("cold pull"), Outcome::Measured);
    let invalid = |name: &str, word: &str| match outcome(name) {
        Outcome::Invalid(reasons) => assert!(reasons.iter().any(|reason| reason.contains(word)), "{reasons:?}"),
        other => panic!("{name}: {other:?}"),
    };
    invalid("hot pull", "had every layer");
    invalid("same pull", "downloaded 1 layers");
    let failed = |name: &str, word: &str| match outcome(name) {
        Outcome::Failed(failure) => {
            assert!(failure.message.contains(word), "{failure:?}");
            assert_eq!(failure.last_lines.first().map(String::as_str), Some("not ready"));
        }
        other => panic!("{name}: {other:?}"),
    };
    failed("cold start", "nothing within 1");
    failed("hot start", "ended with 3");
    nothing_of_runs_is_left(&engine);
}

#[test]
fn a_hot_pull_without_a_cold_one_is_refused() {
    let phases = [
        ("cold build", "build", "cold", ""),
        ("cold push", "push", "cold", ""),
        ("hot pull", "pull", "cold", "temperature = \"hot\""),
    ];
    let ended = with_journey(&phases, "", &service(3_000_000)).bakeoff(&["plan", "suite.toml"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("the first pull can only be cold"), "{}", ended.err);
}

/// A run that builds, pushes and pulls next to nothing, each within 20 s. Its registry hangs once it has taken the image.
fn hanging(engine: &DockerEngine) -> (Place, Child) {
    let phases = [
        ("cold build", "build", "cold", ""),
        ("cold push", "push", "cold", ""),
        ("cold pull", "pull", "cold", ""),
    ];
    let place = with_journey(&phases, "timeout = \"20 s\"\n", "FROM scratch\nCOPY state /\n");
    let mut run = place.command(&["run", "suite.toml", "--out", "run"]);
    let mut run = run.spawn().expect("the program starts");
    let journal = || std::fs::read_to_string(place.path("run/journal.jsonl")).unwrap_or_default();
    until(&mut run, || journal().contains("\"phase\":\"cold push\""));
    let registry = container(&of_runs(engine), "-registry").expect("a registry");
    let request = hyper::Request::post(format!("/containers/{registry}/pause"))
        .header("Host", "docker")
        .body(http::empty())
        .expect("a request");
    let answer = wait(http::send(engine.address(), request)).expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
    (place, run)
}

#[test]
fn a_pull_that_hangs_ends_at_the_limit_of_the_suite() {
    let Some((engine, _turn)) = engine() else { return };
    let (place, mut run) = hanging(&engine);
    assert_eq!(run.wait().expect("it ends").code(), Some(5));
    let log = place.log("run");
    let pull = phase(&log, "one", "cold pull");
    assert!((20.0..30.0).contains(&pull.wall.seconds()), "{}", pull.wall);
    match &pull.outcome {
        Outcome::Failed(failure) => assert!(
            failure.message.contains("the pull took longer than its limit of 20 s"),
            "{failure:?}"
        ),
        other => panic!("{other:?}"),
    }
    nothing_of_runs_is_left(&engine);
}

#[test]
fn what_is_waited_for_before_a_pull_ends_when_the_user_interrupts() {
    let Some((engine, _turn)) = engine() else { return };
    let (_place, mut run) = hanging(&engine);
    until(&mut run, || container(&of_runs(&engine), "-pull-1").is_some());
    // Its engine is soon made; the registry has 30 s for an answer then.
    std::thread::sleep(Duration::from_secs(5));
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    nothing_of_runs_is_left(&engine);
}
