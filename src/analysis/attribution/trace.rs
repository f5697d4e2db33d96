//! One build's trace, taken apart: which step is which, how long it took, what was waited for. Not for: several rounds.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::graph::Graph;
use super::spans::{self, Span};
use crate::dockerfile::Dockerfile;
use crate::engine::{BuildTrace, StepTrace};
use crate::units::Nanos;

/// So much later than the end of a step another may be said to have begun without having waited for it: builders take
/// the time of each on its own.
const NOISE: u64 = 1_000_000;

/// What steps are gathered by over rounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// The instruction at this place of the Dockerfile.
    Instruction(usize),
    /// The builder's own doing, without what differs from build to build: `exporting to image`.
    Own(String),
}

/// Finds the instruction of a step; the same names come again and again.
pub(super) struct Joiner<'d> {
    dockerfile: Option<&'d Dockerfile>,
    known: HashMap<String, Key>,
}

impl<'d> Joiner<'d> {
    pub fn new(dockerfile: Option<&'d Dockerfile>) -> Self {
        let known = HashMap::new();
        Self { dockerfile, known }
    }

    fn key(&mut self, name: &str) -> Key {
        if let Some(key) = self.known.get(name) {
            return key.clone();
        }
        let key = self.instruction(name).unwrap_or_else(|| Key::Own(general(name)));
        self.known.insert(name.to_owned(), key.clone());
        key
    }

    fn instruction(&self, name: &str) -> Option<Key> {
        let dockerfile = self.dockerfile?;
        let line = dockerfile.instruction_of_step(name)?.first_line;
        let place = dockerfile
            .instructions()
            .binary_search_by_key(&line, |instruction| instruction.first_line);
        place.ok().map(Key::Instruction)
    }

    fn work(&self, key: &Key) -> Work {
        let keyword = match (key, self.dockerfile) {
            (Key::Instruction(at), Some(dockerfile)) => dockerfile.instructions()[*at].keyword.as_str(),
            _ => "",
        };
        match keyword {
            "COPY" | "ADD" => Work::Copies,
            "RUN" | "WORKDIR" => Work::Does,
            _ => Work::None,
        }
    }
}

/// A step's name or a part's without digests, addresses and sizes, which differ from build to build.
pub(super) fn general(name: &str) -> String {
    let name = name.trim();
    let end = [" sha256:", " for ", ": "]
        .iter()
        .filter_map(|mark| name.find(mark))
        .min();
    let name = match end {
        // Where it goes is a name of this trial's.
        _ if name.starts_with("naming to ") => "naming",
        _ if name.starts_with("unpacking to ") => "unpacking",
        _ if name.starts_with("resolve ") => "resolve",
        _ if name.starts_with("sha256:") => "fetching layers",
        Some(end) => &name[..end],
        None => name,
    };
    let name = name.trim_end_matches(':');
    // A part's kind may stand in its id once more: `transferring transferring context:`.
    match name.split_once(' ') {
        Some((first, rest)) if rest.starts_with(first) => rest.to_owned(),
        _ => name.to_owned(),
    }
}

/// A step of one build.
#[derive(Debug)]
pub(super) struct Step {
    pub key: Key,
    /// The builder's name of it.
    pub name: String,
    pub spans: Vec<Span>,
    pub cached: bool,
    pub work: Work,
    /// Whether it stands on the longest chain.
    pub critical: bool,
    /// How much shorter the longest chain would be if it took no time.
    pub saved: u64,
    /// Its timed parts.
    pub parts: Vec<(String, Span)>,
}

/// How a step changes the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Not at all, or not by an instruction of this file.
    None,
    /// By a command, or by making a folder.
    Does,
    /// By copying.
    Copies,
}

impl Step {
    /// Whether an instruction made it change the file system and it did.
    pub fn worked(&self) -> bool {
        self.work != Work::None && self.ran()
    }

    /// Whether it did anything.
    pub fn ran(&self) -> bool {
        !self.cached && !self.spans.is_empty()
    }

    /// Whether it writes the image or the cache out.
    pub fn exports(&self) -> bool {
        matches!(&self.key, Key::Own(name) if is_export(name))
    }
}

fn is_export(name: &str) -> bool {
    name.starts_with("exporting ")
}

