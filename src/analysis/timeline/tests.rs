use super::*;
use crate::analysis::sample;
use crate::engine::{Interval, LayerPull, LayerPush, PullOutcome, PullTrace, PushTrace, StepPart};
use crate::runner::event::StartTrace;

#[test]
fn everything_lies_in_what_it_is_a_part_of() {
    for log in [
        sample::full(),
        sample::resumed(),
        sample::interrupted(),
        sample::mirrored(),
    ] {
        let timeline = Timeline::of(&log);
        for trial in &timeline.trials {
            let Some(stretch) = trial.stretch else {
                assert!(trial.phases.is_empty());
                continue;
            };
            assert!(timeline.stretch.contains(stretch));
            for phase in &trial.phases {
                assert!(stretch.contains(phase.stretch));
                for step in &phase.steps {
                    let own = Stretch::around(step.stretches.iter().copied()).expect("one or more");
                    assert!(phase.stretch.contains(own), "{} {}", phase.name, step.name);
                    assert!(step.parts.iter().all(|(_, part)| own.contains(*part)));
                }
            }
        }
    }
}

#[test]
fn every_planned_trial_is_there_and_every_phase_of_the_journal() {
    let log = sample::interrupted();
    let timeline = Timeline::of(&log);
    assert_eq!(timeline.trials.len(), log.header.order.len());
    let phases = timeline.trials.iter().map(|trial| trial.phases.len()).sum::<usize>();
    assert_eq!(phases, log.phases.len());
    assert!(timeline.trials.iter().any(|trial| trial.phases.is_empty()));
    assert_eq!(timeline.journey, ["cold build", "hot build"]);
}

#[test]
fn a_run_without_an_end_ends_with_its_last_phase() {
    let mut log = sample::single_round();
    log.end = None;
    let timeline = Timeline::of(&log);
    let last = timeline.trials.last().and_then(|trial| trial.stretch).expect("phases");
    assert_eq!(timeline.stretch.end, last.end);
    log.phases.clear();
    assert_eq!(Timeline::of(&log).stretch.length(), Nanos(0));
}

#[test]
fn steps_know_their_instructions() {
    let timeline = Timeline::of(&sample::full());
    let hot = &timeline.trials[0].phases[1];
    let titles: Vec<_> = hot
        .steps
        .iter()
        .map(|step| (step.title(), step.cached, step.critical))
        .collect();
    assert_eq!(
        titles,
        [
            ("[internal] load build definition from Dockerfile", false, true),
            ("FROM python:3.12.10-slim-bookworm", true, true),
            ("RUN uv sync", true, true),
            ("COPY src src", false, true),
            ("exporting to image", false, true),
        ]
    );
    let parts: Vec<_> = hot.steps[4].parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(parts, ["exporting layers", "writing image"]);
}

#[test]
fn what_nobody_told_the_time_of_is_left_out_and_clocks_that_went_back_make_nothing_negative() {
    let mut log = sample::single_round();
    let build = log.phases[0].build.as_mut().expect("a build");
    build.steps[0].intervals.clear();
    build.steps[4].intervals = vec![Interval {
        started: 20,
        completed: Some(10),
    }];
    build.steps[4].parts = vec![StepPart {
        name: "exporting layers".into(),
        current: 0,
        total: 0,
        interval: None,
    }];
    let steps = &Timeline::of(&log).trials[0].phases[0].steps;
    assert_eq!(steps.len(), 4);
    assert_eq!(steps[3].stretches, [Stretch { start: 20, end: 20 }]);
    assert!(steps[3].parts.is_empty());
}

#[test]
fn texts_of_builds_are_fit_to_be_shown() {
    let timeline = Timeline::of(&sample::full());
    let phases = timeline.trials.iter().flat_map(|trial| &trial.phases);
    let failures: Vec<_> = phases
        .filter_map(|phase| match &phase.outcome {
            Outcome::Failed(failure) => Some(failure.last_lines[1].as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(failures, ["error: no `fastapi` && no <luck>"]);
}

#[test]
fn pushes_pulls_and_starts_have_their_parts_from_their_request_on() {
    let mut log = sample::single_round();
    let second = |at: u64| Nanos(at * 1_000_000_000);
    let told = |from, to| {
        Some(crate::engine::Stretch {
            from: second(from),
            to: second(to),
        })
    };
    let layer = |id: &str, downloading, extracting| LayerPull {
        id: id.into(),
        outcome: PullOutcome::Pulled,
        downloading,
        extracting,
    };
    log.phases[0].build = None;
    log.phases[0].pull = Some(PullTrace {
        layers: vec![layer("aa", told(1, 5), told(5, 6)), layer("bb", None, None)],
        ..PullTrace::default()
    });
    log.phases[1].build = None;
    log.phases[1].start = Some(StartTrace {
        running: second(1),
        asked: 3,
    });
    log.phases[2].build = None;
    log.phases[2].push = Some(PushTrace {
        layers: vec![LayerPush {
            id: "aa".into(),
            preparing: told(0, 1),
            pushing: told(1, 5),
            ..LayerPush::default()
        }],
        ..PushTrace::default()
    });
    let timeline = Timeline::of(&log);
    let parts = |trial: usize, at: usize| -> Vec<(&str, u64, u64)> {
        let phase = &timeline.trials[trial].phases[at];
        let from = |at: u64| (at - phase.stretch.start) / 1_000_000;
        let parts = phase.parts.iter();
        parts
            .map(|(name, part)| (name.as_str(), from(part.start), from(part.end)))
            .collect()
    };
    assert_eq!(
        parts(0, 0),
        [("downloading aa", 1000, 5000), ("extracting aa", 5000, 6000)]
    );
    assert_eq!(
        parts(0, 1),
        [("starting the container", 0, 1000), ("until it worked", 1000, 4200)]
    );
    assert_eq!(parts(1, 0), [("pushing aa", 1000, 5000)]);
}

#[test]
fn downloads_are_told_with_the_step_that_asked() {
    let timeline = Timeline::of(&sample::mirrored());
    let phases = || timeline.trials.iter().flat_map(|trial| &trial.phases);
    let downloads: Vec<_> = phases().flat_map(|phase| &phase.downloads).collect();
    let wheel = downloads
        .iter()
        .find(|download| download.kind == "file")
        .expect("a wheel");
    assert_eq!(wheel.step.as_deref(), Some("install"));
    assert_eq!(wheel.stretch.length(), Nanos(20_000_000));
    assert!(downloads.iter().any(|download| download.step.is_none()), "ambiguous");
}
