//! What can go wrong with runs on disk, and what the user can do about it.

use std::path::PathBuf;

use super::SCHEMA;

/// What can go wrong between us and a run's folder.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder holds no journal.
    #[error("no journal in {}", dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// A new run was to be written where one already is.
    #[error("{} already holds a journal", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// The run is being measured by another process.
    #[error("another process measures the run in {}", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
    },
    /// The journal does not hold what a run needs to go on.
    #[error("the run in {} can't be gone on with: its journal does not hold what that needs (schema {schema})", dir.display())]
    NotResumable {
        /// The folder.
        dir: PathBuf,
        /// The journal's schema.
        schema: u64,
    },
    /// The file ends before its first record does: the run died before it measured anything.
    #[error("{} has no first record", path.display())]
    NoHeader {
        /// The journal.
        path: PathBuf,
    },
    /// The journal's schema is newer than this program.
    #[error("{} was written by a newer bakeoff: schema {schema}, this one reads {SCHEMA}", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its schema.
        schema: u64,
    },
    /// A line is not what the format says.
    #[error("{}, line {line}: {reason}", path.display())]
    Record {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// An event was to be written that can't stand at this place of a journal.
    #[error("{}: a {event} record can't be written here: {reason}", path.display())]
    Order {
        /// The journal.
        path: PathBuf,
        /// The record's name in the file.
        event: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A record could not be put into JSON.
    #[error("cannot write a {event} record to {} as JSON", path.display())]
    Encode {
        /// The journal.
        path: PathBuf,
        /// The record's name in the file.
        event: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried: `read`, `create the folder`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// There is no run at all.
    #[error("no runs in {}", root.display())]
    NoRuns {
        /// The folder that was searched.
        root: PathBuf,
    },
    /// No run has this name.
    #[error("no run {name:?} in {}", root.display())]
    UnknownRun {
        /// What was asked for.
        name: String,
        /// The folder that was searched.
        root: PathBuf,
        /// Runs with a similar name, the most similar first.
        similar: Vec<String>,
    },
    /// The beginning of a run's id fits more than one.
    #[error("{name:?} fits {} runs: {}", candidates.len(), candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The runs that it fits, newest first.
        candidates: Vec<String>,
    },
}

impl JournalError {
    /// What the user can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => {
                Some("a run's folder holds a journal.jsonl; `bakeoff list` shows the runs so far".to_owned())
            }
            Self::Exists { .. } => Some("give each run a folder of its own with --out".to_owned()),
            Self::Busy { .. } => Some("wait for it to end; `bakeoff report` shows what it has measured".to_owned()),
            Self::NotResumable { .. } => {
                Some("`bakeoff report` shows what it measured; start a new run to measure the rest".to_owned())
            }
            Self::NoHeader { .. } => {
                Some("the run died before it measured anything; its folder can be removed".to_owned())
            }
            Self::Newer { .. } => Some("read it with the version of bakeoff that wrote it, or a later one".to_owned()),
            Self::Record { .. } => Some(
                "bakeoff only ever appends to a journal, so the file was changed or damaged afterwards; \
                 restore it from a copy"
                    .to_owned(),
            ),
            Self::NoRuns { .. } => Some("make one with `bakeoff run SUITE`".to_owned()),
            Self::UnknownRun { similar, .. } if !similar.is_empty() => {
                Some(format!("did you mean {}?", similar.join(" or ")))
            }
            Self::UnknownRun { .. } => Some("`bakeoff list` shows the runs so far".to_owned()),
            Self::Ambiguous { .. } => Some("give more of the run's id, or `latest`".to_owned()),
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("make room on the disk; what was written before is safe".to_owned())
            }
            Self::Order { .. } | Self::Encode { .. } | Self::File { .. } => None,
        }
    }
}
