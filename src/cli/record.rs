//! Keeps what a run tells: the journal, and the full logs of failed phases beside it.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use crate::engine::BuildTrace;
use crate::journal::{Journal, JournalError, log_name};
use crate::runner::event::{Outcome, PhaseRecord, RunEvent};

/// Writes events into a journal; the first error stops the run and is kept for the user.
pub(super) struct Recorder {
    journal: Mutex<Journal>,
    error: Mutex<Option<JournalError>>,
}

impl Recorder {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            journal: Mutex::new(journal),
            error: Mutex::new(None),
        }
    }

    /// Takes one event; it lies on disk when this returns.
    pub(super) fn take(&self, event: &mut RunEvent) -> ControlFlow<()> {
        match self.write(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn write(&self, event: &mut RunEvent) -> Result<(), JournalError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let RunEvent::PhaseFinished(record) = event {
            keep_log(&journal, record)?;
        }
        journal.append(event)
    }

    /// The error that stopped the run, if one did.
    pub(super) fn error(&self) -> Option<JournalError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Puts a failed build's whole log into a file of its own and its name into the record.
fn keep_log(journal: &Journal, record: &mut PhaseRecord) -> Result<(), JournalError> {
    let (Outcome::Failed(failure), Some(trace)) = (&mut record.outcome, &mut record.build) else {
        return Ok(());
    };
    failure.log_file = Some(journal.write_log(&log_name(&record.trial, &record.phase), &full_log(trace))?);
    trace.log.clear();
    Ok(())
}

/// The log as text, each step's lines under its name.
fn full_log(trace: &BuildTrace) -> String {
    let mut text = String::new();
    let mut at = None;
    for line in &trace.log {
        if at != Some(&line.step) {
            at = Some(&line.step);
            let name = trace
                .steps
                .iter()
                .find(|step| step.id == line.step)
                .map_or("?", |step| step.name.as_str());
            text.push_str(&format!("== {name}\n"));
        }
        text.push_str(&line.text);
        text.push('\n');
    }
    for step in &trace.steps {
        if let Some(error) = &step.error {
            text.push_str(&format!("== {}\nerror: {error}\n", step.name));
        }
    }
    text
}
