//! The first record of a journal.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::fingerprint::Fingerprint;
use super::network::Network;
use super::noise::Noise;
use super::trial::Trial;
use crate::runner::event;
use crate::units::{Bytes, Nanos, RunId};

/// Mirrors [`event::RunHeader`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    pub schema: u64,
    pub run: RunId,
    pub started: DateTime<Utc>,
    pub bakeoff_version: String,
    pub suite: String,
    pub description: String,
    pub suite_path: String,
    pub suite_text: String,
    /// This and the next are absent in schema 1.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub fixture_digest: String,
    pub selected: Vec<String>,
    pub fixture: String,
    pub variant: String,
    pub seed: u64,
    pub rounds: u32,
    pub warmup: u32,
    pub scenarios: Vec<Scenario>,
    pub journey: Vec<PhaseHead>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,
    pub order: Vec<Trial>,
    pub images: Vec<BaseImage>,
    /// Absent in journals of before there was a mirror; their builds went upstream by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Absent in journals of before there was a choice; their engine was the host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<Engine>,
    pub fingerprint: Fingerprint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// Mirrors [`event::ScenarioHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Scenario {
    pub name: String,
    pub base_name: String,
    pub factors: Vec<FactorValue>,
    pub builder: String,
    pub dockerfile: String,
    pub build_args: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
}

/// One factor of a scenario. A list of these and not a map, because the suite's order is kept.
#[derive(Debug, Serialize, Deserialize)]
pub struct FactorValue {
    pub factor: String,
    pub value: String,
}

/// Mirrors [`event::PhaseHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PhaseHead {
    pub name: String,
    pub kind: String,
    pub image: String,
    pub temperature: String,
    pub edits: Vec<String>,
    /// Absent without edits, and in journals of before steps were explained.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// Mirrors [`event::BaseImage`].
#[derive(Debug, Serialize, Deserialize)]
pub struct BaseImage {
    pub role: String,
    pub reference: String,
    pub used: String,
    pub id: String,
    pub stand_in: bool,
    pub host_ca: bool,
}

/// Mirrors [`event::EngineHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    pub choice: String,
    pub kind: String,
    pub version: String,
    pub api_version: String,
    pub storage_driver: String,
    pub image_store: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

impl From<event::EngineHead> for Engine {
    fn from(value: event::EngineHead) -> Self {
        let event::EngineHead {
            choice,
            kind,
            version,
            api_version,
            storage_driver,
            image_store,
            fallback,
        } = value;
        Self {
            choice,
            kind,
            version,
            api_version,
            storage_driver,
            image_store,
            fallback,
        }
    }
}

impl From<Engine> for event::EngineHead {
    fn from(value: Engine) -> Self {
        let Engine {
            choice,
            kind,
            version,
            api_version,
            storage_driver,
            image_store,
            fallback,
        } = value;
        Self {
            choice,
            kind,
            version,
            api_version,
            storage_driver,
            image_store,
            fallback,
        }
    }
}

/// Mirrors [`event::PublishedHead`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Published {
    pub source: String,
    pub times_ns: BTreeMap<String, BTreeMap<String, Nanos>>,
    pub sizes_bytes: BTreeMap<String, BTreeMap<String, Bytes>>,
}

impl From<event::RunHeader> for Header {
    fn from(value: event::RunHeader) -> Self {
        let event::RunHeader {
            run,
            started,
            bakeoff_version,
            suite,
            description,
            suite_path,
            suite_text,
            options,
            fixture_digest,
            selected,
            fixture,
            variant,
            seed,
            rounds,
            warmup,
            scenarios,
            journey,
            questions,
            order,
            images,
            network,
            engines,
            fingerprint,
            noise,
            published,
        } = value;
        Self {
            schema: SCHEMA,
            run,
            started,
            bakeoff_version,
            suite,
            description,
            suite_path,
            suite_text,
            options,
            fixture_digest,
            selected,
            fixture,
            variant,
            seed,
            rounds,
            warmup,
            scenarios: scenarios.into_iter().map(Into::into).collect(),
            journey: journey.into_iter().map(Into::into).collect(),
            questions,
            order: order.into_iter().map(Into::into).collect(),
            images: images.into_iter().map(Into::into).collect(),
            network: (!network.mode.is_empty()).then(|| network.into()),
            engines: engines.into_iter().map(Into::into).collect(),
            fingerprint: fingerprint.into(),
            noise: noise.map(Into::into),
            published: published.map(Into::into),
        }
    }
}

