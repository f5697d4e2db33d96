//! Sends what is there: a whole body or a part of it, from memory or from a file.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::body::{self, Answer};
use super::fetch::Failure;
use super::log::Ticket;
use super::recording::{self, Entry};
use super::reply::{Asked, answer, nothing, part_of, put, said};
use super::server::Shared;

/// Bodies up to this size are kept in memory.
const SMALL: u64 = 256 * 1024;

/// How much of them is kept.
const SMALL_IN_ALL: usize = 32 << 20;

/// A thing to be sent: where it is and what is said of it.
pub(super) struct Content<'a> {
    /// What it is, for people.
    pub(super) name: &'a str,
    pub(super) path: std::path::PathBuf,
    pub(super) size: u64,
    pub(super) sha256: &'a str,
    pub(super) headers: &'a [(String, String)],
}

impl Shared {
    pub(super) async fn entry(&self, entry: &Entry, asked: &Asked, ticket: Ticket) -> Response<Answer> {
        let content = Content {
            name: &entry.key.url,
            path: self.recording.blob(&entry.sha256),
            size: entry.size,
            sha256: &entry.sha256,
            headers: &entry.headers,
        };
        if entry.status == 200 && entry.key.method == recording::Method::Get {
            return self.send(&content, asked, ticket).await;
        }
        // A recorded part, head or absence is sent as it was.
        self.shaper.delay().await;
        let mut response = Response::new(nothing());
        *response.status_mut() = StatusCode::from_u16(entry.status).unwrap_or(StatusCode::BAD_GATEWAY);
        said(response.headers_mut(), &entry.headers);
        if !asked.head_only {
            *response.body_mut() = match self.content(&content, 0, entry.size, ticket).await {
                Ok(body) => body,
                Err(ticket) => return self.damaged(&content, ticket),
            };
        }
        response
    }

    /// Sends a body, or the part of it that was asked for.
    pub(super) async fn send(&self, content: &Content<'_>, asked: &Asked, mut ticket: Ticket) -> Response<Answer> {
        self.shaper.delay().await;
        let etag = format!("\"{}\"", content.sha256);
        let modified = content.headers.iter().find(|(name, _)| name == "last-modified");
        let modified = modified.map(|(_, value)| value.as_str());
        let mut headers = HeaderMap::new();
        said(&mut headers, content.headers);
        put(&mut headers, header::ETAG, &etag);
        put(&mut headers, header::ACCEPT_RANGES, "bytes");
        if asked.has(&etag, modified) {
            ticket.status(304);
            return answer(StatusCode::NOT_MODIFIED, headers, nothing());
        }
        let (mut status, mut from, mut length) = (StatusCode::OK, 0, content.size);
        // A range that is not understood is ignored (RFC 9110, 14.2).
        match asked
            .range(&etag, modified)
            .and_then(|range| part_of(range, content.size))
        {
            Some(Ok((start, end))) => {
                (status, from, length) = (StatusCode::PARTIAL_CONTENT, start, end - start + 1);
                let part = format!("bytes {start}-{end}/{}", content.size);
                put(&mut headers, header::CONTENT_RANGE, &part);
                ticket.status(206);
            }
            Some(Err(())) => {
                put(
                    &mut headers,
                    header::CONTENT_RANGE,
                    &format!("bytes */{}", content.size),
                );
                ticket.status(416);
                return answer(StatusCode::RANGE_NOT_SATISFIABLE, headers, nothing());
            }
            None => {}
        }
        let body = if asked.head_only {
            put(&mut headers, header::CONTENT_LENGTH, &length.to_string());
            nothing()
        } else {
            match self.content(content, from, length, ticket).await {
                Ok(body) => body,
                Err(ticket) => return self.damaged(content, ticket),
            }
        };
        answer(status, headers, body)
    }

    /// The body, or the ticket back if it is not what it should be: a small one is checked each time that it is read.
    async fn content(&self, content: &Content<'_>, from: u64, length: u64, ticket: Ticket) -> Result<Answer, Ticket> {
        if content.size > SMALL {
            return Ok(body::file(content.path.clone(), from, length, ticket, &self.shaper));
        }
        let part = |bytes: Bytes| {
            let (from, length) = (usize::try_from(from).ok()?, usize::try_from(length).ok()?);
            let end = from.checked_add(length).filter(|end| *end <= bytes.len())?;
            Some(bytes.slice(from..end))
        };
        match self.small(content).await.and_then(part) {
            Some(bytes) => Ok(body::whole(bytes, ticket, &self.shaper)),
            None => Err(ticket),
        }
    }

    /// Answers that a body has been damaged since the recording was checked, and serves it no more.
    fn damaged(&self, content: &Content<'_>, ticket: Ticket) -> Response<Answer> {
        self.recording.distrust(content.sha256);
        let reason = format!("{}: its file has been damaged since it was checked", content.name);
        self.failed(ticket, content.name, &Failure { status: 500, reason })
    }

    /// A small body, from memory after the first time; `None` if it is not what it should be.
    async fn small(&self, content: &Content<'_>) -> Option<Bytes> {
        let kept = |small: &Mutex<BTreeMap<String, Bytes>>| {
            let small = small.lock().unwrap_or_else(PoisonError::into_inner);
            small.get(content.sha256).cloned()
        };
        if let Some(bytes) = kept(&self.small) {
            return Some(bytes);
        }
        let bytes = Bytes::from(tokio::fs::read(&content.path).await.ok()?);
        // A damaged one would stay in memory after it was fetched again.
        if crate::units::hex(&Sha256::digest(&bytes)) != content.sha256 {
            return None;
        }
        let mut small = self.small.lock().unwrap_or_else(PoisonError::into_inner);
        if small.values().map(Bytes::len).sum::<usize>() + bytes.len() > SMALL_IN_ALL {
            small.clear();
        }
        small.insert(content.sha256.to_owned(), bytes.clone());
        Some(bytes)
    }
}
