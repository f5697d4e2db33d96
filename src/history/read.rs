//! What can be asked of a history.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::past::{parsed, time};
use super::{History, HistoryError, Metric, Origin, PastRun};

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this branch.
    pub branch: Option<String>,
    /// Only of this suite.
    pub suite: Option<String>,
    /// Only those that began at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only so many, the newest.
    pub limit: Option<u32>,
}

/// A run without its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// The run's id.
    pub id: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// The suite's name.
    pub suite: String,
    /// The fixture's variant; empty if it has none.
    pub variant: String,
    /// What was measured.
    pub origin: Origin,
    /// How it ended.
    pub state: String,
    /// A number that stands for its identity in this history.
    pub identity: i64,
    /// How many figures it has.
    pub metrics: u32,
}

/// Which series: one quantity of one scenario on machines that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The suite's name.
    pub suite: String,
    /// The fixture's name.
    pub fixture: String,
    /// The fixture's variant.
    pub variant: String,
    /// The branch.
    pub branch: String,
    /// What makes runs incomparable where it differs.
    pub identity: Vec<(String, String)>,
    /// The scenario's full name.
    pub scenario: String,
    /// The table's row.
    pub metric: String,
    /// `s` or `B`.
    pub unit: String,
}

/// One quantity over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Which.
    pub key: SeriesKey,
    /// Its runs, oldest first.
    pub points: Vec<Point>,
}

/// What one run measured of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The run's id.
    pub run: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// The commit; empty if nobody said.
    pub commit: String,
    /// The measured rounds and their values.
    pub rounds: Vec<(u32, f64)>,
}

