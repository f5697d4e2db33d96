//! `bakeoff explain`: where the time of one scenario's builds, or of a pull or a start, went, from the journal alone.

use std::io::Write as _;
use std::path::Path;

use super::args::Explain as Arguments;
use super::{Failure, paths, style};
use crate::analysis::{Attribution, Moved, Report};
use crate::journal;
use crate::report::{explain, explain_moved};
use crate::suite::{nearest, wildcard};

pub(super) fn explain_scenarios(arguments: &Arguments) -> Result<(), Failure> {
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let report = Report::of(&journal::read(&dir)?);
    let scenarios = chosen(&report, &arguments.scenario)?;
    let is_chosen = |scenario: &String| scenarios.contains(&scenario.as_str());
    let told: Vec<&Attribution> = report
        .attributions
        .iter()
        .filter(|of| is_chosen(&of.scenario))
        .collect();
    let moved: Vec<&Moved> = report.moved.iter().filter(|of| is_chosen(&of.scenario)).collect();
    let phase = arguments.phase.as_deref();
    let of_phase: Vec<&Moved> = moved.iter().copied().filter(|of| phase == Some(&of.phase)).collect();
    let mut text = Vec::new();
    if of_phase.is_empty() {
        if told.is_empty() {
            return Err(Failure::NothingMeasured(scenarios.join(", ")));
        }
        if let Some(phase) = phase {
            let builds = told[0].builds.iter().map(|build| build.phase.as_str());
            if !builds.clone().any(|build| build == phase) {
                let first = moved.iter().filter(|of| of.scenario == told[0].scenario);
                let known: Vec<&str> = builds.chain(first.map(|of| of.phase.as_str())).collect();
                return Err(unknown("build, pull or start", phase, &known));
            }
        }
        explain(&told, phase, arguments.format.into(), style(), &mut text)?;
    } else {
        explain_moved(&of_phase, arguments.format.into(), style(), &mut text)?;
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
