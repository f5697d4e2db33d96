//! The Docker Engine, through bollard. The only place that names bollard; what its typed calls hide goes through
//! [`super::http`].

mod build;
mod cache;
mod containers;
mod images;
mod inventory;
mod pull;
mod push;
mod trace;

use std::path::Path;
use std::time::Duration;

use bollard::{BollardRequest, Docker};
use hyper::Request;
use hyper::header::{HOST, HeaderValue};

use super::endpoint::{EngineEndpoint, Origin};
use super::http::{self, Address, HttpError};
use super::inventory::Inventory;
use super::{
    Addresses, BuildFailure, BuildRequest, BuildTrace, CacheRecord, Container, ContainerExit, ContainerSpec, Engine,
    EngineError, EngineInfo, HistoryEntry, ImageDetails, Observer, Owned, PullTrace, PushTrace,
};
use crate::units::{Bytes, with_causes};

/// The network that builds use.
const BRIDGE: &str = "bridge";

/// Requests have no limit of their own here: a build may be silent for long, and the runner has a limit per phase.
const NO_LIMIT_SECONDS: u64 = 7 * 24 * 3600;

/// How long an engine may take to say something.
const ASK_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to say all that it holds: one with many volumes measures them all.
const LIST_LIMIT: Duration = Duration::from_secs(120);

/// How long it may take to make or remove something; gigabytes take their time on a slow disk.
const CHANGE_LIMIT: Duration = Duration::from_secs(300);

/// How long it may take to move an image, or to run a container that fetches something.
const FETCH_LIMIT: Duration = Duration::from_secs(3600);

/// A Docker Engine.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    docker: Docker,
    endpoint: EngineEndpoint,
}

impl DockerEngine {
    /// The engine that the docker client would take (see [`EngineEndpoint::from_environment`]). Nothing is sent yet.
    ///
    /// # Errors
    /// If the environment or the user's files name one that can't be used, or can't be read.
    pub fn from_environment() -> Result<Self, EngineError> {
        Self::new(EngineEndpoint::from_environment()?)
    }

    /// The engine at an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// If bollard refuses the transport that it is given.
    pub fn new(endpoint: EngineEndpoint) -> Result<Self, EngineError> {
        let address = endpoint.address.clone();
        let transport = move |request| Self::transport(address.clone(), request);
        let version = bollard::API_DEFAULT_VERSION;
        // The host in the address stands in requests, and is nobody's name.
        let docker = Docker::connect_with_custom_transport(transport, Some("http://docker"), NO_LIMIT_SECONDS, version)
            .map_err(|error| EngineError::Unreachable {
                address: endpoint.address.to_string(),
                reason: said(&error),
            })?;
        Ok(Self { docker, endpoint })
    }

    /// bollard's requests go where ours go.
    async fn transport(
        address: Address,
        request: BollardRequest,
    ) -> Result<hyper::Response<hyper::body::Incoming>, bollard::errors::Error> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse().map_err(hyper::http::Error::from)?;
        head.headers.insert(HOST, HeaderValue::from_static("docker"));
        http::send(&address, Request::from_parts(head, body))
            .await
            .map_err(|error| match error {
                // Whoever tells of it names the address.
                HttpError::Connect { source, .. } => source.into(),
                HttpError::Exchange { source, .. } => source.into(),
                HttpError::Request(source) => source.into(),
            })
    }

    /// Where the engine listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.endpoint.address
    }

    /// Where the engine listens, and who says so.
    #[must_use]
    pub fn endpoint(&self) -> &EngineEndpoint {
        &self.endpoint
    }
}

/// What a bollard error says, with its causes, in one line.
fn said(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => with_causes(other),
    }
}

/// Whether the engine says that there is no such thing.
fn is_absent(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }
    )
}

/// Turns a bollard error into ours.
fn failed(operation: &'static str, subject: &str) -> impl Fn(bollard::errors::Error) -> EngineError {
    let subject = subject.to_owned();
    move |error| EngineError::Operation {
        operation,
        subject: subject.clone(),
        reason: said(&error),
    }
}

/// Limits what has no limit of its own: an engine that hangs, or a connection that swallows packets, must not hang a run.
/// Builds, pushes and pulls have the suite's, or whoever else's asks for them.
async fn within<T>(
    limit: Duration,
    operation: &'static str,
    subject: &str,
    doing: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let late = |_| EngineError::Operation {
        operation,
        subject: subject.to_owned(),
        reason: format!("the engine did not answer within {} s", limit.as_secs()),
    };
    tokio::time::timeout(limit, doing).await.map_err(late)?
}

