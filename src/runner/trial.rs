//! One trial: a scenario's journey in one round, with a registry, bases and a cache namespace of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::check::reuse::Layers;
use super::engines::Place;
use super::event::{Manifest, Outcome, PhaseRecord, TrialKey, TrialRecord};
use super::network::LOCK_FILE;
use super::{RunError, Session};
use crate::dockerfile::Dockerfile;
use crate::engine::cgroup::Cgroup;
use crate::engine::isolated::{Isolated, REGISTRY_PORT};
use crate::engine::session::Taken;
use crate::engine::{Builder, CacheRecord, Container, ContainerSpec, Engine, Publish, registry};
use crate::fixture::Workspace;
use crate::suite::{PhaseKind, PhaseSpec, Scenario};
use crate::units::Bytes;

/// How long a registry may take to answer after its start.
const REGISTRY_LIMIT: Duration = Duration::from_secs(20);

/// A trial in progress. It must be closed; a trial that is dropped leaves labelled things behind for `bakeoff clean`.
pub struct Trial<'s, E> {
    pub(super) session: &'s Session<'s, E>,
    pub(super) scenario: &'s Scenario,
    pub(super) key: TrialKey,
    pub(super) nonce: String,
    /// The engine that it is measured in.
    pub(super) place: Place<E>,
    /// That engine's control group, or why it is not measured.
    pub(super) group: Result<Cgroup, String>,
    pub(super) workspace: Workspace,
    /// The Dockerfile as sent: its bases are the trial's own.
    pub(super) dockerfile: Dockerfile,
    pub(super) registry: Container,
    pub(super) registry_volume: String,
    /// The layers that the registry holds.
    pub(super) registry_layers: BTreeSet<String>,
    /// The names of the images that the trial made, by what the journey calls them.
    pub(super) images: BTreeMap<String, String>,
    /// What the registry holds of them.
    pub(super) pushed: BTreeMap<String, Manifest>,
    /// Those that were started.
    pub(super) started: BTreeSet<String>,
    /// The engine that they are pulled onto, once one was.
    pub(super) machine: Option<Isolated<E>>,
    /// How many of those there were.
    pub(super) machines: u32,
    /// The layers of those that were pushed since they were built, as the registry has them: digest and size, lowest first.
    pub(super) packed: BTreeMap<String, Vec<(String, Bytes)>>,
    /// The trial's bases.
    pub(super) bases: Vec<String>,
    /// What hot builds are compared with.
    pub(super) cold: Cold,
    /// The cache mounts, by target and id, of the steps that ran.
    pub(super) mounts: BTreeSet<(String, String)>,
    pub(super) cache: Cache,
    /// Whether every build so far ended well, and a replay could answer all that it asked for.
    pub(super) replayable: bool,
    /// Whether every build so far did what its name says.
    pub(super) sound: bool,
}

/// What a trial's last cold build was made of, and what it made.
#[derive(Debug, Default)]
pub(super) struct Cold {
    /// The files that edits can change, as far as the build was sent them.
    pub files: Option<BTreeMap<PathBuf, Vec<u8>>>,
    /// Its image's layers, where the scenario promises to reuse some.
    pub layers: Option<Layers>,
}

/// What tells a trial's own records in the build cache of the host's engine that nothing marks.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// The records before the trial; `None` in an engine of the trial's own, which goes with all that is in it.
    pub before: Option<Vec<CacheRecord>>,
    /// The contexts that builders have taken, those of builds too that were given up.
    pub taken: Taken,
    /// The engine's handles on those of its bases that have no shell to be marked with.
    pub unmarked: BTreeSet<String>,
}

