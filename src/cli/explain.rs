//! `bakeoff explain`: where the time of one scenario's builds went, from the journal alone.

use std::io::Write as _;
use std::path::Path;

use super::args::Explain as Arguments;
use super::{Failure, paths, style};
use crate::analysis::{Attribution, Report};
use crate::journal;
use crate::report::explain;
use crate::suite::{nearest, wildcard};

pub(super) fn explain_scenarios(arguments: &Arguments) -> Result<(), Failure> {
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let report = Report::of(&journal::read(&dir)?);
    let chosen = chosen(&report, &arguments.scenario)?;
    let phase = arguments.phase.as_deref();
    if let Some(phase) = phase {
        let phases: Vec<&str> = chosen[0].builds.iter().map(|build| build.phase.as_str()).collect();
        if !phases.contains(&phase) {
            return Err(unknown("build", phase, &phases));
        }
    }
    let mut text = Vec::new();
    explain(&chosen, phase, arguments.format.into(), style(), &mut text)?;
    let written = std::io::stdout().lock().write_all(&text);
    written.map_err(|source| Failure::Output {
        operation: "writing the explanation",
        source,
    })
}

/// The scenarios whose full or base name matches, in the suite's order.
fn chosen<'r>(report: &'r Report, pattern: &str) -> Result<Vec<&'r Attribution>, Failure> {
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
    let told: Vec<&Attribution> = report
        .attributions
        .iter()
        .filter(|attribution| matching.contains(&attribution.scenario.as_str()))
        .collect();
    if told.is_empty() {
        return Err(Failure::NothingMeasured(matching.join(", ")));
    }
    Ok(told)
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> Failure {
    Failure::NotInRun {
        what,
        name: name.to_owned(),
        nearest: nearest(name, known.iter().copied()),
        known: known.iter().map(|&name| name.to_owned()).collect(),
    }
}
