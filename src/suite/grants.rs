//! Checks what a scenario's builds may use beside their context: secrets, ssh agents, caches. Not for: whether any of it is
//! there; a suite can be read where it is not.

use std::path::Path;

use super::error::SuiteError;
use super::file::{ScenarioTable, SecretTable};
use super::locate::{Located, Source};
use super::parse::distinct;
use crate::engine::{Grants, SecretSource};

/// What a scenario's table grants; `folder` is the suite file's.
pub(super) fn grants(source: &Source, table: &ScenarioTable, folder: &Path) -> Result<Grants, SuiteError> {
    let mut grants = Grants::default();
    distinct(source, "secret", table.secrets.iter().map(|secret| &secret.id))?;
    for secret in &table.secrets {
        let from = secret_source(source, secret, folder)?;
        grants.secrets.insert(secret.id.get().clone(), from);
    }
    for written in &table.ssh {
        let (id, socket) = match written.split_once('=') {
            Some((id, socket)) => (id, Some(socket)),
            None => (written.as_str(), None),
        };
        if !is_id(id) || socket.is_some_and(str::is_empty) {
            let expected =
                "\"default\" for the agent of SSH_AUTH_SOCK, or an id with a socket: \"deploy=/run/agent.sock\"";
            return Err(value(source, written, "an ssh agent", expected));
        }
        let socket = socket.map(|socket| folder.join(socket));
        if grants.agents.insert(id.to_owned(), socket).is_some() {
            let expected = "each id once";
            return Err(value(source, written, "an ssh agent", expected));
        }
    }
    for image in &table.cache_from {
        if image.is_empty() || image.contains(|c: char| c.is_whitespace() || c == '=' || c == ',') {
            let expected = "an image's name, such as \"registry.example/app:cache\"; the engine's build API can import no other cache";
            return Err(value(source, image, "cache_from", expected));
        }
        grants.cache_from.push(image.get().clone());
    }
    if let Some(to) = &table.cache_to {
        if to.get() != "inline" {
            let expected = "\"inline\"; the engine's build API can export no other cache";
            return Err(value(source, to, "cache_to", expected));
        }
        grants.inline_cache = true;
    }
    Ok(grants)
}

/// What of the grants only BuildKit has.
pub(super) fn needs_buildkit(grants: &Grants) -> bool {
    grants.inline_cache || !grants.secrets.is_empty() || !grants.agents.is_empty()
}

fn secret_source(source: &Source, secret: &SecretTable, folder: &Path) -> Result<SecretSource, SuiteError> {
    if !is_id(&secret.id) {
        let expected = "an id as in `--mount=type=secret,id=npm`";
        return Err(value(source, &secret.id, "the id of a secret", expected));
    }
    match (&secret.env, &secret.file) {
        (Some(name), None) if !name.is_empty() && !name.contains('=') => {
            Ok(SecretSource::Environment(name.get().clone()))
        }
        (Some(name), None) => Err(value(
            source,
            name,
            "the env of a secret",
            "an environment variable's name",
        )),
        (None, Some(file)) if !file.is_empty() => Ok(SecretSource::File(folder.join(file.get()))),
        (None, Some(file)) => Err(value(source, file, "the file of a secret", "a file's path")),
        _ => Err(SuiteError::Conflict {
            place: source.at(&secret.id),
            message: "a secret comes from a variable or from a file; expected one of env and file",
        }),
    }
}

/// Ids stand in mount options.
fn is_id(id: &str) -> bool {
    !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || c == ',' || c == '=')
}

fn value(source: &Source, written: &Located<String>, subject: &'static str, expected: &str) -> SuiteError {
    SuiteError::Value {
        place: source.at(written),
        subject,
        found: format!("{:?}", written.get()),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests;
