//! The measured phases. What is not the user's action (making the context ready, inspecting the image, asking the registry)
//! happens before the clock starts or after it stops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use chrono::Utc;
use tokio::time::timeout;

use super::event::{Failure, Manifest, Outcome, PhaseRecord, RunEvent, Travelled};
use super::failing::tells_of_full_disk;
use super::prepare::unless_cancelled;
use super::{RunError, Trial, check, resources};
use crate::engine::{BuildFailure, BuildRequest, BuildTrace, Builder, Engine, Progress, StepTrace, registry};
use crate::mirror::MirrorError;
use crate::suite::{PhaseKind, PhaseSpec};
use crate::units::Bytes;

/// Log lines that a failure shows.
pub(super) const LAST_LINES: usize = 20;

impl<E: Engine> Trial<'_, E> {
    /// Runs one phase; `times` is how often its edits have been applied in this trial before.
    ///
    /// # Errors
    /// If the user interrupts, or the harness fails where nothing was measured. A phase that fails is no error here.
    pub async fn phase(&mut self, spec: &PhaseSpec, times: usize) -> Result<PhaseRecord, RunError> {
        match spec.kind {
            PhaseKind::Build => self.build(spec, times).await,
            // What is asked after the clock has stopped may take as long as an engine that hangs lets it.
            PhaseKind::Push => unless_cancelled(self.session.cancel, self.push(spec)).await,
            PhaseKind::Pull => self.pull(spec).await,
            PhaseKind::Start => self.start(spec).await,
        }
    }

    pub(super) fn begins(&self, spec: &PhaseSpec) -> Result<(), RunError> {
        let (trial, phase) = (self.key.clone(), spec.name.clone());
        self.session.tell(RunEvent::PhaseStarted {
            trial,
            phase,
            measured: true,
        })
    }

    async fn build(&mut self, spec: &PhaseSpec, times: usize) -> Result<PhaseRecord, RunError> {
        let session = self.session;
        self.workspace.enter(&session.edits(spec), times, &session.locks)?;
        let ready = self.context()?;
        let files = self.files_sent()?;
        let tag = self.image_name(&spec.image);
        // If this build fails, what an earlier one left under the name must not be pushed in its place.
        self.images.remove(&spec.image);
        self.started.remove(&spec.image);
        self.packed.remove(&spec.image);
        let request = BuildRequest {
            context: ready.context.clone(),
            dockerfile: ready.dockerfile.clone(),
            tag: tag.clone(),
            build_args: self.build_arguments(),
            labels: session.labels(),
            builder: self.scenario.builder,
            target: self.scenario.target.clone(),
            platform: self.scenario.platform.clone(),
            extra_hosts: session.extra_hosts_at(self.place.gateway),
            compression: self.scenario.compression,
            grants: self.scenario.grants.clone(),
            limit: session.suite.timeout,
        };
        let asking = async { Ok(self.mounts_before(spec).await) };
        let mounts = unless_cancelled(session.cancel, asking).await?;
        self.begins(spec)?;
        let mut record = self.record(spec, Outcome::Measured);
        record.started = Utc::now();
        let begun = Mutex::new(BTreeSet::new());
        let observer = |progress| {
            if let (Progress::StepStarted(name), Ok(mut begun)) = (&progress, begun.lock()) {
                begun.insert(name.clone());
            }
            session.progress(progress);
        };
        let meter = self.meter();
        let built = tokio::select! {
            biased;
            () = session.cancel.cancelled() => Err(RunError::Interrupted),
            death = session.mirror_died(self.place.gateway) => Err(MirrorError::Died(death).into()),
            built = self.place.engine.build(&request, &observer) => Ok(built),
        };
        let resources = resources::used(meter);
        let built = match built {
            Ok(built) => built,
            Err(error) => {
                // It leaves no trace; what it told must do, or its cache mounts would stay for ever.
                let begun = begun.into_inner().unwrap_or_default();
                self.note_mounts(begun.iter().map(String::as_str));
                return Err(error);
            }
        };
        record.resources = Some(resources);
        match built {
            Ok(trace) => {
                record.wall = trace.wall;
                // The measurement is made: an engine that fails now makes it invalid, it does not lose it.
                record.image = self.place.engine.image(&tag).await.ok().flatten();
                let mut reasons = check::build(
                    spec,
                    &trace,
                    &self.dockerfile,
                    self.scenario.target.as_deref(),
                    record.image.as_ref(),
                );
                let earlier = std::mem::take(&mut self.mounts);
                self.note_mounts(that_ran(&trace));
                reasons.extend(self.check_mounts(spec, mounts, &earlier).await);
                self.mounts.extend(earlier);
                reasons.extend(self.check_files(spec, files));
                reasons.extend(self.check_reuse(spec, &tag, record.image.as_ref()).await);
                record.outcome = check::outcome(reasons);
                self.images.insert(spec.image.clone(), tag);
                record.travelled = Some(Travelled {
                    context: Some(trace.context),
                    registry: None,
                });
                record.build = Some(BuildTrace {
                    log: Vec::new(),
                    ..trace
                });
            }
            Err(failure) => {
                // What an earlier build left under the name must not be pulled in its place either.
                self.pushed.remove(&spec.image);
                record.wall = failure.trace.wall;
                record.outcome = Outcome::Failed(self.explain(&failure));
                self.note_mounts(that_ran(&failure.trace));
                record.build = Some(failure.trace);
            }
        }
        session.account(&mut record, self.place.isolated.is_some()).await;
        self.sound &= record.outcome == Outcome::Measured;
        self.replayable &=
            record.outcome == Outcome::Measured && super::network::is_replayable(&record, &self.dockerfile);
        Ok(record)
    }

    /// What the builder gets beside the suite's own build arguments.
    fn build_arguments(&self) -> BTreeMap<String, String> {
        let session = self.session;
        let mut build_args = session.build_args(self.scenario);
        if self.scenario.builder == Builder::Buildkit {
            // BuildKit keeps cache mounts by id for the whole daemon; a namespace makes them the trial's own.
            build_args.insert("BUILDKIT_CACHE_MOUNT_NS".to_owned(), format!("bakeoff-{}", self.nonce));
        }
        if let Some(mirror) = &session.mirror {
            // Docker predefines them: they are in no cache key. What the suite sets itself, it means.
            let of_suite: Vec<String> = build_args.keys().map(|name| name.to_ascii_lowercase()).collect();
            for (name, value) in mirror.proxy_arguments() {
                if !of_suite.contains(&name.to_ascii_lowercase()) {
                    build_args.insert(name.to_owned(), value);
                }
            }
        }
        build_args
    }

    /// Remembers the cache mounts of the steps that ran: each has made a record in the builder's cache.
    fn note_mounts<'n>(&mut self, steps: impl Iterator<Item = &'n str>) {
        let mounts = self.dockerfile.cache_mounts();
        for step in steps {
            let line = self
                .dockerfile
                .instruction_of_step(step)
                .map(|instruction| instruction.first_line);
            for mount in mounts.iter().filter(|mount| Some(mount.line) == line) {
                let id = mount.id.clone().unwrap_or_else(|| mount.target.clone());
                self.mounts.insert((mount.target.clone(), id));
            }
        }
    }

    /// Joins a failed build to the Dockerfile: which step, which line, what it wrote last.
    fn explain(&self, failure: &BuildFailure) -> Failure {
        let step = failure
            .trace
            .steps
            .iter()
            .find(|step| Some(&step.name) == failure.step.as_ref());
        let file = self
            .scenario
            .dockerfile_path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let line = step
            .and_then(|step| self.dockerfile.instruction_of_step(&step.name))
            .map(|instruction| (file, instruction.first_line));
        let lines: Vec<_> = failure
            .trace
            .log
            .iter()
            .filter(|line| step.is_none_or(|s| s.id == line.step))
            .collect();
        let last_lines = lines[lines.len().saturating_sub(LAST_LINES)..]
            .iter()
            .map(|line| line.text.clone())
            .collect();
        // Of a full disk a step says no more than that it failed; its output names the cause.
        let full = failure
            .trace
            .log
            .iter()
            .rev()
            .find(|line| tells_of_full_disk(&line.text));
        let message = match full {
            Some(line) if !tells_of_full_disk(&failure.message) => format!("{}: {}", failure.message, line.text.trim()),
            _ => failure.message.clone(),
        };
        Failure {
            message,
            step: failure.step.clone(),
            line,
            last_lines,
            log_file: None,
        }
    }

    async fn push(&mut self, spec: &PhaseSpec) -> Result<PhaseRecord, RunError> {
        let session = self.session;
        let Some(name) = self.images.get(&spec.image).cloned() else {
            return Ok(self.skipped(spec, &format!("there is no image {}", spec.image)));
        };
        // The same for a push that fails and the pull after it.
        self.pushed.remove(&spec.image);
        let mark = self.mark_registry().await;
        self.begins(spec)?;
        let mut record = self.record(spec, Outcome::Measured);
        record.started = Utc::now();
        let meter = self.meter();
        let clock = Instant::now();
        let observer = |progress| session.progress(progress);
        let pushing = timeout(session.suite.timeout, self.place.engine.push(&name, &observer));
        let pushed = tokio::select! {
            biased;
            // The engine goes on trying for most of a minute, and not every one says so.
            () = self.registry_died() => {
                let mut record = self.failed(spec, "the registry has died during the push");
                record.wall = clock.elapsed().into();
                return Ok(record);
            }
            pushed = pushing => pushed,
        };
        record.resources = Some(resources::used(meter));
        match pushed {
            Ok(Ok(trace)) => {
                record.wall = trace.wall;
                let port = self.place.registry_port(&self.registry);
                let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag);
                let held = registry::manifest(port, &self.repository(), tag).await;
                record.travelled = self.travelled(mark, held.as_ref().ok()).await;
                record.outcome = check::outcome(check::push(
                    spec,
                    &trace,
                    held.as_ref(),
                    &self.registry_layers,
                    self.scenario.compression,
                ));
                if let Ok(held) = held {
                    let is_new = |(digest, _): &&(String, Bytes)| !self.registry_layers.contains(digest);
                    let mut new: Vec<_> = held.layers.iter().filter(is_new).collect();
                    // A layer that an image holds twice travels once.
                    new.sort();
                    new.dedup();
                    let new_bytes = new.into_iter().map(|(_, size)| *size).sum();
                    self.registry_layers
                        .extend(held.layers.iter().map(|(digest, _)| digest.clone()));
                    self.packed.insert(spec.image.clone(), held.layers.clone());
                    let manifest = Manifest {
                        digest: trace.digest.clone(),
                        layers: held.layers,
                        new_bytes,
                    };
                    self.pushed.insert(spec.image.clone(), manifest.clone());
                    record.manifest = Some(manifest);
                }
                record.push = Some(trace);
            }
            Ok(Err(error)) => {
                record.wall = clock.elapsed().into();
                record.outcome = Outcome::Failed(Failure {
                    message: error.to_string(),
                    ..Failure::default()
                });
            }
            Err(_) => {
                record.wall = clock.elapsed().into();
                let message = format!(
                    "the push took longer than its limit of {} s",
                    session.suite.timeout.as_secs()
                );
                record.outcome = Outcome::Failed(Failure {
                    message,
                    ..Failure::default()
                });
            }
        }
        Ok(record)
    }
}

/// The steps of a build that ran.
fn that_ran(trace: &BuildTrace) -> impl Iterator<Item = &str> {
    let ran = |step: &&StepTrace| !step.cached && !step.intervals.is_empty();
    trace.steps.iter().filter(ran).map(|step| step.name.as_str())
}
