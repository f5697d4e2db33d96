//! Writes runs in the formats of other tools. Each is made for one consumer and carries what that reads; what is lost on
//! the way is said in `docs/export.md`. Pure functions of the run. Not for: formats of our own, and sending anything.

mod bmf;
mod figures;
mod github_benchmark;
mod hyperfine;
mod junit;
mod otava;
mod otlp;
mod step_summary;
mod trace;

use std::io::{self, Write};

use crate::analysis::{Report, Timeline};
use crate::journal::RunLog;
use crate::units::RunId;

pub use otlp::{Batch as OtlpBatch, PATH as OTLP_PATH, batches as otlp_batches, trace_id};
pub use step_summary::LIMIT as STEP_SUMMARY_LIMIT;

/// A run, ready to be exported.
#[derive(Debug, Clone)]
pub struct ExportedRun {
    /// Its figures.
    pub report: Report,
    /// Its times.
    pub timeline: Timeline,
}

impl ExportedRun {
    /// Reads a run.
    #[must_use]
    pub fn of(log: &RunLog) -> Self {
        Self {
            report: Report::of(log),
            timeline: Timeline::of(log),
        }
    }
}

/// A format of another tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// What `hyperfine --export-json` writes.
    Hyperfine,
    /// The Bencher Metric Format.
    Bmf,
    /// What github-action-benchmark reads as `customSmallerIsBetter`.
    GithubActionBenchmark,
    /// CSV for Apache Otava: a row for each run.
    Otava,
    /// The configuration that has Otava read that CSV.
    OtavaConfig,
    /// JUnit XML.
    Junit,
    /// Markdown for a GitHub step summary.
    GithubStepSummary,
    /// The Trace Event Format of Chrome and Perfetto.
    Perfetto,
    /// OpenTelemetry spans in OTLP's JSON encoding.
    Otlp,
}

impl ExportFormat {
    /// All formats.
    pub const ALL: [Self; 9] = [
        Self::Hyperfine,
        Self::Bmf,
        Self::GithubActionBenchmark,
        Self::Otava,
        Self::OtavaConfig,
        Self::Junit,
        Self::GithubStepSummary,
        Self::Perfetto,
        Self::Otlp,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hyperfine => "hyperfine",
            Self::Bmf => "bmf",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::Otava => "otava",
            Self::OtavaConfig => "otava-config",
            Self::Junit => "junit",
            Self::GithubStepSummary => "github-step-summary",
            Self::Perfetto => "perfetto",
            Self::Otlp => "otlp",
        }
    }

    /// Whether it takes more than one run.
    #[must_use]
    pub const fn takes_several(self) -> bool {
        matches!(self, Self::Otava | Self::OtavaConfig)
    }
}

/// Why runs could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// More than one run, or none, was given to a format that takes one.
    #[error("{format} takes one run, not {count}")]
    OneRun {
        /// The format's name.
        format: &'static str,
        /// How many there were.
        count: usize,
    },
    /// The run has no figure that the format could carry.
    #[error("no phase of run {0} was measured")]
    NothingMeasured(RunId),
    /// Not a single phase of the run ended, so that a trace would be empty.
    #[error("no phase of run {0} has ended")]
    NothingHappened(RunId),
    /// One run was given twice.
    #[error("run {0} is named twice")]
    Twice(RunId),
    /// Runs of different suites, variants or machines don't make one series.
    #[error("runs {first} and {second} don't make one series: {reason}")]
    OtherSeries {
        /// The first run.
        first: RunId,
        /// The one that is different.
        second: RunId,
        /// What differs.
        reason: String,
        /// Whether only the machine or its engine differs, so that it may be allowed.
        machine: bool,
    },
    /// The document could not be put together.
    #[error("writing the {format} export")]
    Encode {
        /// The format's name.
        format: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The output could not be written to.
    #[error("writing the {format} export")]
    Write {
        /// The format's name.
        format: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Which runs may stand in one export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExportOptions {
    /// Whether runs of different machines and engines may make one series.
    pub allow_different_machine: bool,
}

/// Writes runs in a format. Returns what whoever asked for it should know: one sentence each.
///
/// # Errors
/// If the runs can't be said in that format, or the output can't be written to. Something may have been written then.
pub fn export(
    runs: &[ExportedRun],
    format: ExportFormat,
    options: ExportOptions,
    out: &mut impl Write,
) -> Result<Vec<String>, ExportError> {
    let one = || match runs {
        [run] => Ok(run),
        _ => Err(ExportError::OneRun {
            format: format.name(),
            count: runs.len(),
        }),
    };
    let mut remarks = Vec::new();
    match format {
        ExportFormat::Hyperfine => hyperfine::write(&one()?.report, out)?,
        ExportFormat::Bmf => bmf::write(&one()?.report, out)?,
        ExportFormat::GithubActionBenchmark => github_benchmark::write(&one()?.report, out)?,
        ExportFormat::Otava => remarks = otava::Table::of(runs, options)?.write(out)?,
        ExportFormat::OtavaConfig => remarks = otava::Table::of(runs, options)?.write_config(out)?,
        ExportFormat::Junit => junit::write(one()?, out)?,
        ExportFormat::GithubStepSummary => step_summary::write(&one()?.report, STEP_SUMMARY_LIMIT, out)?,
        ExportFormat::Perfetto => trace::write(one()?, out)?,
        ExportFormat::Otlp => otlp::write(one()?, out)?,
    }
    out.flush().map_err(|source| ExportError::Write {
        format: format.name(),
        source,
    })?;
    Ok(remarks)
}

/// Writes a JSON document with a line end after it.
fn write_json(
    format: ExportFormat,
    document: &impl serde::Serialize,
    pretty: bool,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    let written = if pretty {
        serde_json::to_writer_pretty(&mut *out, document)
    } else {
        serde_json::to_writer(&mut *out, document)
    };
    let format = format.name();
    written.map_err(|source| ExportError::Encode {
        format,
        source: Box::new(source),
    })?;
    out.write_all(b"\n")
        .map_err(|source| ExportError::Write { format, source })
}

#[cfg(test)]
mod tests;
