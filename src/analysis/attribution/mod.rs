//! Where a build's time went: every step joined to its instruction, cold beside hot, the critical path, and what broke
//! the cache. From the journal alone; `docs/attribution.md` defines each figure and says where it ends. Not for: words
//! and layouts.

mod cause;
mod graph;
mod resources;
mod spans;
mod steps;
mod table;
#[cfg(test)]
mod tests;
mod trace;

use super::{Layers, Travelled};
use crate::dockerfile::Dockerfile;
use crate::journal::RunLog;
use crate::runner::event::{Outcome, PhaseHead, PhaseRecord, Round, ScenarioHead};
use crate::units::{Bytes, Nanos};
use trace::{Build, Joiner};

pub(super) use resources::of_phase as resources_of;
pub use resources::{PhaseUse, ResourceUse};
pub(super) use steps::StepReader;
pub(super) use table::reference;

/// Where the time of one scenario's builds went.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The scenario's full name.
    pub scenario: String,
    /// The Dockerfile as built.
    pub dockerfile: String,
    /// The builds, in the journey's order.
    pub builds: Vec<BuildTime>,
    /// The steps: those of instructions in the Dockerfile's order, then the builder's own in the order of the builds.
    pub rows: Vec<StepRow>,
    /// What made hot builds run anything again, by build.
    pub breaks: Vec<CacheBreak>,
    /// What the phases, pushes among them, used of the machine; `None` if the journal does not say.
    pub resources: Option<ResourceUse>,
    /// What its images consist of; `None` if the journal does not say.
    pub layers: Option<Layers>,
    /// What travelled in its phases, in the journey's order.
    pub travelled: Vec<Travelled>,
}

/// The whole of a build. All times are medians over the measured rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildTime {
    /// The phase's name.
    pub phase: String,
    /// The rounds in which it was measured. With none there is nothing to be told, and all else is zero.
    pub rounds: usize,
    /// The wall time.
    pub wall: Nanos,
    /// The time in which the builder told of no step.
    pub unattributed: Nanos,
    /// The length of the critical path.
    pub path: Nanos,
    /// The longest stretch between two steps in which the builder told of none, and the [row](Attribution::rows) of the
    /// step after it.
    pub gap: Option<(Nanos, usize)>,
}

/// One line of an attribution: an instruction, or something that the builder does by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// What it is.
    pub origin: Origin,
    /// What it was in each build.
    pub cells: Vec<StepCell>,
    /// Its timed parts, such as `exporting layers`, each with its time in each build.
    pub parts: Vec<(String, Vec<Option<Nanos>>)>,
}

/// Where a step comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An instruction of the Dockerfile.
    Instruction(InstructionRef),
    /// The builder itself: `exporting to image`.
    Builder(String),
}

/// An instruction of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionRef {
    /// Its first line, from 1.
    pub first_line: u32,
    /// Its last line.
    pub last_line: u32,
    /// Its stage: the name if it has one, else the number from 0.
    pub stage: String,
    /// The instruction in one line, without the mounts of a RUN.
    pub text: String,
}

/// What a step was in a build. Times are medians over the rounds in which it was told of.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCell {
    /// What became of it.
    pub state: StepState,
    /// Its time: what its intervals cover.
    pub time: Nanos,
    /// That as a share of the build's wall time, from 0 to 1. Steps run side by side, so shares may add up to more.
    pub share: f64,
    /// Whether it lay on the critical path in more than half of the rounds.
    pub critical: bool,
    /// How much shorter the critical path would be if the step took no time; the build can't get quicker by more.
    pub saved: Nanos,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// The builder did not tell of it, or did not need it.
    Absent,
    /// It came from the cache in every round.
    Cached,
    /// It ran in every round.
    Ran,
    /// It ran in so many of the rounds.
    Sometimes {
        /// In how many.
        ran: usize,
        /// The rounds in which it was told of.
        rounds: usize,
    },
}

