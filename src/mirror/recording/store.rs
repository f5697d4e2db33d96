//! Opening, looking things up and adding.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use super::known::Known;
use super::manifest::{Entry, Key, Line, SCHEMA};
use super::{MANIFEST, RecordingError};
use crate::mirror::used;
use crate::units::{Bytes, hex};

/// A recording on disk.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    known: Mutex<Known>,
}

/// What a recording has for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// This.
    Found(Arc<Entry>),
    /// Something whose file is damaged.
    Damaged(Arc<Entry>),
    /// Nothing.
    Missing,
}

/// How much a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Recorded answers.
    pub entries: u64,
    /// The size of their bodies, each counted once.
    pub size: Bytes,
}

impl Recording {
    /// Opens the recording in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the folder can't be made or the manifest is not as it should be.
    pub fn create(folder: &Path) -> Result<Self, RecordingError> {
        for part in ["blobs", "partial"] {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).map_err(RecordingError::file("making", path))?;
        }
        let recording = Self {
            folder: folder.to_owned(),
            known: Mutex::default(),
        };
        recording.locked(|recording| {
            let path = recording.manifest();
            let begun = match File::open(&path) {
                Ok(mut manifest) => whole_lines(&mut manifest),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(error),
            };
            // A process that was killed may have left half of the first line.
            if begun.map_err(RecordingError::file("reading", &path))? == 0 {
                recording.write_line(&Line::Recording {
                    schema: SCHEMA,
                    bakeoff_version: env!("CARGO_PKG_VERSION").to_owned(),
                    index: None,
                })?;
            }
            Ok(())
        })?;
        recording.refresh()?;
        Ok(recording)
    }

    /// Opens a recording that is there.
    ///
    /// # Errors
    /// If it is not there or its manifest is not as it should be.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        let recording = Self {
            folder: folder.to_owned(),
            known: Mutex::default(),
        };
        if !recording.manifest().is_file() {
            return Err(recording.absent());
        }
        recording.refresh()?;
        Ok(recording)
    }

    fn absent(&self) -> RecordingError {
        let folder = self.folder.parent().unwrap_or(&self.folder).to_owned();
        let name = self.name();
        RecordingError::Absent { name, folder }
    }

    /// Its name: that of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.folder.join(MANIFEST)
    }

    /// Where the body with this hash lies.
    #[must_use]
    pub fn blob(&self, sha256: &str) -> PathBuf {
        self.folder.join("blobs").join(&sha256[..2]).join(sha256)
    }

    /// Where a download is kept until it is whole.
    #[must_use]
    pub fn partial(&self) -> PathBuf {
        self.folder.join("partial")
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is known is replaced whole or added to, so a thread that panicked left nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has for a key; looks at the disk again if nothing is known, since another process may have added it.
    ///
    /// # Errors
    /// If the manifest can't be read.
    pub fn find(&self, key: &Key) -> Result<Lookup, RecordingError> {
        let look = |known: &Known| {
            known.entries.get(key).map(|entry| {
                if known.damaged.contains(&entry.sha256) {
                    Lookup::Damaged(Arc::clone(entry))
                } else {
                    Lookup::Found(Arc::clone(entry))
                }
            })
        };
        if let Some(found) = look(&self.known()) {
            return Ok(found);
        }
        self.refresh()?;
        Ok(look(&self.known()).unwrap_or(Lookup::Missing))
    }

    /// The index that packages came from.
    #[must_use]
    pub fn index(&self) -> Option<String> {
        self.known().index.clone()
    }

    /// Says which index packages come from.
    ///
    /// # Errors
    /// If others came from another one, or the manifest can't be written.
    pub fn set_index(&self, url: &str) -> Result<(), RecordingError> {
        self.locked(|recording| {
            recording.refresh()?;
            match recording.index() {
                None => recording.write_line(&Line::Index { url: url.to_owned() })?,
                Some(recorded) if recorded != url => {
                    return Err(RecordingError::OtherIndex {
                        name: recording.name(),
                        recorded,
                        configured: url.to_owned(),
                    });
                }
                Some(_) => {}
            }
            recording.refresh()
        })
    }

    /// Every recorded answer.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> = self.known().entries.values().cloned().collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries
    }

    /// Every body, by hash, with its size.
    pub(super) fn blobs(&self) -> BTreeMap<String, u64> {
        let known = self.known();
        let bodies = known.entries.values().map(|entry| (entry.sha256.clone(), entry.size));
        let locks = known.locks.values().map(|(size, sha256)| (sha256.clone(), *size));
        bodies.chain(locks).collect()
    }

    /// How much it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let size = Bytes(self.blobs().values().sum());
        let entries = u64::try_from(self.known().entries.len()).unwrap_or(u64::MAX);
        Stats { entries, size }
    }

    /// Identifies its content: the hash of every key with its status and the hash of its body, and of lock files.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for entry in self.entries() {
            hash.update(format!("{}\n{}\n{}\n", entry.key, entry.status, entry.sha256));
        }
        for (key, (_, sha256)) in &self.known().locks {
            hash.update(format!("lock {key}\n{sha256}\n"));
        }
        format!("sha256:{}", hex(&hash.finalize()))
    }

    /// Adds an answer whose body lies in a partial file, which is gone afterwards.
    ///
    /// # Errors
    /// If the disk refuses; then nothing was added.
    pub fn add(&self, entry: Entry, body: tempfile::TempPath) -> Result<Arc<Entry>, RecordingError> {
        self.keep(&entry.sha256, body)?;
        let key = entry.key.clone();
        self.append(&Line::Download(entry))?;
        match self.find(&key)? {
            Lookup::Found(entry) | Lookup::Damaged(entry) => Ok(entry),
            Lookup::Missing => Err(RecordingError::Manifest {
                path: self.manifest(),
                line: 0,
                reason: format!("{key} was added and is not there"),
            }),
        }
    }

    fn keep(&self, sha256: &str, body: tempfile::TempPath) -> Result<(), RecordingError> {
        let blob = self.blob(sha256);
        let folder = blob.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(RecordingError::file("making", folder))?;
        let failed = |error: tempfile::PathPersistError| RecordingError::File {
            operation: "keeping",
            path: blob.clone(),
            source: error.error,
        };
        body.persist(&blob).map_err(failed)?;
        // What was damaged has just been replaced.
        self.known().damaged.remove(sha256);
        Ok(())
    }

    /// A lock file that was made against it.
    ///
    /// # Errors
    /// If its body is damaged or can't be read.
    pub fn lock_file(&self, key: &str) -> Result<Option<Vec<u8>>, RecordingError> {
        let Some((_, sha256)) = self.known().locks.get(key).cloned() else {
            return Ok(None);
        };
        let path = self.blob(&sha256);
        let content = match std::fs::read(&path) {
            // A missing one is made again, as a damaged one is.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(RecordingError::file("reading", &path))?,
        };
        Ok((hex(&Sha256::digest(&content)) == sha256).then_some(content))
    }

    /// Keeps a lock file that was made against it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn keep_lock_file(&self, key: &str, content: &[u8]) -> Result<(), RecordingError> {
        let folder = self.partial();
        let failed = RecordingError::file("writing a file in", &folder);
        let written = tempfile::NamedTempFile::new_in(&folder).and_then(|mut file| {
            file.write_all(content)?;
            file.as_file().sync_all()?;
            Ok(file.into_temp_path())
        });
        let sha256 = hex(&Sha256::digest(content));
        self.keep(&sha256, written.map_err(failed)?)?;
        self.append(&Line::Lock {
            key: key.to_owned(),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256,
        })
    }

    /// Whether everything that this needs has been recorded.
    #[must_use]
    pub fn is_complete(&self, key: &str) -> bool {
        self.known().complete.contains(key)
    }

    /// Says that everything that this needs has been recorded.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn mark_complete(&self, key: &str) -> Result<(), RecordingError> {
        if self.is_complete(key) {
            return Ok(());
        }
        self.append(&Line::Complete { key: key.to_owned() })
    }

    /// How many needs have been recorded whole.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.known().complete.len()
    }

    /// What reading it says if somebody has removed it since it was opened.
    #[must_use]
    pub fn gone(&self) -> Option<RecordingError> {
        let path = self.manifest();
        let there = path.metadata();
        there.err().map(RecordingError::file("opening", path))
    }

    /// Begins again, with nothing but its index, where somebody has removed it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn begin_anew(&self) -> Result<(), RecordingError> {
        let index = self.index();
        Self::create(&self.folder)?;
        // The new manifest may have the number of the old one, by which it is known.
        *self.known() = Known::default();
        match index {
            Some(index) => self.set_index(&index),
            None => self.refresh(),
        }
    }

    /// Says that it is being used.
    pub fn touch(&self) {
        used::touch(&self.folder);
    }

    /// Says that it is being used for as long as the value lives: nobody removes it meanwhile. `None` where that can't be
    /// said, on a disk that is only for reading.
    ///
    /// # Errors
    /// If somebody has just removed it.
    pub(in crate::mirror) fn hold(&self) -> Result<Option<File>, RecordingError> {
        self.touch();
        let held = used::hold(&self.folder);
        // Who removes it holds it too, and this has waited for that.
        if self.manifest().is_file() {
            Ok(held)
        } else {
            Err(self.absent())
        }
    }

    /// When it was last used; before anybody has, when it was last added to.
    #[must_use]
    pub fn last_used(&self) -> Option<SystemTime> {
        used::last(&self.folder, MANIFEST)
    }

    /// Which bodies must not be served.
    pub(super) fn set_damaged(&self, damaged: HashSet<String>) {
        self.known().damaged = damaged;
    }

    /// From now on this body must not be served.
    pub(in crate::mirror) fn distrust(&self, sha256: &str) {
        self.known().damaged.insert(sha256.to_owned());
    }

    /// Does something while no other process writes the manifest.
    pub(super) fn locked<T>(&self, act: impl FnOnce(&Self) -> Result<T, RecordingError>) -> Result<T, RecordingError> {
        let path = self.folder.join("lock");
        let failed = |operation| RecordingError::file(operation, &path);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(failed("opening"))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(std::io::Error::from)
            .map_err(failed("locking"))?;
        act(self)
    }

    fn append(&self, line: &Line) -> Result<(), RecordingError> {
        self.locked(|recording| recording.write_line(line))?;
        self.refresh()
    }

    /// Writes one line at the end; what a killed process left there without its line end is cut off first.
    fn write_line(&self, line: &Line) -> Result<(), RecordingError> {
        let path = self.manifest();
        let written = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            let mut file = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            let end = whole_lines(&mut file)?;
            file.set_len(end)?;
            file.seek(std::io::SeekFrom::Start(end))?;
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            let put = file.write_all(&text).and_then(|()| file.sync_data());
            if put.is_err() {
                // A full disk must not leave half a line.
                let _ = file.set_len(end);
            }
            put
        };
        written().map_err(RecordingError::file("writing", &path))
    }

    /// Reads what has been added to the manifest.
    pub(super) fn refresh(&self) -> Result<(), RecordingError> {
        use std::os::unix::fs::MetadataExt as _;

        let path = self.manifest();
        let failed = |operation| RecordingError::file(operation, &path);
        // Before the file is opened: what another thread has read meanwhile would look newer than the file.
        let mut known = self.known();
        let mut file = File::open(&path).map_err(failed("opening"))?;
        let data = file.metadata().map_err(failed("reading"))?;
        if known.inode != data.ino() || data.len() < known.read {
            let damaged = std::mem::take(&mut known.damaged);
            *known = Known {
                inode: data.ino(),
                damaged,
                ..Known::default()
            };
        }
        if data.len() == known.read {
            return Ok(());
        }
        file.seek(std::io::SeekFrom::Start(known.read))
            .map_err(failed("reading"))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed("reading"))?;
        // Only whole lines: the rest is being written, or its writer died.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let before = known.lines;
        let mut lines = before;
        for (number, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let wrong = |reason: String| RecordingError::Manifest {
                path: path.clone(),
                line: before + number + 1,
                reason,
            };
            let line: Line = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
            known
                .take(line, &path)
                .map_err(|reason| reason.unwrap_or_else(|| wrong("a hash that is none".into())))?;
            lines += 1;
        }
        // Only now: a line that is wrong is read, and told of, again.
        known.lines = lines;
        known.read += whole as u64;
        Ok(())
    }
}

