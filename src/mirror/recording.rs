//! A recording: a folder with a manifest of what was downloaded and the files themselves, named by their hash. It is
//! only ever added to, by whole records and whole files, so several processes may share one and a process that dies
//! leaves it good. Not for: talking to anybody (that is `fetch`'s and `server`'s).
//!
//! ```text
//! published-light/
//! ├── manifest.jsonl        one record a line; the first says what this is
//! ├── blobs/ab/abcd…        the bodies, by SHA-256
//! ├── partial/              what is being downloaded
//! ├── used                  empty; last changed when the recording was last used, and locked while it is
//! └── lock                  held while the manifest is written
//! ```

pub mod archive;
mod known;
mod manifest;
mod store;
mod verify;

use std::path::PathBuf;

pub use manifest::{Entry, Key, Method};
pub use store::{Lookup, Recording, Stats};
pub use verify::{Damage, Waste};

/// The file that makes a folder a recording.
pub const MANIFEST: &str = "manifest.jsonl";

/// What can go wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file of it could not be read or written.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A line of the manifest is not as it should be.
    #[error("{}:{line}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The manifest is of a newer version of bakeoff.
    #[error("{}: the recording has the format {found}, and this version of bakeoff reads up to {known}", path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// There is no such recording.
    #[error("there is no recording {name:?} in {}", folder.display())]
    Absent {
        /// Its name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A recording was made from another index than the one that is configured now.
    #[error("the recording {name:?} was made from the index {recorded}, and {configured} is configured")]
    OtherIndex {
        /// Its name.
        name: String,
        /// The index that it was made from.
        recorded: String,
        /// The index that is configured.
        configured: String,
    },
    /// An exported recording is not one.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl RecordingError {
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }
}
