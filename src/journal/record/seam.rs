//! The seam of a run that was gone on with, on disk.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::trial::Trial;
use crate::runner::event;

/// Mirrors [`event::Seam`].
#[derive(Debug, Serialize, Deserialize)]
pub struct RunResumed {
    pub resumed: DateTime<Utc>,
    pub stopped: DateTime<Utc>,
    pub bakeoff_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Trial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<Trial>,
    pub superseded: u32,
    pub torn: bool,
    pub changes: Vec<Change>,
}

/// Mirrors [`event::Change`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Change {
    pub what: String,
    pub before: String,
    pub now: String,
}

impl From<event::Seam> for RunResumed {
    fn from(value: event::Seam) -> Self {
        let event::Seam {
            resumed,
            stopped,
            bakeoff_version,
            after,
            again,
            superseded,
            torn,
            changes,
        } = value;
        Self {
            resumed,
            stopped,
            bakeoff_version,
            after: after.map(Into::into),
            again: again.map(Into::into),
            superseded,
            torn,
            changes: changes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<RunResumed> for event::Seam {
    fn from(value: RunResumed) -> Self {
        let RunResumed {
            resumed,
            stopped,
            bakeoff_version,
            after,
            again,
            superseded,
            torn,
            changes,
        } = value;
        Self {
            resumed,
            stopped,
            bakeoff_version,
            after: after.map(Into::into),
            again: again.map(Into::into),
            superseded,
            torn,
            changes: changes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<event::Change> for Change {
    fn from(value: event::Change) -> Self {
        let event::Change { what, before, now } = value;
        Self { what, before, now }
    }
}

impl From<Change> for event::Change {
    fn from(value: Change) -> Self {
        let Change { what, before, now } = value;
        Self { what, before, now }
    }
}
