//! An index on loopback that answers as a test says, and remembers who asked for what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What is said of a body's length.
#[derive(Clone, Copy)]
pub enum Length {
    True,
    Untold,
    /// Something else than the truth.
    Claimed(usize),
}

/// One scripted answer.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    length: Length,
    /// The second half comes only when this has a permit.
    gate: Option<Arc<Semaphore>>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            length: Length::True,
            gate: None,
        }
    }

    pub fn file(body: impl Into<Bytes>) -> Self {
        Self::new(200, "application/octet-stream", body).with("cache-control", "max-age=60, immutable")
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn length(mut self, length: Length) -> Self {
        self.length = length;
        self
    }

    pub fn gated(mut self, gate: &Arc<Semaphore>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }
}

type Replies = Arc<Mutex<BTreeMap<String, Reply>>>;

/// The index. It ends with this value.
pub struct Upstream {
    pub address: SocketAddr,
    replies: Replies,
    seen: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (replies, seen) = (Replies::default(), Arc::new(Mutex::new(Vec::new())));
        let (scripted, noted) = (Arc::clone(&replies), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (scripted, noted) = (Arc::clone(&scripted), Arc::clone(&noted));
                tokio::spawn(async move {
                    let service = service_fn(|request| {
                        let reply = reply(&request, &scripted, &noted);
                        async move { Ok::<_, std::convert::Infallible>(reply) }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            replies,
            seen,
            accepting,
        }
    }

    /// From now on this is the answer to GET and HEAD of a path.
    pub fn serve(&self, path: &str, reply: Reply) {
        self.replies.lock().expect("a map").insert(path.to_owned(), reply);
    }

    /// The requests so far: `GET /path range` and so on.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("a list").clone()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn reply(
    request: &Request<Incoming>,
    replies: &Replies,
    seen: &Mutex<Vec<String>>,
) -> Response<UnsyncBoxBody<Bytes, std::io::Error>> {
    let range = request.headers().get("range").and_then(|value| value.to_str().ok());
    let path = request.uri().path();
    let line = format!("{} {path} {}", request.method(), range.unwrap_or_default());
    seen.lock().expect("a list").push(line.trim_end().to_owned());
    let found = replies.lock().expect("a map").get(path).cloned();
    let mut reply = found.unwrap_or_else(|| Reply::new(404, "text/plain", "no such thing\n"));
    let whole = reply.body.len();
    if let (200, Some((from, to))) = (reply.status, range.and_then(bounds)) {
        reply.status = 206;
        let to = to.min(whole - 1);
        reply
            .headers
            .push(("content-range", format!("bytes {from}-{to}/{whole}")));
        reply.body = reply.body.slice(from..=to);
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response = match reply.length {
        Length::True => response.header("content-length", reply.body.len()),
        Length::Untold => response,
        Length::Claimed(length) => response.header("content-length", length),
    };
    let body = if request.method() == Method::HEAD {
        Bytes::new()
    } else {
        reply.body
    };
    let second = body.slice(body.len() / 2..);
    let first = body.slice(..body.len() / 2);
    let halves = stream::unfold((vec![second, first], reply.gate), |(mut left, gate)| async move {
        let half = left.pop()?;
        if let (true, Some(gate)) = (left.is_empty(), &gate) {
            gate.acquire().await.expect("never closed").forget();
        }
        Some((Ok(Frame::data(half)), (left, gate)))
    });
    let body = StreamBody::new(Box::pin(halves)).boxed_unsync();
    response.body(body).expect("a good response")
}

/// The ends of `bytes=FROM-TO`.
fn bounds(range: &str) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}
