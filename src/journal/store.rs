//! Where runs lie: lists them and finds one by what the user calls it. Reads only the first and the last records of
//! each journal, so a list of many runs is quick. Not for: reading a run (see `reader`).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::reader::Lines;
use super::tail::{self, Progress};
use super::{FILE_NAME, JournalError};
use crate::runner::event::{Round, RunHeader, TrialKey};
use crate::units::RunId;

/// A run's folder, readable or not.
#[derive(Debug)]
pub struct Listing {
    /// The folder.
    pub dir: PathBuf,
    /// The folder's name; the run's id unless the user chose another.
    pub name: String,
    /// The run, or why it can't be read.
    pub run: Result<RunSummary, JournalError>,
}

/// What a list shows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The run's id.
    pub id: RunId,
    /// Its folder.
    pub dir: PathBuf,
    /// The suite's name.
    pub suite: String,
    /// The fixture's variant; empty if it has none.
    pub variant: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// Whether it came to its end.
    pub state: RunState,
    /// Whether `bakeoff run --resume` can go on with it.
    pub resumable: bool,
    /// The number of scenarios.
    pub scenarios: usize,
    /// Measured rounds of which every trial was finished.
    pub rounds_done: u32,
    /// Measured rounds planned.
    pub rounds_planned: u32,
}

/// Whether a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It did.
    Finished,
    /// The user stopped it.
    Interrupted,
    /// It has no end: it died.
    Unfinished,
    /// A process measures it.
    Running,
}

impl RunState {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Unfinished => "unfinished",
            Self::Running => "running",
        }
    }
}

/// The runs below `root`, newest first; none if there is no such folder. A folder counts as a run if it holds a
/// journal or is named like a run. Damage in the middle of a journal is not seen here.
///
/// # Errors
/// If `root` can't be read. A run that can't be read is listed with its error.
pub fn list(root: &Path) -> Result<Vec<Listing>, JournalError> {
    let failed = |source| JournalError::File {
        operation: "list the runs in",
        path: root.to_owned(),
        source,
    };
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut listings = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // Links are left out: what they lead to would be listed twice.
        if !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        let (dir, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if dir.join(FILE_NAME).exists() || time_in_name(&name).is_some() {
            let run = summarise(&dir);
            listings.push(Listing { dir, name, run });
        }
    }
    listings.sort_by_cached_key(|listing| {
        let started = match &listing.run {
            Ok(run) => Some(run.started),
            Err(_) => time_in_name(&listing.name),
        };
        std::cmp::Reverse((started, listing.name.clone()))
    });
    Ok(listings)
}

/// The folder of the run that the user means by `name`: `latest` (the newest that has begun to measure), a folder
/// that holds a journal, the journal itself, a run's id or the beginning of one.
///
/// # Errors
/// If there is no such run, or more than one; if `root` can't be read. `latest` does not look past a run that can't
/// be read, because the report would then be of another run than the reader thinks.
pub fn resolve(root: &Path, name: &str) -> Result<PathBuf, JournalError> {
    if name == "latest" {
        return latest(root);
    }
    let path = Path::new(name);
    if !name.is_empty() {
        if path.file_name().is_some_and(|file| file == FILE_NAME) && path.is_file() {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            return Ok(dir.unwrap_or(Path::new(".")).to_owned());
        }
        if path.join(FILE_NAME).is_file() {
            return Ok(path.to_owned());
        }
    }
    let runs = list(root)?;
    if let Some(run) = runs.iter().find(|run| names(run).any(|known| known == name)) {
        return Ok(run.dir.clone());
    }
    let fits = |run: &&Listing| !name.is_empty() && names(run).any(|known| known.starts_with(name));
    let fitting: Vec<&Listing> = runs.iter().filter(fits).collect();
    match fitting[..] {
        [run] => Ok(run.dir.clone()),
        [] if path.is_dir() || path.components().count() > 1 => Err(JournalError::Missing { dir: path.to_owned() }),
        [] if runs.is_empty() => Err(JournalError::NoRuns { root: root.to_owned() }),
        [] => {
            let similar = similar(&runs, name);
            Err(JournalError::UnknownRun {
                name: name.to_owned(),
                root: root.to_owned(),
                similar,
            })
        }
        _ => Err(JournalError::Ambiguous {
            name: name.to_owned(),
            candidates: fitting.iter().map(|run| run.name.clone()).collect(),
        }),
    }
}

