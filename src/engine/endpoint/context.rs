//! The docker client's files: its configuration, and the contexts beside it. The folders of a context are named by the
//! SHA-256 of its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::EndpointError;

/// The folder of the docker client's configuration.
pub(super) struct Files {
    folder: PathBuf,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: BTreeMap<String, Endpoint>,
}

/// What a context says of an engine.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Endpoint {
    #[serde(default)]
    pub host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    pub skip_tls_verify: bool,
}

impl Files {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The context that the configuration chooses, and the file that says so. A configuration that is there but can't be
    /// read is an error, where the docker client warns and takes the default engine: what is measured must not be
    /// another engine than the one that was meant.
    pub fn current(&self) -> Result<Option<(String, String)>, EndpointError> {
        let file = self.folder.join("config.json");
        let configuration: Option<Configuration> = read(&file)?;
        let name = configuration.map(|configuration| configuration.current_context);
        Ok(name
            .filter(|name| !name.is_empty())
            .map(|name| (name, file.display().to_string())))
    }

    /// What a context says of the engine.
    pub fn context(&self, name: &str, chosen: &str) -> Result<Endpoint, EndpointError> {
        let file = self.folder.join("contexts/meta").join(digest(name)).join("meta.json");
        let Some(mut meta) = read::<Meta>(&file)? else {
            return Err(EndpointError::NoContext {
                name: name.to_owned(),
                chosen: chosen.to_owned(),
                file,
            });
        };
        meta.endpoints
            .remove("docker")
            .ok_or_else(|| EndpointError::Configuration {
                file,
                reason: format!("the context {name:?} has no docker endpoint"),
            })
    }

    /// Where a context keeps its certificates and its key.
    pub fn tls_folder(&self, name: &str) -> PathBuf {
        self.folder.join("contexts/tls").join(digest(name)).join("docker")
    }
}

fn digest(name: &str) -> String {
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A JSON file; `None` if there is none.
fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, EndpointError> {
    let failed = |reason: String| EndpointError::Configuration {
        file: file.to_owned(),
        reason,
    };
    match std::fs::read(file) {
        // The docker client takes an empty file for an empty configuration.
        Ok(content) if content.trim_ascii().is_empty() => Ok(None),
        Ok(content) => serde_json::from_slice(&content).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}
