//! The user's credentials for registries, from where the docker client keeps them: its configuration file, or the helpers
//! that this names. Not for: keeping any; they are read anew each time, and no error holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use super::endpoint;

/// What the docker client calls its default registry in its configuration.
const DEFAULT_REGISTRY: &str = "https://index.docker.io/v1/";
/// How BuildKit calls the same one.
const DEFAULT_REGISTRY_HOST: &str = "registry-1.docker.io";
/// How long a helper may take.
const HELPER_LIMIT: Duration = Duration::from_secs(30);

/// A user's credentials for one registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    server: String,
    user: String,
    secret: String,
    /// Whether the secret is a token that stands for the user, in place of a password.
    is_token: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials for {}", self.server)
    }
}

impl Credentials {
    /// User and secret, as BuildKit takes them: a token comes without a user.
    #[must_use]
    pub fn into_parts(self) -> (String, String) {
        let user = if self.is_token { String::new() } else { self.user };
        (user, self.secret)
    }

    /// The value of the header `X-Registry-Auth`.
    #[must_use]
    pub fn header(&self) -> String {
        let json = if self.is_token {
            serde_json::json!({ "identitytoken": self.secret, "serveraddress": self.server })
        } else {
            serde_json::json!({ "username": self.user, "password": self.secret, "serveraddress": self.server })
        };
        URL_SAFE.encode(json.to_string())
    }
}

/// Why credentials could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The configuration can't be read.
    #[error("read the docker client's configuration {}: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A helper failed.
    #[error("ask docker-credential-{name} for the credentials of {server}: {reason}")]
    Helper {
        /// The helper's name.
        name: String,
        /// The registry.
        server: String,
        /// Its words, or what happened to it.
        reason: String,
    },
}

/// The value of `X-Registry-Auth` for an image's registry. Where there are no credentials or they can't be looked up it says
/// so, which is enough for most images; why is told too, for when it is not enough.
pub async fn header_of_image(image: &str) -> (String, Option<CredentialsError>) {
    let (found, error) = match of_registry(registry_of(image)).await {
        Ok(found) => (found, None),
        Err(error) => (None, Some(error)),
    };
    let header = found.map_or_else(|| URL_SAFE.encode("{}"), |found| found.header());
    (header, error)
}

/// The credentials for a registry, by its host name; `None` if the user has none.
///
/// # Errors
/// If the configuration can't be read, or a helper fails.
pub async fn of_registry(host: &str) -> Result<Option<Credentials>, CredentialsError> {
    let configuration = Configuration::read(&endpoint::client_folder().join("config.json"))?;
    configuration.find(host).await
}

/// The registry in an image's name.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DEFAULT_REGISTRY_HOST,
    }
}

