//! What was generated, and the pages of an index that offers it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::store::Stored;
use super::wheel::Package;
use crate::mirror::index::{NewFile, Page, normalize};

/// The generated projects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// The wheels of each project, by its normalized name, the oldest first.
    pub projects: BTreeMap<String, Vec<WheelFile>>,
}

/// A generated wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelFile {
    /// Its name.
    pub filename: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Where its metadata file (PEP 658) is.
    pub metadata_path: PathBuf,
    /// The SHA-256 of that.
    pub metadata_sha256: String,
}

impl Catalogue {
    /// The catalogue of packages whose files are in `folder`.
    pub(super) fn of(packages: &[Package], stored: Vec<Stored>, folder: &Path) -> Self {
        let mut projects: BTreeMap<String, Vec<WheelFile>> = BTreeMap::new();
        for (package, Stored { wheel, metadata }) in packages.iter().zip(stored) {
            let [filename, beside] = package.filenames();
            projects.entry(package.project.clone()).or_default().push(WheelFile {
                path: folder.join(&filename),
                filename,
                size: wheel.size,
                sha256: wheel.sha256,
                metadata_path: folder.join(&beside),
                metadata_sha256: metadata.sha256,
            });
        }
        Self { projects }
    }

    /// The folder that the files are in; `None` if there are none.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.projects.values().flatten().next()?.path.parent()
    }

    /// A project's page, its files where `url_of` says by their names; `None` if there is no such project. The name
    /// needn't be normalized.
    #[must_use]
    pub fn page(&self, project: &str, url_of: impl Fn(&str) -> String) -> Option<Page> {
        let name = normalize(project);
        let wheels = self.projects.get(&name)?;
        // A wheel's name is project-version-tags (PEP 427).
        let versions: Vec<_> = wheels
            .iter()
            .filter_map(|wheel| wheel.filename.split('-').nth(1))
            .collect();
        let files = wheels.iter().map(|wheel| NewFile {
            url: url_of(&wheel.filename),
            filename: wheel.filename.clone(),
            sha256: wheel.sha256.clone(),
            metadata_sha256: wheel.metadata_sha256.clone(),
            size: wheel.size,
        });
        Some(Page::new(&name, &versions, files))
    }
}
