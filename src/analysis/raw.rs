//! The long form: one row per phase and round, warm-ups included, nothing averaged.

use crate::engine::{BuildTrace, StepTrace};
use crate::journal::RunLog;
use crate::runner::event::{Outcome, PhaseRecord, Round, Seam, TrialKey};
use crate::units::{Bytes, Nanos};

use super::clean::clean;
use super::downloads::downloaded;

/// One phase of one trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// The round and its role.
    pub round: Round,
    /// The trial's place in its round, from 1; `None` if the order does not name it.
    pub position: Option<usize>,
    /// How often the run had been gone on with before.
    pub seams: usize,
    /// The scenario's full name.
    pub scenario: String,
    /// The scenario's factor values.
    pub factors: Vec<(String, String)>,
    /// `buildkit` or `classic`.
    pub builder: String,
    /// The phase's name.
    pub phase: String,
    /// `build` or `push`.
    pub kind: String,
    /// `measured`, `invalid`, `failed` or `skipped`.
    pub outcome: &'static str,
    /// Its time, also of an invalid phase; of a failed one the time until it failed; `None` if it was skipped.
    pub wall: Option<Nanos>,
    /// The uncompressed size of the image that a build made.
    pub image_size: Option<Bytes>,
    /// The sum of the manifest's layers after a push.
    pub compressed: Option<Bytes>,
    /// Bytes that a push added to the registry.
    pub new_bytes: Option<Bytes>,
    /// Bytes that a build fetched through the mirror; `None` without a mirror.
    pub downloaded: Option<Bytes>,
    /// Steps of a build that came from the cache.
    pub cached_steps: Option<usize>,
    /// Steps of a build that stem from the Dockerfile.
    pub steps: Option<usize>,
    /// Why it failed, was invalid or was skipped; else empty.
    pub message: String,
}

/// The raw rows in the order in which the phases ran.
pub(super) fn rows(log: &RunLog) -> Vec<RawRow> {
    log.phases.iter().map(|record| row(log, record)).collect()
}

fn row(log: &RunLog, record: &PhaseRecord) -> RawRow {
    let trial = &record.trial;
    let scenario = log
        .header
        .scenarios
        .iter()
        .find(|scenario| scenario.name == trial.scenario);
    let phase = log.header.journey.iter().find(|phase| phase.name == record.phase);
    let position = log
        .header
        .order
        .iter()
        .filter(|planned| planned.round == trial.round)
        .position(|planned| planned.scenario == trial.scenario);
    let steps = record.build.as_ref().map(dockerfile_steps);
    RawRow {
        round: trial.round,
        position: position.map(|index| index + 1),
        seams: seams_before(log, trial),
        scenario: trial.scenario.clone(),
        factors: scenario.map(|scenario| scenario.factors.clone()).unwrap_or_default(),
        builder: scenario.map(|scenario| scenario.builder.clone()).unwrap_or_default(),
        phase: record.phase.clone(),
        kind: phase.map(|phase| phase.kind.clone()).unwrap_or_default(),
        outcome: record.outcome.name(),
        wall: (!matches!(record.outcome, Outcome::Skipped(_))).then_some(record.wall),
        image_size: record.image.as_ref().map(|image| image.size),
        compressed: record
            .manifest
            .as_ref()
            .map(|manifest| manifest.layers.iter().map(|(_, size)| *size).sum()),
        new_bytes: record.manifest.as_ref().map(|manifest| manifest.new_bytes),
        downloaded: downloaded(record),
        cached_steps: steps
            .as_ref()
            .map(|steps| steps.iter().filter(|step| step.cached).count()),
        steps: steps.as_ref().map(Vec::len),
        message: clean(&record.outcome.reason().unwrap_or_default()),
    }
}

/// How many seams lie before a trial, by the order that was planned: it is that in which trials ran.
fn seams_before(log: &RunLog, trial: &TrialKey) -> usize {
    let place = |wanted: &TrialKey| log.header.order.iter().position(|planned| planned == wanted);
    let own = place(trial);
    let before = |seam: &&Seam| seam.after.as_ref().is_none_or(|after| place(after) < own);
    log.seams.iter().filter(before).count()
}

/// A build's steps without the builder's own (`[internal] load build context`, `exporting to image`): those that it
/// numbers, as `[builder 3/7] RUN …` or, with the classic builder, `Step 3/7 : RUN …`.
fn dockerfile_steps(build: &BuildTrace) -> Vec<&StepTrace> {
    build
        .steps
        .iter()
        .filter(|step| step.name.starts_with("Step ") || step.name.starts_with('['))
        .filter(|step| !step.name.starts_with("[internal]"))
        .collect()
}