/// Whether a step of the builder's own finds out what is to be built, so that every other has to wait for it.
fn is_preparation(name: &str) -> bool {
    let loads = name.starts_with("[internal] load ") && name != "[internal] load build context";
    loads || name.starts_with("[auth]") || name.starts_with("resolve image config") || name == "copy /context /"
}

/// One build.
#[derive(Debug)]
pub(super) struct Build {
    pub wall: u64,
    pub steps: Vec<Step>,
    pub graph: Graph,
    /// The length of the longest chain.
    pub path: u64,
    /// The time in which no step ran.
    pub unattributed: u64,
    /// The longest stretch of it that lies between two steps, and the step after it.
    pub gap: Option<(u64, Key)>,
}

impl Build {
    pub fn of(trace: &BuildTrace, wall: Nanos, joiner: &mut Joiner) -> Self {
        let mut steps: Vec<Step> = trace.steps.iter().map(|step| read(step, joiner)).collect();
        let times = steps.iter().map(|step| spans::covered(step.spans.clone())).collect();
        let graph = Graph::new(times, inputs(trace, &steps));
        let (path, chain) = graph.longest();
        for at in chain {
            steps[at].critical = true;
            steps[at].saved = path - graph.longest_without(at);
        }
        let all: Vec<Span> = steps.iter().flat_map(|step| step.spans.iter().copied()).collect();
        let gap = spans::longest_gap(all.clone()).and_then(|(start, end)| {
            // Of what begins at the same time, that which copies: whether it is in the cache depends on the content of what
            // it copies, which the builder has to read, and it tells nobody.
            let begins = |step: &&Step| step.spans.iter().any(|span| (end..=end + NOISE).contains(&span.0));
            let next = steps
                .iter()
                .filter(begins)
                .max_by_key(|step| (step.work, Reverse(&step.key)))?;
            Some((end - start, next.key.clone()))
        });
        Self {
            wall: wall.0,
            unattributed: wall.0.saturating_sub(spans::covered(all)),
            steps,
            graph,
            path,
            gap,
        }
    }
}

fn read(step: &StepTrace, joiner: &mut Joiner) -> Step {
    let key = joiner.key(&step.name);
    let parts = step.parts.iter().filter_map(|part| {
        let span = spans::of_step(part.interval.as_slice()).pop()?;
        Some((general(&part.name), span))
    });
    Step {
        work: joiner.work(&key),
        key,
        name: step.name.clone(),
        spans: spans::of_step(&step.intervals),
        cached: step.cached,
        critical: false,
        saved: 0,
        parts: parts.collect(),
    }
}

