//! Whole runs: made-up ones, and the committed ones, whose steps are a real builder's.

use std::path::Path;

use super::*;
use crate::analysis::{Report, sample};
use crate::engine::{BuildTrace, Interval, StepTrace};
use crate::journal;

fn committed(name: &str) -> Report {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(name);
    Report::of(&journal::read(&dir).expect("the committed journal"))
}

fn of<'r>(report: &'r Report, scenario: &str) -> &'r Attribution {
    let mut all = report.attributions.iter();
    all.find(|attribution| attribution.scenario.starts_with(scenario))
        .expect("an attribution")
}

fn row(attribution: &Attribution, line: u32) -> &StepRow {
    let is_it = |row: &&StepRow| matches!(&row.origin, Origin::Instruction(it) if it.first_line == line);
    attribution
        .rows
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("line {line}"))
}

#[allow(clippy::cast_possible_truncation, reason = "a test's times are short")]
fn seconds(time: Nanos) -> i64 {
    (time.seconds() * 10.0).round() as i64
}

#[test]
fn the_hot_build_of_uv_single_tells_the_articles_story() {
    let report = committed("published-torch");
    let attribution = of(&report, "uv-single");
    let sync = row(attribution, 34);
    assert!(matches!(&sync.origin, Origin::Instruction(it) if it.last_line == 37 && it.stage == "1"));
    assert_eq!(
        sync.cells.iter().map(|cell| cell.state).collect::<Vec<_>>(),
        [StepState::Ran, StepState::Ran]
    );
    assert_eq!(
        sync.cells.iter().map(|cell| seconds(cell.time)).collect::<Vec<_>>(),
        [580, 260]
    );
    assert!(sync.cells[1].critical && (0.44..0.45).contains(&sync.cells[1].share));
    assert_eq!(row(attribution, 12).cells[1].state, StepState::Cached);
    let broken = &attribution.breaks[0];
    assert_eq!(broken.roots.len(), 1);
    assert_eq!(broken.roots[0].instruction.first_line, 34);
    assert_eq!(broken.roots[0].sources, ["pyproject.toml", "uv.lock"]);
    assert_eq!(
        (broken.reran, seconds(broken.time), seconds(broken.export)),
        (2, 260, 325)
    );
    assert_eq!(broken.pushed, Some(("hot push".into(), Bytes(3_099_219_994))));
    // The builder covers this one almost wholly.
    assert!(attribution.builds[1].unattributed < Nanos(150_000_000));
    let path = attribution.builds[1].path;
    assert!(path <= attribution.builds[1].wall && seconds(path) == 586, "{path}");
}

#[test]
fn a_build_that_reads_what_it_copies_is_silent_and_that_is_told() {
    let report = committed("published-torch");
    for (scenario, line) in [("pip-multi", 30), ("uv-multi", 55)] {
        let attribution = of(&report, scenario);
        let hot = &attribution.builds[1];
        let (time, row) = hot.gap.expect("a gap");
        assert!((200..=208).contains(&seconds(time)), "{scenario}: {time}");
        assert!(time <= hot.unattributed);
        let next = &attribution.rows[row].origin;
        assert!(
            matches!(next, Origin::Instruction(it) if it.first_line == line),
            "{scenario}: {next:?}"
        );
    }
}

#[test]
fn what_is_copied_from_a_stage_is_no_root() {
    let report = committed("published-torch");
    let broken = &of(&report, "uv-multi").breaks[0];
    let roots: Vec<u32> = broken.roots.iter().map(|root| root.instruction.first_line).collect();
    assert_eq!((roots.as_slice(), broken.reran), ([21].as_slice(), 5));
}

#[test]
fn every_step_of_the_committed_runs_leads_to_its_line() {
    for name in ["published-torch", "links"] {
        let log = journal::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(name)).expect("readable");
        for scenario in &log.header.scenarios {
            let dockerfile = Dockerfile::parse(&scenario.dockerfile).expect("valid");
            let builds = log.phases.iter().filter(|phase| phase.trial.scenario == scenario.name);
            for step in builds
                .filter_map(|phase| phase.build.as_ref())
                .flat_map(|build| &build.steps)
            {
                let found = dockerfile.instruction_of_step(&step.name);
                let Some((label, text)) = step.name.strip_prefix('[').and_then(|name| name.split_once("] ")) else {
                    assert_eq!(found, None, "{}", step.name);
                    continue;
                };
                if label == "internal" {
                    assert_eq!(found, None, "{}", step.name);
                    continue;
                }
                // Independently of how steps are joined: keyword, stage and, without variables, the words are the same.
                let found = found.unwrap_or_else(|| panic!("{}: {}", scenario.name, step.name));
                let mut words = text.split_whitespace();
                assert_eq!(words.next(), Some(found.keyword.as_str()), "{}", step.name);
                let stage = &dockerfile.stages()[found.stage.expect("a stage")];
                if let Some(name) = label.split_whitespace().next().filter(|name| !name.contains('/')) {
                    let number = name.strip_prefix("stage-").and_then(|number| number.parse().ok());
                    assert!(
                        stage.name.as_deref() == Some(name) || number == found.stage,
                        "{}",
                        step.name
                    );
                }
                if found.keyword != "FROM" && !found.arguments.contains('$') {
                    assert!(
                        words.eq(found.arguments.split_whitespace()),
                        "{}: {}",
                        step.name,
                        found.arguments
                    );
                }
            }
        }
    }
}

