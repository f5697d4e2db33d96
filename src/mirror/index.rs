//! Project pages of a package index, as the simple repository API has them: as HTML (PEP 503) and as JSON (PEP 691),
//! with versions (PEP 629), metadata files (PEP 658 and 714), sizes (PEP 700) and tracked indexes (PEP 708). What comes
//! in is untrusted. Not for: fetching or serving pages, or telling which wheel suits whom.

mod error;
mod file;
mod form;
mod html;
mod name;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use url::Url;

pub use error::PageError;
pub use file::{File, NewFile};
pub use form::Form;
pub use name::{is_file_name, is_project_name, normalize};

/// A project's page: its files and what is said of them.
///
/// It is held as the JSON of PEP 691, so that fields we know nothing of survive. Of each file it is sure that the name
/// can't leave a folder ([`is_file_name`]) and that every SHA-256 is 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Everything but `files`; `meta` is an object with an `api-version`.
    head: Map<String, Value>,
    /// Each with `filename` and `url`, both text, and with `hashes`, an object.
    files: Vec<Map<String, Value>>,
}

impl Page {
    /// Reads a page that came from `base` with this `Content-Type`. Every file's URL is absolute afterwards, is `http`
    /// or `https` and has no fragment. A file for which that can't be had, or whose name isn't one, is left out. A
    /// link's own hash and the page's name are taken from the URLs where the page itself doesn't say them.
    ///
    /// # Errors
    /// If the content type is none of the API's, if the JSON is broken or isn't a project page, and if the page's major
    /// version isn't 1, since clients have to refuse such a page (PEP 629).
    pub fn parse(content_type: &str, body: &[u8], base: &Url) -> Result<Self, PageError> {
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let mut page = match essence.as_str() {
            "application/vnd.pypi.simple.v1+json" | "application/json" => Self::from_json(body, base)?,
            "application/vnd.pypi.simple.v1+html" | "text/html" => html::read(body, base),
            _ => return Err(PageError::content_type(base, content_type)),
        };
        page.check_version(base)?;
        if !page.head.get("name").is_some_and(Value::is_string) {
            page.head.insert("name".into(), Value::String(name_in(base)));
        }
        Ok(page)
    }

    /// A page of our own, at version 1.1 (PEP 700). The URLs are taken as they are.
    #[must_use]
    pub fn new(name: &str, versions: &[&str], files: impl IntoIterator<Item = NewFile>) -> Self {
        let head = [
            ("meta".to_owned(), json!({ "api-version": "1.1" })),
            ("name".to_owned(), normalize(name).into()),
            ("versions".to_owned(), versions.into()),
        ];
        Self {
            head: head.into_iter().collect(),
            files: files.into_iter().map(NewFile::into_json).collect(),
        }
    }

    /// The files, in the page's order.
    pub fn files(&self) -> impl Iterator<Item = File<'_>> {
        self.files.iter().map(File::of)
    }

    /// The page as JSON (PEP 691), each file's URL as `rewrite` wants it.
    ///
    /// Metadata is announced as `core-metadata` only. The older `dist-info-metadata` makes pip 22.3 to 23.1 fail, which
    /// is why PEP 714 renamed it, and allows the old name only in HTML.
    #[must_use]
    pub fn to_json(&self, rewrite: impl Fn(&str) -> String) -> Vec<u8> {
        let files = self.files.iter().map(|file| {
            let mut file = file.clone();
            let url = rewrite(file::text(&file, "url").unwrap_or_default());
            file.insert("url".into(), Value::String(url));
            Value::Object(file)
        });
        let mut document = self.head.clone();
        document.insert("files".into(), files.collect());
        Value::Object(document).to_string().into_bytes()
    }

    /// The page as HTML (PEP 503), each file's URL as `rewrite` wants it, followed by its hash. The last part of what
    /// `rewrite` returns should be the file's name: in HTML a client has it from nowhere else.
    ///
    /// What HTML has no place for is left out: sizes, upload times, all hashes but one.
    #[must_use]
    pub fn to_html(&self, rewrite: impl Fn(&str) -> String) -> Vec<u8> {
        html::write(self, rewrite).into_bytes()
    }

    fn from_json(body: &[u8], base: &Url) -> Result<Self, PageError> {
        let wrong = |at: &str, expected| PageError::shape(base, at, expected);
        let document = serde_json::from_slice(body).map_err(|source| PageError::json(base, source))?;
        let Value::Object(mut head) = document else {
            return Err(wrong("the document", "an object"));
        };
        let Some(Value::Array(listed)) = head.remove("files") else {
            return Err(wrong("files", "a list"));
        };
        let mut files = Vec::with_capacity(listed.len());
        for (index, file) in listed.into_iter().enumerate() {
            let Value::Object(mut file) = file else {
                return Err(wrong(&format!("files[{index}]"), "an object"));
            };
            for field in ["filename", "url"] {
                if file::text(&file, field).is_none() {
                    return Err(wrong(&format!("files[{index}].{field}"), "text"));
                }
            }
            if file::tidy(&mut file, base) {
                files.push(file);
            }
        }
        if !head.get("meta").is_none_or(Value::is_object) {
            return Err(wrong("meta", "an object"));
        }
        Ok(Self { head, files })
    }

    /// Refuses versions other than 1.x. A page without a version has version 1.0 (PEP 629), and is told so.
    fn check_version(&mut self, base: &Url) -> Result<(), PageError> {
        let meta = self.head.entry("meta").or_insert_with(|| json!({}));
        match meta.get("api-version") {
            None => meta["api-version"] = "1.0".into(),
            Some(Value::String(version)) if version.split('.').next() == Some("1") => {}
            Some(Value::String(version)) => return Err(PageError::version(base, version)),
            Some(_) => return Err(PageError::shape(base, "meta.api-version", "text")),
        }
        Ok(())
    }
}

/// The project's name in the URL of its page: the last part of the path. Empty if that is none.
fn name_in(base: &Url) -> String {
    let mut parts = base.path().split('/').rev().filter(|part| !part.is_empty());
    parts
        .next()
        .filter(|part| is_project_name(part))
        .map(normalize)
        .unwrap_or_default()
}
