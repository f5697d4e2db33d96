//! The beginning and the end of trials, and the end of a run, on disk.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::layers::TrialImage;
use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`event::TrialKey`]. The round's role comes first: a warm-up must not be taken for a measurement by
/// whoever reads only the number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trial {
    pub role: Role,
    pub round: u32,
    pub scenario: String,
}

/// The role in [`event::Round`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    WarmUp,
    Measured,
}

/// A trial begins.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrialStarted {
    pub trial: Trial,
}

/// Mirrors [`event::TrialRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TrialFinished {
    pub trial: Trial,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    pub probed: Vec<String>,
    pub broken: Vec<BrokenImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<TrialImage>,
    pub cleanup: Cleanup,
}

/// An image that was started and did not work.
#[derive(Debug, Serialize, Deserialize)]
pub struct BrokenImage {
    pub image: String,
    pub reason: String,
}

/// Mirrors [`event::Cleanup`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Cleanup {
    pub removed_records: u32,
    pub freed_bytes: Bytes,
    pub left_records: u32,
    pub left_bytes: Bytes,
    pub problems: Vec<String>,
}

/// Mirrors [`event::RunEnd`].
#[derive(Debug, Serialize, Deserialize)]
pub struct RunFinished {
    pub ended: DateTime<Utc>,
    pub interrupted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

impl From<event::TrialKey> for Trial {
    fn from(value: event::TrialKey) -> Self {
        let event::TrialKey { round, scenario } = value;
        let (role, round) = match round {
            event::Round::Warmup(number) => (Role::WarmUp, number),
            event::Round::Measured(number) => (Role::Measured, number),
        };
        Self { role, round, scenario }
    }
}

impl From<Trial> for event::TrialKey {
    fn from(value: Trial) -> Self {
        let Trial { role, round, scenario } = value;
        let round = match role {
            Role::WarmUp => event::Round::Warmup(round),
            Role::Measured => event::Round::Measured(round),
        };
        Self { round, scenario }
    }
}

impl From<event::TrialKey> for TrialStarted {
    fn from(value: event::TrialKey) -> Self {
        Self { trial: value.into() }
    }
}

impl From<event::TrialRecord> for TrialFinished {
    fn from(value: event::TrialRecord) -> Self {
        let event::TrialRecord {
            trial,
            failed,
            probed,
            broken,
            images,
            cleanup,
        } = value;
        Self {
            trial: trial.into(),
            failed,
            probed,
            broken: broken
                .into_iter()
                .map(|(image, reason)| BrokenImage { image, reason })
                .collect(),
            images: images.into_iter().map(Into::into).collect(),
            cleanup: cleanup.into(),
        }
    }
}

impl From<TrialFinished> for event::TrialRecord {
    fn from(value: TrialFinished) -> Self {
        let TrialFinished {
            trial,
            failed,
            probed,
            broken,
            images,
            cleanup,
        } = value;
        Self {
            trial: trial.into(),
            failed,
            probed,
            broken: broken
                .into_iter()
                .map(|BrokenImage { image, reason }| (image, reason))
                .collect(),
            images: images.into_iter().map(Into::into).collect(),
            cleanup: cleanup.into(),
        }
    }
}

impl From<event::Cleanup> for Cleanup {
    fn from(value: event::Cleanup) -> Self {
        let event::Cleanup {
            removed_records,
            freed,
            left_records,
            left_bytes,
            problems,
        } = value;
        Self {
            removed_records,
            freed_bytes: freed,
            left_records,
            left_bytes,
            problems,
        }
    }
}

impl From<Cleanup> for event::Cleanup {
    fn from(value: Cleanup) -> Self {
        let Cleanup {
            removed_records,
            freed_bytes,
            left_records,
            left_bytes,
            problems,
        } = value;
        Self {
            removed_records,
            freed: freed_bytes,
            left_records,
            left_bytes,
            problems,
        }
    }
}

impl From<event::RunEnd> for RunFinished {
    fn from(value: event::RunEnd) -> Self {
        let event::RunEnd {
            ended,
            interrupted,
            host,
        } = value;
        Self {
            ended,
            interrupted,
            host: host.map(Into::into),
        }
    }
}

impl From<RunFinished> for event::RunEnd {
    fn from(value: RunFinished) -> Self {
        let RunFinished {
            ended,
            interrupted,
            host,
        } = value;
        Self {
            ended,
            interrupted,
            host: host.map(Into::into),
        }
    }
}
