//! Whether a folder of the cache is being used, and when it last was: a lock on an empty file in it, and the time of that file.
//! Not for: deciding what is too old.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::SystemTime;

/// The file whose time it is.
const USED: &str = "used";

/// Says that the folder is being used. That it can't be said, on a disk that is only for reading, is no reason not to
/// use it.
pub fn touch(folder: &Path) {
    let _ = open(folder).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Says that the folder is being used for as long as the value lives; the kernel takes that back from a process that dies.
/// Several may use it at a time. `None` where it can't be said.
#[must_use]
pub fn hold(folder: &Path) -> Option<File> {
    let file = open(folder).or_else(|_| File::open(folder.join(USED))).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Takes the folder for oneself, to remove it; `None` if somebody is using it.
///
/// # Errors
/// If that can't be told.
pub fn claim(folder: &Path) -> std::io::Result<Option<File>> {
    let file = match OpenOptions::new().append(true).open(folder.join(USED)) {
        // To make one would say that it was used.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return File::open(folder).map(Some),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(folder.join(USED))
}

/// When the folder was last used; if nobody has said so, when this file in it was last changed.
#[must_use]
pub fn last(folder: &Path, otherwise: &str) -> Option<SystemTime> {
    let time = |name: &str| folder.join(name).metadata().and_then(|data| data.modified()).ok();
    time(USED).or_else(|| time(otherwise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_use_is_free_when_the_last_of_them_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let users = [hold(folder.path()), hold(folder.path())];
        for user in users {
            assert!(user.is_some() && claim(folder.path()).unwrap().is_none());
        }
        let claimed = claim(folder.path()).unwrap();
        assert!(claimed.is_some() && claim(folder.path()).unwrap().is_none());
    }

    #[test]
    fn a_claim_does_not_count_as_use() {
        let folder = tempfile::tempdir().unwrap();
        assert!(claim(folder.path()).unwrap().is_some());
        assert_eq!(last(folder.path(), "nothing"), None);
        let file = open(folder.path()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(claim(folder.path()).unwrap().is_some());
        assert_eq!(last(folder.path(), "nothing"), Some(SystemTime::UNIX_EPOCH));
    }
}
