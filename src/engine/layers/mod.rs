//! What lies in an image's layers: which files, how large, and which of them nobody can see any more. Not for: fetching
//! layers.

mod archive;
mod read;
mod waste;

use crate::units::Bytes;

pub use archive::of_archive;
use read::Until;
pub use read::{nobody_waits, read};
pub use waste::{Waste, WastedFile, waste};

/// What lies in one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerFiles {
    /// Its entries, in the archive's order.
    pub entries: Vec<Entry>,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path without a slash at either end; of a whiteout that of what it removes, of an opaque folder that folder's.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: Kind,
    /// Bytes of its content. A hard link has none: it is the file that it leads to.
    pub size: u64,
}

/// What an entry of a layer is (OCI image specification, "image layer filesystem changeset").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file, or anything else that is no folder.
    File,
    /// `.wh.NAME`: nothing of this name is there any more.
    Whiteout,
    /// `.wh..wh..opq`: nothing that lower layers have in this folder is there any more.
    Opaque,
}

impl LayerFiles {
    /// The bytes of all its files.
    #[must_use]
    pub fn size(&self) -> Bytes {
        Bytes(self.entries.iter().map(|entry| entry.size).sum())
    }
}
