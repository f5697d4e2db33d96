//! Runs in throw-away engines: that they measure, that nothing of them stays, and that the host's engine is left alone.

use std::collections::BTreeSet;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{ContainerSpec, Engine as _, OwnedKind, Publish, RUN_LABEL, archive, registry};
use bakeoff::runner::event::{Outcome, Resources};

use crate::support::{ONE, TWO_LAYERS, base_images, engine, phase, small, versions, wait};

/// Every engine and image store must tell enough to join layers to instructions.
const REUSE: &str = "expect.reuse = [\"WORKDIR /app\", \"RUN head\"]\n";

/// What a user would see of a run that was not cleaned up, by kind and name; stand-ins are kept on purpose.
fn left(engine: &DockerEngine) -> BTreeSet<(OwnedKind, String)> {
    let owned = wait(engine.owned()).expect("an answer");
    let ours = owned.into_iter().filter(|thing| thing.run != "stand-in");
    ours.map(|thing| (thing.kind, thing.name)).collect()
}

fn cache_ids(engine: &DockerEngine) -> BTreeSet<String> {
    let records = wait(engine.build_cache()).expect("an answer");
    records.into_iter().map(|record| record.id).collect()
}

#[test]
fn each_version_measures_and_leaves_nothing_in_the_host_s_engine() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(&format!("{ONE}{REUSE}"), &[("Dockerfile", TWO_LAYERS)]);
    let before = cache_ids(&engine);
    let list: Vec<String> = versions()
        .iter()
        .map(|version| format!("\"isolated:{version}\""))
        .collect();
    let factors = format!("[factors]\nengine = [{}]\n", list.join(", "));
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("a suite");
    // A table of its own must come before the arrays of tables.
    let suite = suite.replacen("[[journey]]", &format!("{factors}[[journey]]"), 1);
    place.write("suite.toml", &suite);

    let ended = place
        .command(&["run", "suite.toml", "--out", "run"])
        .env_remove("BAKEOFF_ENGINE")
        .output()
        .expect("the program starts");
    let err = String::from_utf8_lossy(&ended.stderr);
    assert!(
        ended.status.success(),
        "{err}\n{}",
        String::from_utf8_lossy(&ended.stdout)
    );

    let log = place.log("run");
    assert_eq!(log.header.engines.len(), versions().len());
    for (head, version) in versions().iter().map(|version| {
        let choice = format!("isolated:{version}");
        let head = log.header.engines.iter().find(|head| head.choice == choice);
        (head.expect("an engine for each value"), version)
    }) {
        assert_eq!(head.kind, "isolated");
        assert!(head.version.starts_with(version.as_str()), "{head:?}");
    }
    for record in &log.phases {
        assert_eq!(
            record.outcome,
            Outcome::Measured,
            "{} of {}",
            record.phase,
            record.trial.scenario
        );
    }
    for head in &log.header.scenarios {
        // The heavy layer is reused: only what the edit reached is pushed again.
        let cold = phase(&log, &head.name, "cold push")
            .manifest
            .clone()
            .expect("a manifest");
        let hot = phase(&log, &head.name, "hot push")
            .manifest
            .clone()
            .expect("a manifest");
        assert!(cold.new_bytes.0 > 3_000_000, "{cold:?}");
        assert!(hot.new_bytes.0 < 100_000, "{hot:?}");
    }
    assert_eq!(left(&engine), BTreeSet::new());
    assert_eq!(
        cache_ids(&engine),
        before,
        "an isolated run may not touch the host's build cache"
    );
}

#[test]
fn the_image_store_of_containerd_keeps_bases_compressed() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(&format!("{ONE}{REUSE}"), &[("Dockerfile", TWO_LAYERS)]);
    let suite = std::fs::read_to_string(place.path("suite.toml")).expect("a suite");
    let factors = "[factors]\nengine = [\"isolated\"]\nimage_store = [\"graphdriver\", \"containerd\"]\n\
                   compression = [\"default\", \"zstd\"]\n\
                   [[exclude]]\nimage_store = \"graphdriver\"\ncompression = \"zstd\"\n";
    place.write(
        "suite.toml",
        &suite.replacen("[[journey]]", &format!("{factors}[[journey]]"), 1),
    );
    let ended = place
        .command(&["run", "suite.toml", "--out", "run"])
        .env_remove("BAKEOFF_ENGINE")
        .output()
        .expect("the program starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let log = place.log("run");
    let size = |store: &str| {
        let scenario = format!("one[image_store={store},compression=default]");
        let manifest = phase(&log, &scenario, "cold push")
            .manifest
            .clone()
            .expect("a manifest");
        manifest.layers.iter().map(|(_, size)| size.0).sum::<u64>()
    };
    let (driver, containerd) = (size("graphdriver"), size("containerd"));
    // Uncompressed, the base alone would more than double it.
    assert!(containerd.abs_diff(driver) < driver / 10, "{driver} and {containerd}");
    let last = |compression: &str| {
        let scenario = format!("one[image_store=containerd,compression={compression}]");
        let manifest = phase(&log, &scenario, "cold push").manifest.clone();
        manifest.expect("a manifest").layers.last().expect("a layer").1
    };
    // The last layer holds the same small file.
    assert_ne!(last("default"), last("zstd"));
    assert_eq!(left(&engine), BTreeSet::new());
}

