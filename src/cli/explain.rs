//! `bakeoff explain`: where the time of one scenario's builds, or of a push, a pull or a start, went, from the journal alone.

use std::io::Write as _;
use std::path::Path;

use super::args::Explain as Arguments;
use super::{Failure, paths, style};
use crate::analysis::{Attribution, Moved, Report};
use crate::journal;
use crate::report::{explain, explain_moved};
use crate::runner::event::PhaseHead;
use crate::suite::{nearest, wildcard};

pub(super) fn explain_scenarios(arguments: &Arguments) -> Result<(), Failure> {
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let log = journal::read(&dir)?;
    let report = Report::of(&log);
    let scenarios = chosen(&report, &arguments.scenario)?;
    let is_chosen = |scenario: &String| scenarios.contains(&scenario.as_str());
    let phase = arguments.phase.as_deref();
    let journey = &log.header.journey;
    let known = || journey.iter().map(|head| head.name.as_str());
    if let Some(name) = phase.filter(|name| !known().any(|known| known == *name)) {
        return Err(unknown("phase", name, &known().collect::<Vec<_>>()));
    }
    // Without a phase it is about builds.
    let moves = |head: &PhaseHead| head.kind != "build" && phase == Some(&head.name);
    let nothing = |what: &str| Failure::NothingMeasured {
        what: what.to_owned(),
        scenarios: scenarios.join(", "),
    };
    let mut text = Vec::new();
    if journey.iter().any(moves) {
        let of_phase = report.moved.iter().filter(|of| phase == Some(&of.phase));
        let of_phase: Vec<&Moved> = of_phase.filter(|of| is_chosen(&of.scenario)).collect();
        if of_phase.is_empty() {
            return Err(nothing(phase.unwrap_or_default()));
        }
        explain_moved(&of_phase, arguments.format.into(), style(), &mut text)?;
    } else {
        let told = report.attributions.iter().filter(|of| is_chosen(&of.scenario));
        let told: Vec<&Attribution> = told.collect();
        if told.is_empty() {
            return Err(nothing("build"));
        }
        explain(&told, phase, arguments.format.into(), style(), &mut text)?;
    }
    let written = std::io::stdout().lock().write_all(&text);
    written.map_err(|source| Failure::Output {
        operation: "writing the explanation",
        source,
    })
}

/// The scenarios whose full or base name matches, in the suite's order.
fn chosen<'r>(report: &'r Report, pattern: &str) -> Result<Vec<&'r str>, Failure> {
    let names = || report.columns.iter().map(|column| column.name.as_str());
    let matching: Vec<&str> = report
        .columns
        .iter()
        .filter(|column| wildcard(pattern, &column.name) || wildcard(pattern, &column.base_name))
        .map(|column| column.name.as_str())
        .collect();
    if matching.is_empty() {
        return Err(unknown("scenario", pattern, &names().collect::<Vec<_>>()));
    }
    Ok(matching)
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> Failure {
    Failure::NotInRun {
        what,
        name: name.to_owned(),
        nearest: nearest(name, known.iter().copied()),
        known: known.iter().map(|&name| name.to_owned()).collect(),
    }
}
