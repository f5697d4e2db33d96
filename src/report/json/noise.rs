//! How quiet the machine was, and which rounds lie far from the others, in JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis;
use crate::environment::noise;
use crate::runner::event::Round;

/// What the last probe before the run found.
#[derive(Serialize)]
pub(super) struct Noise<'a> {
    quiet: bool,
    verdict: String,
    probed: String,
    seconds: f64,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    name: &'a str,
    noisy: bool,
    found: &'a str,
    figures: &'a BTreeMap<String, u64>,
}

/// A round that lies far from the others of its phase, and counts.
#[derive(Serialize)]
pub(super) struct Outlier<'a> {
    scenario: &'a str,
    phase: &'a str,
    round: u32,
    seconds: f64,
    median_seconds: f64,
    /// Empty where none is known.
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    kind: &'static str,
    text: String,
}

pub(super) fn noise(of: &noise::Noise) -> Noise<'_> {
    Noise {
        quiet: of.is_quiet(),
        verdict: of.verdict(),
        probed: of.probed.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        seconds: of.lasted.seconds(),
        findings: of
            .findings
            .iter()
            .map(|finding| Finding {
                name: &finding.name,
                noisy: finding.noisy,
                found: &finding.found,
                figures: &finding.figures,
            })
            .collect(),
    }
}

pub(super) fn outlier(of: &analysis::Outlier) -> Outlier<'_> {
    let (Round::Measured(round) | Round::Warmup(round)) = of.round;
    Outlier {
        scenario: &of.scenario,
        phase: &of.phase,
        round,
        seconds: of.time.seconds(),
        median_seconds: of.median.seconds(),
        causes: of
            .causes
            .iter()
            .map(|cause| Cause {
                kind: cause.name(),
                text: cause.text(),
            })
            .collect(),
    }
}
