//! Runs on disk: writes what a run tells as versioned JSON Lines, finds runs again and reads them back. The format
//! is described in `docs/journal-format.md`. Not for: what any record means to a reader of reports (that is
//! `analysis`), nor for deciding what may be written (values are redacted before an event is emitted).

mod error;
pub mod log;
mod noise;
mod reader;
mod record;
#[cfg(test)]
pub(crate) mod samples;
mod store;
mod tail;
mod writer;

pub use error::JournalError;
pub use log::RunLog;
pub use noise::{NOISE_FILE, read_noise, write_noise};
pub use reader::read;
pub use record::SCHEMA;
pub use store::{Listing, RunState, RunSummary, list, resolve};
pub use writer::{Journal, log_name};

/// The name of the journal in a run's folder.
pub const FILE_NAME: &str = "journal.jsonl";
/// The folder, in a run's folder, that holds the full logs of failed phases.
pub const LOG_FOLDER: &str = "logs";
