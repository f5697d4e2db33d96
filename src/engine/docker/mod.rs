//! The Docker Engine, through bollard. The only place that names bollard; what its typed calls hide goes through
//! [`super::http`].

mod build;
mod cache;
mod containers;
mod images;
mod push;
mod trace;

use std::path::{Path, PathBuf};

use bollard::Docker;

use super::http::Address;
use super::{
    BuildFailure, BuildRequest, BuildTrace, CacheRecord, Container, ContainerExit, ContainerSpec, Engine, EngineError,
    EngineInfo, ImageDetails, Observer, Owned, PushTrace,
};
use crate::units::Bytes;

/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const DEFAULT_ADDRESS: &str = "unix:///var/run/docker.sock";

/// The network that builds use.
const BRIDGE: &str = "bridge";

/// Requests have no limit of their own here: a build may be silent for long, and the runner has a limit per phase.
const NO_LIMIT_SECONDS: u64 = 7 * 24 * 3600;

/// A Docker Engine.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    docker: Docker,
    address: Address,
}

impl DockerEngine {
    /// The engine of `DOCKER_HOST`, else the one at the default socket. Nothing is sent yet.
    ///
    /// # Errors
    /// If the address can't be used: unknown scheme, or TLS or ssh, which this version does not speak.
    pub fn from_environment() -> Result<Self, EngineError> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::at(host.as_deref().unwrap_or(DEFAULT_ADDRESS))
    }

    /// The engine at an address such as `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`.
    ///
    /// # Errors
    /// If the address can't be used.
    pub fn at(host: &str) -> Result<Self, EngineError> {
        let bad = |reason: &str| EngineError::Address {
            address: host.to_owned(),
            reason: reason.to_owned(),
        };
        let (docker, address) = if let Some(path) = host.strip_prefix("unix://") {
            let docker = Docker::connect_with_unix(host, NO_LIMIT_SECONDS, bollard::API_DEFAULT_VERSION);
            (docker, Address::Unix(PathBuf::from(path)))
        } else if let Some(to) = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")) {
            if std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()) {
                return Err(bad("TLS is not spoken yet"));
            }
            let docker = Docker::connect_with_http(host, NO_LIMIT_SECONDS, bollard::API_DEFAULT_VERSION);
            (docker, Address::Tcp(to.trim_end_matches('/').to_owned()))
        } else {
            return Err(bad("expected unix:///PATH or tcp://HOST:PORT"));
        };
        // bollard checks here that the socket exists.
        let docker = docker.map_err(|error| EngineError::Unreachable {
            address: host.to_owned(),
            reason: said(&error),
        })?;
        Ok(Self { docker, address })
    }

    /// Where the engine listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// What a bollard error says, with its causes, in one line.
fn said(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(error) = cause {
                let more = error.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                cause = error.source();
            }
            text
        }
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

impl Engine for DockerEngine {
    fn beside(&self, address: &Address) -> Result<Self, EngineError> {
        Self::at(&address.to_string())
    }
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.read_info().await
    }
    async fn build(&self, request: &BuildRequest, observer: Observer<'_>) -> Result<BuildTrace, Box<BuildFailure>> {
        self.run_build(request, observer).await
    }
    async fn push(&self, image: &str, observer: Observer<'_>) -> Result<PushTrace, EngineError> {
        self.run_push(image, observer).await
    }
    async fn pull(&self, image: &str, observer: Observer<'_>) -> Result<(), EngineError> {
        self.run_pull(image, observer).await
    }
    async fn image(&self, image: &str) -> Result<Option<ImageDetails>, EngineError> {
        self.inspect_image(image).await
    }
    async fn import(&self, rootfs: &Path, tag: &str, changes: &[String]) -> Result<(), EngineError> {
        self.import_rootfs(rootfs, tag, changes).await
    }
    async fn save(&self, images: &[String], to: &Path) -> Result<(), EngineError> {
        self.save_images(images, to).await
    }
    async fn load(&self, from: &Path) -> Result<(), EngineError> {
        self.load_images(from).await
    }
    async fn remove_image(&self, image: &str) -> Result<(), EngineError> {
        self.delete_image(image).await
    }
    async fn start(&self, spec: &ContainerSpec) -> Result<Container, EngineError> {
        self.start_container(spec).await
    }
    async fn wait(&self, id: &str) -> Result<ContainerExit, EngineError> {
        self.wait_container(id).await
    }
    async fn peek(&self, id: &str) -> Result<(bool, String), EngineError> {
        self.peek_container(id).await
    }
    async fn copy_out(&self, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        self.download(id, path).await
    }
    async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        self.delete_container(id).await
    }
    async fn create_volume(
        &self,
        name: &str,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        self.make_volume(name, labels).await
    }
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.delete_volume(name).await
    }
    async fn create_network(
        &self,
        name: &str,
        labels: &std::collections::BTreeMap<String, String>,
        mtu: Option<u32>,
    ) -> Result<(), EngineError> {
        self.make_network(name, labels, mtu).await
    }
    async fn gateway(&self, network: Option<&str>) -> Result<std::net::IpAddr, EngineError> {
        self.network_gateway(network.unwrap_or(BRIDGE)).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        self.delete_network(name).await
    }
    async fn owned(&self) -> Result<Vec<Owned>, EngineError> {
        self.list_owned().await
    }
    async fn build_cache(&self) -> Result<Vec<CacheRecord>, EngineError> {
        self.cache_records().await
    }
    async fn remove_cache_records(&self, ids: &[String]) -> Result<Bytes, EngineError> {
        self.prune_exactly(ids).await
    }
}
