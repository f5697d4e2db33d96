//! The trial's registry, asked over its own protocol (OCI distribution, "pull manifest"). Sizes of what really lies
//! in a registry come from here, never from progress text. Not for: starting the registry's container.

use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::EngineError;
use super::http::{self, Address};
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
    /// Its layers: digest and compressed size, lowest first.
    pub layers: Vec<(String, Bytes)>,
    /// Their media types, which tell how they are compressed.
    pub media_types: Vec<String>,
}

#[derive(Deserialize)]
struct RawManifest {
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
                return Ok(RegistryManifest {
                    digest: digest.clone(),
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
