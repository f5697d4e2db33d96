//! The trial's registry, asked over its own protocol (OCI distribution, "pull manifest"). Sizes of what really lies
//! in a registry come from here, never from progress text. Not for: starting the registry's container.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Request, Response};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::EngineError;
use super::http::{self, Address};
use super::registry_log;
use crate::units::Bytes;

const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json";

/// How long a registry that closed an idle connection is left in peace.
const AGAIN: Duration = Duration::from_secs(1);

/// A manifest as the registry holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryManifest {
    /// The digest of what the tag stands for: the manifest, or the index that names it.
    pub digest: String,
    /// The image's configuration: digest and size; none in manifests of the oldest kind.
    pub config: Option<(String, Bytes)>,
    /// Its layers: digest and compressed size, lowest first.
    pub layers: Vec<(String, Bytes)>,
    /// Their media types, which tell how they are compressed.
    pub media_types: Vec<String>,
}

#[derive(Deserialize)]
struct RawManifest {
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Vec<RawDescriptor>,
    #[serde(default)]
    manifests: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
    #[serde(rename = "mediaType", default)]
    media_type: String,
    size: u64,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    os: String,
}

/// Whether a registry answers on a loopback port.
pub async fn answers(port: u16) -> bool {
    let address = Address::Tcp(format!("127.0.0.1:{port}"));
    matches!(http::get(&address, "/v2/", "*/*").await, Ok((status, _)) if status.is_success())
}

/// Until the registry on a loopback port is gone. Nothing is said on the connection by which that is noticed, so a push that
/// goes on meanwhile is not disturbed.
pub async fn gone(port: u16) {
    loop {
        if let Ok(mut held) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            // It ends with the registry, or because the registry takes it for forgotten.
            let _ = held.read(&mut [0]).await;
        }
        if !answers(port).await {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The manifest of `repository:tag`, or of the first image of an index (the containerd image store pushes one).
///
/// # Errors
/// If the registry does not answer or does not hold it.
pub async fn manifest(port: u16, repository: &str, tag: &str) -> Result<RegistryManifest, EngineError> {
    let address = Address::Tcp(format!("127.0.0.1:{port}"));
    let mut wanted = tag.to_owned();
    let mut digest = None;
    for _ in 0..2 {
        let subject = format!("{repository}:{wanted}");
        let fail = |reason: String| EngineError::Operation {
            operation: "read manifest of",
            subject: subject.clone(),
            reason,
        };
        let (status, body) = http::get(&address, &format!("/v2/{repository}/manifests/{wanted}"), ACCEPT)
            .await
            .map_err(|error| fail(error.to_string()))?;
        if !status.is_success() {
            return Err(fail(format!("the registry answered {status}")));
        }
        // Content is addressed by the SHA-256 of its bytes as they are served (OCI distribution, "digest").
        let digest = digest.get_or_insert_with(|| format!("sha256:{:x}", Sha256::digest(&body)));
        let raw: RawManifest = serde_json::from_slice(&body).map_err(|error| fail(error.to_string()))?;
        let image = raw
            .manifests
            .iter()
            .find(|entry| entry.platform.as_ref().is_none_or(|p| p.os != "unknown"));
        match image {
            Some(entry) if raw.layers.is_empty() => wanted.clone_from(&entry.digest),
            _ => {
                let media_types = raw.layers.iter().map(|layer| layer.media_type.clone()).collect();
                let layers = raw
                    .layers
                    .into_iter()
                    .map(|layer| (layer.digest, Bytes(layer.size)))
                    .collect();
                let config = raw.config.map(|config| (config.digest, Bytes(config.size)));
                return Ok(RegistryManifest {
                    digest: digest.clone(),
                    config,
                    layers,
                    media_types,
                });
            }
        }
    }
    Err(EngineError::Protocol {
        operation: "read manifest",
        reason: "an index that holds an index".into(),
    })
}

/// The size of a blob; `None` if the registry has none of this digest, or does not answer.
pub async fn blob_size(port: u16, repository: &str, digest: &str) -> Option<Bytes> {
    let answer = ask(Method::HEAD, port, repository, digest).await.ok()?;
    let length = answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    answer.status().is_success().then_some(Bytes(length))
}

/// A blob's content, still to be read.
///
/// # Errors
/// If the registry does not answer or has none of this digest.
pub async fn blob(port: u16, repository: &str, digest: &str) -> Result<Incoming, EngineError> {
    let answer = ask(Method::GET, port, repository, digest).await?;
    if answer.status().is_success() {
        Ok(answer.into_body())
    } else {
        Err(not_read(digest, format!("the registry answered {}", answer.status())))
    }
}

async fn ask(method: Method, port: u16, repository: &str, digest: &str) -> Result<Response<Incoming>, EngineError> {
    let address = Address::Tcp(format!("127.0.0.1:{port}"));
    let request = Request::builder()
        .method(method)
        .uri(format!("/v2/{repository}/blobs/{digest}"))
        .header("Host", "localhost")
        .body(http::empty())
        .map_err(|error| not_read(digest, error.to_string()))?;
    http::send(&address, request)
        .await
        .map_err(|error| not_read(digest, error.to_string()))
}

fn not_read(digest: &str, reason: String) -> EngineError {
    EngineError::Operation {
        operation: "read the blob",
        subject: digest.to_owned(),
        reason,
    }
}

/// Leaves a mark in the registry's log, by which [`registry_log`] knows where something begins and ends.
///
/// # Errors
/// If it does not answer.
pub async fn mark(port: u16, mark: &str) -> Result<(), http::HttpError> {
    let address = Address::Tcp(format!("127.0.0.1:{port}"));
    http::get(&address, &registry_log::mark_path(mark), "*/*")
        .await
        .map(|_| ())
}
