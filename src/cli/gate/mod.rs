//! `bakeoff check` and `bakeoff trend`: the nightly gate and the series behind it.

mod json;
mod lines;
mod markdown;
mod words;

use std::path::Path;

use super::args::{Check, Trend as Arguments, VerdictFormat};
use super::history::origin;
use super::{Failure, paths, print};
use crate::gate::{self, Ending, Policy};
use crate::history::{Filter, History, Origin, PastRun};
use crate::journal;
use crate::suite::wildcard;

/// The exit code of a regression.
const REGRESSION: u8 = 10;
/// The exit code where not everything could be judged and that was demanded.
const INCONCLUSIVE: u8 = 11;

/// Judges a run, says what came of it, and returns the exit code.
pub(super) fn check(arguments: &Check) -> Result<u8, Failure> {
    let policy = match &arguments.policy {
        Some(path) => Policy::read(path)?,
        None => Policy::default(),
    };
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let log = journal::read(&dir)?;
    if !log.is_complete() {
        return Err(Failure::UnfinishedRun(log.header.run.0));
    }
    let branch = origin::branch(arguments.branch.as_deref());
    let run = PastRun::of(&log, Origin::default());
    // The first night has nothing to be held against, and passes.
    let db = &arguments.database.db;
    let is_there = History::is_there(db)?;
    let history = if is_there {
        History::open_existing(db)?
    } else {
        History::in_memory()?
    };
    let mut checked = gate::check(&run, &history, &branch, &policy)?;
    if !is_there {
        checked.notes.push(format!(
            "There is no history at {}: the run was held against nothing. `bakeoff history add` makes one.",
            db.display()
        ));
    }
    print(&match arguments.format {
        VerdictFormat::Json => format!("{:#}\n", json::checked(&checked)),
        VerdictFormat::Terminal => lines::checked(&checked, &arguments.database.db),
        VerdictFormat::Markdown => markdown::checked(&checked),
    })?;
    Ok(match checked.ending() {
        Ending::Regressed => REGRESSION,
        Ending::Inconclusive if arguments.require_conclusive => INCONCLUSIVE,
        Ending::Passed | Ending::Inconclusive => 0,
    })
}

/// Shows where the figures of a history have changed.
pub(super) fn trend(arguments: &Arguments) -> Result<(), Failure> {
    let history = History::open_existing(&arguments.database.db)?;
    let filter = Filter {
        branch: Some(origin::branch(arguments.branch.as_deref())),
        suite: arguments.suite.clone(),
        ..Filter::default()
    };
    let keys = history.keys(&filter)?;
    let fits = |key: &&crate::history::SeriesKey| {
        wildcard(&arguments.metric, &key.metric) && wildcard(&arguments.scenario, &key.scenario)
    };
    let since = arguments.since.map(|age| chrono::Utc::now() - age);
    let mut trends = Vec::new();
    for key in keys.iter().filter(fits) {
        let trend = gate::trend(history.series(key, None, u32::MAX)?, since, &history)?;
        if !trend.series.points.is_empty() {
            trends.push(trend);
        }
    }
    if trends.is_empty() {
        return Err(Failure::NoSeries(arguments.database.db.clone()));
    }
    print(&match arguments.format {
        VerdictFormat::Json => format!("{:#}\n", json::trends(&trends)),
        VerdictFormat::Terminal => lines::trends(&trends),
        VerdictFormat::Markdown => markdown::trends(&trends),
    })
}
