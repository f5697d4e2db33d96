//! The table: which rows there are, and what stands in each cell.

use crate::journal::RunLog;
use crate::runner::event::{Outcome, PhaseHead, PhaseRecord, PublishedHead, Round, TrialKey};
use crate::stats::{Sample, Summary};
use crate::units::Bytes;

use super::clean::clean;
use super::downloads::downloaded;
use super::figures::push_of;
use super::{Cell, CellValue, Figure, RoundCounts, Row, RowKind};

/// A row before it is filled: where its numbers come from.
struct Source<'a> {
    label: String,
    kind: RowKind,
    phase: &'a str,
}

impl Source<'_> {
    /// The number that a phase's record holds for this row, in the row's unit.
    fn read(&self, record: &PhaseRecord) -> Option<f64> {
        let manifest = record.manifest.as_ref();
        match self.kind {
            RowKind::Time => Some(record.wall.seconds()),
            RowKind::Downloaded => downloaded(record).map(Bytes::as_f64),
            RowKind::ImageSize => record.image.as_ref().map(|image| image.size.as_f64()),
            RowKind::CompressedSize => {
                manifest.map(|manifest| manifest.layers.iter().map(|(_, size)| *size).sum::<Bytes>().as_f64())
            }
            RowKind::NewBytes => manifest.map(|manifest| manifest.new_bytes.as_f64()),
        }
    }

    /// The published figure for this row and a base name, in the row's unit.
    fn published(&self, published: &PublishedHead, base_name: &str) -> Option<f64> {
        match self.kind {
            RowKind::Time => published
                .times
                .get(&self.label)?
                .get(base_name)
                .map(|time| time.seconds()),
            RowKind::Downloaded | RowKind::ImageSize | RowKind::CompressedSize | RowKind::NewBytes => published
                .sizes
                .get(&self.label)?
                .get(base_name)
                .map(|size| size.as_f64()),
        }
    }
}

/// The rows that a journey has, with what builds downloaded if there was a mirror to tell.
fn sources(journey: &[PhaseHead], mirrored: bool) -> Vec<Source<'_>> {
    let builds = || journey.iter().filter(|phase| phase.kind == "build");
    let mut sources: Vec<Source> = journey
        .iter()
        .map(|phase| Source {
            label: phase.name.clone(),
            kind: RowKind::Time,
            phase: &phase.name,
        })
        .collect();
    sources.extend(builds().filter(|_| mirrored).map(|build| Source {
        label: format!("{}, downloaded", build.name),
        kind: RowKind::Downloaded,
        phase: &build.name,
    }));
    if let Some(first) = builds().next() {
        sources.push(Source {
            label: "image size".into(),
            kind: RowKind::ImageSize,
            phase: &first.name,
        });
        if let Some(push) = push_of(journey, first) {
            let label = "compressed size".into();
            sources.push(Source {
                label,
                kind: RowKind::CompressedSize,
                phase: &push.name,
            });
        }
    }
    for push in journey
        .iter()
        .filter(|phase| phase.kind == "push" && phase.temperature == "hot")
    {
        let label = format!("{}, new bytes", push.name);
        sources.push(Source {
            label,
            kind: RowKind::NewBytes,
            phase: &push.name,
        });
    }
    sources
}

fn sources_of(log: &RunLog) -> Vec<Source<'_>> {
    let mirrored = log.phases.iter().any(|record| record.transfers.is_some());
    sources(&log.header.journey, mirrored)
}

/// The numbers of every cell that has any, round by round.
pub(super) fn figures(log: &RunLog) -> Vec<Figure> {
    let mut figures = Vec::new();
    for source in sources_of(log) {
        for scenario in &log.header.scenarios {
            let points = points(&measured_rounds(log, &source, &scenario.name), &source);
            if !points.is_empty() {
                figures.push(Figure {
                    scenario: scenario.name.clone(),
                    metric: source.label.clone(),
                    kind: source.kind,
                    points,
                });
            }
        }
    }
    figures
}

/// What measured rounds say of a row's phase.
fn measured_rounds<'l>(log: &'l RunLog, source: &Source, scenario: &str) -> Vec<&'l PhaseRecord> {
    log.phases
        .iter()
        .filter(|record| matches!(record.trial.round, Round::Measured(_)))
        .filter(|record| record.trial.scenario == scenario && record.phase == source.phase)
        .collect()
}

