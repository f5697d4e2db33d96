//! The long form as CSV (RFC 4180): one record per phase and round, warm-ups included; nothing is averaged.

use std::io::Write;

use crate::analysis::{RawRow, Report};
use crate::runner::event::Round;

use super::ReportError;

const BEFORE_FACTORS: [&str; 6] = ["run", "suite", "variant", "role", "round", "position"];
const AFTER_FACTORS: [&str; 8] = [
    "builder",
    "phase",
    "kind",
    "outcome",
    "seconds",
    "image_bytes",
    "compressed_bytes",
    "new_bytes",
];
/// Only of runs with a mirror.
const DOWNLOADED: &str = "downloaded_bytes";
/// Only of runs that were gone on with.
const SEAMS: &str = "seams_before";
const LAST: [&str; 3] = ["cached_steps", "steps", "message"];

/// Writes the records. A factor becomes a column `factor.NAME`, empty where it does not matter to a scenario.
///
/// # Errors
/// If the output can't be written to.
pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<(), ReportError> {
    let factors = factors(report);
    let mut writer = ::csv::Writer::from_writer(&mut *out);
    let mut head: Vec<String> = BEFORE_FACTORS.map(String::from).to_vec();
    head.push("scenario".into());
    head.extend(factors.iter().map(|factor| format!("factor.{factor}")));
    head.extend(AFTER_FACTORS.map(String::from));
    let mirrored = report.raw.iter().any(|row| row.downloaded.is_some());
    head.extend(mirrored.then(|| DOWNLOADED.to_owned()));
    let resumed = !report.run.seams.is_empty();
    head.extend(resumed.then(|| SEAMS.to_owned()));
    head.extend(LAST.map(String::from));
    writer.write_record(&head).map_err(ReportError::Csv)?;
    for row in &report.raw {
        writer
            .write_record(record(report, row, &factors, mirrored))
            .map_err(ReportError::Csv)?;
    }
    writer
        .flush()
        .map_err(|source| ReportError::Write { format: "csv", source })
}

/// The names of all factors, in the order in which the scenarios first have them.
fn factors(report: &Report) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in report.columns.iter().flat_map(|column| &column.factors) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn record(report: &Report, row: &RawRow, factors: &[&str], mirrored: bool) -> Vec<String> {
    let (role, round) = match row.round {
        Round::Warmup(n) => ("warm-up", n),
        Round::Measured(n) => ("measured", n),
    };
    let run = &report.run;
    let mut record = vec![
        run.id.0.clone(),
        run.suite.clone(),
        run.variant.clone(),
        role.into(),
        round.to_string(),
        optional(row.position),
        row.scenario.clone(),
    ];
    record.extend(factors.iter().map(|factor| {
        row.factors
            .iter()
            .find(|(name, _)| name == factor)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    }));
    record.extend([
        row.builder.clone(),
        row.phase.clone(),
        row.kind.clone(),
        row.outcome.into(),
        optional(row.wall.map(crate::units::Nanos::seconds)),
        optional(row.image_size.map(|size| size.0)),
        optional(row.compressed.map(|size| size.0)),
        optional(row.new_bytes.map(|size| size.0)),
    ]);
    record.extend(mirrored.then(|| optional(row.downloaded.map(|size| size.0))));
    record.extend((!run.seams.is_empty()).then(|| row.seams.to_string()));
    record.extend([optional(row.cached_steps), optional(row.steps), row.message.clone()]);
    record
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