/// Where the last whole line of a file ends.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(std::io::SeekFrom::Start(start))?;
        let mut text = Vec::new();
        (&mut *file).take(end - start).read_to_end(&mut text)?;
        if let Some(at) = text.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

impl Recording {
    /// Writes the manifest anew with what is left after dropping the answers and lock files whose body `keep` refuses.
    /// Whoever dropped one also drops the marks of completeness, since something that was needed is gone.
    pub(super) fn rewrite(&self, keep: &dyn Fn(&str) -> bool) -> Result<u64, RecordingError> {
        self.locked(|recording| {
            recording.refresh()?;
            let mut known = recording.known();
            let before = known.entries.len() + known.locks.len();
            known.entries.retain(|_, entry| keep(&entry.sha256));
            known.locks.retain(|_, (_, sha256)| keep(sha256));
            let dropped = before - known.entries.len() - known.locks.len();
            if dropped == 0 {
                return Ok(0);
            }
            known.complete.clear();
            let lines = known.lines_again();
            // What was known is read again from the new file.
            *known = Known::default();
            drop(known);
            let path = recording.manifest();
            let write = || -> std::io::Result<()> {
                let mut file = tempfile::NamedTempFile::new_in(&recording.folder)?;
                for line in &lines {
                    serde_json::to_writer(&mut file, line)?;
                    file.write_all(b"\n")?;
                }
                file.as_file().sync_all()?;
                file.persist(&path)?;
                Ok(())
            };
            write().map_err(RecordingError::file("writing", &path))?;
            recording.refresh()?;
            Ok(dropped as u64)
        })
    }
}
