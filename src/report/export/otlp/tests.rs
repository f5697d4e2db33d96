use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::analysis::sample;
use crate::journal::RunLog;

fn document(log: &RunLog) -> Value {
    let mut out = Vec::new();
    super::write(&ExportedRun::of(log), &mut out).expect("written");
    serde_json::from_slice(&out).expect("JSON")
}

fn spans(document: &Value) -> Vec<&Value> {
    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    spans.as_array().expect("a list").iter().collect()
}

fn is_hex(value: &Value, digits: usize) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == digits
            && text
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    })
}

fn nanos(span: &Value, key: &str) -> u64 {
    // 64-bit integers are strings.
    span[key].as_str().expect("a string").parse().expect("a number")
}

#[test]
fn a_run_with_one_round() {
    let text = serde_json::to_string_pretty(&document(&sample::single_round())).expect("JSON");
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn spans_lie_in_their_parents_and_every_id_is_its_own() {
    for log in [sample::full(), sample::resumed()] {
        let document = document(&log);
        let spans = spans(&document);
        let known: BTreeMap<&str, &Value> = spans
            .iter()
            .map(|span| (span["spanId"].as_str().expect("an id"), *span))
            .collect();
        assert_eq!(known.len(), spans.len(), "no id twice");
        let mut roots = 0;
        for span in &spans {
            assert!(is_hex(&span["traceId"], 32) && is_hex(&span["spanId"], 16));
            assert!(nanos(span, "startTimeUnixNano") <= nanos(span, "endTimeUnixNano"));
            let Some(parent) = span.get("parentSpanId") else {
                roots += 1;
                continue;
            };
            let parent = known[parent.as_str().expect("an id")];
            assert!(
                nanos(parent, "startTimeUnixNano") <= nanos(span, "startTimeUnixNano"),
                "{span}"
            );
            assert!(
                nanos(parent, "endTimeUnixNano") >= nanos(span, "endTimeUnixNano"),
                "{span}"
            );
        }
        assert_eq!(roots, 1);
        let traces: BTreeSet<_> = spans.iter().map(|span| span["traceId"].as_str()).collect();
        assert_eq!(traces.len(), 1);
    }
}

#[test]
fn what_failed_or_was_invalid_is_an_error_with_its_reason() {
    let document = document(&sample::full());
    let errors: BTreeSet<(String, String)> = spans(&document)
        .into_iter()
        .filter(|span| span["status"]["code"] == 2)
        .map(|span| {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            (text(&span["name"]), text(&span["status"]["message"]))
        })
        .collect();
    let expected = [
        (
            "cold build",
            "executor failed running [/bin/sh -c uv pip install -r <light>.txt]: exit code: 1",
        ),
        (
            "hot push",
            "the layer \"heavy\" was pushed again although nothing in it changed",
        ),
    ];
    let expected = expected.map(|(name, message)| (name.to_owned(), message.to_owned()));
    assert_eq!(errors, BTreeSet::from(expected));
}

#[test]
fn a_run_in_pieces_is_the_same_run() {
    let run = ExportedRun::of(&sample::full());
    let whole = document(&sample::full());
    let batches = batches(&run, 7).expect("spans");
    assert!(batches.iter().all(|batch| (1..=7).contains(&batch.spans)));
    let pieces: Vec<Value> = batches
        .iter()
        .map(|batch| serde_json::from_slice(&batch.body).expect("JSON"))
        .collect();
    let together: Vec<&Value> = pieces.iter().flat_map(spans).collect();
    assert_eq!(together, spans(&whole));
    for piece in &pieces {
        assert_eq!(
            piece["resourceSpans"][0]["resource"],
            whole["resourceSpans"][0]["resource"]
        );
    }
}

#[test]
fn downloads_hang_on_the_step_that_asked_or_else_on_the_phase() {
    let mut log = sample::mirrored();
    // Without a time no step has a span, and then a download hangs on its phase.
    for build in log.phases.iter_mut().filter_map(|phase| phase.build.as_mut()) {
        let step = build.steps.iter_mut().find(|step| step.id == "install").expect("there");
        step.intervals = vec![crate::engine::Interval {
            started: 5,
            completed: Some(9),
        }];
    }
    let document = document(&log);
    let spans = spans(&document);
    let parents: BTreeSet<(&str, &str)> = spans
        .iter()
        .filter(|span| span["name"].as_str().is_some_and(|name| name.starts_with("download ")))
        .map(|span| {
            let parent = spans.iter().find(|other| other["spanId"] == span["parentSpanId"]);
            let name = |span: &'_ Value| span["name"].as_str().map(str::to_owned).expect("a name");
            let kind = &span["attributes"][0]["value"]["stringValue"];
            (
                kind.as_str().expect("text"),
                if name(parent.expect("a parent")).contains("build") {
                    "phase"
                } else {
                    "step"
                },
            )
        })
        .collect();
    assert_eq!(
        parents,
        BTreeSet::from([
            ("file", "step"),
            ("index", "phase"),
            ("index", "step"),
            ("metadata", "step"),
            ("proxied", "phase"),
            ("tunnel", "step"),
        ])
    );
}

#[test]
fn a_trace_s_id_comes_from_the_run_s() {
    assert_eq!(trace_id(&RunId("a".into())), trace_id(&RunId("a".into())));
    assert_ne!(trace_id(&RunId("a".into())), trace_id(&RunId("b".into())));
}
