//! Removes what builds without a base of a trial's leave in the build cache. Nothing marks it, so it goes only if it is no more
//! than the builds must have made: what somebody else built at the same time stays, and then so does ours that looks like it.

use std::collections::{BTreeMap, BTreeSet};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{BuildTrace, CacheRecord, Engine as _, Source, StepTrace, reaper};

/// What was in the cache before, and what builds have put there since.
pub struct Records {
    before: BTreeSet<String>,
    sources: BTreeSet<Source>,
    /// How many records the steps that ran have made, by what the engine calls them.
    made: BTreeMap<String, usize>,
}

impl Records {
    pub async fn of(engine: &DockerEngine) -> Self {
        let there = engine.build_cache().await.expect("an answer");
        Self {
            before: there.into_iter().map(|record| record.id).collect(),
            sources: BTreeSet::new(),
            made: BTreeMap::new(),
        }
    }

    /// Notes a build; `by` tells those apart that another client made of the same context.
    pub fn note(&mut self, trace: &BuildTrace, by: &str) {
        self.note_steps(trace, |_| true);
        self.sources.extend(trace.sources.iter().map(|source| Source {
            key: format!("{by} {}", source.key),
            ..source.clone()
        }));
    }

    /// Notes those steps of a build that nobody else has cleaned up after.
    pub fn note_steps(&mut self, trace: &BuildTrace, which: impl Fn(&StepTrace) -> bool) {
        let ran = trace.steps.iter().filter(|step| !step.cached && which(step));
        for description in ran.filter_map(|step| description(&step.name)) {
            *self.made.entry(description).or_default() += 1;
        }
    }

    pub async fn remove(self, engine: &DockerEngine) {
        let there = engine.build_cache().await.expect("an answer");
        let is_new = |record: &CacheRecord| !self.before.contains(&record.id);
        let new: Vec<_> = there.into_iter().filter(is_new).collect();
        let mut ours = reaper::contexts_of_trial(&new, &self.sources);
        for (description, made) in &self.made {
            let alike = new.iter().filter(|record| record.description == *description);
            let alike: Vec<_> = alike.map(|record| record.id.clone()).collect();
            if alike.len() <= *made {
                ours.extend(alike);
            }
        }
        if !ours.is_empty() {
            reaper::remove_all(engine, &new, &ours).await.expect("removed");
        }
    }
}

/// What the engine calls the record of a step such as `[2/3] COPY a b`.
fn description(step: &str) -> Option<String> {
    let (_, instruction) = step.split_once("] ")?;
    match instruction.split_once(' ')? {
        ("COPY" | "ADD" | "WORKDIR", _) => Some("fileop target".to_owned()),
        ("RUN", mut command) => {
            // Its mounts are no part of what the engine calls it.
            while command.starts_with("--") {
                command = command.split_once(' ')?.1.trim_start();
            }
            Some(format!("mount / from exec /bin/sh -c {command}"))
        }
        _ => None,
    }
}
