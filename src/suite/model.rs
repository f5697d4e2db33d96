//! The valid suite: what the rest of the program works with. An invalid suite can't be expressed in these types
//! without going through `validate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dockerfile::Dockerfile;
use crate::engine::{Builder, Compression, EngineChoice, Grants, ImageStore};
use crate::units::{Bytes, Link, Nanos};

/// A validated suite: everything that a run needs to know, with every path resolved and every file read.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The suite's name; names runs and tables.
    pub name: String,
    /// One or two sentences for the head of reports; may be empty.
    pub description: String,
    /// The suite file's path as the user gave it.
    pub path: PathBuf,
    /// The suite file's text, for the journal.
    pub text: String,
    /// Measured rounds.
    pub rounds: u32,
    /// Discarded rounds before the measured ones.
    pub warmup: u32,
    /// Limit of one phase.
    pub timeout: Duration,
    /// Base images by role (`python`, `uv`, `registry`): the public reference.
    pub images: BTreeMap<String, String>,
    /// The project that is built.
    pub fixture: Fixture,
    /// All combinations, after `exclude` and after collapsing factors that change nothing.
    pub scenarios: Vec<Scenario>,
    /// The measured phases of every trial, in order.
    pub journey: Vec<PhaseSpec>,
    /// How each built image is proven to work; `None` starts nothing.
    pub probe: Option<Probe>,
    /// How long an image may take until it has proven that.
    pub probe_limit: Duration,
    /// Build arguments whose values may be written to disk; the values of all others are redacted there.
    pub public_args: Vec<String>,
    /// The phases that comparisons answer together; empty for all.
    pub questions: Vec<String>,
    /// Published figures to print beside the measured ones.
    pub published: Option<Published>,
    /// How builds reach what they download.
    pub network: Network,
}

impl Suite {
    /// The Dockerfiles of all scenarios, some of them several times.
    #[must_use]
    pub fn dockerfiles(&self) -> Vec<&Path> {
        let scenarios = self.scenarios.iter();
        scenarios.map(|scenario| scenario.dockerfile_path.as_path()).collect()
    }
}

/// How builds reach what they download.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Whether downloads are recorded, replayed, or left to the builds.
    pub mode: NetworkMode,
    /// The link of scenarios without one of their own.
    pub link: Link,
    /// The recording's name; `None` for one named after the suite and the fixture's variant.
    pub recording: Option<String>,
    /// The package index to record from; `None` for the one that the user's package clients are configured for. If the
    /// command line gave it, it may hold a password: never to be shown or written.
    pub index: Option<String>,
    /// Generated packages to serve.
    pub synthetic: Option<Synthetic>,
}

/// Where downloads come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NetworkMode {
    /// Replayed if all that the run needs was recorded, else recorded.
    #[default]
    Auto,
    /// From upstream what the recording lacks, which is added to it.
    Record,
    /// From the recording alone.
    Replay,
    /// The builds download by themselves: no mirror.
    Upstream,
}

impl NetworkMode {
    /// The mode of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Auto, Self::Record, Self::Replay, Self::Upstream];
        all.into_iter().find(|mode| mode.name() == name)
    }

    /// As suites and the command line have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Record => "record",
            Self::Replay => "replay",
            Self::Upstream => "upstream",
        }
    }
}

/// Generated packages, the same for the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synthetic {
    /// How many.
    pub packages: u32,
    /// Files in each.
    pub files: u32,
    /// The size of each one's files together, unpacked.
    pub bytes: Bytes,
    /// The longest chain of dependencies.
    pub depth: u32,
    /// What their content is made from.
    pub seed: u64,
}

/// A fixture: the build context with its edits, for one variant (size).
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The name in `fixture.toml`.
    pub name: String,
    /// The chosen variant, such as `light`; empty if the fixture has none.
    pub variant: String,
    /// The fixture's folder.
    pub root: PathBuf,
    /// Folders, relative to `root`, that are laid over each other, in order, to make the context; `.` alone if the
    /// fixture's folder itself is the context.
    pub layers: Vec<PathBuf>,
    /// Values that replace `@NAME@` in the files named by `templates`; `PYTHON_MINOR` is added by the runner.
    pub placeholders: BTreeMap<String, String>,
    /// Files (relative to the context) in which placeholders are replaced.
    pub templates: Vec<PathBuf>,
    /// The lock file that uv makes in the prepare phase, if the fixture has one.
    pub lock: Option<LockSpec>,
    /// Named, reversible changes of the context.
    pub edits: BTreeMap<String, Edit>,
    /// What one trial is expected to need at most, as measured by the fixture's author: disk on the engine's side.
    pub disk: Option<Bytes>,
    /// What one trial is expected to take, until this machine's own runs say better.
    pub trial_time: Option<Nanos>,
}

impl Fixture {
    /// The folders that are laid over each other, in order.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        // Without the dots of a bare folder, which messages would show.
        self.layers
            .iter()
            .map(|layer| self.root.join(layer).components().collect())
    }
}

/// A lock file that is made from the context by a pinned tool in the fixture's Python image.
#[derive(Debug, Clone)]
pub struct LockSpec {
    /// The lock file's path in the context (`uv.lock`).
    pub file: PathBuf,
    /// The files it depends on (`pyproject.toml`).
    pub inputs: Vec<PathBuf>,
    /// The command that makes it, run in the context folder (`uv lock`).
    pub command: Vec<String>,
}

/// A named, reversible change of the context.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Its name, such as `bump-light`.
    pub name: String,
    /// What it stands for in a developer's day; may be empty.
    pub description: String,
    /// The changes that make it up.
    pub changes: Vec<Change>,
}

