//! Writes a file so that it is there whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Writes to a temporary file beside it, and puts that in its place. What is no file (a pipe, a terminal) is written to.
pub(in crate::cli) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let found = match path.metadata() {
        Ok(data) if data.is_file() => Some(data.permissions()),
        // A folder is an error when it is opened.
        Ok(_) => return std::fs::OpenOptions::new().write(true).open(path)?.write_all(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // A link stays one.
    let target = match &found {
        Some(_) => path.canonicalize()?,
        None => path.to_owned(),
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    // What the user's umask leaves of it.
    let mode = found.unwrap_or_else(|| Permissions::from_mode(0o666));
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".bakeoff-").permissions(mode).tempfile_in(folder)?;
    file.write_all(text)?;
    file.persist(&target).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        write(&path, b"first").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        write(&link, b"second").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"second");
        assert!(link.is_symlink(), "a link stays one");
        assert_eq!(mode(&path), 0o640, "it stays as readable as it was");
        let names = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(names, 2, "nothing temporary is left");
    }

    #[test]
    fn what_can_t_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(folder.path(), b"x").is_err(), "a folder");
        assert!(write(&folder.path().join("none/a"), b"x").is_err(), "no folder");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
        write(Path::new("/dev/null"), b"x").expect("a device is written to");
    }
}
