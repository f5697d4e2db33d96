//! Where the time went, for programs. `docs/attribution.md` defines each figure.

use serde::Serialize;

use super::layers::{self, OneImage, Travelled};
use crate::analysis::{self, InstructionRef, Origin, StepState};
use crate::report::attribution::sentence;
use crate::units::Nanos;

#[derive(Serialize)]
pub(super) struct Attribution<'a> {
    scenario: &'a str,
    dockerfile: &'a str,
    /// The builds, in the journey's order.
    builds: Vec<Build<'a>>,
    /// The steps; `builds` in each of them are in the same order as above.
    steps: Vec<Step<'a>>,
    cache_breaks: Vec<CacheBreak<'a>>,
    /// Layer by layer, the images of one round; empty if the journal does not tell of them.
    images: Vec<OneImage<'a>>,
    /// What travelled in the phases.
    travelled: Vec<Travelled<'a>>,
    /// Left out if the journal does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources<'a>>,
}

/// What the engine used of the machine.
#[derive(Serialize)]
pub(super) struct Resources<'a> {
    phases: Vec<PhaseUse<'a>>,
    /// Why what is `null` or left out is.
    absent: &'a [String],
}

#[derive(Serialize)]
struct PhaseUse<'a> {
    phase: &'a str,
    rounds: usize,
    cpu_seconds: Option<f64>,
    peak_memory_bytes: Option<u64>,
    disk_read_bytes: Option<u64>,
    disk_written_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Build<'a> {
    phase: &'a str,
    rounds: usize,
    seconds: f64,
    unattributed_seconds: f64,
    critical_path_seconds: f64,
    longest_gap: Option<Gap>,
}

#[derive(Serialize)]
struct Gap {
    seconds: f64,
    /// The place in `steps` of the one after it.
    before_step: usize,
}

#[derive(Serialize)]
struct Step<'a> {
    /// `null` for what the builder does by itself; `name` then says what.
    instruction: Option<Instruction<'a>>,
    name: Option<&'a str>,
    builds: Vec<InBuild>,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
pub(super) struct Instruction<'a> {
    first_line: u32,
    last_line: u32,
    stage: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct InBuild {
    /// `absent`, `cached`, `ran` or `sometimes`: it ran in some rounds.
    state: &'static str,
    seconds: f64,
    share: f64,
    critical: bool,
    /// By how much the critical path would be shorter if the step took no time.
    saved_seconds: f64,
}

#[derive(Serialize)]
struct Part<'a> {
    name: &'a str,
    /// By build; `null` where it had none.
    seconds: Vec<Option<f64>>,
}

#[derive(Serialize)]
struct CacheBreak<'a> {
    phase: &'a str,
    text: String,
    edits: &'a [String],
    /// The files that the edits change; empty if the journal does not say.
    files: &'a [String],
    /// The first instructions that ran again.
    roots: Vec<Root<'a>>,
    /// The rounds in which it was just these.
    rounds: usize,
    measured_rounds: usize,
    reran: usize,
    seconds: f64,
    export_seconds: f64,
    costliest: Option<Costliest<'a>>,
    pushed: Option<Pushed<'a>>,
}

#[derive(Serialize)]
struct Root<'a> {
    instruction: Instruction<'a>,
    /// What it takes from the context.
    sources: &'a [String],
    /// The changed files among those.
    files: &'a [String],
}

#[derive(Serialize)]
struct Costliest<'a> {
    instruction: Instruction<'a>,
    seconds: f64,
}

#[derive(Serialize)]
struct Pushed<'a> {
    phase: &'a str,
    new_bytes: u64,
}

pub(super) fn attribution(of: &analysis::Attribution) -> Attribution<'_> {
    Attribution {
        scenario: &of.scenario,
        dockerfile: &of.dockerfile,
        builds: of
            .builds
            .iter()
            .map(|build| Build {
                phase: &build.phase,
                rounds: build.rounds,
                seconds: build.wall.seconds(),
                unattributed_seconds: build.unattributed.seconds(),
                critical_path_seconds: build.path.seconds(),
                longest_gap: build.gap.map(|(time, before_step)| Gap {
                    seconds: time.seconds(),
                    before_step,
                }),
            })
            .collect(),
        steps: of.rows.iter().map(step).collect(),
        cache_breaks: of.breaks.iter().map(|broken| cache_break(of, broken)).collect(),
        images: of.layers.as_ref().map(layers::images).unwrap_or_default(),
        travelled: of.travelled.iter().map(layers::travelled).collect(),
        resources: of.resources.as_ref().map(resources),
    }
}

pub(super) fn resources(of: &analysis::ResourceUse) -> Resources<'_> {
    Resources {
        phases: of.phases.iter().map(phase_use).collect(),
        absent: &of.absent,
    }
}

fn phase_use(used: &analysis::PhaseUse) -> PhaseUse<'_> {
    PhaseUse {
        phase: &used.phase,
        rounds: used.rounds,
        cpu_seconds: used.cpu.map(Nanos::seconds),
        peak_memory_bytes: used.peak_memory.map(|size| size.0),
        disk_read_bytes: used.disk_read.map(|size| size.0),
        disk_written_bytes: used.disk_written.map(|size| size.0),
    }
}

pub(super) fn instruction(of: &InstructionRef) -> Instruction<'_> {
    Instruction {
        first_line: of.first_line,
        last_line: of.last_line,
        stage: &of.stage,
        text: &of.text,
    }
}

fn step(row: &analysis::StepRow) -> Step<'_> {
    let (instruction, name) = match &row.origin {
        Origin::Instruction(of) => (Some(instruction(of)), None),
        Origin::Builder(name) => (None, Some(name.as_str())),
    };
    let in_build = |cell: &analysis::StepCell| InBuild {
        state: match cell.state {
            StepState::Absent => "absent",
            StepState::Cached => "cached",
            StepState::Ran => "ran",
            StepState::Sometimes { .. } => "sometimes",
        },
        seconds: cell.time.seconds(),
        share: cell.share,
        critical: cell.critical,
        saved_seconds: cell.saved.seconds(),
    };
    Step {
        instruction,
        name,
        builds: row.cells.iter().map(in_build).collect(),
        parts: row
            .parts
            .iter()
            .map(|(name, times)| Part {
                name,
                seconds: times.iter().map(|time| time.map(Nanos::seconds)).collect(),
            })
            .collect(),
    }
}

fn cache_break<'a>(attribution: &analysis::Attribution, of: &'a analysis::CacheBreak) -> CacheBreak<'a> {
    CacheBreak {
        phase: &of.phase,
        text: sentence(attribution, of),
        edits: &of.edits,
        files: &of.files,
        roots: of
            .roots
            .iter()
            .map(|root| Root {
                instruction: instruction(&root.instruction),
                sources: &root.sources,
                files: &root.files,
            })
            .collect(),
        rounds: of.rounds.0,
        measured_rounds: of.rounds.1,
        reran: of.reran,
        seconds: of.time.seconds(),
        export_seconds: of.export.seconds(),
        costliest: of.costliest.as_ref().map(|(of, time)| Costliest {
            instruction: instruction(of),
            seconds: time.seconds(),
        }),
        pushed: of.pushed.as_ref().map(|(phase, bytes)| Pushed {
            phase,
            new_bytes: bytes.0,
        }),
    }
}
