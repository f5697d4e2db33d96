//! The environment's fingerprint on disk.

use serde::{Deserialize, Serialize};

use crate::environment;
use crate::units::Bytes;

/// Mirrors [`environment::Fingerprint`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Fingerprint {
    pub identity: Identity,
    pub drift: Drift,
}

/// Mirrors [`environment::Identity`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Identity {
    pub cpu_model: String,
    pub cpus: u32,
    pub memory_bytes: Bytes,
    /// Journals of before there were others are the host's.
    #[serde(default = "host", skip_serializing_if = "is_host")]
    pub engine: String,
    pub engine_major: String,
    pub storage_driver: String,
    pub image_store: String,
    pub network: String,
    pub bases: String,
}

fn host() -> String {
    "host".to_owned()
}

fn is_host(engine: &str) -> bool {
    engine == "host"
}

/// Mirrors [`environment::Drift`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Drift {
    pub kernel: String,
    pub operating_system: String,
    pub engine_version: String,
    pub api_version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recording: String,
}

impl From<environment::Fingerprint> for Fingerprint {
    fn from(value: environment::Fingerprint) -> Self {
        let environment::Fingerprint { identity, drift } = value;
        Self {
            identity: identity.into(),
            drift: drift.into(),
        }
    }
}

impl From<Fingerprint> for environment::Fingerprint {
    fn from(value: Fingerprint) -> Self {
        let Fingerprint { identity, drift } = value;
        Self {
            identity: identity.into(),
            drift: drift.into(),
        }
    }
}

impl From<environment::Identity> for Identity {
    fn from(value: environment::Identity) -> Self {
        let environment::Identity {
            cpu_model,
            cpus,
            memory,
            engine,
            engine_major,
            storage_driver,
            image_store,
            network,
            bases,
        } = value;
        Self {
            cpu_model,
            cpus,
            memory_bytes: memory,
            engine,
            engine_major,
            storage_driver,
            image_store,
            network,
            bases,
        }
    }
}

impl From<Identity> for environment::Identity {
    fn from(value: Identity) -> Self {
        let Identity {
            cpu_model,
            cpus,
            memory_bytes,
            engine,
            engine_major,
            storage_driver,
            image_store,
            network,
            bases,
        } = value;
        Self {
            cpu_model,
            cpus,
            memory: memory_bytes,
            engine,
            engine_major,
            storage_driver,
            image_store,
            network,
            bases,
        }
    }
}

impl From<environment::Drift> for Drift {
    fn from(value: environment::Drift) -> Self {
        let environment::Drift {
            kernel,
            operating_system,
            engine_version,
            api_version,
            recording,
        } = value;
        Self {
            kernel,
            operating_system,
            engine_version,
            api_version,
            recording,
        }
    }
}

impl From<Drift> for environment::Drift {
    fn from(value: Drift) -> Self {
        let Drift {
            kernel,
            operating_system,
            engine_version,
            api_version,
            recording,
        } = value;
        Self {
            kernel,
            operating_system,
            engine_version,
            api_version,
            recording,
        }
    }
}
