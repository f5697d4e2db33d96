//! `bakeoff history list` and `bakeoff history show`.

use super::args::{List, Show};
use crate::cli::args::ListFormat;
use crate::cli::{Failure, print};
use crate::history::{Filter, History, Metric, PastRun, RunHead};
use crate::stats::{Sample, Summary};
use crate::units::{Bytes, Nanos};

/// Digits of a commit that people know it by.
const SHORT: usize = 12;

pub(super) fn list(arguments: &List) -> Result<(), Failure> {
    let history = History::open_existing(&arguments.database.db)?;
    let runs = history.runs(&Filter {
        branch: arguments.branch.clone(),
        suite: arguments.suite.clone(),
        since: None,
        limit: arguments.limit,
    })?;
    if arguments.format == ListFormat::Json {
        let entry = |run: &RunHead| {
            serde_json::json!({
                "id": run.id, "started": run.started, "suite": run.suite, "variant": run.variant,
                "branch": run.origin.branch, "commit": run.origin.commit, "state": run.state,
                "identity": run.identity, "metrics": run.metrics,
            })
        };
        let runs: Vec<_> = runs.iter().map(entry).collect();
        return print(&format!("{:#}\n", serde_json::json!({ "schema": 1, "runs": runs })));
    }
    if runs.is_empty() {
        return print(&format!("no such runs in {}\n", history.path().display()));
    }
    let lines: String = runs.iter().map(line).collect();
    print(&lines)
}

fn line(run: &RunHead) -> String {
    let words = [
        run.id.clone(),
        run.started.format("%Y-%m-%d %H:%M").to_string(),
        format!("{} {}", run.suite, run.variant).trim_end().to_owned(),
        run.origin.branch.clone(),
        run.origin.commit.chars().take(SHORT).collect(),
        format!("{} figures, machine {}", run.metrics, run.identity),
    ];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join("  ") + "\n"
}

pub(super) fn show(arguments: &Show) -> Result<(), Failure> {
    let history = History::open_existing(&arguments.database.db)?;
    let run = history.run(&arguments.run)?;
    if arguments.format == ListFormat::Json {
        return print(&format!("{:#}\n", serde_json::json!({ "schema": 1, "run": run })));
    }
    print(&lines(&run))
}

fn lines(run: &PastRun) -> String {
    let mut text = format!(
        "run {}, {}; suite {}, fixture {} {}; bakeoff {}; branch {}, commit {}\n",
        run.id,
        run.started.format("%Y-%m-%d %H:%M UTC"),
        run.suite,
        run.fixture,
        run.variant,
        run.bakeoff,
        said(&run.origin.branch),
        said(&run.origin.commit),
    );
    for (title, values) in [("machine", &run.identity), ("may drift", &run.drift)] {
        let values: Vec<String> = values
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        text.push_str(&format!("{title}: {}\n", values.join(", ")));
    }
    let width = |of: &dyn Fn(&Metric) -> usize| run.metrics.iter().map(of).max().unwrap_or_default();
    let scenario = width(&|metric| metric.scenario.chars().count());
    let name = width(&|metric| metric.name.chars().count());
    text.push('\n');
    for metric in &run.metrics {
        text.push_str(&format!(
            "{:scenario$}  {:name$}  {}\n",
            metric.scenario,
            metric.name,
            figure(metric)
        ));
    }
    text
}

fn said(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn figure(metric: &Metric) -> String {
    let values = metric.rounds.iter().map(|(_, value)| *value).collect();
    let Ok(sample) = Sample::new(values) else {
        return String::new();
    };
    let Summary {
        n, median, min, max, ..
    } = Summary::of(&sample);
    let of = |value: f64| value_of(&metric.unit, value);
    if n == 1 {
        of(median)
    } else {
        format!("{} ({}–{}, {n} rounds)", of(median), of(min), of(max))
    }
}

/// A value of a history for people.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are whole and not negative"
)]
pub(in crate::cli) fn value_of(unit: &str, value: f64) -> String {
    match unit {
        "s" => Nanos::from_seconds(value).to_string(),
        "B" => Bytes(value.round() as u64).to_string(),
        other => format!("{value} {other}"),
    }
}
