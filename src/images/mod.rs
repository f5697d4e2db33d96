//! Base images: those the engine has, else pulled, else stand-ins made from the distribution's packages, so that a
//! machine without a container registry can measure too. Not for: the per-trial bases derived from them (that is
//! the runner's).

mod stand_in;
pub mod trust;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineError, Observer, Progress, STAND_IN_LABEL};

/// A pull that shows no progress for this long counts as failed.
const PULL_SILENCE: Duration = Duration::from_secs(30);

/// And so does one that shows some, but takes longer than this.
const PULL_LIMIT: Duration = Duration::from_secs(3600);

/// Where base images may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// The engine's own, else pulled, else a stand-in.
    #[default]
    Auto,
    /// The engine's own or pulled; never a stand-in.
    Real,
    /// Stand-ins only.
    StandIn,
}

/// A base image that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its role; the reference itself where a Dockerfile names an image without a role.
    pub role: String,
    /// The public reference that was asked for.
    pub reference: String,
    /// The image to use.
    pub used: String,
    /// Its id.
    pub id: String,
    /// Whether it is a stand-in.
    pub stand_in: bool,
}

/// A base image that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// No registry has it or can be reached, and there is no stand-in for it.
    #[error("the base image {reference} can't be had: {reason}")]
    Unavailable {
        /// The reference.
        reference: String,
        /// What the pull said.
        reason: String,
        /// Whether stand-ins were forbidden.
        real_only: bool,
    },
    /// A stand-in could not be made.
    #[error("making the stand-in for {role}: {reason}")]
    StandIn {
        /// The role.
        role: &'static str,
        /// What went wrong, with the last lines of the tool.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Resolves base images, with a folder for what is made.
#[derive(Debug, Clone)]
pub struct BaseImages {
    /// Where stand-ins' root file systems are kept.
    pub cache: PathBuf,
    /// Where images may come from.
    pub source: Source,
    /// Files laid over stand-ins while something is fetched in them: the host's CA bundle.
    pub trust: Option<trust::Trust>,
}

impl BaseImages {
    /// The image for a role or a plain reference. What the engine has is good enough for a base, whose id the report names;
    /// of an engine the newest is meant, so that one is pulled even if an older one is there.
    ///
    /// # Errors
    /// If it is neither there, nor can be pulled, nor has a stand-in.
    pub async fn resolve<E: Engine>(
        &self,
        engine: &E,
        role: &str,
        reference: &str,
        observer: Observer<'_>,
    ) -> Result<Base, ImagesError> {
        let base = |used: &str, id: String, stand_in: bool| Base {
            role: role.to_owned(),
            reference: reference.to_owned(),
            used: used.to_owned(),
            id,
            stand_in,
        };
        let mut reason = "stand-ins were asked for".to_owned();
        if self.source != Source::StandIn {
            let local = engine.image(reference).await?;
            let local = local.filter(|details| !details.labels.contains_key(STAND_IN_LABEL));
            let local = local.map(|details| base(reference, details.id, false));
            match local {
                Some(local) if !is_of_engine(role) => return Ok(local),
                _ => {}
            }
            match pull(engine, reference, observer).await {
                Ok(()) => {
                    if let Some(details) = engine.image(reference).await? {
                        if local.as_ref().is_some_and(|local| local.id != details.id) {
                            observer(Progress::Note(format!(
                                "{reference} was pulled anew: the name stands for a newer image than before"
                            )));
                        }
                        return Ok(base(reference, details.id, false));
                    }
                    "the pull ended without an image".clone_into(&mut reason);
                }
                Err(error) => reason = error,
            }
            if let Some(local) = local {
                observer(Progress::Note(format!(
                    "{reference} could not be pulled; the one that is there serves"
                )));
                return Ok(local);
            }
        }
        let real_only = self.source == Source::Real;
        let unavailable = |reason| ImagesError::Unavailable {
            reference: reference.to_owned(),
            reason,
            real_only,
        };
        let recipe = stand_in::Recipe::for_role(role, reference).filter(|_| !real_only);
        let Some(recipe) = recipe else {
            return Err(unavailable(reason));
        };
        let tag = recipe.ensure(self, engine, observer).await?;
        let details = engine
            .image(&tag)
            .await?
            .ok_or_else(|| unavailable("the import left no image".into()))?;
        Ok(base(&tag, details.id, true))
    }
}

/// Whether a role is that of a throw-away engine's image.
fn is_of_engine(role: &str) -> bool {
    role == "engine" || role.starts_with("engine:")
}

/// Pulls; gives up when nothing happens for [`PULL_SILENCE`], as behind a firewall that drops packets, and after
/// [`PULL_LIMIT`].
async fn pull<E: Engine>(engine: &E, reference: &str, observer: Observer<'_>) -> Result<(), String> {
    let heard = Mutex::new(Instant::now());
    let listening = |progress: Progress| {
        if let Ok(mut at) = heard.lock() {
            *at = Instant::now();
        }
        observer(progress);
    };
    let silence = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let quiet = heard.lock().map_or(Duration::ZERO, |at| at.elapsed());
            if quiet > PULL_SILENCE {
                return;
            }
        }
    };
    tokio::select! {
        pulled = engine.pull(reference, &listening) => pulled.map(|_| ()).map_err(|error| error.to_string()),
        () = silence => Err(format!("nothing happened for {} s", PULL_SILENCE.as_secs())),
        () = tokio::time::sleep(PULL_LIMIT) => Err(format!("it took longer than {} s", PULL_LIMIT.as_secs())),
    }
}

/// The label changes that mark a stand-in.
fn stand_in_label(role: &str) -> String {
    format!("LABEL {STAND_IN_LABEL}={role}")
}

/// The name of the stand-in for a role, if there is one.
#[must_use]
pub fn stand_in_tag(role: &str, reference: &str) -> Option<String> {
    stand_in::Recipe::for_role(role, reference).map(|recipe| recipe.tag())
}
