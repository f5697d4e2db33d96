//! What fails beside the builds: the engine, the registry, the disk. A trial ends with it, and the run goes on.

use std::time::{Duration, Instant};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{Engine as _, OwnedKind, http};
use bakeoff::journal::RunLog;
use bakeoff::runner::event::{Outcome, PhaseRecord, TrialKey};

use crate::support::{
    Ended, ONE, Place, TWO_LAYERS, engine, nothing_of_runs_is_left, repository, service, small, until_it_pulls, wait,
    with_journey,
};

/// A layer that takes seconds to push, since it can't be compressed.
const HEAVY: &str = "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE}\nWORKDIR /app\n\
                     RUN head -c 400000000 /dev/urandom > heavy\nCOPY state .\n";

fn failure(record: &PhaseRecord) -> &str {
    match &record.outcome {
        Outcome::Failed(failure) => &failure.message,
        other => panic!("{} of {:?}: {other:?}", record.phase, record.trial),
    }
}

/// A time that a script wrote into a file by `date +%s.%N`.
fn at(place: &Place, file: &str) -> f64 {
    let text = std::fs::read_to_string(place.path(file)).expect("a time");
    text.trim().parse().expect("a number")
}

/// The outcomes of a trial's phases, by its place in the order: `F` failed, `S` skipped, `M` measured, `I` invalid.
fn outcomes(log: &RunLog, trial: usize) -> String {
    let key = &log.header.order[trial];
    let of_trial = log.phases.iter().filter(|phase| phase.trial == *key);
    let letter = |phase: &PhaseRecord| match phase.outcome {
        Outcome::Failed(_) => 'F',
        Outcome::Skipped(_) => 'S',
        Outcome::Measured => 'M',
        Outcome::Invalid(_) => 'I',
    };
    of_trial.map(letter).collect()
}

/// Runs a shell script beside a throw-away engine; `$bakeoff`, `$engine` (its process) and `$folder` (its data) are set.
/// `disk` limits what that has.
fn with_engine(place: &Place, disk: Option<&str>, script: &str) -> Ended {
    let head = "set -u\nfolder=$(dirname \"${DOCKER_HOST#unix://}\")\nengine=$(cat \"$folder/pid\")\n\
                # Until a command runs in a container: `running sleep 31.7`.\n\
                running() {\n  for _ in $(seq 2400); do\n    for file in /proc/[0-9]*/cmdline; do\n      \
                [ \"$(tr '\\0' ' ' <\"$file\" 2>/dev/null)\" = \"$* \" ] && return\n    done\n    sleep 0.05\n  done\n  \
                echo \"$* never ran\" >&2\n  exit 99\n}\n";
    place.write("script", &format!("{head}{script}"));
    let program = place.command(&[]);
    let mut offline = std::process::Command::new(repository().join("scripts/offline"));
    offline.args(["bash", "script"]).current_dir(place.path(""));
    offline.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    offline
        .env("bakeoff", program.get_program())
        .env("BAKEOFF_ENGINE", "host");
    if let Some(disk) = disk {
        offline.env("BAKEOFF_OFFLINE_DISK", disk);
    }
    let ended = Ended::from(offline.output().expect("the script starts"));
    eprintln!("{}\n{}", ended.err, ended.out);
    ended
}

#[test]
fn an_engine_that_dies_for_good_fails_each_trial_at_once_and_the_report_is_complete() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = small(
        ONE,
        &[(
            "Dockerfile",
            "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\nRUN sleep 31.7\n",
        )],
    );
    let began = Instant::now();
    let ended = with_engine(
        &place,
        None,
        "\"$bakeoff\" run suite.toml --out run --rounds 4 &\nrunning sleep 31.7\nkill -9 \"$engine\"\n\
         date +%s.%N >killed\nwait $!\ncode=$?\ndate +%s.%N >ended\nexit $code\n",
    );
    assert_eq!(ended.code, 5, "after {:?}", began.elapsed());
    let took = at(&place, "ended") - at(&place, "killed");
    assert!(took < 20.0, "{took} s");
    let log = place.log("run");
    assert!(log.is_complete());
    assert_eq!((log.trials.len(), log.phases.len()), (4, 16));
    for trial in 0..4 {
        assert_eq!(outcomes(&log, trial), "FSSS");
    }
    assert!(
        failure(&log.phases[0]).contains("the engine has died"),
        "{:?}",
        log.phases[0].outcome
    );
    assert!(
        failure(&log.phases[4]).contains("could not be set up"),
        "{:?}",
        log.phases[4].outcome
    );
    assert!(log.trials.iter().all(|trial| trial.failed.is_some()));
    assert!(ended.out.contains("the engine has died"), "{}", ended.out);
}

