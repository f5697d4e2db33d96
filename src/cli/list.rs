//! `bakeoff list`.

use std::path::Path;

use super::args::{List, ListFormat};
use super::{Failure, paths, print};
use crate::analysis::quoted;
use crate::journal::{self, Listing, RunSummary};

pub(super) fn list(arguments: &List) -> Result<(), Failure> {
    let runs = journal::list(Path::new(paths::RUNS))?;
    match arguments.format {
        ListFormat::Json => print(&json(&runs)),
        ListFormat::Terminal if runs.is_empty() => print(&format!(
            "no runs in {}; `bakeoff run scenarios/published.toml` makes one\n",
            paths::RUNS
        )),
        ListFormat::Terminal => print(&lines(&runs)),
    }
}

/// The command that goes on with an unfinished run.
fn resume(run: &RunSummary) -> Option<String> {
    run.resumable
        .then(|| format!("bakeoff run --resume {}", quoted(&run.dir.to_string_lossy())))
}

fn lines(runs: &[Listing]) -> String {
    let line = |listing: &Listing| match &listing.run {
        Ok(run) => format!(
            "{}  {}  {:<11}  {} {}, {} scenarios, {} of {} rounds  {}\n{}",
            run.id,
            run.started.format("%Y-%m-%d %H:%M"),
            run.state.name(),
            run.suite,
            run.variant,
            run.scenarios,
            run.rounds_done,
            run.rounds_planned,
            run.dir.display(),
            resume(run)
                .map(|command| format!("    go on with it: {command}\n"))
                .unwrap_or_default(),
        ),
        Err(error) => format!("{}  unreadable: {error}\n", listing.name),
    };
    runs.iter().map(line).collect()
}

fn json(runs: &[Listing]) -> String {
    let entry = |listing: &Listing| match &listing.run {
        Ok(run) => serde_json::json!({
            "id": run.id, "dir": run.dir, "suite": run.suite, "variant": run.variant, "started": run.started,
            "state": run.state.name(), "scenarios": run.scenarios, "rounds_done": run.rounds_done,
            "rounds_planned": run.rounds_planned, "resume": resume(run),
        }),
        Err(error) => serde_json::json!({ "dir": listing.dir, "error": error.to_string() }),
    };
    let entries: Vec<_> = runs.iter().map(entry).collect();
    format!("{:#}\n", serde_json::json!({ "schema": 1, "runs": entries }))
}
