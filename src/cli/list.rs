//! `bakeoff list`.

use std::path::Path;

use super::args::{List, ListFormat};
use super::{Failure, paths, print};
use crate::journal::{self, Listing, RunState};

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

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Finished => "finished",
        RunState::Interrupted => "interrupted",
        RunState::Unfinished => "unfinished",
    }
}

fn lines(runs: &[Listing]) -> String {
    let line = |listing: &Listing| match &listing.run {
        Ok(run) => format!(
            "{}  {}  {:<11}  {} {}, {} scenarios, {} of {} rounds  {}\n",
            run.id,
            run.started.format("%Y-%m-%d %H:%M"),
            state(run.state),
            run.suite,
            run.variant,
            run.scenarios,
            run.rounds_done,
            run.rounds_planned,
            run.dir.display(),
        ),
        Err(error) => format!("{}  unreadable: {error}\n", listing.name),
    };
    runs.iter().map(line).collect()
}

fn json(runs: &[Listing]) -> String {
    let entry = |listing: &Listing| match &listing.run {
        Ok(run) => serde_json::json!({
            "id": run.id, "dir": run.dir, "suite": run.suite, "variant": run.variant, "started": run.started,
            "state": state(run.state), "scenarios": run.scenarios, "rounds_done": run.rounds_done,
            "rounds_planned": run.rounds_planned,
        }),
        Err(error) => serde_json::json!({ "dir": listing.dir, "error": error.to_string() }),
    };
    let entries: Vec<_> = runs.iter().map(entry).collect();
    format!("{:#}\n", serde_json::json!({ "schema": 1, "runs": entries }))
}
