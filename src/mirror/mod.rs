//! The hermetic package mirror: records and replays what builds download, over a shaped link. Not for: deciding which
//! build uses it (that is the runner's), or knowing a suite or an engine.
//!
//! Builds know it by one name, [`HOST`], whatever address it has. It serves
//!
//! - `/simple/PROJECT/`: the package index, as HTML or JSON (PEP 503, 691), with links that lead back here;
//! - `/files/SCHEME/HOST/PATH`: what is at `SCHEME://HOST/PATH` upstream, and the metadata of packages (PEP 658);
//! - `/synthetic/FILE`: generated packages;
//! - as a proxy, anything else over plain HTTP.

mod body;
mod content;
mod fetch;
pub mod index;
mod log;
mod pages;
pub mod recording;
mod reply;
mod server;
mod shape;
pub mod synthetic;
mod transfer;
mod tunnel;
mod upstream;
pub mod used;
mod uv_lock;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::units::{Bytes, Link};
use fetch::Fetcher;
use log::Log;
use pages::Pages;
use recording::{Recording, RecordingError};
use server::Shared;
use shape::Shaper;
use synthetic::Catalogue;

pub use transfer::{Kind, Origin, Transfer};
pub use upstream::{Configured, Upstream, UpstreamError, configured};

/// The name by which builds know the mirror, from a top-level domain that is nobody's.
pub const HOST: &str = "mirror.bakeoff.internal";

/// The port that the mirror listens on unless somebody else does: lock files and images hold it.
pub const PORT: u16 = 7380;

/// How long to wait for transfers whose clients have just ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether a mirror can still be reached.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// For how long it must not be for a mirror to count as dead: clients ask again for longer than that.
const LASTING: Duration = Duration::from_secs(1);

/// How long downloads whose clients have gone away may take to end.
const SETTLING: Duration = Duration::from_secs(120);

/// Whether what is not recorded may be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is fetched, and added to the recording.
    Record,
    /// It is refused.
    Replay,
}

/// What a mirror serves, and where.
#[derive(Debug)]
pub struct Config {
    /// Whether what is not recorded may be fetched.
    pub mode: Mode,
    /// The recording.
    pub recording: Arc<Recording>,
    /// Where packages come from; in replay, and without one, where the recording says that they came from.
    pub upstream: Option<Upstream>,
    /// Other addresses of the index: a user's own lock file may name one.
    pub aliases: Vec<String>,
    /// Generated packages.
    pub synthetic: Option<Catalogue>,
    /// The addresses to listen on: loopback, or those of the engine's own networks. There must be one.
    pub bind: Vec<IpAddr>,
    /// The name by which clients know it: [`HOST`] in builds.
    pub host: String,
    /// The port to listen on if it is free, else any.
    pub port: u16,
}