/// A log with one scenario of this Dockerfile and these builds in each of three rounds.
fn log(dockerfile: &str, steps: impl Fn(usize, bool) -> Vec<StepTrace>) -> RunLog {
    let mut log = sample::run(
        "
                   | a
        cold build | 10 10 10
        hot build  | 10 10 10
        hot push   | 1 1 1
    ",
    );
    dockerfile.clone_into(&mut log.header.scenarios[0].dockerfile);
    for (index, phase) in log.phases.iter_mut().enumerate() {
        if let Some(build) = &mut phase.build {
            build.steps = steps(index / 3, phase.phase == "hot build");
        }
    }
    log
}

fn step(name: &str, inputs: &[&str], from: u64, to: u64) -> StepTrace {
    StepTrace {
        id: name.into(),
        name: name.into(),
        inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        intervals: vec![Interval {
            started: from * 1_000_000_000,
            completed: Some(to * 1_000_000_000),
        }],
        cached: from == to,
        ..StepTrace::default()
    }
}

const TWO: &str = "FROM a AS x\nCOPY one .\nRUN two\nFROM b\nCOPY three .\nCOPY --from=x /y /y\n";

fn two(x: [(u64, u64); 2], last: [(u64, u64); 2]) -> Vec<StepTrace> {
    vec![
        step("[x 1/3] FROM a", &[], 0, 0),
        step("[x 2/3] COPY one .", &["[x 1/3] FROM a"], x[0].0, x[0].1),
        step("[x 3/3] RUN two", &["[x 2/3] COPY one ."], x[1].0, x[1].1),
        step("[stage-1 1/3] FROM b", &[], 0, 0),
        step(
            "[stage-1 2/3] COPY three .",
            &["[stage-1 1/3] FROM b"],
            last[0].0,
            last[0].1,
        ),
        step(
            "[stage-1 3/3] COPY --from=x /y /y",
            &["[stage-1 2/3] COPY three .", "[x 3/3] RUN two"],
            last[1].0,
            last[1].1,
        ),
    ]
}

#[test]
fn medians_are_over_the_rounds_and_so_is_what_ran() {
    // Another duration in each round; in one of them the last step came from the cache.
    let log = log(TWO, |round, _| {
        let end = 3 + round as u64;
        two([(0, 1), (1, end)], [(0, 1), (7, if round == 1 { 7 } else { 8 })])
    });
    let attribution = &attributions(&log)[0];
    assert_eq!(attribution.builds[0].rounds, 3);
    let run = &row(attribution, 3).cells[0];
    assert_eq!(
        (run.time, run.state, run.critical),
        (Nanos(3_000_000_000), StepState::Ran, true)
    );
    assert_eq!(
        row(attribution, 6).cells[0].state,
        StepState::Sometimes { ran: 2, rounds: 3 }
    );
    assert!(!row(attribution, 5).cells[0].critical);
    // Freeing `RUN two` leaves the other stage's way: 1 + 1 + last.
    assert_eq!(run.saved, Nanos(3_000_000_000));
}

#[test]
fn an_edit_that_reaches_two_stages_has_two_roots() {
    let mut log = log(TWO, |_, hot| {
        if hot {
            two([(0, 1), (1, 4)], [(0, 2), (4, 5)])
        } else {
            two([(0, 1); 2], [(0, 1); 2])
        }
    });
    for head in &mut log.header.journey {
        if head.name == "hot build" {
            head.files = vec!["one/deep".into(), "other".into()];
        }
    }
    let broken = &attributions(&log)[0].breaks[0];
    let told: Vec<_> = broken
        .roots
        .iter()
        .map(|root| (root.instruction.first_line, root.files.len()))
        .collect();
    assert_eq!(told, [(2, 1), (5, 0)]);
    assert_eq!(
        (broken.reran, broken.time, broken.rounds),
        (4, Nanos(5_000_000_000), (3, 3))
    );
    assert_eq!(
        broken.costliest.as_ref().map(|(it, time)| (it.first_line, *time)),
        Some((3, Nanos(3_000_000_000)))
    );
    assert_eq!(broken.pushed.as_ref().map(|(_, bytes)| *bytes), Some(Bytes(5_300_000)));
}

