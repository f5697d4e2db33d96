//! `bakeoff history`: runs over time.

pub(super) mod args;
mod lines;
pub(super) mod origin;
pub(super) mod show;

use std::path::Path;

use chrono::Utc;

use super::{Failure, paths, print};
use crate::history::{Added, History, Keep, PastRun};
use crate::journal;
use args::{Add, Command, Prune};

pub(super) fn history(arguments: &args::History) -> Result<(), Failure> {
    match &arguments.command {
        Command::Add(arguments) => add(arguments),
        Command::List(arguments) => show::list(arguments),
        Command::Show(arguments) => show::show(arguments),
        Command::Prune(arguments) => prune(arguments),
        Command::Export(arguments) => lines::export(arguments),
        Command::Import(arguments) => lines::import(arguments),
    }
}

fn add(arguments: &Add) -> Result<(), Failure> {
    let origin = origin::origin(&arguments.source);
    let mut runs = Vec::new();
    // All journals first: one that can't be read shall not leave half of the runs added.
    for name in &arguments.runs {
        let dir = journal::resolve(Path::new(paths::RUNS), name)?;
        let log = journal::read(&dir)?;
        if !log.is_complete() {
            return Err(Failure::UnfinishedRun(log.header.run.0));
        }
        runs.push(PastRun::of(&log, origin.clone()));
    }
    let mut history = History::open(&arguments.database.db)?;
    for run in runs {
        let added = history.add(&run)?;
        let what = match added {
            Added::New => "added",
            Added::Known => "was there already:",
        };
        let of = [("branch", &run.origin.branch), ("commit", &run.origin.commit)];
        let of: Vec<String> = of
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!(", {name} {value}"))
            .collect();
        print(&format!(
            "{what} {}{} ({} figures) in {}\n",
            run.id,
            of.concat(),
            run.metrics.len(),
            history.path().display()
        ))?;
    }
    Ok(())
}

fn prune(arguments: &Prune) -> Result<(), Failure> {
    let mut history = History::open_existing(&arguments.database.db)?;
    let keep = match (arguments.keep, arguments.older_than, &arguments.run) {
        (Some(newest), _, _) => Keep::Newest(newest),
        (_, Some(age), _) => Keep::Since(Utc::now() - age),
        (_, _, Some(run)) => Keep::AllBut(history.run(run)?.id),
        // The parser wants one of them.
        (None, None, None) => return Ok(()),
    };
    let doomed = history.prune(&keep, arguments.branch.as_deref(), arguments.dry_run)?;
    let verb = if arguments.dry_run { "would remove" } else { "removed" };
    for run in &doomed {
        print(&format!("{verb} {run}\n"))?;
    }
    if doomed.is_empty() {
        print("nothing to remove\n")?;
    }
    Ok(())
}