/// What can go wrong with a mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// It can't listen.
    #[error("the mirror can't listen on {address}: {source}")]
    Listen {
        /// Where.
        address: IpAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// It must not listen there: whoever can reach the machine could.
    #[error("the mirror must not listen on {0}, which is neither loopback nor a private network's")]
    Public(IpAddr),
    /// The system's certificates can't be used.
    #[error("the way upstream can't be prepared: {0}")]
    Client(#[from] reqwest::Error),
    /// The recording can't be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It was started, and serves nobody any more.
    #[error("the mirror has died: {0}")]
    Died(#[from] Death),
}

/// Why a mirror that was started serves nobody any more.
#[derive(Debug, thiserror::Error)]
pub enum Death {
    /// What takes its connections has ended.
    #[error("it takes no connections any more")]
    Ended,
    /// Nobody can get to it: its network or the address of that is gone, or this process may open nothing more.
    #[error("it can't be reached at {address} any more: {source}")]
    Unreachable {
        /// Where it listens.
        address: IpAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Somebody has removed its recording.
    #[error("its recording is gone: {0}")]
    Recording(#[source] RecordingError),
}

/// A running mirror. It ends with this value.
#[derive(Debug)]
pub struct Mirror {
    shared: Arc<Shared>,
    accepting: Mutex<Vec<Accepting>>,
    /// Keeps what it serves from being removed.
    _held: Vec<std::fs::File>,
}

/// A task that takes connections, and what it takes them from: a task that has died can be started again.
#[derive(Debug)]
struct Accepting {
    listener: Arc<TcpListener>,
    task: JoinHandle<()>,
}

impl Accepting {
    fn start(listener: Arc<TcpListener>, shared: &Arc<Shared>) -> Self {
        let task = tokio::spawn(accept(Arc::clone(&listener), Arc::clone(shared)));
        Self { listener, task }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.accepting().iter().for_each(|accepting| accepting.task.abort());
        self.shared.ended.cancel();
    }
}

impl Mirror {
    /// Starts a mirror.
    ///
    /// # Errors
    /// If it can't listen, or the recording is of another index than the configured one, or is gone.
    pub async fn start(config: Config) -> Result<Self, MirrorError> {
        if let Some(public) = config.bind.iter().find(|address| !is_private(**address)) {
            return Err(MirrorError::Public(*public));
        }
        let listeners = match listen(&config.bind, config.port).await {
            Err(MirrorError::Listen { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {
                listen(&config.bind, 0).await
            }
            bound => bound,
        }?;
        let local = |listener: &TcpListener| listener.local_addr().ok();
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(local).collect();
        let address = addresses
            .first()
            .copied()
            .unwrap_or(SocketAddr::new(LOOPBACK, config.port));
        let generated = config.synthetic.as_ref().and_then(Catalogue::folder);
        let held = config.recording.hold()?.into_iter();
        let held = held.chain(generated.and_then(used::hold)).collect();
        let origin = format!("http://{}:{}", config.host, address.port());

        let recorded = config.recording.index().and_then(|index| url::Url::parse(&index).ok());
        let mut login = None;
        let mut index = recorded;
        if config.mode == Mode::Record
            && let Some(upstream) = config.upstream
        {
            config.recording.set_index(upstream.index.as_str())?;
            login = upstream.login();
            index = Some(upstream.index);
        }
        let fetcher = match config.mode {
            Mode::Record => Some(Arc::new(Fetcher::new(Arc::clone(&config.recording), login)?)),
            Mode::Replay => None,
        };
        let mut generated = BTreeMap::new();
        let mut projects = BTreeMap::new();
        if let Some(catalogue) = config.synthetic {
            let at = |filename: &str| format!("{origin}/synthetic/{filename}");
            for (project, files) in &catalogue.projects {
                projects.extend(catalogue.page(project, at).map(|page| (project.clone(), page)));
                generated.extend(files.iter().map(|file| (file.filename.clone(), file.clone())));
            }
        }
        let shared = Arc::new(Shared {
            mode: config.mode,
            host: config.host,
            address,
            others: addresses.into_iter().skip(1).collect(),
            recording: config.recording,
            fetcher,
            index,
            aliases: config.aliases,
            synthetic: generated,
            pages: Pages::new(&origin, projects),
            shaper: Arc::new(Shaper::default()),
            log: Arc::new(Log::default()),
            small: Mutex::default(),
            ended: CancellationToken::new(),
        });
        let accepting = listeners
            .into_iter()
            .map(|listener| Accepting::start(Arc::new(listener), &shared));
        Ok(Self {
            accepting: Mutex::new(accepting.collect()),
            shared,
            _held: held,
        })
    }

    fn accepting(&self) -> MutexGuard<'_, Vec<Accepting>> {
        self.accepting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps it from serving whoever comes to this address of its own, if anything does.
    ///
    /// A connection of our own would prove more, but would be made while builds are timed. That a socket can be had at the
    /// address is what builds need first, and what goes away in practice.
    #[must_use]
    pub fn death(&self, at: IpAddr) -> Option<Death> {
        if self.accepting().iter().any(|accepting| accepting.task.is_finished()) {
            return Some(Death::Ended);
        }
        if let Err(source) = UdpSocket::bind((at, 0)) {
            return Some(Death::Unreachable { address: at, source });
        }
        self.shared.recording.gone().map(Death::Recording)
    }

    /// Until it serves nobody any more who comes to this address; for what reason.
    pub async fn died(&self, at: IpAddr) -> Death {
        let mut since = None;
        loop {
            match self.death(at) {
                None => since = None,
                Some(death) => {
                    let since = since.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() >= LASTING {
                        return death;
                    }
                }
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    /// Starts again what takes connections, at the same address, where that has ended, and says whether it had.
    pub fn revive(&self) -> bool {
        let mut had_died = false;
        for accepting in self
            .accepting()
            .iter_mut()
            .filter(|accepting| accepting.task.is_finished())
        {
            *accepting = Accepting::start(Arc::clone(&accepting.listener), &self.shared);
            had_died = true;
        }
        had_died
    }

    /// Begins the recording anew, empty, if somebody has removed it, and says whether that was so. In replay it stays away:
    /// there is nothing else to serve.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn begin_recording_anew(&self) -> Result<bool, RecordingError> {
        let recording = &self.shared.recording;
        if self.shared.mode == Mode::Replay || recording.gone().is_none() {
            return Ok(false);
        }
        recording.begin_anew().map(|()| true)
    }

    /// Whether it records.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.mode
    }

    /// The recording.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.shared.recording
    }

    /// The (first) address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Its address as clients write it: `http://mirror.bakeoff.internal:7380`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.shared.host, self.shared.address.port())
    }

    /// The simple index as clients write it.
    #[must_use]
    pub fn index_url(&self) -> String {
        format!("{}/simple", self.origin())
    }

    /// The environment that leads pip and uv here. It is the same in record and replay.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PIP_INDEX_URL", self.index_url()),
            ("PIP_TRUSTED_HOST", self.shared.host.clone()),
            // Whether pip asks for a newer pip depends on the day.
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".to_owned()),
            ("UV_DEFAULT_INDEX", self.index_url()),
            // Its name before uv 0.4.23.
            ("UV_INDEX_URL", self.index_url()),
        ]
    }

    /// The build arguments that lead everything else here: Docker predefines them, and they are in no cache key.
    #[must_use]
    pub fn proxy_arguments(&self) -> Vec<(&'static str, String)> {
        let direct = format!("localhost,127.0.0.1,{}", self.shared.host);
        let mut arguments = Vec::new();
        for (upper, lower, value) in [
            ("HTTP_PROXY", "http_proxy", self.origin()),
            ("HTTPS_PROXY", "https_proxy", self.origin()),
            ("NO_PROXY", "no_proxy", direct),
        ] {
            arguments.push((upper, value.clone()));
            arguments.push((lower, value));
        }
        arguments
    }

    /// The entry that makes its name known in a container that reaches it at one of its addresses: `NAME:ADDRESS`.
    #[must_use]
    pub fn extra_host(&self, at: IpAddr) -> String {
        format!("{}:{at}", self.shared.host)
    }

    /// A new trial: this link, and nothing has been sent yet.
    pub fn begin(&self, link: Link) {
        self.shared.shaper.set(link);
        self.shared.log.clear();
    }

    /// What has been transferred since the last call.
    pub async fn transfers(&self) -> Vec<Transfer> {
        self.shared.log.take(PATIENCE).await
    }

    /// What has ended since the last call, for whoever only counts; what is open is told of later.
    #[must_use]
    pub fn ended_transfers(&self) -> Vec<Transfer> {
        self.shared.log.drain()
    }

    /// Waits until no download is under way, and returns whether that came to pass.
    pub async fn settled(&self) -> bool {
        let Some(fetcher) = &self.shared.fetcher else {
            return true;
        };
        let waited = tokio::time::Instant::now();
        while !fetcher.is_idle() {
            if waited.elapsed() > SETTLING {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// A lock file of uv with the addresses of the index and its files replaced by those of the mirror.
    #[must_use]
    pub fn rewrite_lock(&self, text: &str) -> String {
        let index = self.shared.index.iter().map(url::Url::as_str);
        let from: Vec<&str> = index.chain(self.shared.aliases.iter().map(String::as_str)).collect();
        uv_lock::rewrite(text, &from, &self.origin())
    }

    /// Checks the recording, and prepares the pages that builds will ask for, so that none is made while they wait.
    /// Returns what is damaged.
    ///
    /// # Errors
    /// If the recording can't be read.
    pub async fn warm(
        &self,
        progress: impl Fn(Bytes, Bytes) + Send + 'static,
    ) -> Result<Vec<recording::Damage>, RecordingError> {
        let shared = Arc::clone(&self.shared);
        let warmed = tokio::task::spawn_blocking(move || {
            let damaged = shared.recording.verify(&progress)?;
            let index = shared.index.as_ref().map(url::Url::as_str).unwrap_or_default();
            for entry in shared.recording.entries() {
                let is_page =
                    !index.is_empty() && entry.status == 200 && entry.key == recording::Key::get(&entry.key.url);
                if is_page && entry.key.url.starts_with(index) && entry.key.url.ends_with('/') {
                    // A page that can't be read is told of when somebody asks for it.
                    let _ = shared.pages.render(
                        &shared.recording,
                        &entry,
                        index::Form::Json,
                        true,
                        shared.fetcher.as_deref(),
                    );
                }
            }
            Ok(damaged)
        });
        // What was not looked through is not good.
        warmed
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

/// Whether only this machine, or a network of its own, can reach an address.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Listens on all addresses, at one port; at any that is free if it is 0.
async fn listen(addresses: &[IpAddr], mut port: u16) -> Result<Vec<TcpListener>, MirrorError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let failed = |source| MirrorError::Listen { address, source };
        let listener = TcpListener::bind((address, port)).await.map_err(failed)?;
        port = listener.local_addr().map_err(failed)?.port();
        listeners.push(listener);
    }
    Ok(listeners)
}

async fn accept(listener: Arc<TcpListener>, shared: Arc<Shared>) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Out of file descriptors, say: the next connection may fare better.
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, std::convert::Infallible>(shared.answer(request, peer).await) }
            });
            // How a connection ends is the client's affair; what was sent is in the log.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

/// The loopback address, for clients on this machine.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests {
    use super::*;

    async fn started(mode: Mode, folder: &std::path::Path) -> Mirror {
        Mirror::start(Config {
            mode,
            recording: Arc::new(Recording::create(folder).unwrap()),
            upstream: None,
            aliases: Vec::new(),
            synthetic: None,
            bind: vec![LOOPBACK],
            host: HOST.to_owned(),
            port: 0,
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_lock_file_of_the_clients_own_index_is_rewritten_where_another_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let lock = |index: &str, files: &str| {
            format!(
                "[[package]]\nname = \"a\"\nsource = {{ registry = \"{index}/simple\" }}\n\
                 wheels = [\n    {{ url = \"{files}/a.whl\", hash = \"sha256:0\" }},\n]\n"
            )
        };
        for mode in [Mode::Record, Mode::Replay] {
            let named = Upstream::new("https://named.example/simple", "a test").unwrap();
            let mirror = Mirror::start(Config {
                mode,
                recording: Arc::new(Recording::create(&folder.path().join("r")).unwrap()),
                upstream: (mode == Mode::Record).then_some(named),
                aliases: vec!["https://client.example/simple".to_owned()],
                synthetic: None,
                bind: vec![LOOPBACK],
                host: HOST.to_owned(),
                port: 0,
            })
            .await
            .unwrap();
            let (origin, files) = (mirror.origin(), "https://files.example");
            let expected = lock(&origin, &format!("{origin}/files/https/files.example"));
            for index in ["https://named.example", "https://client.example"] {
                assert_eq!(mirror.rewrite_lock(&lock(index, files)), expected, "{index}");
            }
            let other = lock("https://other.example", files);
            assert_eq!(mirror.rewrite_lock(&other), other);
        }
    }

    async fn death(mirror: &Mirror, at: IpAddr) -> Death {
        tokio::time::timeout(Duration::from_secs(5), mirror.died(at))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_mirror_that_has_died_says_so_and_begins_again_at_its_address() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = started(Mode::Record, &folder.path().join("r")).await;
        let address = crate::engine::http::Address::Tcp(mirror.address().to_string());
        let ask = || crate::engine::http::get(&address, "/simple/x/", "*/*");
        assert!(mirror.death(LOOPBACK).is_none() && !mirror.revive());
        assert!(ask().await.is_ok());
        mirror.accepting()[0].task.abort();
        assert!(matches!(death(&mirror, LOOPBACK).await, Death::Ended));
        assert!(mirror.revive() && mirror.death(LOOPBACK).is_none());
        assert!(ask().await.is_ok());
    }

    #[tokio::test]
    async fn an_address_that_is_not_this_machine_s_is_where_nobody_can_come() {
        let folder = tempfile::tempdir().unwrap();
        let mirror = started(Mode::Record, &folder.path().join("r")).await;
        // Of a block for documentation.
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        let told = death(&mirror, elsewhere).await.to_string();
        assert!(
            told.starts_with("it can't be reached at 192.0.2.1 any more: "),
            "{told}"
        );
        assert!(mirror.death(LOOPBACK).is_none());
    }

    #[tokio::test]
    async fn a_recording_that_was_removed_is_begun_anew_but_not_in_replay() {
        for (mode, again) in [(Mode::Record, true), (Mode::Replay, false)] {
            let folder = tempfile::tempdir().unwrap();
            let mirror = started(mode, &folder.path().join("r")).await;
            mirror.recording().mark_complete("all of it").unwrap();
            assert!(!mirror.begin_recording_anew().unwrap());
            std::fs::remove_dir_all(folder.path().join("r")).unwrap();
            let told = death(&mirror, LOOPBACK).await;
            assert!(matches!(told, Death::Recording(_)), "{told}");
            assert_eq!(mirror.begin_recording_anew().unwrap(), again);
            assert_eq!(mirror.death(LOOPBACK).is_none(), again);
            if again {
                assert!(!mirror.recording().is_complete("all of it"));
            }
        }
    }
}
