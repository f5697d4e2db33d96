//! The published suite for real: pip and uv, with packages from the user's index.

use bakeoff::runner::event::PhaseRecord;

use crate::support::{Place, engine, repository};

#[test]
fn the_light_suite_shows_the_articles_shape() {
    let Some((_engine, _turn)) = engine() else { return };
    let suite = repository().join("scenarios/published.toml");
    let suite = suite.to_str().expect("UTF-8");
    let place = Place::new();
    let ended = place.bakeoff(&[
        "run",
        suite,
        "--rounds",
        "1",
        "--warmup",
        "0",
        "--out",
        "run",
        "--verbose",
    ]);
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
}
