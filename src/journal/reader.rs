//! Reads a journal back. A line that is cut off at the very end is what a killed run leaves and is passed over with a
//! warning; anything else that is not as the format says is an error, because a figure that silently went missing is
//! worse than no report.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::log::{RunLog, can_go_on};
use super::record::{
    Event, Header, Peek, PeekSchema, PhaseFinished, RunFinished, RunResumed, SCHEMA, TrialFinished, TrialStarted,
};
use super::{FILE_NAME, JournalError};
use crate::runner::event::{PhaseRecord, RunHeader, TrialKey, TrialRecord};

/// Reads the run in the folder `dir`.
///
/// # Errors
/// If there is no journal, it can't be read, it is of a newer schema, it ends within its first record, or a line in
/// it is not as the format says.
pub fn read(dir: &Path) -> Result<RunLog, JournalError> {
    Ok(read_to_end(dir)?.0)
}

/// Where the whole records of a journal end: what follows was cut off while it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Bytes of whole records.
    pub length: u64,
    /// Whether the last of them has its line end.
    pub terminated: bool,
}

/// As [`read`], and says where the journal can be written on.
pub(super) fn read_to_end(dir: &Path) -> Result<(RunLog, End), JournalError> {
    let mut lines = Lines::open(dir)?;
    let mut header = lines.header()?;
    let tells_network = !header.network.mode.is_empty();
    if !tells_network {
        "upstream".clone_into(&mut header.network.mode);
    }
    let mut log = RunLog {
        dir: dir.to_owned(),
        schema: lines.schema,
        header,
        tells_network,
        phases: Vec::new(),
        trials: Vec::new(),
        open: None,
        seams: Vec::new(),
        superseded: Vec::new(),
        end: None,
        warnings: Vec::new(),
    };
    let mut seen = Seen::default();
    let mut end = lines.end();
    while lines.advance()? {
        let event = match lines.parse::<Peek>("a record") {
            Ok(peek) => peek.event,
            Err(Fault::Torn) => {
                log.warnings.push(lines.torn_warning());
                break;
            }
            Err(Fault::Broken(error)) => return Err(error),
        };
        let may_go_on = event == Event::RunResumed && !log.is_complete();
        if log.end.is_some() && !may_go_on {
            return Err(lines.broken(format!(
                "expected nothing after the run-finished record, found {}",
                event.name()
            )));
        }
        match event {
            Event::RunStarted => return Err(lines.broken("a run-started record may only be the first".to_owned())),
            Event::RunResumed => {
                log.resume(lines.record::<RunResumed>(event)?.into());
                seen.forget_all_but(&log);
            }
            Event::TrialStarted => log.open = Some(lines.record::<TrialStarted>(event)?.trial.into()),
            Event::Phase => {
                let phase: PhaseRecord = lines.record::<PhaseFinished>(event)?.into();
                let new = seen.phases.insert((phase.trial.clone(), phase.phase.clone()));
                lines.expect_first(new, || {
                    format!("{} of {}, {}", phase.phase, phase.trial.scenario, phase.trial.round)
                })?;
                log.phases.push(phase);
            }
            Event::TrialFinished => {
                let trial: TrialRecord = lines.record::<TrialFinished>(event)?.into();
                let new = seen.trials.insert(trial.trial.clone());
                lines.expect_first(new, || {
                    format!("the end of {}, {}", trial.trial.scenario, trial.trial.round)
                })?;
                log.open = None;
                log.trials.push(trial);
            }
            Event::RunFinished => log.end = Some(lines.record::<RunFinished>(event)?.into()),
        }
        end = lines.end();
    }
    Ok((log, end))
}

/// What has been told and counts: each of it may be told once.
#[derive(Default)]
struct Seen {
    phases: BTreeSet<(TrialKey, String)>,
    trials: BTreeSet<TrialKey>,
}

impl Seen {
    /// After a seam, what is measured again may be told again.
    fn forget_all_but(&mut self, log: &RunLog) {
        self.phases = log
            .phases
            .iter()
            .map(|phase| (phase.trial.clone(), phase.phase.clone()))
            .collect();
    }
}

/// Why a line could not be parsed.
enum Fault {
    /// It is the last one and was cut off while it was written.
    Torn,
    /// It is not as the format says.
    Broken(JournalError),
}

/// The lines of a journal, one at a time.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    /// The current line, without its end.
    line: Vec<u8>,
    /// Whether the current line has an end.
    terminated: bool,
    /// The schema that the first record names; 0 before it was read.
    schema: u64,
    /// The current line's number, from 1.
    number: usize,
    /// Bytes read so far, line ends included.
    offset: u64,
}

