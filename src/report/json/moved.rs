//! Pushes, pulls and starts, for programs: how their time divides, what travelled, and what the engine used.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attribution::{Resources, resources};
use super::layers::{Travelled, travelled};
use crate::analysis::{self, LayerFate};
use crate::units::Nanos;

#[derive(Serialize)]
pub(super) struct Moved<'a> {
    scenario: &'a str,
    phase: &'a str,
    rounds: usize,
    seconds: f64,
    /// Empty where it is not told.
    parts: Vec<Part>,
    /// Whether parts and layers are told by when lines arrived.
    approximate: bool,
    /// Of a push or a pull.
    layers: Vec<Layer<'a>>,
    /// Of a push: the bytes of the layers that the registry did not have.
    new_bytes: Option<u64>,
    /// `null` if it is not known.
    travelled: Option<Travelled<'a>>,
    /// Left out if the journal does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources<'a>>,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    seconds: f64,
}

#[derive(Serialize)]
struct Layer<'a> {
    id: &'a str,
    existed: bool,
    mounted: bool,
    /// What it was at, such as `downloading_seconds`; `null` where the engine did not tell.
    #[serde(flatten)]
    times: BTreeMap<String, Option<f64>>,
}

pub(super) fn moved(of: &analysis::Moved) -> Moved<'_> {
    let part = |(name, time): &(&'static str, Nanos)| Part {
        name,
        seconds: time.seconds(),
    };
    Moved {
        scenario: &of.scenario,
        phase: &of.phase,
        rounds: of.rounds,
        seconds: of.wall.seconds(),
        parts: of.parts.iter().map(part).collect(),
        approximate: of.by_arrival,
        layers: of.layers.iter().map(layer).collect(),
        new_bytes: of.new_bytes.map(|size| size.0),
        travelled: of.travelled.as_ref().map(travelled),
        resources: of.resources.as_ref().map(resources),
    }
}

fn layer(of: &analysis::MovedLayer) -> Layer<'_> {
    let time = |(name, time): &(&'static str, Option<Nanos>)| (format!("{name}_seconds"), time.map(Nanos::seconds));
    Layer {
        id: &of.id,
        existed: of.fate == LayerFate::Existed,
        mounted: of.fate == LayerFate::Mounted,
        times: of.times.iter().map(time).collect(),
    }
}
