//! Checking that every body is what the manifest says, and clearing away what is of no use.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::store::Recording;
use super::{Key, RecordingError};
use crate::units::{Bytes, hex};

/// A download in progress writes all the time; a partial file that nobody has touched for so long is nobody's.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A body that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its hash in the manifest.
    pub sha256: String,
    /// What was downloaded into it, if it is not a lock file.
    pub key: Option<Key>,
    /// What is wrong.
    pub reason: String,
}

/// What is of no use in a recording.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waste {
    /// Damaged bodies, which are of no use with their records.
    pub damaged: Vec<Damage>,
    /// Their files, bodies that no record names, and abandoned partial files, with their sizes.
    pub files: Vec<(PathBuf, Bytes)>,
}

impl Recording {
    /// Reads every body and says which are not what the manifest says; from then on those are refused. `progress` is
    /// told the bytes read and the bytes in all.
    ///
    /// # Errors
    /// If the manifest can't be read. A body that can't be is damage.
    pub fn verify(&self, progress: &dyn Fn(Bytes, Bytes)) -> Result<Vec<Damage>, RecordingError> {
        // Another process may have added some.
        self.refresh()?;
        let blobs = self.blobs();
        let all = blobs.values().sum();
        let mut read = 0;
        let mut damaged = Vec::new();
        for (sha256, size) in blobs {
            if let Some(reason) = wrong(&self.blob(&sha256), &sha256, size) {
                let entries = self.entries();
                let key = entries.iter().find(|entry| entry.sha256 == sha256);
                damaged.push(Damage {
                    key: key.map(|entry| entry.key.clone()),
                    sha256,
                    reason,
                });
            }
            read += size;
            progress(Bytes(read), Bytes(all));
        }
        self.set_damaged(damaged.iter().map(|damage| damage.sha256.clone()).collect());
        Ok(damaged)
    }

    /// Says what [`Recording::prune`] would remove. `progress` is as that of [`Recording::verify`].
    ///
    /// # Errors
    /// If the recording can't be read.
    pub fn waste(&self, progress: &dyn Fn(Bytes, Bytes)) -> Result<Waste, RecordingError> {
        let damaged = self.verify(progress)?;
        let hashes = hashes(&damaged);
        let mut named = self.blobs();
        named.retain(|sha256, _| !hashes.contains(sha256));
        let files = self.useless(&named, &hashes);
        Ok(Waste { damaged, files })
    }

    /// Removes damaged bodies with their records, bodies that no record names, and abandoned partial files. Returns how
    /// many of each kind of thing went, and the bytes that this freed.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn prune(&self) -> Result<(u64, Bytes), RecordingError> {
        let damaged = hashes(&self.verify(&|_, _| {})?);
        let mut removed = self.rewrite(&|sha256| !damaged.contains(sha256))?;
        let mut freed = 0;
        let named = self.blobs();
        // A download is kept before its record is written; only under the lock and after a while is it nobody's.
        self.locked(|recording| {
            for (path, size) in recording.useless(&named, &damaged) {
                std::fs::remove_file(&path).map_err(RecordingError::file("removing", &path))?;
                removed += u64::from(!path.file_name().is_some_and(|name| is_in(&damaged, name)));
                freed += size.0;
            }
            Ok(())
        })?;
        self.set_damaged(HashSet::new());
        Ok((removed, Bytes(freed)))
    }

    /// The files of damaged bodies, and those that nobody has named for a while.
    fn useless(&self, named: &BTreeMap<String, u64>, damaged: &HashSet<String>) -> Vec<(PathBuf, Bytes)> {
        let mut files = Vec::new();
        for file in walkdir::WalkDir::new(self.folder().join("blobs"))
            .into_iter()
            .chain(walkdir::WalkDir::new(self.partial()))
            .filter_map(Result::ok)
            .filter(|file| file.file_type().is_file())
        {
            let (size, age) = size_and_age(file.path());
            let is_named = named.contains_key(file.file_name().to_string_lossy().as_ref());
            if !is_named && (age >= ABANDONED || is_in(damaged, file.file_name())) {
                files.push((file.into_path(), Bytes(size)));
            }
        }
        files
    }
}

fn hashes(damaged: &[Damage]) -> HashSet<String> {
    damaged.iter().map(|damage| damage.sha256.clone()).collect()
}

fn is_in(hashes: &HashSet<String>, name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| hashes.contains(name))
}

fn size_and_age(path: &Path) -> (u64, Duration) {
    let Ok(data) = path.metadata() else {
        return (0, Duration::ZERO);
    };
    let age = data
        .modified()
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok());
    (data.len(), age.unwrap_or_default())
}

/// What is wrong with a body, if anything.
fn wrong(path: &Path, sha256: &str, size: u64) -> Option<String> {
    let hashed = || -> std::io::Result<(u64, String)> {
        let mut file = std::fs::File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut length = 0;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok((length, hex(&hash.finalize())));
            }
            hash.update(&buffer[..count]);
            length += count as u64;
        }
    };
    match hashed() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some("its file is missing".to_owned()),
        Err(error) => Some(format!("its file can't be read: {error}")),
        Ok((length, _)) if length != size => Some(format!("its file has {length} bytes instead of {size}")),
        Ok((_, found)) if found != sha256 => Some(format!("its file has the hash {found} instead of {sha256}")),
        Ok(_) => None,
    }
}
