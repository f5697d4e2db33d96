//! Reads a TOML file into raw types, and says what is wrong with it the way every other error of a suite is said.
//! Not for: the meaning of what was read.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::SuiteError;
use super::file::SCHEMA;
use super::locate::{Located, Source, nearest};

/// Reads a text file, to be shown as `shown` in messages.
pub(super) fn read(what: &'static str, path: &Path, shown: PathBuf) -> Result<Source, SuiteError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source { path: shown, text }),
        Err(source) => Err(SuiteError::Read {
            what,
            path: shown,
            source,
        }),
    }
}

/// Parses a file of this program's format.
///
/// The schema is looked at first: what a file of another version holds is no typing error.
pub(super) fn parse<T: DeserializeOwned>(source: &Source) -> Result<T, SuiteError> {
    #[derive(Deserialize)]
    struct Header {
        schema: Option<Located<i64>>,
    }

    let header: Header = toml::from_str(&source.text).map_err(|error| in_our_words(source, &error))?;
    match header.schema {
        None => {
            return Err(SuiteError::MissingKey {
                place: source.place(0..0),
                key: "schema".to_owned(),
            });
        }
        Some(schema) if *schema != SCHEMA => {
            return Err(SuiteError::Schema {
                place: source.at(&schema),
                found: *schema,
                expected: SCHEMA,
            });
        }
        Some(_) => {}
    }
    toml::from_str(&source.text).map_err(|error| in_our_words(source, &error))
}

/// Turns a parser's error into ours. Serde hands names over only inside its fixed sentences.
fn in_our_words(source: &Source, error: &toml::de::Error) -> SuiteError {
    let place = source.place(error.span().unwrap_or(0..0));
    let message = error.message();
    for (sentence, kind) in [("unknown field ", "key"), ("unknown variant ", "value")] {
        if let Some(rest) = message.strip_prefix(sentence) {
            let mut names = quoted(rest).into_iter();
            if let Some(name) = names.next() {
                let expected: Vec<_> = names.collect();
                let suggestion = nearest(&name, expected.iter().map(String::as_str));
                return SuiteError::Unknown {
                    place,
                    kind,
                    name,
                    expected,
                    suggestion,
                };
            }
        }
    }
    if let Some(key) = message
        .strip_prefix("missing field ")
        .and_then(|rest| quoted(rest).into_iter().next())
    {
        return SuiteError::MissingKey { place, key };
    }
    let mut message = message.replace('\n', ", ");
    // Rust's names of types mean nothing to who writes a suite.
    for (theirs, ours) in [
        ("expected u16", "expected a whole number from 0 to 65535"),
        ("expected u32", "expected a whole number from 0"),
        ("expected u64", "expected a whole number from 0"),
        ("expected i64", "expected a whole number"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("invalid type: map", "invalid type: table"),
        ("invalid type: sequence", "invalid type: list"),
    ] {
        message = message.replace(theirs, ours);
    }
    SuiteError::Syntax { place, message }
}

/// The texts between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Looks a name up among those there are.
pub(super) fn known<'a>(
    source: &Source,
    kind: &'static str,
    name: &Located<String>,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), SuiteError> {
    let expected: Vec<&str> = names.into_iter().collect();
    if expected.contains(&name.as_str()) {
        return Ok(());
    }
    Err(SuiteError::Unknown {
        place: source.at(name),
        kind,
        name: name.get().clone(),
        suggestion: nearest(name, expected.iter().copied()),
        expected: expected.into_iter().map(str::to_owned).collect(),
    })
}

/// Refuses the second of two equal names.
pub(super) fn distinct<'a>(
    source: &Source,
    kind: &'static str,
    names: impl IntoIterator<Item = &'a Located<String>>,
) -> Result<(), SuiteError> {
    let mut seen: Vec<&Located<String>> = Vec::new();
    for name in names {
        if let Some(first) = seen.iter().find(|first| **first == name) {
            let first = source.at(first).line;
            return Err(SuiteError::Duplicate {
                place: source.at(name),
                kind,
                name: name.get().clone(),
                first,
            });
        }
        seen.push(name);
    }
    Ok(())
}

/// What a plain name must look like, for messages.
pub(crate) const PLAIN: &str = "at most 64 letters, digits, \".\", \"_\" and \"-\", a letter or digit first";

/// Whether a name can be part of image tags, file names and the names of scenarios.
pub(crate) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed) && name.len() <= 64
}

/// Refuses names that are not plain.
pub(super) fn plain(source: &Source, subject: &'static str, name: &Located<String>) -> Result<(), SuiteError> {
    let read = |name: &str| is_plain(name).then_some(());
    quantity(source, subject, name, read, PLAIN)
}

/// Reads a quantity, or says what one looks like.
pub(super) fn quantity<T>(
    source: &Source,
    subject: &'static str,
    text: &Located<String>,
    read: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<T, SuiteError> {
    read(text).ok_or_else(|| SuiteError::Value {
        place: source.at(text),
        subject,
        found: format!("{:?}", text.get()),
        expected: expected.to_owned(),
    })
}

/// A path that must stay below the folder it is relative to, without its `.` parts.
pub(super) fn inside(source: &Source, name: &Located<String>, folder: &'static str) -> Result<PathBuf, SuiteError> {
    use std::path::Component;
    let mut path = PathBuf::new();
    for component in Path::new(name.as_str()).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(SuiteError::Outside {
                    place: source.at(name),
                    name: name.get().clone(),
                    inside: folder,
                });
            }
        }
    }
    if path.as_os_str().is_empty() {
        path.push(".");
    }
    Ok(path)
}
