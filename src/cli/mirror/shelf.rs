//! What lies in the cache: recordings and generated packages. What is neither is never touched.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cli::{Failure, paths};
use crate::mirror::recording::{MANIFEST, Recording, RecordingError};
use crate::mirror::{synthetic, used};
use crate::runner;
use crate::suite::nearest;
use crate::units::Bytes;

/// The folders of the cache that belong to the mirror.
pub(super) struct Shelf {
    recordings: PathBuf,
    generated: PathBuf,
}

/// A folder of recorded or generated packages.
pub(super) struct Folder {
    /// Its name.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// The file that makes it what it is.
    mark: &'static str,
}

impl Folder {
    /// When it was last used.
    pub(super) fn last_used(&self) -> Option<SystemTime> {
        used::last(&self.path, self.mark)
    }

    /// The size of its files.
    pub(super) fn size(&self) -> Bytes {
        let files = walkdir::WalkDir::new(&self.path).into_iter().filter_map(Result::ok);
        let sizes = files.filter_map(|file| file.metadata().ok().filter(std::fs::Metadata::is_file));
        Bytes(sizes.map(|data| data.len()).sum())
    }

    /// Takes it for oneself; `None` if a run, say, is using it.
    pub(super) fn claim(&self) -> Result<Option<File>, Failure> {
        Ok(used::claim(&self.path).map_err(RecordingError::file("locking", &self.path))?)
    }

    /// Removes it. The file that makes it what it is goes last, so that a second call finds what a killed one left.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| {
                Failure::from(RecordingError::File {
                    operation: "removing",
                    path,
                    source,
                })
            }
        };
        if self.path.is_symlink() {
            return std::fs::remove_file(&self.path).map_err(failed(&self.path));
        }
        for entry in std::fs::read_dir(&self.path).map_err(failed(&self.path))? {
            let entry = entry.map_err(failed(&self.path))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                std::fs::remove_dir_all(&path).map_err(failed(&path))?;
            } else if entry.file_name() != self.mark {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        std::fs::remove_dir_all(&self.path).map_err(failed(&self.path))
    }
}

impl Shelf {
    pub(super) fn new() -> Result<Self, Failure> {
        let cache = paths::cache()?;
        Ok(Self {
            recordings: runner::recordings(&cache),
            generated: runner::generated(&cache),
        })
    }

    /// Where a recording of that name is, or would be.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.recordings.join(name)
    }

    /// The recordings with these names; all if there are none.
    pub(super) fn recordings(&self, names: &[String]) -> Result<Vec<Folder>, Failure> {
        let all = folders(&self.recordings, MANIFEST)?;
        if names.is_empty() {
            return Ok(all);
        }
        if let Some(name) = names.iter().find(|name| all.iter().all(|known| known.name != **name)) {
            return Err(self.absent(name, &all));
        }
        Ok(all.into_iter().filter(|known| names.contains(&known.name)).collect())
    }

    /// The folders of generated packages.
    pub(super) fn generated(&self) -> Result<Vec<Folder>, Failure> {
        folders(&self.generated, synthetic::COMPLETE)
    }

    /// The recording of that name.
    pub(super) fn open(&self, name: &str) -> Result<Recording, Failure> {
        match Recording::open(&self.place(name)) {
            Err(RecordingError::Absent { .. }) => Err(self.absent(name, &folders(&self.recordings, MANIFEST)?)),
            opened => Ok(opened?),
        }
    }

    /// The recording of that name, else the only one.
    pub(super) fn open_or_only(&self, name: Option<&str>) -> Result<Recording, Failure> {
        if let Some(name) = name {
            return self.open(name);
        }
        match self.recordings(&[])?.as_slice() {
            [only] => Ok(Recording::open(&only.path)?),
            [] => Err(Failure::NoRecordings(self.recordings.clone())),
            several => Err(Failure::WhichRecording(names(several))),
        }
    }

    fn absent(&self, name: &str, known: &[Folder]) -> Failure {
        Failure::NoSuchRecording {
            name: name.to_owned(),
            folder: self.recordings.clone(),
            known: names(known),
            nearest: nearest(name, known.iter().map(|known| known.name.as_str())),
        }
    }
}

fn names(folders: &[Folder]) -> Vec<String> {
    folders.iter().map(|folder| folder.name.clone()).collect()
}

/// The folders in `parent` that hold the file `mark`, by name. A dot begins the names of unfinished ones.
fn folders(parent: &Path, mark: &'static str) -> Result<Vec<Folder>, Failure> {
    let failed = |source| RecordingError::File {
        operation: "listing",
        path: parent.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') && path.join(mark).is_file() {
            folders.push(Folder { name, path, mark });
        }
    }
    folders.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(folders)
}
