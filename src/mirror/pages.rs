//! Index pages as the builds get them: their links lead to the mirror. Rendered once and kept, zipped as upstream would
//! send them, since a page of a popular project is megabytes.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};

use super::fetch::{self, Fetcher};
use super::index::{Form, Page};
use super::recording::{Entry, Recording};
use crate::units::hex;

/// How much is kept.
const KEPT: usize = 48 << 20;

/// The largest page that is parsed.
const LARGEST: u64 = 256 << 20;

/// A page, ready to be sent.
#[derive(Debug)]
pub struct Rendered {
    pub body: Bytes,
    pub etag: String,
    pub cache_control: Option<String>,
}

type Wanted = (String, Form, bool);

/// Rendered pages.
#[derive(Debug)]
pub struct Pages {
    /// Where links lead: `http://mirror:port`.
    origin: String,
    synthetic: BTreeMap<String, Page>,
    kept: Mutex<HashMap<Wanted, Arc<Rendered>>>,
}

impl Pages {
    pub fn new(origin: &str, synthetic: BTreeMap<String, Page>) -> Self {
        Self {
            origin: origin.to_owned(),
            synthetic,
            kept: Mutex::default(),
        }
    }

    /// Where the mirror has the file that is at this URL upstream.
    pub fn mirrored(&self, url: &str) -> String {
        mirrored(&self.origin, url)
    }

    fn kept(&self, wanted: &Wanted) -> Option<Arc<Rendered>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(wanted).cloned()
    }

    fn keep(&self, wanted: Wanted, page: Rendered) -> Arc<Rendered> {
        let page = Arc::new(page);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.values().map(|page| page.body.len()).sum::<usize>() + page.body.len() > KEPT {
            kept.clear();
        }
        kept.insert(wanted, Arc::clone(&page));
        page
    }

    /// The page of a generated project.
    pub fn synthetic(&self, project: &str, form: Form, zipped: bool) -> Option<Arc<Rendered>> {
        let page = self.synthetic.get(project)?;
        let wanted = (format!("synthetic/{project}"), form, zipped);
        Some(self.kept(&wanted).unwrap_or_else(|| {
            // Its links lead here already.
            let body = written(page, form, str::to_owned);
            self.keep(wanted, finished(&body, zipped, Some("max-age=600, public".to_owned())))
        }))
    }

    /// A recorded page; its files' hashes are told to whoever downloads them.
    pub fn render(
        &self,
        recording: &Recording,
        entry: &Entry,
        form: Form,
        zipped: bool,
        fetcher: Option<&Fetcher>,
    ) -> Result<Arc<Rendered>, String> {
        let wanted = (entry.sha256.clone(), form, zipped);
        if let Some(page) = self.kept(&wanted) {
            return Ok(page);
        }
        let url = &entry.key.url;
        let base =
            url::Url::parse(entry.header(fetch::LOCATION).unwrap_or(url)).map_err(|error| format!("{url}: {error}"))?;
        if entry.size > LARGEST {
            return Err(format!("{url}: the page has {} bytes", entry.size));
        }
        let text = std::fs::read(recording.blob(&entry.sha256)).map_err(|error| format!("{url}: {error}"))?;
        let content_type = entry.header("content-type").unwrap_or("text/html");
        let page = Page::parse(content_type, &text, &base).map_err(|error| format!("{url}: {error}"))?;
        if let Some(fetcher) = fetcher {
            for file in page.files() {
                if let Some(sha256) = file.sha256 {
                    fetcher.expect(file.url, sha256);
                }
                if let Some(sha256) = file.metadata_sha256 {
                    fetcher.expect(&format!("{}.metadata", file.url), sha256);
                }
            }
        }
        let body = written(&page, form, |url| self.mirrored(url));
        let caching = entry.header("cache-control").map(str::to_owned);
        Ok(self.keep(wanted, finished(&body, zipped, caching)))
    }
}

/// Where a mirror at `origin` has the file that is at this URL upstream.
pub fn mirrored(origin: &str, url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{origin}/files/{scheme}/{rest}"),
        None => url.to_owned(),
    }
}

fn written(page: &Page, form: Form, rewrite: impl Fn(&str) -> String) -> Vec<u8> {
    match form {
        Form::Json => page.to_json(rewrite),
        Form::Html => page.to_html(rewrite),
    }
}

fn finished(body: &[u8], zipped: bool, cache_control: Option<String>) -> Rendered {
    let etag = format!(
        "\"{}{}\"",
        hex(&Sha256::digest(body)),
        if zipped { "-gzip" } else { "" }
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory can't fail; if it did, the page would go as it is.
    let packed = match (zipped, encoder.write_all(body)) {
        (true, Ok(())) => encoder.finish().ok(),
        _ => None,
    };
    Rendered {
        body: packed.map_or_else(|| Bytes::copy_from_slice(body), Bytes::from),
        etag,
        cache_control,
    }
}