fn latest(root: &Path) -> Result<PathBuf, JournalError> {
    let begun = |run: &Listing| {
        !matches!(
            run.run,
            Err(JournalError::NoHeader { .. } | JournalError::Missing { .. })
        )
    };
    let newest = list(root)?.into_iter().find(begun);
    newest
        .map(|run| run.dir)
        .ok_or_else(|| JournalError::NoRuns { root: root.to_owned() })
}

/// What a run may be called: its folder's name and its id.
fn names(listing: &Listing) -> impl Iterator<Item = &str> {
    let id = listing.run.as_ref().ok().map(|run| run.id.0.as_str());
    std::iter::once(listing.name.as_str()).chain(id)
}

/// Up to three runs that the user may have meant: those that hold the name somewhere, then those a few typing errors
/// away.
fn similar(runs: &[Listing], name: &str) -> Vec<String> {
    /// More than this many errors are another name.
    const ERRORS: usize = 3;
    let length = name.chars().count();
    let errors = |known: &str| {
        let beginning: String = known.chars().take(length).collect();
        if known.contains(name) {
            0
        } else {
            strsim::damerau_levenshtein(known, name).min(strsim::damerau_levenshtein(&beginning, name))
        }
    };
    let distance = |run: &Listing| {
        names(run)
            .map(errors)
            .min()
            // A short name is so few errors away from anything that it would suggest everything.
            .filter(|errors| length > 0 && *errors <= ERRORS.min(length / 3))
    };
    let mut similar: Vec<(usize, &str)> = runs
        .iter()
        .filter_map(|run| distance(run).map(|distance| (distance, run.name.as_str())))
        .collect();
    similar.sort_by_key(|(distance, _)| *distance);
    similar.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The start in a run's id: `20261121-113000-1f3a`.
fn time_in_name(name: &str) -> Option<DateTime<Utc>> {
    let time = name.get(..15)?;
    NaiveDateTime::parse_from_str(time, "%Y%m%d-%H%M%S")
        .ok()
        .map(|time| time.and_utc())
}

fn summarise(dir: &Path) -> Result<RunSummary, JournalError> {
    let mut lines = Lines::open(dir)?;
    let header = lines.header()?;
    let can_go_on = lines.can_go_on(&header);
    let (mut file, first) = lines.into_rest();
    let Progress { last_trial, end } = tail::progress(&mut file, first).map_err(|source| JournalError::File {
        operation: "read",
        path: dir.join(FILE_NAME),
        source,
    })?;
    let state = match end {
        Some(end) if end.interrupted => RunState::Interrupted,
        Some(_) => RunState::Finished,
        None if is_held(&file) => RunState::Running,
        None => RunState::Unfinished,
    };
    Ok(RunSummary {
        resumable: can_go_on && matches!(state, RunState::Interrupted | RunState::Unfinished),
        rounds_done: last_trial.map_or(0, |trial| rounds_done(&header, &trial)),
        id: header.run,
        dir: dir.to_owned(),
        suite: header.suite,
        variant: header.variant,
        started: header.started,
        state,
        scenarios: header.scenarios.len(),
        rounds_planned: header.rounds,
    })
}

/// Whether a process writes to the journal: it holds the lock.
fn is_held(file: &fs::File) -> bool {
    matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
}

/// Measured rounds that were complete when `last` was finished. Trials run in the order of the first record, so all
/// before it were finished too.
fn rounds_done(header: &RunHeader, last: &TrialKey) -> u32 {
    let Round::Measured(current) = last.round else {
        return 0;
    };
    let after = header.order.iter().skip_while(|trial| *trial != last).skip(1);
    let complete = header.order.contains(last) && !after.into_iter().any(|trial| trial.round == last.round);
    if complete { current } else { current.saturating_sub(1) }
}

#[cfg(test)]
mod tests;
