//! How the time of pulls and starts divides, for programs.

use serde::Serialize;

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
    }
}
