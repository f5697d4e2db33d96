//! What answers are made of: what the request asked for, and heads.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::{self, Answer};
use super::log::{Log, Ticket};
use super::shape::Shaper;
use super::{Kind, Origin};

/// What an answer needs to know of its request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub head_only: bool,
    pub headers: HeaderMap,
    pub source: IpAddr,
}

impl Asked {
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The Range header, unless it is for another version.
    pub fn range(&self, etag: &str, modified: Option<&str>) -> Option<&str> {
        let range = self.header(header::RANGE)?;
        match self.header(header::IF_RANGE) {
            Some(condition) if condition != etag && Some(condition) != modified => None,
            _ => Some(range),
        }
    }

    /// Whether the client has this version.
    pub fn has(&self, etag: &str, modified: Option<&str>) -> bool {
        match self.header(header::IF_NONE_MATCH) {
            Some(tags) => tags
                .split(',')
                .any(|tag| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == etag),
            None => modified.is_some() && self.header(header::IF_MODIFIED_SINCE) == modified,
        }
    }
}

impl Asked {
    pub fn ticket(&self, log: &Arc<Log>, kind: Kind, name: &str, identity: &str) -> Ticket {
        Ticket::new(log, self.source, kind, name, identity.to_owned())
    }

    /// For a request whose name is not known yet.
    pub fn ticketed(&self, log: &Arc<Log>, kind: Kind) -> impl Fn(&str) -> Ticket {
        let (log, source) = (Arc::clone(log), self.source);
        move |name| Ticket::new(&log, source, kind, name, name.to_owned())
    }
}

/// The first and last byte of a single range; `None` if it is not one that we understand.
pub fn part_of(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let parsed = http_range_header::parse_range_header(range).ok()?;
    match parsed.validate(size) {
        Ok(ranges) => match ranges.as_slice() {
            [one] => Some(Ok((*one.start(), *one.end()))),
            // Several parts at once: nobody here asks for them, and the whole is a valid answer.
            _ => None,
        },
        Err(_) => Some(Err(())),
    }
}

pub fn accepts_gzip(accepted: Option<&str>) -> bool {
    accepted.is_some_and(|accepted| {
        accepted.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let refused = |quality: &str| quality.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            matches!(parts.next(), Some("gzip" | "*")) && !parts.any(refused)
        })
    })
}

pub fn answer(status: StatusCode, headers: HeaderMap, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An answer without a body.
pub fn nothing() -> Answer {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The recorded headers.
pub fn said(headers: &mut HeaderMap, recorded: &[(String, String)]) {
    for (name, value) in recorded {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
}

pub fn moved(to: &str) -> Response<Answer> {
    let mut response = Response::new(nothing());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    put(response.headers_mut(), header::LOCATION, to);
    response
}

/// An answer in words.
pub fn plain(status: u16, text: String, ticket: Ticket, shaper: &Arc<Shaper>) -> Response<Answer> {
    let mut response = Response::new(body::whole(Bytes::from(text), ticket, shaper));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    put(
        response.headers_mut(),
        header::CONTENT_TYPE,
        "text/plain; charset=utf-8",
    );
    response
}

/// A request that no recording could answer.
pub fn refused(mut ticket: Ticket, status: StatusCode, url: &str, problem: String) -> Response<Answer> {
    let text = format!("bakeoff mirror: {problem}\n");
    ticket.failed(status.as_u16(), Origin::Refused, url, problem);
    plain(status.as_u16(), text, ticket, &Arc::new(Shaper::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(HeaderName, &str)]) -> Asked {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            put(&mut map, name.clone(), value);
        }
        Asked {
            head_only: false,
            headers: map,
            source: IpAddr::from([127, 0, 0, 1]),
        }
    }

    #[test]
    fn a_version_is_known_by_its_tag_or_else_by_its_date() {
        let date = Some("Sat, 21 Nov 2026 10:00:00 GMT");
        let tagged = |tag| asked(&[(header::IF_NONE_MATCH, tag), (header::IF_MODIFIED_SINCE, "x")]);
        assert!(tagged("\"a\"").has("\"a\"", date));
        assert!(tagged("\"b\", W/\"a\"").has("\"a\"", date));
        assert!(tagged("*").has("\"a\"", date));
        assert!(!tagged("\"b\"").has("\"a\"", Some("x")), "the tag counts, not the date");
        let dated = asked(&[(header::IF_MODIFIED_SINCE, "Sat, 21 Nov 2026 10:00:00 GMT")]);
        assert!(dated.has("\"a\"", date) && !dated.has("\"a\"", None));
        assert!(!asked(&[]).has("\"a\"", None));
    }

    #[test]
    fn a_range_for_another_version_is_none() {
        let range = |condition| asked(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, condition)]);
        assert_eq!(range("\"a\"").range("\"a\"", None), Some("bytes=0-1"));
        assert_eq!(range("\"b\"").range("\"a\"", None), None);
        assert_eq!(
            asked(&[(header::RANGE, "bytes=0-1")]).range("\"a\"", None),
            Some("bytes=0-1")
        );
    }

    #[test]
    fn single_ranges_are_cut_to_the_body() {
        assert_eq!(part_of("bytes=0-9", 100), Some(Ok((0, 9))));
        assert_eq!(part_of("bytes=90-200", 100), Some(Ok((90, 99))));
        assert_eq!(part_of("bytes=-16", 100), Some(Ok((84, 99))));
        assert_eq!(part_of("bytes=50-", 100), Some(Ok((50, 99))));
        assert_eq!(part_of("bytes=100-", 100), Some(Err(())));
        assert_eq!(part_of("bytes=0-1,5-6", 100), None);
        assert_eq!(part_of("lines=1-2", 100), None);
    }

    #[test]
    fn gzip_is_used_where_it_is_accepted() {
        let accepts = |accepted| accepts_gzip(Some(accepted));
        assert!(accepts("gzip, deflate") && accepts("br;q=1.0, gzip;q=0.8") && accepts("*"));
        assert!(!accepts("identity") && !accepts("gzip;q=0") && !accepts_gzip(None));
    }
}
