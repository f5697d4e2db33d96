//! The tables, by version. A history of an older version is brought up to date when it is opened, in one step.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::HistoryError;

/// The version of the tables, kept as SQLite's `user_version`.
pub(super) const SCHEMA: i64 = 1;

/// Tells a history from other SQLite files (`application_id`): "bake" in ASCII.
const APPLICATION: i64 = 0x6261_6b65;

/// What makes each version of the one before it.
const STEPS: [&str; 1] = ["
    CREATE TABLE identity (
        number INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE run (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        started TEXT NOT NULL,
        suite TEXT NOT NULL,
        fixture TEXT NOT NULL,
        variant TEXT NOT NULL,
        bakeoff TEXT NOT NULL,
        commit_id TEXT NOT NULL,
        branch TEXT NOT NULL,
        state TEXT NOT NULL,
        identity INTEGER NOT NULL REFERENCES identity,
        drift TEXT NOT NULL
    ) STRICT;
    CREATE INDEX run_started ON run (started);
    CREATE TABLE series (
        number INTEGER PRIMARY KEY,
        suite TEXT NOT NULL,
        fixture TEXT NOT NULL,
        variant TEXT NOT NULL,
        branch TEXT NOT NULL,
        identity INTEGER NOT NULL REFERENCES identity,
        scenario TEXT NOT NULL,
        metric TEXT NOT NULL,
        unit TEXT NOT NULL,
        UNIQUE (suite, fixture, variant, branch, identity, scenario, metric, unit)
    ) STRICT;
    CREATE TABLE point (
        series INTEGER NOT NULL REFERENCES series,
        started TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
        place INTEGER NOT NULL,
        rounds TEXT NOT NULL,
        PRIMARY KEY (series, started, run)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX point_run ON point (run);
"];

/// Makes the tables of a new file, or brings old ones up to date.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let fail = HistoryError::of(path);
    let number = |connection: &Connection, pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(HistoryError::of(path))
    };
    let is_current = |connection: &Connection| {
        Ok((
            number(connection, "application_id")?,
            number(connection, "user_version")?,
        ) == (APPLICATION, SCHEMA))
    };
    if is_current(connection)? {
        return Ok(());
    }
    // Another process may be at it: whoever comes second finds it done.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&fail)?;
    let version = number(&transaction, "user_version")?;
    let tables: i64 = transaction
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&fail)?;
    let is_ours = number(&transaction, "application_id")? == APPLICATION;
    if !is_ours && (tables > 0 || version != 0) {
        return Err(HistoryError::Foreign {
            path: path.to_owned(),
            reason: "it is another program's SQLite file".into(),
        });
    }
    if version > SCHEMA {
        return Err(HistoryError::Newer {
            path: path.to_owned(),
            schema: version,
        });
    }
    for step in &STEPS[usize::try_from(version).unwrap_or_default()..] {
        transaction.execute_batch(step).map_err(&fail)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION)
        .and_then(|()| transaction.pragma_update(None, "user_version", SCHEMA))
        .map_err(&fail)?;
    transaction.commit().map_err(&fail)
}
