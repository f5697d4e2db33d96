//! What fails outside of a phase's own doing: the engine, the registry, the mirror, a full disk. It ends its trial and not the
//! run: the next trial may fare better, mostly in an engine of its own. Not for: phases that fail by themselves.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::event::{Cleanup, Failure, Outcome, PhaseRecord, RunEvent, TrialKey, TrialRecord};
use super::{RunError, Session, Trial, cleanup};
use crate::engine::{Engine, EngineError, registry};
use crate::environment::host::free_disk;
use crate::fixture::FixtureError;
use crate::fixture::context::ContextError;
use crate::mirror::{Death, MirrorError};
use crate::suite::PhaseSpec;
use crate::units::{Bytes, with_causes};

/// How long an engine may take to say that it is there. It is asked when something else has failed, and for each trial: an
/// engine that hangs must not cost a whole run's limits.
const ALIVE_LIMIT: Duration = Duration::from_secs(10);

/// How long an engine that has died may take to be there again.
const COMES_BACK: Duration = Duration::from_secs(10);

/// On a disk with less room than this nothing that is worth pushing can be written.
const NO_ROOM: Bytes = Bytes(4_000_000);

/// What every part of a system says, more or less, when a disk is full.
const DISK_FULL: &str = "no space left on device";

/// Whether a text says that a disk is full.
pub(super) fn tells_of_full_disk(text: &str) -> bool {
    text.to_ascii_lowercase().contains(DISK_FULL)
}

/// Whether an error outside of a phase concerns the whole run: every trial would end the same way, or nobody wants more.
pub(super) fn ends_run(error: &RunError) -> bool {
    let is_full = |source: &std::io::Error| source.kind() == std::io::ErrorKind::StorageFull;
    match error {
        RunError::Engine(error) => match error {
            EngineError::Unreachable { .. } | EngineError::Operation { .. } | EngineError::Protocol { .. } => false,
            EngineError::File { source, .. } => !is_full(source),
            EngineError::Endpoint(_) => true,
        },
        RunError::Registry { .. } | RunError::NoBridge(_) | RunError::Mirror(_) | RunError::Recording(_) => false,
        RunError::Fixture(FixtureError::File { source, .. })
        | RunError::Context(ContextError::Write { source, .. } | ContextError::Read { source, .. }) => !is_full(source),
        RunError::Fixture(
            FixtureError::Device { .. }
            | FixtureError::NotFound { .. }
            | FixtureError::NoChange { .. }
            | FixtureError::NoLock { .. },
        )
        | RunError::Context(ContextError::Changed { .. } | ContextError::Name { .. })
        | RunError::Images(_)
        | RunError::Dockerfile { .. }
        | RunError::Triggers { .. }
        | RunError::Lock { .. }
        | RunError::LockRefused { .. }
        | RunError::Python { .. }
        | RunError::Platform { .. }
        | RunError::Grant { .. }
        | RunError::EngineVersion { .. }
        | RunError::ImageStore { .. }
        | RunError::Compression { .. }
        | RunError::Ignore(_)
        | RunError::Upstream(_)
        | RunError::Synthetic(_)
        | RunError::OtherMachine(_)
        | RunError::Stopped
        | RunError::Interrupted => true,
    }
}

/// Whether an engine answers, soon.
pub(super) async fn answers<E: Engine>(engine: &E) -> Result<(), EngineError> {
    match tokio::time::timeout(ALIVE_LIMIT, engine.info()).await {
        Ok(answer) => answer.map(|_| ()),
        Err(_) => Err(EngineError::Operation {
            operation: "ask",
            subject: "the engine".to_owned(),
            reason: format!("it does not answer within {} s", ALIVE_LIMIT.as_secs()),
        }),
    }
}

