//! What all trials of a run share: base images, the Python that they hold, lock files for every state of the context,
//! and the run's first record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use tokio_util::sync::CancellationToken;

use super::engines::Engines;
use super::event::{BaseImage, NetworkHead, RunEvent, TrialKey};
use super::layers::Scan;
use super::redact::Redactor;
use super::{Events, RunError, Settings, cleanup};
use crate::engine::archive::unpack;
use crate::engine::{ContainerExit, ContainerSpec, Engine, EngineInfo, Owned, OwnedKind, Progress, RUN_LABEL, reaper};
use crate::fixture::{FixtureError, Locks, Workspace};
use crate::images::trust::{self, Trust};
use crate::images::{Base, BaseImages};
use crate::mirror::Mirror;
use crate::plan::Plan;
use crate::suite::{Edit, PhaseSpec, Scenario, Suite};

/// How long a container may take that asks an image for its Python, or makes a lock file.
const ASIDE_LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// Everything that the trials of a run share.
pub struct Session<'a, E> {
    /// The host's engine. Trials have it, or one of their own in it.
    pub engine: &'a E,
    /// The suite.
    pub suite: &'a Suite,
    pub(super) settings: &'a Settings,
    pub(super) cancel: &'a CancellationToken,
    /// Base images by the reference that Dockerfiles name after expansion.
    pub(super) bases: BTreeMap<String, BaseImage>,
    /// The image to use for each role.
    pub(super) roles: BTreeMap<String, String>,
    pub(super) trust: Option<Trust>,
    pub(super) locks: Locks,
    pub(super) placeholders: BTreeMap<String, String>,
    pub(super) network: NetworkHead,
    pub(super) mirror: Option<Mirror>,
    pub(super) engines: Engines,
    /// The package index that the base image's pip uses where nobody says otherwise.
    pub(super) client_index: Option<String>,
    /// Whether the engine died and did not come back.
    pub(super) gone: AtomicBool,
    /// The same of the mirror.
    pub(super) mirror_gone: AtomicBool,
    /// What was read of layers.
    pub(super) scan: Scan,
    events: Events<'a>,
    redactor: Redactor,
}

impl<'a, E: Engine> Session<'a, E> {
    /// Prepares a run and tells its first record.
    ///
    /// # Errors
    /// If a base image can't be had, a lock file can't be made, or the engine does not answer.
    pub async fn prepare(
        engine: &'a E,
        suite: &'a Suite,
        plan: &Plan,
        settings: &'a Settings,
        cancel: &'a CancellationToken,
        events: Events<'a>,
    ) -> Result<Self, RunError> {
        let mut session = Self {
            engine,
            suite,
            settings,
            cancel,
            bases: BTreeMap::new(),
            roles: BTreeMap::new(),
            trust: Trust::of_host(),
            locks: Locks::new(),
            placeholders: BTreeMap::new(),
            network: NetworkHead::default(),
            mirror: None,
            engines: Engines::default(),
            client_index: None,
            gone: AtomicBool::new(false),
            mirror_gone: AtomicBool::new(false),
            scan: Scan::default(),
            events,
            redactor: Redactor::new(suite),
        };
        if let Some(resume) = &settings.resume {
            // On another machine not even what this run left may be taken away.
            let asking = async { Ok(engine.info().await?) };
            resume.check_host(&unless_cancelled(cancel, asking).await?)?;
        }
        let preparing = async {
            let info = engine.info().await?;
            check_platforms(suite, &info)?;
            check_grants(suite)?;
            session.remove_left_overs().await?;
            session.resolve_bases().await?;
            session.prepare_engines(&info).await?;
            session.start_mirror().await?;
            session.make_locks().await?;
            Ok::<_, RunError>(())
        };
        let prepared = unless_cancelled(cancel, preparing).await;
        let told = match prepared {
            Ok(()) => session.tell_first(plan),
            Err(error) => {
                cleanup::remove_by_label(&session).await;
                Err(error)
            }
        };
        if let Err(error) = told {
            session.finish().await;
            return Err(error);
        }
        Ok(session)
    }

    /// Removes what the trials shared in the host's engine; call it when the last one has been closed.
    pub async fn finish(&self) {
        if let Err(error) = super::failing::answers(self.engine).await {
            self.note(format!("warning: what is left stays for `bakeoff clean`: {error}"));
            return;
        }
        self.remove_engine_network().await;
        // What an engine made late, for a process that was killed meanwhile.
        let ours = |thing: &Owned| thing.run == self.settings.run.0;
        let problems = match reaper::reap(self.engine, ours, |_| {}).await {
            Ok(reaped) => reaped.problems,
            Err(error) => vec![error.to_string()],
        };
        for problem in problems {
            self.note(format!("warning: this stays for `bakeoff clean`: {problem}"));
        }
    }

    /// Tells that the run begins, or goes on.
    fn tell_first(&self, plan: &Plan) -> Result<(), RunError> {
        let header = self.header(plan);
        self.tell(match &self.settings.resume {
            None => RunEvent::RunStarted(Box::new(header)),
            Some(resume) => RunEvent::RunResumed(Box::new(resume.seam(&header)?)),
        })
    }

