//! What can go wrong with a history, and what the user can do about it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::LINES_SCHEMA;
use super::schema::SCHEMA;

/// What can go wrong between us and a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is no such file.
    #[error("there is no history at {}", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no history of bakeoff: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The history's schema is newer than this program.
    #[error("{} was written by a newer bakeoff: schema {schema}, this one knows {SCHEMA}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        schema: i64,
    },
    /// The file is damaged.
    #[error("the history {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Another process writes, and goes on for too long.
    #[error("another process holds the history {}", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A run of that id is there, and says something else.
    #[error("the history {} holds another run {run}", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// The run's id.
        run: String,
    },
    /// The history has no such run.
    #[error("the history {} holds no run {name:?}", path.display())]
    UnknownRun {
        /// The file.
        path: PathBuf,
        /// As the user called it.
        name: String,
    },
    /// A run's id was cut so short that it fits several.
    #[error("{name:?} fits {} in the history {}", runs.join(", "), path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// As the user called it.
        name: String,
        /// The ids that begin so.
        runs: Vec<String>,
    },
    /// A line that was to be imported is not what the format says.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file that was read.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Anything else that SQLite refuses: a full disk, a file that can't be written.
    #[error("the history {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
}

impl HistoryError {
    /// What SQLite's word means for a file.
    pub(super) fn of(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            let path = path.clone();
            match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => Self::Foreign {
                    path,
                    reason: "it is no SQLite file".into(),
                },
                Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                    path,
                    reason: source.to_string(),
                },
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
                _ => Self::Sqlite { path, source },
            }
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Absent { .. } => "`bakeoff history add RUN` makes one; --db names another file".into(),
            Self::Foreign { .. } => "name another file with --db: this one is left as it is".into(),
            Self::Newer { .. } => "use the version of bakeoff that wrote it".into(),
            Self::Damaged { .. } => {
                "put a copy in its place, or add the runs again to a new file: their journals hold all that a \
                                     history does"
                    .into()
            }
            Self::Busy { .. } => "try again once it has ended".into(),
            Self::Differs { .. } => {
                "the history keeps what it has; `bakeoff history prune --run ID` removes a run".into()
            }
            Self::UnknownRun { .. } => "`bakeoff history list` shows what it holds".into(),
            Self::Ambiguous { .. } => "write more of the id".into(),
            Self::Line { .. } => format!(
                "nothing was imported; expected is what `bakeoff history export` writes, one run a line (schema {LINES_SCHEMA})"
            ),
            Self::File { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => WRITABLE.into(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FULL.into(),
                _ => ELSEWHERE.into(),
            },
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => WRITABLE.into(),
                Some(ErrorCode::DiskFull) => FULL.into(),
                _ => ELSEWHERE.into(),
            },
        })
    }
}

/// Where the file or its folder can't be written.
const WRITABLE: &str =
    "the file and its folder must be writable, since SQLite puts a journal beside it; --db names another file";
/// Where there is no room.
const FULL: &str = "free some space there, or name a file on another disk with --db; what was there before is unharmed";
/// Where the cause alone must do.
const ELSEWHERE: &str = "see to the cause, or name another file with --db; what was there before is unharmed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_disk_refuses_has_a_remedy() {
        let sqlite = |code| {
            let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            HistoryError::of(Path::new("h.db"))(source).hint()
        };
        assert_eq!(sqlite(rusqlite::ffi::SQLITE_READONLY).as_deref(), Some(WRITABLE));
        assert_eq!(sqlite(rusqlite::ffi::SQLITE_CANTOPEN).as_deref(), Some(WRITABLE));
        assert_eq!(sqlite(rusqlite::ffi::SQLITE_FULL).as_deref(), Some(FULL));
        assert_eq!(sqlite(rusqlite::ffi::SQLITE_IOERR).as_deref(), Some(ELSEWHERE));
        let file = |kind: ErrorKind| {
            let error = HistoryError::File {
                operation: "making the folder",
                path: "h".into(),
                source: kind.into(),
            };
            error.hint()
        };
        assert_eq!(file(ErrorKind::PermissionDenied).as_deref(), Some(WRITABLE));
        assert_eq!(file(ErrorKind::StorageFull).as_deref(), Some(FULL));
        assert_eq!(file(ErrorKind::NotADirectory).as_deref(), Some(ELSEWHERE));
    }
}
