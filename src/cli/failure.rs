//! What the user sees when something failed: the error, its causes, a hint, and the exit code of its kind.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;

use super::export::SendError;
use crate::analysis::CompareError;
use crate::engine::EngineError;
use crate::engine::docker::DockerEngine;
use crate::engine::endpoint::EngineEndpoint;
use crate::engine::lock::LockError;
use crate::environment::doctor::reach_engine;
use crate::gate::{GateError, PolicyError};
use crate::history::HistoryError;
use crate::images::ImagesError;
use crate::journal::JournalError;
use crate::mirror::recording::RecordingError;
use crate::mirror::synthetic::SyntheticError;
use crate::mirror::{MirrorError, UpstreamError};
use crate::report::ReportError;
use crate::report::export::ExportError;
use crate::runner::RunError;
use crate::suite::SuiteError;
use crate::units::Bytes;

/// Why the program ends with a code other than zero.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Suite(#[from] SuiteError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("run {0} has no two scenarios of which the same was measured")]
    NothingToCompare(String),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("the history {} holds no such series", .0.display())]
    NoSeries(PathBuf),
    #[error("run {0} is not finished")]
    UnfinishedRun(String),
    #[error("reading {}: {source}", path.display())]
    Input { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Mirror(MirrorError),
    #[error("there is no recording {name:?} in {}{}", folder.display(), listed(known))]
    NoSuchRecording {
        name: String,
        folder: PathBuf,
        known: Vec<String>,
        nearest: Option<String>,
    },
    #[error("the run has no {what} {name:?}; it has {}", known.join(", "))]
    NotInRun {
        what: &'static str,
        name: String,
        known: Vec<String>,
        nearest: Option<String>,
    },
    #[error("no {what} of {scenarios} was measured")]
    NothingMeasured { what: String, scenarios: String },
    #[error("there are no recordings in {}", .0.display())]
    NoRecordings(PathBuf),
    #[error("there are several recordings: {}", .0.join(", "))]
    WhichRecording(Vec<String>),
    #[error("in use by a run: {}", .0.join(", "))]
    InUse(Vec<String>),
    #[error("there is a recording {0:?} already")]
    RecordingExists(String),
    #[error("a recording can't be named {name:?}; {expected}")]
    RecordingName { name: String, expected: String },
    #[error("{} exists", .0.display())]
    FileExists(PathBuf),
    #[error("it is not known which package index to record from")]
    NoIndex,
    #[error("{0} recorded things are damaged")]
    Damaged(usize),
    #[error("{free} are free where the engine keeps its data, and a trial of this suite needs about {needed}")]
    Disk { free: Bytes, needed: Bytes },
    #[error("the engine at {0} is on another machine, and bakeoff can only use one of this machine")]
    Remote(Box<EngineEndpoint>),
    #[error("there is no folder for caches: {0}")]
    NoHome(#[from] etcetera::HomeDirError),
    #[error("{operation}: {source}")]
    Output {
        operation: &'static str,
        source: std::io::Error,
    },
    #[error("some cells of the table have no figure, because phases failed or were invalid")]
    FailedPhases { hermetic: bool },
    #[error("probing the disk: nothing can be written into {}", folder.display())]
    Probe { folder: PathBuf, source: std::io::Error },
    #[error("{count} of {all} checks failed")]
    Unwell { count: usize, all: usize },
    #[error("the run can't go on, because it would be another one: {}", .0.join("; "))]
    Different(Vec<String>),
    #[error("the journal's option {name}: {reason}")]
    Option { name: &'static str, reason: String },
    #[error("interrupted")]
    Interrupted,
    /// With the command that goes on with the run.
    #[error("interrupted")]
    InterruptedRun(String),
    #[error("some things could not be removed:\n{}", .0.join("\n"))]
    LeftOver(Vec<String>),
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::Gate(error.into())
    }
}

impl Failure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Suite(_)
            | Self::Upstream(_)
            | Self::Different(_)
            | Self::Gate(GateError::Policy(PolicyError::Wrong { .. })) => 3,
            Self::Engine(error) => engine_code(error),
            Self::Disk { .. }
            | Self::Remote(_)
            | Self::Lock(LockError::Busy { .. })
            | Self::Journal(JournalError::Busy { .. })
            | Self::Unwell { .. }
            | Self::NoSuchRecording { .. }
            | Self::NoRecordings(_)
            | Self::InUse(_)
            | Self::Mirror(_) => 4,
            Self::Run(error) => match error {
                RunError::Engine(error) => engine_code(error),
                RunError::Images(_)
                | RunError::Python { .. }
                | RunError::Registry { .. }
                | RunError::NoBridge(_)
                | RunError::Triggers { .. }
                | RunError::EngineVersion { .. }
                | RunError::ImageStore { .. }
                | RunError::Compression { .. }
                | RunError::OtherMachine(_)
                | RunError::Mirror(
                    MirrorError::Listen { .. } | MirrorError::Public(_) | MirrorError::Client(_) | MirrorError::Died(_),
                ) => 4,
                RunError::Fixture(_)
                | RunError::Dockerfile { .. }
                | RunError::Context(_)
                | RunError::Ignore(_)
                | RunError::Upstream(_)
                | RunError::Platform { .. } => 3,
                RunError::Recording(error) | RunError::Mirror(MirrorError::Recording(error)) => recording_code(error),
                RunError::Lock { .. } | RunError::LockRefused { .. } => 5,
                RunError::Grant { .. } => 2,
                RunError::Interrupted => 130,
                RunError::Synthetic(_) | RunError::Stopped => 1,
            },
            Self::FailedPhases { .. } => 5,
            Self::Interrupted | Self::InterruptedRun(_) => 130,
            Self::Recording(error) => recording_code(error),
            Self::Export(error) => match error {
                ExportError::OneRun { .. } | ExportError::Twice(_) | ExportError::OtherSeries { .. } => 2,
                ExportError::NothingMeasured(_)
                | ExportError::NothingHappened(_)
                | ExportError::Encode { .. }
                | ExportError::Write { .. } => 1,
            },
            Self::Compare(
                CompareError::OtherSuite(_)
                | CompareError::OtherMachine(_)
                | CompareError::UnknownScenario { .. }
                | CompareError::AmbiguousScenario { .. }
                | CompareError::NoSecondScenario { .. },
            )
            | Self::Send(SendError::Setting { .. } | SendError::Format(_))
            | Self::WhichRecording(_)
            | Self::RecordingName { .. }
            | Self::NoIndex
            | Self::NotInRun { .. } => 2,
            Self::Send(
                SendError::Unreachable { .. }
                | SendError::Refused { .. }
                | SendError::Unreadable { .. }
                | SendError::Partial { .. },
            )
            | Self::RecordingExists(_)
            | Self::FileExists(_)
            | Self::Damaged(_)
            | Self::Journal(_)
            | Self::History(_)
            | Self::Compare(CompareError::Nothing)
            | Self::NothingToCompare(_)
            | Self::NoSeries(_)
            | Self::Gate(GateError::History(_) | GateError::Policy(PolicyError::File { .. }))
            | Self::UnfinishedRun(_)
            | Self::Probe { .. }
            | Self::Input { .. }
            | Self::Report(_)
            | Self::Lock(LockError::File { .. })
            | Self::NoHome(_)
            | Self::Output { .. }
            | Self::LeftOver(_)
            | Self::NothingMeasured { .. }
            | Self::Option { .. } => 1,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Suite(error) => error.hint(),
            Self::Engine(error) => engine_hint(error),
            Self::Run(error) => run_hint(error),
            Self::Journal(error) => error.hint(),
            Self::History(error) | Self::Gate(GateError::History(error)) => error.hint(),
            Self::Gate(GateError::Policy(error)) => Some(error.hint().into()),
            Self::Compare(error) => error.hint(),
            Self::NothingToCompare(_) => Some(
                "measure two scenarios or more, each in rounds that count; `bakeoff report` shows what the run measured".into(),
            ),
            Self::NoSeries(_) => Some("`bakeoff history list` shows what it holds, and of which branches".into()),
            Self::InterruptedRun(command) => Some(format!("finished trials are kept: `{command}` goes on after them")),
            Self::UnfinishedRun(run) => Some(format!("`bakeoff run --resume {run}` goes on with it")),
            Self::Recording(error) | Self::Mirror(MirrorError::Recording(error)) => Some(recording_hint(error)),
            Self::NoSuchRecording {
                nearest: Some(near), ..
            }
            | Self::NotInRun {
                nearest: Some(near), ..
            } => Some(format!("did you mean {near:?}?")),
            Self::NoSuchRecording { .. } | Self::NoRecordings(_) => Some(MAKE_RECORDING.into()),
            Self::WhichRecording(_) => Some("choose one with --recording".into()),
            Self::RecordingName { .. } => {
                Some("choose such a name; `bakeoff mirror import` takes one with --recording".into())
            }
            Self::RecordingExists(name) => Some(format!(
                "choose another name with --recording, or remove it: `bakeoff mirror prune --all {name}`"
            )),
            Self::InUse(_) => Some("wait for the run, or for `bakeoff mirror serve`, to end; then prune again".into()),
            Self::FileExists(_) => Some("--force replaces it".into()),
            Self::NoIndex => Some("name one with --index, or configure your pip or uv".into()),
            Self::Damaged(_) => Some(
                "`bakeoff mirror prune` removes what is damaged; a run with `--network record` fetches it again".into(),
            ),
            Self::Mirror(MirrorError::Public(_)) => {
                Some("choose loopback or a private network's address with --listen, such as 127.0.0.1:7380".into())
            }
            Self::Mirror(_) => Some("choose an address of this machine with --listen, such as 127.0.0.1:7380".into()),
            Self::Upstream(_) => Some("correct it there, or name an index with --index".into()),
            Self::Lock(LockError::Busy { .. }) => {
                Some("wait for it to end; two runs at a time would measure each other".into())
            }
            Self::Remote(_) => Some(
                "run bakeoff on that machine, or choose an engine of this one with DOCKER_HOST: its registry and the \
                 images that it starts are asked on 127.0.0.1, builds ask the mirror here, and only there can be seen \
                 whether another run uses it"
                    .into(),
            ),
            Self::Disk { .. } => Some("free some space, or choose a smaller fixture with --fixture".into()),
            Self::Probe { .. } => Some("free some space, or name another folder for caches with XDG_CACHE_HOME".into()),
            Self::FailedPhases { hermetic: false } => {
                Some("run with --network record to add what is missing, or see docs/network.md".into())
            }
            Self::FailedPhases { hermetic: true } => {
                Some("the notes above say why; full logs lie in the run's folder under logs/".into())
            }
            Self::Different(_) => Some(
                "put them back as they were, or start a new run; `bakeoff report` shows what this one measured".into(),
            ),
            Self::LeftOver(_) => Some("end what uses them, then run `bakeoff clean` again".into()),
            Self::NoHome(_) => Some("set HOME or XDG_CACHE_HOME".into()),
            Self::Export(error) => export_hint(error),
            Self::Send(error) => error.hint(),
            Self::NothingMeasured { .. } => Some("`bakeoff report` says why".into()),
            Self::NotInRun { .. }
            | Self::Input { .. }
            | Self::Report(_)
            | Self::Lock(LockError::File { .. })
            | Self::Output { .. }
            | Self::Unwell { .. }
            | Self::Option { .. }
            | Self::Interrupted => None,
        }
    }

    /// Prints `error: …`, the causes, a blank line and `hint: …` on standard error.
    pub(super) fn print(&self) {
        let mut out = std::io::stderr().lock();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (red, cyan, off) = if out.is_terminal() && !plain {
            ("\x1b[1;31m", "\x1b[36m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let mut text = format!("{red}error:{off} {self}\n");
        let mut cause = std::error::Error::source(self);
        let mut said = self.to_string();
        while let Some(error) = cause {
            let more = error.to_string();
            if !said.contains(&more) {
                text.push_str(&format!("  caused by: {more}\n"));
                said = more;
            }
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str(&format!("\n{cyan}hint:{off} {hint}\n"));
        }
        // There is nowhere left to complain to.
        let _ = out.write_all(text.as_bytes());
    }
}

/// Where recordings come from.
const MAKE_RECORDING: &str = "a run with `--network record` makes one, `bakeoff mirror import` takes one from a file";

/// What there is instead, for the end of a message.
fn listed(known: &[String]) -> String {
    if known.is_empty() {
        return ", nor any other".to_owned();
    }
    format!(
        "; there {} {}",
        if known.len() == 1 { "is" } else { "are" },
        known.join(", ")
    )
}

/// Refuses an engine that is on another machine.
pub(super) fn require_local(engine: &DockerEngine) -> Result<(), Failure> {
    if engine.endpoint().is_local() {
        Ok(())
    } else {
        Err(Failure::Remote(Box::new(engine.endpoint().clone())))
    }
}

fn run_hint(error: &RunError) -> Option<String> {
    match error {
        RunError::Engine(error) => engine_hint(error),
        RunError::Images(error) => images_hint(error),
        RunError::Lock { .. } => {
            Some("the package index must be reachable from containers: `bakeoff doctor` looks at the network".into())
        }
        RunError::LockRefused { .. } => Some("run with --network record to add what is missing".into()),
        RunError::OtherMachine(_) => Some(
            "go on where it began, or with --allow-different-machine: the report then says that figures of both \
                     stand side by side"
                .into(),
        ),
        RunError::Triggers { .. } => {
            Some("build on the image that it was made from, and do in the Dockerfile what its triggers do".into())
        }
        RunError::Grant { .. } => Some("the suite says where it comes from: secrets and ssh of [[scenario]]".into()),
        RunError::Platform { .. } => Some("measure it on an engine of that platform".into()),
        RunError::Python { .. } => Some("name an image with Python in the suite's [images]".into()),
        RunError::Recording(error) | RunError::Mirror(MirrorError::Recording(error)) => Some(recording_hint(error)),
        RunError::Mirror(MirrorError::Died(_)) => {
            Some("see that its address, its recording and file descriptors stay there while a run lasts".into())
        }
        RunError::Mirror(MirrorError::Client(_)) => {
            Some("a replay needs no way upstream; `--network upstream` measures without the mirror".into())
        }
        RunError::Mirror(MirrorError::Public(_)) => Some(
            "give the engine's bridge an address of a private network; `--network upstream` measures without the mirror"
                .into(),
        ),
        RunError::NoBridge(_) | RunError::Mirror(MirrorError::Listen { .. }) => Some(
            "the mirror listens on the engine's bridge, so the engine must run on this machine; \
                     `--network upstream` measures without it"
                .into(),
        ),
        RunError::Upstream(_) => Some("name an index with --index, as http:// or https:// address".into()),
        RunError::EngineVersion { .. } => Some(
            "`--engine isolated` takes the newest that can be had; other versions need a container registry".into(),
        ),
        RunError::Compression { .. } => Some(
            "give the scenario image_store = \"containerd\", in an isolated engine, or exclude the combination".into(),
        ),
        RunError::ImageStore { .. } => {
            Some("only isolated engines of version 26 or newer can be given an image store".into())
        }
        RunError::Synthetic(error) => Some(match error {
            SyntheticError::Folder { source, .. } | SyntheticError::Write { source, .. } => disk_hint(source),
            SyntheticError::Pack { .. } => disk_hint(&ErrorKind::Other.into()),
        }),
        RunError::Registry { .. } => Some("`bakeoff doctor` looks at engine and images".into()),
        RunError::Fixture(error) => error.hint(),
        RunError::Dockerfile { .. }
        | RunError::Context(_)
        | RunError::Ignore(_)
        // Before its first record: then nothing is kept.
        | RunError::Interrupted
        | RunError::Stopped => None,
    }
}

fn export_hint(error: &ExportError) -> Option<String> {
    match error {
        ExportError::OneRun { .. } => Some("export each by itself; only otava takes several".into()),
        ExportError::NothingMeasured(_) => {
            Some("`bakeoff report` says why; junit, github-step-summary, perfetto and otlp tell of failures too".into())
        }
        ExportError::NothingHappened(_) => Some("`bakeoff report` says why".into()),
        ExportError::Twice(_) => Some("name each run once".into()),
        ExportError::OtherSeries { machine: true, .. } => {
            Some("--allow-different-machine takes them for one series all the same".into())
        }
        ExportError::OtherSeries { machine: false, .. } => {
            Some("export the runs of each suite into a file of their own".into())
        }
        ExportError::Encode { .. } | ExportError::Write { .. } => None,
    }
}

fn recording_code(error: &RecordingError) -> u8 {
    match error {
        RecordingError::Absent { .. } | RecordingError::OtherIndex { .. } => 4,
        RecordingError::File { .. }
        | RecordingError::Manifest { .. }
        | RecordingError::Newer { .. }
        | RecordingError::Archive { .. } => 1,
    }
}

fn recording_hint(error: &RecordingError) -> String {
    match error {
        RecordingError::Absent { .. } => MAKE_RECORDING.into(),
        RecordingError::OtherIndex { .. } => {
            "choose another recording with --recording, or the index that it was made from with --index".into()
        }
        RecordingError::Manifest { .. } => "import the recording again, or remove its folder and record anew".into(),
        RecordingError::Newer { .. } => "use the version of bakeoff that made it".into(),
        RecordingError::File { source, .. } => disk_hint(source),
        RecordingError::Archive { .. } => {
            "export it again where it came from; `bakeoff mirror prune` there removes what is damaged, and a run with \
             `--network record` fetches it again"
                .into()
        }
    }
}

/// What to do about a file of the cache, or of the user's, that can't be used.
fn disk_hint(source: &std::io::Error) -> String {
    match source.kind() {
        ErrorKind::StorageFull => "free some space there, or choose another folder for caches with XDG_CACHE_HOME",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "make it yours to read and write, or choose another folder for caches with XDG_CACHE_HOME"
        }
        ErrorKind::NotFound => "see whether the path is right; `bakeoff mirror stats` shows what there is",
        _ => "see whether disk and path are as they should be; XDG_CACHE_HOME chooses another folder for caches",
    }
    .to_owned()
}

