//! What a run tells: the only contract between doing and showing. The journal is one subscriber, the progress
//! display another. Not for: how any of it is written to disk (that is the journal's).

mod images;
mod travelled;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::engine::inventory::ThingKind;
use crate::engine::{BuildTrace, ImageDetails, PullTrace, PushTrace};
use crate::environment::Fingerprint;
use crate::environment::load::MachineLoad;
use crate::environment::noise::Noise;
use crate::mirror::Transfer;
use crate::units::{Bytes, Nanos, RunId};

pub use crate::plan::{Round, TrialKey};
pub use images::{ImageRecord, LayerOrigin, LayerRecord};
pub use travelled::{Blobs, RegistryTraffic, Travelled};

/// One thing that a run tells.
#[derive(Debug, Clone)]
pub enum RunEvent {
    /// The run begins; nothing has been measured yet.
    RunStarted(Box<RunHeader>),
    /// The run goes on after it had died or been interrupted.
    RunResumed(Box<Seam>),
    /// Unmeasured work before the first trial, for the progress display: `making the stand-in for python`.
    Preparing(String),
    /// A trial begins.
    TrialStarted(TrialKey),
    /// A phase begins (progress only).
    PhaseStarted {
        /// The trial.
        trial: TrialKey,
        /// The phase's name, or what is being prepared.
        phase: String,
        /// Whether it is one of the measured phases.
        measured: bool,
    },
    /// The builder or the registry reports progress (progress only).
    Progress(crate::engine::Progress),
    /// A measured phase ended, well or badly.
    PhaseFinished(Box<PhaseRecord>),
    /// A trial ended and was cleaned up.
    TrialFinished(TrialRecord),
    /// The run ended.
    RunFinished(RunEnd),
}

/// The first record of a run: everything that a reader needs to interpret the rest.
#[derive(Debug, Clone)]
pub struct RunHeader {
    /// The run's id.
    pub run: RunId,
    /// When it began.
    pub started: DateTime<Utc>,
    /// The version of bakeoff that measured.
    pub bakeoff_version: String,
    /// The suite's name.
    pub suite: String,
    /// The suite's description.
    pub description: String,
    /// The suite file's path, as the user gave it.
    pub suite_path: String,
    /// The suite file's text.
    pub suite_text: String,
    /// What the command line said in place of the suite and of defaults, and where the suite file lies as seen from the
    /// run's folder, by name: a run that goes on needs it. Never anything secret.
    pub options: BTreeMap<String, String>,
    /// Identifies the fixture's files; empty where nobody meant to go on with the run.
    pub fixture_digest: String,
    /// The patterns by which the user chose among the scenarios; empty for all.
    pub selected: Vec<String>,
    /// The fixture's name.
    pub fixture: String,
    /// The fixture's variant.
    pub variant: String,
    /// The seed of the order.
    pub seed: u64,
    /// Measured rounds planned.
    pub rounds: u32,
    /// Discarded rounds planned.
    pub warmup: u32,
    /// The scenarios, in the suite's order.
    pub scenarios: Vec<ScenarioHead>,
    /// The measured phases, in order.
    pub journey: Vec<PhaseHead>,
    /// The phases that comparisons answer together; empty for all.
    pub questions: Vec<String>,
    /// The order in which trials are planned.
    pub order: Vec<TrialKey>,
    /// The base images that were used.
    pub images: Vec<BaseImage>,
    /// How builds reached what they download.
    pub network: NetworkHead,
    /// The engines that the scenarios were measured in.
    pub engines: Vec<EngineHead>,
    /// The machine and the engine.
    pub fingerprint: Fingerprint,
    /// What the last probe of the machine's noise found; `None` if there was none since the machine's start.
    pub noise: Option<Noise>,
    /// Published figures to show beside the measured ones.
    pub published: Option<PublishedHead>,
}

/// Where a run went on after it had died or been interrupted. All of the unfinished trial is measured again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seam {
    /// When it went on.
    pub resumed: DateTime<Utc>,
    /// When its journal had last been written to before.
    pub stopped: DateTime<Utc>,
    /// The version of bakeoff that went on with it.
    pub bakeoff_version: String,
    /// The last trial that had ended; `None` if none had.
    pub after: Option<TrialKey>,
    /// The trial that had begun and not ended.
    pub again: Option<TrialKey>,
    /// How many of its phases had ended. They don't count.
    pub superseded: u32,
    /// Whether the journal's last line was cut off, and so was dropped.
    pub torn: bool,
    /// What of the machine, the engine and the base images is not as it was.
    pub changes: Vec<Change>,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What: `kernel`.
    pub what: String,
    /// As it was.
    pub before: String,
    /// As it is.
    pub now: String,
}

