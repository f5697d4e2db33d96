//! Made-up runs for tests. The times are written as the table that they should become; see [`run`].

mod layered;
mod mirrored;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::{BuildTrace, ImageDetails, Interval, StepPart, StepTrace};
use crate::environment::{Drift, Fingerprint, Identity};
use crate::journal::RunLog;
use crate::runner::event::{
    BaseImage, Change, Cleanup, Failure, Manifest, NetworkHead, Outcome, PhaseHead, PhaseRecord, PublishedHead, Round,
    RunEnd, RunHeader, ScenarioHead, Seam, TrialKey, TrialRecord,
};
use crate::units::{Bytes, Nanos, RunId};

pub(crate) use layered::layered;
pub(crate) use mirrored::{mirrored, replay, transfer, transfers_of};

/// The published light suite with five scenarios and three rounds after a warm-up: one phase that fails in one round,
/// one that is invalid in every round, stand-ins and published figures.
pub(crate) fn full() -> RunLog {
    let mut log = run("
                   | pip-single          | pip-multi        | uv-single[cache_mounts=on] | uv-single[cache_mounts=off] | uv-multi
        cold build | w40 31.4 30.9 33.02 | w45 38.2 37 39.5 | w25 19.3 19.1 21.2         | w25 19.8 19.5 20            | w20 17.6 fail 18.1
        hot build  | w5 4.2 4.05 4.31    | w6 5 4.9 5.2     | w13 11.9 11.5 12.4         | w30 27.7 26.9 28.5          | w3 1.8 skip 1.74
        cold push  | w80 70.8 69 74.25   | w17 16 15.8 16.4 | w28 27.6 27.1 28           | w28 27.5 27.2 28.1          | w17 16.6 skip 16.9
        hot push   | w1 .96 .91 1.08     | w1 .94 .9 .97    | w21 20.4 20 21             | w21 bad bad bad             | w1 .79 skip .812
    ");
    stand_ins(&mut log);
    publish(
        &mut log,
        "cold build",
        &[
            ("pip-single", 268.98),
            ("pip-multi", 287.51),
            ("uv-single", 244.29),
            ("uv-multi", 241.45),
        ],
    );
    publish(
        &mut log,
        "hot build",
        &[
            ("pip-single", 4.75),
            ("pip-multi", 14.9),
            ("uv-single", 153.01),
            ("uv-multi", 8.61),
        ],
    );
    publish(
        &mut log,
        "cold push",
        &[
            ("pip-single", 9.26),
            ("pip-multi", 7.09),
            ("uv-single", 8.33),
            ("uv-multi", 8.6),
        ],
    );
    publish(
        &mut log,
        "hot push",
        &[
            ("pip-single", 1.03),
            ("pip-multi", 0.93),
            ("uv-single", 7.95),
            ("uv-multi", 1.02),
        ],
    );
    if let Some(published) = &mut log.header.published {
        let sizes = [
            ("pip-single", 9.05e9),
            ("pip-multi", 8.81e9),
            ("uv-single", 9.13e9),
            ("uv-multi", 8.66e9),
        ];
        let sizes = sizes.map(|(name, size)| (name.to_owned(), Bytes(Nanos::from_seconds(size).0 / 1_000_000_000)));
        published.sizes.insert("image size".into(), sizes.into());
    }
    log.trials[3].cleanup = Cleanup {
        left_records: 2,
        left_bytes: Bytes(48_300_000),
        ..Cleanup::default()
    };
    log
}

/// Two scenarios, one round, no warm-up.
pub(crate) fn single_round() -> RunLog {
    run("
                   | pip-single | uv-multi
        cold build | 31.4       | 17.6
        hot build  | 4.2        | 1.8
    ")
}

/// Two scenarios, stopped in the second of three rounds.
pub(crate) fn interrupted() -> RunLog {
    let mut log = run("
                   | pip-single | uv-multi
        cold build | 31.4 30 -  | 17.6 - -
        hot build  | 4.2 4 -    | 1.8 - -
    ");
    log.trials.truncate(3);
    if let Some(end) = &mut log.end {
        end.interrupted = true;
    }
    log
}

/// A complete run that was killed once and interrupted once; the kernel was another one when it went on.
pub(crate) fn resumed() -> RunLog {
    let mut log = run("
                   | pip-single | uv-multi
        cold build | 31.4 30 32 | 17.6 18 17
        hot build  | 4.2 4 4.1  | 1.8 1.7 1.9
    ");
    let key = |round, scenario: &str| TrialKey {
        round: Round::Measured(round),
        scenario: scenario.into(),
    };
    let first = Seam {
        resumed: start() + TimeDelta::minutes(50),
        stopped: start() + TimeDelta::minutes(12),
        bakeoff_version: "0.1.0".into(),
        after: None,
        again: Some(key(1, "pip-single")),
        superseded: 1,
        torn: true,
        changes: vec![],
    };
    log.seams = vec![
        first.clone(),
        Seam {
            resumed: start() + TimeDelta::hours(20),
            stopped: start() + TimeDelta::hours(1),
            after: Some(log.trials[2].trial.clone()),
            again: Some(log.trials[3].trial.clone()),
            superseded: 0,
            torn: false,
            changes: vec![Change {
                what: "kernel".into(),
                before: "6.1.0".into(),
                now: "6.1.1".into(),
            }],
            ..first
        },
    ];
    log
}

/// A complete run from a table of seconds: scenarios as columns, phases as rows, and in each cell one word per round.
/// `wN` is a warm-up round, `fail` a failed phase, `bad` one that a manipulation check threw out, `skip` one that was
/// not tried, `-` one that is not in the journal. A phase's kind, image and temperature come from its name.
pub(crate) fn run(table: &str) -> RunLog {
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let scenarios: Vec<ScenarioHead> = cells(lines.next().expect("a head line"))
        .skip(1)
        .map(scenario)
        .collect();
    let body: Vec<Vec<&str>> = lines.map(|line| cells(line).collect()).collect();
    let words: Vec<&str> = body[0][1].split_whitespace().collect();
    let warmup = words.iter().filter(|word| word.starts_with('w')).count();
    let rounds: Vec<Round> = (0..words.len())
        .map(|index| {
            if index < warmup {
                Round::Warmup(number(index))
            } else {
                Round::Measured(number(index - warmup))
            }
        })
        .collect();

    let mut order = Vec::new();
    for (index, round) in rounds.iter().enumerate() {
        for place in 0..scenarios.len() {
            let scenario = scenarios[(place + index) % scenarios.len()].name.clone();
            order.push(TrialKey {
                round: *round,
                scenario,
            });
        }
    }
    let mut phases: Vec<PhaseRecord> = Vec::new();
    for trial in &order {
        let column = scenarios
            .iter()
            .position(|scenario| scenario.name == trial.scenario)
            .expect("a known scenario");
        let round = rounds.iter().position(|round| *round == trial.round).expect("known");
        for row in &body {
            let word = row[column + 1]
                .split_whitespace()
                .nth(round)
                .expect("a word for every round");
            let started = phases.last().map_or_else(start, after);
            phases.extend(record(trial, row[0], column, word, started));
        }
    }
    let trials = order.iter().map(ended).collect();
    let journey = body.iter().map(|row| phase_head(row[0])).collect();
    RunLog {
        dir: PathBuf::from("run"),
        schema: 2,
        header: RunHeader {
            run: RunId("20261121-113000-1f3a".into()),
            started: start(),
            bakeoff_version: "0.1.0".into(),
            suite: "published".into(),
            description: "The four approaches of the article, built and pushed.".into(),
            suite_path: "scenarios/published.toml".into(),
            selected: Vec::new(),
            suite_text: "[suite]\nname = \"published\"\n".into(),
            options: BTreeMap::new(),
            fixture_digest: "sha256:5f".into(),
            fixture: "fastapi".into(),
            variant: "light".into(),
            seed: 42,
            rounds: number(rounds.len() - warmup - 1),
            warmup: u32::try_from(warmup).expect("few rounds"),
            scenarios,
            journey,
            questions: Vec::new(),
            order,
            images: vec![],
            network: upstream(),
            engines: Vec::new(),
            fingerprint: fingerprint(),
            noise: None,
            published: None,
        },
        tells_network: false,
        phases,
        trials,
        open: None,
        seams: vec![],
        superseded: vec![],
        end: Some(RunEnd {
            ended: start() + TimeDelta::hours(1),
            interrupted: false,
            host: None,
        }),
        warnings: vec![],
    }
}

fn upstream() -> NetworkHead {
    NetworkHead {
        mode: "upstream".into(),
        ..NetworkHead::default()
    }
}

fn ended(trial: &TrialKey) -> TrialRecord {
    TrialRecord {
        trial: trial.clone(),
        failed: None,
        probed: vec![],
        broken: vec![],
        images: vec![],
        cleanup: Cleanup::default(),
    }
}

/// Says that the python and uv images were stand-ins with the host's CA bundle.
pub(crate) fn stand_ins(log: &mut RunLog) {
    let image = |role: &str, reference: &str, host_ca| BaseImage {
        role: role.into(),
        reference: reference.into(),
        used: format!("bakeoff-stand-in-{role}:1"),
        id: "sha256:0123456789abcdef".into(),
        stand_in: true,
        host_ca,
    };
    log.header.images = vec![
        image("python", "python:3.12.10-slim-bookworm", true),
        image("uv", "ghcr.io/astral-sh/uv", false),
    ];
}

/// Adds published times, in seconds, for a row.
pub(crate) fn publish(log: &mut RunLog, row: &str, times: &[(&str, f64)]) {
    let published = log.header.published.get_or_insert_with(|| PublishedHead {
        source: "article 004, 2025-05-22".into(),
        times: BTreeMap::new(),
        sizes: BTreeMap::new(),
    });
    let times = times
        .iter()
        .map(|(name, seconds)| ((*name).to_owned(), Nanos::from_seconds(*seconds)))
        .collect();
    published.times.insert(row.into(), times);
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split('|').map(str::trim)
}

/// The number of the round with this index.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("few rounds")
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_260_600, 0).expect("a valid time")
}

fn scenario(name: &str) -> ScenarioHead {
    let (base_name, factors) = name.split_once('[').unwrap_or((name, "]"));
    ScenarioHead {
        name: name.into(),
        base_name: base_name.into(),
        factors: factors
            .trim_end_matches(']')
            .split(',')
            .filter_map(|factor| factor.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        builder: "buildkit".into(),
        dockerfile: "FROM python:3.12.10-slim-bookworm\nRUN uv sync\n\n# The program.\nCOPY src src\n".into(),
        build_args: BTreeMap::new(),
        link: String::new(),
    }
}

fn phase_head(name: &str) -> PhaseHead {
    let hot = name.starts_with("hot");
    let temperature: String = if hot { "hot" } else { "cold" }.into();
    PhaseHead {
        name: name.into(),
        kind: if name.ends_with("push") { "push" } else { "build" }.into(),
        image: temperature.clone(),
        temperature,
        edits: if hot { vec!["bump-light".into()] } else { vec![] },
        files: if hot {
            vec!["src/requirements.txt".into()]
        } else {
            vec![]
        },
    }
}

fn record(trial: &TrialKey, phase: &str, column: usize, word: &str, started: DateTime<Utc>) -> Option<PhaseRecord> {
    let (outcome, seconds) = match word.trim_start_matches('w') {
        "-" => return None,
        "fail" => (Outcome::Failed(failure(&trial.scenario)), 3.5),
        "bad" => (
            Outcome::Invalid(vec![
                "the layer \"heavy\" was pushed again although nothing in it changed".into(),
            ]),
            2.0,
        ),
        "skip" => (Outcome::Skipped("cold build failed".into()), 0.0),
        seconds => (Outcome::Measured, seconds.parse().expect("seconds")),
    };
    let head = phase_head(phase);
    let size = 400_000_000 + 100_000_000 * u64::try_from(column).expect("few columns");
    let done = matches!(outcome, Outcome::Measured | Outcome::Invalid(_));
    let (build, push) = (done && head.kind == "build", done && head.kind == "push");
    let hot = head.temperature == "hot";
    Some(PhaseRecord {
        trial: trial.clone(),
        phase: phase.into(),
        started,
        wall: Nanos::from_seconds(seconds),
        outcome,
        build: build.then(|| BuildTrace {
            steps: steps(hot, seconds, nanos(started)),
            ..BuildTrace::default()
        }),
        push: None,
        pull: None,
        start: None,
        image: build.then(|| ImageDetails {
            size: Bytes(size),
            ..ImageDetails::default()
        }),
        transfers: None,
        resources: None,
        travelled: None,
        manifest: push.then(|| Manifest {
            digest: String::new(),
            layers: vec![
                ("sha256:a".into(), Bytes(size / 4)),
                ("sha256:b".into(), Bytes(5_300_000)),
            ],
            new_bytes: if hot {
                Bytes(5_300_000)
            } else {
                Bytes(size / 4 + 5_300_000)
            },
        }),
    })
}

/// Steps that fill a build of so many seconds, but for its last hundredth and one before the export.
fn steps(hot: bool, seconds: f64, started: u64) -> Vec<StepTrace> {
    let mut steps: Vec<StepTrace> = Vec::new();
    let mut step = |name: &str, cached: bool, from: f64, to: f64| {
        let at = |part: f64| started + Nanos::from_seconds(part * seconds).0;
        let to = if cached { from } else { to };
        let interval = Interval {
            started: at(from),
            completed: Some(at(to)),
        };
        let before = steps.last().map(|step| step.id.clone());
        let export = name.starts_with("exporting");
        steps.push(StepTrace {
            id: name.into(),
            name: name.into(),
            cached,
            inputs: before
                .filter(|_| name.starts_with('[') && !export && steps.len() > 1)
                .into_iter()
                .collect(),
            intervals: vec![interval],
            error: None,
            parts: if export {
                vec![
                    part("exporting layers", interval),
                    part("writing image sha256:2f0b", interval),
                ]
            } else {
                vec![]
            },
        });
    };
    step("[internal] load build definition from Dockerfile", false, 0.0, 0.01);
    step(
        "[1/3] FROM registry.example/library/python:3.12.10-slim-bookworm",
        true,
        0.01,
        0.01,
    );
    step("[2/3] RUN uv sync", hot, 0.01, 0.7);
    step("[3/3] COPY src src", false, 0.7, 0.72);
    step("exporting to image", false, 0.73, 0.99);
    steps
}

/// A second after a phase has ended.
fn after(phase: &PhaseRecord) -> DateTime<Utc> {
    let wall = i64::try_from(phase.wall.0).expect("short");
    phase.started + TimeDelta::nanoseconds(wall) + TimeDelta::seconds(1)
}

fn nanos(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_nanos_opt().expect("in range")).expect("after 1970")
}

fn part(name: &str, interval: Interval) -> StepPart {
    StepPart {
        name: name.into(),
        current: 0,
        total: 0,
        interval: Some(interval),
    }
}

fn failure(scenario: &str) -> Failure {
    Failure {
        message: "executor failed running [/bin/sh -c uv pip install -r <light>.txt]: exit code: 1".into(),
        step: Some("[builder 5/7] RUN uv pip install -r <light>.txt".into()),
        line: Some((format!("Dockerfile.{scenario}"), 14)),
        last_lines: vec![
            "Resolving | dependencies".into(),
            "\u{1b}[31merror\u{1b}[0m: no `fastapi` && no <luck>".into(),
        ],
        log_file: Some("logs/round-2-uv-multi-cold-build.log".into()),
    }
}

fn fingerprint() -> Fingerprint {
    Fingerprint {
        identity: Identity {
            cpu_model: "Example CPU 3000".into(),
            cpus: 2,
            memory: Bytes(8_300_000_000),
            engine: "host".to_owned(),
            engine_major: "20.10".into(),
            storage_driver: "overlay2".into(),
            image_store: "graphdriver".into(),
            network: "upstream".into(),
            bases: "stand-in".into(),
        },
        drift: Drift {
            kernel: "6.1.0".into(),
            operating_system: "Debian GNU/Linux 12 (bookworm)".into(),
            engine_version: "20.10.24+dfsg1".into(),
            api_version: "1.41".into(),
            recording: String::new(),
        },
    }
}