impl From<Header> for event::RunHeader {
    fn from(value: Header) -> Self {
        let Header {
            schema: _, // checked by the reader before the record was parsed
            run,
            started,
            bakeoff_version,
            suite,
            description,
            suite_path,
            suite_text,
            options,
            fixture_digest,
            selected,
            fixture,
            variant,
            seed,
            rounds,
            warmup,
            scenarios,
            journey,
            questions,
            order,
            images,
            network,
            engines,
            fingerprint,
            noise,
            published,
        } = value;
        Self {
            run,
            started,
            bakeoff_version,
            suite,
            description,
            suite_path,
            suite_text,
            options,
            fixture_digest,
            selected,
            fixture,
            variant,
            seed,
            rounds,
            warmup,
            scenarios: scenarios.into_iter().map(Into::into).collect(),
            journey: journey.into_iter().map(Into::into).collect(),
            questions,
            order: order.into_iter().map(Into::into).collect(),
            images: images.into_iter().map(Into::into).collect(),
            network: network.map(Into::into).unwrap_or_default(),
            engines: engines.into_iter().map(Into::into).collect(),
            fingerprint: fingerprint.into(),
            noise: noise.map(Into::into),
            published: published.map(Into::into),
        }
    }
}

impl From<event::ScenarioHead> for Scenario {
    fn from(value: event::ScenarioHead) -> Self {
        let event::ScenarioHead {
            name,
            base_name,
            factors,
            builder,
            dockerfile,
            build_args,
            link,
        } = value;
        let factors = factors
            .into_iter()
            .map(|(factor, value)| FactorValue { factor, value })
            .collect();
        Self {
            name,
            base_name,
            factors,
            builder,
            dockerfile,
            build_args,
            link,
        }
    }
}

impl From<Scenario> for event::ScenarioHead {
    fn from(value: Scenario) -> Self {
        let Scenario {
            name,
            base_name,
            factors,
            builder,
            dockerfile,
            build_args,
            link,
        } = value;
        let factors = factors
            .into_iter()
            .map(|FactorValue { factor, value }| (factor, value))
            .collect();
        Self {
            name,
            base_name,
            factors,
            builder,
            dockerfile,
            build_args,
            link,
        }
    }
}

impl From<event::PhaseHead> for PhaseHead {
    fn from(value: event::PhaseHead) -> Self {
        let event::PhaseHead {
            name,
            kind,
            image,
            temperature,
            edits,
            files,
        } = value;
        Self {
            name,
            kind,
            image,
            temperature,
            edits,
            files,
        }
    }
}

impl From<PhaseHead> for event::PhaseHead {
    fn from(value: PhaseHead) -> Self {
        let PhaseHead {
            name,
            kind,
            image,
            temperature,
            edits,
            files,
        } = value;
        Self {
            name,
            kind,
            image,
            temperature,
            edits,
            files,
        }
    }
}

impl From<event::BaseImage> for BaseImage {
    fn from(value: event::BaseImage) -> Self {
        let event::BaseImage {
            role,
            reference,
            used,
            id,
            stand_in,
            host_ca,
        } = value;
        Self {
            role,
            reference,
            used,
            id,
            stand_in,
            host_ca,
        }
    }
}

impl From<BaseImage> for event::BaseImage {
    fn from(value: BaseImage) -> Self {
        let BaseImage {
            role,
            reference,
            used,
            id,
            stand_in,
            host_ca,
        } = value;
        Self {
            role,
            reference,
            used,
            id,
            stand_in,
            host_ca,
        }
    }
}

impl From<event::PublishedHead> for Published {
    fn from(value: event::PublishedHead) -> Self {
        let event::PublishedHead { source, times, sizes } = value;
        Self {
            source,
            times_ns: times,
            sizes_bytes: sizes,
        }
    }
}

impl From<Published> for event::PublishedHead {
    fn from(value: Published) -> Self {
        let Published {
            source,
            times_ns,
            sizes_bytes,
        } = value;
        Self {
            source,
            times: times_ns,
            sizes: sizes_bytes,
        }
    }
}
