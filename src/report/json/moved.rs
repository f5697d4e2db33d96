//! Pushes, pulls and starts, for programs: how their time divides, what travelled, and what the engine used.

use serde::Serialize;

use super::attribution::{Resources, resources};
use super::layers::{Travelled, travelled};
use crate::analysis;
use crate::units::Nanos;

#[derive(Serialize)]
pub(super) struct Moved<'a> {
    scenario: &'a str,
    phase: &'a str,
    rounds: usize,
    seconds: f64,
    parts: Vec<Part>,
    /// Of a pull.
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
    /// `null` where the engine did not tell.
    downloading_seconds: Option<f64>,
    extracting_seconds: Option<f64>,
}

pub(super) fn moved(of: &analysis::Moved) -> Moved<'_> {
    let part = |(name, time): &(&'static str, Nanos)| Part {
        name,
        seconds: time.seconds(),
    };
    let layer = |layer: &'_ analysis::MovedLayer| {
        (
            layer.downloading.map(Nanos::seconds),
            layer.extracting.map(Nanos::seconds),
        )
    };
    Moved {
        scenario: &of.scenario,
        phase: &of.phase,
        rounds: of.rounds,
        seconds: of.wall.seconds(),
        parts: of.parts.iter().map(part).collect(),
        layers: of
            .layers
            .iter()
            .map(|one| {
                let (downloading_seconds, extracting_seconds) = layer(one);
                Layer {
                    id: &one.id,
                    existed: one.existed,
                    downloading_seconds,
                    extracting_seconds,
                }
            })
            .collect(),
        new_bytes: of.new_bytes.map(|size| size.0),
        travelled: of.travelled.as_ref().map(travelled),
        resources: of.resources.as_ref().map(resources),
    }
}
