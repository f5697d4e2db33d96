//! Removes runs from a history.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::past::time;
use super::{History, HistoryError, read};

/// Which runs a history keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The newest so many of each branch and suite.
    Newest(u32),
    /// Those that began at this time or later.
    Since(DateTime<Utc>),
    /// All but this one, by its whole id.
    AllBut(String),
}

impl History {
    /// Removes what is not kept, only on one branch if there is one named, and says which runs that were, oldest first. With
    /// `dry` it only says so.
    ///
    /// # Errors
    /// If the history can't be written.
    pub fn prune(&mut self, keep: &Keep, branch: Option<&str>, dry: bool) -> Result<Vec<String>, HistoryError> {
        let (newest, since, run) = match keep {
            Keep::Newest(newest) => (Some(*newest), None, None),
            Keep::Since(since) => (None, Some(time(*since)), None),
            Keep::AllBut(run) => (None, None, Some(run)),
        };
        self.write(|transaction, path| {
            let fail = HistoryError::of(path);
            let sql = "SELECT number, id FROM (
                           SELECT number, id, started, row_number() OVER (
                               PARTITION BY branch, suite, fixture, variant ORDER BY started DESC, number DESC) AS age, branch
                           FROM run)
                       WHERE (?1 IS NULL OR age > ?1) AND (?2 IS NULL OR started < ?2) AND (?3 IS NULL OR id = ?3)
                         AND (?4 IS NULL OR branch = ?4)
                       ORDER BY started, number";
            let doomed = read::all(transaction, path, sql, params![newest, since, run, branch], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?;
            if !dry {
                for (number, _) in &doomed {
                    // Their points go with them.
                    transaction
                        .execute("DELETE FROM run WHERE number = ?1", [number])
                        .map_err(&fail)?;
                }
                transaction
                    .execute_batch(
                        "DELETE FROM series WHERE number NOT IN (SELECT series FROM point);
                         DELETE FROM identity WHERE number NOT IN (SELECT identity FROM run)
                                                AND number NOT IN (SELECT identity FROM series);",
                    )
                    .map_err(&fail)?;
            }
            Ok(doomed.into_iter().map(|(_, id)| id).collect())
        })
    }
}
