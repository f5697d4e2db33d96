//! The rows of an attribution: what each step was in each build, over the rounds. Not for: single builds.

use std::collections::{HashMap, HashSet};

use super::spans::{self, Span};
use super::trace::{Build, Key, Step};
use super::{BuildTime, InstructionRef, Origin, StepCell, StepRow, StepState, median};
use crate::dockerfile::{Dockerfile, Instruction};
use crate::runner::event::PhaseHead;
use crate::units::Nanos;

/// The builds and the rows of an attribution.
pub(super) struct Table {
    pub builds: Vec<BuildTime>,
    pub rows: Vec<StepRow>,
}

/// What one row was in one build: usually one step. Several if a base's triggers belong to one FROM, or a builder loads
/// several things of a kind.
#[derive(Default)]
struct Told<'b> {
    steps: Vec<&'b Step>,
}

impl Told<'_> {
    fn time(&self) -> u64 {
        spans::covered(self.steps.iter().flat_map(|step| step.spans.iter().copied()).collect())
    }

    fn part(&self, name: &str) -> Option<u64> {
        let parts = self.steps.iter().flat_map(|step| &step.parts);
        let spans: Vec<Span> = parts.filter(|part| part.0 == name).map(|part| part.1).collect();
        (!spans.is_empty()).then(|| spans::covered(spans))
    }

    fn is_there(&self) -> bool {
        self.steps.iter().any(|step| step.cached || !step.spans.is_empty())
    }
}

impl Table {
    pub fn of(dockerfile: Option<&Dockerfile>, heads: &[&PhaseHead], builds: &[Vec<Build>]) -> Self {
        let keys = keys(builds);
        let rows_of: HashMap<&Key, usize> = keys.iter().enumerate().map(|(row, key)| (*key, row)).collect();
        // For each build and round what each row was.
        let told: Vec<Vec<Vec<Told>>> = builds
            .iter()
            .map(|rounds| rounds.iter().map(|build| gathered(build, &rows_of)).collect())
            .collect();
        let rows = keys.iter().enumerate().map(|(row, key)| StepRow {
            origin: origin(dockerfile, key),
            cells: builds
                .iter()
                .zip(&told)
                .map(|(rounds, told)| cell(rounds, told.iter().map(|rows| &rows[row]).collect()))
                .collect(),
            parts: parts(&told, row),
        });
        let rows = rows.collect();
        let whole = heads.iter().zip(builds).map(|(head, rounds)| BuildTime {
            phase: head.name.clone(),
            rounds: rounds.len(),
            wall: over(rounds, |build| build.wall),
            unattributed: over(rounds, |build| build.unattributed),
            path: over(rounds, |build| build.path),
            gap: gap(rounds, &rows_of),
        });
        Self {
            builds: whole.collect(),
            rows,
        }
    }
}

fn over(rounds: &[Build], read: impl Fn(&Build) -> u64) -> Nanos {
    median(rounds.iter().map(read).collect())
}

/// Every row there is: instructions in the Dockerfile's order, the builder's own by when they first began.
fn keys(builds: &[Vec<Build>]) -> Vec<&Key> {
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for build in builds.iter().flatten() {
        let mut steps: Vec<&Step> = build.steps.iter().collect();
        steps.sort_by_key(|step| step.spans.iter().min().map_or(u64::MAX, |span| span.0));
        keys.extend(steps.iter().map(|step| &step.key).filter(|key| seen.insert(*key)));
    }
    // Stable, so what the builder does by itself stays as it was; exports come last in every build.
    keys.sort_by_key(|key| match key {
        Key::Instruction(at) => (0, *at),
        Key::Own(name) => (1 + usize::from(name.starts_with("exporting ")), 0),
    });
    keys
}

fn gathered<'b>(build: &'b Build, rows_of: &HashMap<&Key, usize>) -> Vec<Told<'b>> {
    let mut rows: Vec<Told> = (0..rows_of.len()).map(|_| Told::default()).collect();
    for step in &build.steps {
        if let Some(row) = rows_of.get(&step.key) {
            rows[*row].steps.push(step);
        }
    }
    rows
}

