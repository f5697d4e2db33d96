//! What builds downloaded through the mirror, on disk.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::mirror;
use crate::runner::event;
use crate::units::Bytes;

/// Mirrors [`event::StepTransfer`] with its [`mirror::Transfer`], in one object: a build may have thousands of these.
#[derive(Debug, Serialize, Deserialize)]
pub struct Transfer {
    pub asker: Asker,
    pub source: IpAddr,
    pub kind: Kind,
    pub name: String,
    pub started_unix_ns: u64,
    pub ended_unix_ns: u64,
    pub body_bytes: Bytes,
    pub origin: Origin,
    // Most transfers are no repeats.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Mirrors [`event::Asker`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    Step(String),
    Ambiguous,
    Unknown,
}

/// Mirrors [`mirror::Kind`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Index,
    Metadata,
    File,
    Proxied,
    Tunnel,
}

/// Mirrors [`mirror::Origin`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Recording,
    Upstream,
    Synthetic,
    Refused,
}

impl From<event::StepTransfer> for Transfer {
    fn from(value: event::StepTransfer) -> Self {
        let event::StepTransfer { step, transfer } = value;
        let mirror::Transfer {
            source,
            kind,
            name,
            started_unix_ns,
            ended_unix_ns,
            bytes,
            origin,
            repeat,
            status,
            problem,
        } = transfer;
        Self {
            asker: step.into(),
            source,
            kind: kind.into(),
            name,
            started_unix_ns,
            ended_unix_ns,
            body_bytes: bytes,
            origin: origin.into(),
            repeat,
            status,
            problem,
        }
    }
}

impl From<Transfer> for event::StepTransfer {
    fn from(value: Transfer) -> Self {
        let Transfer {
            asker,
            source,
            kind,
            name,
            started_unix_ns,
            ended_unix_ns,
            body_bytes,
            origin,
            repeat,
            status,
            problem,
        } = value;
        Self {
            step: asker.into(),
            transfer: mirror::Transfer {
                source,
                kind: kind.into(),
                name,
                started_unix_ns,
                ended_unix_ns,
                bytes: body_bytes,
                origin: origin.into(),
                repeat,
                status,
                problem,
            },
        }
    }
}

impl From<event::Asker> for Asker {
    fn from(value: event::Asker) -> Self {
        match value {
            event::Asker::Step(id) => Self::Step(id),
            event::Asker::Ambiguous => Self::Ambiguous,
            event::Asker::Unknown => Self::Unknown,
        }
    }
}

impl From<Asker> for event::Asker {
    fn from(value: Asker) -> Self {
        match value {
            Asker::Step(id) => Self::Step(id),
            Asker::Ambiguous => Self::Ambiguous,
            Asker::Unknown => Self::Unknown,
        }
    }
}

impl From<mirror::Kind> for Kind {
    fn from(value: mirror::Kind) -> Self {
        match value {
            mirror::Kind::Index => Self::Index,
            mirror::Kind::Metadata => Self::Metadata,
            mirror::Kind::File => Self::File,
            mirror::Kind::Proxied => Self::Proxied,
            mirror::Kind::Tunnel => Self::Tunnel,
        }
    }
}

impl From<Kind> for mirror::Kind {
    fn from(value: Kind) -> Self {
        match value {
            Kind::Index => Self::Index,
            Kind::Metadata => Self::Metadata,
            Kind::File => Self::File,
            Kind::Proxied => Self::Proxied,
            Kind::Tunnel => Self::Tunnel,
        }
    }
}

impl From<mirror::Origin> for Origin {
    fn from(value: mirror::Origin) -> Self {
        match value {
            mirror::Origin::Recording => Self::Recording,
            mirror::Origin::Upstream => Self::Upstream,
            mirror::Origin::Synthetic => Self::Synthetic,
            mirror::Origin::Refused => Self::Refused,
        }
    }
}

impl From<Origin> for mirror::Origin {
    fn from(value: Origin) -> Self {
        match value {
            Origin::Recording => Self::Recording,
            Origin::Upstream => Self::Upstream,
            Origin::Synthetic => Self::Synthetic,
            Origin::Refused => Self::Refused,
        }
    }
}
