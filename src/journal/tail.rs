//! How far a run got, from the end of its journal: the middle, which holds nearly all of its bytes, is not read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde_json::from_slice;

use super::record::{Event, Peek, RunFinished, TrialFinished};
use crate::runner::event::{RunEnd, TrialKey};

/// Bytes that are read first. Enough for the last trial's end and the run's; only a run that died in the middle of a
/// trial needs more.
const WINDOW: u64 = 64 * 1024;

/// How far a run got.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last trial that was finished.
    pub last_trial: Option<TrialKey>,
    /// The end, if the run has one.
    pub end: Option<RunEnd>,
}

/// Reads how far a run got; `first` is where the line after the first record begins.
///
/// Lines that can't be read are passed over: whether all of a journal is sound is for who reads all of it.
///
/// # Errors
/// If the file can't be read.
pub fn progress(file: &mut File, first: u64) -> io::Result<Progress> {
    progress_in_windows(file, first, WINDOW)
}

fn progress_in_windows(file: &mut File, first: u64, mut window: u64) -> io::Result<Progress> {
    // The run may still be going on: what is appended from here on is left for next time.
    let length = file.metadata()?.len();
    loop {
        let start = length.saturating_sub(window).max(first);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(length.saturating_sub(start)).read_to_end(&mut bytes)?;
        let whole = start == first;
        let progress = scan(if whole { &bytes } else { after_first_line_end(&bytes) });
        if whole || progress.last_trial.is_some() {
            return Ok(progress);
        }
        window = window.saturating_mul(4);
    }
}

/// What follows the line that the window cut in two.
fn after_first_line_end(bytes: &[u8]) -> &[u8] {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(&[], |end| &bytes[end + 1..])
}

fn scan(bytes: &[u8]) -> Progress {
    let mut progress = Progress::default();
    // The end before a seam is none.
    let mut went_on = false;
    for line in bytes.rsplit(|byte| *byte == b'\n') {
        match from_slice::<Peek>(line).map(|peek| peek.event) {
            Ok(Event::RunResumed) => went_on = true,
            Ok(Event::RunFinished) if !went_on => progress.end = from_slice::<RunFinished>(line).ok().map(Into::into),
            Ok(Event::TrialFinished) => {
                if let Ok(record) = from_slice::<TrialFinished>(line) {
                    progress.last_trial = Some(record.trial.into());
                    return progress;
                }
            }
            Ok(Event::RunStarted | Event::TrialStarted | Event::Phase | Event::RunFinished) | Err(_) => {}
        }
    }
    progress
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::journal::record::Record;
    use crate::journal::samples;
    use crate::runner::event::{Round, RunEvent};

    /// A file with a first record that takes `first` bytes, and these events after it.
    fn file(events: &[RunEvent], torn: &str) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        let first = b"{\"event\":\"run-started\"}\n";
        file.write_all(first).unwrap();
        for event in events {
            let mut line = serde_json::to_vec(&Record::from_event(event).unwrap()).unwrap();
            line.push(b'\n');
            file.write_all(&line).unwrap();
        }
        file.write_all(torn.as_bytes()).unwrap();
        (file, first.len() as u64)
    }

    fn finished(round: Round) -> RunEvent {
        RunEvent::TrialFinished(samples::trial_finished(round, "pip-single"))
    }

    #[test]
    fn windows_of_any_size_find_the_same() {
        let events = [
            finished(Round::Warmup(1)),
            finished(Round::Measured(1)),
            RunEvent::PhaseFinished(Box::new(samples::build_phase())),
            RunEvent::PhaseFinished(Box::new(samples::push_phase())),
        ];
        for window in [1, 7, 64, 1000, 1_000_000] {
            let (mut file, first) = file(&events, "{\"event\":\"trial-fin");
            let progress = progress_in_windows(&mut file, first, window).unwrap();
            assert_eq!(
                progress.last_trial.unwrap().round,
                Round::Measured(1),
                "window {window}"
            );
            assert!(progress.end.is_none());
        }
    }

    #[test]
    fn a_run_without_a_finished_trial_has_none() {
        let (mut file, first) = file(&[RunEvent::PhaseFinished(Box::new(samples::build_phase()))], "");
        let progress = progress_in_windows(&mut file, first, 16).unwrap();
        assert!(progress.last_trial.is_none());
        assert!(progress.end.is_none());
    }

    #[test]
    fn the_end_is_found_together_with_the_last_trial() {
        let events = [
            finished(Round::Measured(2)),
            RunEvent::RunFinished(samples::run_end(true)),
        ];
        let (mut file, first) = file(&events, "");
        let progress = progress_in_windows(&mut file, first, 1).unwrap();
        assert_eq!(progress.last_trial.unwrap().round, Round::Measured(2));
        assert_eq!(progress.end.unwrap(), samples::run_end(true));
    }
}
