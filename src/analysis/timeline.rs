//! When everything in a run happened: trials, their phases, the steps of builds, the steps' parts, downloads, and the parts
//! of pushes, pulls and starts. From the journal alone. Not for: figures over rounds (those are in [`Report`](super::Report)) or any layout.
//!
//! Phases are told by the wall clock of the machine that ran bakeoff, steps and their parts by the builder's, downloads
//! by the mirror's. The engine is on the same machine, so these are one clock; the times stand as they were told.

use crate::dockerfile::Dockerfile;
use crate::engine::StepTrace;
use crate::journal::RunLog;
use crate::mirror::{Kind, Transfer};
use crate::runner::event::{Asker, Outcome, PhaseRecord, Round, TrialKey};
use crate::units::{Bytes, Nanos};

use super::attribution::{InstructionRef, StepReader};
use super::broken;
use super::clean::clean;
use super::notes::shown;

/// A stretch of time: start and end, in nanoseconds since the Unix epoch. The end is not before the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// Start.
    pub start: u64,
    /// End.
    pub end: u64,
}

impl Stretch {
    /// Its length.
    #[must_use]
    pub const fn length(self) -> Nanos {
        Nanos(self.end - self.start)
    }

    /// Whether the other lies in it, ends included.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The shortest stretch that has all of these in it; `None` of none.
    pub fn around(stretches: impl IntoIterator<Item = Self>) -> Option<Self> {
        stretches.into_iter().reduce(|around, next| Self {
            start: around.start.min(next.start),
            end: around.end.max(next.end),
        })
    }
}

/// A run by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// From the run's begin to its end; without an end, to that of its last phase.
    pub stretch: Stretch,
    /// The names of the phases that every trial has, in order.
    pub journey: Vec<String>,
    /// The trials in the order that was planned; what the run did not get to has no phases.
    pub trials: Vec<TrialTime>,
}

/// A trial by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialTime {
    /// Its round.
    pub round: Round,
    /// Its scenario's full name.
    pub scenario: String,
    /// Why it ended before its last phase, if something outside its phases failed.
    pub failed: Option<String>,
    /// From the begin of its first phase to the end of its last; `None` if it has none.
    pub stretch: Option<Stretch>,
    /// Its phases, in the order in which they ran.
    pub phases: Vec<PhaseTime>,
}

/// A phase by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseTime {
    /// Its name.
    pub name: String,
    /// `build`, `push`, `pull` or `start`.
    pub kind: String,
    /// `cold`, `hot` or `noop`.
    pub temperature: String,
    /// When it ran. Its length is the phase's time.
    pub stretch: Stretch,
    /// How it ended, with texts that are fit to be shown.
    pub outcome: Outcome,
    /// The steps of a build that the builder told the time of.
    pub steps: Vec<StepTime>,
    /// What a build downloaded through the mirror.
    pub downloads: Vec<DownloadTime>,
    /// What a push or a pull did with each layer, and what a start waited for, each with its name.
    pub parts: Vec<(String, Stretch)>,
}

/// A step by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTime {
    /// The builder's id of it.
    pub id: String,
    /// The builder's name of it.
    pub name: String,
    /// The builder's name of it without what differs from build to build.
    pub general: String,
    /// The instruction that it comes from; `None` of the builder's own.
    pub instruction: Option<InstructionRef>,
    /// When it ran: one or more stretches, which don't overlap.
    pub stretches: Vec<Stretch>,
    /// Whether it came from the cache.
    pub cached: bool,
    /// Whether it lay on the build's critical path.
    pub critical: bool,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// Its timed parts, such as `exporting layers`.
    pub parts: Vec<(String, Stretch)>,
}

impl StepTime {
    /// What people know it by: its instruction's text, else the builder's name without what differs from build to build.
    #[must_use]
    pub fn title(&self) -> &str {
        self.instruction
            .as_ref()
            .map_or(&self.general, |instruction| &instruction.text)
    }
}

/// A download by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadTime {
    /// What was asked for.
    pub name: String,
    /// What kind of thing that is: `file`.
    pub kind: &'static str,
    /// The id of the step that asked, where that is known.
    pub step: Option<String>,
    /// From the request to the last byte.
    pub stretch: Stretch,
    /// Bytes that were sent.
    pub bytes: Bytes,
    /// The status of the answer.
    pub status: u16,
}

impl Timeline {
    /// Reads a run.
    #[must_use]
    pub fn of(log: &RunLog) -> Self {
        let log = &broken::judged(log);
        let mut trials: Vec<TrialTime> = log.header.order.iter().map(|key| trial(log, key)).collect();
        for scenario in &log.header.scenarios {
            // It was parsed when it was built.
            let dockerfile = Dockerfile::parse(&scenario.dockerfile).ok();
            let mut reader = StepReader::new(dockerfile.as_ref());
            for trial in trials.iter_mut().filter(|trial| trial.scenario == scenario.name) {
                trial.phases = phases(log, trial, &mut reader);
                trial.stretch = Stretch::around(trial.phases.iter().map(|phase| phase.stretch));
            }
        }
        let begun = nanos(log.header.started);
        let ended = log.end.as_ref().map_or(begun, |end| nanos(end.ended));
        let whole = Stretch {
            start: begun,
            end: ended.max(begun),
        };
        let inner = trials.iter().filter_map(|trial| trial.stretch);
        Self {
            stretch: Stretch::around(inner.chain([whole])).unwrap_or(whole),
            journey: log.header.journey.iter().map(|phase| phase.name.clone()).collect(),
            trials,
        }
    }
}

