//! Checks the journey: the measured phases in order, and what each claims about the state before it. Not for: proving
//! the claims (the runner does that when the phase has run).

use std::collections::BTreeSet;

use super::error::SuiteError;
use super::expect;
use super::file::{JourneyTable, KindName, SuiteFile, TemperatureName};
use super::locate::{Located, Source, nearest};
use super::model::{Expect, Fixture, PhaseKind, PhaseSpec, Temperature};
use super::parse::{distinct, known, plain};
use super::published::IMAGE_SIZE;

/// Checks the phases.
pub(super) fn phases(source: &Source, file: &SuiteFile, fixture: &Fixture) -> Result<Vec<PhaseSpec>, SuiteError> {
    let tables = &file.journey;
    if tables.is_empty() {
        return Err(SuiteError::Empty {
            place: source.at(&file.suite.get().name),
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
            KindName::Pull => pull(source, table, &phases)?,
            KindName::Start => start(source, table, &phases, file.probe.is_some())?,
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
    let temperature = said(table).unwrap_or(by_default);
    let kind = PhaseKind::Build;
    let default = Expect::of(kind, temperature, !edits.is_empty());
    Ok(PhaseSpec {
        name: name(source, table)?,
        kind,
        image: table.image.get().clone(),
        edits: edits.into_iter().map(|edit| edit.get().clone()).collect(),
        temperature,
        expect: expect::phase(source, table.expect.as_ref(), kind, default)?,
    })
}

fn push(source: &Source, table: &JourneyTable, before: &[PhaseSpec]) -> Result<PhaseSpec, SuiteError> {
    let built = with_image(source, table, before, (PhaseKind::Push, PhaseKind::Build))?;
    let temperature = said(table).unwrap_or(built.temperature);
    unedited(source, table, PhaseKind::Push, temperature)
}

fn pull(source: &Source, table: &JourneyTable, before: &[PhaseSpec]) -> Result<PhaseSpec, SuiteError> {
    with_image(source, table, before, (PhaseKind::Pull, PhaseKind::Push))?;
    let on_machine = on_machine(before);
    let by_default = match &on_machine {
        None => Temperature::Cold,
        Some(images) if images.contains(table.image.as_str()) => Temperature::Noop,
        Some(_) => Temperature::Hot,
    };
    if let (None, Some(said)) = (on_machine, &table.temperature)
        && temperature(*said.get()) != Temperature::Cold
    {
        let message = "the first pull can only be cold: the machine that it goes to holds nothing; expected a cold pull \
                       before this one";
        return Err(conflict(source, said, message));
    }
    unedited(source, table, PhaseKind::Pull, said(table).unwrap_or(by_default))
}

/// The images that the pulling machine has after these phases, in their present form; `None` before the first pull.
fn on_machine(before: &[PhaseSpec]) -> Option<BTreeSet<&str>> {
    let mut images: Option<BTreeSet<&str>> = None;
    for phase in before {
        match phase.kind {
            PhaseKind::Pull if phase.temperature == Temperature::Cold => {
                images = Some(BTreeSet::from([phase.image.as_str()]));
            }
            PhaseKind::Pull => {
                images.get_or_insert_default().insert(&phase.image);
            }
            // The name may stand for another image now.
            PhaseKind::Push => {
                if let Some(images) = &mut images {
                    images.remove(phase.image.as_str());
                }
            }
            PhaseKind::Build | PhaseKind::Start => {}
        }
    }
    images
}

fn start(
    source: &Source,
    table: &JourneyTable,
    before: &[PhaseSpec],
    has_probe: bool,
) -> Result<PhaseSpec, SuiteError> {
    with_image(source, table, before, (PhaseKind::Start, PhaseKind::Build))?;
    if !has_probe {
        let message =
            "a start needs [probe], which says when an image has started; expected [probe] with http or command";
        return Err(conflict(source, &table.name, message));
    }
    let of_image = before.iter().rev().filter(|phase| phase.image == *table.image.get());
    let since_build = of_image.take_while(|phase| phase.kind != PhaseKind::Build);
    let is_first = !since_build.into_iter().any(|phase| phase.kind == PhaseKind::Start);
    let follows = if is_first { Temperature::Cold } else { Temperature::Hot };
    match &table.temperature {
        Some(said) if temperature(*said.get()) != follows => Err(conflict(
            source,
            said,
            "the first start of an image is cold and each later one hot; expected that, or no temperature",
        )),
        _ => unedited(source, table, PhaseKind::Start, follows),
    }
}

/// The last phase of the needed kind that has the image; `kinds` are this phase's and the needed one.
fn with_image<'p>(
    source: &Source,
    table: &JourneyTable,
    before: &'p [PhaseSpec],
    kinds: (PhaseKind, PhaseKind),
) -> Result<&'p PhaseSpec, SuiteError> {
    let (kind, needed) = kinds;
    if let Some(edit) = edits(source, table)?.first() {
        let message = match kind {
            PhaseKind::Push => "a push can't have an edit; expected it in the build of the image",
            PhaseKind::Pull => "a pull can't have an edit; expected it in the build of the image",
            PhaseKind::Build | PhaseKind::Start => "a start can't have an edit; expected it in the build of the image",
        };
        return Err(conflict(source, edit, message));
    }
    let such = || before.iter().filter(|phase| phase.kind == needed);
    such().rfind(|phase| phase.image == *table.image.get()).ok_or_else(|| {
        let mut made: Vec<String> = such().map(|phase| phase.image.clone()).collect();
        made.dedup();
        SuiteError::NoImage {
            place: source.at(&table.image),
            kind,
            needed,
            image: table.image.get().clone(),
            suggestion: nearest(&table.image, made.iter().map(String::as_str)),
            made,
        }
    })
}

/// A phase that leaves the context alone.
fn unedited(
    source: &Source,
    table: &JourneyTable,
    kind: PhaseKind,
    temperature: Temperature,
) -> Result<PhaseSpec, SuiteError> {
    Ok(PhaseSpec {
        name: name(source, table)?,
        kind,
        image: table.image.get().clone(),
        edits: Vec::new(),
        temperature,
        expect: expect::phase(
            source,
            table.expect.as_ref(),
            kind,
            Expect::of(kind, temperature, false),
        )?,
    })
}

fn conflict<T>(source: &Source, at: &Located<T>, message: &'static str) -> SuiteError {
    SuiteError::Conflict {
        place: source.at(at),
        message,
    }
}

/// The edits of a phase, from either key.
fn edits<'a>(source: &Source, table: &'a JourneyTable) -> Result<Vec<&'a Located<String>>, SuiteError> {
    match (&table.edit, &table.edits) {
        (Some(_), Some(edits)) => Err(conflict(
            source,
            edits,
            "edit and edits can't stand together; expected one of them",
        )),
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

/// The temperature that a phase is said to have.
fn said(table: &JourneyTable) -> Option<Temperature> {
    table.temperature.as_ref().map(|said| temperature(*said.get()))
}

fn temperature(name: TemperatureName) -> Temperature {
    match name {
        TemperatureName::Cold => Temperature::Cold,
        TemperatureName::Hot => Temperature::Hot,
        TemperatureName::Noop => Temperature::Noop,
    }
}

#[cfg(test)]
mod tests;
