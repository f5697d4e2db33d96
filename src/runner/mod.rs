//! Executes a plan on an engine: prepares what trials share, runs each trial's journey, checks that each phase did what
//! its name says, and tells it all as [`event::RunEvent`]s. Not for: showing, keeping or computing anything.

mod attribution;
mod base;
pub mod check;
mod cleanup;
mod context;
mod engines;
pub mod event;
mod failing;
mod header;
mod layers;
mod locks;
mod network;
mod phase;
mod prepare;
mod probe;
mod proof;
mod proven;
mod pull;
mod redact;
mod resources;
mod resume;
mod start;
mod travelled;
mod trial;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineError};
use crate::environment::noise::Noise;
use crate::fixture::FixtureError;
use crate::images::{ImagesError, Source};
use crate::mirror::recording::RecordingError;
use crate::mirror::synthetic::SyntheticError;
use crate::mirror::{MirrorError, Upstream, UpstreamError};
use crate::plan::Plan;
use crate::suite::{PhaseKind, PhaseSpec, Suite};
use crate::units::{Nanos, RunId, with_causes};
use event::{Change, Outcome, PhaseRecord, RunEnd, RunEvent, TrialKey};

pub use network::{generated, recordings};
pub use prepare::Session;
pub use resume::{Resume, differences};
pub use trial::Trial;

/// Receives every event; [`ControlFlow::Break`] stops the run (the journal can't be written, say).
pub type Events<'a> = &'a (dyn Fn(RunEvent) -> ControlFlow<()> + Send + Sync);

/// How a run is carried out, apart from what the suite says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The run's id.
    pub run: RunId,
    /// The patterns by which the user chose among the scenarios, for the journal.
    pub selected: Vec<String>,
    /// The folder for what is made once and kept: stand-ins, lock files.
    pub cache: std::path::PathBuf,
    /// Where base images may come from.
    pub source: Source,
    /// Whether the host's CA bundle is laid over pulled images too, not just over stand-ins.
    pub trust_host_ca: bool,
    /// The package index that the user's pip or uv is configured for.
    pub index: Option<Upstream>,
    /// How often one trial may apply the same edit: lock files are made for as many states.
    pub repeats: usize,
    /// What the command line said in place of the suite and of defaults, by name, for the journal.
    pub options: BTreeMap<String, String>,
    /// Identifies the fixture's files, for a run that goes on; empty if nobody will.
    pub fixture_digest: String,
    /// What the last probe of the machine's noise found, for the journal.
    pub noise: Option<Noise>,
    /// Whether the layers of each scenario's images are read once, to see what is wasted in them.
    pub scan_layers: bool,
    /// The run that goes on, if this is not a new one.
    pub resume: Option<Resume>,
}

