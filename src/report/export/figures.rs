//! The figures that exports of numbers carry: one for each row and column of the table that has a measured value. Not
//! for: their layout.

use crate::analysis::{Column, Report, Row, RowKind};
use crate::runner::event::Round;
use crate::stats::{Sample, Summary};

use super::ExportError;

/// One cell of the table with its place.
pub(super) struct Figure<'r> {
    pub column: &'r Column,
    pub row: &'r Row,
    pub summary: &'r Summary,
    /// Rounds planned.
    pub planned: u32,
}

impl Figure<'_> {
    /// `uv-multi: cold build`: the name that a scenario's phase has in other tools.
    pub fn benchmark(&self) -> String {
        format!("{}: {}", self.column.name, self.row.phase)
    }

    /// `uv-multi: cold build` for its time; for anything else the row's label with it: `uv-multi: image size`.
    pub fn name(&self) -> String {
        format!("{}: {}", self.column.name, self.row.label)
    }
}

/// The figures of a run by scenario, then in the order of the table's rows.
///
/// # Errors
/// If there is none.
pub(super) fn figures(report: &Report) -> Result<Vec<Figure<'_>>, ExportError> {
    let columns = report.columns.iter().enumerate();
    let figures: Vec<Figure> = columns
        .flat_map(|(at, column)| {
            report.rows.iter().filter_map(move |row| {
                let cell = row.cells.get(at)?;
                Some(Figure {
                    column,
                    row,
                    summary: cell.summary()?,
                    planned: cell.rounds.planned,
                })
            })
        })
        .collect();
    if figures.is_empty() {
        return Err(ExportError::NothingMeasured(report.run.id.clone()));
    }
    Ok(figures)
}

/// The times of a scenario's phase in the rounds in which it was measured, in seconds, in the order in which they ran.
pub(super) fn times(report: &Report, figure: &Figure) -> Option<Sample> {
    debug_assert_eq!(figure.row.kind, RowKind::Time);
    let times = report.raw.iter().filter(|raw| {
        matches!(raw.round, Round::Measured(_))
            && raw.outcome == "measured"
            && raw.scenario == figure.column.name
            && raw.phase == figure.row.phase
    });
    Sample::new(times.filter_map(|raw| Some(raw.wall?.seconds())).collect()).ok()
}
