//! Histories as JSON Lines: one run a line, for other machines and other programs.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Added, Filter, History, HistoryError, PastRun};

/// The version of the lines' format.
pub const LINES_SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    run: &'a PastRun,
}

#[derive(Deserialize)]
struct Line {
    run: PastRun,
}

impl History {
    /// Writes the runs, oldest first, and says how many.
    ///
    /// # Errors
    /// If the history can't be read, or what is written to can't be written to.
    pub fn export(&self, filter: &Filter, to: &mut dyn Write) -> Result<usize, HistoryError> {
        let mut runs = self.runs(filter)?;
        runs.reverse();
        for head in &runs {
            let run = self.run(&head.id)?;
            let line = super::text_of(&Written {
                schema: LINES_SCHEMA,
                run: &run,
            });
            writeln!(to, "{line}").map_err(|source| HistoryError::File {
                operation: "writing runs of",
                path: self.path.clone(),
                source,
            })?;
        }
        Ok(runs.len())
    }

    /// Adds the runs that lines hold, all of them or, if one is no good, none; says how many were new and how many known.
    /// `name` is what errors call the lines.
    ///
    /// # Errors
    /// If a line is not what the format says, if a run says something else than the history's, or either can't be read or
    /// written.
    pub fn import(&mut self, from: &mut dyn BufRead, name: &Path) -> Result<(usize, usize), HistoryError> {
        self.write(|transaction, path| {
            let (mut new, mut known) = (0, 0);
            for (line, number) in from.lines().zip(1..) {
                let line = line.map_err(|source| HistoryError::File {
                    operation: "reading",
                    path: name.to_owned(),
                    source,
                })?;
                if line.trim().is_empty() {
                    continue;
                }
                let run = run_of(&line).map_err(|reason| HistoryError::Line {
                    path: name.to_owned(),
                    line: number,
                    reason,
                })?;
                match super::add(transaction, path, &run)? {
                    Added::New => new += 1,
                    Added::Known => known += 1,
                }
            }
            Ok((new, known))
        })
    }
}

/// The run of a line, if it is one that a history may hold.
fn run_of(line: &str) -> Result<PastRun, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let schema = serde_json::from_str::<Schema>(line)
        .map_err(|error| error.to_string())?
        .schema;
    if schema != LINES_SCHEMA {
        return Err(format!("schema {schema}; this bakeoff knows {LINES_SCHEMA}"));
    }
    let Line { run } = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if run.id.is_empty() {
        return Err("the run has no id".into());
    }
    for (index, metric) in run.metrics.iter().enumerate() {
        let what = format!("{} of {}", metric.name, metric.scenario);
        if metric.rounds.is_empty() {
            return Err(format!("{what} has no round"));
        }
        if metric
            .rounds
            .iter()
            .any(|(_, value)| !value.is_finite() || *value < 0.0)
        {
            return Err(format!("{what} has a value that is negative or no number"));
        }
        let is_same = |other: &super::Metric| {
            (&other.scenario, &other.name, &other.unit) == (&metric.scenario, &metric.name, &metric.unit)
        };
        if run.metrics[..index].iter().any(is_same) {
            return Err(format!("{what} is there twice"));
        }
    }
    Ok(run)
}