    /// Tells an event, with the values of build arguments redacted.
    ///
    /// # Errors
    /// If whoever listens asks to stop.
    pub fn tell(&self, mut event: RunEvent) -> Result<(), RunError> {
        self.redactor.scrub(&mut event);
        match (self.events)(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(RunError::Stopped),
        }
    }

    /// The end of a container that does something small; a network that swallows packets must not hang the run.
    pub(super) async fn ended(&self, container: &str) -> Result<ContainerExit, RunError> {
        let waiting = tokio::time::timeout(ASIDE_LIMIT, self.engine.wait(container));
        let late = |_| crate::engine::EngineError::Operation {
            operation: "wait for container",
            subject: container.to_owned(),
            reason: format!("it did not end within {} s", ASIDE_LIMIT.as_secs()),
        };
        Ok(waiting.await.map_err(late)??)
    }

    /// Whether nobody has interrupted.
    pub(super) fn go_on(&self) -> Result<(), RunError> {
        if self.cancel.is_cancelled() {
            Err(RunError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Tells progress; whether anybody wants to go on is asked with the next event that counts.
    pub(super) fn note(&self, text: impl Into<String>) {
        let _ = self.tell(RunEvent::Preparing(text.into()));
    }

    pub(super) fn progress(&self, progress: Progress) {
        let _ = self.tell(RunEvent::Progress(progress));
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(RUN_LABEL.to_owned(), self.settings.run.0.clone())])
    }

    /// Whether a run that goes on has measured a trial before.
    pub(super) fn has_finished(&self, trial: &TrialKey) -> bool {
        self.settings
            .resume
            .as_ref()
            .is_some_and(|resume| resume.finished.contains(trial))
    }

    /// What tells the things of this process from any other's, be it one that measured the same run and died.
    pub(super) fn process(&self) -> String {
        let run = &self.settings.run;
        match &self.settings.resume {
            None => run.to_string(),
            Some(resume) => format!("{run}.{}", resume.attempt),
        }
    }

    /// What tells the things of a trial from those of any other, and from what the trial itself left in a process that died:
    /// its caches must not be found.
    pub(super) fn nonce(&self, ordinal: u32) -> String {
        let run = &self.settings.run;
        match &self.settings.resume {
            None => format!("{run}-{ordinal}"),
            Some(resume) => format!("{run}-{ordinal}.{}", resume.attempt),
        }
    }

    /// Runs are exclusive per engine, so what carries the label of another run, or of this one before it begins, was left
    /// by one that died.
    async fn remove_left_overs(&self) -> Result<(), RunError> {
        let doomed = |thing: &Owned| thing.run != "stand-in" || thing.kind == OwnedKind::Container;
        let reaped = reaper::reap_left_overs(self.engine, doomed, |thing| {
            self.note(format!("removing left-over {}", thing.name));
        })
        .await?;
        for problem in reaped.problems {
            self.note(format!("warning: a left-over of an earlier run stays: {problem}"));
        }
        reaper::reap_cache(self.engine).await?;
        Ok(())
    }

    async fn resolve_bases(&mut self) -> Result<(), RunError> {
        let images = BaseImages {
            cache: self.settings.cache.join("images"),
            source: self.settings.source,
            trust: self.trust.clone(),
        };
        for role in self.roles_needed() {
            let Some(reference) = self.suite.images.get(&role) else {
                continue;
            };
            self.note(format!("looking for the base image {reference}"));
            let base = images
                .resolve(self.engine, &role, reference, &|progress| self.progress(progress))
                .await?;
            let image = self.accept(base).await?;
            self.roles.insert(role, image.used.clone());
            self.bases.insert(image.used.clone(), image);
        }
        for scenario in &self.suite.scenarios {
            // What the measured build would otherwise fetch is fetched here.
            let copied = scenario.dockerfile.images_copied_from();
            for base in self.external_bases(scenario)?.into_iter().chain(copied) {
                if !self.bases.contains_key(&base) {
                    self.note(format!("looking for the base image {base}"));
                    let found = images
                        .resolve(self.engine, &base, &base, &|progress| self.progress(progress))
                        .await?;
                    let image = self.accept(found).await?;
                    self.bases.insert(base, image);
                }
            }
        }
        Ok(())
    }

    fn roles_needed(&self) -> BTreeSet<String> {
        let mut roles = BTreeSet::from(["registry".to_owned()]);
        roles.extend(
            self.suite
                .scenarios
                .iter()
                .flat_map(|scenario| scenario.image_args.values().cloned()),
        );
        if self.suite.fixture.lock.is_some() {
            roles.extend(["python".to_owned(), "uv".to_owned()]);
        }
        roles
    }

    /// The images that a scenario's stages start from, arguments expanded.
    pub(super) fn external_bases(&self, scenario: &Scenario) -> Result<BTreeSet<String>, RunError> {
        let bases = scenario.dockerfile.external_bases(&self.build_args(scenario));
        let bases = bases.map_err(|source| RunError::Dockerfile {
            path: scenario.dockerfile_path.clone(),
            source,
        })?;
        Ok(bases.into_iter().map(|base| base.reference).collect())
    }

    /// A scenario's build arguments, those that name base images included.
    pub(super) fn build_args(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let images = scenario.image_args.iter();
        let mut args: BTreeMap<_, _> = images
            .filter_map(|(arg, role)| Some((arg.clone(), self.roles.get(role)?.clone())))
            .collect();
        args.extend(scenario.build_args.clone());
        args
    }

    /// Learns what has to be known of a base: its Python (role `python`), and whether it lacks the host's CA bundle.
    async fn accept(&mut self, base: Base) -> Result<BaseImage, RunError> {
        let may_trust = self.trust.is_some() && (base.stand_in || self.settings.trust_host_ca);
        let mut host_ca = may_trust && base.role != "registry" && base.role != "uv";
        if base.role == "python" {
            let (minor, index, bundle) = self.look_into_python(&base.used).await?;
            self.placeholders.insert("PYTHON_MINOR".to_owned(), minor);
            self.client_index = index;
            // Where image and host trust the same authorities nothing needs to be laid over.
            host_ca &= self
                .trust
                .as_ref()
                .is_some_and(|trust| bundle.as_ref() != Some(&trust.bundle));
        }
        let Base {
            role,
            reference,
            used,
            id,
            stand_in,
        } = base;
        Ok(BaseImage {
            role,
            reference,
            used,
            id,
            stand_in,
            host_ca,
        })
    }

    /// The minor version of an image's Python (`3.13`), the package index that its pip uses by default, and its CA bundle.
    pub(super) async fn look_into_python(&self, image: &str) -> Result<PythonImage, RunError> {
        let script = "import sys\nprint('%d.%d' % sys.version_info[:2])\ntry:\n    \
                      from pip._internal.models.index import PyPI\n    print(PyPI.simple_url)\n\
                      except ImportError:\n    pass";
        let spec = ContainerSpec {
            name: format!("bakeoff-{}-python", self.process()),
            image: image.to_owned(),
            command: Some(["python3", "-c", script].map(str::to_owned).to_vec()),
            labels: self.labels(),
            ..ContainerSpec::default()
        };
        let container = self.engine.start(&spec).await?;
        let looked = async {
            let exit = self.ended(&container.id).await?;
            let bundle = self
                .engine
                .copy_out(&container.id, &format!("/{}", trust::IN_IMAGE))
                .await;
            Ok::<_, RunError>((exit, bundle.ok()))
        }
        .await;
        self.engine.remove_container(&container.id).await?;
        let (exit, bundle) = looked?;
        let mut lines = exit.log.lines().map(|line| line.trim().to_owned());
        let minor = lines.next().unwrap_or_default();
        if exit.code != 0 || !minor.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(RunError::Python {
                image: image.to_owned(),
                reason: exit.log.trim().to_owned(),
            });
        }
        let file = bundle
            .and_then(|packed| unpack(&packed).ok())
            .and_then(|files| files.into_iter().next());
        // Warnings may stand between.
        let index = lines.find(|line| line.starts_with("http"));
        Ok((minor, index, file.map(|(_, content)| content)))
    }