impl Lines {
    /// Opens the journal in `dir`, before its first line.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE_NAME);
        let file = File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => JournalError::Missing { dir: dir.to_owned() },
            _ => JournalError::File {
                operation: "read",
                path: path.clone(),
                source,
            },
        })?;
        Ok(Self {
            path,
            reader: BufReader::new(file),
            line: Vec::new(),
            terminated: false,
            schema: 0,
            number: 0,
            offset: 0,
        })
    }

    /// The first record.
    pub fn header(&mut self) -> Result<RunHeader, JournalError> {
        let no_header = JournalError::NoHeader {
            path: self.path.clone(),
        };
        if !self.advance()? {
            return Err(no_header);
        }
        // The schema before all else: nothing more is known of a record of a newer one.
        let schema = match self.parse::<PeekSchema>("the first record") {
            Ok(peek) => peek.schema,
            Err(Fault::Torn) => return Err(no_header),
            Err(Fault::Broken(error)) => return Err(error),
        };
        match schema {
            Some(schema @ 1..=SCHEMA) => self.schema = schema,
            Some(schema) if schema > SCHEMA => {
                return Err(JournalError::Newer {
                    path: self.path.clone(),
                    schema,
                });
            }
            Some(schema) => return Err(self.broken(format!("there is no schema {schema}; expected 1 to {SCHEMA}"))),
            None => {
                return Err(self.broken(format!("expected the run-started record with its \"schema\": {SCHEMA}")));
            }
        }
        let Peek { event } = self.record(Event::RunStarted)?;
        if event != Event::RunStarted {
            return Err(self.broken(format!("expected the run-started record, found {}", event.name())));
        }
        Ok(self.record::<Header>(Event::RunStarted)?.into())
    }

    /// Where the lines that were read end.
    fn end(&self) -> End {
        End {
            length: self.offset,
            terminated: self.terminated,
        }
    }

    /// Something that a journal may hold once. Schema 1 had no rule for it.
    fn expect_first(&self, first: bool, what: impl Fn() -> String) -> Result<(), JournalError> {
        if first || self.schema < 2 {
            return Ok(());
        }
        Err(self.broken(format!(
            "{} is told for the second time, and the run was not gone on with between",
            what()
        )))
    }

    /// Whether the journal holds what a run needs to go on.
    pub fn can_go_on(&self, header: &RunHeader) -> bool {
        can_go_on(self.schema, header)
    }

    /// The file, and where in it the next line begins.
    pub fn into_rest(self) -> (File, u64) {
        (self.reader.into_inner(), self.offset)
    }

    /// Goes to the next line; false at the end of the file.
    fn advance(&mut self) -> Result<bool, JournalError> {
        self.line.clear();
        let read = self
            .reader
            .read_until(b'\n', &mut self.line)
            .map_err(|source| JournalError::File {
                operation: "read",
                path: self.path.clone(),
                source,
            })?;
        self.terminated = self.line.pop_if(|byte| *byte == b'\n').is_some();
        self.number += 1;
        self.offset += read as u64;
        Ok(read > 0)
    }

    /// The current line as a record of this kind.
    fn record<T: DeserializeOwned>(&mut self, event: Event) -> Result<T, JournalError> {
        // A line of which the kind could be read is whole JSON, so it can't be torn.
        serde_json::from_slice(&self.line)
            .map_err(|error| self.broken(explain(&error, &format!("a {} record", event.name()), self.schema)))
    }

    /// The current line as a `T`, described by `what` in an error.
    fn parse<T: DeserializeOwned>(&mut self, what: &str) -> Result<T, Fault> {
        match serde_json::from_slice(&self.line) {
            Ok(value) => Ok(value),
            Err(error) if self.is_torn(&error).map_err(Fault::Broken)? => Err(Fault::Torn),
            Err(error) => Err(Fault::Broken(self.broken(explain(&error, what, self.schema)))),
        }
    }

    /// Whether the current line is what an interrupted write leaves: the beginning of a line, or, after a loss of
    /// power, a line with blocks of zeros that never reached the disk.
    fn is_torn(&mut self, error: &serde_json::Error) -> Result<bool, JournalError> {
        let cut_off = !self.terminated && error.is_eof();
        if !cut_off && !self.line.contains(&0) {
            return Ok(false);
        }
        let rest = self.reader.fill_buf().map_err(|source| JournalError::File {
            operation: "read",
            path: self.path.clone(),
            source,
        })?;
        Ok(rest.is_empty())
    }

    /// An error at the current line.
    fn broken(&self, reason: String) -> JournalError {
        JournalError::Record {
            path: self.path.clone(),
            line: self.number,
            reason,
        }
    }

    /// The warning for a torn line.
    fn torn_warning(&self) -> String {
        format!(
            "line {} of {FILE_NAME} is cut off and left out: the run was killed while it wrote that record",
            self.number
        )
    }
}

/// What is wrong with a line, and what was expected.
fn explain(error: &serde_json::Error, what: &str, schema: u64) -> String {
    let text = error.to_string();
    // Each line is parsed alone, so its "line 1" would mislead.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let column = match error.column() {
        0 => String::new(),
        column => format!(" (column {column})"),
    };
    match error.classify() {
        Category::Data => format!("expected {what} of schema {schema}, but {text}{column}"),
        Category::Syntax | Category::Eof | Category::Io => format!("expected one JSON object, but {text}{column}"),
    }
}

#[cfg(test)]
mod tests;