/// Why a run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine failed outside a phase.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A base image can't be had.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// The fixture can't be laid out.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A Dockerfile's base can't be told.
    #[error("{}:{source}", path.display())]
    Dockerfile {
        /// The Dockerfile.
        path: std::path::PathBuf,
        /// The cause.
        source: crate::dockerfile::DockerfileError,
    },
    /// A lock file could not be made.
    #[error("making {}: {reason}", file.display())]
    Lock {
        /// The lock file.
        file: std::path::PathBuf,
        /// What the command wrote.
        reason: String,
    },
    /// What was asked for to make a lock file was refused, in a replay.
    #[error("making {}: not hermetic: {problem}", file.display())]
    LockRefused {
        /// The lock file.
        file: std::path::PathBuf,
        /// What was asked for.
        problem: String,
    },
    /// The image of a role does not say which Python it has.
    #[error("the image {image} has no working python3: {reason}")]
    Python {
        /// The image.
        image: String,
        /// What it wrote.
        reason: String,
    },
    /// A base image runs steps of its own in whatever is built on it.
    #[error(
        "the base image {image} has ONBUILD triggers, which have run in the trial's base and so not in the measured build"
    )]
    Triggers {
        /// The image.
        image: String,
    },
    /// A scenario is for another platform than the engine's: its bases would be looked for and derived for the wrong one.
    #[error("{scenario} is for the platform {platform}, and the engine builds for {engine}")]
    Platform {
        /// The scenario.
        scenario: String,
        /// Its platform.
        platform: String,
        /// The engine's.
        engine: String,
    },
    /// An engine of the wanted version can't be had.
    #[error("an engine of version {wanted} can't be had: the newest such image has {found}")]
    EngineVersion {
        /// What was asked for.
        wanted: String,
        /// What was found.
        found: String,
    },
    /// An engine keeps its images elsewhere than the suite asks for.
    #[error("the suite asks for the image store {wanted}, and the engine {engine} has {found}")]
    ImageStore {
        /// What was asked for.
        wanted: &'static str,
        /// The engine.
        engine: String,
        /// What it has.
        found: String,
    },
    /// An engine that compresses layers as it likes.
    #[error(
        "{scenario} asks for layers compressed by {wanted}: only BuildKit in an engine with the image store containerd \
         leaves that open"
    )]
    Compression {
        /// The scenario.
        scenario: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// Something that a scenario's builds may use is not there.
    #[error("the scenario {scenario:?} needs what is not there")]
    Grant {
        /// The scenario.
        scenario: String,
        /// What.
        source: crate::engine::GrantError,
    },
    /// What a build context leaves out could not be told.
    #[error(transparent)]
    Ignore(#[from] crate::fixture::ignore::IgnoreError),
    /// A build context could not be packed.
    #[error(transparent)]
    Context(#[from] crate::fixture::context::ContextError),
    /// The registry was started and does not answer.
    #[error("the registry ({image}) does not answer on 127.0.0.1:{port}: {log}")]
    Registry {
        /// Its image.
        image: String,
        /// Its port.
        port: u16,
        /// What it wrote.
        log: String,
    },
    /// The engine has no network on which the mirror could listen.
    #[error("builds have no way to the mirror: {0}")]
    NoBridge(#[source] EngineError),
    /// The mirror can't be started.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The recording can't be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The index to record from is none.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The generated packages can't be made.
    #[error(transparent)]
    Synthetic(#[from] SyntheticError),
    /// A run that goes on would be measured on another machine or engine than before.
    #[error("the machine or its engine is another one than the run began with: {}", listed(.0))]
    OtherMachine(Vec<Change>),
    /// Whoever listens to the events asked to stop.
    #[error("the run was stopped: its events could not be kept")]
    Stopped,
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// What has changed, in words.
fn listed(changes: &[Change]) -> String {
    let change = |change: &Change| format!("{} {} was {}", change.what, change.now, change.before);
    changes.iter().map(change).collect::<Vec<_>>().join(", ")
}

/// Runs the plan to its end, or until it is cancelled. What fails ends its trial, not the run: even an engine that has died
/// may be there again for the next one.
///
/// # Errors
/// If the preparation fails, or what concerns the whole run. Finished phases have been told before.
pub async fn run<E: Engine>(
    engine: &E,
    suite: &Suite,
    plan: &Plan,
    settings: &Settings,
    cancel: &CancellationToken,
    events: Events<'_>,
) -> Result<(), RunError> {
    let before = proof::before(engine, cancel, events).await?;
    let session = Session::prepare(engine, suite, plan, settings, cancel, events).await?;
    let ended = run_trials(&session, plan).await;
    session.finish().await;
    let interrupted = match &ended {
        Ok(()) => false,
        Err(RunError::Interrupted) => true,
        // What concerns the whole run leaves it without an end: it reads as unfinished, and can be gone on with.
        Err(_) => return ended,
    };
    let end = RunEnd {
        ended: Utc::now(),
        interrupted,
        host: session.proof(before.as_ref()).await,
    };
    let told = session.tell(RunEvent::RunFinished(end));
    ended.and(told)
}

async fn run_trials<E: Engine>(session: &Session<'_, E>, plan: &Plan) -> Result<(), RunError> {
    let mut ordinal = 0;
    let mut clean = true;
    for block in &plan.blocks {
        for &index in &block.trials {
            session.go_on()?;
            ordinal += 1;
            let key = TrialKey {
                round: block.round,
                scenario: session.suite.scenarios[index].name.clone(),
            };
            if !session.has_finished(&key) {
                if !clean {
                    session.recover().await;
                }
                clean = run_trial(session, index, key, ordinal).await?;
            }
        }
    }
    if !clean {
        session.recover().await;
    }
    Ok(())
}

/// Says whether the trial ended as planned: nothing of it is left then.
async fn run_trial<E: Engine>(
    session: &Session<'_, E>,
    scenario: usize,
    key: TrialKey,
    ordinal: u32,
) -> Result<bool, RunError> {
    let scenario = &session.suite.scenarios[scenario];
    session.tell(RunEvent::TrialStarted(key.clone()))?;
    let mut trial = match Trial::open(session, scenario, key.clone(), ordinal).await {
        Ok(trial) => trial,
        Err(error) if failing::ends_run(&error) => return Err(error),
        Err(error) => return session.tell_unmeasured(&key, &error).map(|()| false),
    };
    let measured = measure(session, &mut trial).await;
    // What the trial made goes away however it ended; only then is its end told.
    let mut record = trial.close(matches!(measured, Ok(None))).await;
    // An interrupted trial has no end: a run that goes on measures all of it again.
    session.go_on()?;
    record.failed = measured?;
    let clean = record.failed.is_none() && record.cleanup.problems.is_empty();
    session.tell(RunEvent::TrialFinished(record))?;
    Ok(clean)
}

/// The journey: every phase, in order. Says why it ended before the last one, if something outside of the phases failed.
async fn measure<E: Engine>(session: &Session<'_, E>, trial: &mut Trial<'_, E>) -> Result<Option<String>, RunError> {
    let mut broken: Option<String> = None;
    let mut failed: Option<String> = None;
    for spec in &session.suite.journey {
        let mut record = match (&failed, &broken) {
            (Some(cause), _) => trial.skipped(spec, cause),
            // An image that was built is still worth pushing and starting after a later build failed.
            (None, Some(cause)) if spec.kind == PhaseKind::Build || !trial.has_image(spec) => {
                trial.skipped(spec, cause)
            }
            _ => match trial.phase(spec, 0).await {
                Ok(record) => record,
                Err(error) if failing::ends_run(&error) => return Err(error),
                Err(error) => {
                    let cause = with_causes(&error);
                    let record = trial.failed(spec, &cause);
                    failed = Some(cause);
                    record
                }
            },
        };
        if failed.is_none() {
            // Nobody waits for the limits of an engine that hangs only to hear why.
            failed = tokio::select! {
                biased;
                () = session.cancel.cancelled() => None,
                died = trial.what_died(&mut record) => died,
            };
        }
        let failed_build = spec.kind == PhaseKind::Build && matches!(record.outcome, Outcome::Failed(_));
        if failed_build && broken.is_none() {
            broken = Some(format!("{} failed", spec.name));
        }
        session.tell(RunEvent::PhaseFinished(Box::new(record)))?;
    }
    Ok(failed)
}

impl PhaseRecord {
    /// A phase of which nothing was measured.
    fn unmeasured(trial: &TrialKey, spec: &PhaseSpec, outcome: Outcome) -> Self {
        Self {
            trial: trial.clone(),
            phase: spec.name.clone(),
            started: Utc::now(),
            wall: Nanos(0),
            outcome,
            build: None,
            push: None,
            pull: None,
            start: None,
            image: None,
            manifest: None,
            transfers: None,
            resources: None,
            travelled: None,
        }
    }

    /// Whether its time counts.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.outcome == Outcome::Measured
    }
}