#[test]
fn an_engine_that_is_started_again_goes_on_with_the_next_trial() {
    let Some((_engine, _turn)) = engine() else { return };
    // Only the first trial's build is slow enough to be caught.
    let dockerfile = format!("{TWO_LAYERS}RUN sleep 3.17\n");
    let place = small(ONE, &[("Dockerfile", &dockerfile)]);
    let ended = with_engine(
        &place,
        None,
        "mapfile -d '' -t command <\"/proc/$engine/cmdline\"\n\
         \"$bakeoff\" run suite.toml --out run --rounds 3 &\nrun=$!\nrunning sleep 3.17\nkill -9 \"$engine\"\n\
         sleep 1\n\"${command[@]}\" >>\"$folder/log\" 2>&1 &\nagain=$!\nwait $run\ncode=$?\n\
         echo \"left: $(\"$bakeoff\" clean --dry-run | grep -v stand-in)\"\nkill $again\nwait $again\nexit $code\n",
    );
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    assert_eq!(outcomes(&log, 0), "FSSS");
    assert_eq!((outcomes(&log, 1), outcomes(&log, 2)), ("MMMM".into(), "MMMM".into()));
    assert!(log.trials[0].failed.is_some() && log.trials[2].failed.is_none());
    assert!(
        ended.out.contains("left: would remove 0 build-cache records"),
        "{}",
        ended.out
    );
}

/// Kills the registry so long after the builds of the first of two trials; the push goes on then.
fn registry_dies(place: &Place, engine: &DockerEngine, choice: &str, after: Duration) {
    let mut child = place
        .command(&["run", "suite.toml", "--out", "run", "--rounds", "2", "--engine", choice])
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    let journal = || std::fs::read_to_string(place.path("run/journal.jsonl")).unwrap_or_default();
    let mut until = |what: &str, limit: u64| {
        while !journal().contains(what) {
            assert!(began.elapsed() < Duration::from_secs(limit), "no {what}");
            assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("\"phase\":\"hot build\"", 400);
    std::thread::sleep(after);
    let owned = wait(engine.owned()).expect("an answer");
    let registry = owned
        .iter()
        .find(|thing| thing.name.ends_with("-registry"))
        .expect("a registry");
    let killed = Instant::now();
    wait(engine.remove_container(&registry.id)).expect("killed");
    until("\"phase\":\"cold push\"", 460);
    let took = killed.elapsed();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(5));
    let log = place.log("run");
    eprintln!("told {took:?} after the registry's death: {}", failure(&log.phases[2]));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!((outcomes(&log, 0), outcomes(&log, 1)), ("MMFS".into(), "MMMM".into()));
    assert!(
        failure(&log.phases[2]).contains("registry has died"),
        "{}",
        failure(&log.phases[2])
    );
    assert!(
        log.trials[0]
            .failed
            .as_deref()
            .is_some_and(|cause| cause.contains("registry"))
    );
    nothing_of_runs_is_left(engine);
}

#[test]
fn a_registry_that_dies_during_a_push_is_told_of_at_once() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", HEAVY)]);
    registry_dies(&place, &engine, "host", Duration::from_millis(1500));
}

#[test]
fn an_engine_that_tries_again_in_silence_hides_no_registry_s_death() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", &HEAVY.replace("400000000", "250000000"))]);
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("a suite");
    let factors = "[factors]\nimage_store = [\"containerd\"]\n[[journey]]";
    place.write("suite.toml", &suite.replacen("[[journey]]", factors, 1));
    // That store's layers lie compressed already, so the push is short.
    registry_dies(&place, &engine, "isolated", Duration::ZERO);
}

