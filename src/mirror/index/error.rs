//! What can be wrong with a page.

use url::Url;

/// Why a page of an index can't be used. Each names the page, without any password in its URL.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The answer is neither HTML nor JSON of the simple repository API.
    #[error("{page} is {found:?}; a package index answers with text/html or application/vnd.pypi.simple.v1+json")]
    ContentType {
        /// The page.
        page: String,
        /// Its content type.
        found: String,
    },
    /// It should be JSON and isn't.
    #[error("{page} is broken JSON")]
    Json {
        /// The page.
        page: String,
        /// Where it is broken.
        source: serde_json::Error,
    },
    /// It is JSON, but not a project's page.
    #[error("{page} is no page of a package index: {at} should be {expected}")]
    Shape {
        /// The page.
        page: String,
        /// The field.
        at: String,
        /// What PEP 691 has there.
        expected: &'static str,
    },
    /// It has a major version that a client must refuse (PEP 629).
    #[error("{page} has version {found} of the simple repository API; only 1.x is known")]
    Version {
        /// The page.
        page: String,
        /// Its version.
        found: String,
    },
}

impl PageError {
    pub(super) fn content_type(base: &Url, found: &str) -> Self {
        Self::ContentType {
            page: shown(base),
            found: found.to_owned(),
        }
    }

    pub(super) fn json(base: &Url, source: serde_json::Error) -> Self {
        Self::Json {
            page: shown(base),
            source,
        }
    }

    pub(super) fn shape(base: &Url, at: &str, expected: &'static str) -> Self {
        Self::Shape {
            page: shown(base),
            at: at.to_owned(),
            expected,
        }
    }

    pub(super) fn version(base: &Url, found: &str) -> Self {
        Self::Version {
            page: shown(base),
            found: found.to_owned(),
        }
    }
}

/// The URL without its user and password. A URL that can't have them keeps what it has.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
