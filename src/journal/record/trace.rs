//! The traces of builds and pushes on disk, whole but for the log lines.

use serde::{Deserialize, Serialize};

use super::moved::Stretch;
use crate::engine;
use crate::units::Nanos;

/// Mirrors [`engine::BuildTrace`] without its log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Build {
    pub wall_ns: Nanos,
    pub image_id: String,
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
}

/// Mirrors [`engine::StepTrace`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    pub id: String,
    pub name: String,
    pub inputs: Vec<String>,
    pub intervals: Vec<Interval>,
    pub cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub parts: Vec<Part>,
}

/// Mirrors [`engine::Interval`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Interval {
    pub started_unix_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_unix_ns: Option<u64>,
}

/// Mirrors [`engine::StepPart`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub current: u64,
    pub total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// Mirrors [`engine::PushTrace`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Push {
    pub wall_ns: Nanos,
    pub layers: Vec<PushedLayer>,
    pub digest: String,
}

/// Mirrors [`engine::LayerPush`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PushedLayer {
    pub id: String,
    pub outcome: LayerOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparing: Option<Stretch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Stretch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushing: Option<Stretch>,
}

/// Mirrors [`engine::LayerOutcome`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerOutcome {
    Pushed,
    Exists,
    Mounted,
    Unknown,
}

impl From<engine::BuildTrace> for Build {
    fn from(value: engine::BuildTrace) -> Self {
        // The log stays out: it is by far the largest part, no figure comes from it, and a failed phase keeps it in
        // a file of its own.
        let engine::BuildTrace {
            wall,
            image_id,
            steps,
            log: _,
            warnings,
            context: _,
            sources: _,
        } = value;
        Self {
            wall_ns: wall,
            image_id,
            steps: steps.into_iter().map(Into::into).collect(),
            warnings,
        }
    }
}

impl From<Build> for engine::BuildTrace {
    fn from(value: Build) -> Self {
        let Build {
            wall_ns,
            image_id,
            steps,
            warnings,
        } = value;
        Self {
            wall: wall_ns,
            image_id,
            steps: steps.into_iter().map(Into::into).collect(),
            log: Vec::new(),
            warnings,
            context: crate::units::Bytes(0),
            sources: std::collections::BTreeSet::new(),
        }
    }
}

impl From<engine::StepTrace> for Step {
    fn from(value: engine::StepTrace) -> Self {
        let engine::StepTrace {
            id,
            name,
            inputs,
            intervals,
            cached,
            error,
            parts,
        } = value;
        Self {
            id,
            name,
            inputs,
            intervals: intervals.into_iter().map(Into::into).collect(),
            cached,
            error,
            parts: parts.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Step> for engine::StepTrace {
    fn from(value: Step) -> Self {
        let Step {
            id,
            name,
            inputs,
            intervals,
            cached,
            error,
            parts,
        } = value;
        Self {
            id,
            name,
            inputs,
            intervals: intervals.into_iter().map(Into::into).collect(),
            cached,
            error,
            parts: parts.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<engine::Interval> for Interval {
    fn from(value: engine::Interval) -> Self {
        let engine::Interval { started, completed } = value;
        Self {
            started_unix_ns: started,
            completed_unix_ns: completed,
        }
    }
}

impl From<Interval> for engine::Interval {
    fn from(value: Interval) -> Self {
        let Interval {
            started_unix_ns,
            completed_unix_ns,
        } = value;
        Self {
            started: started_unix_ns,
            completed: completed_unix_ns,
        }
    }
}

impl From<engine::StepPart> for Part {
    fn from(value: engine::StepPart) -> Self {
        let engine::StepPart {
            name,
            current,
            total,
            interval,
        } = value;
        Self {
            name,
            current,
            total,
            interval: interval.map(Into::into),
        }
    }
}

impl From<Part> for engine::StepPart {
    fn from(value: Part) -> Self {
        let Part {
            name,
            current,
            total,
            interval,
        } = value;
        Self {
            name,
            current,
            total,
            interval: interval.map(Into::into),
        }
    }
}

impl From<engine::PushTrace> for Push {
    fn from(value: engine::PushTrace) -> Self {
        let engine::PushTrace { wall, layers, digest } = value;
        Self {
            wall_ns: wall,
            layers: layers.into_iter().map(Into::into).collect(),
            digest,
        }
    }
}

impl From<Push> for engine::PushTrace {
    fn from(value: Push) -> Self {
        let Push {
            wall_ns,
            layers,
            digest,
        } = value;
        Self {
            wall: wall_ns,
            layers: layers.into_iter().map(Into::into).collect(),
            digest,
        }
    }
}

impl From<engine::LayerPush> for PushedLayer {
    fn from(value: engine::LayerPush) -> Self {
        let engine::LayerPush {
            id,
            outcome,
            preparing,
            waiting,
            pushing,
        } = value;
        Self {
            id,
            outcome: outcome.into(),
            preparing: preparing.map(Into::into),
            waiting: waiting.map(Into::into),
            pushing: pushing.map(Into::into),
        }
    }
}

impl From<PushedLayer> for engine::LayerPush {
    fn from(value: PushedLayer) -> Self {
        let PushedLayer {
            id,
            outcome,
            preparing,
            waiting,
            pushing,
        } = value;
        Self {
            id,
            outcome: outcome.into(),
            preparing: preparing.map(Into::into),
            waiting: waiting.map(Into::into),
            pushing: pushing.map(Into::into),
        }
    }
}

impl From<engine::LayerOutcome> for LayerOutcome {
    fn from(value: engine::LayerOutcome) -> Self {
        match value {
            engine::LayerOutcome::Pushed => Self::Pushed,
            engine::LayerOutcome::Exists => Self::Exists,
            engine::LayerOutcome::Mounted => Self::Mounted,
            engine::LayerOutcome::Unknown => Self::Unknown,
        }
    }
}

impl From<LayerOutcome> for engine::LayerOutcome {
    fn from(value: LayerOutcome) -> Self {
        match value {
            LayerOutcome::Pushed => Self::Pushed,
            LayerOutcome::Exists => Self::Exists,
            LayerOutcome::Mounted => Self::Mounted,
            LayerOutcome::Unknown => Self::Unknown,
        }
    }
}