/// Breaks the mirror by a shell command in the first build of the first of two trials, and mends it by another one when that has
/// failed. `$run` is the program's process. Returns where all that was.
fn mirror_dies(cause: &str, breaks: &str, mends: &str) -> Place {
    let place = small(ONE, &[("Dockerfile", &format!("{TWO_LAYERS}RUN sleep 5.17\n"))]);
    let script = format!(
        "\"$bakeoff\" run suite.toml --out run --rounds 2 &\nrun=$!\nrunning sleep 5.17\n{breaks}\ndate +%s.%N >broken\n\
         until grep -qs '\"event\":\"phase\"' run/journal.jsonl; do sleep 0.05; done\ndate +%s.%N >told\n{mends}\nwait $run\n"
    );
    let ended = with_engine(&place, None, &script);
    assert_eq!(ended.code, 5);
    let took = at(&place, "told") - at(&place, "broken");
    assert!(took < 4.0, "it was told {took} s after its death");
    let log = place.log("run");
    assert!(log.is_complete());
    assert_eq!((outcomes(&log, 0), outcomes(&log, 1)), ("FSSS".into(), "MMMM".into()));
    let told = failure(&log.phases[0]);
    assert!(told.starts_with(&format!("the mirror has died: {cause}")), "{told}");
    assert_eq!(log.trials[0].failed.as_deref(), Some(told));
    assert_eq!(log.trials[1].failed, None);
    assert!(ended.out.contains("the mirror has died"), "{}", ended.out);
    place
}

#[test]
fn a_mirror_whose_address_goes_away_is_told_of_and_serves_again_when_it_is_back() {
    let Some((_engine, _turn)) = engine() else { return };
    // What takes the addresses of interfaces for its own does that to an engine's bridge. SIOCSIFADDR; 0.0.0.0 is none.
    let sets = |address: &str| {
        format!(
            "python3 -c 'import fcntl, socket, struct\nfcntl.ioctl(socket.socket(), 0x8916, struct.pack(\"16sH2s4s8s\", \
             b\"docker0\", socket.AF_INET, b\"\", socket.inet_aton(\"{address}\"), b\"\"))'"
        )
    };
    mirror_dies(
        "it can't be reached at 172.17.0.1 any more",
        &sets("0.0.0.0"),
        &sets("172.17.0.1"),
    );
}

#[test]
fn a_process_without_file_descriptors_blames_no_engine() {
    let Some((_engine, _turn)) = engine() else { return };
    mirror_dies(
        "it can't be reached at 172.17.0.1 any more: Too many open files",
        "prlimit --pid $run --nofile=3:",
        "prlimit --pid $run --nofile=1000:",
    );
}

#[test]
fn a_recording_that_is_removed_during_a_run_fails_its_trial_and_begins_anew() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = mirror_dies("its recording is gone", "rm -r cache/bakeoff/recordings/small", "");
    assert!(place.path("cache/bakeoff/recordings/small/manifest.jsonl").exists());
}