impl<E: Engine> Session<'_, E> {
    /// After a trial that failed: gives an engine that is started again a moment, and removes what the trial could not. An
    /// engine that is gone for good gets that moment once, so that a long run then ends soon.
    pub(super) async fn recover(&self) {
        let began = Instant::now();
        loop {
            match answers(self.engine).await {
                Ok(()) => {
                    self.gone.store(false, Ordering::Relaxed);
                    cleanup::remove_by_label(self).await;
                    return;
                }
                Err(error) => {
                    let is_over = began.elapsed() > COMES_BACK || self.cancel.is_cancelled();
                    if is_over || self.gone.load(Ordering::Relaxed) {
                        self.gone.store(true, Ordering::Relaxed);
                        return;
                    }
                    self.note(format!("waiting for the engine: {error}"));
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Tells of a trial that could not be set up: none of its phases was measured.
    pub(super) fn tell_unmeasured(&self, key: &TrialKey, error: &RunError) -> Result<(), RunError> {
        let cause = format!("the trial could not be set up: {}", with_causes(error));
        for (number, spec) in self.suite.journey.iter().enumerate() {
            let outcome = match number {
                0 => failed(&cause),
                _ => Outcome::Skipped(cause.clone()),
            };
            let record = PhaseRecord::unmeasured(key, spec, outcome);
            self.tell(RunEvent::PhaseFinished(Box::new(record)))?;
        }
        self.tell(RunEvent::TrialFinished(TrialRecord {
            trial: key.clone(),
            failed: Some(cause),
            probed: Vec::new(),
            broken: Vec::new(),
            images: Vec::new(),
            cleanup: Cleanup::default(),
        }))
    }

    /// Until the mirror has died for builds that reach it at this address, with the cause; for ever without one.
    pub(super) async fn mirror_died(&self, at: Option<IpAddr>) -> Death {
        match self.mirror.as_ref().zip(at) {
            Some((mirror, at)) => mirror.died(at).await,
            None => std::future::pending().await,
        }
    }

    /// Makes a mirror that has died serve again, at the address that it had. One that nobody can reach gets a moment; one
    /// that is gone for good gets that moment once, as an engine does.
    pub(super) async fn revive_mirror(&self, at: Option<IpAddr>) -> Result<(), RunError> {
        let Some((mirror, at)) = self.mirror.as_ref().zip(at) else {
            return Ok(());
        };
        if mirror.revive() {
            self.note("warning: the mirror had died; it was started again");
        }
        if mirror.begin_recording_anew().map_err(MirrorError::Recording)? {
            self.note("warning: the recording had been removed; it is begun anew");
            self.keep_locks_again()?;
        }
        let began = Instant::now();
        while let Some(death) = mirror.death(at) {
            let is_over = began.elapsed() > COMES_BACK || self.mirror_gone.load(Ordering::Relaxed);
            if is_over || !matches!(death, Death::Unreachable { .. }) {
                self.mirror_gone.store(is_over, Ordering::Relaxed);
                return Err(MirrorError::Died(death).into());
            }
            self.note(format!("waiting for the mirror: {death}"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.mirror_gone.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl<E: Engine> Trial<'_, E> {
    /// The record of a phase that could not be tried.
    pub(super) fn failed(&self, spec: &PhaseSpec, cause: &str) -> PhaseRecord {
        self.record(spec, failed(cause))
    }

    /// Until the trial's registry has died.
    pub(super) async fn registry_died(&self) {
        registry::gone(self.place.registry_port(&self.registry)).await;
    }

    /// What has died, if a phase failed because of that; its failure then says so too.
    pub(super) async fn what_died(&self, record: &mut PhaseRecord) -> Option<String> {
        let Outcome::Failed(failure) = &mut record.outcome else {
            return None;
        };
        let mirror = self.session.mirror.as_ref().zip(self.place.gateway);
        // First: a process that may open nothing more can't ask the engine either.
        let cause = if let Some(death) = mirror.and_then(|(mirror, at)| mirror.death(at)) {
            MirrorError::Died(death).to_string()
        } else if let Err(error) = answers(&self.place.engine).await {
            let last = match &self.place.isolated {
                Some(isolated) => format!("; its last words: {}", isolated.last_words(self.session.engine).await.1),
                None => String::new(),
            };
            format!("the engine has died ({error}{last})")
        } else if !registry::answers(self.place.registry_port(&self.registry)).await {
            "the registry has died".to_owned()
        } else if tells_of_full_disk(&failure.message) || self.registry_is_full().await {
            "the disk is full".to_owned()
        } else {
            return None;
        };
        if !failure.message.starts_with(&cause) && !tells_of_full_disk(&failure.message) {
            failure.message = format!("{cause}: {}", failure.message);
        }
        Some(cause)
    }
}

impl<E: Engine> Trial<'_, E> {
    /// Whether the registry wrote that its disk is full: the engine only says that it tries again. Its log lies on that disk as a
    /// rule, where there may be no room for its last words; so the disk is looked at too.
    async fn registry_is_full(&self) -> bool {
        let engine = self.session.engine;
        let log = engine.peek(&self.registry.id).await;
        if log.is_ok_and(|(_, log)| tells_of_full_disk(&log)) {
            return true;
        }
        let info = engine.info().await;
        info.is_ok_and(|info| free_disk(&info.root_dir).is_some_and(|free| free < NO_ROOM))
    }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed(Failure {
        message: message.to_owned(),
        ..Failure::default()
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    fn file(kind: ErrorKind) -> RunError {
        let source = Error::from(kind);
        let (operation, path) = ("copying", "context".into());
        RunError::Fixture(FixtureError::File {
            operation,
            path,
            source,
        })
    }

    #[test]
    fn a_full_disk_ends_a_trial_and_an_unreadable_fixture_the_run() {
        assert!(!ends_run(&file(ErrorKind::StorageFull)));
        assert!(ends_run(&file(ErrorKind::PermissionDenied)));
        let gone = EngineError::Unreachable {
            address: "unix:///x".into(),
            reason: "refused".into(),
        };
        assert!(!ends_run(&RunError::Engine(gone)));
        assert!(ends_run(&RunError::Interrupted) && ends_run(&RunError::Stopped));
    }

    #[test]
    fn a_full_disk_is_known_by_its_words() {
        assert!(tells_of_full_disk("head: write error: No space left on device"));
        assert!(tells_of_full_disk("write /x: no space left on device"));
        assert!(!tells_of_full_disk("exit code: 1"));
    }
}
