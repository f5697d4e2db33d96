//! The engines of a run: which of them its scenarios are measured in, and one for each trial. Not for: starting a
//! throw-away engine (that is the `engine` room's), or what a trial does in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use tempfile::NamedTempFile;

use super::event::EngineHead;
use super::{RunError, Session};
use crate::engine::image_archive;
use crate::engine::isolated::{Isolated, IsolatedSpec, PROBE_PORT, REGISTRY_PORT};
use crate::engine::{
    Addresses, Builder, Container, Engine, EngineChoice, EngineError, EngineInfo, ImageStore, Powers, Publish,
};
use crate::environment::host;
use crate::images::{BaseImages, ImagesError};
use crate::suite::{PhaseKind, Scenario};

/// What decides which engine a scenario gets.
type Wanted = (EngineChoice, Option<ImageStore>);

/// A kind of engine that scenarios of the run are measured in.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// The host's, or a throw-away one of this image.
    pub made_of: Option<Isolation>,
    /// What one of its kind says of itself.
    pub info: EngineInfo,
    /// What images are pulled onto that were built in it, or why there is nothing; if the journey has a pull.
    pub pulls: Option<Result<Pulling, String>>,
}

/// The engines that images are pulled onto.
#[derive(Debug, Clone)]
pub(super) struct Pulling {
    /// How they are made.
    pub made_of: Isolation,
    /// What one says of itself.
    info: EngineInfo,
}

impl Kind {
    /// `host` or `isolated`.
    pub fn name(&self) -> &'static str {
        if self.made_of.is_some() { "isolated" } else { "host" }
    }

    /// The engines that images are pulled onto, if there can be any.
    fn pulling(&self) -> Option<&Pulling> {
        self.pulls.as_ref()?.as_ref().ok()
    }

    fn keeps_layers_as_they_come(&self) -> bool {
        self.info.image_store == ImageStore::Containerd.name()
    }
}

/// How a throw-away engine is made.
#[derive(Debug, Clone)]
pub(super) struct Isolation {
    image: String,
    store: Option<ImageStore>,
    powers: Powers,
}

/// The engines of a run.
#[derive(Debug, Default)]
pub(super) struct Engines {
    kinds: BTreeMap<Wanted, Kind>,
    /// The network of the host's engine that throw-away ones are in, with its addresses.
    network: Option<(String, Addresses)>,
    /// The base images, to be loaded into each throw-away engine.
    bases: Vec<SavedBase>,
    /// Why `auto` is the host's engine.
    fallback: Option<String>,
}

/// A base image in a file.
#[derive(Debug)]
struct SavedBase {
    /// Its name in the host's engine.
    used: String,
    /// Its name in throw-away ones: on the trial's own registry, which has not got it. Where BuildKit asks the registry for
    /// an image that is there (it does with containerd's image store), it gets its answer at once, and from nowhere else.
    name: String,
    /// With its layers as the host's engine has them.
    plain: Option<NamedTempFile>,
    /// With its layers compressed, for engines that keep layers as they come.
    compressed: Option<NamedTempFile>,
}

/// The engine that a trial is measured in.
pub(super) struct Place<E> {
    /// The engine.
    pub engine: E,
    /// If it is the trial's own.
    pub isolated: Option<Isolated<E>>,
    /// The host's address as seen from its builds, where the mirror listens.
    pub gateway: Option<IpAddr>,
    /// The names that base images have in it, by those that they have in the host's, where they differ.
    pub names: BTreeMap<String, String>,
    /// Whether BuildKit asks an image's registry before it takes the one that is there.
    asks_registries: bool,
}

impl<E: Engine> Place<E> {
    /// The name of an image of the host's in this engine.
    pub fn name<'n>(&'n self, used: &'n str) -> &'n str {
        self.names.get(used).map_or(used, String::as_str)
    }

    /// The name for a base of the trial's own.
    pub fn base_name(&self, registry: &Container, number: &str) -> String {
        if self.isolated.is_some() || self.asks_registries {
            let port = self.registry_name(registry);
            format!("127.0.0.1:{port}/bakeoff/base:{number}")
        } else {
            format!("bakeoff-base:{number}")
        }
    }

