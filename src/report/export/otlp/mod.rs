//! A run as OpenTelemetry spans: run → trial → phase → step → part, downloads in the phase or the step that asked, and the
//! parts of pushes, pulls and starts in their phase.
//! The same run always gives the same ids, so that what is sent twice is the same trace. Not for: sending.

mod wire;

use std::io::Write;

use sha2::{Digest as _, Sha256};

use crate::analysis::{DownloadTime, PhaseTime, Report, RunState, StepTime, Stretch, TrialTime};
use crate::runner::event::{Outcome, Round};
use crate::units::{RunId, hex};

use super::{ExportError, ExportFormat, ExportedRun, write_json};
use wire::{Attribute, Request, Resource, ResourceSpans, Scope, ScopeSpans, Span, Status};

/// Where a collector takes traces, below its endpoint.
pub const PATH: &str = "v1/traces";

/// A request's body with as many spans as it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The body, as JSON.
    pub body: Vec<u8>,
    /// How many spans are in it.
    pub spans: usize,
}

/// A run's spans as one line of JSON, as a collector's file receiver reads it.
pub(super) fn write(run: &ExportedRun, out: &mut impl Write) -> Result<(), ExportError> {
    let spans = spans(run)?;
    let resource = resource(&run.report);
    write_json(ExportFormat::Otlp, &request(&resource, &spans), false, out)
}

/// A run's spans as bodies of requests with at most so many spans each: a collector takes only bodies of a limited size.
///
/// # Errors
/// If not a single phase of the run has ended.
pub fn batches(run: &ExportedRun, most: usize) -> Result<Vec<Batch>, ExportError> {
    let spans = spans(run)?;
    let resource = resource(&run.report);
    spans
        .chunks(most.max(1))
        .map(|spans| {
            let mut body = Vec::new();
            write_json(ExportFormat::Otlp, &request(&resource, spans), false, &mut body)?;
            let spans = spans.len();
            Ok(Batch { body, spans })
        })
        .collect()
}

/// The id of a run's trace: the first 16 bytes of the SHA-256 of `bakeoff run ` and the run's id, in hexadecimal.
#[must_use]
pub fn trace_id(run: &RunId) -> String {
    hex(&Sha256::digest(format!("bakeoff run {run}"))[..16])
}

fn request<'s>(resource: &'s [Attribute], spans: &'s [Span]) -> Request<'s> {
    Request {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes: resource },
            scope_spans: [ScopeSpans {
                scope: Scope {
                    name: "bakeoff",
                    version: env!("CARGO_PKG_VERSION"),
                },
                spans,
            }],
        }],
    }
}

fn resource(report: &Report) -> Vec<Attribute> {
    let (identity, drift) = (&report.environment.identity, &report.environment.drift);
    vec![
        Attribute::text("service.name", "bakeoff"),
        Attribute::text("service.version", &report.run.bakeoff_version),
        Attribute::text("host.cpu.model.name", &identity.cpu_model),
        Attribute::text("os.description", &drift.operating_system),
        Attribute::text("bakeoff.engine", &identity.engine),
        Attribute::text("bakeoff.engine.version", &drift.engine_version),
        Attribute::text("bakeoff.network", &identity.network),
    ]
}

/// Makes the spans of a run.
struct Spans<'r> {
    run: &'r RunId,
    trace: String,
    made: Vec<Span>,
}

fn spans(run: &ExportedRun) -> Result<Vec<Span>, ExportError> {
    let info = &run.report.run;
    if run.timeline.trials.iter().all(|trial| trial.phases.is_empty()) {
        return Err(ExportError::NothingHappened(info.id.clone()));
    }
    let mut spans = Spans {
        run: &info.id,
        trace: trace_id(&info.id),
        made: Vec::new(),
    };
    let attributes = vec![
        Attribute::text("bakeoff.run", &info.id.0),
        Attribute::text("bakeoff.suite", &info.suite),
        Attribute::text("bakeoff.variant", &info.variant),
        Attribute::text("bakeoff.state", info.state.name()),
        Attribute::text("bakeoff.seed", info.seed.to_string()),
        Attribute::int("bakeoff.rounds", info.rounds.into()),
    ];
    let mut name = format!("bakeoff run {}", info.suite);
    if info.state != RunState::Complete {
        name.push_str(&format!(" ({})", info.state.name()));
    }
    let root = spans.add("", "", name, run.timeline.stretch, attributes, Status::default());
    for (at, trial) in run.timeline.trials.iter().enumerate() {
        spans.add_trial(run, &root, at, trial);
    }
    Ok(spans.made)
}

