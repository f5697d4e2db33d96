//! How the builds of a run reach what they download: starts the mirror, and decides between record and replay. Not for: telling
//! which step asked for a download (that is `attribution`'s).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::attribution::attribute;
use super::event::{Asker, Failure, NetworkHead, Outcome, PhaseRecord, RecordingHead, StepTransfer};
use super::{RunError, Session};
use crate::dockerfile::Dockerfile;
use crate::engine::{BuildTrace, Engine, Progress};
use crate::fixture::has_file;
use crate::mirror::recording::{Damage, Recording};
use crate::mirror::{self, Config, Kind, Mirror, Origin, Transfer, Upstream, synthetic};
use crate::suite::{LockSpec, NetworkMode, PhaseKind, Scenario};
use crate::units::{Bytes, hex};

/// The name of the lock files that are rewritten, wherever they lie in the context.
pub(super) const LOCK_FILE: &str = "uv.lock";

/// How many problems of downloads a failure tells of.
const SHOWN: usize = 5;

/// The recordings below a cache folder.
#[must_use]
pub fn recordings(cache: &std::path::Path) -> std::path::PathBuf {
    cache.join("recordings")
}

/// The generated packages below a cache folder.
#[must_use]
pub fn generated(cache: &std::path::Path) -> std::path::PathBuf {
    cache.join("synthetic")
}

