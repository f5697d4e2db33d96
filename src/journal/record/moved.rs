//! The traces of pulls and starts on disk.

use serde::{Deserialize, Serialize};

use crate::engine;
use crate::runner::event;
use crate::units::Nanos;

/// Mirrors [`engine::PullTrace`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Pull {
    pub wall_ns: Nanos,
    pub layers: Vec<PulledLayer>,
    pub digest: String,
    pub retries: u32,
}

/// Mirrors [`engine::LayerPull`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PulledLayer {
    pub id: String,
    pub outcome: PullOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloading: Option<Stretch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extracting: Option<Stretch>,
}

/// Mirrors [`engine::PullOutcome`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullOutcome {
    Pulled,
    Exists,
    Unknown,
}

/// Mirrors [`engine::Stretch`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Stretch {
    pub from_ns: Nanos,
    pub to_ns: Nanos,
}

/// Mirrors [`event::StartTrace`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    pub running_ns: Nanos,
    pub asked: u32,
}

impl From<engine::PullTrace> for Pull {
    fn from(value: engine::PullTrace) -> Self {
        let engine::PullTrace {
            wall,
            layers,
            digest,
            retries,
        } = value;
        Self {
            wall_ns: wall,
            layers: layers.into_iter().map(Into::into).collect(),
            digest,
            retries,
        }
    }
}

impl From<Pull> for engine::PullTrace {
    fn from(value: Pull) -> Self {
        let Pull {
            wall_ns,
            layers,
            digest,
            retries,
        } = value;
        Self {
            wall: wall_ns,
            layers: layers.into_iter().map(Into::into).collect(),
            digest,
            retries,
        }
    }
}

impl From<engine::LayerPull> for PulledLayer {
    fn from(value: engine::LayerPull) -> Self {
        let engine::LayerPull {
            id,
            outcome,
            downloading,
            extracting,
        } = value;
        Self {
            id,
            outcome: outcome.into(),
            downloading: downloading.map(Into::into),
            extracting: extracting.map(Into::into),
        }
    }
}

impl From<PulledLayer> for engine::LayerPull {
    fn from(value: PulledLayer) -> Self {
        let PulledLayer {
            id,
            outcome,
            downloading,
            extracting,
        } = value;
        Self {
            id,
            outcome: outcome.into(),
            downloading: downloading.map(Into::into),
            extracting: extracting.map(Into::into),
        }
    }
}

impl From<engine::PullOutcome> for PullOutcome {
    fn from(value: engine::PullOutcome) -> Self {
        match value {
            engine::PullOutcome::Pulled => Self::Pulled,
            engine::PullOutcome::Exists => Self::Exists,
            engine::PullOutcome::Unknown => Self::Unknown,
        }
    }
}

impl From<PullOutcome> for engine::PullOutcome {
    fn from(value: PullOutcome) -> Self {
        match value {
            PullOutcome::Pulled => Self::Pulled,
            PullOutcome::Exists => Self::Exists,
            PullOutcome::Unknown => Self::Unknown,
        }
    }
}

impl From<engine::Stretch> for Stretch {
    fn from(value: engine::Stretch) -> Self {
        let engine::Stretch { from, to } = value;
        Self {
            from_ns: from,
            to_ns: to,
        }
    }
}

impl From<Stretch> for engine::Stretch {
    fn from(value: Stretch) -> Self {
        let Stretch { from_ns, to_ns } = value;
        Self {
            from: from_ns,
            to: to_ns,
        }
    }
}

impl From<event::StartTrace> for Start {
    fn from(value: event::StartTrace) -> Self {
        let event::StartTrace { running, asked } = value;
        Self {
            running_ns: running,
            asked,
        }
    }
}

impl From<Start> for event::StartTrace {
    fn from(value: Start) -> Self {
        let Start { running_ns, asked } = value;
        Self {
            running: running_ns,
            asked,
        }
    }
}
