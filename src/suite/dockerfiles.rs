//! Finds and reads the Dockerfiles of scenarios. Not for: understanding them (that is the dockerfile room's).

use std::path::{Path, PathBuf};

use super::error::SuiteError;
use super::locate::{Located, Source, nearest, tidy};
use super::parse::read;
use crate::dockerfile::{Dockerfile, DockerfileError};

/// A Dockerfile with the text that messages quote.
#[derive(Debug)]
pub(super) struct Found {
    pub dockerfile: Dockerfile,
    pub source: Source,
}

impl Found {
    /// Reads the Dockerfile `name` from the fixture's folder or else from the suite file's.
    pub fn read(suite: &Source, name: &Located<String>, folders: [&Path; 2]) -> Result<Self, SuiteError> {
        let looked: Vec<PathBuf> = folders.iter().map(|folder| tidy(&folder.join(name.as_str()))).collect();
        let Some(path) = looked.iter().find(|path| path.is_file()) else {
            let there: Vec<String> = folders.iter().flat_map(|folder| files_in(folder)).collect();
            return Err(SuiteError::Missing {
                place: suite.at(name),
                what: "Dockerfile",
                name: name.get().clone(),
                looked,
                suggestion: nearest(name, there.iter().map(String::as_str)),
            });
        };
        let source = read("Dockerfile", path, path.clone())?;
        match Dockerfile::parse(&source.text) {
            Ok(dockerfile) => Ok(Self { dockerfile, source }),
            Err(error) => Err(in_dockerfile(&source, error)),
        }
    }

    /// An error that the Dockerfile room found, with its place.
    pub fn error(&self, error: DockerfileError) -> SuiteError {
        in_dockerfile(&self.source, error)
    }
}

fn in_dockerfile(source: &Source, error: DockerfileError) -> SuiteError {
    SuiteError::Dockerfile {
        place: source.line(error.line),
        message: error.message,
    }
}

/// The names of the files in a folder, in the order of the alphabet; none if it can't be read.
fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
