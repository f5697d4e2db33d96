//! Downloading from upstream into the recording. Concurrent requests for one thing share one download; whoever asked
//! gets the bytes as they arrive, but for the last one, which is held back until the whole is known to be good. A client
//! that goes away does not end the download.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::log::unix_now;
use super::recording::{Entry, Key, Lookup, Method, Recording};

/// How long a connection upstream may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// How long upstream may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// The headers of an answer that a client acts on.
const KEPT_HEADERS: [&str; 7] = [
    "accept-ranges",
    "content-type",
    "cache-control",
    "last-modified",
    "content-range",
    "content-length",
    "x-pypi-last-serial",
];

/// The header that says where a page really was.
pub const LOCATION: &str = "content-location";

/// One address for one file: pip quotes the plus sign of a local version, uv does not, and some stores of files take a bare
/// one for a space.
pub fn canonical(url: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{}?{query}", path.replace('+', "%2B")),
        None => url.replace('+', "%2B"),
    }
}

/// How far a download is.
pub type Download = watch::Receiver<Stage>;

/// How far a download is.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Nothing has come yet.
    Waiting,
    /// The head is there, and so many bytes of the body.
    Arriving {
        /// The answer so far; size and hash are not known yet.
        head: Arc<Entry>,
        /// The length that upstream announced.
        length: Option<u64>,
        /// Where the body is being written to.
        path: Arc<PathBuf>,
        /// How much of it may be sent.
        written: u64,
    },
    /// It is recorded, or, where upstream's answer is none to record, only passed on.
    Done {
        /// The answer.
        entry: Arc<Entry>,
        /// Its body.
        body: Arc<Body>,
    },
    /// It failed.
    Failed(Failure),
}

/// Where a body is.
#[derive(Debug)]
pub enum Body {
    /// In the recording.
    Recorded(PathBuf),
    /// In a partial file, which is gone when the last client has it.
    Passing(tempfile::TempPath),
}

impl Stage {
    /// Opens the body as far as it is there.
    pub fn open(&self) -> std::io::Result<std::fs::File> {
        match self {
            Self::Arriving { path, .. } => std::fs::File::open(path.as_path()),
            Self::Done { body, .. } => match body.as_ref() {
                Body::Recorded(path) => std::fs::File::open(path),
                Body::Passing(path) => std::fs::File::open(path),
            },
            Self::Waiting | Self::Failed(_) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

/// Why a download failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status that a client gets: 502, 504 or 507.
    pub status: u16,
    /// In words that name the URL.
    pub reason: String,
}

/// The way upstream.
#[derive(Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    recording: Arc<Recording>,
    /// The user and password for the index's own host, which no record holds.
    login: Option<Login>,
    /// Downloads in progress.
    open: Mutex<HashMap<Key, Download>>,
    /// What bodies must hash to, as the pages say that named them.
    expected: Mutex<HashMap<String, String>>,
}

/// A user and a password for one host.
#[derive(Clone)]
pub struct Login {
    /// Scheme, host and port.
    pub origin: url::Origin,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Option<String>,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}@{})", self.user, self.origin.ascii_serialization())
    }
}

impl Fetcher {
    /// A way upstream that records.
    ///
    /// # Errors
    /// If the system's certificates can't be used.
    pub fn new(recording: Arc<Recording>, login: Option<Login>) -> Result<Self, reqwest::Error> {
        Self::patient(recording, login, SILENCE_LIMIT)
    }

    fn patient(recording: Arc<Recording>, login: Option<Login>, silence: Duration) -> Result<Self, reqwest::Error> {
        // Another part of the process may have chosen one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("bakeoff/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(silence)
            .build()?;
        Ok(Self {
            client,
            recording,
            login,
            open: Mutex::default(),
            expected: Mutex::default(),
        })
    }

