//! What a trial's images consist of, on disk.

use serde::{Deserialize, Serialize};

use super::image::CompressedLayer;
use crate::engine::layers;
use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`event::ImageRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub struct TrialImage {
    pub image: String,
    pub layers: Vec<Layer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waste: Option<Waste>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Mirrors [`event::LayerRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Layer {
    pub diff_id: String,
    pub origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed: Option<CompressedLayer>,
}

/// Mirrors [`event::LayerOrigin`] without its line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Base,
    Mark,
    Dockerfile,
}

/// Mirrors [`layers::Waste`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Waste {
    pub wasted_bytes: Bytes,
    pub wasted_paths: u64,
    pub dive_needed_bytes: Bytes,
    pub dive_stored_bytes: Bytes,
    pub dive_wasted_bytes: Bytes,
    pub top: Vec<WastedFile>,
}

/// Mirrors [`layers::WastedFile`].
#[derive(Debug, Serialize, Deserialize)]
pub struct WastedFile {
    pub path: String,
    pub wasted_bytes: Bytes,
    pub times: u32,
}

impl From<event::ImageRecord> for TrialImage {
    fn from(value: event::ImageRecord) -> Self {
        let event::ImageRecord {
            image,
            layers,
            waste,
            unread,
        } = value;
        Self {
            image,
            layers: layers.into_iter().map(Into::into).collect(),
            waste: waste.map(Into::into),
            unread,
        }
    }
}

impl From<TrialImage> for event::ImageRecord {
    fn from(value: TrialImage) -> Self {
        let TrialImage {
            image,
            layers,
            waste,
            unread,
        } = value;
        Self {
            image,
            layers: layers.into_iter().map(Into::into).collect(),
            waste: waste.map(Into::into),
            unread,
        }
    }
}

impl From<event::LayerRecord> for Layer {
    fn from(value: event::LayerRecord) -> Self {
        let event::LayerRecord {
            diff_id,
            size,
            blob,
            origin,
        } = value;
        let (origin, first_line) = match origin {
            event::LayerOrigin::Base => (Origin::Base, None),
            event::LayerOrigin::Mark => (Origin::Mark, None),
            event::LayerOrigin::Dockerfile { line } => (Origin::Dockerfile, line),
        };
        Self {
            diff_id,
            origin,
            first_line,
            size_bytes: size,
            compressed: blob.map(|(digest, size_bytes)| CompressedLayer { digest, size_bytes }),
        }
    }
}

impl From<Layer> for event::LayerRecord {
    fn from(value: Layer) -> Self {
        let Layer {
            diff_id,
            origin,
            first_line,
            size_bytes,
            compressed,
        } = value;
        Self {
            diff_id,
            size: size_bytes,
            blob: compressed.map(|CompressedLayer { digest, size_bytes }| (digest, size_bytes)),
            origin: match origin {
                Origin::Base => event::LayerOrigin::Base,
                Origin::Mark => event::LayerOrigin::Mark,
                Origin::Dockerfile => event::LayerOrigin::Dockerfile { line: first_line },
            },
        }
    }
}

impl From<layers::Waste> for Waste {
    fn from(value: layers::Waste) -> Self {
        let layers::Waste {
            wasted,
            paths,
            dive_needed,
            dive_stored,
            dive_wasted,
            top,
        } = value;
        let top = top.into_iter().map(|file| {
            let layers::WastedFile { path, wasted, times } = file;
            WastedFile {
                path,
                wasted_bytes: wasted,
                times,
            }
        });
        Self {
            wasted_bytes: wasted,
            wasted_paths: paths,
            dive_needed_bytes: dive_needed,
            dive_stored_bytes: dive_stored,
            dive_wasted_bytes: dive_wasted,
            top: top.collect(),
        }
    }
}

impl From<Waste> for layers::Waste {
    fn from(value: Waste) -> Self {
        let Waste {
            wasted_bytes,
            wasted_paths,
            dive_needed_bytes,
            dive_stored_bytes,
            dive_wasted_bytes,
            top,
        } = value;
        let top = top.into_iter().map(|file| {
            let WastedFile {
                path,
                wasted_bytes,
                times,
            } = file;
            layers::WastedFile {
                path,
                wasted: wasted_bytes,
                times,
            }
        });
        Self {
            wasted: wasted_bytes,
            paths: wasted_paths,
            dive_needed: dive_needed_bytes,
            dive_stored: dive_stored_bytes,
            dive_wasted: dive_wasted_bytes,
            top: top.collect(),
        }
    }
}