impl Spans<'_> {
    /// Adds a span; `path` tells it from all others of the run. Returns its id.
    fn add(
        &mut self,
        parent: &str,
        path: &str,
        name: String,
        stretch: Stretch,
        attributes: Vec<Attribute>,
        status: Status,
    ) -> String {
        let id = hex(&Sha256::digest(format!("bakeoff span {} {path}", self.run))[..8]);
        self.made.push(Span {
            trace_id: self.trace.clone(),
            id: id.clone(),
            parent_span_id: parent.to_owned(),
            name,
            kind: wire::INTERNAL,
            start_time_unix_nano: stretch.start.to_string(),
            end_time_unix_nano: stretch.end.to_string(),
            attributes,
            status,
        });
        id
    }

    fn add_trial(&mut self, run: &ExportedRun, root: &str, at: usize, trial: &TrialTime) {
        let Some(stretch) = trial.stretch else {
            return;
        };
        let column = run.report.columns.iter().find(|column| column.name == trial.scenario);
        let mut attributes = vec![
            Attribute::text("bakeoff.scenario", &trial.scenario),
            Attribute::text("bakeoff.round", trial.round.to_string()),
            Attribute::bool("bakeoff.warmup", matches!(trial.round, Round::Warmup(_))),
        ];
        if let Some(column) = column {
            attributes.push(Attribute::text("bakeoff.builder", &column.builder));
        }
        let status = trial.failed.as_deref().map_or_else(Status::default, error);
        let name = format!("{}, {}", trial.scenario, trial.round);
        let path = format!("{at}");
        let id = self.add(root, &path, name, stretch, attributes, status);
        for (at, phase) in trial.phases.iter().enumerate() {
            self.add_phase(trial, &id, &format!("{path}/{at}"), phase);
        }
    }

    fn add_phase(&mut self, trial: &TrialTime, parent: &str, path: &str, phase: &PhaseTime) {
        let attributes = vec![
            // Whoever searches for spans finds a phase by its scenario without its parents.
            Attribute::text("bakeoff.scenario", &trial.scenario),
            Attribute::text("bakeoff.round", trial.round.to_string()),
            Attribute::text("bakeoff.phase", &phase.name),
            Attribute::text("bakeoff.phase.kind", &phase.kind),
            Attribute::text("bakeoff.phase.temperature", &phase.temperature),
            Attribute::text("bakeoff.phase.outcome", phase.outcome.name()),
            Attribute::int("bakeoff.phase.wall_ns", phase.stretch.length().0),
        ];
        let status = match &phase.outcome {
            Outcome::Measured | Outcome::Skipped(_) => Status::default(),
            Outcome::Failed(_) | Outcome::Invalid(_) => error(&phase.outcome.reason().unwrap_or_default()),
        };
        let id = self.add(parent, path, phase.name.clone(), phase.stretch, attributes, status);
        let mut steps: Vec<(&str, String)> = Vec::new();
        for (at, step) in phase.steps.iter().enumerate() {
            let step_id = self.add_step(&id, &format!("{path}/{at}"), step);
            steps.extend(step_id.map(|step_id| (step.id.as_str(), step_id)));
        }
        for (at, (name, stretch)) in phase.parts.iter().enumerate() {
            let path = format!("{path}/part {at}");
            self.add(&id, &path, name.clone(), *stretch, Vec::new(), Status::default());
        }
        for (at, download) in phase.downloads.iter().enumerate() {
            let asked = download.step.as_deref();
            let parent = steps.iter().find(|(step, _)| Some(*step) == asked);
            let parent = parent.map_or(id.as_str(), |(_, id)| id);
            self.add_download(parent, &format!("{path}/download {at}"), download);
        }
    }

    fn add_step(&mut self, parent: &str, path: &str, step: &StepTime) -> Option<String> {
        // One span, also of a step that the builder began more than once.
        let stretch = Stretch::around(step.stretches.iter().copied())?;
        let busy = step.stretches.iter().map(|stretch| stretch.length().0).sum();
        let mut attributes = vec![
            Attribute::text("bakeoff.step", &step.name),
            Attribute::bool("bakeoff.step.cached", step.cached),
            Attribute::bool("bakeoff.step.critical", step.critical),
            Attribute::int("bakeoff.step.busy_ns", busy),
        ];
        if let Some(instruction) = &step.instruction {
            attributes.extend([
                Attribute::text("bakeoff.instruction", &instruction.text),
                Attribute::text("bakeoff.stage", &instruction.stage),
                Attribute::int("bakeoff.line", instruction.first_line.into()),
            ]);
        }
        let status = step.error.as_deref().map_or_else(Status::default, error);
        let id = self.add(parent, path, step.title().to_owned(), stretch, attributes, status);
        for (at, (name, stretch)) in step.parts.iter().enumerate() {
            let path = format!("{path}/{at}");
            self.add(&id, &path, name.clone(), *stretch, Vec::new(), Status::default());
        }
        Some(id)
    }

    fn add_download(&mut self, parent: &str, path: &str, download: &DownloadTime) {
        let attributes = vec![
            Attribute::text("bakeoff.download.kind", download.kind),
            Attribute::int("bakeoff.download.bytes", download.bytes.0),
            Attribute::int("http.response.status_code", download.status.into()),
        ];
        let name = format!("download {}", download.name);
        self.add(parent, path, name, download.stretch, attributes, Status::default());
    }
}

fn error(message: &str) -> Status {
    Status {
        message: message.to_owned(),
        code: wire::ERROR,
    }
}

#[cfg(test)]
mod tests;
