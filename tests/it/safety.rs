//! What a run must not touch, leave behind or tell, on a real Docker Engine.

use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::http;
use bakeoff::engine::lock::EngineLock;
use bakeoff::engine::session::Taken;
use bakeoff::engine::{BuildRequest, Builder, ContainerSpec, Context, Engine as _, Grants, OwnedKind, archive};

use crate::records::Records;
use crate::support::{
    Alone, ONE, Place, TWO_LAYERS, base_images, engine, nothing_of_runs_is_left, records, small, wait,
};

#[test]
fn what_is_the_users_stays_as_it_was() {
    let Some((engine, _turn)) = engine() else { return };
    // A run first, so that stand-ins and their records are there before the comparison.
    let place = small(ONE, &[("Dockerfile", TWO_LAYERS)]);
    let run = || {
        place.bakeoff(&[
            "run",
            "suite.toml",
            "--out",
            &format!("run-{}", chrono::Utc::now().timestamp_micros()),
        ])
    };
    assert_eq!(run().code, 0);
    // The same Dockerfile, built by the user: bakeoff must neither use its cache nor take it away.
    let python = bakeoff::images::stand_in_tag("python", "").expect("a stand-in");
    let base = if wait(engine.image(&python)).expect("an answer").is_some() {
        python
    } else {
        "python:3.12.10-slim-bookworm".to_owned()
    };
    let tag = format!("users-own:{}", std::process::id());
    let request = BuildRequest {
        context: Context::Folders {
            context: place.path("app/files"),
            dockerfile: place.path("app"),
            shared_key: tag.clone(),
            taken: Taken::default(),
        },
        dockerfile: "Dockerfile".into(),
        tag: tag.clone(),
        build_args: [("PYTHON_IMAGE".to_owned(), base.clone())].into(),
        labels: std::collections::BTreeMap::new(),
        builder: Builder::Buildkit,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(600),
    };
    let mut made = wait(Records::of(&engine));
    made.note(
        &wait(engine.build(&request, &|_| {})).expect("the user's build"),
        "user",
    );
    let container = ContainerSpec {
        name: format!("users-own-{}", std::process::id()),
        image: base,
        command: Some(vec!["sleep".into(), "600".into()]),
        ..ContainerSpec::default()
    };
    let container = wait(engine.start(&container)).expect("the user's container");
    let volume = format!("users-own-{}", std::process::id());
    wait(engine.create_volume(&volume, &std::collections::BTreeMap::new())).expect("the user's volume");

    let image = wait(engine.image(&tag)).expect("an answer");
    let before = wait(engine.build_cache()).expect("an answer");
    let ended = run();
    let cleaned = place.bakeoff(&["clean"]);
    let after: Vec<_> = wait(engine.build_cache())
        .expect("an answer")
        .into_iter()
        .map(|record| record.id)
        .collect();
    let lost: Vec<_> = before.iter().filter(|record| !after.contains(&record.id)).collect();
    let image_after = wait(engine.image(&tag)).expect("an answer");
    let running = wait(engine.peek(&container.id)).map(|(running, _)| running);
    let asked = wait(http::get(engine.address(), &format!("/volumes/{volume}"), "*/*"));
    let volume_there = asked.is_ok_and(|(status, _)| status.is_success());
    wait(engine.remove_container(&container.id)).expect("removed");
    wait(engine.remove_volume(&volume)).expect("removed");
    wait(engine.remove_image(&tag)).expect("removed");
    wait(made.remove(&engine));

    assert_eq!((ended.code, cleaned.code), (0, 0), "{}\n{}", ended.err, cleaned.err);
    assert!(lost.is_empty(), "records of the user's builds are gone: {lost:?}");
    assert_eq!(image, image_after);
    assert!(running.expect("the container is there") && volume_there);
    nothing_of_runs_is_left(&engine);
}