#[test]
fn a_build_that_takes_over_a_name_is_told_with_its_own_push() {
    let mut log = sample::run(
        "
                   | a
        cold build | 10 10
        cold push  | 5 5
        hot build  | 10 10
        hot push   | 1 1
    ",
    );
    let pushed = |log: &RunLog| attributions(log)[0].breaks[0].pushed.clone();
    let own = Some(("hot push".to_owned(), Bytes(5_300_000)));
    for head in &mut log.header.journey {
        head.image = "app".into();
    }
    assert_eq!(pushed(&log), own, "the cold push is of the image before it");
    // The compressed size is that of the image that the first build made.
    let row = |log: &RunLog| {
        Report::of(log)
            .rows
            .into_iter()
            .find(|row| row.label == "compressed size")
    };
    assert_eq!(row(&log).map(|row| row.phase), Some("cold push".into()));
    log.header.journey.remove(1);
    assert_eq!(row(&log), None, "it was never pushed");
    log.header.journey.pop();
    assert_eq!(pushed(&log), None);
}

#[test]
fn what_ran_only_because_of_what_it_uses_is_no_root() {
    let cached = |_: usize, hot: bool| {
        if hot {
            two([(0, 1), (1, 4)], [(0, 0), (4, 5)])
        } else {
            two([(0, 1); 2], [(0, 1); 2])
        }
    };
    let broken = &attributions(&log(TWO, cached))[0].breaks[0];
    assert_eq!(
        broken
            .roots
            .iter()
            .map(|root| root.instruction.first_line)
            .collect::<Vec<_>>(),
        [2]
    );
    let nothing = |_: usize, hot: bool| two([(0, u64::from(!hot)); 2], [(0, u64::from(!hot)); 2]);
    let broken = &attributions(&log(TWO, nothing))[0].breaks[0];
    assert!(broken.roots.is_empty() && broken.reran == 0 && broken.costliest.is_none());
}

#[test]
fn only_what_was_measured_counts() {
    let report = Report::of(&sample::full());
    let multi = of(&report, "uv-multi");
    assert_eq!(
        multi.builds.iter().map(|build| build.rounds).collect::<Vec<_>>(),
        [2, 2],
        "one round failed"
    );
    assert_eq!(multi.builds[0].wall, Nanos(17_850_000_000));
    let mut log = sample::full();
    log.phases.retain(|phase| phase.trial.scenario != "uv-multi");
    assert_eq!(attributions(&log).len(), 4);
}

#[test]
fn the_classic_builders_steps_have_their_times_of_arrival() {
    let dockerfile = "ARG V\nFROM a\nCOPY x .\nRUN y\n";
    let log = log(dockerfile, |_, hot| {
        let mut steps: Vec<StepTrace> = Vec::new();
        for (at, (text, to)) in [("ARG V", 1), ("FROM a", 2), ("COPY x .", 3), ("RUN y", 9)]
            .into_iter()
            .enumerate()
        {
            let number = at + 1;
            let before = steps.last().map(|step| step.id.clone()).unwrap_or_default();
            let mut step = step(&format!("Step {number}/4 : {text}"), &[&before], at as u64, to);
            step.id = format!("step-{number}");
            step.cached = hot && number < 4;
            steps.push(step);
        }
        steps
    });
    let attribution = &attributions(&log)[0];
    assert_eq!(row(attribution, 4).cells[0].time, Nanos(6_000_000_000));
    assert_eq!(attribution.builds[0].path, Nanos(9_000_000_000));
    assert_eq!(attribution.breaks[0].roots[0].instruction.first_line, 4);
}

#[test]
fn a_dockerfile_that_can_not_be_read_leaves_the_steps() {
    let log = log("RUN before from\n", |_, _| two([(0, 1); 2], [(0, 1); 2]));
    let attribution = &attributions(&log)[0];
    assert!(
        attribution
            .rows
            .iter()
            .all(|row| matches!(row.origin, Origin::Builder(_)))
    );
    assert_eq!(attribution.rows.len(), 6);
    assert!(attribution.breaks[0].roots.is_empty());
    // And a builder that told of nothing leaves nothing.
    let mut silent = sample::single_round();
    for phase in &mut silent.phases {
        phase.build = phase.build.is_some().then(BuildTrace::default);
    }
    assert!(attributions(&silent).is_empty());
}