/// What of the docker client's configuration is about credentials.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Configuration {
    fn read(path: &Path) -> Result<Self, CredentialsError> {
        let failed = |reason: String| CredentialsError::Configuration {
            path: path.to_owned(),
            reason,
        };
        match std::fs::read(path) {
            // What serde says of a value could hold it.
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| failed(format!("no valid JSON, or of another form, in line {}", error.line()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    async fn find(&self, host: &str) -> Result<Option<Credentials>, CredentialsError> {
        let server = match host {
            DEFAULT_REGISTRY_HOST | "docker.io" | "index.docker.io" => DEFAULT_REGISTRY,
            host => host,
        };
        let helper = self.cred_helpers.get(server).unwrap_or(&self.creds_store);
        if helper.is_empty() {
            Ok(self.in_file(server))
        } else {
            ask(helper, server).await
        }
    }

    /// What the file itself holds.
    fn in_file(&self, server: &str) -> Option<Credentials> {
        let by_host = || {
            self.auths
                .iter()
                .find(|(key, _)| host_of(key) == server)
                .map(|(_, entry)| entry)
        };
        let entry = self.auths.get(server).or_else(by_host)?;
        let (mut user, mut secret) = (entry.username.clone(), entry.password.clone());
        if let Some((name, password)) = decoded(&entry.auth) {
            (user, secret) = (name, password);
        }
        let is_token = !entry.identitytoken.is_empty();
        if is_token {
            secret.clone_from(&entry.identitytoken);
        }
        let found = Credentials {
            server: server.to_owned(),
            user,
            secret,
            is_token,
        };
        (!found.secret.is_empty()).then_some(found)
    }
}

/// `user:password` in base64.
fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The host of a key such as `https://registry.example/v1/`.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    rest.unwrap_or(key).split('/').next().unwrap_or_default()
}

async fn ask(helper: &str, server: &str) -> Result<Option<Credentials>, CredentialsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }

    let failed = |reason: String| CredentialsError::Helper {
        name: helper.to_owned(),
        server: server.to_owned(),
        reason,
    };
    let asking = async {
        let mut child = tokio::process::Command::new(format!("docker-credential-{helper}"))
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(server.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_LIMIT, asking)
        .await
        .map_err(|_| failed(format!("no answer within {} s", HELPER_LIMIT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // Helpers say so on their output, where a secret would be, and no exit code tells.
        let said = String::from_utf8_lossy(&output.stdout);
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(failed(said.trim().to_owned()))
        };
    }
    let answer: Answer =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("its answer was not understood".to_owned()))?;
    Ok(Some(Credentials {
        server: server.to_owned(),
        is_token: answer.username == "<token>",
        user: answer.username,
        secret: answer.secret,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(text: &str) -> Configuration {
        serde_json::from_str(text).expect("valid")
    }

    async fn parts(configuration: &Configuration, host: &str) -> Option<(String, String)> {
        let found = configuration.find(host).await.expect("looked up");
        found.map(Credentials::into_parts)
    }

    #[tokio::test]
    async fn credentials_are_found_by_host_in_every_form() {
        let configuration = configuration(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"bWU6c2VjOnJldA=="},
                "https://ghcr.example/v2/":{"username":"u","password":"p"},
                "token.example:5000":{"auth":"bWU6eA==","identitytoken":"t"},
                "empty.example":{}}}"#,
        );
        let some = |user: &str, secret: &str| Some((user.to_owned(), secret.to_owned()));
        assert_eq!(
            parts(&configuration, "registry-1.docker.io").await,
            some("me", "sec:ret")
        );
        assert_eq!(parts(&configuration, "ghcr.example").await, some("u", "p"));
        assert_eq!(parts(&configuration, "token.example:5000").await, some("", "t"));
        assert_eq!(parts(&configuration, "empty.example").await, None);
        assert_eq!(parts(&configuration, "other.example").await, None);
        let found = configuration.in_file("ghcr.example").expect("there");
        assert_eq!(format!("{found:?}"), "Credentials for ghcr.example");
        let header = String::from_utf8(URL_SAFE.decode(found.header()).expect("base64")).expect("text");
        assert_eq!(
            header,
            r#"{"password":"p","serveraddress":"ghcr.example","username":"u"}"#
        );
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_is_an_error_that_names_it() {
        let configuration = configuration(r#"{"credsStore":"bakeoff-none","credHelpers":{"a.example":""}}"#);
        let error = configuration.find("b.example").await.expect_err("no such helper");
        let said = error.to_string();
        assert!(
            said.starts_with("ask docker-credential-bakeoff-none for the credentials of b.example: "),
            "{said}"
        );
        assert!(parts(&configuration, "a.example").await.is_none());
    }

    #[test]
    fn images_name_their_registry() {
        for (image, registry) in [
            ("python:3", DEFAULT_REGISTRY_HOST),
            ("me/app", DEFAULT_REGISTRY_HOST),
            ("127.0.0.1:5000/a/b:c", "127.0.0.1:5000"),
            ("localhost/a", "localhost"),
            ("ghcr.io/a/b@sha256:1", "ghcr.io"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    #[test]
    fn a_broken_configuration_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.json");
        std::fs::write(&path, r#"{"auths": "hunter2"}"#).expect("written");
        let said = Configuration::read(&path).map(|_| ()).expect_err("broken").to_string();
        assert!(said.contains("line 1") && !said.contains("hunter2"), "{said}");
        assert!(Configuration::read(&folder.path().join("none")).is_ok());
    }
}
