//! What goes to an engine and what comes back, in our own types: requests, traces, and what an engine holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use super::Compression;
use super::Grants;
use super::session::Taken;
use crate::units::{Bytes, Nanos};

/// Which builder an engine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builder {
    /// BuildKit, the default.
    Buildkit,
    /// The classic builder: no mounts, no parallel stages.
    Classic,
}

impl Builder {
    /// The name in suites and journals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buildkit => "buildkit",
            Self::Classic => "classic",
        }
    }
}

/// What the engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineInfo {
    /// The address that it was reached at.
    pub address: String,
    /// Its stable id.
    pub id: String,
    /// `20.10.24+dfsg1`.
    pub version: String,
    /// `1.41`.
    pub api_version: String,
    /// The host's operating system as the engine names it.
    pub operating_system: String,
    /// `x86_64`.
    pub architecture: String,
    /// The kernel's version.
    pub kernel: String,
    /// `overlay2`, `overlayfs`, …
    pub storage_driver: String,
    /// `graphdriver` or `containerd`.
    pub image_store: String,
    /// Processors that it sees.
    pub cpus: u32,
    /// Memory that it sees.
    pub memory: Bytes,
    /// The folder that it keeps its data in, on its own host.
    pub root_dir: PathBuf,
    /// Whether its default bridge has a known MTU.
    pub bridge_mtu: Option<u32>,
}

/// How a context travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// All of it, as a tar file that holds the Dockerfile too: the classic builder's way.
    Tar(PathBuf),
    /// What the builder asks for, as it asks: BuildKit's way, and the docker client's with it. BuildKit reads the ignore
    /// file by itself.
    Folders {
        /// The context.
        context: PathBuf,
        /// The folder that holds the Dockerfile and, where there is one, the `<Dockerfile>.dockerignore`.
        dockerfile: PathBuf,
        /// What the engine keeps sent files under: with the same key again, only what has changed is sent.
        shared_key: String,
        /// What the builder has taken: whoever stops waiting for the build can still tell.
        taken: Taken,
    },
}

/// A build, ready to be sent.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The context, and where the Dockerfile is.
    pub context: Context,
    /// The Dockerfile's path in the tar, or its name in its folder.
    pub dockerfile: String,
    /// The image's name.
    pub tag: String,
    /// Build arguments.
    pub build_args: BTreeMap<String, String>,
    /// Labels put on the image.
    pub labels: BTreeMap<String, String>,
    /// The builder.
    pub builder: Builder,
    /// The stage to build, if not the last.
    pub target: Option<String>,
    /// The platform, if not the engine's own.
    pub platform: Option<String>,
    /// Names that the steps' containers know, `NAME:ADDRESS`.
    pub extra_hosts: Vec<String>,
    /// How its layers are compressed, where the engine's image store leaves a choice; `None` for the engine's own.
    pub compression: Option<Compression>,
    /// What it may use beside its context.
    pub grants: Grants,
    /// How long it may take; then it fails, with what was traced by then.
    pub limit: std::time::Duration,
}

/// Something that happened during a build, push or pull, for whoever shows progress.
#[derive(Debug, Clone)]
pub enum Progress {
    /// A step began: its name as the builder prints it.
    StepStarted(String),
    /// A step ended.
    StepDone(String),
    /// Some other state worth showing: `pushing 3 of 7 layers`.
    Note(String),
}

/// Receives progress; called from the task that drives the engine, so it must be quick.
pub type Observer<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// A finished build: everything the builder told, kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildTrace {
    /// The client's monotonic time from the request to the end of the stream.
    pub wall: Nanos,
    /// The image's id (a digest).
    pub image_id: String,
    /// The builder's steps, in the order in which they were announced.
    pub steps: Vec<StepTrace>,
    /// Every line that the steps wrote, in order of arrival.
    pub log: Vec<LogLine>,
    /// Warnings of the builder.
    pub warnings: Vec<String>,
    /// What travelled of the context and the Dockerfile: of folders the files that were told and sent, without what carried
    /// them; the whole of a packed context. The journal has it among what travelled in the phase.
    pub context: Bytes,
    /// What the engine keeps of the context's files. No journal holds it: it is of use only while the trial lasts.
    pub sources: BTreeSet<Source>,
}

/// Files that a builder took and keeps for the next build with the same key: one record of its cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The folder as the record's description calls it: `context` or `dockerfile`.
    pub folder: String,
    /// What tells it from other records of that folder.
    pub key: String,
}

/// One step of a build: a BuildKit vertex, or a classic builder's "Step n/m".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StepTrace {
    /// The vertex digest; `step-N` with the classic builder.
    pub id: String,
    /// The name as the builder prints it: `[builder 3/7] RUN apt-get update`.
    pub name: String,
    /// The ids of the steps whose results this one used.
    pub inputs: Vec<String>,
    /// When it ran, by the daemon's clock; empty if it never did.
    pub intervals: Vec<Interval>,
    /// Whether the builder took it from its cache.
    pub cached: bool,
    /// Its error, if it failed.
    pub error: Option<String>,
    /// Its timed parts, such as `exporting layers`.
    pub parts: Vec<StepPart>,
}

