//! A recording as one file: a tar archive, so that two people can measure the same downloads. It is not compressed:
//! packages are.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Component, Path};

use sha2::{Digest as _, Sha256};

use super::store::Recording;
use super::{RecordingError, Stats};
use crate::units::hex;

/// Writes a recording to a file, which is there only when it is whole. Returns how much went into it.
///
/// # Errors
/// If a body is damaged, or the disk refuses.
pub fn export(recording: &Recording, file: &Path) -> Result<Stats, RecordingError> {
    if let Some(damage) = recording.verify(&|_, _| {})?.first() {
        let what = damage
            .key
            .as_ref()
            .map_or_else(|| "a lock file".to_owned(), ToString::to_string);
        return Err(RecordingError::Archive {
            path: recording.folder().to_owned(),
            reason: format!("the recording of {what} is damaged: {}", damage.reason),
        });
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let failed = |source| RecordingError::File {
        operation: "writing",
        path: file.to_owned(),
        source,
    };
    let partial = tempfile::NamedTempFile::new_in(parent).map_err(failed)?;
    let mut tar = tar::Builder::new(std::io::BufWriter::new(partial));
    let manifest = std::fs::read(recording.manifest()).map_err(failed)?;
    // After the manifest was read: no line of it may name a body that we don't know of.
    recording.refresh()?;
    let write = |tar: &mut tar::Builder<_>| -> std::io::Result<()> {
        // Only whole lines: another process may be adding to it.
        let whole = manifest
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let mut header = tar::Header::new_gnu();
        header.set_size(whole as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, "manifest.jsonl", &manifest[..whole])?;
        for sha256 in recording.blobs().keys() {
            let mut body = std::fs::File::open(recording.blob(sha256))?;
            let mut header = tar::Header::new_gnu();
            header.set_size(body.metadata()?.len());
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("blobs/{}/{sha256}", &sha256[..2]), &mut body)?;
        }
        Ok(())
    };
    write(&mut tar).map_err(failed)?;
    let done = tar.into_inner().map_err(failed)?;
    let done = done.into_inner().map_err(|error| failed(error.into_error()))?;
    // A temporary file is its owner's only; an exported one is for others.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    done.as_file().set_permissions(mode).map_err(failed)?;
    done.persist(file).map_err(|error| failed(error.error))?;
    Ok(recording.stats())
}

/// Makes a recording from an exported one; every body is checked against its hash on the way. Nothing is there unless
/// all of it is good.
///
/// # Errors
/// If the file is no exported recording, a body is damaged, a recording of that name is there, or the disk refuses.
pub fn import(file: &Path, folder: &Path) -> Result<Stats, RecordingError> {
    let wrong = |reason: String| RecordingError::Archive {
        path: file.to_owned(),
        reason,
    };
    if folder.exists() {
        return Err(wrong(format!("there is a recording in {} already", folder.display())));
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(RecordingError::file("making", parent))?;
    let staging = tempfile::Builder::new().prefix(".import-").tempdir_in(parent);
    let staging = staging.map_err(RecordingError::file("making a folder in", parent))?;
    let opened = std::fs::File::open(file).map_err(RecordingError::file("opening", file))?;
    let mut tar = tar::Archive::new(std::io::BufReader::new(opened));
    let mut seen = HashMap::new();
    for member in tar
        .entries()
        .map_err(|error| wrong(format!("it is no tar archive: {error}")))?
    {
        let mut member = member.map_err(|error| wrong(format!("it is no whole tar archive: {error}")))?;
        let path = member.path().map_err(|error| wrong(error.to_string()))?.into_owned();
        let place = place_of(&path).ok_or_else(|| wrong(format!("{} has no place in a recording", path.display())))?;
        if !member.header().entry_type().is_file() {
            return Err(wrong(format!("{} is no file", path.display())));
        }
        let target = staging.path().join(&path);
        let parent = target.parent().unwrap_or(staging.path());
        std::fs::create_dir_all(parent).map_err(RecordingError::file("making", parent))?;
        let found = unpack(&mut member, &target).map_err(RecordingError::file("writing", &target))?;
        match place {
            Place::Body(sha256) if found != sha256 => {
                return Err(wrong(format!("{} has the hash {found}: it is damaged", path.display())));
            }
            Place::Body(sha256) => {
                seen.insert(sha256, member.size());
            }
            Place::Manifest => {}
        }
    }
    if !staging.path().join("manifest.jsonl").is_file() {
        return Err(wrong("it holds no manifest.jsonl: it is no exported recording".into()));
    }
    std::fs::create_dir_all(staging.path().join("partial"))
        .map_err(RecordingError::file("making", staging.path().join("partial")))?;
    let recording = Recording::open(staging.path())?;
    for (sha256, size) in recording.blobs() {
        match seen.get(&sha256) {
            None => return Err(wrong(format!("the body {sha256} is missing"))),
            Some(found) if *found != size => {
                let reason = format!("the body {sha256} has {found} bytes, and the manifest says {size}");
                return Err(wrong(reason));
            }
            Some(_) => {}
        }
    }
    let stats = recording.stats();
    let staged = staging.keep();
    std::fs::rename(&staged, folder).map_err(|source| {
        let _ = std::fs::remove_dir_all(&staged);
        RecordingError::File {
            operation: "moving the recording to",
            path: folder.to_owned(),
            source,
        }
    })?;
    Ok(stats)
}

/// Unpacks a file and returns its hash.
fn unpack(from: &mut impl std::io::Read, to: &Path) -> std::io::Result<String> {
    let mut out = std::fs::File::create_new(to)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            out.sync_all()?;
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..count]);
        out.write_all(&buffer[..count])?;
    }
}

/// What a member of the archive is.
enum Place {
    Manifest,
    /// A body, with the hash that it must have.
    Body(String),
}

/// What a member is by its path; `None` for a path that has no place in a recording, such as one with `..`.
fn place_of(path: &Path) -> Option<Place> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    match parts?.as_slice() {
        ["manifest.jsonl"] => Some(Place::Manifest),
        ["blobs", two, sha256]
            if sha256.len() == 64
                && sha256.bytes().all(|byte| byte.is_ascii_hexdigit())
                && sha256.starts_with(two)
                && two.len() == 2 =>
        {
            Some(Place::Body((*sha256).to_owned()))
        }
        _ => None,
    }
}
