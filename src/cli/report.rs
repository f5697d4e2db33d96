//! `bakeoff report`: from the journal alone, so that it works for ever and needs no engine.

use std::io::Write as _;
use std::path::Path;

use super::args::Report as Arguments;
use super::{Failure, paths, style};
use crate::analysis::Report;
use crate::report::{Format, Style, render};
use crate::{journal, report};

pub(super) fn report(arguments: &Arguments) -> Result<(), Failure> {
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let report = Report::of(&journal::read(&dir)?);
    let format = arguments.format.into();
    match &arguments.output {
        Some(path) => write_file(&report, format, path),
        None => show(&report, format),
    }
}

/// Renders on standard output.
pub(super) fn show(report: &Report, format: Format) -> Result<(), Failure> {
    let mut text = Vec::new();
    render(report, format, style(), &mut text)?;
    let written = std::io::stdout().lock().write_all(&text);
    written.map_err(|source| Failure::Output {
        operation: "writing the report",
        source,
    })
}

fn write_file(report: &Report, format: Format, path: &Path) -> Result<(), Failure> {
    let mut text = Vec::new();
    render(report, format, Style::default(), &mut text)?;
    std::fs::write(path, text).map_err(|source| Failure::Output {
        operation: "writing the report",
        source,
    })
}

/// The reports that every run leaves in its folder.
pub(super) fn write_all(report: &Report, dir: &Path) -> Result<(), Failure> {
    use report::Format::{Csv, Html, Json, Markdown};
    for (format, name) in [
        (Html, "report.html"),
        (Markdown, "report.md"),
        (Csv, "results.csv"),
        (Json, "report.json"),
    ] {
        write_file(report, format, &dir.join(name))?;
    }
    Ok(())
}
