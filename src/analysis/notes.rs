//! Finds the notes that a run calls for. Not for: their words, which are in `note`.

use std::collections::BTreeSet;

use crate::journal::RunLog;
use crate::runner::event::{Failure, Outcome, Round};
use crate::units::Bytes;

use super::cells::shows_published;
use super::clean::clean;
use super::downloads::Downloads;
use super::host_note::HostNote;
use super::network_notes::network_notes;
use super::noise_note::noise_notes;
use super::outliers::Outlier;
use super::{Note, Row, RowKind, resume_command};

/// All notes of a run, the gravest first.
pub(super) fn notes(log: &RunLog, rows: &[Row], downloads: &[Downloads], outliers: &[Outlier]) -> Vec<Note> {
    let mut notes = phase_notes(log);
    notes.extend(trial_notes(log));
    let planned = log.header.order.len();
    if log.end.as_ref().is_none_or(|end| end.interrupted) || log.trials.len() < planned {
        let interrupted = log.end.as_ref().is_some_and(|end| end.interrupted);
        notes.push(Note::Incomplete {
            interrupted,
            done: log.trials.len(),
            planned,
            resume: resume_command(log),
        });
    }
    notes.extend(log.seams.iter().cloned().map(Note::Resumed));
    notes.extend(log.warnings.iter().cloned().map(Note::Journal));
    let fallbacks = log.header.engines.iter().filter_map(|engine| engine.fallback.clone());
    notes.extend(fallbacks.map(Note::HostEngine));
    let stores: BTreeSet<&str> = log
        .header
        .engines
        .iter()
        .map(|engine| engine.image_store.as_str())
        .collect();
    if stores.len() > 1 {
        notes.push(Note::ImageStores);
    }
    notes.extend(image_notes(log, rows));
    notes.extend(network_notes(log, downloads).into_iter().map(Note::Network));
    notes.extend(round_notes(rows));
    notes.extend(noise_notes(log).into_iter().map(Note::Noise));
    notes.extend(outliers.iter().cloned().map(Note::Outlier));
    notes.extend(cleanup_notes(log));
    notes.sort_by_key(Note::severity);
    notes
}

/// One note for each phase, scenario and reason, however many rounds it happened in.
fn phase_notes(log: &RunLog) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for record in &log.phases {
        let (scenario, phase) = (record.trial.scenario.clone(), record.phase.clone());
        let rounds = vec![record.trial.round];
        let new = match &record.outcome {
            Outcome::Failed(failure) => Note::Failed {
                scenario,
                phase,
                rounds,
                failure: shown(failure),
            },
            Outcome::Invalid(reasons) => Note::Invalid {
                scenario,
                phase,
                rounds,
                reasons: reasons.iter().map(|reason| clean(reason)).collect(),
            },
            Outcome::Measured | Outcome::Skipped(_) => continue,
        };
        match notes.iter_mut().find_map(|note| same_cause(note, &new)) {
            Some(rounds) => rounds.push(record.trial.round),
            None => notes.push(new),
        }
    }
    notes
}

/// The rounds of `old` if it has the same scenario, phase and cause as `new`; logs differ from round to round.
fn same_cause<'a>(old: &'a mut Note, new: &Note) -> Option<&'a mut Vec<Round>> {
    match (old, new) {
        (
            Note::Failed {
                scenario,
                phase,
                rounds,
                failure,
            },
            Note::Failed {
                scenario: other_scenario,
                phase: other_phase,
                failure: other,
                ..
            },
        ) => {
            let same = failure.message == other.message && failure.step == other.step && failure.line == other.line;
            (scenario == other_scenario && phase == other_phase && same).then_some(rounds)
        }
        (
            Note::Invalid {
                scenario,
                phase,
                rounds,
                reasons,
            },
            Note::Invalid {
                scenario: other_scenario,
                phase: other_phase,
                reasons: other,
                ..
            },
        ) => (scenario == other_scenario && phase == other_phase && reasons == other).then_some(rounds),
        _ => None,
    }
}

/// One note for each scenario and cause, however many rounds it happened in.
fn trial_notes(log: &RunLog) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for trial in &log.trials {
        let Some(why) = &trial.failed else { continue };
        let (name, round) = (&trial.trial.scenario, trial.trial.round);
        let same = notes.iter_mut().find_map(|note| match note {
            Note::TrialFailed {
                scenario,
                rounds,
                cause,
            } if scenario == name && cause == why => Some(rounds),
            _ => None,
        });
        match same {
            Some(rounds) => rounds.push(round),
            None => notes.push(Note::TrialFailed {
                scenario: name.clone(),
                rounds: vec![round],
                cause: why.clone(),
            }),
        }
    }
    notes
}

pub(super) fn shown(failure: &Failure) -> Failure {
    Failure {
        message: clean(&failure.message),
        step: failure.step.as_deref().map(clean),
        line: failure.line.clone(),
        last_lines: failure.last_lines.iter().map(|line| clean(line)).collect(),
        log_file: failure.log_file.clone(),
    }
}

fn image_notes(log: &RunLog, rows: &[Row]) -> Vec<Note> {
    let images = &log.header.images;
    let stand_ins: Vec<_> = images
        .iter()
        .filter(|image| image.stand_in)
        .map(|image| (image.role.clone(), image.reference.clone()))
        .collect();
    let host_ca: Vec<_> = images
        .iter()
        .filter(|image| image.host_ca)
        .map(|image| image.role.clone())
        .collect();
    let mut notes = Vec::new();
    if !stand_ins.is_empty() {
        notes.push(Note::StandIns {
            images: stand_ins,
            beside_published: shows_published(rows),
        });
    }
    if !host_ca.is_empty() {
        notes.push(Note::HostCa(host_ca));
    }
    notes
}

fn round_notes(rows: &[Row]) -> Option<Note> {
    let times = rows
        .iter()
        .filter(|row| row.kind == RowKind::Time)
        .flat_map(|row| &row.cells);
    let rounds = times.map(|cell| cell.rounds.measured).max().unwrap_or(0);
    let ratios = rows.iter().flat_map(|row| &row.cells).any(|cell| cell.ratio.is_some());
    match rounds {
        0 => None,
        1 => Some(Note::SingleRound),
        rounds => ratios.then_some(Note::PlainRatios { rounds }),
    }
}

fn cleanup_notes(log: &RunLog) -> Vec<Note> {
    let mut notes = Vec::new();
    let records: u32 = log.trials.iter().map(|trial| trial.cleanup.left_records).sum();
    let bytes: Bytes = log.trials.iter().map(|trial| trial.cleanup.left_bytes).sum();
    let host = log.end.as_ref().and_then(|end| end.host.clone());
    match host {
        // It counts these records too.
        Some(proof) => notes.push(Note::Host(HostNote { proof, left: bytes })),
        None if records > 0 => notes.push(Note::CacheLeft { records, bytes }),
        None => {}
    }
    let mut seen = BTreeSet::new();
    for trial in &log.trials {
        for problem in &trial.cleanup.problems {
            if seen.insert((&trial.trial.scenario, problem)) {
                let (scenario, round) = (trial.trial.scenario.clone(), trial.trial.round);
                notes.push(Note::CleanupProblem {
                    scenario,
                    round,
                    problem: problem.clone(),
                });
            }
        }
    }
    notes
}
