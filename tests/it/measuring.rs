//! What is measured on a real Docker Engine, with small Dockerfiles that need no network.

use bakeoff::engine::{Engine as _, LayerOutcome};
use bakeoff::runner::event::{Outcome, PhaseRecord};

use crate::records::Records;
use crate::support::{ONE, TWO_LAYERS, engine, nothing_of_runs_is_left, phase, records, small, wait};

#[test]
fn a_small_suite_is_measured_cold_and_hot() {
    let Some((engine, _turn)) = engine() else { return };
    let before = records(&engine);
    let place = small(
        &format!("{ONE}[probe]\ncommand = [\"test\", \"-s\", \"/app/seen\"]\n"),
        &[("Dockerfile", TWO_LAYERS)],
    );
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run", "--rounds", "2", "--seed", "1"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    assert_eq!(log.phases.len(), 8);
    assert!(
        log.phases
            .iter()
            .all(|record| record.outcome == Outcome::Measured && record.wall.0 > 0)
    );
    assert!(
        log.trials.iter().all(|trial| trial.probed == ["cold", "hot"]),
        "{:?}",
        log.trials
    );
    for round in log.phases.chunks(4) {
        let [cold, hot, cold_push, hot_push] = round else {
            panic!("four phases")
        };
        let layers = |record: &PhaseRecord| record.image.as_ref().expect("an image").layers.clone();
        let (cold_layers, hot_layers) = (layers(cold), layers(hot));
        assert_eq!(cold_layers.len(), hot_layers.len());
        // The hot build kept the heavy layer and all below it, and made the two above anew.
        let kept = cold_layers.iter().zip(&hot_layers).take_while(|(a, b)| a == b).count();
        assert_eq!(kept, cold_layers.len() - 2);
        let steps = &hot.build.as_ref().expect("a trace").steps;
        let cached = |text: &str| {
            steps
                .iter()
                .find(|step| step.name.contains(text))
                .expect("a step")
                .cached
        };
        assert!(cached("RUN head") && !cached("COPY state"));
        let new = |record: &PhaseRecord| record.manifest.as_ref().expect("a manifest").new_bytes.0;
        assert!(
            new(cold_push) > 3_000_000 && new(hot_push) < 10_000,
            "{} {}",
            new(cold_push),
            new(hot_push)
        );
        let pushed = hot_push.push.as_ref().expect("a trace");
        let sent = pushed
            .layers
            .iter()
            .filter(|layer| layer.outcome == LayerOutcome::Pushed)
            .count();
        assert_eq!(sent, 2, "{:?}", pushed.layers);
    }
    // The second round's heavy layer is not the first round's: it was built, not found.
    let heavy = |index: usize| log.phases[index].image.as_ref().expect("an image").layers.clone();
    assert_ne!(heavy(0), heavy(4));
    nothing_of_runs_is_left(&engine);
    assert_eq!(records(&engine), before);

    let again = place.bakeoff(&["report", "run"]);
    assert_eq!(
        (again.code, &again.out),
        (0, &ended.out),
        "a report from the journal is the run's own"
    );
    for file in [
        "report.html",
        "report.md",
        "results.csv",
        "report.json",
        "journal.jsonl",
    ] {
        assert!(place.path("run").join(file).is_file(), "{file}");
    }
    let csv = place.bakeoff(&["report", "run", "--format", "csv"]).out;
    assert_eq!(csv.lines().count(), 9, "{csv}");
}