/// A stretch of time by the daemon's clock, in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Start.
    pub started: u64,
    /// End; `None` if the stream ended before the step did.
    pub completed: Option<u64>,
}

/// A timed part of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPart {
    /// Its name: `exporting layers`, `transferring context: 2B`.
    pub name: String,
    /// Progress reached, in the builder's unit (mostly bytes).
    pub current: u64,
    /// Progress expected, 0 if unknown.
    pub total: u64,
    /// When it ran, if the builder said so.
    pub interval: Option<Interval>,
}

/// A line of a step's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The step's id.
    pub step: String,
    /// The text, without its line end.
    pub text: String,
}

/// A build that failed, with all that was learned before it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildFailure {
    /// The engine's words.
    pub message: String,
    /// The name of the step that failed, where one did.
    pub step: Option<String>,
    /// What was traced up to the failure, `wall` included.
    pub trace: BuildTrace,
}

/// What the engine knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageDetails {
    /// Its id (a digest).
    pub id: String,
    /// Its uncompressed size.
    pub size: Bytes,
    /// The diff ids of its layers, lowest first.
    pub layers: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Digests under which registries know it: `name@sha256:…`.
    pub repo_digests: Vec<String>,
}

/// One entry of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryEntry {
    /// What made it, in the builder's words: `COPY src src # buildkit`.
    pub created_by: String,
    /// The size of its layer; 0 if it has none, and if its layer holds nothing but folders and empty files.
    pub size: Bytes,
}

/// A container to be started.
#[derive(Debug, Clone, Default)]
pub struct ContainerSpec {
    /// Its name; starts with `bakeoff-`.
    pub name: String,
    /// The image.
    pub image: String,
    /// The command; `None` for the image's own.
    pub command: Option<Vec<String>>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Labels; must hold [`RUN_LABEL`](super::RUN_LABEL).
    pub labels: BTreeMap<String, String>,
    /// Ports of the container to publish.
    pub publish: Vec<Publish>,
    /// A labelled volume (name, mount point).
    pub volume: Option<(String, String)>,
    /// Folders of the engine's host (folder, mount point).
    pub folders: Vec<(String, String)>,
    /// The network that it is in, or `container:NAME` for that of another container; `None` for the default one.
    pub network: Option<String>,
    /// What its processes may do.
    pub powers: Powers,
    /// Names that the container knows, `NAME:ADDRESS`.
    pub extra_hosts: Vec<String>,
    /// The folder in which the command runs.
    pub workdir: Option<String>,
    /// A tar archive unpacked at `/` before the start.
    pub files: Option<Vec<u8>>,
}

/// A port of a container to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish {
    /// The container's port.
    pub port: u16,
    /// The port of the engine's host, on all of its addresses; `None` for a free one on loopback.
    pub on: Option<u16>,
}

/// What the processes of a container may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Powers {
    /// What the engine allows any container.
    #[default]
    Usual,
    /// What an engine in a container needs, where a privileged one is refused: to mount, to set up networks, to use
    /// devices.
    Engine,
    /// Everything: a privileged container.
    All,
}

/// A started container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// The ports of the engine's host that its published ports got, in their order; 0 if the container ended at once.
    pub ports: Vec<u16>,
}

impl Container {
    /// The host's port of the first published port; 0 if there is none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or(0)
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerExit {
    /// Its exit code.
    pub code: i64,
    /// When the engine told of it, by the client's clock: its log is read after that.
    pub told: std::time::Instant,
    /// What it wrote, standard output and error together.
    pub log: String,
}

/// The addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// All of them, such as `172.18.0.0/16`.
    pub subnet: Option<String>,
    /// The host's among them: what listens there can be reached from the network.
    pub gateway: IpAddr,
}

/// Something in the engine that carries our label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owned {
    /// What it is.
    pub kind: OwnedKind,
    /// Its id, or its name where it has one.
    pub id: String,
    /// How people know it.
    pub name: String,
    /// The run that made it, or `stand-in`.
    pub run: String,
}

/// The kinds of things that bakeoff makes in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedKind {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// One record of the engine's build cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheRecord {
    /// Its id.
    pub id: String,
    /// The ids of the records it builds on.
    pub parents: Vec<String>,
    /// `regular`, `source.local`, `exec.cachemount`, …
    pub kind: String,
    /// The builder's description, which holds a RUN's command.
    pub description: String,
    /// Its size.
    pub size: Bytes,
    /// Whether a build uses it now.
    pub in_use: bool,
}

impl CacheRecord {
    /// Whether it holds nothing itself, and only stands for the layers of an image that the engine has.
    #[must_use]
    pub fn is_image_layer(&self) -> bool {
        self.description.trim() == "from local"
    }
}
