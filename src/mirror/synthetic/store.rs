//! The generated files on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::wheel::Package;
use super::{Spec, SyntheticError};

/// The file that is written last and says that all others are there.
pub const COMPLETE: &str = "complete.json";

/// The version of that file.
const SCHEMA: u32 = 1;

/// The threads that pack wheels at once, at most.
const WORKERS: usize = 8;

/// A file as `complete.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    /// In bytes.
    pub(super) size: u64,
    /// In 64 lower-case hexadecimal digits.
    pub(super) sha256: String,
}

/// A package's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) wheel: Whole,
    pub(super) metadata: Whole,
}

/// `complete.json`.
#[derive(Serialize, Deserialize)]
struct Complete {
    schema: u32,
    key: String,
    /// By their names.
    files: BTreeMap<String, Whole>,
}

/// The files of each package; `None` if the folder holds no complete set for this [`Spec`].
pub(super) fn read(spec: &Spec, packages: &[Package], folder: &Path) -> Option<Vec<Stored>> {
    let text = fs::read(folder.join(COMPLETE)).ok()?;
    let mut complete: Complete = serde_json::from_slice(&text).ok()?;
    if complete.schema != SCHEMA || complete.key != spec.key() {
        return None;
    }
    let mut whole = |name: String| {
        let file = complete.files.remove(&name)?;
        let found = fs::metadata(folder.join(name)).ok().filter(fs::Metadata::is_file)?;
        let hash = file.sha256.len() == 64 && file.sha256.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        (hash && found.len() == file.size).then_some(file)
    };
    let stored = packages.iter().map(|package| {
        let [wheel, metadata] = package.filenames();
        Some(Stored {
            wheel: whole(wheel)?,
            metadata: whole(metadata)?,
        })
    });
    stored.collect()
}

/// Writes the files of each package. Each appears under its name only when it is whole, so that whoever does the same
/// at once replaces it by the same bytes.
pub(super) fn write(
    spec: &Spec,
    packages: &[Package],
    folder: &Path,
    progress: &dyn Fn(u32, u32),
) -> Result<Vec<Stored>, SyntheticError> {
    fs::create_dir_all(folder).map_err(|source| SyntheticError::Folder {
        path: folder.to_owned(),
        source,
    })?;
    let stored = pack_all(packages, folder, progress)?;
    let files = packages.iter().zip(&stored).flat_map(|(package, stored)| {
        let [wheel, metadata] = package.filenames();
        [(wheel, stored.wheel.clone()), (metadata, stored.metadata.clone())]
    });
    let complete = Complete {
        schema: SCHEMA,
        key: spec.key(),
        files: files.collect(),
    };
    let text = serde_json::to_vec_pretty(&complete).map_err(|source| failed(folder, COMPLETE, source.into()))?;
    store(folder, COMPLETE, |file| Ok(file.write_all(&text)?))?;
    Ok(stored)
}

/// Packs the wheels, several at once: it is all computing.
fn pack_all(packages: &[Package], folder: &Path, progress: &dyn Fn(u32, u32)) -> Result<Vec<Stored>, SyntheticError> {
    let all = u32::try_from(packages.len()).unwrap_or(u32::MAX);
    let workers = thread::available_parallelism().map_or(1, |count| count.get().min(WORKERS));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(package) = packages.get(place) else { break };
                    // Nobody listens any more after an error.
                    if sender.send((place, pack(package, folder))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut stored = BTreeMap::new();
        for (done, (place, packed)) in (1..).zip(receiver) {
            stored.insert(place, packed?);
            progress(done, all);
        }
        Ok(stored.into_values().collect())
    })
}

/// Writes one wheel and its metadata file.
fn pack(package: &Package, folder: &Path) -> Result<Stored, SyntheticError> {
    let [wheel, metadata] = package.filenames();
    let wheel = store(folder, &wheel, |file| {
        package.pack(BufWriter::new(file))?.flush()?;
        Ok(())
    })?;
    let metadata = store(folder, &metadata, |file| {
        Ok(file.write_all(package.metadata().as_bytes())?)
    })?;
    Ok(Stored { wheel, metadata })
}

/// Writes a file under another name, reads it back for its hash, and gives it its name.
fn store(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut fs::File) -> Result<(), zip::result::ZipError>,
) -> Result<Whole, SyntheticError> {
    let failed = |source| failed(folder, name, source);
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    write(file.as_file_mut()).map_err(|error| match error {
        zip::result::ZipError::Io(source) => failed(source),
        source => SyntheticError::Pack {
            path: folder.join(name),
            source,
        },
    })?;
    let mut hash = Sha256::new();
    file.rewind().map_err(failed)?;
    let size = io::copy(&mut file, &mut hash).map_err(failed)?;
    file.persist(folder.join(name)).map_err(|error| failed(error.error))?;
    Ok(Whole {
        size,
        sha256: format!("{:x}", hash.finalize()),
    })
}

fn failed(folder: &Path, name: &str, source: io::Error) -> SyntheticError {
    SyntheticError::Write {
        path: folder.join(name),
        source,
    }
}