/// The rounds in which the phase did what its name says, with their numbers.
fn points(records: &[&PhaseRecord], source: &Source) -> Vec<(u32, f64)> {
    let measured = records.iter().filter(|record| record.outcome == Outcome::Measured);
    let point = |record: &&PhaseRecord| match record.trial.round {
        Round::Measured(round) => Some((round, source.read(record)?)),
        Round::Warmup(_) => None,
    };
    measured.filter_map(point).collect()
}

/// The table's rows, filled.
pub(super) fn rows(log: &RunLog) -> Vec<Row> {
    sources_of(log)
        .iter()
        .map(|source| {
            let mut cells: Vec<Cell> = (0..log.header.scenarios.len())
                .map(|column| cell(log, source, column))
                .collect();
            add_ratios(&mut cells);
            Row {
                label: source.label.clone(),
                kind: source.kind,
                phase: source.phase.to_owned(),
                cells,
            }
        })
        .collect()
}

/// Whether any cell has a published figure beside it.
pub(super) fn shows_published(rows: &[Row]) -> bool {
    rows.iter()
        .flat_map(|row| &row.cells)
        .any(|cell| cell.published.is_some())
}

fn cell(log: &RunLog, source: &Source, column: usize) -> Cell {
    let scenario = &log.header.scenarios[column];
    let records = measured_rounds(log, source, &scenario.name);
    // By the planned order, not by the number of rounds: a bench samples one trial's phase many times.
    let planned = |trial: &&TrialKey| matches!(trial.round, Round::Measured(_)) && trial.scenario == scenario.name;
    let planned = log.header.order.iter().filter(planned).count();
    let rounds = count(&records, u32::try_from(planned).unwrap_or(u32::MAX));
    let values = points(&records, source).into_iter().map(|(_, value)| value).collect();
    let value = Sample::new(values).map_or_else(|_| without_data(&records), |s| CellValue::Measured(Summary::of(&s)));
    // The published figure has no factors: it belongs to the values that the suite names first.
    let first = log
        .header
        .scenarios
        .iter()
        .position(|other| other.base_name == scenario.base_name);
    let published = (first == Some(column))
        .then_some(log.header.published.as_ref())
        .flatten()
        .and_then(|published| source.published(published, &scenario.base_name));
    Cell {
        value,
        rounds,
        ratio: None,
        published,
    }
}

fn count(records: &[&PhaseRecord], planned: u32) -> RoundCounts {
    let mut counts = RoundCounts {
        planned,
        ..RoundCounts::default()
    };
    for record in records {
        match record.outcome {
            Outcome::Measured => counts.measured += 1,
            Outcome::Failed(_) => counts.failed += 1,
            Outcome::Invalid(_) => counts.invalid += 1,
            Outcome::Skipped(_) => counts.skipped += 1,
        }
    }
    counts
}

/// What a cell without a single measured value shows: the worst that happened.
fn without_data(records: &[&PhaseRecord]) -> CellValue {
    let mut invalid: Vec<String> = Vec::new();
    let mut skipped = None;
    for record in records {
        match &record.outcome {
            Outcome::Failed(failure) => return CellValue::Failed(clean(&failure.message)),
            Outcome::Invalid(reasons) => {
                for reason in reasons.iter().map(|reason| clean(reason)) {
                    if !invalid.contains(&reason) {
                        invalid.push(reason);
                    }
                }
            }
            Outcome::Skipped(reason) => skipped = skipped.or_else(|| Some(clean(reason))),
            Outcome::Measured => {}
        }
    }
    if records
        .iter()
        .any(|record| matches!(record.outcome, Outcome::Invalid(_)))
    {
        CellValue::Invalid(invalid)
    } else {
        skipped.map_or(CellValue::NoData, CellValue::Skipped)
    }
}

/// Fills in each median's ratio to the smallest of the row, where there are two or more that are not all the same.
fn add_ratios(cells: &mut [Cell]) {
    let medians = || cells.iter().filter_map(Cell::summary).map(|summary| summary.median);
    let best = medians().fold(f64::INFINITY, f64::min);
    // Of one there is nothing to compare, and of equals none is the best.
    if medians().all(|median| median <= best) {
        return;
    }
    for cell in cells {
        cell.ratio = cell.summary().map(|summary| summary.median).and_then(|median| {
            if best > 0.0 {
                Some(median / best)
            } else {
                // Nothing is a meaningful multiple of zero bytes; zero itself is still the best.
                (median <= 0.0).then_some(1.0)
            }
        });
    }
}
