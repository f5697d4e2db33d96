//! The format itself: its pinned text and its description must stay true.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::journal::samples;
use crate::runner::event::Round;

/// Schema 1 as it was first written, and with the optional fields that came with the mirror.
const OLD: [&str; 2] = [
    include_str!("../testdata/schema-1.jsonl"),
    include_str!("../testdata/schema-1-network.jsonl"),
];
/// Schema 2 as it was first written, with the files of edits, with pulls and starts, with layers and what travelled, and with
/// noise.
const PINNED: [&str; 5] = [
    include_str!("../testdata/schema-2.jsonl"),
    include_str!("../testdata/schema-2-files.jsonl"),
    include_str!("../testdata/schema-2-phases.jsonl"),
    include_str!("../testdata/schema-2-travelled.jsonl"),
    include_str!("../testdata/schema-2-noise.jsonl"),
];
const DESCRIPTION: &str = include_str!("../../../docs/journal-format.md");

fn to_value(event: &RunEvent) -> Value {
    serde_json::to_value(Record::from_event(event).expect("a record")).expect("JSON")
}

/// Reads a line as the record that it says it is and makes the line of it again.
fn again(line: &str) -> Value {
    let peek: Peek = serde_json::from_str(line).expect(line);
    let event = match peek.event {
        Event::RunStarted => RunEvent::RunStarted(Box::new(serde_json::from_str::<Header>(line).expect(line).into())),
        Event::RunResumed => {
            RunEvent::RunResumed(Box::new(serde_json::from_str::<RunResumed>(line).expect(line).into()))
        }
        Event::TrialStarted => {
            RunEvent::TrialStarted(serde_json::from_str::<TrialStarted>(line).expect(line).trial.into())
        }
        Event::Phase => RunEvent::PhaseFinished(Box::new(
            serde_json::from_str::<PhaseFinished>(line).expect(line).into(),
        )),
        Event::TrialFinished => {
            RunEvent::TrialFinished(serde_json::from_str::<TrialFinished>(line).expect(line).into())
        }
        Event::RunFinished => RunEvent::RunFinished(serde_json::from_str::<RunFinished>(line).expect(line).into()),
    };
    to_value(&event)
}

#[test]
fn pinned_records_keep_every_field_and_value() {
    for pinned in PINNED {
        assert!(pinned.lines().count() >= 15);
        for line in pinned.lines() {
            assert_eq!(again(line), serde_json::from_str::<Value>(line).unwrap());
        }
    }
}

#[test]
fn records_of_schema_1_keep_every_field_and_value() {
    for line in OLD.iter().flat_map(|pinned| pinned.lines()) {
        let (mut now, before) = (again(line), serde_json::from_str::<Value>(line).unwrap());
        if before["event"] == "run-started" {
            assert_eq!((&now["schema"], &before["schema"]), (&2.into(), &1.into()));
            let header = now.as_object_mut().unwrap();
            header.insert("schema".to_owned(), 1.into());
            assert_eq!(header.remove("options"), Some(serde_json::json!({})));
            assert_eq!(header.remove("fixture_digest"), Some("".into()));
        }
        assert_eq!(now, before);
    }
}

#[test]
fn the_writer_writes_the_pinned_text() {
    // Schema 2 may get new optional fields; then this test's samples set them, and the pinned files of today get
    // another one beside them instead of being changed.
    let written: String = samples::events()
        .iter()
        .map(|event| serde_json::to_string(&Record::from_event(event).unwrap()).unwrap() + "\n")
        .collect();
    let newest = PINNED[PINNED.len() - 1];
    if std::env::var_os("BAKEOFF_UPDATE").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/journal/testdata/schema-2-noise.jsonl");
        std::fs::write(path, &written).unwrap();
    }
    assert!(written == newest, "the newest pinned file is another text: {written}");
}

#[test]
fn each_record_says_which_event_it_is() {
    for event in samples::events() {
        let record = Record::from_event(&event).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap()["event"], record.event().name());
        let peek: Peek = serde_json::from_value(serde_json::json!({ "event": record.event().name() })).unwrap();
        assert_eq!(peek.event, record.event());
    }
}

#[test]
fn progress_has_no_record() {
    for event in samples::progress_events() {
        assert!(Record::from_event(&event).is_none(), "{event:?}");
    }
}

