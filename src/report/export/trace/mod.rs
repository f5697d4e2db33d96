//! The Trace Event Format of Chrome, which Perfetto reads too: a process for each scenario, a thread for its trials and
//! phases, and threads for the steps of each stage, for the builder's own steps, for downloads, and for the parts of pushes,
//! pulls and starts.
//!
//! Each event is complete (`"ph": "X"`). Times are whole microseconds since the run began, rounded down, so that what did
//! not overlap does not do so here either.

mod lanes;

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::analysis::{Column, DownloadTime, PhaseTime, StepTime, Stretch, TrialTime};

use super::{ExportError, ExportFormat, ExportedRun, write_json};
use lanes::{Bar, Tracks};

/// The tracks that are no stage's.
const JOURNEY: &str = "journey";
const BUILDER: &str = "builder";
const DOWNLOADS: &str = "downloads";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    trace_events: Vec<Event>,
    display_time_unit: &'static str,
    other_data: Value,
}

#[derive(Serialize)]
struct Event {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    #[serde(flatten)]
    time: Option<Time>,
    pid: usize,
    tid: usize,
    args: Map<String, Value>,
}

#[derive(Serialize)]
struct Time {
    ts: i64,
    dur: i64,
}

/// What is said of something on a track.
struct Said {
    name: String,
    cat: &'static str,
    args: Map<String, Value>,
}

pub(super) fn write(run: &ExportedRun, out: &mut impl Write) -> Result<(), ExportError> {
    let info = &run.report.run;
    if run.timeline.trials.iter().all(|trial| trial.phases.is_empty()) {
        return Err(ExportError::NothingHappened(info.id.clone()));
    }
    let mut events = Vec::new();
    for (at, column) in run.report.columns.iter().enumerate() {
        let trials = run.timeline.trials.iter().filter(|trial| trial.scenario == column.name);
        let mut tracks = Tracks::new();
        for trial in trials {
            add_trial(trial, &mut tracks);
        }
        write_process(run.timeline.stretch.start, at + 1, column, tracks, &mut events);
    }
    let document = Document {
        trace_events: events,
        display_time_unit: "ms",
        other_data: json!({
            "run": info.id,
            "suite": info.suite,
            "variant": info.variant,
            "started": info.started.to_rfc3339(),
            "bakeoff": info.bakeoff_version,
        }),
    };
    write_json(ExportFormat::Perfetto, &document, false, out)
}

fn add_trial(trial: &TrialTime, tracks: &mut Tracks<Said>) {
    let Some(stretch) = trial.stretch else {
        return;
    };
    let mut args = args_of([("scenario", trial.scenario.as_str().into())]);
    if let Some(cause) = &trial.failed {
        args.insert("failed".into(), cause.as_str().into());
    }
    let mut journey = bar(stretch, "trial", trial.round.to_string(), args);
    let phases = trial.phases.iter().map(|phase| {
        let text = phase.outcome.reason();
        let mut args = args_of([
            ("round", trial.round.to_string().into()),
            ("kind", phase.kind.as_str().into()),
            ("temperature", phase.temperature.as_str().into()),
            ("outcome", phase.outcome.name().into()),
            ("wall_ns", phase.stretch.length().0.into()),
        ]);
        if let Some(text) = text {
            args.insert("reason".into(), text.into());
        }
        bar(phase.stretch, "phase", phase.name.clone(), args)
    });
    for phase in journey.fill(phases.collect()) {
        tracks.add(JOURNEY, phase);
    }
    tracks.add(JOURNEY, journey);
    for phase in &trial.phases {
        for step in &phase.steps {
            add_step(trial, phase, step, tracks);
        }
        for (name, stretch) in &phase.parts {
            let args = place(trial, phase);
            tracks.add(&phase.kind, bar(*stretch, "part", name.clone(), args));
        }
        for download in &phase.downloads {
            add_download(trial, phase, download, tracks);
        }
    }
}