#[test]
fn a_network_that_is_taken_from_under_the_mirror_is_made_again_for_the_next_trial() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", &format!("{TWO_LAYERS}RUN sleep 8.17\n"))]);
    let choice = ["--engine", "isolated"];
    let mut child = place
        .command(&[&["run", "suite.toml", "--out", "run", "--rounds", "2"], &choice[..]].concat())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    while !is_running("sleep 8.17") {
        assert!(began.elapsed() < Duration::from_secs(400), "no build began");
        assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
        std::thread::sleep(Duration::from_millis(100));
    }
    let owned = wait(engine.owned()).expect("an answer");
    let of_kind = |kind: OwnedKind, end: &str| {
        let found = owned
            .iter()
            .find(|thing| thing.kind == kind && thing.run != "stand-in" && thing.name.ends_with(end));
        found.unwrap_or_else(|| panic!("no {kind:?} in {owned:?}")).id.clone()
    };
    let network = of_kind(OwnedKind::Network, "");
    let container = of_kind(OwnedKind::Container, "-1-engine");
    let body = serde_json::json!({ "Container": container, "Force": true }).to_string();
    let request = hyper::Request::post(format!("/networks/{network}/disconnect"))
        .header("Host", "docker")
        .header("Content-Type", "application/json")
        .body(body)
        .expect("a request");
    let answer = wait(async {
        http::send(engine.address(), request)
            .await
            .map(|answer| answer.status())
    });
    assert!(answer.expect("an answer").is_success());
    wait(engine.remove_network(&network)).expect("removed");
    assert_eq!(child.wait().expect("it ends").code(), Some(5));
    let log = place.log("run");
    assert!(log.is_complete());
    assert_eq!((outcomes(&log, 0), outcomes(&log, 1)), ("FSSS".into(), "MMMM".into()));
    let told = failure(&log.phases[0]);
    assert!(
        told.starts_with("the mirror has died: it can't be reached at "),
        "{told}"
    );
    assert_eq!(log.trials[0].failed.as_deref(), Some(told));
    nothing_of_runs_is_left(&engine);
}

/// Whether a process with this command line runs, in whatever container.
fn is_running(command: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
    let mut lines = processes.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
    lines.any(|line| line.trim_end_matches('\0').replace('\0', " ") == command)
}

#[test]
fn a_recording_whose_disk_fills_fails_the_build_that_downloads() {
    let Some((_engine, _turn)) = engine() else { return };
    let url = "http://127.0.0.2:8123/big";
    let fetches = format!(
        "ARG PYTHON_IMAGE=python\nFROM ${{PYTHON_IMAGE}}\nCOPY state /\n\
         RUN python3 -c \"import urllib.request as r; r.urlopen('{url}').read()\"\n"
    );
    let scenarios = format!("{ONE}[[scenario]]\nname = \"two\"\ndockerfile = \"Dockerfile.two\"\n");
    let place = small(&scenarios, &[("Dockerfile", &fetches), ("Dockerfile.two", TWO_LAYERS)]);
    let ended = with_engine(
        &place,
        None,
        "mkdir -p cache/bakeoff/recordings web\nmount -t tmpfs -o size=1m tmpfs cache/bakeoff/recordings\n\
         head -c 3000000 /dev/urandom >web/big\npython3 -m http.server --bind 127.0.0.2 --directory web 8123 2>/dev/null &\n\
         exec \"$bakeoff\" run suite.toml --out run\n",
    );
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    let told = costs_no_more_than_its_trial(&log, "one");
    assert!(told.contains(&format!("recording {url}: ")), "{told}");
}

/// Demands that the disk was full for this scenario alone, from its first phase on, and returns what that says.
fn costs_no_more_than_its_trial<'l>(log: &'l RunLog, scenario: &str) -> &'l str {
    assert!(log.is_complete());
    let number = log.header.order.iter().position(|key| key.scenario == scenario);
    let number = number.expect("a trial");
    assert_eq!(outcomes(log, number), "FSSS", "{scenario}");
    let of_scenario = |key: &TrialKey| key.scenario == scenario;
    let phase = log
        .phases
        .iter()
        .find(|phase| of_scenario(&phase.trial))
        .expect("a phase");
    let told = failure(phase);
    assert!(tells_of_full_disk(told), "{scenario}: {told}");
    let trial = log
        .trials
        .iter()
        .find(|trial| of_scenario(&trial.trial))
        .expect("a trial");
    assert_eq!(trial.failed.as_deref(), Some("the disk is full"), "{scenario}: {told}");
    told
}

fn tells_of_full_disk(text: &str) -> bool {
    text.to_ascii_lowercase().contains("no space left on device")
}

/// Leaves so much room on the disk that a step can end, and fewer than the names of its files take in the image.
const FILLS: &str = "import os\nos.mkdir('/many')\nfor _ in range(40000):\n    open('/many/' + os.urandom(100).hex(), 'w').close()\n\
                     disk = os.statvfs('/')\nwith open('/fill', 'wb') as file:\n    \
                     for _ in range((disk.f_bavail * disk.f_frsize - 2000000) >> 16):\n        file.write(bytes(1 << 16))\n";

