//! How builds reached the network and what they downloaded, in the JSON document.

use serde::Serialize;

use crate::analysis::{By, Downloads, Tally};
use crate::mirror::Kind;
use crate::runner::event::{NetworkHead, Round};

#[derive(Serialize)]
pub(super) struct Network<'a> {
    /// `upstream`, `record` or `replay`.
    mode: &'a str,
    recording: Option<Recording<'a>>,
    synthetic: Option<&'a str>,
}

#[derive(Serialize)]
struct Recording<'a> {
    name: &'a str,
    digest: &'a str,
    entries: u64,
    size_bytes: u64,
}

/// What a build downloaded in one round, the one with the median number of bytes.
#[derive(Serialize)]
pub(super) struct Build<'a> {
    scenario: &'a str,
    phase: &'a str,
    round: u32,
    #[serde(flatten)]
    total: Fetched,
    /// Requests that were refused or failed; they count nowhere else.
    failed: u64,
    kinds: Vec<OfKind>,
    steps: Vec<OfStep<'a>>,
}

#[derive(Serialize)]
struct OfKind {
    /// `index`, `metadata`, `file`, `proxied` or `tunnel`.
    kind: &'static str,
    #[serde(flatten)]
    fetched: Fetched,
}

#[derive(Serialize)]
struct OfStep<'a> {
    /// `step`, `ambiguous` or `unknown`.
    asker: &'static str,
    /// The step's name, if it is known.
    step: Option<&'a str>,
    #[serde(flatten)]
    fetched: Fetched,
}

#[derive(Serialize)]
struct Fetched {
    requests: u64,
    bytes: u64,
    repeats: u64,
    repeated_bytes: u64,
    ambiguous: u64,
}

pub(super) fn network(network: &NetworkHead) -> Network<'_> {
    Network {
        mode: &network.mode,
        recording: network.recording.as_ref().map(|recording| Recording {
            name: &recording.name,
            digest: &recording.digest,
            entries: recording.entries,
            size_bytes: recording.size.0,
        }),
        synthetic: network.synthetic.as_deref(),
    }
}

pub(super) fn build(build: &Downloads) -> Build<'_> {
    let (Round::Measured(round) | Round::Warmup(round)) = build.round;
    Build {
        scenario: &build.scenario,
        phase: &build.phase,
        round,
        total: fetched(&build.total),
        failed: build.failed,
        kinds: build
            .kinds
            .iter()
            .map(|(kind, tally)| OfKind {
                kind: kind_name(*kind),
                fetched: fetched(tally),
            })
            .collect(),
        steps: build.steps.iter().map(|(by, tally)| of_step(by, tally)).collect(),
    }
}

fn of_step<'a>(by: &'a By, tally: &Tally) -> OfStep<'a> {
    let (asker, step) = match by {
        By::Step(name) => ("step", Some(name.as_str())),
        By::Ambiguous => ("ambiguous", None),
        By::Unknown => ("unknown", None),
    };
    OfStep {
        asker,
        step,
        fetched: fetched(tally),
    }
}

const fn fetched(tally: &Tally) -> Fetched {
    Fetched {
        requests: tally.requests,
        bytes: tally.bytes.0,
        repeats: tally.repeats,
        repeated_bytes: tally.repeated.0,
        ambiguous: tally.ambiguous,
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Index => "index",
        Kind::Metadata => "metadata",
        Kind::File => "file",
        Kind::Proxied => "proxied",
        Kind::Tunnel => "tunnel",
    }
}