    /// The port that the registry has in the names of images.
    pub fn registry_name(&self, registry: &Container) -> u16 {
        match self.isolated {
            Some(_) => REGISTRY_PORT,
            None => registry.port(),
        }
    }

    /// The port at which the registry is reached from here.
    pub fn registry_port(&self, registry: &Container) -> u16 {
        match &self.isolated {
            Some(isolated) => isolated.container.port(),
            None => registry.port(),
        }
    }

    /// How a port of a container in this engine is published so that it can be reached from here.
    pub fn publish(&self, port: u16) -> Publish {
        let on = self.isolated.as_ref().map(|_| PROBE_PORT);
        Publish { port, on }
    }

    /// Where that is.
    pub fn published(&self, container: &Container) -> u16 {
        match &self.isolated {
            Some(isolated) => isolated.container.ports.get(1).copied().unwrap_or(0),
            None => container.port(),
        }
    }
}

impl<E: Engine> Session<'_, E> {
    /// Finds out which engines the scenarios get, and makes one of each kind once to see that it works.
    pub(super) async fn prepare_engines(&mut self, host: &EngineInfo) -> Result<(), RunError> {
        let wanted: BTreeSet<Wanted> = self.suite.scenarios.iter().map(wanted).collect();
        let own = |made_of: Option<Isolation>, info: EngineInfo| Kind {
            made_of,
            info,
            pulls: None,
        };
        for (choice, store) in wanted {
            let mut kind = match &choice {
                EngineChoice::Host => own(None, host.clone()),
                EngineChoice::Isolated(version) => {
                    let (isolation, info) = self.try_isolated(version.as_deref(), store).await?;
                    own(Some(isolation), info)
                }
                EngineChoice::Auto => match self.try_isolated(None, store).await {
                    Ok((isolation, info)) => own(Some(isolation), info),
                    Err(error @ (RunError::Engine(_) | RunError::Images(_) | RunError::EngineVersion { .. })) => {
                        let reason = error.to_string();
                        self.note(format!("warning: no isolated engine, so the host's: {reason}"));
                        self.engines.fallback = Some(reason);
                        own(None, host.clone())
                    }
                    Err(other) => return Err(other),
                },
            };
            if let Some(store) = store.filter(|store| store.name() != kind.info.image_store) {
                return Err(RunError::ImageStore {
                    wanted: store.name(),
                    engine: choice.to_string(),
                    found: kind.info.image_store.clone(),
                });
            }
            if self.has_pulls() {
                kind.pulls = Some(self.pulling(&kind).await?);
            }
            self.engines.kinds.insert((choice, store), kind);
        }
        self.check_compression()?;
        let of_isolated = |kind: &&Kind| kind.made_of.is_some();
        let stores: BTreeSet<bool> = self
            .kinds()
            .filter(of_isolated)
            .map(Kind::keeps_layers_as_they_come)
            .collect();
        if !stores.is_empty() {
            self.save_bases(stores.contains(&false), stores.contains(&true)).await?;
        }
        Ok(())
    }

    /// Whether anything is pulled in the journey.
    fn has_pulls(&self) -> bool {
        self.suite.journey.iter().any(|phase| phase.kind == PhaseKind::Pull)
    }

    /// What is pulled onto what was built in such an engine: its like, or where that is the host's, which can't be emptied, a
    /// throw-away one that keeps images in the same way.
    async fn pulling(&mut self, kind: &Kind) -> Result<Result<Pulling, String>, RunError> {
        if let Some(made_of) = kind.made_of.clone() {
            let info = kind.info.clone();
            return Ok(Ok(Pulling { made_of, info }));
        }
        if let Some(reason) = &self.engines.fallback {
            return Ok(Err(reason.clone()));
        }
        match self.try_isolated(None, ImageStore::named(&kind.info.image_store)).await {
            Ok((made_of, info)) => Ok(Ok(Pulling { made_of, info })),
            Err(error @ (RunError::Engine(_) | RunError::Images(_) | RunError::EngineVersion { .. })) => {
                let reason = error.to_string();
                self.note(format!(
                    "warning: nothing can be pulled, for want of an isolated engine: {reason}"
                ));
                Ok(Err(reason))
            }
            Err(other) => Err(other),
        }
    }

    /// The network in which engines that pull find the registry of a trial in the host's engine.
    pub(super) fn network_of_pulls(&self) -> Option<&str> {
        let network = self.engines.network.as_ref().filter(|_| self.has_pulls());
        network.map(|(name, _)| name.as_str())
    }

    /// An engine that holds nothing, for pulls from a registry, `NAME:PORT`.
    pub(super) async fn machine(
        &self,
        pulling: &Pulling,
        name: String,
        registry: String,
    ) -> Result<Isolated<E>, EngineError> {
        let network = self.network_of_pulls().unwrap_or_default();
        let spec = IsolatedSpec {
            insecure_registries: vec![registry],
            ..self.isolated_spec(&pulling.made_of, name, network)
        };
        Isolated::start(self.engine, &spec).await
    }

    fn check_compression(&self) -> Result<(), RunError> {
        for scenario in &self.suite.scenarios {
            let Some(compression) = scenario.compression else {
                continue;
            };
            let kept = self.kind(scenario).is_some_and(Kind::keeps_layers_as_they_come);
            if !kept || scenario.builder == Builder::Classic {
                return Err(RunError::Compression {
                    scenario: scenario.name.clone(),
                    wanted: compression.name(),
                });
            }
        }
        Ok(())
    }

    /// Makes a throw-away engine and removes it again.
    async fn try_isolated(
        &mut self,
        version: Option<&str>,
        store: Option<ImageStore>,
    ) -> Result<(Isolation, EngineInfo), RunError> {
        let image = self.engine_image(version).await?;
        let network = self.engine_network().await?;
        let mut isolation = Isolation {
            image,
            store,
            powers: Powers::Usual,
        };
        let name = format!("bakeoff-{}-engine", self.process());
        self.note("trying out an isolated engine");
        let tried = Isolated::try_out(self.engine, &self.isolated_spec(&isolation, name, &network)).await?;
        isolation.powers = tried.powers;
        match version.filter(|version| !is_version(&tried.info.version, version)) {
            Some(version) => Err(RunError::EngineVersion {
                wanted: version.to_owned(),
                found: tried.info.version,
            }),
            None => Ok((isolation, tried.info)),
        }
    }

    /// The image of throw-away engines of a version, in the host's engine.
    async fn engine_image(&self, version: Option<&str>) -> Result<String, ImagesError> {
        let (role, reference) = match version {
            Some(version) => (format!("engine:{version}"), format!("docker:{version}-dind")),
            None => ("engine".to_owned(), "docker:dind".to_owned()),
        };
        self.note(format!("looking for the engine image {reference}"));
        let images = BaseImages {
            cache: self.settings.cache.join("images"),
            source: self.settings.source,
            trust: None,
        };
        let observer = |progress| self.progress(progress);
        Ok(images.resolve(self.engine, &role, &reference, &observer).await?.used)
    }

    /// The network of throw-away engines, made on first use.
    async fn engine_network(&mut self) -> Result<String, RunError> {
        if let Some((name, _)) = &self.engines.network {
            return Ok(name.clone());
        }
        let name = format!("bakeoff-{}", self.process());
        self.engine
            .create_network(&name, &self.labels(), host::uplink_mtu(), None)
            .await?;
        let addresses = self.engine.addresses(Some(&name)).await?;
        self.engines.network = Some((name.clone(), addresses));
        Ok(name)
    }

    /// Makes that network again if it is gone: between trials nothing is in it, and whoever tidies up takes it. It gets the
    /// addresses that it had, at one of which the mirror listens.
    pub(super) async fn restore_engine_network(&self) -> Result<(), EngineError> {
        let Some((name, addresses)) = &self.engines.network else {
            return Ok(());
        };
        if self.engine.addresses(Some(name)).await.is_ok() {
            return Ok(());
        }
        self.note("warning: the network of the isolated engines is gone; it is made again");
        self.engine
            .create_network(name, &self.labels(), host::uplink_mtu(), Some(addresses))
            .await
    }

    fn isolated_spec(&self, isolation: &Isolation, name: String, network: &str) -> IsolatedSpec {
        IsolatedSpec {
            name,
            image: isolation.image.clone(),
            labels: self.labels(),
            network: network.to_owned(),
            mtu: host::uplink_mtu(),
            store: isolation.store,
            powers: isolation.powers,
            insecure_registries: Vec::new(),
        }
    }

    /// Writes the base images into files, once for all throw-away engines.
    async fn save_bases(&mut self, plain: bool, compressed: bool) -> Result<(), RunError> {
        let registry = self.roles.get("registry");
        let used = self.bases.values().map(|base| &base.used);
        let names: BTreeSet<String> = used.filter(|used| Some(*used) != registry).cloned().collect();
        for (number, used) in names.into_iter().enumerate() {
            self.note(format!("saving {used} for the isolated engines"));
            let saved = temporary_file()?;
            self.engine.save(std::slice::from_ref(&used), saved.path()).await?;
            let name = format!("127.0.0.1:{REGISTRY_PORT}/bakeoff/source:{number}");
            self.engines.bases.push(SavedBase {
                plain: if plain {
                    Some(renamed(&saved, &name, false).await?)
                } else {
                    None
                },
                compressed: if compressed {
                    Some(renamed(&saved, &name, true).await?)
                } else {
                    None
                },
                used,
                name,
            });
        }
        Ok(())
    }

    /// The kind of engine that a scenario is measured in.
    pub(super) fn kind(&self, scenario: &Scenario) -> Option<&Kind> {
        self.engines.kinds.get(&wanted(scenario))
    }

    /// Every kind of engine of the run.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.engines.kinds.values()
    }

    /// What images are pulled onto that were built in the host's engine: engines of another kind, on which figures depend too.
    pub(super) fn pulled_onto(&self) -> impl Iterator<Item = (&'static str, &EngineInfo)> {
        let of_host = self.kinds().filter(|kind| kind.made_of.is_none());
        of_host
            .filter_map(Kind::pulling)
            .map(|pulling| ("isolated", &pulling.info))
    }

    /// The images that throw-away engines are made of.
    pub(super) fn engine_images(&self) -> impl Iterator<Item = &str> {
        self.kinds().flat_map(|kind| {
            let of_pulls = kind.pulling().map(|pulling| pulling.made_of.image.as_str());
            let own = kind.made_of.as_ref().map(|isolation| isolation.image.as_str());
            own.into_iter().chain(of_pulls)
        })
    }

    /// Every kind of engine, for the journal.
    pub(super) fn engine_heads(&self) -> Vec<EngineHead> {
        let head = |((choice, _), kind): (&Wanted, &Kind)| EngineHead {
            choice: choice.to_string(),
            kind: kind.name().to_owned(),
            version: kind.info.version.clone(),
            api_version: kind.info.api_version.clone(),
            storage_driver: kind.info.storage_driver.clone(),
            image_store: kind.info.image_store.clone(),
            fallback: match choice {
                EngineChoice::Auto => self.engines.fallback.clone(),
                _ => None,
            },
        };
        let mut heads: Vec<EngineHead> = self.engines.kinds.iter().map(head).collect();
        heads.extend(self.pulled_onto().map(|(kind, info)| EngineHead {
            choice: PhaseKind::Pull.name().to_owned(),
            kind: kind.to_owned(),
            version: info.version.clone(),
            api_version: info.api_version.clone(),
            storage_driver: info.storage_driver.clone(),
            image_store: info.image_store.clone(),
            fallback: None,
        }));
        heads.dedup();
        heads
    }

    /// Where the mirror has to listen: on the networks from which builds come.
    pub(super) async fn mirror_addresses(&self) -> Result<Vec<IpAddr>, RunError> {
        // Lock files are made in containers of the host's.
        let host = self.engine.addresses(None).await.map_err(RunError::NoBridge)?;
        let mut addresses = vec![host.gateway];
        addresses.extend(self.engines.network.iter().map(|(_, network)| network.gateway));
        Ok(addresses)
    }

    /// The host's address as seen from the builds of a scenario, where the mirror listens.
    pub(super) fn gateway(&self, scenario: &Scenario) -> Option<IpAddr> {
        let is_isolated = self.kind(scenario).is_some_and(|kind| kind.made_of.is_some());
        match &self.engines.network {
            Some((_, network)) if is_isolated => Some(network.gateway),
            _ => self.mirror.as_ref().map(|mirror| mirror.address().ip()),
        }
    }

    /// The engine for a trial of a scenario, with the base images in it.
    pub(super) async fn place(&self, scenario: &Scenario, nonce: &str) -> Result<Place<E>, RunError> {
        let kind = self.kind(scenario);
        let as_they_come = kind.is_some_and(Kind::keeps_layers_as_they_come);
        let isolation = kind.and_then(|kind| kind.made_of.as_ref());
        let gateway = self.gateway(scenario);
        let (Some(isolation), Some((network, _))) = (isolation, &self.engines.network) else {
            return Ok(Place {
                engine: self.engine.clone(),
                isolated: None,
                gateway,
                names: BTreeMap::new(),
                asks_registries: as_they_come,
            });
        };
        let spec = self.isolated_spec(isolation, container_of_trial(nonce), network);
        let isolated = Isolated::start(self.engine, &spec).await?;
        let engine = isolated.engine.clone();
        for base in &self.engines.bases {
            let file = if as_they_come { &base.compressed } else { &base.plain };
            if let Some(file) = file {
                engine.load(file.path()).await?;
            }
        }
        Ok(Place {
            engine,
            isolated: Some(isolated),
            gateway,
            names: self
                .engines
                .bases
                .iter()
                .map(|base| (base.used.clone(), base.name.clone()))
                .collect(),
            asks_registries: as_they_come,
        })
    }

    /// Removes what throw-away engines share. What can't be removed carries the run's label.
    pub(super) async fn remove_engine_network(&self) {
        if let Some((network, _)) = &self.engines.network {
            let _ = self.engine.remove_network(network).await;
        }
    }
}