#[test]
fn an_interrupted_run_cleans_up_and_keeps_its_journal() {
    // Now and then an engine tells of a context only after its build was given up: that one is nobody's then.
    let Some(alone) = Alone::start() else { return };
    let engine = &alone.engine;
    let before = steps(engine);
    let dockerfile =
        "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /state\nRUN grep -q cold /state || sleep 300\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]).on(&alone);
    let mut child = place
        .command(&["run", "suite.toml", "--out", "run", "--verbose"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    let journal = place.path("run/journal.jsonl");
    while !std::fs::read_to_string(&journal)
        .unwrap_or_default()
        .contains("\"cold build\",\"started\"")
    {
        assert!(began.elapsed() < Duration::from_secs(240), "the cold build never ended");
        assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("a signal");
    let interrupted = Instant::now();
    let status = child.wait().expect("it ends");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("readable");
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(interrupted.elapsed() < Duration::from_secs(30), "{said}");
    let log = place.log("run");
    assert_eq!(log.phases.len(), 1);
    assert!(log.end.is_some_and(|end| end.interrupted));
    nothing_of_runs_is_left(engine);
    assert_eq!(steps(engine), before);
}

#[test]
fn a_build_that_was_given_up_leaves_no_step() {
    // Now and then an engine tells of a context only after its build was given up: that one is nobody's then.
    let Some(alone) = Alone::start() else { return };
    let engine = &alone.engine;
    let before = steps(engine);
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /state\n\
                      RUN --mount=type=cache,target=/given-up touch /given-up/x && sleep 300\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]).on(&alone);
    let mut child = place
        .command(&["run", "suite.toml", "--out", "run"])
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    // It shows when the step has begun.
    let has_mount = || {
        let there = wait(engine.build_cache()).expect("an answer");
        let mut new = there.iter().filter(|record| !before.contains(&record.id));
        new.any(|record| record.description.starts_with("cached mount /given-up"))
    };
    while !has_mount() {
        assert!(began.elapsed() < Duration::from_secs(240), "the step never began");
        assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    nothing_of_runs_is_left(engine);
    assert_eq!(steps(engine), before);
}

#[test]
fn what_a_killed_run_left_is_removed_by_clean() {
    let Some(alone) = Alone::start() else { return };
    let engine = &alone.engine;
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /state\nRUN sleep 300\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]).on(&alone);
    let mut child = place
        .command(&["run", "suite.toml", "--out", "run"])
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    while !wait(engine.owned())
        .expect("an answer")
        .iter()
        .any(|thing| thing.name.ends_with("-registry"))
    {
        assert!(began.elapsed() < Duration::from_secs(240), "no trial began");
        std::thread::sleep(Duration::from_millis(100));
    }
    let busy = place.bakeoff(&["clean"]);
    assert_eq!(busy.code, 4, "a living run must be left alone: {}", busy.err);
    std::thread::sleep(Duration::from_millis(500));
    child.kill().expect("killed");
    child.wait().expect("reaped");
    let cleaned = place.bakeoff(&["clean"]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.err);
    assert!(cleaned.out.contains("removed 1 containers"), "{}", cleaned.out);
    nothing_of_runs_is_left(engine);
    assert!(place.log("run").end.is_none());
}

/// What an engine that goes on with the build of a client that died does: each image that it makes is the child of the last
/// one, so that what was listed a moment ago can't be removed any more.
#[test]
fn clean_outlasts_a_build_that_nobody_waits_for() {
    let Some((engine, _turn)) = engine() else { return };
    let place = Place::new();
    let steps: String = (0..100).map(|number| format!("ENV NUMBER={number}\n")).collect();
    let dockerfile = format!("FROM scratch\nLABEL {}=dead-run\n{steps}", bakeoff::engine::RUN_LABEL);
    let files = [("Dockerfile".into(), dockerfile.into_bytes())];
    let packed = archive::archive(&files, 0o644).expect("packs");
    std::fs::write(place.path("context.tar"), packed).expect("written");
    let request = BuildRequest {
        context: Context::Tar(place.path("context.tar")),
        dockerfile: "Dockerfile".into(),
        tag: format!("bakeoff-base:dead-{}", std::process::id()),
        build_args: std::collections::BTreeMap::new(),
        labels: std::collections::BTreeMap::new(),
        builder: Builder::Classic,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(60),
    };
    let builds = engine.clone();
    // It may well fail: what it builds on is taken from under it.
    let build = std::thread::spawn(move || wait(builds.build(&request, &|_| {})).is_ok());
    let began = Instant::now();
    let is_ours = |thing: &bakeoff::engine::Owned| thing.run == "dead-run";
    while !wait(engine.owned()).expect("an answer").iter().any(is_ours) {
        assert!(began.elapsed() < Duration::from_secs(60), "no image was made");
        assert!(!build.is_finished(), "the build ended before it was seen");
    }
    let cleaned = place.bakeoff(&["clean"]);
    build.join().expect("it ends");
    assert_eq!(cleaned.code, 0, "{}", cleaned.err);
    nothing_of_runs_is_left(&engine);
}

