//! Checks published figures: each must belong to a phase and a scenario of the suite. Not for: comparing them with
//! anything.

use std::collections::BTreeMap;

use super::error::SuiteError;
use super::file::PublishedTable;
use super::locate::Source;
use super::model::{PhaseSpec, Published, PublishedFigure};
use super::parse::{known, quantity};
use super::quantity as units;

/// The row of the table that is no phase: the uncompressed size of the image.
pub(super) const IMAGE_SIZE: &str = "image size";

/// Checks the published figures against the phases and the scenarios' names in the suite.
pub(super) fn published(
    source: &Source,
    table: &PublishedTable,
    phases: &[PhaseSpec],
    scenarios: &[&str],
) -> Result<Published, SuiteError> {
    let mut figures: BTreeMap<String, BTreeMap<String, PublishedFigure>> = BTreeMap::new();
    for (row, cells) in &table.figures {
        known(
            source,
            "phase",
            row,
            phases.iter().map(|phase| phase.name.as_str()).chain([IMAGE_SIZE]),
        )?;
        let row_figures = figures.entry(row.get().clone()).or_default();
        for (scenario, text) in cells {
            known(source, "scenario", scenario, scenarios.iter().copied())?;
            let figure = if row.as_str() == IMAGE_SIZE {
                PublishedFigure::Size(quantity(source, "a published size", text, units::size, units::SIZE)?)
            } else {
                PublishedFigure::Time(quantity(
                    source,
                    "a published time",
                    text,
                    units::duration,
                    units::DURATION,
                )?)
            };
            row_figures.insert(scenario.get().clone(), figure);
        }
    }
    Ok(Published {
        source: table.source.clone(),
        figures,
    })
}