impl Engine for DockerEngine {
    fn beside(&self, address: &Address) -> Result<Self, EngineError> {
        Self::new(EngineEndpoint {
            address: address.clone(),
            origin: Origin::Own,
        })
    }
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        within(ASK_LIMIT, "ask", "the engine", self.read_info()).await
    }
    async fn build(&self, request: &BuildRequest, observer: Observer<'_>) -> Result<BuildTrace, Box<BuildFailure>> {
        self.run_build(request, observer).await
    }
    async fn push(&self, image: &str, observer: Observer<'_>) -> Result<PushTrace, EngineError> {
        self.run_push(image, observer).await
    }
    async fn pull(&self, image: &str, observer: Observer<'_>) -> Result<PullTrace, EngineError> {
        self.run_pull(image, observer).await
    }
    async fn image(&self, image: &str) -> Result<Option<ImageDetails>, EngineError> {
        within(ASK_LIMIT, "inspect image", image, self.inspect_image(image)).await
    }
    async fn image_count(&self) -> Result<usize, EngineError> {
        let counting = async { Ok(self.all_images().await?.len()) };
        within(ASK_LIMIT, "list", "images", counting).await
    }
    async fn history(&self, image: &str) -> Result<Vec<HistoryEntry>, EngineError> {
        within(ASK_LIMIT, "read the history of image", image, self.image_history(image)).await
    }
    async fn import(&self, rootfs: &Path, tag: &str, changes: &[String]) -> Result<(), EngineError> {
        within(
            FETCH_LIMIT,
            "import image",
            tag,
            self.import_rootfs(rootfs, tag, changes),
        )
        .await
    }
    async fn save(&self, images: &[String], to: &Path) -> Result<(), EngineError> {
        within(FETCH_LIMIT, "save", "images", self.save_images(images, to)).await
    }
    async fn load(&self, from: &Path) -> Result<(), EngineError> {
        within(FETCH_LIMIT, "load", "images", self.load_images(from)).await
    }
    async fn remove_image(&self, image: &str) -> Result<(), EngineError> {
        within(CHANGE_LIMIT, "remove image", image, self.delete_image(image)).await
    }
    async fn start(&self, spec: &ContainerSpec) -> Result<Container, EngineError> {
        within(CHANGE_LIMIT, "start container", &spec.name, self.start_container(spec)).await
    }
    async fn wait(&self, id: &str) -> Result<ContainerExit, EngineError> {
        within(FETCH_LIMIT, "wait for container", id, self.wait_container(id)).await
    }
    async fn peek(&self, id: &str) -> Result<(bool, String), EngineError> {
        within(ASK_LIMIT, "read the log of container", id, self.peek_container(id)).await
    }
    async fn process_of(&self, id: &str) -> Result<u32, EngineError> {
        within(ASK_LIMIT, "inspect container", id, self.first_process(id)).await
    }
    async fn copy_out(&self, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        within(CHANGE_LIMIT, "copy out of container", id, self.download(id, path)).await
    }
    async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        within(CHANGE_LIMIT, "remove container", id, self.delete_container(id)).await
    }
    async fn create_volume(
        &self,
        name: &str,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        within(CHANGE_LIMIT, "create volume", name, self.make_volume(name, labels)).await
    }
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        within(CHANGE_LIMIT, "remove volume", name, self.delete_volume(name)).await
    }
    async fn create_network(
        &self,
        name: &str,
        labels: &std::collections::BTreeMap<String, String>,
        mtu: Option<u32>,
        addresses: Option<&Addresses>,
    ) -> Result<(), EngineError> {
        within(
            CHANGE_LIMIT,
            "create network",
            name,
            self.make_network(name, labels, mtu, addresses),
        )
        .await
    }
    async fn addresses(&self, network: Option<&str>) -> Result<Addresses, EngineError> {
        let name = network.unwrap_or(BRIDGE);
        within(ASK_LIMIT, "inspect network", name, self.network_addresses(name)).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        within(CHANGE_LIMIT, "remove network", name, self.delete_network(name)).await
    }
    async fn owned(&self) -> Result<Vec<Owned>, EngineError> {
        within(ASK_LIMIT, "list", "what is ours", self.list_owned()).await
    }
    async fn inventory(&self) -> Result<Inventory, EngineError> {
        within(LIST_LIMIT, "list", "what the engine holds", self.list_everything()).await
    }
    async fn build_cache(&self) -> Result<Vec<CacheRecord>, EngineError> {
        within(CHANGE_LIMIT, "list", "build cache", self.cache_records()).await
    }
    async fn remove_cache_records(&self, ids: &[String]) -> Result<Bytes, EngineError> {
        within(CHANGE_LIMIT, "remove", "build-cache records", self.prune_exactly(ids)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_hangs_is_an_error_that_says_what_was_asked() {
        let hanging = std::future::pending::<Result<(), EngineError>>();
        let error = within(ASK_LIMIT, "inspect image", "x:1", hanging).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "inspect image x:1: the engine did not answer within 60 s"
        );
    }
}
