//! Lists everything that the engine holds.

use std::collections::{BTreeSet, HashMap};

use bollard::query_parameters::{ListContainersOptions, ListImagesOptions, ListNetworksOptions, ListVolumesOptions};

use super::images::is_our_image_name;
use super::{DockerEngine, failed};
use crate::engine::inventory::{IMAGE_LAYER, Inventory, Owner, Thing, ThingKind};
use crate::engine::{CacheRecord, EngineError, RUN_LABEL, STAND_IN_LABEL, reaper};

/// Networks that the engine makes anew, under new ids, whenever it starts.
const BUILT_IN_NETWORKS: [&str; 3] = ["bridge", "host", "none"];

impl DockerEngine {
    pub(super) async fn list_everything(&self) -> Result<Inventory, EngineError> {
        let mut things = self.all_images().await?;
        things.extend(self.all_containers().await?);
        things.extend(self.all_volumes().await?);
        things.extend(self.all_networks().await?);
        things.extend(self.all_cache_records().await?);
        Ok(Inventory(things))
    }

    pub(super) async fn all_images(&self) -> Result<BTreeSet<Thing>, EngineError> {
        let options = ListImagesOptions {
            // The layers between that the classic builder leaves are images of their own.
            all: true,
            ..ListImagesOptions::default()
        };
        let images = self.docker.list_images(Some(options)).await;
        let mut things = BTreeSet::new();
        for image in images.map_err(failed("list", "images"))? {
            let names = image.repo_tags.into_iter().filter(|name| name != "<none>:<none>");
            let mut names: Vec<String> = names.collect();
            let nameless = names.is_empty();
            if nameless {
                let digest = image.repo_digests.into_iter().find(|name| !name.starts_with("<none>"));
                names.push(digest.unwrap_or_else(|| image.id.clone()));
            }
            for name in names {
                // Labels are inherited by what users build from ours; names are not.
                let ours = nameless || is_our_image_name(&name);
                let owner = match owner(&image.labels, ours) {
                    // Stand-ins have names: this is what some build on one left.
                    Owner::StandIn if nameless => Owner::Somebody,
                    owner => owner,
                };
                things.insert(Thing {
                    kind: ThingKind::Image,
                    id: image.id.clone(),
                    owner,
                    name,
                });
            }
        }
        Ok(things)
    }

    async fn all_containers(&self) -> Result<BTreeSet<Thing>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let containers = self.docker.list_containers(Some(options)).await;
        let thing = |container: bollard::models::ContainerSummary| {
            let name = container
                .names
                .unwrap_or_default()
                .into_iter()
                .next()
                .unwrap_or_default();
            let name = name.trim_start_matches('/').to_owned();
            Thing {
                kind: ThingKind::Container,
                id: container.id.unwrap_or_default(),
                owner: owner(&container.labels.unwrap_or_default(), name.starts_with("bakeoff-")),
                name,
            }
        };
        let containers = containers.map_err(failed("list", "containers"))?;
        Ok(containers.into_iter().map(thing).collect())
    }

    async fn all_volumes(&self) -> Result<BTreeSet<Thing>, EngineError> {
        let volumes = self.docker.list_volumes(None::<ListVolumesOptions>).await;
        let volumes = volumes.map_err(failed("list", "volumes"))?.volumes.unwrap_or_default();
        let thing = |volume: bollard::models::Volume| Thing {
            kind: ThingKind::Volume,
            id: volume.name.clone(),
            owner: owner(&volume.labels, true),
            name: volume.name,
        };
        Ok(volumes.into_iter().map(thing).collect())
    }

    async fn all_networks(&self) -> Result<BTreeSet<Thing>, EngineError> {
        let networks = self.docker.list_networks(None::<ListNetworksOptions>).await;
        let thing = |network: bollard::models::Network| {
            let name = network.name.unwrap_or_default();
            let built_in = BUILT_IN_NETWORKS.contains(&name.as_str());
            Thing {
                kind: ThingKind::Network,
                id: if built_in {
                    name.clone()
                } else {
                    network.id.unwrap_or_default()
                },
                owner: owner(&network.labels.unwrap_or_default(), true),
                name,
            }
        };
        let networks = networks.map_err(failed("list", "networks"))?;
        Ok(networks.into_iter().map(thing).collect())
    }

    async fn all_cache_records(&self) -> Result<BTreeSet<Thing>, EngineError> {
        Ok(cache_things(self.cache_records().await?))
    }
}

/// What the next run may remove of the cache is a run's, whatever removes it.
fn cache_things(records: Vec<CacheRecord>) -> BTreeSet<Thing> {
    let ours = reaper::left_in_cache(&records);
    let thing = |record: CacheRecord| Thing {
        kind: ThingKind::CacheRecord,
        owner: if ours.contains(&record.id) {
            Owner::Run
        } else {
            Owner::Somebody
        },
        // The description holds commands, with whatever stands in them.
        name: if record.is_image_layer() {
            IMAGE_LAYER.to_owned()
        } else {
            record.kind
        },
        id: record.id,
    };
    records.into_iter().map(thing).collect()
}

/// Whose a thing with these labels is, if its name may be of our making.
fn owner(labels: &HashMap<String, String>, ours: bool) -> Owner {
    if ours && labels.contains_key(RUN_LABEL) {
        Owner::Run
    } else if ours && labels.contains_key(STAND_IN_LABEL) {
        Owner::StandIn
    } else {
        Owner::Somebody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reaper_takes_from_the_cache_is_a_run_s() {
        let record = |id: &str, parent: Option<&str>, kind: &str, description: &str| CacheRecord {
            id: id.into(),
            parents: parent.into_iter().map(str::to_owned).collect(),
            kind: kind.into(),
            description: description.into(),
            ..CacheRecord::default()
        };
        let mount = |id: &str, named: &str| {
            let description = format!("cached mount /c from exec /bin/sh -c uv sync with id \"{named}\"");
            record(id, None, "exec.cachemount", &description)
        };
        let things = cache_things(vec![
            record("base", None, "regular", "from local "),
            record(
                "mark",
                Some("base"),
                "regular",
                "mount / from exec /bin/sh -c : bakeoff-anchor-t",
            ),
            mount("killed", "bakeoff-20261121-113000-1f3a-7//root/.cache/uv"),
            mount("theirs", "uv"),
            record("context", None, "source.local", "local source for context"),
        ]);
        let of = |owner: Owner| {
            let ours = things.iter().filter(|thing| thing.owner == owner);
            ours.map(|thing| thing.id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of(Owner::Run), ["base", "killed", "mark"]);
        assert_eq!(of(Owner::Somebody), ["context", "theirs"]);
    }
}
