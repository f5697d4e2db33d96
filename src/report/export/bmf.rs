//! The Bencher Metric Format, version 0: `{"benchmark": {"measure": {"value", "lower_value", "upper_value"}}}`.
//!
//! `latency` is Bencher's built-in measure of time, in nanoseconds; sizes are measures of their own, in bytes.

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::analysis::{Report, RowKind};

use super::figures::figures;
use super::{ExportError, ExportFormat, write_json};

/// Median, smallest and largest value; one round has no bounds.
#[derive(Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

pub(super) fn write(report: &Report, out: &mut impl Write) -> Result<(), ExportError> {
    // A project of Bencher's may hold many suites, and the same scenario in two variants is not the same benchmark.
    let run = &report.run;
    let prefix = if run.variant.is_empty() {
        run.suite.clone()
    } else {
        format!("{}/{}", run.suite, run.variant)
    };
    let mut document = Map::new();
    for figure in figures(report)? {
        let (measure, scale) = measure(figure.row.kind);
        let summary = figure.summary;
        let scaled = |value: f64| {
            let scaled = value * scale;
            // A journal holds whole nanoseconds and bytes; what is not whole is a median of two or an error of the scale.
            (scaled * 2.0).round() / 2.0
        };
        let spread = summary.spread();
        let metric = Metric {
            value: scaled(summary.median),
            lower_value: spread.map(|(min, _)| scaled(min)),
            upper_value: spread.map(|(_, max)| scaled(max)),
        };
        let metric = serde_json::to_value(metric).map_err(|source| ExportError::Encode {
            format: ExportFormat::Bmf.name(),
            source: Box::new(source),
        })?;
        let benchmark = document
            .entry(format!("{prefix}/{}", figure.benchmark()))
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(measures) = benchmark {
            measures.insert(measure.to_owned(), metric);
        }
    }
    write_json(ExportFormat::Bmf, &document, true, out)
}

/// The slug of a measure, and what brings a row's unit to the measure's.
const fn measure(kind: RowKind) -> (&'static str, f64) {
    match kind {
        RowKind::Time => ("latency", 1e9),
        RowKind::Downloaded | RowKind::ImageSize | RowKind::CompressedSize | RowKind::NewBytes => (kind.name(), 1.0),
    }
}
