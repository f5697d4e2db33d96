//! The engines of a run: which of them its scenarios are measured in, and one for each trial. Not for: starting a
//! throw-away engine (that is the `engine` room's), or what a trial does in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{RunError, Session};
use crate::engine::isolated::{Isolated, IsolatedSpec, PROBE_PORT, REGISTRY_PORT};
use crate::engine::{Container, Engine, EngineChoice, EngineError, EngineInfo, ImageStore, Powers, Publish};
use crate::environment::host;
use crate::images::{BaseImages, ImagesError};
use crate::suite::Scenario;

/// How long it may take to load the base images into an engine.
const LOAD_LIMIT: Duration = Duration::from_secs(600);

/// What decides which engine a scenario gets.
type Wanted = (EngineChoice, Option<ImageStore>);

/// A kind of engine that scenarios of the run are measured in.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// The host's, or a throw-away one of this image.
    pub made_of: Option<Isolation>,
    /// What one of its kind says of itself.
    pub info: EngineInfo,
}

impl Kind {
    /// `host` or `isolated`.
    pub fn name(&self) -> &'static str {
        if self.made_of.is_some() { "isolated" } else { "host" }
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
    /// The network of the host's engine that throw-away ones are in, with the host's address on it.
    network: Option<(String, IpAddr)>,
    /// The base images, to be loaded into each throw-away engine.
    bases: Option<NamedTempFile>,
    /// Why `auto` is the host's engine.
    pub fallback: Option<String>,
}

/// The engine that a trial is measured in.
pub(super) struct Place<E> {
    /// The engine.
    pub engine: E,
    /// If it is the trial's own.
    pub isolated: Option<Isolated<E>>,
    /// The host's address as seen from its builds, where the mirror listens.
    pub gateway: Option<IpAddr>,
}

impl<E: Engine> Place<E> {
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
        let own = |kind: Option<Isolation>, info: EngineInfo| Kind { made_of: kind, info };
        for (choice, store) in wanted {
            let kind = match &choice {
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
            self.engines.kinds.insert((choice, store), kind);
        }
        if self.engines.kinds.values().any(|kind| kind.made_of.is_some()) {
            self.save_bases().await?;
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
        let mut refused = None;
        for powers in [Powers::All, Powers::Engine] {
            let isolation = Isolation {
                image: image.clone(),
                store,
                powers,
            };
            let name = format!("bakeoff-{}-engine", self.settings.run);
            match Isolated::start(self.engine, &self.isolated_spec(&isolation, name, &network)).await {
                Ok(isolated) => {
                    let info = isolated.info.clone();
                    if let Some(problem) = isolated.remove(self.engine).await.into_iter().next() {
                        return Err(problem.into());
                    }
                    if let Some(version) = version.filter(|version| !is_version(&info.version, version)) {
                        return Err(RunError::EngineVersion {
                            wanted: version.to_owned(),
                            found: info.version,
                        });
                    }
                    return Ok((isolation, info));
                }
                // A machine may allow no privileged containers, and still enough for an engine.
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or_else(|| unreachable_engine("no powers were tried"), RunError::from))
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
        let name = format!("bakeoff-{}", self.settings.run);
        self.engine
            .create_network(&name, &self.labels(), host::uplink_mtu())
            .await?;
        let gateway = self.engine.gateway(Some(&name)).await?;
        self.engines.network = Some((name.clone(), gateway));
        Ok(name)
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
        }
    }

    /// Writes the base images into a file, once for all throw-away engines.
    async fn save_bases(&mut self) -> Result<(), RunError> {
        let registry = self.roles.get("registry");
        let used = self.bases.values().map(|base| &base.used);
        let names: BTreeSet<String> = used.filter(|used| Some(*used) != registry).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let failed = |source| EngineError::File {
            operation: "making a file in",
            path: std::env::temp_dir(),
            source,
        };
        let prefix = format!("bakeoff-{}-", std::process::id());
        let file = tempfile::Builder::new().prefix(&prefix).tempfile().map_err(failed)?;
        let names: Vec<String> = names.into_iter().collect();
        self.note("saving the base images for the isolated engines");
        self.engine.save(&names, file.path()).await?;
        self.engines.bases = Some(file);
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

    /// Where the mirror has to listen: on the networks from which builds come.
    pub(super) async fn mirror_addresses(&self) -> Result<Vec<IpAddr>, RunError> {
        // Lock files are made in containers of the host's.
        let host = self.engine.gateway(None).await.map_err(RunError::NoBridge)?;
        let mut addresses = vec![host];
        addresses.extend(self.engines.network.iter().map(|(_, gateway)| *gateway));
        Ok(addresses)
    }

    /// The engine for a trial of a scenario, with the base images in it.
    pub(super) async fn place(&self, scenario: &Scenario, nonce: &str) -> Result<Place<E>, RunError> {
        let isolation = self.kind(scenario).and_then(|kind| kind.made_of.as_ref());
        let (Some(isolation), Some((network, gateway))) = (isolation, &self.engines.network) else {
            return Ok(Place {
                engine: self.engine.clone(),
                isolated: None,
                gateway: self.mirror.as_ref().map(|mirror| mirror.address().ip()),
            });
        };
        let spec = self.isolated_spec(isolation, format!("bakeoff-{nonce}-engine"), network);
        let isolated = Isolated::start(self.engine, &spec).await?;
        let engine = isolated.engine.clone();
        if let Some(bases) = &self.engines.bases {
            let loading = tokio::time::timeout(LOAD_LIMIT, engine.load(bases.path()));
            let late = |_| unreachable_engine("loading the base images took longer than 600 s");
            loading.await.map_err(late)??;
        }
        Ok(Place {
            engine,
            isolated: Some(isolated),
            gateway: Some(*gateway),
        })
    }

    /// Removes what throw-away engines share. What can't be removed carries the run's label.
    pub(super) async fn remove_engine_network(&self) {
        if let Some((network, _)) = &self.engines.network {
            let _ = self.engine.remove_network(network).await;
        }
    }
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

fn unreachable_engine(reason: &str) -> RunError {
    EngineError::Operation {
        operation: "start",
        subject: "an isolated engine".to_owned(),
        reason: reason.to_owned(),
    }
    .into()
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
