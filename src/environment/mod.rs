//! What machine and engine this is: the fingerprint that decides whether two runs may be compared, and what `doctor`
//! checks. Not for: measuring anything.

pub mod doctor;
pub mod host;

use crate::engine::EngineInfo;
use crate::units::Bytes;

/// The environment in two parts: identity, which forbids comparison where it differs, and drift, which is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint {
    /// What makes two runs incomparable.
    pub identity: Identity,
    /// What may change between two runs without breaking a series.
    pub drift: Drift,
}

/// Runs with different identities measure different things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The processor's model name.
    pub cpu_model: String,
    /// Processors.
    pub cpus: u32,
    /// Memory.
    pub memory: Bytes,
    /// The engine's major version (`20.10`, `28`).
    pub engine_major: String,
    /// `overlay2`, …
    pub storage_driver: String,
    /// `graphdriver` or `containerd`.
    pub image_store: String,
    /// How builds reach the network: `upstream`, `record`, `replay over 100mbit,20ms`.
    pub network: String,
    /// `stand-in`, `pulled` or `mixed`.
    pub bases: String,
}

/// What may change between two runs of one series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// The kernel's version.
    pub kernel: String,
    /// The operating system's name.
    pub operating_system: String,
    /// The engine's full version.
    pub engine_version: String,
    /// Its API version.
    pub api_version: String,
    /// The digest of the package recording that builds downloaded from; empty if there is none.
    pub recording: String,
}

/// The fingerprint of this machine and engine. `bases` is `stand-in`, `pulled` or `mixed`; `network` and `recording` are
/// as in [`Identity::network`] and [`Drift::recording`].
#[must_use]
pub fn fingerprint(engine: &EngineInfo, bases: &str, network: &str, recording: &str) -> Fingerprint {
    Fingerprint {
        identity: Identity {
            cpu_model: host::cpu_model(),
            cpus: engine.cpus,
            memory: engine.memory,
            engine_major: engine_major(&engine.version),
            storage_driver: engine.storage_driver.clone(),
            image_store: engine.image_store.clone(),
            network: network.to_owned(),
            bases: bases.to_owned(),
        },
        drift: Drift {
            kernel: engine.kernel.clone(),
            operating_system: engine.operating_system.clone(),
            engine_version: engine.version.clone(),
            api_version: engine.api_version.clone(),
            recording: recording.to_owned(),
        },
    }
}

/// `20.10.24+dfsg1` is 20.10, since releases were yearly then; `28.5.2` is 28.
fn engine_major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some(year @ ("17" | "18" | "19" | "20")), Some(month)) => format!("{year}.{month}"),
        (Some(major), _) => major.to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::engine_major;

    #[test]
    fn the_major_version_is_what_releases_are_named_by() {
        assert_eq!(engine_major("20.10.24+dfsg1"), "20.10");
        assert_eq!(engine_major("28.5.2"), "28");
        assert_eq!(engine_major("26"), "26");
    }
}
