//! Small tar archives in memory: the form in which files travel into and out of containers.

use std::io::Read as _;
use std::path::PathBuf;

/// A tar archive of files, with the same mode for all.
///
/// # Errors
/// If a path is longer than the format allows.
pub fn archive(files: &[(PathBuf, Vec<u8>)], mode: u32) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        builder.append_data(&mut header, path, content.as_slice())?;
    }
    builder.into_inner()
}

/// The regular files of a tar archive, by their bare names.
///
/// # Errors
/// If it is no tar archive.
pub fn unpack(packed: &[u8]) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in tar::Archive::new(packed).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let name = PathBuf::from(entry.path()?.file_name().unwrap_or_default());
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.push((name, content));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_can_be_unpacked() {
        let files = vec![
            (PathBuf::from("uv"), b"one".to_vec()),
            (PathBuf::from("uvx"), vec![0; 2000]),
        ];
        let packed = archive(&files, 0o755).expect("packs");
        assert_eq!(unpack(&packed).expect("unpacks"), files);
    }
}