/// A full disk on our side is no fault of the engine's.
fn engine_code(error: &EngineError) -> u8 {
    match error {
        EngineError::Unreachable { .. }
        | EngineError::Endpoint(_)
        | EngineError::Operation { .. }
        | EngineError::Protocol { .. } => 4,
        EngineError::File { .. } => 1,
    }
}

pub(super) fn engine_hint(error: &EngineError) -> Option<String> {
    match error {
        EngineError::Unreachable { address, .. } => Some(reach_engine(address).into()),
        EngineError::Endpoint(error) => Some(error.hint()),
        EngineError::Operation { .. } | EngineError::Protocol { .. } | EngineError::File { .. } => None,
    }
}

fn images_hint(error: &ImagesError) -> Option<String> {
    match error {
        ImagesError::Unavailable { real_only: true, .. } => {
            Some("drop `--base-images real` to measure with stand-ins where no registry can be reached".into())
        }
        ImagesError::Unavailable { .. } => {
            Some("make a registry reachable, or load the image into the engine (docker load)".into())
        }
        ImagesError::StandIn { remedy, .. } => Some(remedy.clone()),
        ImagesError::Engine(error) => engine_hint(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_for_what_went_wrong() {
        let (name, recorded, configured) = ("r".into(), "https://a.example".into(), "https://b.example".into());
        let other = RecordingError::OtherIndex {
            name,
            recorded,
            configured,
        };
        let (lock, told) = (|| PathBuf::from("uv.lock"), String::new);
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        let (operation, path) = ("writing", PathBuf::new());
        for (error, code, remedy) in [
            (RunError::Mirror(other.into()), 4, "--recording"),
            (
                RunError::Lock {
                    file: lock(),
                    reason: told(),
                },
                5,
                "bakeoff doctor",
            ),
            (
                RunError::LockRefused {
                    file: lock(),
                    problem: told(),
                },
                5,
                "--network record",
            ),
            (
                SyntheticError::Write {
                    path: path.clone(),
                    source: full(),
                }
                .into(),
                1,
                "free some space",
            ),
            (
                RecordingError::File {
                    operation,
                    path,
                    source: full(),
                }
                .into(),
                1,
                "free some space",
            ),
        ] {
            let failure = Failure::Run(error);
            let hint = failure.hint().unwrap_or_default();
            assert!(
                failure.exit_code() == code && hint.contains(remedy),
                "{failure}: {hint}"
            );
        }
        let run = Failure::InterruptedRun("bakeoff run --resume reports/runs/x".into());
        assert!(run.hint().is_some_and(|hint| hint.contains("reports/runs/x")));
    }
}
