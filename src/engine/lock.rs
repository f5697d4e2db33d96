//! One run at a time per engine: a file lock, which the kernel takes back from a process that dies. Two runs at a time
//! would measure each other, and the clean-up of one would remove what the other works with.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A folder that all users of a machine share, whatever their TMPDIR is.
const FOLDER: &str = "/tmp";

/// Why an engine's lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another run uses this engine{holder}")]
    Busy {
        /// Who, in brackets, as far as known.
        holder: String,
    },
    /// The lock file can't be used.
    #[error("the lock {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// Held while a run uses an engine.
#[derive(Debug)]
pub struct EngineLock {
    _file: File,
}

impl EngineLock {
    /// Takes the lock of an engine, known by its id. All users of the machine share it.
    ///
    /// # Errors
    /// If another process holds it, or its file can't be opened.
    pub fn take(engine_id: &str) -> Result<Self, LockError> {
        let digest = Sha256::digest(engine_id);
        let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let path: PathBuf = Path::new(FOLDER).join(format!("bakeoff-engine-{short}.lock"));
        let failed = |source| LockError::File {
            path: path.clone(),
            source,
        };
        // Another user's file in a sticky folder can be opened, but not with O_CREAT.
        let open = OpenOptions::new().read(true).write(true).open(&path);
        let mut file = match open {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o666)
                .open(&path)
                .map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => File::open(&path).map_err(failed)?,
            other => other.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's name is a courtesy; without it the message is still right.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() {
                    String::new()
                } else {
                    format!(" ({})", holder.trim())
                };
                return Err(LockError::Busy { holder });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = write!(file, "process {}", std::process::id());
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_engine() {
        let id = format!("test-{}", std::process::id());
        let held = EngineLock::take(&id).expect("free");
        let message = EngineLock::take(&id).expect_err("held").to_string();
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(held);
        EngineLock::take(&id).expect("free again");
    }
}