impl<E: Engine> Session<'_, E> {
    /// The recording's name: the suite's and the variant's unless the suite has another.
    fn recording_name(&self) -> String {
        let suite = self.suite;
        let own = || {
            let variant = &suite.fixture.variant;
            let hyphen = if variant.is_empty() { "" } else { "-" };
            format!("{}{hyphen}{variant}", suite.name)
        };
        suite.network.recording.clone().unwrap_or_else(own)
    }

    /// Starts the mirror, unless the builds are to go upstream by themselves.
    pub(super) async fn start_mirror(&mut self) -> Result<(), RunError> {
        let network = &self.suite.network;
        if network.mode == NetworkMode::Upstream {
            "upstream".clone_into(&mut self.network.mode);
            return Ok(());
        }
        let folder = recordings(&self.settings.cache).join(self.recording_name());
        let recording = Arc::new(match network.mode {
            // Generated packages need no recording.
            NetworkMode::Replay if network.synthetic.is_none() => Recording::open(&folder)?,
            _ => Recording::create(&folder)?,
        });
        let mut replay = network.mode == NetworkMode::Replay;
        if network.mode == NetworkMode::Auto {
            let wanted = self.recording_keys()?;
            replay = wanted.values().all(|key| recording.is_complete(key));
        }
        let named = self.suite.network.index.is_some() || self.settings.index.is_some();
        // A lock file that is not made by us leads to the index that its maker used.
        let own_lock = || has_file(&self.suite.fixture, LOCK_FILE);
        if self.client_index.is_none() && needs_client_index(replay, named, own_lock) {
            self.client_index = self.ask_other_bases().await;
        }
        let upstream = if replay { None } else { self.upstream()? };
        let synthetic = self.generate().await?;
        let bind = self.mirror_addresses().await?;
        let mode = if replay {
            mirror::Mode::Replay
        } else {
            mirror::Mode::Record
        };
        let mirror = Mirror::start(Config {
            mode,
            recording,
            upstream,
            aliases: self.client_index.iter().cloned().collect(),
            synthetic,
            bind,
            host: mirror::HOST.to_owned(),
            port: mirror::PORT,
        })
        .await?;
        let recording = mirror.recording();
        let stats = recording.stats();
        let verb = if replay { "replaying" } else { "recording into" };
        self.note(format!(
            "{verb} {} ({} downloads, {})",
            recording.name(),
            stats.entries,
            stats.size
        ));
        for damage in self.check_recording(&mirror).await? {
            let what = damage
                .key
                .map_or_else(|| "a lock file".to_owned(), |key| key.to_string());
            self.note(format!(
                "warning: the recording of {what} is damaged: {}",
                damage.reason
            ));
        }
        self.network = NetworkHead {
            mode: if replay { "replay" } else { "record" }.to_owned(),
            recording: Some(RecordingHead {
                name: recording.name(),
                digest: if replay { recording.digest() } else { String::new() },
                entries: stats.entries,
                size: stats.size,
            }),
            synthetic: self.synthetic().map(|spec| spec.to_string()),
        };
        self.mirror = Some(mirror);
        Ok(())
    }

    /// The index to record from: what the suite or the command line names, else what the user's package clients are
    /// configured for, else what the base image's own client would use.
    fn upstream(&self) -> Result<Option<Upstream>, RunError> {
        if let Some(index) = &self.suite.network.index {
            return Ok(Some(Upstream::new(index, "[network] index or --index")?));
        }
        if let Some(configured) = &self.settings.index {
            return Ok(Some(configured.clone()));
        }
        let of_client = self.client_index.as_ref();
        Ok(of_client
            .map(|index| Upstream::new(index, "the base image's pip"))
            .transpose()?)
    }

    /// Checks the recording, and says how far that is: a large one takes a while.
    async fn check_recording(&self, mirror: &Mirror) -> Result<Vec<Damage>, RunError> {
        let (tell, mut told) = tokio::sync::watch::channel((Bytes(0), Bytes(0)));
        let checking = mirror.warm(move |read, all| {
            tell.send_replace((read, all));
        });
        tokio::pin!(checking);
        loop {
            tokio::select! {
                damaged = &mut checking => return Ok(damaged?),
                Ok(()) = told.changed() => {
                    let (read, all) = *told.borrow_and_update();
                    self.progress(Progress::Note(format!("checking the recording, {read} of {all}")));
                }
            }
        }
    }

    /// The index that the pip of some base image uses by default, where no base has the role of Python.
    async fn ask_other_bases(&self) -> Option<String> {
        for base in self
            .bases
            .values()
            .filter(|base| !matches!(base.role.as_str(), "registry" | "uv"))
        {
            // An image without Python or pip has none, and needs none.
            if let Ok((_, Some(index), _)) = self.look_into_python(&base.used).await {
                return Some(index);
            }
        }
        None
    }

    fn synthetic(&self) -> Option<synthetic::Spec> {
        let spec = self.suite.network.synthetic?;
        Some(synthetic::Spec {
            packages: spec.packages,
            files: spec.files,
            bytes: spec.bytes.0,
            depth: spec.depth,
            seed: spec.seed,
        })
    }

    /// The generated packages, made now if they are not in the cache.
    async fn generate(&self) -> Result<Option<synthetic::Catalogue>, RunError> {
        let Some(spec) = self.synthetic() else {
            return Ok(None);
        };
        self.note(format!("generating {spec}"));
        let folder = generated(&self.settings.cache).join(spec.key());
        let made = tokio::task::spawn_blocking(move || synthetic::generate(&spec, &folder, &|_, _| {})).await;
        match made {
            Ok(made) => Ok(Some(made?)),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// For each scenario, what its downloads depend on, as far as that can be told: the Dockerfile, its arguments and base
    /// images, the architecture, the generated packages, and before each build the files of the context that name
    /// dependencies.
    fn recording_keys(&self) -> Result<BTreeMap<String, String>, RunError> {
        let mut states = String::new();
        let workspace = self.workspace()?;
        for spec in self.suite.journey.iter().filter(|spec| spec.kind == PhaseKind::Build) {
            let edits = self.edits(spec);
            let times = if edits.is_empty() { 1 } else { self.settings.repeats };
            for time in 0..times {
                workspace.edit(&edits, time)?;
                states.push_str(&format!(
                    "{} {}\n",
                    workspace.lock_key()?,
                    workspace.dependencies_key()?
                ));
            }
        }
        let keys = self
            .suite
            .scenarios
            .iter()
            .map(|scenario| (scenario.name.clone(), self.recording_key(scenario, &states)));
        Ok(keys.collect())
    }

    fn recording_key(&self, scenario: &Scenario, states: &str) -> String {
        let text = format!(
            "{}\n{:?}\n{:?}\n{:?}\n{}\n{}\n{states}",
            scenario.dockerfile.text(),
            self.build_args(scenario),
            scenario.target,
            scenario.platform,
            std::env::consts::ARCH,
            self.synthetic().map(|spec| spec.key()).unwrap_or_default(),
        );
        hex(&Sha256::digest(text))
    }

    /// Remembers that all that a scenario needs has been recorded, once downloads that still go on have ended.
    pub(super) async fn recorded(&self, scenario: &Scenario) -> Result<(), RunError> {
        let Some(mirror) = self
            .mirror
            .as_ref()
            .filter(|mirror| mirror.mode() == mirror::Mode::Record)
        else {
            return Ok(());
        };
        if !mirror.settled().await {
            return Ok(());
        }
        if let Some(key) = self.recording_keys()?.get(&scenario.name) {
            mirror.recording().mark_complete(key)?;
        }
        Ok(())
    }

    /// `NAME:ADDRESS` of the mirror, for the hosts of a container of the host's engine.
    pub(super) fn extra_hosts(&self) -> Vec<String> {
        let entry = |mirror: &Mirror| mirror.extra_host(mirror.address().ip());
        self.mirror.iter().map(entry).collect()
    }

    /// The same for containers that reach the host at this address.
    pub(super) fn extra_hosts_at(&self, gateway: Option<IpAddr>) -> Vec<String> {
        let entry = |mirror: &Mirror| Some(mirror.extra_host(gateway?));
        self.mirror.iter().filter_map(entry).collect()
    }

    /// What makes two runs incomparable: the mode, and the link that all scenarios have.
    pub(super) fn network_identity(&self) -> String {
        let mode = &self.network.mode;
        let is_factor = |scenario: &Scenario| scenario.factors.iter().any(|(factor, _)| factor == "link");
        let is_factor = self.suite.scenarios.iter().any(is_factor);
        let links: BTreeSet<_> = self.suite.scenarios.iter().map(|scenario| scenario.link).collect();
        match links.first() {
            Some(link) if links.len() == 1 && link.is_shaped() && self.mirror.is_some() && !is_factor => {
                format!("{mode} over {link}")
            }
            // Where it is a factor, the scenarios' names have it.
            _ => mode.clone(),
        }
    }

    pub(super) fn recording_digest(&self) -> String {
        let recording = self.network.recording.as_ref();
        recording.map(|recording| recording.digest.clone()).unwrap_or_default()
    }

    /// Takes what a build has downloaded, joins it to the build's steps, and fails the phase if something was refused.
    ///
    /// Behind an isolated engine all containers have its address.
    pub(super) async fn account(&self, record: &mut PhaseRecord, isolated: bool) {
        let Some(mirror) = &self.mirror else { return };
        let transfers = mirror.transfers().await;
        let steps = record.build.as_ref().map_or(&[][..], |trace| &trace.steps);
        let transfers = attribute(transfers, steps, !isolated);
        let told = problems(&transfers, record.build.as_ref());
        record.transfers = Some(transfers);
        let hermetic = mirror.mode() == mirror::Mode::Record || !record.was_refused();
        blame(&mut record.outcome, &told, hermetic);
    }

    /// What the making of a lock file asked for: in replay nothing may have been refused.
    pub(super) async fn account_aside(&self, lock: &LockSpec) -> Result<(), RunError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        let transfers = mirror.transfers().await;
        let mut problems = transfers.into_iter().filter_map(|transfer| transfer.problem);
        match problems.next() {
            Some(problem) if mirror.mode() == mirror::Mode::Replay => Err(RunError::LockRefused {
                file: lock.file.clone(),
                problem,
            }),
            _ => Ok(()),
        }
    }
}