/// One change in one file of the context.
#[derive(Debug, Clone)]
pub struct Change {
    /// The file, relative to the context.
    pub file: PathBuf,
    /// The text that must occur in it; in a template with the fixture's placeholders filled in (`@PYTHON_MINOR@` is
    /// left to the runner), as in `replace`.
    pub find: String,
    /// What replaces every occurrence: entry *k* (modulo their number) for the k-th application in one trial, so
    /// that a hot build can be repeated with an edit that the engine has not seen. `@N@` becomes *k*, from 1.
    pub replace: Vec<String>,
}

/// One way to build the fixture: a Dockerfile and a value for each factor that matters to it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The full name, such as `uv-single[cache_mounts=off]`.
    pub name: String,
    /// The name in the suite, such as `uv-single`.
    pub base_name: String,
    /// The factor values that this scenario has, in the order of the suite; collapsed factors are left out.
    pub factors: Vec<(String, String)>,
    /// The builder that builds it.
    pub builder: Builder,
    /// The Dockerfile as built (cache mounts removed where the factor says so).
    pub dockerfile: Dockerfile,
    /// Where the Dockerfile was read from.
    pub dockerfile_path: PathBuf,
    /// Build arguments of the scenario, without those that name base images.
    pub build_args: BTreeMap<String, String>,
    /// Build argument name to base image role (`PYTHON_IMAGE` to `python`), as far as the Dockerfile declares them.
    pub image_args: BTreeMap<String, String>,
    /// The stage to build, if not the last.
    pub target: Option<String>,
    /// The platform passed to the engine, if any.
    pub platform: Option<String>,
    /// What its builds may use beside their context.
    pub grants: Grants,
    /// The link over which its builds download.
    pub link: Link,
    /// The engine that it is measured in.
    pub engine: EngineChoice,
    /// Where that keeps images; `None` for the engine's own choice.
    pub image_store: Option<ImageStore>,
    /// How its layers are compressed in the build; `None` for the engine's own choice.
    pub compression: Option<Compression>,
    /// The first lines of the instructions whose layers a build that is not cold takes over from the cold image.
    pub reuse: Vec<u32>,
}

/// One measured phase of the journey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseSpec {
    /// Its name, a row of the table: `cold build`.
    pub name: String,
    /// What is done.
    pub kind: PhaseKind,
    /// The image it makes, pushes, pulls or starts: `cold`, `hot`.
    pub image: String,
    /// For builds: the edits that are applied to the context before the clock starts.
    pub edits: Vec<String>,
    /// What the engine, the registry or the pulling machine must not, or must, have had before.
    pub temperature: Temperature,
    /// What must be true of it when it has run.
    pub expect: Expect,
}

/// What must be true of a phase when it has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// How much was there already: of a build's steps in the cache, of a push's layers in the registry.
    pub cached: Cached,
    /// Whether the cache mounts of the steps that ran were new.
    pub empty_mounts: bool,
    /// Whether the files that the edits change differ from those of the cold build.
    pub changed: bool,
    /// Whether the layers that the scenario [reuses](Scenario::reuse) are those of the cold image.
    pub reuse: bool,
}

impl Expect {
    /// What follows from what a phase is, where the suite says nothing else.
    #[must_use]
    pub fn of(kind: PhaseKind, temperature: Temperature, has_edits: bool) -> Self {
        let is_build = kind == PhaseKind::Build;
        let cached = match (kind, temperature) {
            (PhaseKind::Build | PhaseKind::Push, Temperature::Cold) => Cached::None,
            (PhaseKind::Build, Temperature::Hot) => Cached::NotAll,
            (PhaseKind::Build, Temperature::Noop) => Cached::All,
            (PhaseKind::Push, Temperature::Hot | Temperature::Noop) => Cached::Some,
            (PhaseKind::Pull | PhaseKind::Start, _) => Cached::Any,
        };
        Self {
            cached,
            empty_mounts: is_build && temperature == Temperature::Cold,
            changed: is_build && temperature == Temperature::Hot && has_edits,
            reuse: is_build && temperature != Temperature::Cold,
        }
    }
}

/// How much of a build or a push was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cached {
    /// Nothing.
    None,
    /// Something, or everything.
    Some,
    /// Not everything, or nothing.
    NotAll,
    /// Everything.
    All,
    /// It doesn't matter.
    Any,
}

/// What a measured phase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseKind {
    /// Build an image.
    Build,
    /// Push an image to the trial's registry.
    Push,
    /// Pull an image from the trial's registry, onto a machine of its own.
    Pull,
    /// Start an image, until the suite's probe succeeds.
    Start,
}

impl PhaseKind {
    /// The name in suites and journals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Start => "start",
        }
    }
}

/// What a phase claims about the state before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Temperature {
    /// Nothing of this scenario exists: the first build or push of a trial, a pull onto an empty machine, the first start of
    /// an image.
    Cold,
    /// Built or pushed again after an edit, pulled onto a machine that has pulled before, started again.
    Hot,
    /// Done again with nothing changed: every step must be cached, every layer must be there.
    Noop,
}

/// How a built image is proven to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A command in the image that must exit with 0.
    Command(Vec<String>),
    /// The image's own command must answer an HTTP GET with a status below 400.
    Http {
        /// The port that the image listens on.
        port: u16,
        /// The path to get.
        path: String,
    },
}

/// Figures somebody published, for the same phases and scenarios.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Who, where, when.
    pub source: String,
    /// Row (a phase's name or `image size`), then scenario base name, to the figure.
    pub figures: BTreeMap<String, BTreeMap<String, PublishedFigure>>,
}

/// A published figure: seconds or bytes by the row that it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PublishedFigure {
    /// A time.
    Time(Nanos),
    /// A size.
    Size(Bytes),
}