impl<'s, E: Engine> Trial<'s, E> {
    /// Sets a trial up: context, bases, registry. None of it is measured. `ordinal` numbers the trials of a run.
    ///
    /// # Errors
    /// If any of it fails; what was made by then carries the run's label.
    pub async fn open(
        session: &'s Session<'s, E>,
        scenario: &'s Scenario,
        key: TrialKey,
        ordinal: u32,
    ) -> Result<Self, RunError> {
        let mut cache = Cache::default();
        let opening = Self::open_uninterrupted(session, scenario, key, ordinal, &mut cache);
        let opened = tokio::select! {
            biased;
            () = session.cancel.cancelled() => Err(RunError::Interrupted),
            trial = opening => trial,
        };
        if opened.is_err() {
            // Half of a trial is known to nobody, but all of it carries the run's label.
            super::cleanup::remove_by_label(session).await;
            // But for the contexts of its marks.
            cache.remove_contexts(session.engine).await;
        }
        opened
    }

    async fn open_uninterrupted(
        session: &'s Session<'s, E>,
        scenario: &'s Scenario,
        key: TrialKey,
        ordinal: u32,
        cache: &mut Cache,
    ) -> Result<Self, RunError> {
        session.note(format!("setting up {} ({})", key.scenario, key.round));
        // An engine that hangs must not cost each of the calls that follow its limit.
        super::failing::answers(session.engine).await?;
        session.restore_engine_network().await?;
        session.revive_mirror(session.gateway(scenario)).await?;
        let nonce = session.nonce(ordinal);
        let place = session.place(scenario, &nonce).await?;
        let group = super::resources::group_of(session.engine, &place).await;
        let mut workspace = session.workspace()?;
        if let Some(mirror) = &session.mirror {
            // A lock file of the user's own leads to the index that it was made from.
            workspace.rewrite(LOCK_FILE, |text| mirror.rewrite_lock(text))?;
            mirror.begin(scenario.link);
        }
        if place.isolated.is_none() {
            cache.before = Some(session.engine.build_cache().await?);
        }
        let registry_volume = format!("bakeoff-{nonce}-registry");
        let registry = session.start_registry(&place, &registry_volume, &nonce).await?;
        // Images that files are only copied from need no base of the trial's own.
        let mut replacement = session.names_in(&place);
        let dockerfile = scenario.dockerfile.with_sources(&replacement);
        let mut bases = Vec::new();
        for (number, reference) in session.bases_with_steps(scenario)?.into_iter().enumerate() {
            let Some(image) = session.base(&reference) else {
                continue;
            };
            let number = format!("{nonce}-{number}");
            let tag = place.base_name(&registry, &number);
            session.derive_base(&place, &image, &tag, &number).await?;
            bases.push(tag.clone());
            if scenario.builder == Builder::Buildkit {
                let mark = format!("bakeoff-mark:{number}");
                let marking = session.mark_base(&place.engine, &tag, &mark, &number, &cache.taken);
                if marking.await? {
                    cache.note_unmarked(session.engine).await?;
                }
            }
            replacement.insert(reference, tag);
        }
        let dockerfile = dockerfile
            .with_bases(&session.build_args(scenario), &replacement)
            .map_err(|source| RunError::Dockerfile {
                path: scenario.dockerfile_path.clone(),
                source,
            })?;
        // What all this wrote shall not go to the disk while the first phase is timed.
        let written = tokio::task::spawn_blocking(rustix::fs::sync).await;
        written.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        Ok(Self {
            session,
            scenario,
            key,
            nonce,
            place,
            group,
            workspace,
            dockerfile,
            registry,
            registry_volume,
            registry_layers: BTreeSet::new(),
            images: BTreeMap::new(),
            pushed: BTreeMap::new(),
            started: BTreeSet::new(),
            machine: None,
            machines: 0,
            packed: BTreeMap::new(),
            bases,
            cold: Cold::default(),
            mounts: BTreeSet::new(),
            cache: std::mem::take(cache),
            replayable: true,
            sound: true,
        })
    }

    /// Under which round the following phases are told: a bench measures one phase many times in one trial.
    pub fn set_round(&mut self, round: super::event::Round) {
        self.key.round = round;
    }

    /// Whether the trial has the image that a phase pushes or starts, or its registry the one that it pulls; builds need none.
    #[must_use]
    pub fn has_image(&self, spec: &PhaseSpec) -> bool {
        match spec.kind {
            PhaseKind::Build => true,
            PhaseKind::Push | PhaseKind::Start => self.images.contains_key(&spec.image),
            PhaseKind::Pull => self.pushed.contains_key(&spec.image),
        }
    }