/// What made a hot build run instructions again, and what that cost. Times are medians over the rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheBreak {
    /// The build's phase.
    pub phase: String,
    /// The edits before it.
    pub edits: Vec<String>,
    /// The files that those change; empty if the journal does not say.
    pub files: Vec<String>,
    /// The first instructions that ran again: nothing that they use did. Empty if nothing ran.
    pub roots: Vec<Root>,
    /// The rounds in which it was just these, and those in which the build was measured.
    pub rounds: (usize, usize),
    /// How many instructions ran again.
    pub reran: usize,
    /// The time that those cover.
    pub time: Nanos,
    /// The one that took the longest, and its time.
    pub costliest: Option<(InstructionRef, Nanos)>,
    /// The build's wall time.
    pub wall: Nanos,
    /// The time that exporting the image took.
    pub export: Nanos,
    /// The phase that pushed the image, and the bytes that the registry did not have before.
    pub pushed: Option<(String, Bytes)>,
}

/// A first instruction that ran again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The instruction.
    pub instruction: InstructionRef,
    /// What it takes from the build context, as paths or patterns; `.` is all of it.
    pub sources: Vec<String>,
    /// The changed files that are among those.
    pub files: Vec<String>,
}

/// Takes a run's builds apart, by scenario. Scenarios without a single measured build are left out.
#[must_use]
pub fn attributions(log: &RunLog) -> Vec<Attribution> {
    let scenarios = log.header.scenarios.iter();
    scenarios.filter_map(|scenario| attribution(log, scenario)).collect()
}

fn attribution(log: &RunLog, scenario: &ScenarioHead) -> Option<Attribution> {
    // It was parsed when it was built.
    let dockerfile = Dockerfile::parse(&scenario.dockerfile).ok();
    let mut joiner = Joiner::new(dockerfile.as_ref());
    let heads: Vec<&PhaseHead> = log.header.journey.iter().filter(|head| head.kind == "build").collect();
    let builds: Vec<Vec<Build>> = heads
        .iter()
        .map(|head| {
            let records = measured(log, scenario, &head.name);
            let traces = records.filter_map(|record| Some((record.build.as_ref()?, record.wall)));
            traces
                .map(|(trace, wall)| Build::of(trace, wall, &mut joiner))
                .collect()
        })
        .collect();
    // A builder that never said when anything ran leaves nothing to be told.
    let mut steps = builds.iter().flatten().flat_map(|build| &build.steps);
    if steps.all(|step| step.spans.is_empty()) {
        return None;
    }
    let table = table::Table::of(dockerfile.as_ref(), &heads, &builds);
    let hot = heads
        .iter()
        .zip(&builds)
        .filter(|(head, builds)| head.temperature == "hot" && !builds.is_empty());
    let breaks = hot
        .map(|(head, builds)| cause::of(log, scenario, dockerfile.as_ref(), head, builds))
        .collect();
    Some(Attribution {
        scenario: scenario.name.clone(),
        dockerfile: scenario.dockerfile.clone(),
        builds: table.builds,
        rows: table.rows,
        breaks,
        resources: resources::of(log, scenario),
        layers: super::layers::layers(log, scenario, dockerfile.as_ref()),
        travelled: super::travelled::travelled(log, scenario),
    })
}

/// The phases of this name that count: those of measured rounds in which it did what its name says.
pub(super) fn measured<'l>(
    log: &'l RunLog,
    scenario: &'l ScenarioHead,
    phase: &'l str,
) -> impl Iterator<Item = &'l PhaseRecord> {
    log.phases.iter().filter(move |record| {
        matches!(record.trial.round, Round::Measured(_))
            && record.outcome == Outcome::Measured
            && record.trial.scenario == scenario.name
            && record.phase == phase
    })
}

/// The middle of some times; of an even number the mean of the two in the middle.
pub(super) fn median(mut times: Vec<u64>) -> Nanos {
    times.sort_unstable();
    let middle = times.len() / 2;
    Nanos(match times.get(middle) {
        None => 0,
        Some(upper) if times.len() % 2 == 1 => *upper,
        Some(upper) => times[middle - 1].midpoint(*upper),
    })
}
