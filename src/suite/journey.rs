//! Checks the journey: the measured phases in order, and what each claims about the state before it. Not for: proving
//! the claims (the runner does that when the phase has run).

use super::error::SuiteError;
use super::file::{JourneyTable, KindName, TemperatureName};
use super::locate::{Located, Source, nearest};
use super::model::{Fixture, PhaseKind, PhaseSpec, Temperature};
use super::parse::{distinct, known, plain};
use super::published::IMAGE_SIZE;

/// Checks the phases.
pub(super) fn phases(
    source: &Source,
    tables: &[JourneyTable],
    fixture: &Fixture,
    suite_name: &Located<String>,
) -> Result<Vec<PhaseSpec>, SuiteError> {
    if tables.is_empty() {
        return Err(SuiteError::Empty {
            place: source.at(suite_name),
            subject: "the suite's journey",
            expected: "at least one [[journey]] with kind = \"build\"",
            excluded: false,
        });
    }
    distinct(source, "phase", tables.iter().map(|table| &table.name))?;
    let mut phases: Vec<PhaseSpec> = Vec::new();
    for table in tables {
        let phase = match table.kind {
            KindName::Build => build(source, table, fixture, &phases)?,
            KindName::Push => push(source, table, &phases)?,
        };
        phases.push(phase);
    }
    Ok(phases)
}

fn build(
    source: &Source,
    table: &JourneyTable,
    fixture: &Fixture,
    before: &[PhaseSpec],
) -> Result<PhaseSpec, SuiteError> {
    let edits = edits(source, table)?;
    for edit in &edits {
        known(source, "edit", edit, fixture.edits.keys().map(String::as_str))?;
    }
    plain(source, "the name of an image", &table.image)?;
    let is_first = !before.iter().any(|phase| phase.kind == PhaseKind::Build);
    let by_default = match (is_first, edits.is_empty()) {
        (true, _) => Temperature::Cold,
        (false, false) => Temperature::Hot,
        (false, true) => Temperature::Noop,
    };
    Ok(PhaseSpec {
        name: name(source, table)?,
        kind: PhaseKind::Build,
        image: table.image.get().clone(),
        edits: edits.into_iter().map(|edit| edit.get().clone()).collect(),
        temperature: table.temperature.map_or(by_default, temperature),
    })
}

fn push(source: &Source, table: &JourneyTable, before: &[PhaseSpec]) -> Result<PhaseSpec, SuiteError> {
    if let Some(edit) = edits(source, table)?.first() {
        let message = "a push can't have an edit; expected it in the build of the image";
        return Err(SuiteError::Conflict {
            place: source.at(edit),
            message,
        });
    }
    let builds = || before.iter().filter(|phase| phase.kind == PhaseKind::Build);
    let Some(built) = builds().rfind(|phase| phase.image == *table.image.get()) else {
        let mut made: Vec<String> = builds().map(|phase| phase.image.clone()).collect();
        made.dedup();
        return Err(SuiteError::NothingToPush {
            place: source.at(&table.image),
            image: table.image.get().clone(),
            suggestion: nearest(&table.image, made.iter().map(String::as_str)),
            made,
        });
    };
    Ok(PhaseSpec {
        name: name(source, table)?,
        kind: PhaseKind::Push,
        image: table.image.get().clone(),
        edits: Vec::new(),
        temperature: table.temperature.map_or(built.temperature, temperature),
    })
}

/// The edits of a phase, from either key.
fn edits<'a>(source: &Source, table: &'a JourneyTable) -> Result<Vec<&'a Located<String>>, SuiteError> {
    match (&table.edit, &table.edits) {
        (Some(_), Some(edits)) => {
            let message = "edit and edits can't stand together; expected one of them";
            Err(SuiteError::Conflict {
                place: source.at(edits),
                message,
            })
        }
        (Some(edit), None) => Ok(vec![edit]),
        (None, Some(edits)) => Ok(edits.iter().collect()),
        (None, None) => Ok(Vec::new()),
    }
}

/// A phase's name, which must not be that of another row of the table.
fn name(source: &Source, table: &JourneyTable) -> Result<String, SuiteError> {
    let name = table.name.get();
    if name.trim().is_empty() || name == IMAGE_SIZE {
        return Err(SuiteError::Value {
            place: source.at(&table.name),
            subject: "the name of a phase",
            found: format!("{name:?}"),
            expected: format!("some text, and not {IMAGE_SIZE:?}, which is a row of its own"),
        });
    }
    Ok(name.clone())
}

fn temperature(name: TemperatureName) -> Temperature {
    match name {
        TemperatureName::Cold => Temperature::Cold,
        TemperatureName::Hot => Temperature::Hot,
        TemperatureName::Noop => Temperature::Noop,
    }
}