impl PhaseRecord {
    /// Whether the mirror refused something that the build asked for.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        let mut asked = self.transfers.iter().flatten();
        asked.any(|asked| asked.transfer.origin == Origin::Refused)
    }
}

/// Says in a build's outcome what went wrong with its downloads. Of one that is not hermetic that comes first, however else it
/// ended: a client that was refused something mostly gives up, and its own words don't say what mends it.
fn blame(outcome: &mut Outcome, problems: &[String], hermetic: bool) {
    match outcome {
        Outcome::Failed(failure) if hermetic && !problems.is_empty() => {
            failure.message = format!("{}\n{}", failure.message, problems.join("\n"));
        }
        Outcome::Failed(failure) if !hermetic => {
            failure.message = format!(
                "not hermetic: {};\nthe build then failed: {}",
                problems.join(";\n"),
                failure.message
            );
        }
        Outcome::Measured | Outcome::Invalid(_) if !hermetic => {
            *outcome = Outcome::Failed(Failure {
                message: format!("not hermetic: {}", problems.join(";\n")),
                ..Failure::default()
            });
        }
        _ => {}
    }
}

/// Whether the index that the base image's pip uses by itself must be known: to record from it where none is named, and to
/// find its addresses in a lock file of the user's own, also where another index is named or replayed.
fn needs_client_index(replay: bool, named: bool, own_lock: impl FnOnce() -> bool) -> bool {
    !(replay || named) || own_lock()
}

