//! What `hyperfine --export-json` writes, for the scripts and tools that read it. A command is a scenario's phase.
//!
//! The layout is that of hyperfine 1.20 (`src/benchmark/benchmark_result.rs`). Times are in seconds.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::analysis::{Report, RowKind};

use super::figures::{figures, times};
use super::{ExportError, ExportFormat, write_json};

#[derive(Serialize)]
struct Document<'r> {
    results: Vec<Benchmark<'r>>,
}

#[derive(Serialize)]
struct Benchmark<'r> {
    command: String,
    mean: f64,
    stddev: Option<f64>,
    median: f64,
    /// Always null: it is the engine that works, and what a build costs it in processor time nobody knows. 0 would be
    /// taken for a measurement.
    user: Option<f64>,
    system: Option<f64>,
    min: f64,
    max: f64,
    times: Vec<f64>,
    /// One for each time. Only what was measured has a time, so there is no other than 0.
    exit_codes: Vec<i32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'r str, &'r str>,
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<(), ExportError> {
    let figures = figures(report)?;
    let timed = figures.iter().filter(|figure| figure.row.kind == RowKind::Time);
    let results = timed.filter_map(|figure| {
        let sample = times(report, figure)?;
        let factors = figure.column.factors.iter();
        Some(Benchmark {
            command: figure.benchmark(),
            mean: sample.mean(),
            stddev: sample.standard_deviation(),
            median: figure.summary.median,
            user: None,
            system: None,
            min: figure.summary.min,
            max: figure.summary.max,
            exit_codes: vec![0; sample.points().len()],
            times: sample.points().to_vec(),
            parameters: factors.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        })
    });
    let results = results.collect();
    write_json(ExportFormat::Hyperfine, &Document { results }, true, out)
}
