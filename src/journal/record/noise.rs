//! What a probe of the machine's noise found, on disk: in the head of a journal, and in the file that a probe leaves for the
//! runs after it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::environment::noise;
use crate::units::Nanos;

/// Mirrors [`noise::Noise`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Noise {
    pub probed: DateTime<Utc>,
    pub lasted_ns: Nanos,
    pub boot: String,
    pub findings: Vec<Finding>,
}

/// Mirrors [`noise::Finding`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Finding {
    pub name: String,
    pub noisy: bool,
    pub found: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    pub figures: BTreeMap<String, u64>,
}

impl From<noise::Noise> for Noise {
    fn from(value: noise::Noise) -> Self {
        let noise::Noise {
            probed,
            lasted,
            boot,
            findings,
        } = value;
        Self {
            probed,
            lasted_ns: lasted,
            boot,
            findings: findings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Noise> for noise::Noise {
    fn from(value: Noise) -> Self {
        let Noise {
            probed,
            lasted_ns,
            boot,
            findings,
        } = value;
        Self {
            probed,
            lasted: lasted_ns,
            boot,
            findings: findings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<noise::Finding> for Finding {
    fn from(value: noise::Finding) -> Self {
        let noise::Finding {
            name,
            noisy,
            found,
            remedy,
            figures,
        } = value;
        Self {
            name,
            noisy,
            found,
            remedy,
            figures,
        }
    }
}

impl From<Finding> for noise::Finding {
    fn from(value: Finding) -> Self {
        let Finding {
            name,
            noisy,
            found,
            remedy,
            figures,
        } = value;
        Self {
            name,
            noisy,
            found,
            remedy,
            figures,
        }
    }
}
