//! Removes what a trial made. Build-cache records go only where they descend from the trial's own base, by exact id;
//! what can't be told apart from somebody else's is left and counted.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Cleanup;
use super::trial::Cache;
use super::{Session, Trial};
use crate::engine::reaper::{self, ANCHOR};
use crate::engine::{CacheRecord, Engine, EngineError, Owned, OwnedKind};
use crate::units::Bytes;

/// Removes everything that carries the run's label, but for the network that further trials need, and the containers in which stand-ins are made; what fails stays for
/// `bakeoff clean`.
pub(super) async fn remove_by_label<E: Engine>(session: &Session<'_, E>) -> Vec<String> {
    let ours = |thing: &Owned| {
        (thing.run == session.settings.run.0 && thing.kind != OwnedKind::Network)
            || (thing.run == "stand-in" && thing.kind == OwnedKind::Container)
    };
    // Each of the calls that follow would wait for its own limit.
    if let Err(error) = super::failing::answers(session.engine).await {
        return vec![error.to_string()];
    }
    let removing = |thing: &Owned| session.note(format!("removing {}", thing.name));
    let mut problems = match reaper::reap(session.engine, ours, removing).await {
        Ok(reaped) => reaped.problems,
        Err(error) => vec![error.to_string()],
    };
    problems.extend(
        reaper::reap_cache(session.engine)
            .await
            .err()
            .map(|error| error.to_string()),
    );
    problems
}

impl Cache {
    /// The records that came since the trial began.
    fn new_in(&self, mut records: Vec<CacheRecord>) -> Vec<CacheRecord> {
        let before: BTreeSet<&str> = self.before.iter().flatten().map(|record| record.id.as_str()).collect();
        records.retain(|record| !before.contains(record.id.as_str()));
        records
    }

    /// Notes the handle on a base without a shell that was just used for the first time, if it can be told.
    pub(super) async fn note_unmarked<E: Engine>(&mut self, engine: &E) -> Result<(), EngineError> {
        if self.before.is_some() {
            let new = self.new_in(engine.build_cache().await?);
            self.unmarked.extend(reaper::handle_of_unmarked(&new, &self.unmarked));
        }
        Ok(())
    }

    /// Removes the contexts of a trial that was not set up to its end. What fails stays.
    pub(super) async fn remove_contexts<E: Engine>(&self, engine: &E) {
        let sources = self.taken.sources();
        if self.before.is_none() || sources.is_empty() {
            return;
        }
        if let Ok(records) = engine.build_cache().await {
            let new = self.new_in(records);
            let ours = reaper::contexts_of_trial(&new, &sources);
            let _ = reaper::remove_all(engine, &new, &ours).await;
        }
    }
}

impl<E: Engine> Trial<'_, E> {
    pub(super) async fn clean_up(mut self) -> Cleanup {
        let engine = self.session.engine;
        let mut cleanup = Cleanup::default();
        self.session.note(format!("cleaning up after {}", self.key.scenario));
        if let Err(error) = super::failing::answers(engine).await {
            let problem = format!("nothing was removed, because the engine does not answer: {error}");
            cleanup.problems.push(problem);
            return cleanup;
        }
        let mut note = |done: Result<(), EngineError>| {
            if let Err(error) = done {
                cleanup.problems.push(error.to_string());
            }
        };
        if let Some(machine) = self.machine.take() {
            for error in machine.remove(engine).await {
                note(Err(error));
            }
        }
        note(engine.remove_container(&self.registry.id).await);
        note(engine.remove_volume(&self.registry_volume).await);
        let isolated = self.place.isolated.take();
        let is_own = isolated.is_some();
        if let Some(isolated) = isolated {
            isolated
                .remove(engine)
                .await
                .into_iter()
                .for_each(|error| note(Err(error)));
        } else {
            for name in self.images.values().chain(&self.bases) {
                note(engine.remove_image(name).await);
            }
        }
        // What lost its name to a later build of the same one, or was finished while the user interrupted.
        let ours = |thing: &Owned| thing.run == self.session.settings.run.0 && thing.kind != OwnedKind::Network;
        match reaper::reap(engine, ours, |_| {}).await {
            Ok(reaped) => reaped
                .problems
                .into_iter()
                .for_each(|problem| cleanup.problems.push(problem)),
            Err(error) => cleanup.problems.push(error.to_string()),
        }
        if !is_own && let Err(error) = self.clear_cache(&mut cleanup).await {
            cleanup.problems.push(error.to_string());
        }
        cleanup
    }

    async fn clear_cache(&self, cleanup: &mut Cleanup) -> Result<(), EngineError> {
        let engine = self.session.engine;
        let new = self.cache.new_in(engine.build_cache().await?);
        let mut roots = reaper::marked_bases(&new, &format!("{ANCHOR}{}-", self.nonce));
        roots.extend(self.cache.unmarked.iter().cloned());
        let mut ours = reaper::descent(&new, &roots);
        let namespace = format!("bakeoff-{}", self.nonce);
        ours.extend(reaper::mounts_of(&new, |name| name == namespace));
        ours.extend(reaper::cache_mounts_of_trial(&new, &self.mount_targets()));
        ours.extend(reaper::contexts_of_trial(&new, &self.cache.taken.sources()));
        if !ours.is_empty() {
            (cleanup.removed_records, cleanup.freed) = reaper::remove_all(engine, &new, &ours).await?;
        }
        let left = self.cache.new_in(engine.build_cache().await?);
        cleanup.left_records = u32::try_from(left.len()).unwrap_or(u32::MAX);
        cleanup.left_bytes = left.iter().map(|record| record.size).sum::<Bytes>();
        Ok(())
    }

    /// How many cache mounts the steps that ran have per target. Mounts with one id share one record.
    fn mount_targets(&self) -> BTreeMap<String, usize> {
        let mut targets = BTreeMap::new();
        for (target, _) in &self.mounts {
            *targets.entry(target.clone()).or_insert(0) += 1;
        }
        targets
    }
}
