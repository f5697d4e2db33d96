//! What github-action-benchmark reads with `tool: customSmallerIsBetter`: a list of names with a value and a unit.

use std::io::Write;

use serde::Serialize;

use crate::analysis::Report;

use super::figures::figures;
use super::{ExportError, ExportFormat, write_json};

#[derive(Serialize)]
struct Entry {
    name: String,
    /// `s` or `B`. It never changes with the value: the action compares numbers with those of earlier commits.
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// The text that the action shows beside a point of its chart.
    extra: String,
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<(), ExportError> {
    let run = &report.run;
    let entries: Vec<Entry> = figures(report)?
        .iter()
        .map(|figure| {
            let (kind, summary) = (figure.row.kind, figure.summary);
            let spread = summary.spread().filter(|(min, max)| min < max);
            Entry {
                name: figure.name(),
                unit: kind.unit(),
                value: summary.median,
                range: spread.map(|(min, max)| format!("{min} … {max}")),
                extra: format!(
                    "{} of {} rounds, median {}\nrun {}\n{} {}",
                    summary.n,
                    figure.planned,
                    kind.show(summary.median),
                    run.id,
                    run.suite,
                    run.variant
                )
                .trim_end()
                .to_owned(),
            }
        })
        .collect();
    write_json(ExportFormat::GithubActionBenchmark, &entries, true, out)
}
