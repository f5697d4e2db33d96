//! What a build may use beside its context: secrets, ssh agents, caches. Not for: handing any of it over (that is the
//! session's), or deciding who may have it (the suite says).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

/// What BuildKit takes for a secret.
const LARGEST_SECRET: u64 = 500 * 1024;

/// What a build may use beside its context. Secrets and agents are BuildKit's alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Secrets that steps may mount, by id.
    pub secrets: BTreeMap<String, SecretSource>,
    /// ssh agents that steps may use, by id: their sockets, or `None` for the user's own agent.
    pub agents: BTreeMap<String, Option<PathBuf>>,
    /// Images whose layers may be taken as a cache.
    pub cache_from: Vec<String>,
    /// Whether the image gets what a later build needs to take it as a cache.
    pub inline_cache: bool,
}

/// Where a secret comes from. Its value is read when a build asks for it, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
}

/// Why something can't be granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The variable is not set.
    #[error("the secret {id:?}: the environment variable {variable} is not set")]
    Unset {
        /// The secret.
        id: String,
        /// The variable.
        variable: String,
    },
    /// The file can't be read.
    #[error("the secret {id:?}: can't read {}: {source}", path.display())]
    File {
        /// The secret.
        id: String,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// BuildKit takes no secrets of this size.
    #[error("the secret {id:?} is longer than 500 KiB, the most that BuildKit takes")]
    TooLarge {
        /// The secret.
        id: String,
    },
    /// No agent.
    #[error("the ssh agent {id:?}: {reason}")]
    Agent {
        /// Its id.
        id: String,
        /// What is missing.
        reason: String,
    },
}

impl Grants {
    /// Whether all of it is there.
    ///
    /// # Errors
    /// If a variable is not set, a file can't be read, or no agent is there.
    pub fn check(&self) -> Result<(), GrantError> {
        for id in self.secrets.keys() {
            self.secret(id).transpose()?;
        }
        for id in self.agents.keys() {
            self.agent(id).transpose()?;
        }
        Ok(())
    }

    /// A secret's value; `None` if there is no such secret.
    #[must_use]
    pub fn secret(&self, id: &str) -> Option<Result<Vec<u8>, GrantError>> {
        Some(read(id, self.secrets.get(id)?))
    }

    /// An agent's socket; `None` if there is no such agent. Builds that name none mean `default`.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<Result<PathBuf, GrantError>> {
        let id = if id.is_empty() { "default" } else { id };
        let failed = |reason: String| GrantError::Agent {
            id: id.to_owned(),
            reason,
        };
        let socket = match self.agents.get(id)? {
            Some(socket) => socket.clone(),
            None => match std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) {
                Some(path) => PathBuf::from(path),
                None => return Some(Err(failed("SSH_AUTH_SOCK is not set".to_owned()))),
            },
        };
        Some(match std::fs::metadata(&socket) {
            Ok(_) => Ok(socket),
            Err(error) => Err(failed(format!("{}: {error}", socket.display()))),
        })
    }
}

fn read(id: &str, source: &SecretSource) -> Result<Vec<u8>, GrantError> {
    match source {
        SecretSource::Environment(variable) => {
            use std::os::unix::ffi::OsStringExt as _;
            let value = std::env::var_os(variable).ok_or_else(|| GrantError::Unset {
                id: id.to_owned(),
                variable: variable.clone(),
            })?;
            fitting(id, value.into_vec())
        }
        SecretSource::File(path) => {
            let failed = |source| GrantError::File {
                id: id.to_owned(),
                path: path.clone(),
                source,
            };
            let mut value = Vec::new();
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(LARGEST_SECRET + 1).read_to_end(&mut value).map_err(failed)?;
            fitting(id, value)
        }
    }
}

fn fitting(id: &str, value: Vec<u8>) -> Result<Vec<u8>, GrantError> {
    if value.len() as u64 > LARGEST_SECRET {
        return Err(GrantError::TooLarge { id: id.to_owned() });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_without_a_value() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "s3cret").expect("written");
        let mut grants = Grants::default();
        grants
            .secrets
            .insert("f".into(), SecretSource::File(file.path().to_owned()));
        assert_eq!(grants.secret("f").expect("there").expect("read"), b"s3cret");
        assert!(grants.secret("g").is_none() && grants.agent("").is_none());
        grants.check().expect("all there");
        let variable = "BAKEOFF_NO_SUCH_VARIABLE".to_owned();
        grants.secrets.insert("v".into(), SecretSource::Environment(variable));
        let said = grants.check().expect_err("not set").to_string();
        assert_eq!(
            said,
            "the secret \"v\": the environment variable BAKEOFF_NO_SUCH_VARIABLE is not set"
        );
        std::fs::write(file.path(), vec![b'x'; 500 * 1024 + 1]).expect("written");
        assert!(matches!(grants.secret("f"), Some(Err(GrantError::TooLarge { .. }))));
        grants.agents.insert("default".into(), Some("/no/such/socket".into()));
        let said = grants.agent("").expect("there").expect_err("none").to_string();
        assert!(
            said.starts_with("the ssh agent \"default\": /no/such/socket: "),
            "{said}"
        );
    }
}
