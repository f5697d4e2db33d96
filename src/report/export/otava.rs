//! CSV for Apache Otava, which finds change points: a row for each run, a column for each figure; and the configuration
//! that has Otava read it.
//!
//! Otava takes any text that Python's `float` takes for a figure, but one `nan` in a column keeps it from finding anything
//! there. So there are no gaps: the columns are those of the newest run, and a run that lacks one of them is left out.

use std::io::Write;

use crate::analysis::Report;

use super::figures::{Figure, figures};
use super::{ExportError, ExportFormat, ExportOptions, ExportedRun};

/// The name of the file that the configuration names.
const FILE: &str = "bakeoff.csv";
/// The columns before the figures: the time, and what is shown beside a change point.
const TIME: &str = "time";
const ATTRIBUTES: [&str; 6] = ["run", "bakeoff", "engine", "kernel", "recording", "seed"];

/// The runs of a series, oldest first, and the figures that they all have.
pub(super) struct Table<'r> {
    columns: Vec<String>,
    rows: Vec<(&'r Report, Vec<f64>)>,
    remarks: Vec<String>,
}

impl<'r> Table<'r> {
    pub fn of(runs: &'r [ExportedRun], options: ExportOptions) -> Result<Self, ExportError> {
        let mut reports: Vec<&Report> = runs.iter().map(|run| &run.report).collect();
        reports.sort_by(|a, b| (a.run.started, &a.run.id).cmp(&(b.run.started, &b.run.id)));
        let Some(newest) = reports.last().copied() else {
            return Err(ExportError::OneRun {
                format: ExportFormat::Otava.name(),
                count: 0,
            });
        };
        if let Some(pair) = reports.windows(2).find(|pair| pair[0].run.id == pair[1].run.id) {
            return Err(ExportError::Twice(pair[0].run.id.clone()));
        }
        for report in &reports {
            require_series(report, newest, options)?;
        }
        let columns: Vec<String> = figures(newest)?.iter().map(column).collect();
        let mut remarks = Vec::new();
        let mut rows = Vec::new();
        for report in reports {
            // A night on which nothing worked is no reason to look at no night.
            let Ok(figures) = figures(report) else {
                remarks.push(format!(
                    "run {} is left out, because nothing in it was measured",
                    report.run.id
                ));
                continue;
            };
            let own: Vec<(String, f64)> = figures
                .iter()
                .map(|figure| (column(figure), figure.summary.median))
                .collect();
            let value = |name: &String| own.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
            let Some(values) = columns.iter().map(value).collect::<Option<Vec<f64>>>() else {
                let missing: Vec<&str> = columns
                    .iter()
                    .filter(|name| value(name).is_none())
                    .map(String::as_str)
                    .collect();
                remarks.push(format!(
                    "run {} is left out, because it has no figure of {}",
                    report.run.id,
                    missing.join("; ")
                ));
                continue;
            };
            let more = own.iter().filter(|(name, _)| !columns.contains(name)).count();
            if more > 0 {
                remarks.push(format!(
                    "{more} figures of run {} are left out, because the newest run does not have them",
                    report.run.id
                ));
            }
            rows.push((report, values));
        }
        Ok(Self { columns, rows, remarks })
    }

    /// Writes the CSV (RFC 4180).
    pub fn write(self, out: &mut impl Write) -> Result<Vec<String>, ExportError> {
        let format = ExportFormat::Otava.name();
        let failed = |source: ::csv::Error| ExportError::Encode {
            format,
            source: Box::new(source),
        };
        let mut writer = ::csv::Writer::from_writer(&mut *out);
        let head = std::iter::once(TIME)
            .chain(ATTRIBUTES)
            .chain(self.columns.iter().map(String::as_str));
        writer.write_record(head).map_err(failed)?;
        for (report, values) in &self.rows {
            let run = &report.run;
            let drift = &report.environment.drift;
            let mut record = vec![
                run.started.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                run.id.0.clone(),
                run.bakeoff_version.clone(),
                drift.engine_version.clone(),
                drift.kernel.clone(),
                drift.recording.clone(),
                run.seed.to_string(),
            ];
            record.extend(values.iter().map(f64::to_string));
            writer.write_record(&record).map_err(failed)?;
        }
        writer.flush().map_err(|source| ExportError::Write { format, source })?;
        drop(writer);
        Ok(self.remarks)
    }

    /// Writes the configuration (YAML, of which JSON's strings are a part).
    pub fn write_config(self, out: &mut impl Write) -> Result<Vec<String>, ExportError> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let newest = self.rows.last().map(|(report, _)| &report.run);
        let name = newest.map_or_else(String::new, |run| {
            let parts = [run.suite.as_str(), run.variant.as_str()];
            parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("-")
        });
        let mut text = format!(
            "# Where {FILE} lies: bakeoff export RUN... --to otava --output {FILE}\n\
             tests:\n  {}:\n    type: csv\n    file: {FILE}\n    time_column: {TIME}\n    attributes: [{}]\n    metrics:\n",
            quoted(&name),
            ATTRIBUTES.join(", ")
        );
        for column in &self.columns {
            // The smaller the better, all of them.
            text.push_str(&format!("      {}: {{direction: -1}}\n", quoted(column)));
        }
        out.write_all(text.as_bytes()).map_err(|source| ExportError::Write {
            format: ExportFormat::OtavaConfig.name(),
            source,
        })?;
        Ok(self.remarks)
    }
}

/// The name of a figure's column. It has no comma: Otava's `--metrics` takes a list with commas.
fn column(figure: &Figure) -> String {
    figure.name().replace(", ", " ").replace(',', "+")
}

/// Refuses a run that does not measure what the other does.
fn require_series(report: &Report, newest: &Report, options: ExportOptions) -> Result<(), ExportError> {
    let other = |reason: String, machine: bool| ExportError::OtherSeries {
        first: report.run.id.clone(),
        second: newest.run.id.clone(),
        reason,
        machine,
    };
    let (a, b) = (&report.run, &newest.run);
    for (what, a, b) in [
        ("suite", &a.suite, &b.suite),
        ("fixture", &a.fixture, &b.fixture),
        ("variant", &a.variant, &b.variant),
    ] {
        if a != b {
            return Err(other(format!("{what}: {a:?} and {b:?}"), false));
        }
    }
    if options.allow_different_machine {
        return Ok(());
    }
    let identity = |report: &Report| report.environment.identity.named();
    let (a, b) = (identity(report), identity(newest));
    let differs = a.iter().zip(&b).find(|(a, b)| a != b);
    differs.map_or(Ok(()), |((what, a), (_, b))| {
        Err(other(format!("{what}: {a:?} and {b:?}"), true))
    })
}
