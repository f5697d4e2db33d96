use std::collections::BTreeMap;

use serde_json::Value;

use crate::analysis::sample;
use crate::engine::{Interval, StepPart};
use crate::journal::RunLog;
use crate::report::export::ExportedRun;

fn document(log: &RunLog) -> Value {
    let mut out = Vec::new();
    super::write(&ExportedRun::of(log), &mut out).expect("written");
    serde_json::from_slice(&out).expect("JSON")
}

fn events(document: &Value) -> &Vec<Value> {
    document["traceEvents"].as_array().expect("a list")
}

fn number(event: &Value, key: &str) -> i64 {
    event[key].as_i64().unwrap_or_else(|| panic!("{key} of {event}"))
}

/// A run whose builds do much at the same time: steps of one stage, of several, and parts.
fn busy() -> RunLog {
    let mut log = sample::full();
    for record in &mut log.phases {
        let Some(build) = &mut record.build else {
            continue;
        };
        let start = build.steps[0].intervals[0].started;
        let at = |from: u64, to: u64| Interval {
            started: start + from * 1_000_000 + 7,
            completed: Some(start + to * 1_000_000 + 1_300),
        };
        for (step, (from, to)) in build
            .steps
            .iter_mut()
            .zip([(0, 90), (10, 300), (200, 700), (250, 400), (50, 900)])
        {
            step.intervals = vec![at(from, to), at(to + 5, to + 6)];
        }
        build.steps[4].parts = [(60, 500), (60, 300), (300, 500), (520, 900), (890, 950)]
            .into_iter()
            .map(|(from, to)| StepPart {
                name: "sha256:0123".into(),
                current: 0,
                total: 0,
                interval: Some(at(from, to)),
            })
            .collect();
    }
    log
}

#[test]
fn a_run_with_one_round() {
    let text = serde_json::to_string_pretty(&document(&sample::single_round())).expect("JSON");
    insta::assert_snapshot!(text);
}

#[test]
fn on_one_track_nothing_overlaps_but_what_lies_in_something() {
    for log in [busy(), sample::full(), sample::mirrored(), sample::resumed()] {
        let document = document(&log);
        let mut tracks: BTreeMap<(i64, i64), Vec<(i64, i64)>> = BTreeMap::new();
        for event in events(&document).iter().filter(|event| event["ph"] == "X") {
            let start = number(event, "ts");
            let place = (number(event, "pid"), number(event, "tid"));
            assert!(number(event, "dur") >= 0);
            tracks
                .entry(place)
                .or_default()
                .push((start, start + number(event, "dur")));
        }
        for (track, mut spans) in tracks {
            spans.sort_by_key(|(start, end)| (*start, -*end));
            let mut open: Vec<i64> = Vec::new();
            for (start, end) in spans {
                open.retain(|outer| *outer > start);
                assert!(
                    open.iter().all(|outer| end <= *outer),
                    "{start}..{end} on {track:?} overlaps"
                );
                open.push(end);
            }
        }
    }
}

#[test]
fn nothing_gets_lost() {
    let log = busy();
    let run = ExportedRun::of(&log);
    let document = document(&log);
    let count = |cat: &str| events(&document).iter().filter(|event| event["cat"] == cat).count();
    let phases = || run.timeline.trials.iter().flat_map(|trial| &trial.phases);
    assert_eq!(count("trial"), run.timeline.trials.len());
    assert_eq!(count("phase"), phases().count());
    let steps = || phases().flat_map(|phase| &phase.steps);
    assert_eq!(count("step"), steps().map(|step| step.stretches.len()).sum::<usize>());
    assert_eq!(count("part"), steps().map(|step| step.parts.len()).sum::<usize>());
    let mirrored = self::document(&sample::mirrored());
    let downloads = events(&mirrored)
        .iter()
        .filter(|event| event["cat"] == "download")
        .count();
    let told: usize = sample::mirrored()
        .phases
        .iter()
        .map(|phase| phase.transfers.as_ref().map_or(0, Vec::len))
        .sum();
    assert_eq!(downloads, told);
}

#[test]
fn every_track_and_every_scenario_has_a_name() {
    let document = document(&busy());
    let named = |name: &str| -> BTreeMap<(i64, i64), String> {
        let of = events(&document).iter().filter(|event| event["name"] == name);
        of.map(|event| {
            let name = event["args"]["name"].as_str().expect("a name").to_owned();
            ((number(event, "pid"), number(event, "tid")), name)
        })
        .collect()
    };
    let threads = named("thread_name");
    for event in events(&document).iter().filter(|event| event["ph"] == "X") {
        assert!(threads.contains_key(&(number(event, "pid"), number(event, "tid"))));
    }
    assert_eq!(named("process_name").len(), 5);
    let of_first: Vec<&str> = threads
        .iter()
        .filter(|((pid, _), _)| *pid == 1)
        .map(|(_, name)| name.as_str())
        .collect();
    assert_eq!(
        of_first,
        [
            "journey",
            "builder",
            "builder (2)",
            "stage 0",
            "stage 0 (2)",
            "stage 0 (3)",
            "builder, parts",
            "builder, parts (2)",
        ]
    );
}
