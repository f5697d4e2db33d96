//! Makes the context of a build ready to travel: as folders to BuildKit, which takes from them what it wants, and packed
//! to the classic builder. Not for: what is in it (that is the fixture's).

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{RunError, Trial};
use crate::engine::archive::archive;
use crate::engine::session::Taken;
use crate::engine::{Builder, Context, Engine, EngineError};
use crate::fixture::context::write_context;
use crate::fixture::ignore::DockerIgnore;

/// The name of the rewritten Dockerfile in a packed context.
const DOCKERFILE: &str = ".bakeoff.Dockerfile";

/// A context that is ready to travel, with the files that must stay until it has.
pub(super) struct Ready {
    pub context: Context,
    /// The Dockerfile's name in it.
    pub dockerfile: String,
    _packed: Option<NamedTempFile>,
    _folder: Option<crate::scratch::Folder>,
}

fn failed(operation: &'static str) -> impl Fn(std::io::Error) -> EngineError {
    move |source| EngineError::File {
        operation,
        path: std::env::temp_dir(),
        source,
    }
}

fn packed(file: NamedTempFile, dockerfile: &str) -> Ready {
    Ready {
        context: Context::Tar(file.path().to_owned()),
        dockerfile: dockerfile.to_owned(),
        _packed: Some(file),
        _folder: None,
    }
}

impl<E: Engine> Trial<'_, E> {
    /// The workspace as it is now, with the Dockerfile as it is built.
    pub(super) fn context(&self) -> Result<Ready, RunError> {
        match self.scenario.builder {
            Builder::Buildkit => self.folders(),
            Builder::Classic => self.pack(),
        }
    }

    /// The Dockerfile gets a folder of its own: it is not the one of the fixture, and no file of the context.
    fn folders(&self) -> Result<Ready, RunError> {
        let folder = crate::scratch::Folder::new("context").map_err(failed("making a folder in"))?;
        let original = &self.scenario.dockerfile_path;
        let name = original.file_name().unwrap_or_default().to_owned();
        let write = failed("writing a file in");
        std::fs::write(folder.path().join(&name), self.dockerfile.text()).map_err(&write)?;
        let mut ignore = name.clone();
        ignore.push(".dockerignore");
        match std::fs::copy(original.with_file_name(&ignore), folder.path().join(&ignore)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(write(error).into()),
        }
        Ok(Ready {
            context: Context::Folders {
                context: self.workspace.path().to_owned(),
                dockerfile: folder.path().to_owned(),
                // The trial's own: a cold build sends all of it, the next ones what has changed.
                shared_key: self.nonce.clone(),
                taken: self.cache.taken.clone(),
            },
            dockerfile: name.to_string_lossy().into_owned(),
            _packed: None,
            _folder: Some(folder),
        })
    }

    fn pack(&self) -> Result<Ready, RunError> {
        let file = crate::scratch::file("context").map_err(failed("making a file in"))?;
        let extra = [(DOCKERFILE.to_owned(), self.dockerfile.text().as_bytes().to_vec())];
        write_context(
            self.workspace.path(),
            &extra,
            &self.ignored()?,
            std::io::BufWriter::new(file.as_file()),
        )?;
        Ok(packed(file, DOCKERFILE))
    }

    /// What the docker client would leave out. It always sends the Dockerfile, where that lies in the context.
    pub(super) fn ignored(&self) -> Result<DockerIgnore, RunError> {
        let dockerfile = &self.scenario.dockerfile_path;
        let ignore = DockerIgnore::load(self.workspace.path(), dockerfile)?;
        let layers = self.session.suite.fixture.folders();
        let inside =
            layers.filter_map(|layer| Some(dockerfile.strip_prefix(layer).ok()?.to_string_lossy().into_owned()));
        Ok(inside.fold(ignore, |ignore, path| ignore.always_sending(&path)))
    }
}

/// A context of a few files, a `Dockerfile` among them, for a build that is not measured.
pub(super) fn of_files(
    files: &[(PathBuf, Vec<u8>)],
    builder: Builder,
    key: &str,
    taken: &Taken,
) -> Result<Ready, EngineError> {
    let write = failed("writing a file in");
    if builder == Builder::Classic {
        let bytes = archive(files, 0o644).map_err(failed("packing a context in"))?;
        let file = crate::scratch::file("context").map_err(failed("making a file in"))?;
        std::fs::write(file.path(), bytes).map_err(write)?;
        return Ok(packed(file, "Dockerfile"));
    }
    let folder = crate::scratch::Folder::new("context").map_err(failed("making a folder in"))?;
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(&write)?;
        std::fs::write(path, content).map_err(&write)?;
    }
    Ok(Ready {
        context: Context::Folders {
            context: folder.path().to_owned(),
            dockerfile: folder.path().to_owned(),
            shared_key: key.to_owned(),
            taken: taken.clone(),
        },
        dockerfile: "Dockerfile".to_owned(),
        _packed: None,
        _folder: Some(folder),
    })
}
