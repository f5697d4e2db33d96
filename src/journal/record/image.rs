//! What the engine and the registry said of an image, on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine;
use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`engine::ImageDetails`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Image {
    pub id: String,
    pub size_bytes: Bytes,
    pub layers: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub repo_digests: Vec<String>,
}

/// Mirrors [`event::Manifest`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub digest: String,
    pub layers: Vec<CompressedLayer>,
    pub new_bytes: Bytes,
}

/// A layer in a manifest.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompressedLayer {
    pub digest: String,
    pub size_bytes: Bytes,
}

impl From<engine::ImageDetails> for Image {
    fn from(value: engine::ImageDetails) -> Self {
        let engine::ImageDetails {
            id,
            size,
            layers,
            labels,
            repo_digests,
        } = value;
        Self {
            id,
            size_bytes: size,
            layers,
            labels,
            repo_digests,
        }
    }
}

impl From<Image> for engine::ImageDetails {
    fn from(value: Image) -> Self {
        let Image {
            id,
            size_bytes,
            layers,
            labels,
            repo_digests,
        } = value;
        Self {
            id,
            size: size_bytes,
            layers,
            labels,
            repo_digests,
        }
    }
}

impl From<event::Manifest> for Manifest {
    fn from(value: event::Manifest) -> Self {
        let event::Manifest {
            digest,
            layers,
            new_bytes,
        } = value;
        let layers = layers
            .into_iter()
            .map(|(digest, size_bytes)| CompressedLayer { digest, size_bytes })
            .collect();
        Self {
            digest,
            layers,
            new_bytes,
        }
    }
}

impl From<Manifest> for event::Manifest {
    fn from(value: Manifest) -> Self {
        let Manifest {
            digest,
            layers,
            new_bytes,
        } = value;
        let layers = layers
            .into_iter()
            .map(|CompressedLayer { digest, size_bytes }| (digest, size_bytes))
            .collect();
        Self {
            digest,
            layers,
            new_bytes,
        }
    }
}
