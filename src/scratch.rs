//! Temporary files and folders that a killed process leaves behind are found and removed by a later one: each carries our
//! name and is locked for as long as its process lives. The kernel takes a lock back from a process that dies, so no
//! process id has to be believed, which may be another's by then, or of another process namespace.
//!
//! Not for: what is kept (that is the cache's).

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

/// What our names begin with. Nothing else may: what is found under such a name and is not locked is removed.
const PREFIX: &str = "bakeoff-tmp-";

/// A temporary folder, removed with this value.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    /// Held, not used.
    #[allow(dead_code, reason = "the lock ends with it")]
    lock: File,
}

impl Folder {
    /// Makes one below the folder for temporary files; `what` becomes a part of its name.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn new(what: &str) -> io::Result<Self> {
        Self::below(&std::env::temp_dir(), what)
    }

    /// Makes one below another folder, which only [`sweep`] finds if it is that for temporary files or `/tmp`.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn below(parent: &Path, what: &str) -> io::Result<Self> {
        loop {
            let dir = Builder::new().prefix(&format!("{PREFIX}{what}-")).tempdir_in(parent)?;
            let lock = File::open(dir.path())?;
            // Between its making and its locking another process may have taken it for left behind.
            if is_ours(&lock, dir.path())? {
                return Ok(Self { dir, lock });
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What it leaves, or if it fails, is the temporary folder's to remove.
        let _ = remove_folder(self.path());
    }
}

/// Removes a folder with all that is in it: also folders that not even their owner may write in, which a user's context
/// can have.
fn remove_folder(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path);
            std::fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn open_folders(path: &Path) {
    let _ = std::fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_folders(&entry.path());
        }
    }
}

/// Makes a temporary file, removed with the value; `what` becomes a part of its name.
///
/// # Errors
/// If it can't be made.
pub fn file(what: &str) -> io::Result<NamedTempFile> {
    loop {
        let file = Builder::new().prefix(&format!("{PREFIX}{what}-")).tempfile()?;
        if is_ours(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Locks what was just made, and says whether it is still there. On a file system without locks it counts as ours.
fn is_ours(made: &File, path: &Path) -> io::Result<bool> {
    match made.try_lock() {
        Ok(()) => Ok(path.exists()),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what processes left behind that are gone, and says what. What can't be looked at or removed, mostly because it
/// is another user's, is left.
#[must_use]
pub fn sweep() -> Vec<PathBuf> {
    let usual = std::env::temp_dir();
    let mut swept = sweep_below(&usual);
    // Sockets can't lie in a folder with a long name.
    let short = Path::new("/tmp");
    if usual != short {
        swept.extend(sweep_below(short));
    }
    swept
}

fn sweep_below(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    ours.map(|entry| entry.path())
        .filter(|path| remove_if_left(path).is_ok())
        .collect()
}

fn remove_if_left(path: &Path) -> io::Result<()> {
    // A link of our name leads to what may be anybody's.
    let kind = path.symlink_metadata()?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let lock = File::open(path)?;
    lock.try_lock()?;
    if kind.is_dir() {
        remove_folder(path)
    } else {
        std::fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_left_goes_and_what_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = Folder::below(parent.path(), "context").unwrap();
        let left = Folder::below(parent.path(), "context").unwrap();
        let left_path = left.path().to_owned();
        // As a killed process does: the folder stays, the lock does not.
        left.lock.unlock().unwrap();
        std::mem::forget(left);
        for folder in [left_path.join("deep"), used.path().join("deep")] {
            std::fs::create_dir_all(folder.join("closed")).unwrap();
            std::fs::set_permissions(&folder, Permissions::from_mode(0o000)).unwrap();
        }
        std::fs::write(parent.path().join(format!("{PREFIX}file")), "").unwrap();
        std::fs::write(parent.path().join("users-own"), "").unwrap();
        let mut swept = sweep_below(parent.path());
        swept.sort();
        assert_eq!(swept, [left_path, parent.path().join(format!("{PREFIX}file"))]);
        assert!(used.path().exists() && parent.path().join("users-own").exists());
        assert!(sweep_below(parent.path()).is_empty());
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }
}