/// Whether a replay can answer all that a build asked for: nothing went through a tunnel or was fetched by the builder itself,
/// nothing was refused or failed, and upstream's every answer was one to keep.
pub(super) fn is_replayable(record: &PhaseRecord, dockerfile: &Dockerfile) -> bool {
    let kept = |transfer: &Transfer| {
        transfer.origin != Origin::Upstream || matches!(transfer.status, 200 | 206 | 304 | 404 | 410)
    };
    let mut asked = record.transfers.iter().flatten().map(|asked| &asked.transfer);
    let mut steps = record.build.iter().flat_map(|build| &build.steps);
    asked.all(|transfer| transfer.kind != Kind::Tunnel && transfer.problem.is_none() && kept(transfer))
        && steps.all(|step| dockerfile.remote_sources(&step.name).is_empty())
}

/// The first problems, each once, with the step that asked; what was refused before what failed.
fn problems(transfers: &[StepTransfer], trace: Option<&BuildTrace>) -> Vec<String> {
    let mut told = Vec::new();
    let mut transfers: Vec<_> = transfers.iter().collect();
    transfers.sort_by_key(|asked| asked.transfer.origin != Origin::Refused);
    for asked in transfers {
        let Some(problem) = &asked.transfer.problem else {
            continue;
        };
        let step = match &asked.step {
            Asker::Step(id) => trace.and_then(|trace| trace.steps.iter().find(|step| step.id == *id)),
            Asker::Ambiguous | Asker::Unknown => None,
        };
        let who = step.map_or_else(|| "a step".to_owned(), |step| format!("the step {:?}", step.name));
        let refused = asked.transfer.origin == Origin::Refused;
        let what = if refused {
            "asked for what can't be replayed"
        } else {
            "did not get what it asked for"
        };
        let text = format!("{who} {what}: {problem}");
        if !told.contains(&text) {
            told.push(text);
        }
    }
    let more = told.len().saturating_sub(SHOWN);
    told.truncate(SHOWN);
    if more > 0 {
        told.push(format!("… and {more} more"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(message: &str) -> Outcome {
        Outcome::Failed(Failure {
            message: message.to_owned(),
            step: Some("RUN pip".to_owned()),
            ..Failure::default()
        })
    }

    fn blamed(mut outcome: Outcome, problems: &[&str], hermetic: bool) -> Outcome {
        let problems: Vec<String> = problems.iter().map(|&problem| problem.to_owned()).collect();
        blame(&mut outcome, &problems, hermetic);
        outcome
    }

    #[test]
    fn what_is_not_hermetic_fails_for_that_however_it_ended() {
        let problems = ["a step asked for x", "a step asked for y"];
        let told = "not hermetic: a step asked for x;\na step asked for y";
        let expected = failed(&format!("{told};\nthe build then failed: exit code: 1"));
        assert_eq!(blamed(failed("exit code: 1"), &problems, false), expected);
        for ended in [
            Outcome::Measured,
            Outcome::Invalid(vec!["a step was cached".to_owned()]),
        ] {
            assert_eq!(blamed(ended, &problems, false).reason().as_deref(), Some(told));
        }
    }

    #[test]
    fn the_base_images_index_is_asked_for_where_it_is_recorded_from_or_a_lock_file_may_name_it() {
        for (replay, named, own_lock, expected) in [
            (false, false, false, true),
            (false, true, false, false),
            (true, false, false, false),
            (false, true, true, true),
            (true, true, true, true),
        ] {
            assert_eq!(
                needs_client_index(replay, named, || own_lock),
                expected,
                "{replay} {named} {own_lock}"
            );
        }
    }

    #[test]
    fn a_hermetic_build_that_failed_says_what_its_downloads_lacked() {
        assert_eq!(
            blamed(failed("exit code: 1"), &["a: 502"], true),
            failed("exit code: 1\na: 502")
        );
        assert_eq!(blamed(failed("exit code: 1"), &[], true), failed("exit code: 1"));
        assert_eq!(blamed(Outcome::Measured, &["a: 502"], true), Outcome::Measured);
    }
}
