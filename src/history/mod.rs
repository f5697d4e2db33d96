//! Runs over time, in one SQLite file: what each run measured, on what machine, of which commit. Not for: judging any of it
//! (that is the gate's), or keeping all that a journal says.

mod error;
mod lines;
mod past;
mod prune;
mod read;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

pub use error::HistoryError;
pub use lines::LINES_SCHEMA;
pub use past::{Metric, Origin, PastRun};
pub use prune::Keep;
pub use read::{Filter, Point, RunHead, Series, SeriesKey};

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A history in a file.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
}

/// What became of a run that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// The history holds it already, and says the same of it.
    Known,
}

impl History {
    /// Opens the history in a file, which is made if there is none, and brought up to date if it is of an older bakeoff.
    ///
    /// # Errors
    /// If it is no history, one of a newer bakeoff, damaged, or can't be written.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a history that is there.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if there is no such file.
    pub fn open_existing(path: &Path) -> Result<Self, HistoryError> {
        if !Self::is_there(path)? {
            return Err(HistoryError::Absent { path: path.to_owned() });
        }
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    /// If that can't be found out, as in a folder that may not be looked into.
    pub fn is_there(path: &Path) -> Result<bool, HistoryError> {
        path.try_exists().map_err(|source| HistoryError::File {
            operation: "looking for",
            path: path.to_owned(),
            source,
        })
    }

    /// An empty history that is kept nowhere.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn in_memory() -> Result<Self, HistoryError> {
        Self::connect(Path::new(":memory:"), OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, HistoryError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && flags.contains(OpenFlags::SQLITE_OPEN_CREATE)
        {
            std::fs::create_dir_all(folder).map_err(|source| HistoryError::File {
                operation: "making the folder",
                path: folder.to_owned(),
                source,
            })?;
        }
        let fail = HistoryError::of(path);
        // The default rollback journal and not a write-ahead log: that one needs shared memory, which a file on a network
        // file system does not have.
        let mut connection = Connection::open_with_flags(path, flags).map_err(&fail)?;
        connection.busy_timeout(PATIENCE).map_err(&fail)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(&fail)?;
        schema::migrate(&mut connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a run, whole or not at all.
    ///
    /// # Errors
    /// If the history holds another run of that id, or can't be written.
    pub fn add(&mut self, run: &PastRun) -> Result<Added, HistoryError> {
        self.write(|transaction, path| add(transaction, path, run))
    }

    /// Does something to the history as one step: all of it or, if it fails or the process dies, none.
    fn write<T>(
        &mut self,
        doing: impl FnOnce(&Transaction, &Path) -> Result<T, HistoryError>,
    ) -> Result<T, HistoryError> {
        let fail = HistoryError::of(&self.path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&fail)?;
        let done = doing(&transaction, &self.path)?;
        transaction.commit().map_err(&fail)?;
        Ok(done)
    }
}

fn add(transaction: &Transaction, path: &Path, run: &PastRun) -> Result<Added, HistoryError> {
    let fail = HistoryError::of(path);
    if let Some(known) = read::run(transaction, path, &run.id)? {
        return if known == *run {
            Ok(Added::Known)
        } else {
            Err(HistoryError::Differs {
                path: path.to_owned(),
                run: run.id.clone(),
            })
        };
    }
    let identity = text_of(&run.identity);
    transaction
        .execute("INSERT OR IGNORE INTO identity (text) VALUES (?1)", [&identity])
        .map_err(&fail)?;
    let identity: i64 = transaction
        .query_row("SELECT number FROM identity WHERE text = ?1", [&identity], |row| {
            row.get(0)
        })
        .map_err(&fail)?;
    let origin = &run.origin;
    transaction
        .execute(
            "INSERT INTO run (id, started, suite, fixture, variant, bakeoff, commit_id, branch, state, identity, drift)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                run.id,
                past::time(run.started),
                run.suite,
                run.fixture,
                run.variant,
                run.bakeoff,
                origin.commit,
                origin.branch,
                run.state,
                identity,
                text_of(&run.drift),
            ],
        )
        .map_err(&fail)?;
    let number = transaction.last_insert_rowid();
    for metric in &run.metrics {
        let of_series = params![
            run.suite,
            run.fixture,
            run.variant,
            origin.branch,
            identity,
            metric.scenario,
            metric.name,
            metric.unit
        ];
        transaction
            .execute(
                "INSERT OR IGNORE INTO series (suite, fixture, variant, branch, identity, scenario, metric, unit)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                of_series,
            )
            .map_err(&fail)?;
        transaction
            .execute(
                "INSERT INTO point (series, started, run, place, rounds)
                 SELECT number, ?9, ?10, ?11, ?12 FROM series
                 WHERE suite = ?1 AND fixture = ?2 AND variant = ?3 AND branch = ?4 AND identity = ?5
                   AND scenario = ?6 AND metric = ?7 AND unit = ?8",
                params![
                    run.suite,
                    run.fixture,
                    run.variant,
                    origin.branch,
                    identity,
                    metric.scenario,
                    metric.name,
                    metric.unit,
                    past::time(run.started),
                    number,
                    metric.place,
                    text_of(&metric.rounds),
                ],
            )
            .map_err(&fail)?;
    }
    Ok(Added::New)
}

/// Lists of names, texts and numbers as JSON, which they always can be.
fn text_of<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