impl History {
    /// The runs that it holds, newest first.
    ///
    /// # Errors
    /// If it is damaged or can't be read.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<RunHead>, HistoryError> {
        let sql = "SELECT id, started, suite, variant, commit_id, branch, state, identity,
                          (SELECT count(*) FROM point WHERE point.run = run.number)
                   FROM run
                   WHERE (?1 IS NULL OR branch = ?1) AND (?2 IS NULL OR suite = ?2) AND (?3 IS NULL OR started >= ?3)
                   ORDER BY started DESC, number DESC LIMIT ?4";
        let limit = filter.limit.map_or(-1, i64::from);
        let values = params![filter.branch, filter.suite, filter.since.map(time), limit];
        let head = |row: &Row| {
            Ok(RunHead {
                id: row.get(0)?,
                started: when(row, 1)?,
                suite: row.get(2)?,
                variant: row.get(3)?,
                origin: Origin {
                    commit: row.get(4)?,
                    branch: row.get(5)?,
                },
                state: row.get(6)?,
                identity: row.get(7)?,
                metrics: row.get(8)?,
            })
        };
        all(&self.connection, &self.path, sql, values, head)
    }

    /// The run that the user means by `name`: its id, the beginning of it, or `latest`.
    ///
    /// # Errors
    /// If there is no such run, or more than one.
    pub fn run(&self, name: &str) -> Result<PastRun, HistoryError> {
        let path = || self.path.clone();
        let unknown = || HistoryError::UnknownRun {
            path: path(),
            name: name.to_owned(),
        };
        let fitting: Vec<String> = if name == "latest" {
            let newest = Filter {
                limit: Some(1),
                ..Filter::default()
            };
            self.runs(&newest)?.into_iter().map(|run| run.id).collect()
        } else {
            let sql =
                "SELECT id FROM run WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id != ?1, started DESC LIMIT 20";
            all(&self.connection, &self.path, sql, [name], |row| row.get(0))?
        };
        match &fitting[..] {
            [] => Err(unknown()),
            [id] => run(&self.connection, &self.path, id)?.ok_or_else(unknown),
            [id, ..] if id == name => run(&self.connection, &self.path, id)?.ok_or_else(unknown),
            _ if name.is_empty() => Err(unknown()),
            _ => Err(HistoryError::Ambiguous {
                path: path(),
                name: name.to_owned(),
                runs: fitting,
            }),
        }
    }

    /// The newest `limit` points of a series, oldest first, of runs that began before `before` and came to their end; none if
    /// it has no such series.
    ///
    /// # Errors
    /// If the history is damaged or can't be read.
    pub fn series(&self, key: &SeriesKey, before: Option<DateTime<Utc>>, limit: u32) -> Result<Series, HistoryError> {
        let sql = "SELECT run.id, point.started, run.commit_id, point.rounds
                   FROM series JOIN identity ON identity.number = series.identity
                   JOIN point ON point.series = series.number JOIN run ON run.number = point.run
                   WHERE series.suite = ?1 AND series.fixture = ?2 AND series.variant = ?3 AND series.branch = ?4
                     AND identity.text = ?5 AND scenario = ?6 AND metric = ?7 AND unit = ?8
                     AND (?9 IS NULL OR point.started < ?9) AND run.state = 'complete'
                   ORDER BY point.started DESC, point.run DESC LIMIT ?10";
        let values = params![
            key.suite,
            key.fixture,
            key.variant,
            key.branch,
            super::text_of(&key.identity),
            key.scenario,
            key.metric,
            key.unit,
            before.map(time),
            limit
        ];
        let point = |row: &Row| {
            Ok(Point {
                run: row.get(0)?,
                started: when(row, 1)?,
                commit: row.get(2)?,
                rounds: json(row, 3)?,
            })
        };
        let mut points = all(&self.connection, &self.path, sql, values, point)?;
        points.reverse();
        Ok(Series {
            key: key.clone(),
            points,
        })
    }

    /// The newest run of a branch that began before this run, is of the same suite on the same kind of machine, and came to its
    /// end.
    ///
    /// # Errors
    /// If the history is damaged or can't be read.
    pub fn previous(&self, of: &PastRun, branch: &str) -> Result<Option<PastRun>, HistoryError> {
        let sql = "SELECT id FROM run JOIN identity ON identity.number = run.identity
                   WHERE suite = ?1 AND fixture = ?2 AND variant = ?3 AND branch = ?4 AND identity.text = ?5
                     AND started < ?6 AND state = 'complete'
                   ORDER BY started DESC, run.number DESC LIMIT 1";
        let identity = super::text_of(&of.identity);
        let values = params![of.suite, of.fixture, of.variant, branch, identity, time(of.started)];
        let found = all(&self.connection, &self.path, sql, values, |row| row.get::<_, String>(0))?;
        found
            .first()
            .map_or(Ok(None), |id| run(&self.connection, &self.path, id))
    }

    /// The branches that have finished runs of the same suite as this run, and how many, the most first.
    ///
    /// # Errors
    /// If the history is damaged or can't be read.
    pub fn branches(&self, of: &PastRun) -> Result<Vec<(String, u32)>, HistoryError> {
        let sql = "SELECT branch, count(*) FROM run
                   WHERE suite = ?1 AND fixture = ?2 AND variant = ?3 AND state = 'complete'
                   GROUP BY branch ORDER BY count(*) DESC, branch";
        let values = params![of.suite, of.fixture, of.variant];
        let branch = |row: &Row| Ok((row.get(0)?, row.get(1)?));
        all(&self.connection, &self.path, sql, values, branch)
    }

    /// How many runs of a branch began before this run, are of the same suite on the same kind of machine, and came to their
    /// end. That is how many points its series have, unless figures were dropped or added; to count those themselves would
    /// take reading all of them.
    ///
    /// # Errors
    /// If the history is damaged or can't be read.
    pub fn count(&self, of: &PastRun, branch: &str) -> Result<usize, HistoryError> {
        let sql = "SELECT count(*) FROM run JOIN identity ON identity.number = run.identity
                   WHERE suite = ?1 AND fixture = ?2 AND variant = ?3 AND branch = ?4 AND identity.text = ?5
                     AND started < ?6 AND state = 'complete'";
        let identity = super::text_of(&of.identity);
        let values = params![of.suite, of.fixture, of.variant, branch, identity, time(of.started)];
        let counts = all(&self.connection, &self.path, sql, values, |row| row.get::<_, i64>(0))?;
        Ok(counts
            .first()
            .and_then(|count| usize::try_from(*count).ok())
            .unwrap_or_default())
    }

    /// Which series there are of a suite and branch, in the order of the newest run's table.
    ///
    /// # Errors
    /// If the history is damaged or can't be read.
    pub fn keys(&self, filter: &Filter) -> Result<Vec<SeriesKey>, HistoryError> {
        let sql =
            "SELECT series.suite, series.fixture, series.variant, series.branch, identity.text, scenario, metric, unit
                   FROM series JOIN identity ON identity.number = series.identity
                   WHERE (?1 IS NULL OR series.branch = ?1) AND (?2 IS NULL OR series.suite = ?2)
                   ORDER BY series.number";
        let key = |row: &Row| {
            Ok(SeriesKey {
                suite: row.get(0)?,
                fixture: row.get(1)?,
                variant: row.get(2)?,
                branch: row.get(3)?,
                identity: json(row, 4)?,
                scenario: row.get(5)?,
                metric: row.get(6)?,
                unit: row.get(7)?,
            })
        };
        all(
            &self.connection,
            &self.path,
            sql,
            params![filter.branch, filter.suite],
            key,
        )
    }
}