#[test]
fn a_disk_that_fills_after_the_last_step_is_named_too() {
    let Some((_engine, _turn)) = engine() else { return };
    let from = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}";
    // Bases and one file of this size fit; another one of its size does not.
    let big = "RUN head -c 270000000 /dev/zero > /big\n";
    let place = small(
        "[[scenario]]\nname = \"export\"\ndockerfile = \"Dockerfile.export\"\n\
         [[scenario]]\nname = \"copy\"\ndockerfile = \"Dockerfile.copy\"\n\
         [[scenario]]\nname = \"commit\"\ndockerfile = \"Dockerfile.commit\"\nfactors = { builder = [\"classic\"] }\n\
         [[scenario]]\nname = \"fits\"\ndockerfile = \"Dockerfile.fits\"\n",
        &[
            (
                "Dockerfile.export",
                &format!("{from}\nCOPY state fill.py /\nRUN python3 /fill.py\n"),
            ),
            (
                "Dockerfile.copy",
                &format!("{from} AS made\nCOPY state /\n{big}FROM ${{PYTHON_IMAGE}}\nCOPY --from=made /big /\n"),
            ),
            ("Dockerfile.commit", &format!("{from}\nCOPY state /\n{big}")),
            ("Dockerfile.fits", TWO_LAYERS),
        ],
    );
    place.write("app/files/fill.py", FILLS);
    let ended = with_engine(&place, Some("620m"), "exec \"$bakeoff\" run suite.toml --out run\n");
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    for (scenario, step) in [
        ("export", "exporting to image"),
        ("copy", "COPY --from=made"),
        ("commit", "RUN head"),
    ] {
        let told = costs_no_more_than_its_trial(&log, scenario);
        eprintln!("{scenario}: {told}");
        let phase = log.phases.iter().find(|phase| phase.trial.scenario == scenario);
        let Some(Outcome::Failed(failure)) = phase.map(|phase| &phase.outcome) else {
            panic!("{phase:?}")
        };
        let failed = failure.step.as_deref().unwrap_or_default();
        assert!(failed.contains(step), "{scenario} failed in {failed:?}");
    }
    let fits = log.header.order.iter().position(|key| key.scenario == "fits");
    assert_eq!(outcomes(&log, fits.expect("a trial")), "MMMM");
}

#[test]
fn a_full_disk_is_named_and_costs_no_more_than_its_trial() {
    let Some((_engine, _turn)) = engine() else { return };
    let fills = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\nRUN head -c 900000000 /dev/zero > /big\n";
    let scenarios = format!("{ONE}[[scenario]]\nname = \"two\"\ndockerfile = \"Dockerfile.two\"\n");
    let place = small(&scenarios, &[("Dockerfile", fills), ("Dockerfile.two", TWO_LAYERS)]);
    let ended = with_engine(&place, Some("600m"), "exec \"$bakeoff\" run suite.toml --out run\n");
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    costs_no_more_than_its_trial(&log, "one");
    let two = log.header.order.iter().position(|key| key.scenario == "two");
    assert_eq!(outcomes(&log, two.expect("a trial")), "MMMM");
}

#[test]
fn a_disk_that_fills_during_a_push_fails_the_push() {
    let Some((_engine, _turn)) = engine() else { return };
    // Bases, the image and its copy in the registry do not fit together.
    let heavy = HEAVY.replace("400000000", "250000000");
    let place = small(ONE, &[("Dockerfile", &heavy)]);
    let ended = with_engine(&place, Some("620m"), "exec \"$bakeoff\" run suite.toml --out run\n");
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    let push = log
        .phases
        .iter()
        .find(|phase| phase.phase == "cold push")
        .expect("a push");
    assert!(failure(push).starts_with("the disk is full"), "{}", failure(push));
    assert_eq!(outcomes(&log, 0), "MMFS");
    assert_eq!(log.trials[0].failed.as_deref(), Some("the disk is full"));
    assert!(log.is_complete());
}