/// A scenario as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioHead {
    /// The full name.
    pub name: String,
    /// The name in the suite.
    pub base_name: String,
    /// The factor values that matter to it.
    pub factors: Vec<(String, String)>,
    /// `buildkit` or `classic`.
    pub builder: String,
    /// The Dockerfile as built.
    pub dockerfile: String,
    /// Build arguments, with values redacted unless the suite lists them as public.
    pub build_args: BTreeMap<String, String>,
    /// The link that its builds download over; empty without a mirror.
    pub link: String,
}

/// An engine that scenarios were measured in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineHead {
    /// What was asked for: `auto`, `host`, `isolated:28`; `pull` for the engine that images are pulled onto, where
    /// that is none of the others.
    pub choice: String,
    /// What that was: `host` or `isolated`.
    pub kind: String,
    /// Its full version.
    pub version: String,
    /// Its API version.
    pub api_version: String,
    /// `overlay2`, …
    pub storage_driver: String,
    /// `graphdriver` or `containerd`.
    pub image_store: String,
    /// Why `auto` is the host's engine, if it is.
    pub fallback: Option<String>,
}

/// How builds reached what they download.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkHead {
    /// `upstream`, `record` or `replay`.
    pub mode: String,
    /// The recording that was replayed or added to; `None` where builds went upstream by themselves.
    pub recording: Option<RecordingHead>,
    /// The generated packages that were served beside it: `200 packages of 40 files, 2.0 MB each, depth 3, seed 1`.
    pub synthetic: Option<String>,
}

/// A recording as it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingHead {
    /// Its name.
    pub name: String,
    /// Identifies its content: two runs with the same digest replayed the same bytes. Empty while it is being recorded.
    pub digest: String,
    /// What it holds.
    pub entries: u64,
    /// Their size.
    pub size: Bytes,
}

/// A measured phase as the journal knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseHead {
    /// Its name, a row of the table.
    pub name: String,
    /// `build`, `push`, `pull` or `start`.
    pub kind: String,
    /// The image it makes, pushes, pulls or starts.
    pub image: String,
    /// `cold`, `hot` or `noop`.
    pub temperature: String,
    /// The edits before it.
    pub edits: Vec<String>,
    /// The files of the context that those change, also by way of a lock file; empty in old journals.
    pub files: Vec<String>,
}

/// A base image that a run used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its role, or its reference where a Dockerfile names it without a role.
    pub role: String,
    /// The public reference that was asked for.
    pub reference: String,
    /// The image that was used.
    pub used: String,
    /// Its id.
    pub id: String,
    /// Whether it is a stand-in made on this machine; absolute figures then don't compare with published ones.
    pub stand_in: bool,
    /// Whether the host's CA bundle was laid over it.
    pub host_ca: bool,
}

/// Published figures as the journal knows them: row, then scenario, to seconds or bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedHead {
    /// Who, where, when.
    pub source: String,
    /// Times by phase and scenario base name.
    pub times: BTreeMap<String, BTreeMap<String, Nanos>>,
    /// Sizes by row (`image size`) and scenario base name.
    pub sizes: BTreeMap<String, BTreeMap<String, Bytes>>,
}

/// A measured phase with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseRecord {
    /// The trial.
    pub trial: TrialKey,
    /// The phase's name.
    pub phase: String,
    /// When it began (wall clock, for people and for joining with other logs).
    pub started: DateTime<Utc>,
    /// Its time; for a failed phase the time until it failed.
    pub wall: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// The trace of a build.
    pub build: Option<BuildTrace>,
    /// The trace of a push.
    pub push: Option<PushTrace>,
    /// The trace of a pull.
    pub pull: Option<PullTrace>,
    /// The trace of a start.
    pub start: Option<StartTrace>,
    /// The image that a build made, or that a pull brought.
    pub image: Option<ImageDetails>,
    /// What the registry holds after a push.
    pub manifest: Option<Manifest>,
    /// What a build downloaded through the mirror, in the order in which it asked; `None` without a mirror.
    pub transfers: Option<Vec<StepTransfer>>,
    /// What else travelled; `None` in old journals, and where nothing was measured.
    pub travelled: Option<Travelled>,
    /// What it used of the machine; `None` if it did not end by itself, and in old journals.
    pub resources: Option<Resources>,
}