/// A run by its whole id.
pub(super) fn run(connection: &Connection, path: &Path, id: &str) -> Result<Option<PastRun>, HistoryError> {
    let sql = "SELECT run.number, id, started, suite, fixture, variant, bakeoff, commit_id, branch, state, identity.text, drift
               FROM run JOIN identity ON identity.number = run.identity WHERE id = ?1";
    let read = |row: &Row| {
        let number: i64 = row.get(0)?;
        let run = PastRun {
            id: row.get(1)?,
            started: when(row, 2)?,
            suite: row.get(3)?,
            fixture: row.get(4)?,
            variant: row.get(5)?,
            bakeoff: row.get(6)?,
            origin: Origin {
                commit: row.get(7)?,
                branch: row.get(8)?,
            },
            state: row.get(9)?,
            identity: json(row, 10)?,
            drift: json(row, 11)?,
            metrics: Vec::new(),
        };
        Ok((number, run))
    };
    let Some((number, mut run)) = all(connection, path, sql, [id], read)?.pop() else {
        return Ok(None);
    };
    let sql = "SELECT scenario, metric, unit, place, rounds FROM point JOIN series ON series.number = point.series
               WHERE point.run = ?1 ORDER BY place";
    let metric = |row: &Row| {
        Ok(Metric {
            scenario: row.get(0)?,
            name: row.get(1)?,
            unit: row.get(2)?,
            place: row.get(3)?,
            rounds: json(row, 4)?,
        })
    };
    run.metrics = all(connection, path, sql, [number], metric)?;
    Ok(Some(run))
}

/// Every row that a question has.
pub(super) fn all<T>(
    connection: &Connection,
    path: &Path,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl FnMut(&Row) -> rusqlite::Result<T>,
) -> Result<Vec<T>, HistoryError> {
    let mut statement = connection.prepare(sql).map_err(HistoryError::of(path))?;
    let rows = statement.query_map(values, read).map_err(HistoryError::of(path))?;
    rows.collect::<Result<_, _>>().map_err(|error| match error {
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            HistoryError::Damaged {
                path: path.to_owned(),
                reason: error.to_string(),
            }
        }
        error => HistoryError::of(path)(error),
    })
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, Box::new(error)))
}

fn when(row: &Row, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let text = row.get_ref(column)?.as_str()?;
    parsed(text).ok_or_else(|| unreadable(column, format!("{text:?} is no time").into()))
}

fn unreadable(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
}
