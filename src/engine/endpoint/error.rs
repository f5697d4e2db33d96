//! What can be wrong with the place where an engine is named, and what to do about it.

use std::path::PathBuf;

use super::Origin;

/// Why it can't be told where the engine listens.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address that is none, or of a kind that is not spoken.
    #[error("the engine address {address:?}, from {origin}, can't be used: {reason}")]
    Form {
        /// Who names it.
        origin: Origin,
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such docker context.
    #[error("there is no docker context {name:?}, which {chosen} chooses: {} does not exist", file.display())]
    NoContext {
        /// Its name.
        name: String,
        /// What chooses it.
        chosen: String,
        /// Where it would be.
        file: PathBuf,
    },
    /// A file of the docker client's configuration can't be read or understood.
    #[error("{}, which says what engine is meant: {reason}", file.display())]
    Configuration {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A certificate or a key can't be read or used.
    #[error("{}, for TLS with the engine: {reason}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
}

impl EndpointError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Form { .. } => {
                "an engine's address is unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST; without any, \
                 it is the one of this machine"
                    .into()
            }
            Self::NoContext { chosen, .. } => {
                let remedy = if chosen == "DOCKER_CONTEXT" {
                    "unset DOCKER_CONTEXT".to_owned()
                } else {
                    "choose another one with `docker context use`".to_owned()
                };
                format!("`docker context ls` lists those there are; {remedy}, or name the engine with DOCKER_HOST")
            }
            Self::Configuration { .. } => "correct it, or name the engine with DOCKER_HOST".into(),
            Self::Certificate { .. } => {
                "DOCKER_CERT_PATH names the folder with ca.pem, cert.pem and key.pem; a docker context holds its own \
                 (`docker context inspect` says where)"
                    .into()
            }
        }
    }
}
