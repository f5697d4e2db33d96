//! A run, read back: all that reports, gates and histories may read.

use std::path::PathBuf;

use crate::runner::event::{PhaseRecord, RunEnd, RunHeader, TrialRecord};

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct RunLog {
    /// The run's folder.
    pub dir: PathBuf,
    /// The first record.
    pub header: RunHeader,
    /// Whether the first record says how builds reached what they download. Journals of before there was a mirror don't;
    /// the header then says `upstream`, which is what they did.
    pub tells_network: bool,
    /// Every finished phase, in the order in which they ran.
    pub phases: Vec<PhaseRecord>,
    /// Every finished trial.
    pub trials: Vec<TrialRecord>,
    /// The end; `None` if the run died or still runs.
    pub end: Option<RunEnd>,
    /// What was wrong with the file, such as a torn last line.
    pub warnings: Vec<String>,
}
