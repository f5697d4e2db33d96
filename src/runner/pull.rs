//! Pulls. An engine that has built an image holds its layers even after the image is removed, so a pull always goes to an
//! engine of its own, in the network of the run, where it finds the trial's registry by name. A cold pull gets a new one that
//! holds nothing; later ones get that of the pull before. Making it is not measured.

use std::time::Instant;

use chrono::Utc;
use tokio::time::timeout;

use super::check::{self, Pulled};
use super::event::{Failure, Manifest, Outcome, PhaseRecord};
use super::failing::answers;
use super::prepare::unless_cancelled;
use super::trial::registry_container;
use super::{RunError, Trial, resources};
use crate::engine::isolated::REGISTRY_PORT;
use crate::engine::{Engine, registry};
use crate::suite::{PhaseSpec, Temperature};

impl<E: Engine> Trial<'_, E> {
    pub(super) async fn pull(&mut self, spec: &PhaseSpec) -> Result<PhaseRecord, RunError> {
        let Some(pushed) = self.pushed.get(&spec.image).cloned() else {
            return Ok(self.skipped(spec, &format!("the image {} was not pushed", spec.image)));
        };
        if spec.temperature == Temperature::Cold {
            // However this one ends, a later hot pull may not go to the machine of an earlier one.
            self.remove_machine().await;
        }
        let cancel = self.session.cancel;
        let record = unless_cancelled(cancel, self.pull_pushed(spec, &pushed)).await?;
        if matches!(record.outcome, Outcome::Failed(_)) {
            // Half of an image is on it: whatever is pulled there next is neither cold nor hot.
            self.remove_machine().await;
        }
        Ok(record)
    }

    async fn pull_pushed(&mut self, spec: &PhaseSpec, pushed: &Manifest) -> Result<PhaseRecord, RunError> {
        let session = self.session;
        if spec.temperature == Temperature::Cold
            && let Err(outcome) = self.make_machine().await
        {
            return Ok(self.record(spec, outcome));
        }
        let Some(machine) = &self.machine else {
            return Ok(self.skipped(spec, "no cold pull before it has left a machine to pull onto"));
        };
        let engine = machine.engine.clone();
        let had = match engine.image_count().await {
            Ok(had) => had,
            Err(error) => return Ok(self.failed(spec, &format!("the engine that pulls does not answer: {error}"))),
        };
        let name = format!("{}/{}:{}", self.registry_of_pulls(), self.repository(), spec.image);
        let mark = self.mark_registry().await;
        let group = resources::group_of_engine(session.engine, machine).await;
        self.begins(spec)?;
        let mut record = self.record(spec, Outcome::Measured);
        record.started = Utc::now();
        let meter = resources::begin(&group);
        let clock = Instant::now();
        let observer = |progress| session.progress(progress);
        let limit = session.suite.timeout;
        let pulling = timeout(limit, engine.pull(&name, &observer));
        let pulled = tokio::select! {
            biased;
            () = self.registry_died() => Err("the registry has died during the pull".to_owned()),
            pulled = pulling => match pulled {
                Ok(pulled) => pulled.map_err(|error| error.to_string()),
                Err(_) => Err(format!("the pull took longer than its limit of {} s", limit.as_secs())),
            },
        };
        let took = clock.elapsed();
        record.resources = Some(resources::used(meter));
        // Nor shall what the pull has written go there while the next phase is timed.
        written_back().await;
        match pulled {
            Ok(trace) => {
                record.wall = trace.wall;
                let port = self.place.registry_port(&self.registry);
                let held = registry::manifest(port, &self.repository(), &spec.image).await;
                record.travelled = self.travelled(mark, held.as_ref().ok()).await;
                record.image = engine.image(&name).await.ok().flatten();
                record.outcome = check::pull(&Pulled {
                    temperature: spec.temperature,
                    trace: &trace,
                    had,
                    image: record.image.as_ref(),
                    pushed,
                });
                record.pull = Some(trace);
            }
            Err(message) => {
                record.wall = took.into();
                record.outcome = failed(self.with_last_words(&engine, message).await);
            }
        }
        Ok(record)
    }

    /// Makes the engine for a cold pull, or tells why there is none.
    async fn make_machine(&mut self) -> Result<(), Outcome> {
        let session = self.session;
        let pulling = match session.kind(self.scenario).and_then(|kind| kind.pulls.as_ref()) {
            Some(Ok(pulling)) => pulling,
            Some(Err(reason)) => return Err(skipped(reason)),
            None => return Err(skipped("nobody looked for one")),
        };
        session.note(format!("making an empty engine to pull onto for {}", self.key.scenario));
        self.machines += 1;
        let name = format!("bakeoff-{}-pull-{}", self.nonce, self.machines);
        let made = session.machine(pulling, name, self.registry_of_pulls()).await;
        let machine = made.map_err(|error| failed(format!("no engine to pull onto: {error}")))?;
        self.machine = Some(machine);
        // What builds and pushes have written shall not go to the disk while the pull is timed.
        written_back().await;
        Ok(())
    }

    /// What can't be removed carries the run's label.
    async fn remove_machine(&mut self) {
        if let Some(machine) = self.machine.take() {
            machine.remove(self.session.engine).await;
        }
    }

    /// The trial's registry as engines that pull know it, `NAME:PORT`.
    fn registry_of_pulls(&self) -> String {
        let container = match self.place.isolated {
            // The registry is in the engine's network namespace.
            Some(_) => super::engines::container_of_trial(&self.nonce),
            None => registry_container(&self.nonce),
        };
        format!("{container}:{REGISTRY_PORT}")
    }

    /// A failure, with the end of the engine that pulled if that has died.
    async fn with_last_words(&self, engine: &E, message: String) -> String {
        match (answers(engine).await, &self.machine) {
            (Err(error), Some(machine)) => {
                let (_, words) = machine.last_words(self.session.engine).await;
                format!("the engine that pulled has died ({error}; its last words: {words}): {message}")
            }
            _ => message,
        }
    }
}

fn skipped(reason: &str) -> Outcome {
    Outcome::Skipped(format!("there is no isolated engine to pull onto: {reason}"))
}

fn failed(message: String) -> Outcome {
    Outcome::Failed(Failure {
        message,
        ..Failure::default()
    })
}

/// Waits until everything that was written has gone to the disk.
async fn written_back() {
    let written = tokio::task::spawn_blocking(rustix::fs::sync).await;
    written.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
}