fn trial(log: &RunLog, key: &TrialKey) -> TrialTime {
    let record = log.trials.iter().find(|record| record.trial == *key);
    TrialTime {
        round: key.round,
        scenario: key.scenario.clone(),
        failed: record.and_then(|record| record.failed.as_deref()).map(clean),
        stretch: None,
        phases: Vec::new(),
    }
}

fn phases(log: &RunLog, trial: &TrialTime, reader: &mut StepReader) -> Vec<PhaseTime> {
    let own = |record: &&PhaseRecord| record.trial.round == trial.round && record.trial.scenario == trial.scenario;
    log.phases
        .iter()
        .filter(own)
        .map(|record| phase(log, record, reader))
        .collect()
}

fn phase(log: &RunLog, record: &PhaseRecord, reader: &mut StepReader) -> PhaseTime {
    let head = log.header.journey.iter().find(|head| head.name == record.phase);
    let start = nanos(record.started);
    let build = record.build.as_ref();
    let transfers = record.transfers.iter().flatten();
    PhaseTime {
        name: record.phase.clone(),
        kind: head.map(|head| head.kind.clone()).unwrap_or_default(),
        temperature: head.map(|head| head.temperature.clone()).unwrap_or_default(),
        stretch: Stretch {
            start,
            end: start + record.wall.0,
        },
        outcome: match &record.outcome {
            Outcome::Measured => Outcome::Measured,
            Outcome::Invalid(reasons) => Outcome::Invalid(reasons.iter().map(|reason| clean(reason)).collect()),
            Outcome::Failed(failure) => Outcome::Failed(shown(failure)),
            Outcome::Skipped(reason) => Outcome::Skipped(clean(reason)),
        },
        steps: build
            .map(|build| reader.read(build, record.wall))
            .into_iter()
            .flatten()
            .filter(|step| !step.stretches.is_empty())
            .collect(),
        downloads: transfers
            .map(|asked| download(&asked.transfer, &asked.step, build.map_or(&[], |build| &build.steps)))
            .collect(),
        parts: parts(record, start),
    }
}

/// The parts of a push, a pull or a start that began at `start`: their times are told from the request on.
fn parts(record: &PhaseRecord, start: u64) -> Vec<(String, Stretch)> {
    let stretch = |from: Nanos, to: Nanos| Stretch {
        start: start + from.0,
        end: start + to.0.max(from.0),
    };
    let mut parts = Vec::new();
    for layer in record.push.iter().flat_map(|push| &push.layers) {
        let part =
            |told: crate::engine::Stretch| (format!("pushing {}", clean(&layer.id)), stretch(told.from, told.to));
        parts.extend(layer.pushing.map(part));
    }
    for layer in record.pull.iter().flat_map(|pull| &pull.layers) {
        for (what, told) in [("downloading", layer.downloading), ("extracting", layer.extracting)] {
            let part =
                |told: crate::engine::Stretch| (format!("{what} {}", clean(&layer.id)), stretch(told.from, told.to));
            parts.extend(told.map(part));
        }
    }
    if let Some(told) = &record.start {
        let running = told.running.min(record.wall);
        parts.push(("starting the container".to_owned(), stretch(Nanos(0), running)));
        parts.push(("until it worked".to_owned(), stretch(running, record.wall)));
    }
    parts
}

fn download(transfer: &Transfer, asker: &Asker, steps: &[StepTrace]) -> DownloadTime {
    let step = match asker {
        Asker::Step(id) if steps.iter().any(|step| step.id == *id) => Some(id.clone()),
        Asker::Step(_) | Asker::Ambiguous | Asker::Unknown => None,
    };
    DownloadTime {
        name: clean(&transfer.name),
        kind: match transfer.kind {
            Kind::Index => "index",
            Kind::Metadata => "metadata",
            Kind::File => "file",
            Kind::Proxied => "proxied",
            Kind::Tunnel => "tunnel",
        },
        step,
        stretch: Stretch {
            start: transfer.started_unix_ns,
            end: transfer.ended_unix_ns.max(transfer.started_unix_ns),
        },
        bytes: transfer.bytes,
        status: transfer.status,
    }
}

/// Nanoseconds since the Unix epoch; 0 for what lies before it or too far after it.
fn nanos(time: chrono::DateTime<chrono::Utc>) -> u64 {
    time.timestamp_nanos_opt()
        .and_then(|nanos| u64::try_from(nanos).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
