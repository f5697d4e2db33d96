//! Writes a journal: one line per record, on the disk before `append` returns, so that a run that is killed loses
//! nothing that it had measured. Not for: deciding which phase's log is kept (that is the runner's).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::reader::{End, read_to_end};
use super::record::{Event, Record};
use super::{FILE_NAME, JournalError, LOG_FOLDER, RunLog};
use crate::runner::event::{RunEvent, TrialKey};

/// Bytes of a log file's name before its number and extension; file systems allow 255 in all.
const LOG_NAME_BYTES: usize = 160;

/// How long a lock is waited for: whoever only looks at a journal holds its lock for a moment.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// What may be written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The run's start.
    Empty,
    /// Anything but a start.
    Going,
    /// A seam.
    Reopened,
    /// Nothing: a run that was interrupted goes on with a journal that is opened again.
    Ended,
}

/// A journal that is being written. It is locked while this lives, so that no other process writes to it.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes of whole records in the file.
    length: u64,
    /// Whether the last of them has its line end.
    terminated: bool,
    /// Whether the file may hold more than `length` bytes, because a failed write could not be taken back.
    damaged: bool,
    state: State,
}

impl Journal {
    /// Starts the journal of a new run in the folder `dir`, which is made if it is missing.
    ///
    /// # Errors
    /// If the folder holds a journal, or the folder or the file can't be made.
    pub fn create(dir: &Path) -> Result<Self, JournalError> {
        let missing: Vec<&Path> = dir
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .collect();
        fs::create_dir_all(dir).map_err(file_error("create the folder", dir))?;
        let path = dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| {
                if source.kind() == ErrorKind::AlreadyExists {
                    JournalError::Exists { dir: dir.to_owned() }
                } else {
                    JournalError::File {
                        operation: "create",
                        path: path.clone(),
                        source,
                    }
                }
            })?;
        lock(&file, dir, &path)?;
        // A file is only as safe as the entry that names it, and so is each new folder above it.
        sync_folder(dir)?;
        for parent in missing.iter().filter_map(|dir| dir.parent()) {
            sync_folder(parent)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            path,
            file,
            length: 0,
            terminated: true,
            damaged: false,
            state: State::Empty,
        })
    }

    /// Opens the journal of a run that is to go on, and reads it; also says when it was last written to. A last line that
    /// was cut off goes with the first record that is written.
    ///
    /// # Errors
    /// If another process writes to it, if it can't be read or written, if its schema is too old, or if the run is complete.
    pub fn reopen(dir: &Path) -> Result<(Self, RunLog, DateTime<Utc>), JournalError> {
        let path = dir.join(FILE_NAME);
        let file = OpenOptions::new().append(true).open(&path).map_err(|source| {
            if source.kind() == ErrorKind::NotFound {
                JournalError::Missing { dir: dir.to_owned() }
            } else {
                file_error("open", &path)(source)
            }
        })?;
        lock(&file, dir, &path)?;
        let written = file
            .metadata()
            .and_then(|data| data.modified())
            .map_err(file_error("read", &path))?;
        let (log, End { length, terminated }) = read_to_end(dir)?;
        if !log.is_resumable() {
            return Err(JournalError::NotResumable {
                dir: dir.to_owned(),
                schema: log.schema,
            });
        }
        let journal = Self {
            dir: dir.to_owned(),
            path,
            file,
            length,
            terminated,
            damaged: true,
            state: State::Reopened,
        };
        Ok((journal, log, written.into()))
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes an event's record and waits until it is on the disk. Events that only show progress are passed over.
    ///
    /// After an error the file is as it was before, so that a later append (once there is room again) goes well.
    ///
    /// # Errors
    /// If the event is the first and not a run's start, or it is a second start, or comes after a run's end, or is not the
    /// seam of a run that goes on; if the file can't be written.
    pub fn append(&mut self, event: &RunEvent) -> Result<(), JournalError> {
        let Some(record) = Record::from_event(event) else {
            return Ok(());
        };
        let event = record.event();
        let problem = match (self.state, event) {
            (State::Empty, Event::RunStarted) | (State::Reopened, Event::RunResumed) => None,
            (State::Empty, _) => Some("the run has not started"),
            (State::Reopened, _) => Some("the run goes on, which has not been told"),
            (State::Ended, _) => Some("the run has ended"),
            (State::Going, Event::RunStarted) => Some("the run has started before"),
            (State::Going, Event::RunResumed) => Some("the run is going on"),
            (State::Going, _) => None,
        };
        if let Some(reason) = problem {
            return Err(JournalError::Order {
                path: self.path.clone(),
                event: event.name(),
                reason,
            });
        }
        let mut line = serde_json::to_vec(&record).map_err(|source| JournalError::Encode {
            path: self.path.clone(),
            event: event.name(),
            source,
        })?;
        line.push(b'\n');
        self.write_line(&line)?;
        self.state = if event == Event::RunFinished {
            State::Ended
        } else {
            State::Going
        };
        Ok(())
    }

    /// Keeps a log beside the journal, on the disk before this returns, and says where: relative to the run's folder,
    /// for the record that refers to it. `name` may hold anything (see [`log_name`]); a name that is taken gets a
    /// number, so no log ever replaces another.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_log(&self, name: &str, text: &str) -> Result<String, JournalError> {
        let folder = self.dir.join(LOG_FOLDER);
        fs::create_dir_all(&folder).map_err(file_error("create the folder", &folder))?;
        let stem = safe_name(name);
        let (mut file, file_name) = create_free(&folder, &stem)?;
        let path = folder.join(&file_name);
        if let Err(source) = file.write_all(text.as_bytes()).and_then(|()| file.sync_data()) {
            // Half a log that no record names would only take up room that is probably what is missing.
            let _ = fs::remove_file(&path);
            return Err(JournalError::File {
                operation: "write",
                path,
                source,
            });
        }
        sync_folder(&folder)?;
        sync_folder(&self.dir)?;
        Ok(format!("{LOG_FOLDER}/{file_name}"))
    }

    fn write_line(&mut self, line: &[u8]) -> Result<(), JournalError> {
        if self.damaged {
            self.roll_back().map_err(file_error("repair", &self.path))?;
        }
        if !self.terminated {
            self.write_bytes(b"\n")?;
            self.terminated = true;
        }
        self.write_bytes(line)
    }

    fn write_bytes(&mut self, line: &[u8]) -> Result<(), JournalError> {
        if let Err(source) = self.file.write_all(line).and_then(|()| self.file.sync_data()) {
            // The beginning of a line must not stay: the next record would make it a broken line in the middle.
            self.damaged = self.roll_back().is_err();
            return Err(JournalError::File {
                operation: "write",
                path: self.path.clone(),
                source,
            });
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn roll_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_data()?;
        self.damaged = false;
        Ok(())
    }
}

