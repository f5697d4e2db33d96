//! Removes what builds without a base leave in the build cache. Nothing marks it, so it goes only if it is no more than the
//! builds must have made.

use std::collections::BTreeSet;

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::{BuildTrace, CacheRecord, Engine as _, Source, reaper};

/// What was in the cache before, and what builds have put there since.
pub struct Records {
    before: BTreeSet<String>,
    sources: BTreeSet<Source>,
    copies: usize,
}

impl Records {
    pub async fn of(engine: &DockerEngine) -> Self {
        let there = engine.build_cache().await.expect("an answer");
        Self {
            before: there.into_iter().map(|record| record.id).collect(),
            sources: BTreeSet::new(),
            copies: 0,
        }
    }

    /// Notes a build; `by` tells those apart that another client made of the same context.
    pub fn note(&mut self, trace: &BuildTrace, by: &str) {
        self.copies += trace
            .steps
            .iter()
            .filter(|step| step.name.contains("COPY") && !step.cached)
            .count();
        self.sources.extend(trace.sources.iter().map(|source| Source {
            key: format!("{by} {}", source.key),
            ..source.clone()
        }));
    }

    pub async fn remove(self, engine: &DockerEngine) {
        let there = engine.build_cache().await.expect("an answer");
        let is_new = |record: &CacheRecord| !self.before.contains(&record.id);
        let new: Vec<_> = there.into_iter().filter(is_new).collect();
        let mut ours = reaper::contexts_of_trial(&new, &self.sources);
        let copies = new.iter().filter(|record| record.description == "fileop target");
        let copies: Vec<_> = copies.map(|record| record.id.clone()).collect();
        if copies.len() <= self.copies {
            ours.extend(copies);
        }
        if !ours.is_empty() {
            reaper::remove_all(engine, &new, &ours).await.expect("removed");
        }
    }
}