    /// The context, laid out anew.
    pub(super) fn workspace(&self) -> Result<Workspace, FixtureError> {
        Workspace::new(&self.suite.fixture, &self.suite.dockerfiles(), &self.placeholders)
    }

    /// The edits of a phase; validation has made sure that they exist.
    pub(super) fn edits(&self, spec: &PhaseSpec) -> Vec<&'a Edit> {
        spec.edits
            .iter()
            .filter_map(|name| self.suite.fixture.edits.get(name))
            .collect()
    }
}

/// Does something, unless the user interrupts.
pub(super) async fn unless_cancelled<T>(
    cancel: &CancellationToken,
    doing: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(RunError::Interrupted),
        done = doing => done,
    }
}

/// The minor version of an image's Python, its pip's default index, and its CA bundle.
pub(super) type PythonImage = (String, Option<String>, Option<Vec<u8>>);

/// What is missing is better said before anything is measured.
fn check_grants(suite: &Suite) -> Result<(), RunError> {
    for scenario in &suite.scenarios {
        scenario.grants.check().map_err(|source| RunError::Grant {
            scenario: scenario.name.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Emulated platforms can't be measured yet.
fn check_platforms(suite: &Suite, engine: &EngineInfo) -> Result<(), RunError> {
    // The engine names its host as the kernel does, platforms are named as Go does.
    let architecture = match engine.architecture.as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    for scenario in &suite.scenarios {
        let Some(platform) = &scenario.platform else { continue };
        let mut parts = platform.split('/');
        if (parts.next(), parts.next()) != (Some("linux"), Some(architecture)) {
            return Err(RunError::Platform {
                scenario: scenario.name.clone(),
                platform: platform.clone(),
                engine: format!("linux/{architecture}"),
            });
        }
    }
    Ok(())
}
