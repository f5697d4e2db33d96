//! What the images of a trial consist of.

use crate::engine::layers::Waste;
use crate::units::Bytes;

/// An image of a trial, as it was when the trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageRecord {
    /// What the journey calls it.
    pub image: String,
    /// Its layers, lowest first.
    pub layers: Vec<LayerRecord>,
    /// What is wasted in them; `None` unless they were read in this trial.
    pub waste: Option<Waste>,
    /// Why they could not be read, if they were to be.
    pub unread: Option<String>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRecord {
    /// The digest of its uncompressed content.
    pub diff_id: String,
    /// Its uncompressed size as the engine's history of the image has it; `None` if that does not lead to the layer.
    pub size: Option<Bytes>,
    /// Its digest and its size in the registry; `None` if the image was not pushed.
    pub blob: Option<(String, Bytes)>,
    /// Where it comes from.
    pub origin: LayerOrigin,
}

/// Where a layer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOrigin {
    /// The base image.
    Base,
    /// bakeoff, which lays a file of the trial's own over every base.
    Mark,
    /// The Dockerfile.
    Dockerfile {
        /// The first line of its instruction; `None` if that can't be told.
        line: Option<u32>,
    },
}