#[test]
fn what_a_build_uses_of_the_machine_is_measured_and_what_is_not_has_a_reason() {
    let Some((engine, _turn)) = engine() else { return };
    // Steps that use what is known, each alone in its phase.
    let dockerfile = "ARG PYTHON_IMAGE=python\nFROM ${PYTHON_IMAGE}\nCOPY state /\n\
                      RUN grep -q cold /state || python3 -c 'import time, itertools; any(time.process_time() > 2 for _ in itertools.count())'\n\
                      RUN grep -q hot /state || python3 -c 'held = bytearray(200_000_000)'\n\
                      RUN dd if=/dev/urandom of=/written bs=1M count=50 conv=fsync\n";
    let place = small(ONE, &[("Dockerfile", dockerfile)]);
    let ended = place
        .command(&["run", "suite.toml", "--out", "run", "--engine", "isolated"])
        .output()
        .expect("the program starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let log = place.log("run");
    let used = |name: &str| phase(&log, "one", name).resources.clone().expect("they are told");
    let (cold, hot, push) = (used("cold build"), used("hot build"), used("cold push"));
    let cpu = |used: &Resources| used.cpu.expect("it is counted").seconds();
    assert!(cpu(&hot) >= 1.8 && cpu(&hot) - cpu(&cold) >= 1.0, "{hot:?} {cold:?}");
    assert!(cpu(&hot) < 20.0 && cpu(&push) > 0.0, "{hot:?} {push:?}");
    // A mark that nobody may set back tells a later phase's peak only if that is higher.
    let peak = cold.peak_memory.expect("the first phase's");
    assert!((200_000_000..2_000_000_000).contains(&peak.0), "{cold:?}");
    match hot.peak_memory {
        Some(lower) => assert!(lower.0 + 50_000_000 < peak.0, "{hot:?} {cold:?}"),
        None => assert!(
            hot.absent.iter().any(|reason| reason.starts_with("memory: ")),
            "{hot:?}"
        ),
    }
    for used in [&cold, &hot] {
        match used.disk_written {
            Some(written) => assert!((50_000_000..5_000_000_000).contains(&written.0), "{used:?}"),
            None => assert!(
                used.absent.iter().any(|reason| reason.starts_with("disk: ")),
                "{used:?}"
            ),
        }
    }
    let explained = place.bakeoff(&["explain", "run", "one"]).out;
    assert!(explained.contains("Used by the engine: cold build"), "{explained}");
    assert_eq!(left(&engine), BTreeSet::new());
}

#[test]
fn a_version_that_nobody_has_is_an_error_that_says_so() {
    let Some((engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", TWO_LAYERS)]);
    let ended = place.bakeoff(&[
        "run",
        "suite.toml",
        "--engine",
        "isolated:99",
        "--base-images",
        "stand-in",
    ]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(ended.err.contains("docker:99-dind"), "{}", ended.err);
    assert_eq!(left(&engine), BTreeSet::new());
}

#[test]
fn an_engine_s_image_is_the_newest_that_can_be_had() {
    let Some((engine, _turn)) = engine() else { return };
    let images = base_images();
    let resolve = |role: &str, reference: &str| {
        let found = wait(images.resolve(&engine, role, reference, &|_| {}));
        found.expect("an image")
    };
    let spec = ContainerSpec {
        name: format!("bakeoff-test-{}-registry", std::process::id()),
        image: resolve("registry", "registry:2").used,
        labels: [(RUN_LABEL.to_owned(), "registry-of-a-test".to_owned())].into(),
        publish: vec![Publish { port: 5000, on: None }],
        ..ContainerSpec::default()
    };
    let container = wait(engine.start(&spec)).expect("a registry");
    let began = std::time::Instant::now();
    while !wait(registry::answers(container.port())) {
        assert!(began.elapsed().as_secs() < 20, "the registry does not answer");
    }
    let name = format!("127.0.0.1:{}/docker:dind", container.port());
    let folder = tempfile::tempdir().expect("a folder");
    let tar = folder.path().join("rootfs.tar");
    let files = [("file".into(), b"x".to_vec())];
    std::fs::write(&tar, archive::archive(&files, 0o644).expect("packs")).expect("written");
    let import = |label: &str| {
        wait(engine.import(&tar, &name, &[format!("LABEL is={label}")])).expect("imported");
        wait(engine.image(&name)).expect("an answer").expect("an image").id
    };
    let new = import("new");
    wait(engine.push(&name, &|_| {})).expect("pushed");
    let old = import("old");

    let base = resolve("python", &name).id;
    let pulled = resolve("engine:28", &name).id;
    wait(engine.remove_container(&container.id)).expect("removed");
    let alone = resolve("engine", &name).id;
    for image in [&name, &old, &new] {
        wait(engine.remove_image(image)).expect("removed");
    }
    assert_eq!(base, old, "a base that is there is not looked for");
    assert_eq!(pulled, new);
    assert_eq!(alone, new, "what can't be pulled any more serves");
}
