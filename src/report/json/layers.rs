//! Layers and what travelled, for programs. `docs/attribution.md` defines each figure.

use serde::Serialize;

use super::attribution::{Instruction, instruction};
use crate::analysis::{self, Share};
use crate::engine::layers::Waste;
use crate::runner::event::LayerOrigin;
use crate::units::Nanos;

#[derive(Serialize)]
pub(super) struct OneImage<'a> {
    image: &'a str,
    /// How often the journey builds the name; this is the last of them.
    builds: usize,
    /// Lowest first.
    layers: Vec<Layer<'a>>,
    /// `null` for the first image, with which the others are compared.
    reuse: Option<Reuse>,
    /// `null` unless the layers were read.
    waste: Option<Useless<'a>>,
    unread: Option<&'a str>,
}

#[derive(Serialize)]
struct Layer<'a> {
    /// `base`, `mark` (bakeoff's own) or `dockerfile`.
    origin: &'static str,
    instruction: Option<Instruction<'a>>,
    diff_id: &'a str,
    bytes: Option<u64>,
    digest: Option<&'a str>,
    compressed_bytes: Option<u64>,
    /// `kept`, `kept, compressed anew` or `new`; `null` in the first image.
    state: Option<&'static str>,
}

#[derive(Serialize)]
struct Reuse {
    /// Of the layers that the Dockerfile made.
    dockerfile: Shared,
    /// With those of the base.
    all: Shared,
    rounds: usize,
    known_rounds: usize,
}

#[derive(Serialize)]
struct Shared {
    kept_layers: usize,
    layers: usize,
    kept_bytes: u64,
    bytes: u64,
    percent_of_layers: f64,
    percent_of_bytes: f64,
}

#[derive(Serialize)]
struct Useless<'a> {
    wasted_bytes: u64,
    wasted_paths: u64,
    /// dive's score, from 0 to 1.
    efficiency: f64,
    dive_wasted_bytes: u64,
    top: Vec<WastedFile<'a>>,
}

#[derive(Serialize)]
struct WastedFile<'a> {
    path: &'a str,
    wasted_bytes: u64,
    times: u32,
}

#[derive(Serialize)]
pub(super) struct Travelled<'a> {
    phase: &'a str,
    rounds: usize,
    downloaded_bytes: Option<u64>,
    context_bytes: Option<u64>,
    uploaded_bytes: Option<u64>,
    present_bytes: Option<u64>,
    mounted_bytes: Option<u64>,
    pulled_bytes: Option<u64>,
    /// Computed, not measured.
    computed: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    mbit_per_second: u32,
    least_seconds: f64,
    most_seconds: f64,
}

pub(super) fn images(of: &analysis::Layers) -> Vec<OneImage<'_>> {
    of.images.iter().map(image).collect()
}

fn image(of: &analysis::ImageLayers) -> OneImage<'_> {
    OneImage {
        image: &of.image,
        builds: of.builds,
        layers: of.layers.iter().map(layer).collect(),
        reuse: of.reuse.as_ref().map(|reuse| Reuse {
            dockerfile: shared(&reuse.own),
            all: shared(&reuse.all),
            rounds: reuse.rounds.0,
            known_rounds: reuse.rounds.1,
        }),
        waste: of.waste.as_ref().map(wasted),
        unread: of.unread.as_deref(),
    }
}

fn layer(of: &analysis::Layer) -> Layer<'_> {
    Layer {
        origin: match of.origin {
            LayerOrigin::Base => "base",
            LayerOrigin::Mark => "mark",
            LayerOrigin::Dockerfile { .. } => "dockerfile",
        },
        instruction: of.instruction.as_ref().map(instruction),
        diff_id: &of.diff_id,
        bytes: of.size.map(|size| size.0),
        digest: of.blob.as_ref().map(|(digest, _)| digest.as_str()),
        compressed_bytes: of.blob.as_ref().map(|(_, size)| size.0),
        state: of.state.map(analysis::LayerState::name),
    }
}

fn shared(of: &Share) -> Shared {
    Shared {
        kept_layers: of.kept,
        layers: of.layers,
        kept_bytes: of.kept_bytes.0,
        bytes: of.bytes.0,
        percent_of_layers: of.percent_of_layers(),
        percent_of_bytes: of.percent_of_bytes(),
    }
}

fn wasted(of: &Waste) -> Useless<'_> {
    Useless {
        wasted_bytes: of.wasted.0,
        wasted_paths: of.paths,
        efficiency: of.efficiency(),
        dive_wasted_bytes: of.dive_wasted.0,
        top: of
            .top
            .iter()
            .map(|file| WastedFile {
                path: &file.path,
                wasted_bytes: file.wasted.0,
                times: file.times,
            })
            .collect(),
    }
}

pub(super) fn travelled(of: &analysis::Travelled) -> Travelled<'_> {
    let bytes = |bytes: Option<crate::units::Bytes>| bytes.map(|bytes| bytes.0);
    Travelled {
        phase: &of.phase,
        rounds: of.rounds,
        downloaded_bytes: bytes(of.downloaded),
        context_bytes: bytes(of.context),
        uploaded_bytes: bytes(of.uploaded),
        present_bytes: bytes(of.present),
        mounted_bytes: bytes(of.mounted),
        pulled_bytes: bytes(of.pulled),
        computed: of
            .links
            .iter()
            .map(|link| Link {
                mbit_per_second: link.mbit,
                least_seconds: Nanos::seconds(link.least),
                most_seconds: Nanos::seconds(link.most),
            })
            .collect(),
    }
}
