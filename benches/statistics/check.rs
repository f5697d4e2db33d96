//! How long the gate takes against a history of many runs, and how much memory: reading included, which the rule's own
//! time leaves out.

use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bakeoff::gate::{Policy, check};
use bakeoff::history::{History, LINES_SCHEMA, Metric, Origin, PastRun};
use chrono::{DateTime, TimeDelta, Utc};

use crate::noise::{Random, count};

const RUNS: u32 = 10_000;
const FIGURES: u32 = 40;
const ROUNDS: u32 = 10;
const TIMES: usize = 5;
/// The argument with which the bench calls itself: memory is a process's, and making the history takes some too.
pub const CHILD: &str = "one-check";

/// A run of some night, with noise of 3 % and a step of 10 % every 700 nights.
fn run(number: u32, random: &mut Random) -> PastRun {
    let first: DateTime<Utc> = "2026-01-01T03:00:00Z".parse().unwrap();
    let level = 10.0 * (1.0 + 0.1 * f64::from(number / 700 % 2));
    let metrics = (0..FIGURES).map(|place| Metric {
        scenario: format!("scenario-{}", place % 4),
        name: format!("figure {}", place / 4),
        unit: "s".into(),
        place,
        rounds: (1..=ROUNDS)
            .map(|round| (round, level * (0.03 * random.normal()).exp()))
            .collect(),
    });
    PastRun {
        id: format!("night-{number:05}"),
        started: first + TimeDelta::days(number.into()),
        suite: "bench".into(),
        fixture: "app".into(),
        variant: "light".into(),
        bakeoff: "0.1.0".into(),
        origin: Origin {
            commit: format!("{number:040x}"),
            branch: "main".into(),
        },
        state: "complete".into(),
        identity: vec![("processors".into(), "2".into())],
        drift: vec![("kernel".into(), "6.1".into())],
        metrics: metrics.collect(),
    }
}

/// Makes the history in a temporary folder, and has a process of its own check the next run against it.
pub fn gate() {
    println!("\n## The gate against a long history\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let mut random = Random::new(12);
    let mut history = History::open(&file).unwrap();
    for part in 0..RUNS / 100 {
        let line = |number| {
            let run = run(part * 100 + number, &mut random);
            serde_json::json!({ "schema": LINES_SCHEMA, "run": run }).to_string() + "\n"
        };
        let lines: String = (0..100).map(line).collect();
        history
            .import(&mut BufReader::new(lines.as_bytes()), Path::new("made"))
            .unwrap();
    }
    drop(history);
    let size = std::fs::metadata(&file).unwrap().len();
    println!(
        "`gate::check` of a run against {RUNS} runs of {FIGURES} figures of {ROUNDS} rounds ({} MB on disk), opening the file included, in a process of its own, {TIMES} times.\n",
        size / 1_000_000
    );
    println!("| time, s | most memory, MB | judged |\n|---|---|---|");
    for _ in 0..TIMES {
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(CHILD)
            .arg(&file)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        print!("{}", String::from_utf8_lossy(&child.stdout));
    }
}

/// One check, and what it took: a row of the table.
pub fn child(file: &Path) {
    let run = run(RUNS, &mut Random::new(13));
    let before = Instant::now();
    let history = History::open_existing(file).unwrap();
    let checked = check(&run, &history, "main", &Policy::default()).unwrap();
    let seconds = before.elapsed().as_secs_f64();
    let judged = checked
        .judgements
        .iter()
        .filter(|judgement| judgement.against.is_some())
        .count();
    println!("| {seconds:.3} | {} | {judged} |", peak());
}

/// The most memory that this process has held, as Linux counts it (`VmHWM` of proc(5)).
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok());
    kibibytes.map_or("not known here".into(), |kibibytes| {
        format!("{:.0}", count(kibibytes) * 1024.0 / 1e6)
    })
}
