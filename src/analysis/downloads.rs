//! What builds downloaded through the mirror: how much, of which kind, for which step. Not for: whether that is a
//! problem (that is `network_notes`).

use crate::journal::RunLog;
use crate::mirror::{Kind, Transfer};
use crate::runner::event::{Asker, PhaseRecord, Round, StepTransfer};
use crate::units::Bytes;

use super::clean::clean;

/// What one scenario's build downloaded in one round: the one with the median number of bytes, the smaller of the
/// middle two. A round that took place, rather than a median of each figure, so that the parts add up to the whole.
/// Refused and failed requests count in [`failed`](Self::failed) only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloads {
    /// The scenario's full name.
    pub scenario: String,
    /// The build's phase.
    pub phase: String,
    /// The round.
    pub round: Round,
    /// All of it.
    pub total: Tally,
    /// Requests that were refused or failed.
    pub failed: u64,
    /// By what was asked for, the largest first.
    pub kinds: Vec<(Kind, Tally)>,
    /// By who asked, the largest first.
    pub steps: Vec<(By, Tally)>,
}

/// Some downloads, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Bytes that they brought.
    pub bytes: Bytes,
    /// Those of the requests that asked for what the trial had been sent before.
    pub repeats: u64,
    /// Bytes that the repeats brought.
    pub repeated: Bytes,
    /// Those of the requests that one of several steps made.
    pub ambiguous: u64,
}

impl Tally {
    fn add(&mut self, asked: &StepTransfer) {
        let Transfer { bytes, repeat, .. } = asked.transfer;
        self.requests += 1;
        self.bytes.0 += bytes.0;
        if repeat {
            self.repeats += 1;
            self.repeated.0 += bytes.0;
        }
        self.ambiguous += u64::from(asked.step == Asker::Ambiguous);
    }
}

/// Who asked for a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A step, by its name as the builder prints it, on one line.
    Step(String),
    /// One of several steps that ran at the time.
    Ambiguous,
    /// No step that the builder told of.
    Unknown,
}

impl By {
    pub(super) fn of(asker: &Asker, record: &PhaseRecord) -> Self {
        match asker {
            Asker::Step(id) => {
                let steps = record.build.iter().flat_map(|build| &build.steps);
                let name = steps
                    .filter(|step| step.id == *id)
                    .map(|step| step.name.as_str())
                    .next();
                let name = clean(name.unwrap_or(id));
                Self::Step(name.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            Asker::Ambiguous => Self::Ambiguous,
            Asker::Unknown => Self::Unknown,
        }
    }
}

/// The bytes that a phase downloaded; `None` without a mirror.
pub(super) fn downloaded(record: &PhaseRecord) -> Option<Bytes> {
    let transfers = record.transfers.as_ref()?;
    Some(succeeded(transfers).map(|asked| asked.transfer.bytes).sum())
}

/// The downloads that were neither refused nor failed.
fn succeeded(transfers: &[StepTransfer]) -> impl Iterator<Item = &StepTransfer> {
    transfers.iter().filter(|asked| asked.transfer.problem.is_none())
}

/// What each build of each scenario downloaded, by phases in the journey's order and then by columns. A build that was
/// measured in no round, or not through the mirror, is left out.
pub(super) fn downloads(log: &RunLog) -> Vec<Downloads> {
    let builds = log.header.journey.iter().filter(|phase| phase.kind == "build");
    builds
        .flat_map(|phase| log.header.scenarios.iter().map(move |scenario| (phase, scenario)))
        .filter_map(|(phase, scenario)| {
            let records = log.phases.iter().filter(|record| {
                matches!(record.trial.round, Round::Measured(_))
                    && record.is_measured()
                    && record.trial.scenario == scenario.name
                    && record.phase == phase.name
            });
            let mut sizes: Vec<(Bytes, &PhaseRecord)> = records
                .filter_map(|record| Some((downloaded(record)?, record)))
                .collect();
            sizes.sort_by_key(|(bytes, _)| *bytes);
            let middle = sizes.len().checked_sub(1)? / 2;
            breakdown(sizes[middle].1)
        })
        .collect()
}

fn breakdown(record: &PhaseRecord) -> Option<Downloads> {
    let transfers = record.transfers.as_ref()?;
    let (mut total, mut kinds, mut steps) = (Tally::default(), Vec::new(), Vec::new());
    for asked in succeeded(transfers) {
        total.add(asked);
        entry(&mut kinds, asked.transfer.kind).add(asked);
        // By the id, since two stages may have a step of the same name.
        entry(&mut steps, &asked.step).add(asked);
    }
    // Stable, so that equals stay in the order in which they asked.
    kinds.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.bytes));
    steps.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.bytes));
    Some(Downloads {
        scenario: record.trial.scenario.clone(),
        phase: record.phase.clone(),
        round: record.trial.round,
        total,
        failed: (transfers.len() as u64).saturating_sub(total.requests),
        kinds,
        steps: steps
            .into_iter()
            .map(|(asker, tally)| (By::of(asker, record), tally))
            .collect(),
    })
}

/// The tally of this key, which is put in if it is missing. There are few keys.
fn entry<K: PartialEq>(tallies: &mut Vec<(K, Tally)>, key: K) -> &mut Tally {
    let index = tallies.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        tallies.push((key, Tally::default()));
        tallies.len() - 1
    });
    &mut tallies[index].1
}

#[cfg(test)]
mod tests;