#[test]
fn absent_fields_are_left_out() {
    let bare = to_value(&RunEvent::RunStarted(Box::new(samples::bare_header())));
    assert!(bare.get("published").is_none());
    let skipped = to_value(&RunEvent::PhaseFinished(Box::new(samples::skipped_phase())));
    for field in [
        "build",
        "push",
        "pull",
        "start",
        "image",
        "manifest",
        "transfers",
        "resources",
        "travelled",
    ] {
        assert!(skipped.get(field).is_none(), "{field}");
    }
    assert!(!bare.to_string().contains("null"));
    assert!(!skipped.to_string().contains("null"));
    assert!(bare["fingerprint"]["drift"].get("recording").is_none());
    assert!(bare["network"].get("recording").is_none() && bare["network"].get("synthetic").is_none());
    let seam = to_value(&RunEvent::RunResumed(Box::new(samples::bare_seam())));
    assert!(seam.get("after").is_none() && seam.get("again").is_none());
    let trial = to_value(&RunEvent::TrialFinished(samples::trial_finished(
        Round::Measured(1),
        "a",
    )));
    assert!(trial.get("failed").is_none());
    let header = to_value(&RunEvent::RunStarted(Box::new(samples::header())));
    assert!(header["scenarios"][1].get("link").is_none());
    let build = to_value(&RunEvent::PhaseFinished(Box::new(samples::build_phase())));
    assert!(build["transfers"][0].get("repeat").is_none() && build["transfers"][0].get("problem").is_none());
}

#[test]
fn a_build_that_downloaded_nothing_differs_from_one_without_a_mirror() {
    let nothing = to_value(&RunEvent::PhaseFinished(Box::new(samples::failed_phase())));
    assert_eq!(nothing["transfers"], serde_json::json!([]));
}

#[test]
fn askers_are_told_apart() {
    let build = to_value(&RunEvent::PhaseFinished(Box::new(samples::build_phase())));
    let askers: Vec<_> = build["transfers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["asker"].clone())
        .collect();
    let step = serde_json::json!({ "step": "sha256:02" });
    assert_eq!(
        askers,
        [step.clone(), "ambiguous".into(), step.clone(), "unknown".into(), step]
    );
}

#[test]
fn the_log_of_a_build_is_left_out() {
    let phase = samples::build_phase();
    let line = &phase.build.as_ref().unwrap().log[0].text.clone();
    let text = to_value(&RunEvent::PhaseFinished(Box::new(phase))).to_string();
    assert!(!text.contains(line));
    assert!(text.contains("FromAsCasing"), "warnings are kept");
}

/// The names of all fields of records, but not those of maps, whose keys are data.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                if !matches!(
                    key.as_str(),
                    "build_args" | "labels" | "times_ns" | "sizes_bytes" | "options" | "figures"
                ) {
                    fields(value, found);
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn the_description_names_every_field() {
    let mut found = BTreeSet::new();
    for event in samples::events() {
        fields(&to_value(&event), &mut found);
    }
    assert!(found.contains("completed_unix_ns"), "the samples have every field");
    // In a table's first column, so that a mention in passing is not enough.
    let missing: Vec<_> = found
        .iter()
        .filter(|field| !DESCRIPTION.contains(&format!("\n| `{field}` |")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/journal-format.md does not describe {missing:?}"
    );
}

#[test]
fn the_examples_in_the_description_are_records() {
    let mut seen = BTreeSet::new();
    for block in DESCRIPTION.split("```json\n").skip(1) {
        let (example, _) = block.split_once("```").expect("an end");
        let value: Value = serde_json::from_str(example).expect(example);
        assert_eq!(again(example), value);
        seen.insert(value["event"].as_str().expect("an event").to_owned());
    }
    let all = [
        "phase",
        "run-finished",
        "run-resumed",
        "run-started",
        "trial-finished",
        "trial-started",
    ];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn what_an_engine_used_is_kept_and_described() {
    let line = r#"{"event":"phase","trial":{"role":"measured","round":1,"scenario":"a"},"phase":"cold build","started":"2026-11-21T11:31:00Z","wall_ns":1,"outcome":{"status":"measured"},"resources":{"cpu_ns":9500000000,"peak_memory_bytes":386703360,"disk_read_bytes":0,"disk_written_bytes":50000000,"absent":["disk: not counted"]}}"#;
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(again(line), value);
    for field in value["resources"].as_object().unwrap().keys() {
        assert!(DESCRIPTION.contains(&format!("| `{field}` |")), "{field}");
    }
    let nothing = r#"{"event":"phase","trial":{"role":"measured","round":1,"scenario":"a"},"phase":"cold build","started":"2026-11-21T11:31:00Z","wall_ns":1,"outcome":{"status":"measured"},"resources":{}}"#;
    assert_eq!(again(nothing), serde_json::from_str::<Value>(nothing).unwrap());
}

#[test]
fn when_an_engine_was_at_what_in_a_push_is_kept_and_described() {
    let line = r#"{"event":"phase","trial":{"role":"measured","round":1,"scenario":"a"},"phase":"cold push","started":"2026-11-21T11:31:00Z","wall_ns":9,"outcome":{"status":"measured"},"push":{"wall_ns":9,"layers":[{"id":"8d5ac3489996","outcome":"pushed","preparing":{"from_ns":1,"to_ns":2},"waiting":{"from_ns":2,"to_ns":3},"pushing":{"from_ns":3,"to_ns":8}},{"id":"a1b2c3d4e5f6","outcome":"exists"}],"digest":"sha256:cc"}}"#;
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(again(line), value);
    for field in value["push"]["layers"][0].as_object().unwrap().keys() {
        assert!(DESCRIPTION.contains(&format!("| `{field}` |")), "{field}");
    }
}