fn add_step(trial: &TrialTime, phase: &PhaseTime, step: &StepTime, tracks: &mut Tracks<Said>) {
    let group = match &step.instruction {
        Some(instruction) => format!("stage {}", instruction.stage),
        None => BUILDER.to_owned(),
    };
    let mut args = place(trial, phase);
    args.insert("step".into(), step.name.as_str().into());
    if let Some(instruction) = &step.instruction {
        args.insert("instruction".into(), instruction.text.as_str().into());
        args.insert("line".into(), instruction.first_line.into());
    }
    args.insert("cached".into(), step.cached.into());
    args.insert("critical".into(), step.critical.into());
    if let Some(error) = &step.error {
        args.insert("error".into(), error.as_str().into());
    }
    let part = |(name, stretch): &(String, _)| bar(*stretch, "part", name.clone(), place(trial, phase));
    let mut parts: Vec<Bar<Said>> = step.parts.iter().map(part).collect();
    for stretch in &step.stretches {
        let mut whole = bar(*stretch, "step", step.title().to_owned(), args.clone());
        parts = whole.fill(parts);
        tracks.add(&group, whole);
    }
    // Parts run side by side too.
    for part in parts {
        tracks.add(&format!("{group}, parts"), part);
    }
}

fn add_download(trial: &TrialTime, phase: &PhaseTime, download: &DownloadTime, tracks: &mut Tracks<Said>) {
    let mut args = place(trial, phase);
    let step = phase.steps.iter().find(|step| Some(&step.id) == download.step.as_ref());
    args.extend(args_of([
        ("kind", download.kind.into()),
        ("bytes", download.bytes.0.into()),
        ("status", download.status.into()),
    ]));
    if let Some(step) = step {
        args.insert("step".into(), step.title().into());
    }
    tracks.add(
        DOWNLOADS,
        bar(download.stretch, "download", download.name.clone(), args),
    );
}

fn bar(stretch: Stretch, cat: &'static str, name: String, args: Map<String, Value>) -> Bar<Said> {
    Bar::new(stretch, Said { name, cat, args })
}

/// Where in the run something lies: a click on it should tell.
fn place(trial: &TrialTime, phase: &PhaseTime) -> Map<String, Value> {
    args_of([
        ("round", trial.round.to_string().into()),
        ("phase", phase.name.as_str().into()),
    ])
}

fn args_of<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Writes the events of a scenario: its name, and for each track its name and what is on it.
fn write_process(begin: u64, pid: usize, column: &Column, tracks: Tracks<Said>, events: &mut Vec<Event>) {
    let mut meta = |name: &str, tid: usize, key: &str, value: Value| {
        events.push(Event {
            name: name.to_owned(),
            cat: None,
            ph: "M",
            time: None,
            pid,
            tid,
            args: args_of([(key, value)]),
        });
    };
    meta("process_name", 0, "name", column.name.as_str().into());
    meta("process_sort_index", 0, "sort_index", pid.into());
    let tracks = tracks.laid_out();
    for (tid, (name, _)) in (1..).zip(&tracks) {
        meta("thread_name", tid, "name", name.as_str().into());
        meta("thread_sort_index", tid, "sort_index", tid.into());
    }
    for (tid, (_, bars)) in (1..).zip(tracks) {
        for bar in bars {
            write_bar(begin, (pid, tid), bar, events);
        }
    }
}

fn write_bar(begin: u64, (pid, tid): (usize, usize), bar: Bar<Said>, events: &mut Vec<Event>) {
    let ts = micros(begin, bar.stretch.start);
    events.push(Event {
        name: bar.what.name,
        cat: Some(bar.what.cat),
        ph: "X",
        time: Some(Time {
            ts,
            dur: micros(begin, bar.stretch.end) - ts,
        }),
        pid,
        tid,
        args: bar.what.args,
    });
    for inner in bar.inner {
        write_bar(begin, (pid, tid), inner, events);
    }
}

/// Microseconds from one instant to another, rounded down.
fn micros(begin: u64, at: u64) -> i64 {
    let nanos = i128::from(at) - i128::from(begin);
    i64::try_from(nanos.div_euclid(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
