//! The published suite for real: pip and uv, with packages from the user's index, recorded and then replayed by a program
//! and an engine that no network can be reached from.

use bakeoff::mirror::{Kind, Origin};
use bakeoff::runner::event::PhaseRecord;

use crate::support::{Ended, Place, engine, repository};

/// The published suite with its builds alone: recording needs no push. Its recording is the published suite's.
fn builds_alone(place: &Place) -> String {
    let text = std::fs::read_to_string(repository().join("scenarios/published.toml")).expect("the suite");
    let fixture = repository().join("fixtures/fastapi");
    let text = text.replace("../fixtures/fastapi", fixture.to_str().expect("UTF-8"));
    // A key that names a push's row would name none.
    let text = text.split("[published]").next().unwrap_or_default();
    let (journey, probe) = text.split_once("[probe]").expect("a probe after the journey");
    let parts = journey
        .split("[[journey]]")
        .filter(|part| !part.contains("kind = \"push\""));
    let kept: Vec<&str> = parts.collect();
    place.write("builds.toml", &format!("{}\n[probe]{probe}", kept.join("[[journey]]")));
    place.path("builds.toml").to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_light_suite_is_recorded_and_replays_without_a_network_in_the_articles_shape() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = Place::new();
    let builds = builds_alone(&place);
    let once = ["--rounds", "1", "--warmup", "0", "--verbose"];
    let recorded = place.bakeoff(
        &[
            &[
                "run",
                &builds,
                "--network",
                "record",
                "--base-images",
                "stand-in",
                "--out",
                "recorded",
            ],
            &once[..],
        ]
        .concat(),
    );
    eprintln!("{}\n{}", recorded.err, recorded.out);
    assert_eq!(recorded.code, 0);

    let suite = repository().join("scenarios/published.toml");
    let program = place.command(&[]);
    let mut offline = std::process::Command::new(repository().join("scripts/offline"));
    offline
        .arg(program.get_program())
        .args([
            "run",
            suite.to_str().expect("UTF-8"),
            "--network",
            "replay",
            "--out",
            "run",
        ])
        .args(once)
        .current_dir(place.path(""))
        .env("NO_COLOR", "1");
    let ended: Ended = offline.output().expect("the script starts").into();
    eprintln!("{}\n{}", ended.err, ended.out);
    assert_eq!(ended.code, 0);

    let log = place.log("run");
    let phase = |scenario: &str, phase: &str| -> &PhaseRecord {
        let found = log
            .phases
            .iter()
            .find(|record| record.trial.scenario == scenario && record.phase == phase);
        found.unwrap_or_else(|| panic!("no {phase} of {scenario}"))
    };
    let seconds = |scenario: &str, name: &str| phase(scenario, name).wall.seconds();
    let new = |scenario: &str, name: &str| phase(scenario, name).manifest.as_ref().expect("a manifest").new_bytes;
    let single = "uv-single[cache_mounts=on]";
    // A bump of a light dependency re-installs everything in uv-single, and just that in the others.
    for multi in ["uv-multi", "pip-multi", "pip-single"] {
        assert!(seconds(single, "hot build") > seconds(multi, "hot build"), "{multi}");
        assert!(new(single, "hot push").0 > 5 * new(multi, "hot push").0, "{multi}");
    }
    // uv-single moves the whole dependency layer again.
    assert!(new(single, "hot push").0 * 2 > new(single, "cold push").0 / 2);
    assert!(
        log.trials.iter().all(|trial| trial.probed == ["cold", "hot"]),
        "{:?}",
        log.trials
    );

    // Everything came from the recording, and most of it in packages.
    let fetched = |scenario: &str, name: &str| {
        let transfers = phase(scenario, name).transfers.as_deref().expect("a mirror");
        assert!(
            transfers
                .iter()
                .all(|asked| asked.transfer.origin == Origin::Recording && asked.transfer.problem.is_none()),
            "{transfers:?}"
        );
        let files = transfers.iter().filter(|asked| asked.transfer.kind == Kind::File);
        files.map(|asked| asked.transfer.bytes.0).sum::<u64>()
    };
    for scenario in &log.header.scenarios {
        assert!(fetched(&scenario.name, "cold build") > 50_000_000, "{}", scenario.name);
    }
    // With its cache in a mount, uv installs everything again without downloading it again.
    assert!(fetched(single, "hot build") < 20_000_000);
    assert!(fetched("uv-single[cache_mounts=off]", "hot build") > 50_000_000);
}