#[allow(
    clippy::cast_precision_loss,
    reason = "rounds and nanoseconds of builds are far below 2^52"
)]
fn cell(rounds: &[Build], told: Vec<&Told>) -> StepCell {
    let critical = told
        .iter()
        .filter(|told| told.steps.iter().any(|step| step.critical))
        .count();
    let there: Vec<(&Build, &Told)> = rounds.iter().zip(told).filter(|(_, told)| told.is_there()).collect();
    // Steps of an instruction that lie on one chain are saved together.
    let saved = |told: &Told| told.steps.iter().map(|step| step.saved).sum();
    let ran = there
        .iter()
        .filter(|(_, told)| told.steps.iter().any(|step| step.ran()))
        .count();
    let shares = there
        .iter()
        .map(|(build, told)| told.time() as f64 / build.wall.max(1) as f64);
    StepCell {
        state: match ran {
            _ if there.is_empty() => StepState::Absent,
            0 => StepState::Cached,
            _ if ran == there.len() => StepState::Ran,
            _ => StepState::Sometimes {
                ran,
                rounds: there.len(),
            },
        },
        time: median(there.iter().map(|(_, told)| told.time()).collect()),
        share: middle(shares.collect()),
        critical: 2 * critical > rounds.len(),
        saved: median(there.iter().map(|(_, told)| saved(told)).collect()),
    }
}

/// The median of shares; 0 of none.
fn middle(mut shares: Vec<f64>) -> f64 {
    shares.sort_by(f64::total_cmp);
    let middle = shares.len() / 2;
    match shares.get(middle) {
        None => 0.0,
        Some(upper) if shares.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(shares[middle - 1], *upper),
    }
}

/// The timed parts of a row, in the order of their beginning, with their times in each build.
fn parts(told: &[Vec<Vec<Told>>], row: usize) -> Vec<(String, Vec<Option<Nanos>>)> {
    let mut names: Vec<&str> = Vec::new();
    for told in told.iter().flatten() {
        let mut parts: Vec<_> = told[row].steps.iter().flat_map(|step| &step.parts).collect();
        parts.sort_by_key(|part| part.1);
        for (name, _) in parts {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let times = |name: &str| {
        let in_build = |rounds: &Vec<Vec<Told>>| {
            let times: Vec<u64> = rounds.iter().filter_map(|rows| rows[row].part(name)).collect();
            (!times.is_empty()).then(|| median(times))
        };
        told.iter().map(in_build).collect()
    };
    names.iter().map(|name| ((*name).to_owned(), times(name))).collect()
}

/// The longest gap where it lies in most rounds.
fn gap(rounds: &[Build], rows_of: &HashMap<&Key, usize>) -> Option<(Nanos, usize)> {
    let gaps: Vec<(u64, usize)> = rounds
        .iter()
        .filter_map(|build| build.gap.as_ref())
        .filter_map(|(time, key)| Some((*time, *rows_of.get(key)?)))
        .collect();
    let rounds_of = |row: usize| gaps.iter().filter(|gap| gap.1 == row).count();
    let (_, row) = gaps.iter().copied().max_by_key(|gap| (rounds_of(gap.1), gap.0))?;
    let times = gaps.iter().filter(|gap| gap.1 == row).map(|gap| gap.0).collect();
    Some((median(times), row))
}

fn origin(dockerfile: Option<&Dockerfile>, key: &Key) -> Origin {
    match (key, dockerfile) {
        (Key::Instruction(at), Some(dockerfile)) => {
            Origin::Instruction(reference(dockerfile, &dockerfile.instructions()[*at]))
        }
        (Key::Instruction(at), None) => Origin::Builder(at.to_string()),
        (Key::Own(name), _) => Origin::Builder(super::super::clean::clean(name)),
    }
}

/// What reports say of an instruction.
pub(in crate::analysis) fn reference(dockerfile: &Dockerfile, instruction: &Instruction) -> InstructionRef {
    let stage = instruction.stage.map(|number| {
        let name = dockerfile.stages()[number].name.clone();
        name.unwrap_or_else(|| number.to_string())
    });
    // Long, and the same wherever it matters: what is run tells more.
    let is_mount = |word: &&str| instruction.keyword == "RUN" && word.starts_with("--mount=");
    let words = instruction.arguments.split_whitespace().skip_while(is_mount);
    let words: Vec<&str> = std::iter::once(instruction.keyword.as_str()).chain(words).collect();
    InstructionRef {
        first_line: instruction.first_line,
        last_line: instruction.last_line,
        stage: stage.unwrap_or_default(),
        text: words.join(" "),
    }
}