#[test]
fn values_of_build_arguments_are_nowhere_on_disk() {
    let Some((_engine, _turn)) = engine() else { return };
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nARG TOKEN\nARG PIN\nARG SHOWN\nCOPY state /state\n\
                      RUN echo \"the token is $TOKEN, and $SHOWN\"; exit 3\n";
    let scenario = "[[scenario]]\nname = \"one\"\ndockerfile = \"Dockerfile\"\n\
                    build_args = { TOKEN = \"hunter2-\\u0068unter2\", \"PIN\" = 'zq', SHOWN = \"public-value\" }\n";
    let place = small(scenario, &[("Dockerfile", dockerfile)]);
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("readable");
    place.write(
        "suite.toml",
        &suite.replace("rounds = 1", "rounds = 1\npublic_args = [\"SHOWN\"]"),
    );
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    let text = place.all_text("run");
    assert!(!text.contains("hunter2") && !ended.out.contains("hunter2") && !ended.err.contains("hunter2"));
    assert!(!text.contains("zq"), "a short value is in the suite's text");
    assert!(text.contains("the token is [redacted], and public-value"));
}

#[test]
fn a_report_carries_the_verdict_of_the_last_probe() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", TWO_LAYERS)]);
    let probe = ["doctor", "--noise=2", "--format", "json"];
    let mut given_up = place
        .command(&["doctor", "--noise=600"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(Duration::from_secs(4));
    let pid = rustix::process::Pid::from_child(&given_up);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(given_up.wait().expect("it ends").code(), Some(130));
    assert!(
        !place.path("cache/bakeoff/noise.json").exists(),
        "a probe that was given up has no verdict"
    );

    let doctor: serde_json::Value = serde_json::from_str(&place.bakeoff(&probe).out).expect("JSON");
    let verdict = doctor["noise"]["verdict"].as_str().expect("a verdict").to_owned();
    let processors = &doctor["noise"]["figures"]["processors"];
    assert!(processors["work_median_ns"].as_u64() > Some(0), "{doctor:#}");

    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let report = std::fs::read_to_string(place.path("run/report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["noise"]["verdict"], verdict.as_str());
    assert!(
        ended.out.contains(&format!("The machine was {verdict}")),
        "{}",
        ended.out
    );
    for phase in &place.log("run").phases {
        let machine = phase.resources.as_ref().and_then(|used| used.machine);
        let machine = machine.unwrap_or_else(|| panic!("{} tells no load", phase.phase));
        assert!(
            machine.all >= machine.busy && machine.all.0 > 0,
            "{}: {machine:?}",
            phase.phase
        );
    }
}

#[test]
fn doctor_and_clean_say_what_they_found() {
    let Some((engine, _turn)) = engine() else { return };
    let place = Place::new();
    let doctor = place.bakeoff(&["doctor"]);
    for line in [
        "engine",
        "builder",
        "disk",
        "network MTU",
        "image python",
        "registry",
        "image uv",
    ] {
        assert!(doctor.out.contains(line), "{line} is not in\n{}", doctor.out);
    }
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    let json = place.bakeoff(&["doctor", "--format", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["schema"], 1);

    let labels = [(bakeoff::engine::RUN_LABEL.to_owned(), "dead-run".to_owned())].into();
    wait(engine.create_volume("bakeoff-dead-run", &labels)).expect("a volume");
    let dry = place.bakeoff(&["clean", "--dry-run"]);
    assert!(dry.out.contains("would remove volume bakeoff-dead-run"), "{}", dry.out);
    let cleaned = place.bakeoff(&["clean"]);
    assert!(cleaned.out.contains("1 volumes"), "{}", cleaned.out);
    nothing_of_runs_is_left(&engine);
}

#[test]
fn doctor_leaves_an_engine_alone_that_a_run_uses() {
    let Some((engine, _turn)) = engine() else { return };
    let id = wait(engine.info()).expect("an answer").id;
    let held = EngineLock::take(&id).expect("nobody uses it");
    let doctor = Place::new().bakeoff(&["doctor"]);
    drop(held);
    assert!(
        doctor.out.contains("not tried: a run uses this engine"),
        "{}",
        doctor.out
    );
    assert_eq!(doctor.code, 0, "{}", doctor.out);
}

#[test]
fn an_interrupted_doctor_leaves_no_engine_behind() {
    let Some((engine, _turn)) = engine() else { return };
    wait(base_images().resolve(&engine, "engine", "docker:dind", &|_| {})).expect("an image");
    let place = Place::new();
    let mut child = place
        .command(&["doctor"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let label = format!("doctor-{}", child.id());
    let began = Instant::now();
    let made = || {
        let owned = wait(engine.owned()).expect("an answer");
        owned.into_iter().filter(|thing| thing.run == label).collect::<Vec<_>>()
    };
    while !made().iter().any(|thing| thing.kind == OwnedKind::Container) {
        assert!(began.elapsed() < Duration::from_secs(60), "no engine was tried");
        assert!(child.try_wait().expect("a state").is_none(), "it ended by itself");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT)
        .expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(made(), []);
}

#[test]
fn secrets_of_scenarios_that_were_not_chosen_stay_off_the_disk() {
    let Some((_engine, _turn)) = engine() else { return };
    let scenarios = format!(
        "{ONE}[[scenario]]\nname = \"two\"\ndockerfile = \"Dockerfile\"\nbuild_args = {{ TOKEN = \"hunter2-hunter2\" }}\n"
    );
    let place = small(&scenarios, &[("Dockerfile", TWO_LAYERS)]);
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run", "--scenario", "one"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.err, ended.out);
    assert!(!place.all_text("run").contains("hunter2"));
}

#[test]
fn bases_with_triggers_and_foreign_platforms_are_refused_before_anything_is_measured() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", TWO_LAYERS)]);
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("readable");
    place.write("suite.toml", &format!("{suite}platform = \"linux/s390x\"\n"));
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 3, "{}", ended.err);
    assert!(
        ended.err.contains("linux/s390x") && !place.path("run").exists(),
        "{}",
        ended.err
    );

    let base = format!("users-onbuild:{}", std::process::id());
    let files = [(
        "Dockerfile".into(),
        b"FROM scratch\nCOPY Dockerfile /\nONBUILD WORKDIR /made\n".to_vec(),
    )];
    std::fs::write(
        place.path("context.tar"),
        archive::archive(&files, 0o644).expect("packs"),
    )
    .expect("written");
    let request = BuildRequest {
        context: Context::Tar(place.path("context.tar")),
        dockerfile: "Dockerfile".into(),
        tag: base.clone(),
        build_args: std::collections::BTreeMap::new(),
        labels: std::collections::BTreeMap::new(),
        builder: Builder::Classic,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(60),
    };
    wait(engine.build(&request, &|_| {})).expect("the user's build");
    place
        .write("suite.toml", &suite)
        .write("app/Dockerfile", &format!("FROM {base}\nCOPY state /\n"));
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    wait(engine.remove_image(&base)).expect("removed");
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("ONBUILD"), "{}", ended.err);
    nothing_of_runs_is_left(&engine);
}

/// The records of steps and their cache mounts, without those of contexts.
fn steps(engine: &DockerEngine) -> Vec<String> {
    let there = wait(engine.build_cache()).expect("an answer");
    let contexts = there.into_iter().filter(|record| record.kind == "source.local");
    let contexts: Vec<String> = contexts.map(|record| record.id).collect();
    let mut steps = records(engine);
    steps.retain(|id| !contexts.contains(id));
    steps
}
