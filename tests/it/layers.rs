//! Layers, waste and what travelled, on a real engine, against figures that are known by hand.

use std::time::{Duration, Instant};

use bakeoff::journal::RunLog;
use bakeoff::runner::event::{Blobs, ImageRecord, LayerOrigin, PhaseRecord, RegistryTraffic};

use crate::support::{
    FIXTURE, ONE, Place, SUITE, engine, nothing_of_runs_is_left, phase, service, small, until, with_journey,
};

/// Line 5 writes what line 7 replaces (200 000 bytes), removes (3000) and removes with its folder (500).
const WASTEFUL: &str = "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE} AS base\nWORKDIR /app\nFROM base\n\
                        RUN head -c 200000 /dev/urandom > big && head -c 3000 /dev/urandom > gone && mkdir d && head -c 500 /dev/zero > d/x\n\
                        COPY state .\n\
                        RUN head -c 100000 /dev/urandom > big && rm -r gone d\n";

const BUILD: &str = "[[journey]]\nname = \"cold build\"\nkind = \"build\"\nimage = \"cold\"\n";

fn run(place: &Place) -> RunLog {
    let ended = place.bakeoff(&["run", "suite.toml", "--out", "run", "--seed", "1"]);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    place.log("run")
}

fn image<'l>(log: &'l RunLog, name: &str) -> &'l ImageRecord {
    let images = &log.trials[0].images;
    images.iter().find(|image| image.image == name).expect("the image")
}

/// The lines of the layers that the Dockerfile made, with their diff ids.
fn own(image: &ImageRecord) -> Vec<(Option<u32>, &str)> {
    let own = image.layers.iter().filter_map(|layer| match layer.origin {
        LayerOrigin::Dockerfile { line } => Some((line, layer.diff_id.as_str())),
        LayerOrigin::Base | LayerOrigin::Mark => None,
    });
    own.collect()
}

fn traffic(record: &PhaseRecord) -> RegistryTraffic {
    let travelled = record.travelled.expect("what travelled");
    travelled.registry.expect("what the registry's log says")
}

/// Layers, each once, by what they are in the registry.
fn blobs(record: &PhaseRecord) -> Blobs {
    let mut layers = record.manifest.as_ref().expect("a manifest").layers.clone();
    layers.sort();
    layers.dedup();
    let mut blobs = Blobs::default();
    for (_, size) in layers {
        blobs.add(size);
    }
    blobs
}

fn wastes_what_was_counted_by_hand(image: &ImageRecord) {
    let waste = image.waste.as_ref().unwrap_or_else(|| panic!("{:?}", image.unread));
    assert_eq!(waste.wasted.0, 203_500, "{waste:?}");
    // Of a folder that is removed dive sees nothing; of a file that is replaced it counts both as wasted.
    assert_eq!(waste.dive_stored.0 - waste.dive_needed.0, 203_000);
    assert_eq!(waste.dive_wasted.0, 303_000);
    let top: Vec<_> = waste
        .top
        .iter()
        .map(|file| (file.path.as_str(), file.wasted.0))
        .collect();
    assert_eq!(top, [("app/big", 200_000), ("app/gone", 3000), ("app/d/x", 500)]);
    assert!(waste.efficiency() > 0.99 && waste.efficiency() < 1.0);
}

