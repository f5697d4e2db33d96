//! The container engine as the rest of the program sees it: the trait [`Engine`] and our own request and trace
//! types. Only `docker/` names bollard. Not for: deciding what is built when (that is the runner's).

pub mod archive;
pub mod cgroup;
mod choice;
pub mod credentials;
pub mod docker;
pub mod endpoint;
mod grants;
pub mod http;
pub mod image_archive;
pub mod inventory;
pub mod isolated;
pub mod layers;
pub mod lock;
mod pull;
mod push;
pub mod reaper;
pub mod registry;
pub mod registry_log;
pub mod session;
mod types;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;

use crate::units::Bytes;

pub use choice::{Compression, ENGINE_CHOICES, EngineChoice, ImageStore};
pub use grants::{GrantError, Grants, SecretSource};
pub use pull::{LayerPull, PullOutcome, PullParts, PullTrace, Stretch};
pub use push::{LayerOutcome, LayerPush, PushParts, PushTrace};
pub use types::{
    Addresses, BuildFailure, BuildRequest, BuildTrace, Builder, CacheRecord, Container, ContainerExit, ContainerSpec,
    Context, EngineInfo, HistoryEntry, ImageDetails, Interval, LogLine, Observer, Owned, OwnedKind, Powers, Progress,
    Publish, Source, StepPart, StepTrace,
};

/// The label that everything bakeoff makes carries; its value is the run's id.
pub const RUN_LABEL: &str = "dev.bakeoff.run";
/// The label of stand-in base images; its value is the role (`python`, `uv`, `registry`).
pub const STAND_IN_LABEL: &str = "dev.bakeoff.stand-in";

