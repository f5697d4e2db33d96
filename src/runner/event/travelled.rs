//! What travelled in a phase.

use crate::units::Bytes;

/// What travelled in a phase, but for what a build downloaded through the mirror (that is told request by request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Travelled {
    /// What the engine was sent of a build's context and Dockerfile; `None` if the phase is no build.
    pub context: Option<Bytes>,
    /// What went to and from the trial's registry, as its log tells it; `None` if that was not looked at or can't be told.
    pub registry: Option<RegistryTraffic>,
}

/// Blobs between an engine and the trial's registry: layers and configurations. Manifests, a few kB each, don't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegistryTraffic {
    /// Sent to the registry.
    pub uploaded: Blobs,
    /// Those of the image that did not have to travel: the other side had them.
    pub present: Blobs,
    /// Taken by the registry from another of its repositories.
    pub mounted: Blobs,
    /// Sent by the registry.
    pub pulled: Blobs,
}

/// Some blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Blobs {
    /// How many.
    pub count: u32,
    /// Their size, compressed as they are.
    pub size: Bytes,
}

impl Blobs {
    /// Counts one more.
    pub fn add(&mut self, size: Bytes) {
        self.count += 1;
        self.size.0 += size.0;
    }
}
