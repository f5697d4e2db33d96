//! Images, and what the engine says of itself.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use bollard::query_parameters::{InspectNetworkOptions, ListImagesOptions, RemoveImageOptions};
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use super::cache::percent_encoded;
use super::{DockerEngine, failed, is_absent, said};
use crate::engine::http::{self, Lines};
use crate::engine::{EngineError, EngineInfo, HistoryEntry, ImageDetails, Owned, OwnedKind, RUN_LABEL, STAND_IN_LABEL};
use crate::units::Bytes;

fn unsigned(value: Option<i64>) -> u64 {
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

impl DockerEngine {
    pub(super) async fn read_info(&self) -> Result<EngineInfo, EngineError> {
        let unreachable = |error: bollard::errors::Error| EngineError::Unreachable {
            address: self.address().to_string(),
            reason: said(&error),
        };
        let info = self.docker.info().await.map_err(unreachable)?;
        let version = self.docker.version().await.map_err(unreachable)?;
        let snapshotter = info.driver_status.iter().flatten().any(|pair| {
            pair.first().is_some_and(|key| key == "driver-type")
                && pair.get(1).is_some_and(|value| value.contains("containerd"))
        });
        Ok(EngineInfo {
            address: self.address().to_string(),
            id: info.id.unwrap_or_default(),
            version: info.server_version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            operating_system: info.operating_system.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            kernel: info.kernel_version.unwrap_or_default(),
            storage_driver: info.driver.unwrap_or_default(),
            image_store: if snapshotter { "containerd" } else { "graphdriver" }.into(),
            cpus: u32::try_from(unsigned(info.ncpu)).unwrap_or(0),
            memory: Bytes(unsigned(info.mem_total)),
            root_dir: info.docker_root_dir.unwrap_or_default().into(),
            bridge_mtu: self.bridge_mtu().await,
        })
    }

    /// The default bridge's MTU; an engine without one has none, and that is no error.
    async fn bridge_mtu(&self) -> Option<u32> {
        let bridge = self
            .docker
            .inspect_network("bridge", None::<InspectNetworkOptions>)
            .await
            .ok()?;
        bridge.options?.get("com.docker.network.driver.mtu")?.parse().ok()
    }

    pub(super) async fn image_history(&self, image: &str) -> Result<Vec<HistoryEntry>, EngineError> {
        let history = self.docker.image_history(image).await;
        let history = history.map_err(failed("read the history of image", image))?;
        let entry = |item: bollard::models::ImageHistoryResponseItem| HistoryEntry {
            created_by: item.created_by,
            size: Bytes(unsigned(Some(item.size))),
        };
        Ok(history.into_iter().rev().map(entry).collect())
    }

    pub(super) async fn inspect_image(&self, image: &str) -> Result<Option<ImageDetails>, EngineError> {
        let details = match self.docker.inspect_image(image).await {
            Ok(details) => details,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed("inspect image", image)(error)),
        };
        let size = unsigned(details.size);
        Ok(Some(ImageDetails {
            id: details.id.unwrap_or_default(),
            size: Bytes(self.unpacked_size(image, size).await?),
            layers: details.root_fs.and_then(|root| root.layers).unwrap_or_default(),
            labels: details
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default()
                .into_iter()
                .collect(),
            repo_digests: details.repo_digests.unwrap_or_default(),
        }))
    }

    /// An image's size as it lies unpacked. Inspecting tells it where a graph driver keeps the layers; with containerd's
    /// store that is the size of the compressed layers, and only the list has both together.
    async fn unpacked_size(&self, image: &str, inspected: u64) -> Result<u64, EngineError> {
        let options = ListImagesOptions {
            filters: Some(HashMap::from([("reference".to_owned(), vec![image.to_owned()])])),
            ..ListImagesOptions::default()
        };
        let listed = self.docker.list_images(Some(options)).await;
        let listed = listed.map_err(failed("list image", image))?;
        Ok(match listed.as_slice() {
            [one] => match unsigned(Some(one.size)).checked_sub(inspected) {
                None | Some(0) => inspected,
                Some(unpacked) => unpacked,
            },
            // An id is no reference.
            _ => inspected,
        })
    }

    pub(super) async fn import_rootfs(&self, rootfs: &Path, tag: &str, changes: &[String]) -> Result<(), EngineError> {
        let (repository, version) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
        let mut path = format!(
            "/images/create?fromSrc=-&repo={}&tag={}",
            percent_encoded(repository),
            percent_encoded(version)
        );
        for change in changes {
            path.push_str("&changes=");
            path.push_str(&percent_encoded(change));
        }
        self.send_tar("import image", tag, &path, rootfs).await
    }

    /// Writes images into a file, which becomes a tar archive that [`load_images`](Self::load_images) reads.
    pub(super) async fn save_images(&self, names: &[String], to: &Path) -> Result<(), EngineError> {
        let subject = names.join(", ");
        let fail = |reason: String| EngineError::Operation {
            operation: "save images",
            subject: subject.clone(),
            reason,
        };
        let names: Vec<String> = names
            .iter()
            .map(|name| format!("names={}", percent_encoded(name)))
            .collect();
        let request = Request::get(format!("/images/get?{}", names.join("&")))
            .header("Host", "docker")
            .body(http::empty())
            .map_err(|error| fail(error.to_string()))?;
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(error.to_string()))?;
        let accepted = response.status().is_success();
        let mut body = response.into_body();
        if !accepted {
            let text = body
                .collect()
                .await
                .map_err(|error| fail(error.to_string()))?
                .to_bytes();
            return Err(fail(String::from_utf8_lossy(&text).into_owned()));
        }
        let failed = |source| EngineError::File {
            operation: "writing",
            path: to.to_owned(),
            source,
        };
        // One that is removed while it is opened, because nobody waits any more, must not come back.
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.write(true).truncate(true).open(to).await.map_err(failed)?;
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame.map_err(|error| fail(error.to_string()))?.data_ref() {
                file.write_all(data).await.map_err(failed)?;
            }
        }
        file.flush().await.map_err(failed)
    }

    /// Reads images from a tar file of [`save_images`](Self::save_images).
    pub(super) async fn load_images(&self, from: &Path) -> Result<(), EngineError> {
        let subject = from.display().to_string();
        self.send_tar("load images", &subject, "/images/load?quiet=1", from)
            .await
    }

    /// Posts a tar file, and reads the answer to its end.
    async fn send_tar(
        &self,
        operation: &'static str,
        subject: &str,
        path: &str,
        tar: &Path,
    ) -> Result<(), EngineError> {
        let fail = |reason: String| EngineError::Operation {
            operation,
            subject: subject.to_owned(),
            reason,
        };
        let file = tokio::fs::File::open(tar).await.map_err(|source| EngineError::File {
            operation: "reading",
            path: tar.to_owned(),
            source,
        })?;
        let body = StreamBody::new(ReaderStream::with_capacity(file, 256 * 1024).map_ok(Frame::data));
        let request = Request::post(path)
            .header("Host", "docker")
            .header("Content-Type", "application/x-tar")
            .body(BodyExt::boxed(body))
            .map_err(|error| fail(error.to_string()))?;
        let response = http::send(self.address(), request)
            .await
            .map_err(|error| fail(error.to_string()))?;
        let accepted = response.status().is_success();
        let mut lines = Lines::new(response.into_body());
        while let Some(line) = lines.next().await.map_err(|error| fail(error.to_string()))? {
            let text = String::from_utf8_lossy(&line);
            if !accepted || text.contains("\"errorDetail\"") {
                return Err(fail(text.into_owned()));
            }
        }
        Ok(())
    }

    pub(super) async fn delete_image(&self, image: &str) -> Result<(), EngineError> {
        match self.docker.remove_image(image, None::<RemoveImageOptions>, None).await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("remove image", image)(error)),
        }
    }

    /// Labels are inherited by images that users build from ours: a name that is not of our making protects an
    /// image, and only its names that are of our making are listed. Of images without a name those are listed that no other
    /// one builds on: the rest goes with them.
    pub(super) async fn owned_images(&self) -> Result<Vec<Owned>, EngineError> {
        let options = ListImagesOptions {
            // The engine's own choice of those that nothing builds on holds none of a build that just went a step further.
            all: true,
            ..ListImagesOptions::default()
        };
        let images = self.docker.list_images(Some(options)).await;
        let images = images.map_err(failed("list", "images"))?;
        let built_on: BTreeSet<String> = images.iter().map(|image| image.parent_id.clone()).collect();
        let mut owned = Vec::new();
        for image in images {
            let run = image.labels.get(RUN_LABEL);
            let stand_in = image.labels.contains_key(STAND_IN_LABEL);
            let Some(run) = run.cloned().or_else(|| stand_in.then(|| "stand-in".to_owned())) else {
                continue;
            };
            let mut names = image.repo_tags;
            names.retain(|name| name != "<none>:<none>");
            let entry = |id: String, name: String| Owned {
                kind: OwnedKind::Image,
                id,
                name,
                run: run.clone(),
            };
            if names.is_empty() && image.labels.contains_key(RUN_LABEL) && !built_on.contains(&image.id) {
                owned.push(entry(image.id.clone(), image.id));
            }
            let ours = names.into_iter().filter(|name| is_our_image_name(name));
            owned.extend(ours.map(|name| entry(name.clone(), name)));
        }
        owned.sort();
        owned.dedup_by(|a, b| a.id == b.id);
        Ok(owned)
    }
}

/// Every image that bakeoff names is `bakeoff-…` or, where it is pushed, `127.0.0.1:PORT/bakeoff/…`.
pub(super) fn is_our_image_name(name: &str) -> bool {
    name.starts_with("bakeoff-")
        || name
            .strip_prefix("127.0.0.1:")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(port, path)| port.bytes().all(|b| b.is_ascii_digit()) && path.starts_with("bakeoff/"))
}

#[cfg(test)]
mod tests {
    use super::is_our_image_name;

    #[test]
    fn only_names_of_our_making_are_ours() {
        assert!(is_our_image_name("bakeoff-base:20261121-1-0"));
        assert!(is_our_image_name("127.0.0.1:32768/bakeoff/uv-single:cold"));
        assert!(!is_our_image_name("myapp:latest"));
        assert!(!is_our_image_name("127.0.0.1:5000/myapp:cold"));
        assert!(!is_our_image_name("127.0.0.1:5000/my/bakeoff/x:cold"));
    }
}
