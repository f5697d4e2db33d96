//! What made a hot build run anything again: the first instructions that ran, the files of the edit that they take, and
//! what that cost. Not for: cold builds.

use std::collections::BTreeSet;

use super::spans::{self, Span};
use super::table::reference;
use super::trace::{Build, Key, Step};
use super::{CacheBreak, Root, measured, median};
use crate::analysis::figures::push_of;
use crate::dockerfile::Dockerfile;
use crate::journal::RunLog;
use crate::runner::event::{PhaseHead, ScenarioHead};
use crate::units::{Bytes, Nanos};

/// What ran again in one build.
struct Rerun<'b> {
    build: &'b Build,
    /// The instructions that ran, by their place in the Dockerfile.
    ran: BTreeSet<usize>,
    /// Those of them which use nothing that ran.
    roots: BTreeSet<usize>,
}

impl<'b> Rerun<'b> {
    fn of(build: &'b Build) -> Self {
        let mut ran_before = vec![false; build.steps.len()];
        let mut rerun = Self {
            build,
            ran: BTreeSet::new(),
            roots: BTreeSet::new(),
        };
        for &at in build.graph.order() {
            let mut inputs = build.graph.inputs(at).iter();
            ran_before[at] = inputs.any(|input| ran_before[*input] || build.steps[*input].worked());
            if let (true, Key::Instruction(place)) = (build.steps[at].worked(), &build.steps[at].key) {
                rerun.ran.insert(*place);
                if !ran_before[at] {
                    rerun.roots.insert(*place);
                }
            }
        }
        rerun
    }

    fn time(&self, of: impl Fn(&Step) -> bool) -> u64 {
        let steps = self.build.steps.iter().filter(|step| of(step));
        spans::covered(steps.flat_map(|step| step.spans.iter().copied()).collect::<Vec<Span>>())
    }
}

pub(super) fn of(
    log: &RunLog,
    scenario: &ScenarioHead,
    dockerfile: Option<&Dockerfile>,
    head: &PhaseHead,
    builds: &[Build],
) -> CacheBreak {
    let all: Vec<Rerun> = builds.iter().map(Rerun::of).collect();
    let rounds_of = |roots: &BTreeSet<usize>| all.iter().filter(|other| other.roots == *roots).count();
    let usual = all
        .iter()
        .map(|rerun| &rerun.roots)
        .max_by_key(|roots| rounds_of(roots))
        .cloned()
        .unwrap_or_default();
    let alike: Vec<&Rerun> = all.iter().filter(|rerun| rerun.roots == usual).collect();
    let over = |read: &dyn Fn(&Rerun) -> u64| median(alike.iter().map(|rerun| read(rerun)).collect());
    let instruction = |at: usize| dockerfile.map(|dockerfile| (dockerfile, &dockerfile.instructions()[at]));
    let named = |at: usize| instruction(at).map(|(dockerfile, instruction)| reference(dockerfile, instruction));
    let of_place = |at: usize| move |step: &Step| step.key == Key::Instruction(at) && step.worked();
    let times: Vec<(Nanos, usize)> = alike
        .iter()
        .flat_map(|rerun| rerun.ran.iter().copied())
        .collect::<BTreeSet<usize>>()
        .into_iter()
        .map(|at| (over(&|rerun| rerun.time(of_place(at))), at))
        .collect();
    let costliest = times
        .iter()
        .copied()
        .max_by_key(|(time, at)| (*time, std::cmp::Reverse(*at)));
    let files = head.files.clone();
    let roots = usual.iter().filter_map(|at| {
        let (dockerfile, it) = instruction(*at)?;
        let steps = alike.iter().flat_map(|rerun| &rerun.build.steps);
        let name = steps
            .into_iter()
            .find(|step| step.key == Key::Instruction(*at))
            .map(|step| step.name.as_str());
        let sources = dockerfile.context_sources(it, name.unwrap_or_default());
        let takes = |file: &&String| sources.iter().any(|source| Dockerfile::takes(source, file));
        Some(Root {
            instruction: reference(dockerfile, it),
            files: files.iter().filter(takes).cloned().collect(),
            sources,
        })
    });
    CacheBreak {
        phase: head.name.clone(),
        edits: head.edits.clone(),
        roots: roots.collect(),
        rounds: (alike.len(), all.len()),
        reran: times.len(),
        time: over(&|rerun| rerun.time(Step::worked)),
        costliest: costliest.and_then(|(time, at)| Some((named(at)?, time))),
        wall: over(&|rerun| rerun.build.wall),
        export: over(&|rerun| rerun.time(Step::exports)),
        pushed: pushed(log, scenario, head),
        files,
    }
}

/// The push of the image that a build made, and the bytes that it added to the registry.
fn pushed(log: &RunLog, scenario: &ScenarioHead, build: &PhaseHead) -> Option<(String, Bytes)> {
    let push = push_of(&log.header.journey, build)?;
    let manifests = measured(log, scenario, &push.name).filter_map(|record| record.manifest.as_ref());
    let bytes: Vec<u64> = manifests.map(|manifest| manifest.new_bytes.0).collect();
    (!bytes.is_empty()).then(|| (push.name.clone(), Bytes(median(bytes).0)))
}
