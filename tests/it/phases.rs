//! Pulls and starts on real engines: that they are measured for what they are, and that what is not is caught.

use bakeoff::engine::PullOutcome;
use bakeoff::journal::RunLog;
use bakeoff::runner::event::{Outcome, PhaseRecord};

use crate::support::{FIXTURE, ONE, Place, SUITE, engine, nothing_of_runs_is_left, phase};

/// A service with a heavy layer that an edit must not touch.
const SERVICE: &str = "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE}\nWORKDIR /app\n\
                       RUN head -c 3000000 /dev/urandom > heavy\nCOPY state .\n\
                       CMD [\"python3\", \"-m\", \"http.server\", \"8000\"]\n";

/// A journey: each phase's name, kind and image, and what else there is.
fn journey(phases: &[(&str, &str, &str, &str)]) -> String {
    let one = |(name, kind, image, more): &(&str, &str, &str, &str)| {
        format!("[[journey]]\nname = \"{name}\"\nkind = \"{kind}\"\nimage = \"{image}\"\n{more}\n")
    };
    phases.iter().map(one).collect()
}

fn place(phases: &[(&str, &str, &str, &str)], more: &str, dockerfile: &str) -> Place {
    let place = Place::with_own_recordings();
    place.write("suite.toml", &format!("{SUITE}{more}{ONE}{}", journey(phases)));
    place
        .write("app/fixture.toml", FIXTURE)
        .write("app/files/state", "cold\n")
        .write("app/Dockerfile", dockerfile);
    place
}

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
    let place = place(&phases, more, SERVICE);
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
    let never = SERVICE.replace(
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
    let place = place(&phases, more, &never);
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
    let ended = place(&phases, "", SERVICE).bakeoff(&["plan", "suite.toml"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(ended.err.contains("the first pull can only be cold"), "{}", ended.err);
}
