//! One file of a page: what is read of it, and what is believed.

use serde_json::{Map, Value};
use url::Url;

use super::name::is_file_name;

/// The hashes that a link's fragment may have (PEP 503), the best first.
pub(super) const HASHES: [&str; 6] = ["sha256", "sha512", "sha384", "sha224", "sha1", "md5"];

/// One file of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File<'a> {
    /// The file's name.
    pub filename: &'a str,
    /// Where it is, without a fragment.
    pub url: &'a str,
    /// The file's SHA-256, in 64 lower-case hexadecimal digits.
    pub sha256: Option<&'a str>,
    /// Whether its metadata is at the same URL with `.metadata` appended to the path (PEP 658).
    pub has_metadata: bool,
    /// The metadata's SHA-256, in 64 lower-case hexadecimal digits.
    pub metadata_sha256: Option<&'a str>,
    /// The file's size in bytes (PEP 700).
    pub size: Option<u64>,
}

impl<'a> File<'a> {
    pub(super) fn of(file: &'a Map<String, Value>) -> Self {
        let sha256 = |hashes: Option<&'a Value>| hashes?.get("sha256")?.as_str();
        let metadata = file.get("core-metadata");
        Self {
            filename: text(file, "filename").unwrap_or_default(),
            url: text(file, "url").unwrap_or_default(),
            sha256: sha256(file.get("hashes")),
            has_metadata: metadata.is_some_and(|claim| *claim != Value::Bool(false)),
            metadata_sha256: sha256(metadata),
            size: file.get("size").and_then(Value::as_u64),
        }
    }
}

/// One file of a page of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// The file's name.
    pub filename: String,
    /// Where it is.
    pub url: String,
    /// The file's SHA-256, in 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The SHA-256 of its metadata, in 64 lower-case hexadecimal digits.
    pub metadata_sha256: String,
    /// The file's size in bytes.
    pub size: u64,
}

impl NewFile {
    pub(super) fn into_json(self) -> Map<String, Value> {
        let sha256 = |hash: String| Value::Object(Map::from_iter([("sha256".to_owned(), Value::String(hash))]));
        Map::from_iter([
            ("filename".to_owned(), Value::String(self.filename)),
            ("url".to_owned(), Value::String(self.url)),
            ("hashes".to_owned(), sha256(self.sha256)),
            ("core-metadata".to_owned(), sha256(self.metadata_sha256)),
            ("size".to_owned(), self.size.into()),
        ])
    }
}

/// A field's text.
pub(super) fn text<'a>(file: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    file.get(field)?.as_str()
}

/// Makes a file what [`super::Page`] promises of it: joins its URL to the page's, moves hashes from the fragment to
/// `hashes`, drops hashes that are none and gathers the two names of the metadata's claim under the newer. False if
/// the file can't be used.
pub(super) fn tidy(file: &mut Map<String, Value>, base: &Url) -> bool {
    let Some(mut url) = text(file, "url").and_then(|url| join(base, url)) else {
        return false;
    };
    if !text(file, "filename").is_some_and(is_file_name) {
        return false;
    }
    let mut hashes = match file.remove("hashes") {
        Some(Value::Object(hashes)) => believed(hashes),
        _ => Map::new(),
    };
    for (name, hash) in believed(in_fragment(url.fragment().unwrap_or_default())) {
        hashes.entry(name).or_insert(hash);
    }
    file.insert("hashes".into(), Value::Object(hashes));
    url.set_fragment(None);
    file.insert("url".into(), Value::String(url.into()));

    // PEP 714: the new name counts, the old one is for pages that don't know it.
    let claims = ["core-metadata", "dist-info-metadata"].map(|name| file.remove(name));
    match claims.into_iter().flatten().find(|claim| !claim.is_null()) {
        Some(Value::Object(hashes)) => file.insert("core-metadata".into(), Value::Object(believed(hashes))),
        Some(Value::Bool(claim)) => file.insert("core-metadata".into(), Value::Bool(claim)),
        // A claim that nobody understands is none: whoever wants the metadata takes the wheel, as without it.
        _ => None,
    };
    true
}

/// A link, seen from the page; `None` if it leads to no server, as `javascript:` and `file:` do.
pub(super) fn join(base: &Url, link: &str) -> Option<Url> {
    base.join(link)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// The hashes in a link's fragment: `sha256=…`, perhaps beside other things after `&`.
fn in_fragment(fragment: &str) -> Map<String, Value> {
    let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, _)| HASHES.contains(name))
        .map(|(name, hash)| (name.to_owned(), Value::String(hash.to_owned())))
        .collect()
}

/// The hashes that look like some, in lower case.
pub(super) fn believed(hashes: Map<String, Value>) -> Map<String, Value> {
    let believed = hashes.into_iter().filter_map(|(name, hash)| {
        let hash = hash.as_str()?.to_ascii_lowercase();
        let length = if name == "sha256" {
            hash.len() == 64
        } else {
            !hash.is_empty()
        };
        (length && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((name, Value::String(hash)))
    });
    believed.collect()
}