    /// The record of a phase that was not tried.
    #[must_use]
    pub fn skipped(&self, spec: &PhaseSpec, cause: &str) -> PhaseRecord {
        self.record(spec, Outcome::Skipped(cause.to_owned()))
    }

    pub(super) fn record(&self, spec: &PhaseSpec, outcome: Outcome) -> PhaseRecord {
        PhaseRecord::unmeasured(&self.key, spec, outcome)
    }

    /// The name under which an image of the journey is built and pushed. What the suite calls it is a valid tag.
    pub(super) fn image_name(&self, image: &str) -> String {
        format!(
            "127.0.0.1:{}/{}:{}",
            self.place.registry_name(&self.registry),
            self.repository(),
            image
        )
    }

    pub(super) fn repository(&self) -> String {
        format!("bakeoff/{}", slug(&self.scenario.name))
    }

    /// Probes the images if the journey was measured to its end, remembers that its downloads are recorded, and removes
    /// everything that the trial made.
    pub async fn close(self, ended: bool) -> TrialRecord {
        let (probed, broken) = if ended {
            self.probe_images().await
        } else {
            (Vec::new(), Vec::new())
        };
        let images = if ended { self.image_records().await } else { Vec::new() };
        let recorded = if ended && self.replayable {
            tokio::select! {
                biased;
                () = self.session.cancel.cancelled() => Ok(()),
                recorded = self.session.recorded(self.scenario) => recorded,
            }
        } else {
            Ok(())
        };
        let trial = self.key.clone();
        let mut cleanup = self.clean_up().await;
        if let Err(error) = recorded {
            cleanup
                .problems
                .push(format!("the recording could not be marked as complete: {error}"));
        }
        TrialRecord {
            trial,
            failed: None,
            probed,
            broken,
            images,
            cleanup,
        }
    }
}

impl<E: Engine> Session<'_, E> {
    /// Starts the trial's registry: where the engine finds it on its loopback interface.
    async fn start_registry(&self, place: &Place<E>, volume: &str, nonce: &str) -> Result<Container, RunError> {
        let image = self.roles.get("registry").cloned().unwrap_or_default();
        self.engine.create_volume(volume, &self.labels()).await?;
        let spec = ContainerSpec {
            name: registry_container(nonce),
            image: image.clone(),
            env: vec!["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/var/lib/registry".into()],
            labels: self.labels(),
            publish: match place.isolated {
                Some(_) => Vec::new(),
                None => vec![Publish {
                    port: REGISTRY_PORT,
                    on: None,
                }],
            },
            network: match &place.isolated {
                Some(isolated) => Some(format!("container:{}", isolated.container.id)),
                // Pulling engines have to reach it.
                None => self.network_of_pulls().map(str::to_owned),
            },
            volume: Some((volume.to_owned(), "/var/lib/registry".into())),
            ..ContainerSpec::default()
        };
        let container = self.engine.start(&spec).await?;
        let port = place.registry_port(&container);
        let started = Instant::now();
        while !registry::answers(port).await {
            let (running, log) = self.engine.peek(&container.id).await?;
            if !running || started.elapsed() > REGISTRY_LIMIT {
                return Err(RunError::Registry {
                    image,
                    port,
                    log: log.trim().to_owned(),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(container)
    }
}

/// The name of a trial's registry, where it is a container of its own in the network.
pub(super) fn registry_container(nonce: &str) -> String {
    format!("bakeoff-{nonce}-registry")
}

/// A name that is allowed in image references: lower case, and runs of anything unusual become one hyphen.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_valid_in_references() {
        assert_eq!(
            slug("uv-single[cache_mounts=off,builder=classic]"),
            "uv-single-cache-mounts-off-builder-classic"
        );
        assert_eq!(slug("Cold Build"), "cold-build");
        assert_eq!(slug("[x]"), "x");
    }
}