#[test]
fn cache_mounts_are_the_trials_own_and_warm_when_hot() {
    let Some((engine, _turn)) = engine() else { return };
    // Cold, the mount must be empty; hot, it must hold what the cold build left in it.
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /state\n\
                      RUN --mount=type=cache,target=/c mkdir -p /c; ls /c > /seen; touch /c/mark\n";
    let probe = "[factors]\ncache_mounts = [\"on\", \"off\"]\n[probe]\ncommand = [\"sh\", \"-c\", \
                 \"if grep -q cold /state; then ! grep mark /seen; else grep mark /seen; fi\"]\n";
    let place = small(&format!("{ONE}{probe}"), &[("Dockerfile", dockerfile)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run", "--rounds", "2"]);
    // Without cache mounts the hot image sees an empty folder: the probe says so, and the cell is not filled.
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    let names: Vec<_> = log
        .header
        .scenarios
        .iter()
        .map(|scenario| scenario.name.as_str())
        .collect();
    assert_eq!(names, ["one[cache_mounts=on]", "one[cache_mounts=off]"]);
    assert_eq!(log.trials.len(), 4);
    for trial in &log.trials {
        let broken: Vec<_> = trial.broken.iter().map(|(image, _)| image.as_str()).collect();
        let expected: &[&str] = if trial.trial.scenario == names[0] {
            &[]
        } else {
            &["hot"]
        };
        assert_eq!(broken, expected, "{trial:?}");
    }
    let records = wait(engine.build_cache()).expect("an answer");
    let mounts = records
        .iter()
        .filter(|record| record.description.starts_with("cached mount /c from"))
        .count();
    assert_eq!(mounts, 0, "cache mounts of trials were left");
    nothing_of_runs_is_left(&engine);
}

#[test]
fn the_classic_builder_is_measured_too() {
    let Some((engine, _turn)) = engine() else { return };
    let factors = "[factors]\nbuilder = [\"buildkit\", \"classic\"]\n";
    let place = small(&format!("{ONE}{factors}"), &[("Dockerfile", TWO_LAYERS)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    let hot = phase(&log, "one[builder=classic]", "hot build");
    let steps = &hot.build.as_ref().expect("a trace").steps;
    assert!(
        steps
            .iter()
            .all(|step| step.id.starts_with("step-") && !step.intervals.is_empty())
    );
    assert!(steps.iter().any(|step| step.name.contains("RUN head") && step.cached));
    assert!(
        steps
            .iter()
            .any(|step| step.name.contains("COPY state") && !step.cached)
    );
    nothing_of_runs_is_left(&engine);
}

#[test]
fn a_failing_step_is_explained_and_the_others_go_on() {
    let Some((engine, _turn)) = engine() else { return };
    let bad = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\n# a comment\nRUN echo fine\nRUN echo about to fail; \\\n    exit 7\n";
    let scenarios = format!("{ONE}[[scenario]]\nname = \"bad\"\ndockerfile = \"Bad\"\n");
    let place = small(&scenarios, &[("Dockerfile", TWO_LAYERS), ("Bad", bad)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    let Outcome::Failed(failure) = &phase(&log, "bad", "cold build").outcome else {
        panic!("it must fail")
    };
    assert_eq!(failure.line, Some(("Bad".to_owned(), 5)));
    assert!(
        failure.last_lines.iter().any(|line| line == "about to fail"),
        "{failure:?}"
    );
    assert!(failure.message.contains("exit code: 7"), "{failure:?}");
    let kept = failure.log_file.as_ref().expect("a log file");
    let kept = std::fs::read_to_string(place.path("run").join(kept)).expect("readable");
    assert!(kept.contains("about to fail") && kept.contains("fine"), "{kept}");
    for name in ["hot build", "cold push", "hot push"] {
        assert!(
            matches!(phase(&log, "bad", name).outcome, Outcome::Skipped(_)),
            "{name}"
        );
        assert_eq!(phase(&log, "one", name).outcome, Outcome::Measured, "{name}");
    }
    assert!(
        ended.out.contains("failed") && ended.out.contains("about to fail"),
        "{}",
        ended.out
    );
    nothing_of_runs_is_left(&engine);
}

#[test]
fn a_hot_build_that_the_edit_does_not_reach_is_thrown_out() {
    let Some((engine, _turn)) = engine() else { return };
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nRUN echo no file is copied > /x\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    assert!(matches!(phase(&log, "one", "hot build").outcome, Outcome::Invalid(_)));
    assert_eq!(phase(&log, "one", "cold build").outcome, Outcome::Measured);
    nothing_of_runs_is_left(&engine);
}

#[test]
fn an_image_that_does_not_work_can_not_win() {
    let Some((engine, _turn)) = engine() else { return };
    let probe = "[probe]\nhttp = { port = 8000, path = \"/\" }\n";
    let serve = format!("{TWO_LAYERS}CMD [\"python3\", \"-m\", \"http.server\", \"8000\"]\n");
    let broken = format!("{TWO_LAYERS}CMD [\"python3\", \"-m\", \"no_such_module\"]\n");
    let scenarios = format!("{ONE}[[scenario]]\nname = \"broken\"\ndockerfile = \"Broken\"\n{probe}");
    let place = small(&scenarios, &[("Dockerfile", &serve), ("Broken", &broken)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}\n{}", ended.out, ended.err);
    let log = place.log("run");
    let trial = |name: &str| {
        log.trials
            .iter()
            .find(|trial| trial.trial.scenario == name)
            .expect("a trial")
    };
    assert_eq!(trial("one").probed, ["cold", "hot"]);
    assert!(
        trial("broken")
            .broken
            .iter()
            .all(|(_, reason)| reason.contains("no_such_module")),
        "{:?}",
        trial("broken")
    );
    let report = place.bakeoff(&["report", "run", "--format", "csv"]).out;
    let rows: Vec<_> = report.lines().filter(|line| line.contains(",broken,")).collect();
    assert!(
        rows.len() == 4 && rows.iter().all(|row| row.contains("invalid")),
        "{report}"
    );
    nothing_of_runs_is_left(&engine);
}

#[test]
fn stages_that_only_set_the_stage_and_images_from_scratch_are_cold_in_every_round() {
    let Some((engine, _turn)) = engine() else { return };
    let mut left = wait(Records::of(&engine));
    let before = records(&engine);
    // The first stage has no step of its own, and what is copied onto scratch is the same in every round.
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE} AS base\nENV X=1\nFROM base AS build\nWORKDIR /app\n\
                      COPY state .\nRUN cp state made\nFROM base AS other\nWORKDIR /app\nRUN echo other > made\n\
                      FROM scratch\nCOPY --from=build /app/made /made\nCOPY --from=other /app/made /other\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run", "--rounds", "2"]);
    // Nothing tells what was copied onto scratch from what a user copies there, so a run leaves it.
    for trace in place.log("run").phases.iter().filter_map(|phase| phase.build.as_ref()) {
        left.note_steps(trace, |step| step.name.contains("--from="));
    }
    wait(left.remove(&engine));
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    nothing_of_runs_is_left(&engine);
    assert_eq!(records(&engine), before);
}

#[test]
fn a_build_that_takes_too_long_fails_with_what_it_wrote() {
    let Some((engine, _turn)) = engine() else { return };
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\nRUN echo waiting; sleep 300\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]);
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("readable");
    place.write(
        "suite.toml",
        &suite.replace("rounds = 1", "rounds = 1\ntimeout = \"5s\""),
    );
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    let log = place.log("run");
    let Outcome::Failed(failure) = &phase(&log, "one", "cold build").outcome else {
        panic!("it must fail")
    };
    assert!(failure.message.contains("limit of 5 s"), "{failure:?}");
    let kept =
        std::fs::read_to_string(place.path("run").join(failure.log_file.as_ref().expect("a log"))).expect("readable");
    assert!(kept.contains("waiting"), "{kept}");
    nothing_of_runs_is_left(&engine);
}