#[test]
fn a_step_that_hangs_ends_at_the_limit_of_the_suite() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(
        ONE,
        &[(
            "Dockerfile",
            "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\nRUN sleep 300\n",
        )],
    );
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("readable");
    place.write(
        "suite.toml",
        &suite.replacen("rounds = 1", "rounds = 1\ntimeout = \"3s\"", 1),
    );
    let began = Instant::now();
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run"]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let log = place.log("run");
    assert_eq!(failure(&log.phases[0]), "the build took longer than its limit of 3 s");
    assert_eq!(log.trials[0].failed, None, "that is the build's own failure");
    nothing_of_runs_is_left(&engine);
}

#[test]
fn an_isolated_engine_that_dies_costs_its_trial_and_the_next_one_has_another() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", &format!("{TWO_LAYERS}RUN sleep 6\n"))]);
    let mut child = place
        .command(&[
            "run",
            "suite.toml",
            "--out",
            "run",
            "--rounds",
            "2",
            "--engine",
            "isolated",
        ])
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    // The trial's engine, when its registry is there as well: the build begins right after.
    let engine_of_trial = loop {
        assert!(began.elapsed() < Duration::from_secs(400), "no trial began");
        assert!(child.try_wait().expect("a state").is_none(), "the run ended by itself");
        let owned = wait(engine.owned()).expect("an answer");
        let named = |end: &str| {
            owned
                .iter()
                .find(|thing| thing.kind == OwnedKind::Container && thing.name.ends_with(end))
        };
        if named("-registry").is_some() {
            break named("-1-engine").expect("an engine").id.clone();
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    std::thread::sleep(Duration::from_secs(3));
    wait(engine.remove_container(&engine_of_trial)).expect("killed");
    assert_eq!(child.wait().expect("it ends").code(), Some(5));
    let log = place.log("run");
    assert_eq!((outcomes(&log, 0), outcomes(&log, 1)), ("FSSS".into(), "MMMM".into()));
    assert!(
        failure(&log.phases[0]).contains("the engine has died"),
        "{}",
        failure(&log.phases[0])
    );
    assert!(log.trials[0].failed.is_some() && log.trials[1].failed.is_none());
    nothing_of_runs_is_left(&engine);
}

#[test]
fn an_engine_that_dies_while_it_pulls_costs_what_is_pulled_onto_it_and_no_more() {
    let Some((engine, _turn)) = engine() else { return };
    let phases = [
        ("cold build", "build", "cold", ""),
        ("cold push", "push", "cold", ""),
        ("cold pull", "pull", "cold", ""),
        ("same pull", "pull", "cold", ""),
        ("next pull", "pull", "cold", "temperature = \"cold\""),
    ];
    let place = with_journey(&phases, "", &service(100_000_000));
    let mut run = place.command(&["run", "suite.toml", "--out", "run", "--rounds", "2"]);
    let mut run = run
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let machine = until_it_pulls(
        &engine,
        &mut run,
        &place.path("run/journal.jsonl"),
        "\"event\":\"phase\"",
    );
    let killed = Instant::now();
    wait(engine.remove_container(&machine)).expect("killed");
    let ended = Ended::from(run.wait_with_output().expect("it ends"));
    eprintln!("ended {:?} after the engine's death\n{}", killed.elapsed(), ended.out);
    assert_eq!(ended.code, 5);
    let log = place.log("run");
    assert!(log.is_complete());
    // The trial's own engine and registry are alive: what needs another machine goes on.
    assert_eq!((outcomes(&log, 0), outcomes(&log, 1)), ("MMFSM".into(), "MMMMM".into()));
    let pull = &log.phases[2];
    assert!(
        failure(pull).contains("the engine that pulled has died"),
        "{}",
        failure(pull)
    );
    assert!(ended.out.contains("the engine that pulled has died"), "{}", ended.out);
    assert!(log.trials.iter().all(|trial| trial.failed.is_none()));
    assert!(log.trials.iter().all(|trial| trial.cleanup.problems.is_empty()));
    nothing_of_runs_is_left(&engine);
}