/// What each step waited for: its inputs, and where the builder names none what it must have waited for all the same.
/// An export waits for all that nothing else used; any other step for what finds out what is to be built. Only what had
/// ended by then counts.
fn inputs(trace: &BuildTrace, steps: &[Step]) -> Vec<Vec<usize>> {
    let places: HashMap<&str, usize> = trace
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| (step.id.as_str(), at))
        .collect();
    let mut inputs: Vec<Vec<usize>> = trace
        .steps
        .iter()
        .map(|step| {
            step.inputs
                .iter()
                .filter_map(|id| places.get(id.as_str()).copied())
                .collect()
        })
        .collect();
    let mut used = vec![false; steps.len()];
    for &input in inputs.iter().flatten() {
        used[input] = true;
    }
    let start = |at: usize| steps[at].spans.iter().map(|span| span.0).min();
    let end = |at: usize| steps[at].spans.iter().map(|span| span.1).max();
    let ended_before = |other: usize, at: usize| match (end(other), start(other), start(at)) {
        (Some(end), Some(began), Some(start)) => end <= start + NOISE && (began, other) < (start, at),
        _ => false,
    };
    let exports: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].exports()).collect();
    let last: Vec<usize> = (0..steps.len())
        .filter(|at| !used[*at] || steps[*at].exports())
        .collect();
    let first: Vec<usize> = (0..steps.len()).filter(|at| is_preparation(&steps[*at].name)).collect();
    for at in (0..steps.len()).filter(|at| trace.steps[*at].inputs.is_empty()) {
        let before = if exports.contains(&at) { &last } else { &first };
        inputs[at].extend(before.iter().copied().filter(|other| ended_before(*other, at)));
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Interval, StepPart};

    /// A step's name, which is its id too, its intervals in milliseconds, and its inputs.
    type Told<'a> = (&'a str, &'a [(u64, u64)], &'a [&'a str]);

    fn trace(lines: &[Told]) -> BuildTrace {
        let step = |(name, intervals, inputs): &Told| StepTrace {
            id: (*name).into(),
            name: (*name).into(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            intervals: intervals
                .iter()
                .map(|(start, end)| Interval {
                    started: start * 1_000_000,
                    completed: Some(end * 1_000_000),
                })
                .collect(),
            ..StepTrace::default()
        };
        BuildTrace {
            steps: lines.iter().map(step).collect(),
            ..BuildTrace::default()
        }
    }

    fn chain(build: &Build) -> Vec<&str> {
        let critical = build.steps.iter().filter(|step| step.critical);
        critical.map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn what_the_builder_does_not_say_is_waited_for_all_the_same() {
        let dockerfile = Dockerfile::parse("FROM a\nCOPY x .\nRUN y\n").expect("valid");
        let trace = trace(&[
            (
                "[internal] load build definition from Dockerfile",
                &[(0, 10), (5, 20)],
                &[],
            ),
            ("[internal] load metadata for a", &[(20, 60)], &[]),
            ("[internal] load build context", &[(62, 63), (70, 80)], &[]),
            ("[1/3] FROM a", &[(62, 65)], &[]),
            (
                "[2/3] COPY x .",
                &[(90, 100)],
                &["[1/3] FROM a", "[internal] load build context"],
            ),
            ("[3/3] RUN y", &[(100, 500)], &["[2/3] COPY x ."]),
            ("exporting to image", &[(510, 700)], &[]),
        ]);
        let build = Build::of(&trace, Nanos(710_000_000), &mut Joiner::new(Some(&dockerfile)));
        let names: Vec<&str> = trace.steps.iter().map(|step| step.name.as_str()).collect();
        // All but FROM, which took less than the context.
        assert_eq!(chain(&build), [&names[..3], &names[4..]].concat());
        assert_eq!(build.path, (20 + 40 + 11 + 10 + 400 + 190) * 1_000_000);
        assert_eq!(build.steps[2].saved, 8_000_000, "then FROM is waited for");
        // Before the context is sent, before it is copied, before the export, and after it.
        assert_eq!(build.unattributed, (2 + 5 + 10 + 10 + 10) * 1_000_000);
        assert_eq!(build.gap, Some((10_000_000, Key::Own("exporting to image".into()))));
    }

    #[test]
    fn names_lose_what_differs_from_build_to_build() {
        for (name, expected) in [
            ("[internal] load metadata for a.example/b:1", "[internal] load metadata"),
            (
                "[internal] load build definition from Dockerfile.x",
                "[internal] load build definition from Dockerfile.x",
            ),
            ("exporting to image", "exporting to image"),
            ("writing image sha256:3d70b4", "writing image"),
            ("naming to 127.0.0.1:5000/bakeoff/one:cold", "naming"),
            ("unpacking to a.example/x:1", "unpacking"),
            ("exporting manifest sha256:0", "exporting manifest"),
            ("transferring transferring context:", "transferring context"),
            ("transferring context: 2B", "transferring context"),
            ("extracting sha256:0", "extracting"),
            ("resolve a.example/b:1", "resolve"),
            ("sha256:0", "fetching layers"),
        ] {
            assert_eq!(general(name), expected);
        }
    }

    #[test]
    fn parts_have_their_times() {
        let mut trace = trace(&[("exporting to image", &[(0, 100)], &[])]);
        let part = |name: &str, interval| StepPart {
            name: name.into(),
            current: 0,
            total: 0,
            interval,
        };
        let interval = Interval {
            started: 5,
            completed: Some(9),
        };
        trace.steps[0].parts = vec![part("exporting layers", Some(interval)), part("naming to x", None)];
        let build = Build::of(&trace, Nanos(1), &mut Joiner::new(None));
        assert_eq!(build.steps[0].parts, [("exporting layers".to_owned(), (5, 9))]);
        assert_eq!(
            build.unattributed, 0,
            "a wall time that is shorter than its steps leaves nothing"
        );
    }
}