/// The name for the log of a phase, to be given to [`Journal::write_log`].
#[must_use]
pub fn log_name(trial: &TrialKey, phase: &str) -> String {
    format!("{}-{}-{phase}", trial.round, trial.scenario)
}

/// Creates `stem.log`, or `stem-2.log` and so on if that is taken.
fn create_free(folder: &Path, stem: &str) -> Result<(File, String), JournalError> {
    let mut number = 1_u32;
    loop {
        let name = if number == 1 {
            format!("{stem}.log")
        } else {
            format!("{stem}-{number}.log")
        };
        let path = folder.join(&name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, name)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(source) => {
                return Err(JournalError::File {
                    operation: "create",
                    path,
                    source,
                });
            }
        }
    }
}

/// The name with everything but ASCII letters, digits, `_`, `.` and `-` turned into single dashes. It never begins
/// with a dot or dash, is never empty and never too long.
fn safe_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '.') {
            safe.push(character);
        } else if !safe.ends_with('-') {
            safe.push('-');
        }
    }
    safe.truncate(LOG_NAME_BYTES);
    let safe = safe.trim_start_matches(['.', '-']).trim_end_matches('-');
    if safe.is_empty() {
        "phase".to_owned()
    } else {
        safe.to_owned()
    }
}

/// Locks a journal for this process. A file system without locks can't keep two processes apart, and is no reason not to
/// measure.
fn lock(file: &File, dir: &Path, path: &Path) -> Result<(), JournalError> {
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_LIMIT => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(file_error("lock", path)(error)),
        }
    }
}

/// Brings a folder's entries to the disk.
fn sync_folder(dir: &Path) -> Result<(), JournalError> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(file_error("sync the folder", dir))
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::File {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