    /// From now on the body at this URL must have this hash.
    pub fn expect(&self, url: &str, sha256: &str) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.insert(canonical(url), sha256.to_ascii_lowercase());
    }

    /// Whether no download is under way: one goes on when its client has gone away.
    pub fn is_idle(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The download of something that is not recorded; begun now, unless it is under way.
    pub fn get(self: &Arc<Self>, key: &Key, accept: Option<&str>) -> Download {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(download) = open.get(key) {
            return download.clone();
        }
        let (sender, receiver) = watch::channel(Stage::Waiting);
        open.insert(key.clone(), receiver.clone());
        drop(open);
        let (fetcher, key, accept) = (Arc::clone(self), key.clone(), accept.map(str::to_owned));
        // A task of its own: it goes on when the client goes away.
        tokio::spawn(async move {
            let ended = fetcher.download(&key, accept.as_deref(), &sender).await;
            // Before anybody is told: whoever asks again after a failure must not get the same one.
            let mut open = fetcher.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&key);
            drop(open);
            let _ = sender.send(ended.unwrap_or_else(Stage::Failed));
        });
        receiver
    }

    async fn download(&self, key: &Key, accept: Option<&str>, stage: &watch::Sender<Stage>) -> Result<Stage, Failure> {
        // It may have been recorded between the caller's look and ours.
        if let Ok(Lookup::Found(entry)) = self.recording.find(key) {
            return Ok(self.done(entry));
        }
        let upstream = |error: &reqwest::Error| failed(key, error);
        let mut response = self.ask(key, accept).await.map_err(|error| upstream(&error))?;
        let head = head_of(key, &response);
        let length = response.content_length().filter(|_| key.method == Method::Get);
        let folder = self.recording.partial();
        let disk = |error: &std::io::Error| Failure {
            status: 507,
            reason: format!("recording {key}: writing to {}: {error}", folder.display()),
        };
        let mut file = tempfile::NamedTempFile::new_in(&folder).map_err(|error| disk(&error))?;
        let path = Arc::new(file.path().to_owned());
        let head = Arc::new(head);
        let arriving = |written: u64| Stage::Arriving {
            head: Arc::clone(&head),
            length,
            path: Arc::clone(&path),
            // The last byte only when all is well.
            written: written.saturating_sub(1),
        };
        let _ = stage.send(arriving(0));
        let mut hash = Sha256::new();
        let mut written = 0;
        while let Some(part) = response.chunk().await.map_err(|error| upstream(&error))? {
            hash.update(&part);
            // A write to the page cache; only a disk that is overwhelmed makes it wait.
            file.write_all(&part).map_err(|error| disk(&error))?;
            written += part.len() as u64;
            let _ = stage.send(arriving(written));
        }
        if let Some(length) = length.filter(|length| *length != written) {
            let reason = format!("{key}: upstream ended after {written} of {length} bytes");
            return Err(Failure { status: 502, reason });
        }
        let sha256 = crate::units::hex(&hash.finalize());
        self.check(key, head.status, &sha256)?;
        let entry = Entry {
            size: written,
            sha256,
            ..head.as_ref().clone()
        };
        if !matches!(entry.status, 200 | 206 | 404 | 410) {
            // A server's trouble is no content; who asked gets it, and nobody after.
            let body = Arc::new(Body::Passing(file.into_temp_path()));
            let entry = Arc::new(entry);
            return Ok(Stage::Done { entry, body });
        }
        let recording = Arc::clone(&self.recording);
        let keep = move || {
            let synced = file.as_file().sync_all();
            synced.map_err(|error| error.to_string())?;
            let added = recording.add(entry, file.into_temp_path());
            added.map_err(|error| error.to_string())
        };
        let kept = tokio::task::spawn_blocking(keep).await;
        let kept = kept.unwrap_or_else(|error| Err(error.to_string()));
        let entry = kept.map_err(|reason| Failure {
            status: 507,
            reason: format!("recording {key}: {reason}"),
        })?;
        Ok(self.done(entry))
    }

    fn done(&self, entry: Arc<Entry>) -> Stage {
        let body = Arc::new(Body::Recorded(self.recording.blob(&entry.sha256)));
        Stage::Done { entry, body }
    }

    async fn ask(&self, key: &Key, accept: Option<&str>) -> reqwest::Result<reqwest::Response> {
        let method = match key.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
        };
        let mut request = self.client.request(method, &key.url);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        if let Some(range) = &key.range {
            request = request.header("range", range);
        }
        let same_host = |login: &&Login| url::Url::parse(&key.url).is_ok_and(|url| url.origin() == login.origin);
        if let Some(login) = self.login.as_ref().filter(same_host) {
            request = request.basic_auth(&login.user, login.password.as_deref());
        }
        request.send().await
    }

    /// Whether a body is what the page that named it says.
    fn check(&self, key: &Key, status: u16, sha256: &str) -> Result<(), Failure> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        match expected.get(&key.url) {
            Some(expected) if status == 200 && key.method == Method::Get && expected != sha256 => Err(Failure {
                status: 502,
                reason: format!("{key}: its hash is {sha256}, and the index says {expected}"),
            }),
            _ => Ok(()),
        }
    }
}

