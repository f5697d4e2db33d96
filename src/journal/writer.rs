//! Writes a journal: one line per record, on the disk before `append` returns, so that a run that is killed loses
//! nothing that it had measured. Not for: deciding which phase's log is kept (that is the runner's).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::record::{Event, Record};
use super::{FILE_NAME, JournalError, LOG_FOLDER};
use crate::runner::event::{RunEvent, TrialKey};

/// Bytes of a log file's name before its number and extension; file systems allow 255 in all.
const LOG_NAME_BYTES: usize = 160;

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    /// Bytes of whole records in the file.
    length: u64,
    /// Whether the file may hold more than `length` bytes, because a failed write could not be taken back.
    damaged: bool,
    /// The last record written.
    last: Option<Event>,
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
            damaged: false,
            last: None,
        })
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
    /// If the event is the first and not a run's start, or it is a second start, or comes after a run's end; if the
    /// file can't be written.
    pub fn append(&mut self, event: &RunEvent) -> Result<(), JournalError> {
        let Some(record) = Record::from_event(event) else {
            return Ok(());
        };
        let event = record.event();
        let problem = match (self.last, event) {
            (None, Event::RunStarted) => None,
            (None, _) => Some("the run has not started"),
            (Some(Event::RunFinished), _) => Some("the run has ended"),
            (Some(_), Event::RunStarted) => Some("the run has started before"),
            (Some(_), _) => None,
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
        self.last = Some(event);
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
