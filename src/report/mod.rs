//! Lays a [`Report`] out: for a terminal, as Markdown, CSV, JSON or an HTML page. Pure functions of the report, so
//! the same run always gives the same bytes. Not for: computing any number that is shown.

mod attribution;
mod charts;
mod compare;
mod csv;
mod downloads;
mod explain;
pub mod export;
mod html;
mod json;
mod layers;
mod markdown;
mod moved;
mod terminal;
mod text;
mod travelled;

use std::io::Write;

use crate::analysis::Report;

pub use compare::{compare, percent};
pub use explain::explain;
pub(crate) use markdown::escaped;
pub use moved::explain_moved;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The output could not be written to.
    #[error("writing the {format} report")]
    Write {
        /// The format's name.
        format: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A CSV record could not be written.
    #[error("writing the csv report")]
    Csv(#[source] ::csv::Error),
    /// The JSON document could not be written.
    #[error("writing the json report")]
    Json(#[source] serde_json::Error),
    /// A chart could not be drawn.
    #[error("drawing the chart of {phase}: {reason}")]
    Chart {
        /// The phase.
        phase: String,
        /// What the drawing library said.
        reason: String,
    },
}

/// How a report is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A table for people at a terminal.
    Terminal,
    /// GitHub's Markdown.
    Markdown,
    /// The long form: one record per phase and round.
    Csv,
    /// For programs; has a schema number.
    Json,
    /// One page without outside files.
    Html,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Terminal, Self::Markdown, Self::Csv, Self::Json, Self::Html];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The name of the file in a run's folder: `report.md`.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Terminal => "report.txt",
            Self::Markdown => "report.md",
            Self::Csv => "report.csv",
            Self::Json => "report.json",
            Self::Html => "report.html",
        }
    }
}

/// What the terminal can do. The other formats ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether to use colours.
    pub color: bool,
    /// The columns that there are; `None` for as many as it takes.
    pub width: Option<u16>,
}

/// Writes a report.
///
/// # Errors
/// If the output can't be written to or a chart can't be drawn.
pub fn render(report: &Report, format: Format, style: Style, out: &mut impl Write) -> Result<(), ReportError> {
    let written = match format {
        Format::Terminal => terminal::write(report, style, out),
        Format::Markdown => markdown::write(report, out),
        Format::Html => out.write_all(html::page(report)?.as_bytes()),
        Format::Csv => return csv::write(report, out),
        Format::Json => return json::write(report, out),
    };
    written.and_then(|()| out.flush()).map_err(|source| ReportError::Write {
        format: format.name(),
        source,
    })
}

#[cfg(test)]
mod tests;