/// Where a page was, if upstream led elsewhere: its links are relative to that. What may be secret is left out.
fn location_of(key: &Key, response: &reqwest::Response) -> Option<(String, String)> {
    let kind = response.headers().get("content-type")?.to_str().ok()?;
    let is_page = kind.contains("html") || kind.contains("json");
    let mut url = response.url().clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    (is_page && url.as_str() != key.url).then(|| (LOCATION.to_owned(), url.into()))
}

fn head_of(key: &Key, response: &reqwest::Response) -> Entry {
    let kept = KEPT_HEADERS.iter().filter_map(|name| {
        // The length of a body is its size; only an answer without one has to remember it.
        let wanted = *name != "content-length" || key.method == Method::Head;
        let value = response.headers().get(*name).filter(|_| wanted)?;
        Some(((*name).to_owned(), value.to_str().ok()?.to_owned()))
    });
    Entry {
        key: key.clone(),
        status: response.status().as_u16(),
        size: 0,
        sha256: String::new(),
        headers: kept.chain(location_of(key, response)).collect(),
        recorded_unix_s: unix_now() / 1_000_000_000,
    }
}

fn failed(key: &Key, error: &reqwest::Error) -> Failure {
    let mut reason = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    if reason.is_empty() {
        reason = format!(": {}", error.to_string().replace(&key.url, "it"));
    }
    let status = if error.is_timeout() { 504 } else { 502 };
    let slow = if error.is_timeout() { " (too slow)" } else { "" };
    Failure {
        status,
        reason: format!("{key}: upstream failed{slow}{reason}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn an_upstream_that_falls_silent_fails_the_download_and_leaves_nothing() {
        for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe first bytes"] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}/a.whl", listener.local_addr().expect("an address"));
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.write_all(said.as_bytes()).await.expect("sent");
                // Until the other side has had enough.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
            let folder = tempfile::tempdir().expect("a folder");
            let recording = Arc::new(Recording::create(folder.path()).expect("a recording"));
            let fetcher = Fetcher::patient(Arc::clone(&recording), None, Duration::from_millis(200));
            let fetcher = Arc::new(fetcher.expect("a client"));
            let mut download = fetcher.get(&Key::get(&url), None);
            let ended = download.wait_for(|stage| matches!(stage, Stage::Done { .. } | Stage::Failed(_)));
            let Stage::Failed(failure) = ended.await.expect("an end").clone() else {
                panic!("that was not all")
            };
            assert_eq!(failure.status, 504, "{}", failure.reason);
            assert!(
                failure.reason.contains(&url) && failure.reason.contains("too slow"),
                "{}",
                failure.reason
            );
            let left = std::fs::read_dir(recording.partial()).expect("a folder");
            assert_eq!(left.count(), 0);
            assert!(recording.entries().is_empty());
        }
    }

    #[test]
    fn a_file_has_one_address_however_its_plus_sign_is_quoted() {
        assert_eq!(
            canonical("https://f.example/a-1+cpu.whl"),
            "https://f.example/a-1%2Bcpu.whl"
        );
        assert_eq!(
            canonical("https://f.example/a-1%2Bcpu.whl"),
            "https://f.example/a-1%2Bcpu.whl"
        );
        assert_eq!(canonical("https://f.example/a?b=c+d"), "https://f.example/a?b=c+d");
    }
}
