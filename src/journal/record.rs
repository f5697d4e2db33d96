//! The records of a journal as they lie on disk, schema 2. They mirror the runtime types and are not them, so that a
//! change of those can't change the format unnoticed: every conversion names every field. Not for: files (see
//! `writer` and `reader`).

mod fingerprint;
mod header;
mod host;
mod image;
mod layers;
mod moved;
mod network;
mod noise;
mod phase;
mod seam;
mod trace;
mod transfer;
mod travelled;
mod trial;

use serde::{Deserialize, Serialize};

use crate::runner::event::RunEvent;

pub(super) use header::Header;
pub(super) use noise::Noise;
pub(super) use phase::PhaseFinished;
pub(super) use seam::RunResumed;
pub(super) use trial::{RunFinished, TrialFinished, TrialStarted};

/// The schema that is written, and the newest that is read; older ones are read as well.
pub const SCHEMA: u64 = 2;

/// One line of a journal, to be written.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Record {
    RunStarted(Box<Header>),
    RunResumed(RunResumed),
    TrialStarted(TrialStarted),
    Phase(Box<PhaseFinished>),
    TrialFinished(TrialFinished),
    RunFinished(RunFinished),
}

impl Record {
    /// The record of an event; `None` for what is only said for the progress display.
    pub fn from_event(event: &RunEvent) -> Option<Self> {
        match event {
            RunEvent::RunStarted(header) => Some(Self::RunStarted(Box::new((**header).clone().into()))),
            RunEvent::RunResumed(seam) => Some(Self::RunResumed((**seam).clone().into())),
            RunEvent::TrialStarted(trial) => Some(Self::TrialStarted(trial.clone().into())),
            RunEvent::PhaseFinished(phase) => Some(Self::Phase(Box::new((**phase).clone().into()))),
            RunEvent::TrialFinished(trial) => Some(Self::TrialFinished(trial.clone().into())),
            RunEvent::RunFinished(end) => Some(Self::RunFinished(end.clone().into())),
            RunEvent::Preparing(_) | RunEvent::PhaseStarted { .. } | RunEvent::Progress(_) => None,
        }
    }

    /// Which event it is.
    pub fn event(&self) -> Event {
        match self {
            Self::RunStarted(_) => Event::RunStarted,
            Self::RunResumed(_) => Event::RunResumed,
            Self::TrialStarted(_) => Event::TrialStarted,
            Self::Phase(_) => Event::Phase,
            Self::TrialFinished(_) => Event::TrialFinished,
            Self::RunFinished(_) => Event::RunFinished,
        }
    }
}

/// The value of `event` in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    RunStarted,
    RunResumed,
    TrialStarted,
    Phase,
    TrialFinished,
    RunFinished,
}

impl Event {
    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RunStarted => "run-started",
            Self::RunResumed => "run-resumed",
            Self::TrialStarted => "trial-started",
            Self::Phase => "phase",
            Self::TrialFinished => "trial-finished",
            Self::RunFinished => "run-finished",
        }
    }
}

/// As much of a line as says what the rest of it is.
#[derive(Debug, Deserialize)]
pub(super) struct Peek {
    pub event: Event,
}

/// As much of the first line as says whether this program can read the file. Nothing else of it may be relied on
/// before `schema` is known.
#[derive(Debug, Deserialize)]
pub(super) struct PeekSchema {
    pub schema: Option<u64>,
}

#[cfg(test)]
mod tests;
