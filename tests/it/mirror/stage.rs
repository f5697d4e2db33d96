//! A recording in a folder, the upstream that it is made from, mirrors over it, and a client that shows everything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bakeoff::mirror::recording::Recording;
use bakeoff::mirror::{Config, LOOPBACK, Mirror, Mode, Transfer};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::upstream::{Reply, Upstream};

/// The media type of a page as JSON.
pub const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// The wheel that the scripted index has; it is larger than what the mirror keeps in memory.
pub const WHEEL: &str = "/packages/foo_bar-1.0-py3-none-any.whl";

pub struct Stage {
    pub folder: TempDir,
    pub upstream: Upstream,
}

impl Stage {
    /// An upstream with a project `foo-bar` that has one wheel.
    pub async fn new() -> Self {
        let stage = Self {
            folder: TempDir::new().expect("a folder"),
            upstream: Upstream::start().await,
        };
        stage.offer(&wheel(), METADATA);
        stage
    }

    /// The project has a wheel of which its page says that it is `told`.
    pub fn offer(&self, told: &[u8], metadata: &[u8]) {
        let page = serde_json::json!({
            "meta": { "api-version": "1.1" },
            "name": "foo-bar",
            "versions": ["1.0"],
            "files": [{
                "filename": "foo_bar-1.0-py3-none-any.whl",
                "url": self.upstream.url(WHEEL),
                "size": told.len(),
                "hashes": { "sha256": sha256(told) },
                "core-metadata": { "sha256": sha256(metadata) },
            }],
        });
        let page = Reply::new(200, JSON, page.to_string()).with("cache-control", "max-age=600");
        self.upstream.serve("/simple/foo-bar/", page);
        let file = Reply::file(wheel()).with("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT");
        self.upstream.serve(WHEEL, file);
        let metadata = Reply::file(METADATA);
        self.upstream.serve(&format!("{WHEEL}.metadata"), metadata);
    }

    pub fn recording_folder(&self) -> PathBuf {
        self.folder.path().join("recording")
    }

    pub async fn record(&self) -> Mirror {
        let recording = Recording::create(&self.recording_folder()).expect("a recording");
        let index = self.upstream.url("/simple");
        let index = bakeoff::mirror::Upstream::new(&index, "a test").expect("an address");
        start(Mode::Record, recording, Some(index)).await
    }

    pub async fn replay(&self) -> Mirror {
        let recording = Recording::open(&self.recording_folder()).expect("a recording");
        start(Mode::Replay, recording, None).await
    }

    /// The path at which a mirror has what upstream has at `path`.
    pub fn file(&self, path: &str) -> String {
        format!("/files/http/{}{path}", self.upstream.address)
    }

    /// Where the body of a download lies.
    pub fn blob(&self, path: &str) -> PathBuf {
        let recording = Recording::open(&self.recording_folder()).expect("a recording");
        let entries = recording.entries();
        let entry = entries.iter().find(|entry| entry.key.url == self.upstream.url(path));
        recording.blob(&entry.expect("it is recorded").sha256)
    }

    /// Fails unless the recording is good, without anything half done, and holds exactly these downloads.
    pub fn holds(&self, paths: &[&str]) {
        holds(&self.recording_folder(), &self.upstream, paths);
    }
}

pub fn holds(folder: &std::path::Path, upstream: &Upstream, paths: &[&str]) {
    let recording = Recording::open(folder).expect("a recording");
    assert_eq!(recording.verify(&|_, _| {}).expect("readable"), []);
    assert_eq!(partial(folder), Vec::<PathBuf>::new());
    let mut urls: Vec<_> = paths.iter().map(|path| upstream.url(path)).collect();
    urls.sort();
    let entries = recording.entries();
    let held: Vec<_> = entries.iter().map(|entry| entry.key.url.clone()).collect();
    assert_eq!(held, urls);
}

/// What is half downloaded.
pub fn partial(folder: &std::path::Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder.join("partial")).expect("a folder");
    listed.map(|file| file.expect("an entry").path()).collect()
}

pub async fn start(mode: Mode, recording: Recording, upstream: Option<bakeoff::mirror::Upstream>) -> Mirror {
    let config = Config {
        mode,
        recording: Arc::new(recording),
        upstream,
        aliases: Vec::new(),
        synthetic: None,
        bind: vec![LOOPBACK],
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    Mirror::start(config).await.expect("a mirror")
}

pub const METADATA: &[u8] = b"Metadata-Version: 2.1\nName: foo-bar\nVersion: 1.0\n";

/// 600 kB that do not repeat themselves.
pub fn wheel() -> Vec<u8> {
    noise(600_000)
}

pub fn noise(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0_u64..)
        .take(length / 32 + 1)
        .flat_map(|at| Sha256::digest(at.to_le_bytes()))
        .collect();
    bytes.truncate(length);
    bytes
}

pub fn sha256(bytes: &[u8]) -> String {
    bakeoff::units::hex(&Sha256::digest(bytes))
}

/// What a client got.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub whole: bool,
}

impl Got {
    /// Nothing: the connection ended first.
    fn none() -> Self {
        Self {
            status: 0,
            headers: HeaderMap::new(),
            body: Vec::new(),
            whole: false,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status and the body of an answer that came whole.
    pub fn good(&self) -> (u16, &[u8]) {
        assert!(self.whole, "the body broke off after {} bytes", self.body.len());
        (self.status, &self.body)
    }
}

pub async fn get(mirror: &Mirror, uri: &str) -> Got {
    ask(mirror.address(), Method::GET, uri, &[]).await
}

pub async fn with(mirror: &Mirror, uri: &str, headers: &[(&str, &str)]) -> Got {
    ask(mirror.address(), Method::GET, uri, headers).await
}

pub async fn head(mirror: &Mirror, uri: &str) -> Got {
    ask(mirror.address(), Method::HEAD, uri, &[]).await
}

/// One request on a connection of its own.
pub async fn ask(address: SocketAddr, method: Method, uri: &str, headers: &[(&str, &str)]) -> Got {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP");
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let (parts, mut incoming) = match sender.send_request(request).await {
        Ok(answer) => answer.into_parts(),
        // An answer that is given up may take its head with it, if that is not on its way yet.
        Err(error) if error.is_incomplete_message() => return Got::none(),
        Err(error) => panic!("no answer: {error}"),
    };
    let (mut body, mut whole) = (Vec::new(), true);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend(frame.into_data().unwrap_or_default()),
            Err(_) => whole = false,
        }
    }
    Got {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
        whole,
    }
}

/// What comes back for a request that no good client would write.
pub async fn raw(mirror: &Mirror, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(mirror.address()).await.expect("a connection");
    // The mirror may hang up before it has read all.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The only transfer since the last look.
pub async fn transfer(mirror: &Mirror) -> Transfer {
    let mut transfers = mirror.transfers().await;
    assert_eq!(transfers.len(), 1, "{transfers:#?}");
    transfers.remove(0)
}
