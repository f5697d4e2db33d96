//! Checking that every body is what the manifest says, and clearing away what is of no use.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::store::{Recording, hex};
use super::{Key, RecordingError};
use crate::units::Bytes;

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

impl Recording {
    /// Reads every body and says which are not what the manifest says; from then on those are refused. `progress` is
    /// told the bytes read and the bytes in all.
    ///
    /// # Errors
    /// Never for a body that can't be read: that is damage.
    pub fn verify(&self, progress: &dyn Fn(Bytes, Bytes)) -> Result<Vec<Damage>, RecordingError> {
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

    /// Removes damaged bodies with their records, bodies that no record names, and abandoned partial files. Returns how
    /// many of each kind of thing went, and the bytes that this freed.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn prune(&self) -> Result<(u64, Bytes), RecordingError> {
        let damaged: HashSet<String> = self
            .verify(&|_, _| {})?
            .into_iter()
            .map(|damage| damage.sha256)
            .collect();
        let mut removed = self.rewrite(&|sha256| !damaged.contains(sha256))?;
        let mut freed = 0;
        let named = self.blobs();
        // A download is kept before its record is written; only under the lock and after a while is it nobody's.
        self.locked(|recording| {
            for file in walkdir::WalkDir::new(recording.folder().join("blobs"))
                .into_iter()
                .chain(walkdir::WalkDir::new(recording.partial()))
                .filter_map(Result::ok)
                .filter(|file| file.file_type().is_file())
            {
                let name = file.file_name().to_string_lossy();
                let (size, age) = size_and_age(file.path());
                let is_damaged = damaged.contains(name.as_ref());
                if named.contains_key(name.as_ref()) || (age < ABANDONED && !is_damaged) {
                    continue;
                }
                std::fs::remove_file(file.path()).map_err(RecordingError::file("removing", file.path()))?;
                removed += u64::from(!is_damaged);
                freed += size;
            }
            Ok(())
        })?;
        self.set_damaged(HashSet::new());
        Ok((removed, Bytes(freed)))
    }
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
