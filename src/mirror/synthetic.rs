//! Generated packages: wheels whose number, size and dependencies a suite chooses, the same bytes for the same numbers
//! everywhere. They measure installs without a recording. Not for: serving them, or checking a suite's numbers.

mod catalogue;
mod graph;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod wheel;

use std::fmt;
use std::path::{Path, PathBuf};

use super::used;
use crate::units::Bytes;

pub use catalogue::{Catalogue, WheelFile};
pub use store::COMPLETE;

/// Changes whenever the same [`Spec`] gives other bytes.
const FORMAT: u32 = 1;

/// The project that requires all others. The names of the others start with it.
pub const META: &str = "bakeoff-synthetic";

/// What to generate. All numbers are at least 1, and `depth` is at most `packages`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Packages, besides the one that requires them.
    pub packages: u32,
    /// Python modules in each package.
    pub files: u32,
    /// The size of a package's modules together, unpacked, in bytes.
    pub bytes: u64,
    /// How many packages the longest chain of requirements has, without the one that requires all.
    pub depth: u32,
    /// Decides who requires whom and what the modules contain.
    pub seed: u64,
}

impl Spec {
    /// A name for a folder of its own: the same text exactly for the same bytes.
    #[must_use]
    pub fn key(&self) -> String {
        let Self {
            packages,
            files,
            bytes,
            depth,
            seed,
        } = self;
        format!("synthetic-v{FORMAT}-p{packages}-f{files}-b{bytes}-d{depth}-s{seed}")
    }
}

impl fmt::Display for Spec {
    /// `200 packages of 40 files, 2.0 MB each, depth 3, seed 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |number: u32| if number == 1 { "" } else { "s" };
        let Self {
            packages,
            files,
            bytes,
            depth,
            seed,
        } = self;
        write!(
            f,
            "{packages} package{} of {files} file{}",
            plural(*packages),
            plural(*files)
        )?;
        write!(f, ", {} each, depth {depth}, seed {seed}", Bytes(*bytes))
    }
}

/// What can go wrong while packages are generated.
#[derive(Debug, thiserror::Error)]
pub enum SyntheticError {
    /// The folder for them can't be made.
    #[error("cannot make the folder {} for generated packages", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A wheel can't be packed.
    #[error("cannot pack the wheel {}", path.display())]
    Pack {
        /// The wheel.
        path: PathBuf,
        /// Why not.
        source: zip::result::ZipError,
    },
}

/// Generates the wheels and their metadata files in `folder`, unless a complete set is there already; it may be called
/// for the same folder by several processes at once. `progress` is told how many wheels are done, of how many; if there
/// is nothing to do it is not called.
///
/// A set is complete if `complete.json`, which is written last, is about the same [`Spec`] and every file has its size.
/// The content isn't read again: an installer would refuse a file that doesn't have the announced hash.
///
/// # Errors
/// If the folder or a file in it can't be written.
pub fn generate(spec: &Spec, folder: &Path, progress: &dyn Fn(u32, u32)) -> Result<Catalogue, SyntheticError> {
    let packages = wheel::packages(spec);
    let stored = match store::read(spec, &packages, folder) {
        Some(stored) => stored,
        None => store::write(spec, &packages, folder, progress)?,
    };
    used::touch(folder);
    Ok(Catalogue::of(&packages, stored, folder))
}
