//! A run, read back: all that reports, gates and histories may read.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::runner::event::{PhaseRecord, RunEnd, RunHeader, Seam, TrialKey, TrialRecord};

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct RunLog {
    /// The run's folder.
    pub dir: PathBuf,
    /// The version of its format. A run can be gone on with from 2 on.
    pub schema: u64,
    /// The first record.
    pub header: RunHeader,
    /// Whether the first record says how builds reached what they download. Journals of before there was a mirror don't;
    /// the header then says `upstream`, which is what they did.
    pub tells_network: bool,
    /// Every finished phase that counts, in the order in which they ran.
    pub phases: Vec<PhaseRecord>,
    /// Every finished trial.
    pub trials: Vec<TrialRecord>,
    /// The trial that began last, if it has not ended.
    pub open: Option<TrialKey>,
    /// Where the run went on after it had died or been interrupted.
    pub seams: Vec<Seam>,
    /// The phases of trials that did not end before a seam, in the order in which they ran. They were measured again.
    pub superseded: Vec<PhaseRecord>,
    /// The end; `None` if the run died or still runs.
    pub end: Option<RunEnd>,
    /// What was wrong with the file, such as a torn last line.
    pub warnings: Vec<String>,
}

/// The first schema that holds what a run needs to go on.
const FIRST_RESUMABLE: u64 = 2;

/// Whether a journal of this schema and with this first record holds what a run needs to go on.
pub(super) fn can_go_on(schema: u64, header: &RunHeader) -> bool {
    schema >= FIRST_RESUMABLE && !header.fixture_digest.is_empty()
}

impl RunLog {
    /// Whether the run came to its end by itself: nothing is left to be measured.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.end.as_ref().is_some_and(|end| !end.interrupted)
    }

    /// Whether `bakeoff run --resume` can go on with it, as far as the journal alone can tell.
    #[must_use]
    pub fn is_resumable(&self) -> bool {
        !self.is_complete() && can_go_on(self.schema, &self.header)
    }

    /// The seam, if the run went on now: what of it the journal tells. `stopped` is when it had last been written to.
    #[must_use]
    pub fn seam(&self, stopped: DateTime<Utc>) -> Seam {
        let is_open = |phase: &&PhaseRecord| !self.trials.iter().any(|trial| trial.trial == phase.trial);
        let superseded = self.phases.iter().filter(is_open).count();
        Seam {
            resumed: Utc::now(),
            // What the user stopped has its own word for when.
            stopped: self.end.as_ref().map_or(stopped, |end| end.ended),
            bakeoff_version: String::new(),
            after: self.trials.last().map(|trial| trial.trial.clone()),
            again: self.open.clone(),
            superseded: u32::try_from(superseded).unwrap_or(u32::MAX),
            torn: !self.warnings.is_empty(),
            changes: Vec::new(),
        }
    }

    /// Goes on after a seam: what the trial that had not ended had measured does not count.
    pub(super) fn resume(&mut self, seam: Seam) {
        let ended = |phase: &PhaseRecord| self.trials.iter().any(|trial| trial.trial == phase.trial);
        let (kept, superseded) = std::mem::take(&mut self.phases).into_iter().partition(ended);
        self.phases = kept;
        self.superseded.extend::<Vec<_>>(superseded);
        self.open = None;
        self.end = None;
        self.seams.push(seam);
    }
}
