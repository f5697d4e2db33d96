//! Counts what went to and from a trial's registry in a phase, by the registry's own log. All of it happens before the
//! phase's clock starts and after it has stopped. Not for: what builds download (the mirror tells that).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Trial;
use super::event::{Blobs, RegistryTraffic, Travelled};
use crate::engine::registry::{self, RegistryManifest};
use crate::engine::registry_log::{self, Seen};
use crate::engine::{Container, Engine};
use crate::units::Bytes;

/// How long a line may take from the registry to the engine's log.
const ARRIVES: Duration = Duration::from_secs(3);

/// Where a phase begins in the registry's log.
#[derive(Debug)]
pub(super) struct Mark(String);

impl<E: Engine> Trial<'_, E> {
    /// Leaves a mark in the registry's log: what follows is the phase's. `None` if the registry does not answer; the phase then
    /// tells why.
    pub(super) async fn mark_registry(&self) -> Option<Mark> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", self.nonce, NEXT.fetch_add(1, Ordering::Relaxed));
        let port = self.place.registry_port(&self.registry);
        registry::mark(port, &mark).await.ok().map(|()| Mark(mark))
    }

    /// What has gone to and from the registry since a mark, for a phase that pushed or pulled the image of this manifest. Nothing
    /// else of ours may ask for blobs in between.
    pub(super) async fn travelled(&self, since: Option<Mark>, image: Option<&RegistryManifest>) -> Option<Travelled> {
        let from = since?;
        let to = self.mark_registry().await?;
        let seen = self.seen(&self.registry, &from, &to).await?;
        let registry = Some(self.sized(&seen, image).await?);
        Some(Travelled {
            context: None,
            registry,
        })
    }

    /// What the log tells between two marks, once the second has arrived there.
    async fn seen(&self, registry: &Container, from: &Mark, to: &Mark) -> Option<Seen> {
        let arriving = async {
            loop {
                let (_, log) = self.session.engine.peek(&registry.id).await.ok()?;
                if registry_log::holds(&log, &to.0) {
                    return registry_log::between(&log, &from.0, &to.0);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(ARRIVES, arriving).await.ok().flatten()
    }

    /// Adds sizes: those of the manifest, and what the registry says of blobs that it does not name. `None` if it says nothing
    /// of one: half of a count is none.
    async fn sized(&self, seen: &Seen, image: Option<&RegistryManifest>) -> Option<RegistryTraffic> {
        let mut sizes: BTreeMap<String, Bytes> = image.iter().flat_map(|image| blobs(image)).collect();
        let port = self.place.registry_port(&self.registry);
        for digest in seen.uploaded.iter().chain(&seen.mounted) {
            if !sizes.contains_key(digest) {
                let size = registry::blob_size(port, &self.repository(), digest).await?;
                sizes.insert(digest.clone(), size);
            }
        }
        Some(counted(seen, image, &sizes))
    }
}

/// Everything that a manifest names, each once.
fn blobs(image: &RegistryManifest) -> BTreeMap<String, Bytes> {
    image.layers.iter().chain(&image.config).cloned().collect()
}

fn counted(seen: &Seen, image: Option<&RegistryManifest>, sizes: &BTreeMap<String, Bytes>) -> RegistryTraffic {
    let sum = |digests: &[String]| {
        let mut blobs = Blobs::default();
        for size in digests.iter().filter_map(|digest| sizes.get(digest)) {
            blobs.add(*size);
        }
        blobs
    };
    let pulled: BTreeSet<&String> = seen.pulled.iter().map(|(digest, _)| digest).collect();
    let mut traffic = RegistryTraffic {
        uploaded: sum(&seen.uploaded),
        mounted: sum(&seen.mounted),
        pulled: Blobs {
            count: u32::try_from(pulled.len()).unwrap_or(u32::MAX),
            // An engine may take a blob in parts, or again.
            size: Bytes(seen.pulled.iter().map(|(_, bytes)| bytes).sum()),
        },
        present: Blobs::default(),
    };
    let travelled =
        |digest: &String| pulled.contains(digest) || seen.uploaded.contains(digest) || seen.mounted.contains(digest);
    // A registry takes a manifest only if it has all that it names, and an engine has an image only if it has all of it.
    for (digest, size) in image.iter().flat_map(|image| blobs(image)) {
        if !travelled(&digest) {
            traffic.present.add(size);
        }
    }
    traffic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> RegistryManifest {
        let layer = |name: &str, size| (name.to_owned(), Bytes(size));
        RegistryManifest {
            digest: "sha256:1".into(),
            config: Some(layer("config", 7)),
            // Two instructions may make the same layer.
            layers: vec![
                layer("base", 100),
                layer("same", 10),
                layer("same", 10),
                layer("top", 1),
            ],
            media_types: Vec::new(),
        }
    }

    fn digests(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn of(seen: &Seen) -> [(u32, u64); 4] {
        let image = manifest();
        let mut sizes = blobs(&image);
        sizes.insert("other".to_owned(), Bytes(1000));
        let traffic = counted(seen, Some(&image), &sizes);
        [traffic.uploaded, traffic.present, traffic.mounted, traffic.pulled].map(|blobs| (blobs.count, blobs.size.0))
    }

    #[test]
    fn what_the_manifest_names_and_did_not_travel_was_there() {
        let cold = Seen {
            uploaded: digests(&["top", "same", "base", "config"]),
            ..Seen::default()
        };
        assert_eq!(of(&cold), [(4, 118), (0, 0), (0, 0), (0, 0)]);
        let hot = Seen {
            uploaded: digests(&["top", "config"]),
            mounted: digests(&["same"]),
            pulled: Vec::new(),
        };
        assert_eq!(of(&hot), [(2, 8), (1, 100), (1, 10), (0, 0)]);
    }

    #[test]
    fn what_no_manifest_names_travelled_too() {
        let seen = Seen {
            uploaded: digests(&["other", "config"]),
            ..Seen::default()
        };
        assert_eq!(of(&seen)[0], (2, 1007));
    }

    #[test]
    fn a_pull_counts_what_was_sent() {
        let part = |name: &str, bytes| (name.to_owned(), bytes);
        let seen = Seen {
            pulled: vec![part("config", 7), part("same", 4), part("same", 6)],
            ..Seen::default()
        };
        assert_eq!(of(&seen), [(0, 0), (2, 101), (0, 0), (2, 17)]);
    }
}
