//! How builds reached what they download, on disk.

use serde::{Deserialize, Serialize};

use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`event::NetworkHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Network {
    pub mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<String>,
}

/// Mirrors [`event::RecordingHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Recording {
    pub name: String,
    pub digest: String,
    pub entries: u64,
    pub size_bytes: Bytes,
}

impl From<event::NetworkHead> for Network {
    fn from(value: event::NetworkHead) -> Self {
        let event::NetworkHead {
            mode,
            recording,
            synthetic,
        } = value;
        Self {
            mode,
            recording: recording.map(Into::into),
            synthetic,
        }
    }
}

impl From<Network> for event::NetworkHead {
    fn from(value: Network) -> Self {
        let Network {
            mode,
            recording,
            synthetic,
        } = value;
        Self {
            mode,
            recording: recording.map(Into::into),
            synthetic,
        }
    }
}

impl From<event::RecordingHead> for Recording {
    fn from(value: event::RecordingHead) -> Self {
        let event::RecordingHead {
            name,
            digest,
            entries,
            size,
        } = value;
        Self {
            name,
            digest,
            entries,
            size_bytes: size,
        }
    }
}

impl From<Recording> for event::RecordingHead {
    fn from(value: Recording) -> Self {
        let Recording {
            name,
            digest,
            entries,
            size_bytes,
        } = value;
        Self {
            name,
            digest,
            entries,
            size: size_bytes,
        }
    }
}
