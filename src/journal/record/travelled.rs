//! What travelled in a phase, on disk.

use serde::{Deserialize, Serialize};

use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`event::Travelled`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Travelled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
}

/// Mirrors [`event::RegistryTraffic`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Registry {
    pub uploaded: Blobs,
    pub present: Blobs,
    pub mounted: Blobs,
    pub pulled: Blobs,
}

/// Mirrors [`event::Blobs`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Blobs {
    pub blobs: u32,
    pub size_bytes: Bytes,
}

impl From<event::Travelled> for Travelled {
    fn from(value: event::Travelled) -> Self {
        let event::Travelled { context, registry } = value;
        Self {
            context_bytes: context,
            registry: registry.map(Into::into),
        }
    }
}

impl From<Travelled> for event::Travelled {
    fn from(value: Travelled) -> Self {
        let Travelled {
            context_bytes,
            registry,
        } = value;
        Self {
            context: context_bytes,
            registry: registry.map(Into::into),
        }
    }
}

impl From<event::RegistryTraffic> for Registry {
    fn from(value: event::RegistryTraffic) -> Self {
        let event::RegistryTraffic {
            uploaded,
            present,
            mounted,
            pulled,
        } = value;
        Self {
            uploaded: uploaded.into(),
            present: present.into(),
            mounted: mounted.into(),
            pulled: pulled.into(),
        }
    }
}

impl From<Registry> for event::RegistryTraffic {
    fn from(value: Registry) -> Self {
        let Registry {
            uploaded,
            present,
            mounted,
            pulled,
        } = value;
        Self {
            uploaded: uploaded.into(),
            present: present.into(),
            mounted: mounted.into(),
            pulled: pulled.into(),
        }
    }
}

impl From<event::Blobs> for Blobs {
    fn from(value: event::Blobs) -> Self {
        let event::Blobs { count, size } = value;
        Self {
            blobs: count,
            size_bytes: size,
        }
    }
}

impl From<Blobs> for event::Blobs {
    fn from(value: Blobs) -> Self {
        let Blobs { blobs, size_bytes } = value;
        Self {
            count: blobs,
            size: size_bytes,
        }
    }
}
