//! The lines of a recording's manifest.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the format that this program writes.
pub(super) const SCHEMA: u64 = 1;

/// How something was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// With its body.
    #[default]
    Get,
    /// The head of the answer only.
    Head,
}

/// What identifies a download: the same key always gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The URL upstream, without user and password.
    pub url: String,
    /// How it was asked for.
    #[serde(default, skip_serializing_if = "is_get")]
    pub method: Method,
    /// The value of the Range header, if a part was asked for of something that is not recorded whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_get(method: &Method) -> bool {
    *method == Method::Get
}

impl Key {
    /// A whole body.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: Method::Get,
            range: None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.method == Method::Head {
            f.write_str("HEAD ")?;
        }
        f.write_str(&self.url)?;
        match &self.range {
            Some(range) => write!(f, " ({range})"),
            None => Ok(()),
        }
    }
}

/// One recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was asked for.
    #[serde(flatten)]
    pub key: Key,
    /// The status of the answer: 200, 206, 404 or 410.
    pub status: u16,
    /// The size of the body in bytes.
    pub size: u64,
    /// The hash of the body, in hexadecimal.
    pub sha256: String,
    /// The headers that a client acts on, by their names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// When it was recorded, in seconds since the Unix epoch.
    pub recorded_unix_s: u64,
}

impl Entry {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub(super) enum Line {
    /// The first line.
    Recording {
        schema: u64,
        bakeoff_version: String,
        /// The simple index that packages came from; none while nobody has asked for any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<String>,
    },
    /// The index that packages come from, where the first line could not say it yet.
    Index { url: String },
    /// A download.
    Download(Entry),
    /// A lock file that was made against the recording: what it was made from, and its content as a blob.
    Lock { key: String, size: u64, sha256: String },
    /// Everything that this needs has been recorded.
    Complete { key: String },
}
