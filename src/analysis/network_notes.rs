//! Finds the notes that a run's downloads call for. Not for: their words, which are in `note`.

use std::collections::BTreeSet;

use crate::dockerfile::Dockerfile;
use crate::journal::RunLog;
use crate::mirror::{Kind, Origin};
use crate::runner::event::{PhaseRecord, StepTransfer};
use crate::units::Bytes;

use super::NetworkNote;
use super::clean::clean;
use super::downloads::{By, Downloads};

/// Repeats of fewer bytes in a cold build are not worth a note.
const MANY_REPEATED: Bytes = Bytes(1_000_000);

/// Whether anything came from upstream.
fn fetched_anything(log: &RunLog) -> bool {
    let mut asked = log.phases.iter().flat_map(|record| record.transfers.iter().flatten());
    asked.any(|asked| asked.transfer.origin == Origin::Upstream)
}

/// All notes on a run's downloads.
pub(super) fn network_notes(log: &RunLog, downloads: &[Downloads]) -> Vec<NetworkNote> {
    let mut notes = Vec::new();
    match log.header.network.mode.as_str() {
        // A run that fetched nothing new holds no upstream's time.
        "record" if fetched_anything(log) => notes.push(NetworkNote::Recorded),
        "upstream" if log.tells_network => notes.push(NetworkNote::Uncontrolled),
        _ => {}
    }
    for record in &log.phases {
        for asked in record.transfers.iter().flatten() {
            match &asked.transfer.problem {
                Some(problem) => add_problem(&mut notes, record, problem),
                None if asked.transfer.kind == Kind::Tunnel => add_tunnel(&mut notes, record, asked),
                None => {}
            }
        }
    }
    // Without a mirror nothing is meant to be seen.
    if matches!(log.header.network.mode.as_str(), "record" | "replay") {
        notes.extend(past_mirror(log));
    }
    notes.extend(downloads.iter().filter_map(|build| repeats(log, build)));
    notes
}

/// One note for each scenario, instruction and address.
fn past_mirror(log: &RunLog) -> Vec<NetworkNote> {
    let mut notes = Vec::new();
    for scenario in &log.header.scenarios {
        let Ok(dockerfile) = Dockerfile::parse(&scenario.dockerfile) else {
            continue;
        };
        let own = log
            .phases
            .iter()
            .filter(|record| record.trial.scenario == scenario.name);
        let steps = own.flat_map(|record| &record.build).flat_map(|build| &build.steps);
        let fetched: BTreeSet<_> = steps.flat_map(|step| dockerfile.remote_sources(&step.name)).collect();
        notes.extend(fetched.into_iter().map(|(line, address)| NetworkNote::PastMirror {
            scenario: scenario.name.clone(),
            line,
            address: clean(&address),
        }));
    }
    notes
}

/// One note for each scenario, phase, step and host, however many tunnels there were.
fn add_tunnel(notes: &mut Vec<NetworkNote>, record: &PhaseRecord, asked: &StepTransfer) {
    let (by, to) = (By::of(&asked.step, record), clean(&asked.transfer.name));
    let known = notes.iter_mut().find_map(|note| match note {
        NetworkNote::NotHermetic {
            scenario,
            phase,
            step,
            host,
            tunnels,
            bytes,
        } => {
            let same = *scenario == record.trial.scenario && *phase == record.phase && *step == by && *host == to;
            same.then_some((tunnels, bytes))
        }
        _ => None,
    });
    if let Some((tunnels, bytes)) = known {
        *tunnels += 1;
        bytes.0 += asked.transfer.bytes.0;
    } else {
        notes.push(NetworkNote::NotHermetic {
            scenario: record.trial.scenario.clone(),
            phase: record.phase.clone(),
            step: by,
            host: to,
            tunnels: 1,
            bytes: asked.transfer.bytes,
        });
    }
}

/// One note for each scenario and phase; the first problem stands for all.
fn add_problem(notes: &mut Vec<NetworkNote>, record: &PhaseRecord, problem: &str) {
    let round = record.trial.round;
    let known = notes.iter_mut().find_map(|note| match note {
        NetworkNote::DownloadProblems {
            scenario,
            phase,
            rounds,
            count,
            ..
        } => (*scenario == record.trial.scenario && *phase == record.phase).then_some((rounds, count)),
        _ => None,
    });
    if let Some((rounds, count)) = known {
        *count += 1;
        if !rounds.contains(&round) {
            rounds.push(round);
        }
    } else {
        notes.push(NetworkNote::DownloadProblems {
            scenario: record.trial.scenario.clone(),
            phase: record.phase.clone(),
            rounds: vec![round],
            count: 1,
            first: clean(problem),
        });
    }
}

/// In a hot build repeats are what a missing cache costs, and expected; in a cold one somebody fetched twice.
fn repeats(log: &RunLog, build: &Downloads) -> Option<NetworkNote> {
    let mut journey = log.header.journey.iter();
    let cold = journey.any(|phase| phase.name == build.phase && phase.temperature == "cold");
    (cold && build.total.repeated > MANY_REPEATED).then(|| NetworkNote::Repeats {
        scenario: build.scenario.clone(),
        phase: build.phase.clone(),
        requests: build.total.repeats,
        bytes: build.total.repeated,
    })
}

#[cfg(test)]
mod tests;
