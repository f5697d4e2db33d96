//! Reads a layer's archive, whatever it is compressed by, as a stream: only the heads of its entries are looked at.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Entry, Kind, LayerFiles};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names that begin so mean something to a storage driver and are no files.
const RESERVED: &[u8] = b".wh..wh.";

/// How much is read at once.
const BUFFER: usize = 256 * 1024;

/// Can be ended from outside: a thread that reads goes on when nobody waits for it any more.
pub(super) struct Until<R, F> {
    /// What is read.
    pub from: R,
    /// Whether to end.
    pub is_over: F,
}

/// How a reading ends that nobody waits for any more.
#[must_use]
pub fn nobody_waits() -> io::Error {
    io::Error::other("nobody waits for it any more")
}

impl<R: Read, F: Fn() -> bool> Read for Until<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.is_over)() {
            return Err(nobody_waits());
        }
        self.from.read(buffer)
    }
}

/// Reads a layer. Nothing of it is kept but the list of its files.
///
/// # Errors
/// If it is no archive, plain or compressed by gzip or zstd, or can't be read to its end.
pub fn read(layer: impl Read) -> io::Result<LayerFiles> {
    let mut layer = BufReader::with_capacity(BUFFER, layer);
    let mut magic = Vec::with_capacity(4);
    layer.by_ref().take(4).read_to_end(&mut magic)?;
    let is_gzip = magic.starts_with(&[0x1f, 0x8b]);
    let is_zstd = magic == [0x28, 0xb5, 0x2f, 0xfd] || (magic.len() == 4 && magic[1..] == [0x2a, 0x4d, 0x18]);
    let whole = Cursor::new(magic).chain(layer);
    if is_gzip {
        list(MultiGzDecoder::new(whole))
    } else if is_zstd {
        list(Zstd::new(whole))
    } else {
        list(whole)
    }
}

fn list(archive: impl Read) -> io::Result<LayerFiles> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER, archive));
    let mut files = LayerFiles::default();
    for entry in archive.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let path = clean(&entry.path()?);
        let size = if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            entry.size()
        } else {
            0
        };
        files.entries.extend(classified(path, kind.is_dir(), size));
    }
    Ok(files)
}

/// A path without `.`, `..` and slashes at its ends.
fn clean(path: &Path) -> Vec<u8> {
    let mut clean: Vec<u8> = Vec::new();
    for part in path.components() {
        if let Component::Normal(name) = part {
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(name.as_bytes());
        }
    }
    clean
}

/// What an entry of this name is; nothing for the root and for what only a storage driver understands.
fn classified(path: Vec<u8>, is_folder: bool, size: u64) -> Option<Entry> {
    let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let name = &path[name_at..];
    let entry = |path: Vec<u8>, kind, size| Entry {
        path: path.into(),
        kind,
        size,
    };
    if name == OPAQUE {
        let folder = path[..name_at.saturating_sub(1)].to_vec();
        return Some(entry(folder, Kind::Opaque, 0));
    }
    if name.is_empty() || name.starts_with(RESERVED) {
        return None;
    }
    if let Some(removed) = name.strip_prefix(WHITEOUT) {
        let path = [&path[..name_at], removed].concat();
        return Some(entry(path, Kind::Whiteout, 0));
    }
    let kind = if is_folder { Kind::Folder } else { Kind::File };
    Some(entry(path, kind, size))
}

/// All frames of a stream compressed by zstd, those that hold no data left out (RFC 8878, section 3).
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            in_frame: false,
        }
    }

    fn next_frame(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            while self.in_frame {
                if self.decoder.can_collect() > 0 {
                    return self.decoder.read(buffer);
                }
                self.in_frame = !self.decoder.is_finished();
                if self.in_frame {
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    let decoded = self.decoder.decode_blocks(&mut self.source, one);
                    decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                }
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.next_frame()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn tar(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let packed = match kind {
                tar::EntryType::Link | tar::EntryType::Symlink => builder.append_link(&mut header, path, "elsewhere"),
                _ => builder.append_data(&mut header, path, *content),
            };
            packed.expect("packs");
        }
        builder.into_inner().expect("packs")
    }

    fn layer() -> Vec<u8> {
        let long = format!("{}/long", "x".repeat(150));
        tar(&[
            ("app/", tar::EntryType::Directory, b""),
            ("./app/a", tar::EntryType::Regular, b"12345"),
            ("app/same", tar::EntryType::Link, b""),
            ("app/link", tar::EntryType::Symlink, b""),
            ("app/.wh.gone", tar::EntryType::Regular, b""),
            ("opt/.wh..wh..opq", tar::EntryType::Regular, b""),
            (".wh..wh.plnk", tar::EntryType::Regular, b""),
            (&long, tar::EntryType::Regular, b"1"),
        ])
    }

    fn read_from(packed: &[u8]) -> Vec<(String, Kind, u64)> {
        let files = read(packed).expect("an archive");
        let told = |entry: &Entry| {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            (path, entry.kind, entry.size)
        };
        files.entries.iter().map(told).collect()
    }

    #[test]
    fn entries_are_told_apart() {
        let long = format!("{}/long", "x".repeat(150));
        let wanted = [
            ("app", Kind::Folder, 0),
            ("app/a", Kind::File, 5),
            ("app/same", Kind::File, 0),
            ("app/link", Kind::File, 0),
            ("app/gone", Kind::Whiteout, 0),
            ("opt", Kind::Opaque, 0),
            (long.as_str(), Kind::File, 1),
        ];
        let wanted = wanted.map(|(path, kind, size)| (path.to_owned(), kind, size));
        assert_eq!(read_from(&layer()), wanted);
    }

    #[test]
    fn a_layer_reads_the_same_however_it_is_compressed() {
        let plain = layer();
        let wanted = read_from(&plain);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("packs");
        assert_eq!(read_from(&gzip.finish().expect("packs")), wanted);
        // In two frames, with one between them that holds nothing.
        let level = || ruzstd::encoding::CompressionLevel::Fastest;
        let (first, second) = plain.split_at(1000);
        let mut zstd = ruzstd::encoding::compress_to_vec(first, level());
        zstd.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        zstd.extend(ruzstd::encoding::compress_to_vec(second, level()));
        assert_eq!(read_from(&zstd), wanted);
    }

    #[test]
    fn reading_can_be_ended_from_outside() {
        let is_over = || true;
        let packed = layer();
        let until = Until {
            from: packed.as_slice(),
            is_over,
        };
        read(until).expect_err("it is over");
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&layer()).expect("packs");
        let packed = gzip.finish().expect("packs");
        read(&packed[..packed.len() / 2]).expect_err("cut off");
        read([7_u8; 2000].as_slice()).expect_err("no archive");
        // An image may have a layer with nothing in it.
        assert_eq!(read([0_u8; 1024].as_slice()).expect("empty"), LayerFiles::default());
    }
}