#[test]
fn layers_waste_and_bytes_are_what_they_are_known_to_be() {
    let Some((_engine, _turn)) = engine() else { return };
    let log = run(&small(ONE, &[("Dockerfile", WASTEFUL)]));

    let (cold, hot) = (image(&log, "cold"), image(&log, "hot"));
    let lines = |image| own(image).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(lines(cold), [Some(3), Some(5), Some(6), Some(7)]);
    assert_eq!(lines(hot), lines(cold));
    let kept: Vec<bool> = own(cold)
        .iter()
        .zip(own(hot))
        .map(|(cold, hot)| cold.1 == hot.1)
        .collect();
    assert_eq!(kept, [true, true, false, false]);
    let marks = cold
        .layers
        .iter()
        .filter(|layer| layer.origin == LayerOrigin::Mark)
        .count();
    assert_eq!(marks, 1);
    let of_line = |line| {
        let is_it =
            |layer: &&bakeoff::runner::event::LayerRecord| layer.origin == LayerOrigin::Dockerfile { line: Some(line) };
        cold.layers.iter().find(is_it).expect("a layer")
    };
    assert_eq!(of_line(5).size.map(|size| size.0), Some(203_500));
    assert!(
        of_line(5).blob.as_ref().expect("pushed").1.0 > 203_000,
        "random bytes can't be compressed"
    );
    wastes_what_was_counted_by_hand(cold);
    wastes_what_was_counted_by_hand(hot);

    let (cold, hot) = (phase(&log, "one", "cold push"), phase(&log, "one", "hot push"));
    let all = blobs(cold);
    let sent = traffic(cold).uploaded;
    let configuration = sent.size.0 - all.size.0;
    assert_eq!(sent.count, all.count + 1, "its layers and its configuration");
    assert!((300..20_000).contains(&configuration), "{configuration}");
    assert_eq!(traffic(cold).present, Blobs::default());
    let new = hot.manifest.as_ref().expect("a manifest").new_bytes.0;
    let again = traffic(hot);
    assert_eq!(again.uploaded.count, 3, "two layers and the configuration");
    assert!(again.uploaded.size.0.abs_diff(new + configuration) < 20, "{again:?}");
    assert_eq!(again.present.size.0, blobs(hot).size.0 - new);
    assert_eq!((again.mounted, again.pulled), (Blobs::default(), Blobs::default()));

    for name in ["cold build", "hot build"] {
        let record = phase(&log, "one", name);
        let sent = record.travelled.expect("what travelled").context.expect("a context");
        // What the builder says that it received.
        let steps = &record.build.as_ref().expect("a trace").steps;
        let parts = steps.iter().flat_map(|step| &step.parts);
        let received: u64 = parts
            .filter(|part| part.name.starts_with("transferring"))
            .map(|part| part.current)
            .sum();
        assert_eq!(sent.0, received, "{name}");
    }
}

#[test]
fn an_image_that_was_not_pushed_is_read_out_of_the_engine() {
    let Some((_engine, _turn)) = engine() else { return };
    let place = small(ONE, &[("Dockerfile", WASTEFUL)]);
    place.write("suite.toml", &format!("{SUITE}{BUILD}{ONE}"));
    place.write("app/fixture.toml", FIXTURE);
    let log = run(&place);
    let cold = image(&log, "cold");
    assert!(cold.layers.iter().all(|layer| layer.blob.is_none()));
    wastes_what_was_counted_by_hand(cold);

    let ended = place.bakeoff(&["run", "suite.toml", "--out", "second", "--no-layer-scan"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let log = place.log("second");
    let cold = image(&log, "cold");
    assert_eq!((own(cold).len(), &cold.waste, &cold.unread), (4, &None, &None));
}

#[test]
fn what_the_classic_builder_leaves_out_is_not_guessed() {
    let Some((_engine, _turn)) = engine() else { return };
    // A file, a folder, a file, and nothing.
    let text = "ARG PYTHON_IMAGE=python:3.12.10-slim-bookworm\nFROM ${PYTHON_IMAGE}\nWORKDIR /\n\
                RUN head -c 3000 /dev/urandom > made\nWORKDIR /app\nCOPY state .\nRUN true\n";
    let place = small(ONE, &[("Dockerfile", text)]);
    let factors = "[factors]\nbuilder = [\"buildkit\", \"classic\"]\n";
    place.write("suite.toml", &format!("{SUITE}{factors}{BUILD}{ONE}"));
    let log = run(&place);
    let lines = |scenario: &str| {
        let trial = log.trials.iter().find(|trial| trial.trial.scenario == scenario);
        let image = &trial.expect("a trial").images[0];
        let marks = image.layers.iter().filter(|layer| layer.origin == LayerOrigin::Mark);
        assert_eq!(marks.count(), 1, "{image:?}");
        own(image).into_iter().map(|(line, _)| line).collect::<Vec<_>>()
    };
    assert_eq!(lines("one[builder=buildkit]"), [Some(4), Some(5), Some(6), Some(7)]);
    // It makes no layer of nothing, and doesn't say so: it could as well be the folder that has none.
    assert_eq!(lines("one[builder=classic]"), [Some(4), None, None]);
}

#[test]
fn an_interrupted_reading_of_a_saved_image_ends_at_once_and_its_file_goes() {
    let Some((engine, _turn)) = engine() else { return };
    // Nothing is pushed, so the engine has to save it.
    let phases = [("cold build", "build", "cold", "")];
    let place = with_journey(&phases, "", &service(500_000_000));
    place.write("temporary/nothing", "");
    let mut run = place.command(&["run", "suite.toml", "--out", "run"]);
    let mut run = run
        .env("TMPDIR", place.path("temporary"))
        .spawn()
        .expect("the program starts");
    let files = || {
        let entries = std::fs::read_dir(place.path("temporary")).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| name != "nothing").collect::<Vec<_>>()
    };
    until(&mut run, || {
        files().iter().any(|name| name.starts_with("bakeoff-tmp-layers-"))
    });
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(files().is_empty(), "{:?}", files());
    nothing_of_runs_is_left(&engine);
}
