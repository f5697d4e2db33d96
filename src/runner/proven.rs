//! What has to be asked and remembered for a build's manipulation checks: of the engine, of the workspace, and from the trial's
//! cold build to the next ones. All of it happens before the clock starts or after it stops, and has been answered by then:
//! old engines look through all that they hold to list the build cache. Not for: judging (that is `check`'s).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::check::{self, mounts, reuse};
use super::{RunError, Trial};
use crate::engine::{Builder, Engine, EngineError, ImageDetails};
use crate::fixture::ignore::DockerIgnore;
use crate::suite::{PhaseSpec, Temperature};

/// The files that edits can change, as far as a build is sent them.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

impl<E: Engine> Trial<'_, E> {
    pub(super) fn files_sent(&self) -> Result<Files, RunError> {
        // One that can't be read is for the builder to complain of.
        let ignore = self.ignored().unwrap_or_else(|_| DockerIgnore::none());
        let mut files = self.workspace.changeable()?;
        files.retain(|file, _| !ignore.excludes(&file.to_string_lossy()));
        Ok(files)
    }

    /// The edits have changed something since the cold build, or nothing that is sent.
    pub(super) fn check_files(&mut self, spec: &PhaseSpec, now: Files) -> Option<String> {
        let cold = self.cold.files.as_ref().filter(|_| spec.expect.changed);
        let reason = cold.and_then(|cold| check::context(&spec.edits, cold, &now));
        if spec.temperature == Temperature::Cold || self.cold.files.is_none() {
            self.cold.files = Some(now);
        }
        reason
    }

    fn proves_mounts(&self, spec: &PhaseSpec) -> bool {
        spec.expect.empty_mounts
            && self.scenario.builder == Builder::Buildkit
            && !self.dockerfile.cache_mounts().is_empty()
    }

    /// How many cache mounts there are in an engine of the trial's own that has not used any. The host's engine has other
    /// people's.
    pub(super) async fn mounts_before(&self, spec: &PhaseSpec) -> Result<usize, EngineError> {
        if self.place.isolated.is_none() || !self.mounts.is_empty() || !self.proves_mounts(spec) {
            return Ok(0);
        }
        Ok(mounts::count(&self.place.engine.build_cache().await?))
    }

    /// Whether the cache mounts of the steps that ran were empty; `earlier` are those of the trial's builds before.
    pub(super) async fn check_mounts(
        &self,
        spec: &PhaseSpec,
        before: Result<usize, EngineError>,
        earlier: &BTreeSet<(String, String)>,
    ) -> Vec<String> {
        if !self.proves_mounts(spec) {
            return Vec::new();
        }
        let ids = |mounts: &BTreeSet<(String, String)>| -> BTreeSet<String> {
            let id = |(target, id): &(String, String)| mounts::id(target, id);
            mounts.iter().filter_map(id).collect()
        };
        let (earlier, now) = (ids(earlier), ids(&self.mounts));
        let mut reasons = mounts::used_before(&earlier, &now);
        match before {
            Ok(0) => {}
            Ok(count) => reasons.push(format!(
                "the trial's own engine had {count} cache mounts before its first build"
            )),
            Err(error) => reasons.push(unproved(&error)),
        }
        if let (Some(before), false) = (&self.cache.before, now.is_empty()) {
            let used = earlier.union(&now).cloned().collect();
            match self.place.engine.build_cache().await {
                Ok(after) => reasons.extend(mounts::older_than_trial(&used, before, &after)),
                Err(error) => reasons.push(unproved(&error)),
            }
        }
        reasons
    }

    /// Whether the layers that the scenario reuses are those of the cold image, which is remembered for that.
    pub(super) async fn check_reuse(
        &mut self,
        spec: &PhaseSpec,
        tag: &str,
        image: Option<&ImageDetails>,
    ) -> Vec<String> {
        let lines = &self.scenario.reuse;
        let is_cold = spec.temperature == Temperature::Cold;
        let (Some(image), false) = (image, lines.is_empty() || !(is_cold || spec.expect.reuse)) else {
            return Vec::new();
        };
        let now = match self.layers(tag, image).await {
            Ok(layers) => layers,
            Err(error) if is_cold => {
                self.session
                    .note(format!("warning: no layer of {tag} can be told: {error}"));
                return Vec::new();
            }
            Err(error) => return vec![format!("its layers can't be told: {error}")],
        };
        let reasons = if spec.expect.reuse {
            reuse::reuse(lines, &self.dockerfile, self.cold.layers.as_ref(), &now)
        } else {
            Vec::new()
        };
        if is_cold {
            self.cold.layers = Some(now);
        }
        reasons
    }

    async fn layers(&self, tag: &str, image: &ImageDetails) -> Result<reuse::Layers, EngineError> {
        let history = self.place.engine.history(tag).await?;
        let ground = self.ground(&image.layers).await?;
        let traced = self.traced(image.layers.len(), &history, ground);
        Ok(reuse::Layers::of(&image.layers, &traced))
    }
}

fn unproved(error: &EngineError) -> String {
    format!("it can't be proved that its cache mounts were empty: {error}")
}