/// What an engine used of the machine during a phase.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// Processor time, of all processors together.
    pub cpu: Option<Nanos>,
    /// The most memory at once, with the files that the kernel kept in memory.
    pub peak_memory: Option<Bytes>,
    /// What was read from disks.
    pub disk_read: Option<Bytes>,
    /// What was sent to disks.
    pub disk_written: Option<Bytes>,
    /// What the whole machine did meanwhile, whoever made it; `None` in old journals, and where the kernel does not tell.
    pub machine: Option<MachineLoad>,
    /// Why what is missing is missing.
    pub absent: Vec<String>,
}

/// A start that ended well: the image proved that it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartTrace {
    /// The time from the request until the engine said that the container runs.
    pub running: Nanos,
    /// How often it was asked for an answer over HTTP; 0 where a command had to end.
    pub asked: u32,
}

/// A download with the step that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepTransfer {
    /// The step, by time and source.
    pub step: Asker,
    /// The download.
    pub transfer: Transfer,
}

/// Which step asked for a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// This one, by its [id](crate::engine::StepTrace::id).
    Step(String),
    /// One of several that ran at the time.
    Ambiguous,
    /// None that the builder told of.
    Unknown,
}

/// What a registry's manifest says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The manifest's digest.
    pub digest: String,
    /// Compressed layers: digest and size, lowest first.
    pub layers: Vec<(String, Bytes)>,
    /// Bytes of the layers that the registry did not have before this push.
    pub new_bytes: Bytes,
}

/// How a phase ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what its name says.
    Measured,
    /// It ran, but a manipulation check failed: shown with its reasons, not averaged.
    Invalid(Vec<String>),
    /// It failed.
    Failed(Failure),
    /// It was not tried, because a phase that it needs failed.
    Skipped(String),
}

impl Outcome {
    /// `measured`, `invalid`, `failed` or `skipped`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Invalid(_) => "invalid",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// Why it was not measured; `None` if it was.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Measured => None,
            Self::Invalid(reasons) => Some(reasons.join("; ")),
            Self::Failed(failure) => Some(failure.message.clone()),
            Self::Skipped(reason) => Some(reason.clone()),
        }
    }
}

/// Why a phase failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// The engine's words.
    pub message: String,
    /// The failing step's name.
    pub step: Option<String>,
    /// The Dockerfile's name and the first line of the failing instruction.
    pub line: Option<(String, u32)>,
    /// The last lines that the step wrote.
    pub last_lines: Vec<String>,
    /// Where the full log is kept, relative to the run's folder.
    pub log_file: Option<String>,
}

/// A trial's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialRecord {
    /// The trial.
    pub trial: TrialKey,
    /// Why it ended before its last phase, where something outside its phases failed: the engine, the registry, the mirror,
    /// a full disk.
    pub failed: Option<String>,
    /// The images that were started and worked.
    pub probed: Vec<String>,
    /// The images that were started and did not work, with the reason: no phase that made or pushed one counts.
    pub broken: Vec<(String, String)>,
    /// What its images consist of; empty in old journals, and if the trial did not come to its end.
    pub images: Vec<ImageRecord>,
    /// What was seen of the engine's cache while cleaning up.
    pub cleanup: Cleanup,
}

/// What a trial's clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleanup {
    /// Build-cache records removed, all of them of this trial.
    pub removed_records: u32,
    /// Bytes that this freed, as the engine says.
    pub freed: Bytes,
    /// New records that could not be told apart from somebody else's, and were left.
    pub left_records: u32,
    /// Their size.
    pub left_bytes: Bytes,
    /// What could not be removed, with the reason.
    pub problems: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// When.
    pub ended: DateTime<Utc>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// What the run did to the host's engine; `None` if the engine did not say, and in old journals.
    pub host: Option<HostProof>,
}

/// How what the host's engine held differed from before a run to after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostProof {
    /// Base images that are new, and stay for the next run.
    pub kept: Vec<HostThing>,
    /// Anything else that is new, whoever made it.
    pub added: Vec<HostThing>,
    /// What is gone, whoever removed it; what runs of bakeoff had left is not counted.
    pub removed: Vec<HostThing>,
    /// Build-cache records that are new.
    pub added_records: u32,
    /// Build-cache records that are gone.
    pub removed_records: u32,
}

/// Something in the host's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostThing {
    /// What it is.
    pub kind: ThingKind,
    /// Its name, or its id where it has none.
    pub name: String,
}
