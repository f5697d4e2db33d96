//! A file or folder as it is told to the builder: what fsutil, the docker client's sender, tells of it. Not for: which
//! ones are told.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::wire::Stat;

// Bits of Go's `os.FileMode`: what travels is neither the system's mode nor tar's.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const PIPE: u32 = 1 << 25;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHARACTER_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;
/// Every bit that says that something is no regular file.
const KINDS: u32 = DIRECTORY | SYMLINK | DEVICE | PIPE | CHARACTER_DEVICE;

/// Attributes whose names begin so are told by no client.
const NOT_TOLD: &str = "com.apple.";

/// The files that were told and have other names too, by device and inode.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<(u64, u64), PathBuf>);

impl Links {
    /// Reads what is told of the file at `full`. A file that was told before under another name becomes a hard link to
    /// that. Owners are root, as the docker client sets them.
    pub fn stat(&mut self, full: &Path, path: &Path, metadata: &Metadata) -> io::Result<Stat> {
        let kind = metadata.file_type();
        let mut stat = Stat {
            path: path.as_os_str().as_bytes().to_vec(),
            mode: mode(metadata),
            modified: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
            ..Stat::default()
        };
        if !kind.is_dir() {
            stat.size = i64::try_from(metadata.size()).unwrap_or(i64::MAX);
            if metadata.nlink() > 1 {
                let told = self.0.entry((metadata.dev(), metadata.ino()));
                let first = told.or_insert_with(|| path.to_owned());
                if first != path {
                    stat.link = first.as_os_str().as_bytes().to_vec();
                }
            }
        }
        if kind.is_block_device() || kind.is_char_device() {
            (stat.device_major, stat.device_minor) = device(metadata.rdev());
        }
        if kind.is_symlink() {
            stat.link = std::fs::read_link(full)?.into_os_string().as_bytes().to_vec();
        }
        attributes(full, &mut stat)?;
        Ok(stat)
    }
}

/// Whether the builder may ask for the content of something with this mode. Sockets count as regular files: their
/// content can't be read, so that they arrive as empty files.
pub(super) const fn has_content(mode: u32) -> bool {
    mode & KINDS == 0
}

fn mode(metadata: &Metadata) -> u32 {
    let (mode, kind) = (metadata.mode(), metadata.file_type());
    let flags = [
        (kind.is_dir(), DIRECTORY),
        (kind.is_symlink(), SYMLINK),
        (kind.is_block_device(), DEVICE),
        (kind.is_char_device(), DEVICE | CHARACTER_DEVICE),
        (kind.is_fifo(), PIPE),
        (mode & 0o4000 != 0, SETUID),
        (mode & 0o2000 != 0, SETGID),
        (mode & 0o1000 != 0, STICKY),
    ];
    flags
        .into_iter()
        .filter(|(is, _)| *is)
        .fold(mode & 0o777, |all, (_, flag)| all | flag)
}

/// The numbers of a device as fsutil works them out.
fn device(number: u64) -> (i64, i64) {
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xf_ff00);
    (major.cast_signed(), minor.cast_signed())
}

/// Adds the extended attributes. One that can't be read is left out.
fn attributes(full: &Path, stat: &mut Stat) -> io::Result<()> {
    let mut names = [0_u8; 1024];
    let listed = match rustix::fs::llistxattr(full, &mut names) {
        Ok(0) | Err(Errno::NOTSUP) => return Ok(()),
        Ok(length) => names[..length].to_vec(),
        Err(Errno::RANGE) => {
            let mut names = vec![0; 64 * 1024];
            let length = rustix::fs::llistxattr(full, &mut names[..])?;
            names.truncate(length);
            names
        }
        Err(error) => return Err(error.into()),
    };
    for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // The message's format has no place for a name that is no UTF-8.
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.starts_with(NOT_TOLD) {
            continue;
        }
        let mut value = vec![0; 64 * 1024];
        if let Ok(length) = rustix::fs::lgetxattr(full, name, &mut value[..]) {
            value.truncate(length);
            stat.attributes.insert(name.to_owned(), value);
        }
    }
    Ok(())
}
