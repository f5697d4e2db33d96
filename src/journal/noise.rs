//! The file in which a probe of the machine's noise is kept for the runs after it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::record::Noise as Record;
use crate::environment::noise::Noise;

/// Its name in the user's cache.
pub const NOISE_FILE: &str = "noise.json";

/// Counts the format.
const SCHEMA: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Kept {
    schema: u64,
    #[serde(flatten)]
    noise: Record,
}

#[derive(Deserialize)]
struct Peek {
    schema: u64,
}

fn place(folder: &Path) -> PathBuf {
    folder.join(NOISE_FILE)
}

fn failed<'p>(operation: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> JournalError + 'p {
    move |source| JournalError::File {
        operation,
        path: path.to_owned(),
        source,
    }
}

/// Keeps what a probe found, in place of what an earlier one did. Whoever reads meanwhile finds the one or the other whole.
///
/// # Errors
/// If the file can't be written.
pub fn write_noise(folder: &Path, noise: &Noise) -> Result<(), JournalError> {
    let path = place(folder);
    let kept = Kept {
        schema: SCHEMA,
        noise: noise.clone().into(),
    };
    let text = serde_json::to_string_pretty(&kept).map_err(|source| JournalError::Encode {
        path: path.clone(),
        event: "noise",
        source,
    })?;
    let write = || {
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.persist(&path).map_err(|error| error.error)
    };
    write().map_err(failed("write", &path)).map(drop)
}

/// What the last probe since this start of the machine found; `None` if there was none.
///
/// # Errors
/// If the file is there and is none of ours, or can't be read.
pub fn read_noise(folder: &Path, boot: &str) -> Result<Option<Noise>, JournalError> {
    let path = place(folder);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(failed("read", &path))?,
    };
    let wrong = |error: serde_json::Error| JournalError::Record {
        path: path.clone(),
        line: error.line(),
        reason: error.to_string(),
    };
    let Peek { schema } = serde_json::from_str(&text).map_err(wrong)?;
    if schema > SCHEMA {
        return Err(JournalError::Newer { path, schema });
    }
    let kept: Kept = serde_json::from_str(&text).map_err(wrong)?;
    let noise = Noise::from(kept.noise);
    Ok((noise.boot == boot).then_some(noise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;

    #[test]
    fn what_a_probe_found_is_read_again_until_the_machine_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("bakeoff");
        assert_eq!(read_noise(&cache, "3c3a1f0e").unwrap(), None);
        let noise = samples::noise();
        write_noise(&cache, &noise).unwrap();
        write_noise(&cache, &noise).unwrap();
        assert_eq!(read_noise(&cache, "3c3a1f0e").unwrap(), Some(noise));
        assert_eq!(read_noise(&cache, "another").unwrap(), None);
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let said = |text: &str| {
            std::fs::write(folder.path().join(NOISE_FILE), text).unwrap();
            let error = read_noise(folder.path(), "").unwrap_err();
            error.to_string().replace(&folder.path().display().to_string(), "")
        };
        assert!(said("{ \"schema\": 1,\n nonsense").starts_with("/noise.json, line 2: "));
        assert!(said("{ \"schema\": 1 }").contains("missing field"));
        assert!(said("{ \"schema\": 99 }").contains("newer bakeoff: schema 99"));
    }
}