/// The name of a trial's own engine, in the network of the run.
pub(super) fn container_of_trial(nonce: &str) -> String {
    format!("bakeoff-{nonce}-engine")
}

/// A saved image under another name.
async fn renamed(saved: &NamedTempFile, name: &str, compress: bool) -> Result<NamedTempFile, RunError> {
    let file = temporary_file()?;
    let (from, to, name) = (saved.path().to_owned(), file.path().to_owned(), name.to_owned());
    let copying = tokio::task::spawn_blocking(move || image_archive::rename(&from, &to, &name, compress));
    let failed = |source| EngineError::File {
        operation: "copying a saved image into",
        path: file.path().to_owned(),
        source,
    };
    match copying.await {
        Ok(done) => done.map_err(failed)?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
    Ok(file)
}

fn temporary_file() -> Result<NamedTempFile, EngineError> {
    crate::scratch::file("bases").map_err(|source| EngineError::File {
        operation: "making a file in",
        path: std::env::temp_dir(),
        source,
    })
}

fn wanted(scenario: &Scenario) -> Wanted {
    (scenario.engine.clone(), scenario.image_store)
}

/// Whether an engine's version is the wanted one, or begins with it.
fn is_version(version: &str, wanted: &str) -> bool {
    version
        .strip_prefix(wanted)
        .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn a_version_may_be_the_beginning_of_the_engine_s() {
        assert!(is_version("28.5.2+dfsg4", "28"));
        assert!(is_version("28.5.2+dfsg4", "28.5.2"));
        assert!(!is_version("28.5.2", "28.5.1"));
        assert!(!is_version("20.10.24+dfsg1", "2"));
        assert!(is_version("20.10.24+dfsg1", "20.10"));
    }
}
