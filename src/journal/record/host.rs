//! What a run did to the host's engine, on disk.

use serde::{Deserialize, Serialize};

use crate::engine::inventory::ThingKind;
use crate::runner::event;

/// Mirrors [`event::HostProof`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Host {
    pub kept: Vec<Thing>,
    pub added: Vec<Thing>,
    pub removed: Vec<Thing>,
    pub added_records: u32,
    pub removed_records: u32,
}

/// Mirrors [`event::HostThing`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Thing {
    pub kind: Kind,
    pub name: String,
}

/// Mirrors [`ThingKind`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Image,
    Container,
    Volume,
    Network,
    CacheRecord,
}

fn all<A, B: From<A>>(things: Vec<A>) -> Vec<B> {
    things.into_iter().map(Into::into).collect()
}

impl From<event::HostProof> for Host {
    fn from(value: event::HostProof) -> Self {
        let event::HostProof {
            kept,
            added,
            removed,
            added_records,
            removed_records,
        } = value;
        Self {
            kept: all(kept),
            added: all(added),
            removed: all(removed),
            added_records,
            removed_records,
        }
    }
}

impl From<Host> for event::HostProof {
    fn from(value: Host) -> Self {
        let Host {
            kept,
            added,
            removed,
            added_records,
            removed_records,
        } = value;
        Self {
            kept: all(kept),
            added: all(added),
            removed: all(removed),
            added_records,
            removed_records,
        }
    }
}

impl From<event::HostThing> for Thing {
    fn from(value: event::HostThing) -> Self {
        let event::HostThing { kind, name } = value;
        let kind = match kind {
            ThingKind::Image => Kind::Image,
            ThingKind::Container => Kind::Container,
            ThingKind::Volume => Kind::Volume,
            ThingKind::Network => Kind::Network,
            ThingKind::CacheRecord => Kind::CacheRecord,
        };
        Self { kind, name }
    }
}

impl From<Thing> for event::HostThing {
    fn from(value: Thing) -> Self {
        let Thing { kind, name } = value;
        let kind = match kind {
            Kind::Image => ThingKind::Image,
            Kind::Container => ThingKind::Container,
            Kind::Volume => ThingKind::Volume,
            Kind::Network => ThingKind::Network,
            Kind::CacheRecord => ThingKind::CacheRecord,
        };
        Self { kind, name }
    }
}