/// What can go wrong between us and an engine or a registry.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing answers at the engine's address.
    #[error("no Docker Engine answers at {address}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the connection said.
        reason: String,
    },
    /// It can't be told where the engine listens.
    #[error(transparent)]
    Endpoint(#[from] endpoint::EndpointError),
    /// The engine refused or failed an operation.
    #[error("{operation} {subject}: {reason}")]
    Operation {
        /// What was tried: `push`, `remove image`.
        operation: &'static str,
        /// On what.
        subject: String,
        /// The engine's words.
        reason: String,
    },
    /// The engine's answer could not be understood.
    #[error("{operation}: the engine's answer was not understood: {reason}")]
    Protocol {
        /// What was tried.
        operation: &'static str,
        /// What was wrong with the answer.
        reason: String,
    },
    /// A file on our side could not be read or written.
    #[error("{operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// A container engine. Docker is one; test support has a scripted one.
pub trait Engine: Clone + Send + Sync {
    /// Another engine of the same kind, at an address of its own. Nothing is sent yet.
    ///
    /// # Errors
    /// If the address can't be used.
    fn beside(&self, address: &http::Address) -> Result<Self, EngineError>;

    /// What the engine says of itself.
    ///
    /// # Errors
    /// If it does not answer.
    fn info(&self) -> impl Future<Output = Result<EngineInfo, EngineError>> + Send;

    /// Builds an image.
    ///
    /// # Errors
    /// If the build fails; the failure holds what was traced before.
    fn build(
        &self,
        request: &BuildRequest,
        observer: Observer<'_>,
    ) -> impl Future<Output = Result<BuildTrace, Box<BuildFailure>>> + Send;

    /// Pushes an image by its full name (`127.0.0.1:PORT/name:tag`).
    ///
    /// # Errors
    /// If the engine or the registry fails it.
    fn push(&self, image: &str, observer: Observer<'_>) -> impl Future<Output = Result<PushTrace, EngineError>> + Send;

    /// Pulls an image. It may take as long as it likes: whoever asks has a limit. Dropped, it ends at the engine too.
    ///
    /// # Errors
    /// If no registry can be reached or none has it.
    fn pull(&self, image: &str, observer: Observer<'_>) -> impl Future<Output = Result<PullTrace, EngineError>> + Send;

    /// Inspects an image; `None` if the engine has none of that name.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn image(&self, image: &str) -> impl Future<Output = Result<Option<ImageDetails>, EngineError>> + Send;

    /// How many images the engine has. Cheap: it may be asked right before something is measured.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn image_count(&self) -> impl Future<Output = Result<usize, EngineError>> + Send;

    /// How an image came to be, oldest entry first.
    ///
    /// # Errors
    /// If the engine has no image of that name, or does not answer.
    fn history(&self, image: &str) -> impl Future<Output = Result<Vec<HistoryEntry>, EngineError>> + Send;

    /// Makes an image of one layer from a root file system (a tar file); `changes` are Dockerfile instructions.
    ///
    /// # Errors
    /// If the file can't be read or the engine refuses it.
    fn import(
        &self,
        rootfs: &std::path::Path,
        tag: &str,
        changes: &[String],
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Writes images, by name, into a file that is there, as a tar archive. Dropped, it ends at the engine too.
    ///
    /// # Errors
    /// If the engine has not got one of them, or the file can't be written.
    fn save(&self, images: &[String], to: &std::path::Path) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Reads images from a tar file that [`save`](Self::save) made, names included.
    ///
    /// # Errors
    /// If the file can't be read or the engine refuses it.
    fn load(&self, from: &std::path::Path) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes an image, or just the name if it has others. An absent image is no error.
    ///
    /// # Errors
    /// If the engine refuses.
    fn remove_image(&self, image: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates and starts a container.
    ///
    /// # Errors
    /// If the engine refuses.
    fn start(&self, spec: &ContainerSpec) -> impl Future<Output = Result<Container, EngineError>> + Send;

    /// Waits for a container to end and collects what it wrote.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn wait(&self, id: &str) -> impl Future<Output = Result<ContainerExit, EngineError>> + Send;

    /// What a container has written so far, and whether it still runs.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn peek(&self, id: &str) -> impl Future<Output = Result<(bool, String), EngineError>> + Send;

    /// The first process of a running container, by its number on the engine's machine.
    ///
    /// # Errors
    /// If it does not run, or the engine does not answer.
    fn process_of(&self, id: &str) -> impl Future<Output = Result<u32, EngineError>> + Send;

    /// Copies a file or folder out of a container, as a tar archive.
    ///
    /// # Errors
    /// If it is not there.
    fn copy_out(&self, id: &str, path: &str) -> impl Future<Output = Result<Vec<u8>, EngineError>> + Send;

    /// Ends and removes a container and its anonymous volumes. An absent one is no error.
    ///
    /// # Errors
    /// If the engine refuses.
    fn remove_container(&self, id: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a volume.
    ///
    /// # Errors
    /// If the engine refuses.
    fn create_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Removes a volume. An absent one is no error.
    ///
    /// # Errors
    /// If the engine refuses.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Creates a bridge network whose packets have at most `mtu` bytes, if that is known, with these addresses or free ones.
    ///
    /// # Errors
    /// If the engine refuses.
    fn create_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        mtu: Option<u32>,
        addresses: Option<&Addresses>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// The addresses of a network; of the one that builds use for `None`.
    ///
    /// # Errors
    /// If the engine has no such network, or does not answer.
    fn addresses(&self, network: Option<&str>) -> impl Future<Output = Result<Addresses, EngineError>> + Send;

    /// Removes a network. An absent one is no error.
    ///
    /// # Errors
    /// If the engine refuses.
    fn remove_network(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Everything in the engine that carries [`RUN_LABEL`] or [`STAND_IN_LABEL`].
    ///
    /// # Errors
    /// If the engine does not answer.
    fn owned(&self) -> impl Future<Output = Result<Vec<Owned>, EngineError>> + Send;

    /// Everything that the engine holds, whoever made it.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn inventory(&self) -> impl Future<Output = Result<inventory::Inventory, EngineError>> + Send;

    /// The build cache's records.
    ///
    /// # Errors
    /// If the engine does not answer.
    fn build_cache(&self) -> impl Future<Output = Result<Vec<CacheRecord>, EngineError>> + Send;

    /// Removes exactly these build-cache records, and says how many bytes that freed.
    ///
    /// # Errors
    /// If the engine refuses.
    fn remove_cache_records(&self, ids: &[String]) -> impl Future<Output = Result<Bytes, EngineError>> + Send;
}
