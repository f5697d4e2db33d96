//! `cargo bench --bench attribution`: how long it takes to say where the time of a 200-step build went, with and without
//! reading the journal. Ten milliseconds are the limit that the project sets itself.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use bakeoff::analysis::attributions;
use bakeoff::journal;
use criterion::{Criterion, criterion_group};
use serde_json::{Value, json};

const STAGES: u64 = 4;
const STEPS: u64 = 50;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick proof that the bench runs; it has nothing to prove.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
    ExitCode::SUCCESS
}

fn bench(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path()).expect("a journal");
    let log = journal::read(folder.path()).expect("readable");
    let found = attributions(&log);
    assert_eq!(found[0].rows.len(), 201, "each instruction and the export");
    criterion.bench_function("attribute a build of 200 steps", |bencher| {
        bencher.iter(|| attributions(&log));
    });
    criterion.bench_function("read its journal and attribute it", |bencher| {
        bencher.iter(|| attributions(&journal::read(folder.path()).expect("readable")));
    });
}

/// A journal of one build: a committed one's first record, with another Dockerfile, and a made-up phase.
fn write(folder: &Path) -> Result<(), Error> {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/published-torch/journal.jsonl");
    let text = std::fs::read_to_string(committed)?;
    let mut header: Value = serde_json::from_str(text.lines().next().ok_or("a first record")?)?;
    let mut dockerfile = String::new();
    let mut steps = Vec::new();
    for stage in 0..STAGES {
        writeln!(dockerfile, "FROM base AS s{stage}")?;
        steps.push(step(&format!("[s{stage} 1/{STEPS}] FROM base"), &[], steps.len()));
        for number in 2..=STEPS {
            let line = format!("RUN make part-{number} && echo of stage {stage} --with=\"$FLAGS\"");
            writeln!(dockerfile, "{line}")?;
            let before = steps
                .last()
                .and_then(|step| step["id"].as_str())
                .unwrap_or_default()
                .to_owned();
            let name = format!("[s{stage} {number}/{STEPS}] {line}");
            steps.push(step(&name, &[&before], steps.len()));
        }
    }
    steps.push(step("exporting to image", &[], steps.len()));
    header["scenarios"][0]["dockerfile"] = dockerfile.into();
    let trial = json!({ "role": "measured", "round": 1, "scenario": header["scenarios"][0]["name"] });
    let phase = json!({
        "event": "phase", "trial": trial, "phase": "cold build", "started": "2026-11-21T11:42:00Z",
        "wall_ns": 21_000_000_000_u64, "outcome": { "status": "measured" },
        "build": { "wall_ns": 21_000_000_000_u64, "image_id": "", "steps": steps, "warnings": [] },
    });
    let started = json!({ "event": "trial-started", "trial": trial });
    std::fs::write(folder.join("journal.jsonl"), format!("{header}\n{started}\n{phase}\n"))?;
    Ok(())
}

/// A step of a tenth of a second that begins when the one before it ends.
fn step(name: &str, inputs: &[&str], place: usize) -> Value {
    let start = 1_795_261_320_000_000_000 + 100_000_000 * place as u64;
    json!({
        "id": name, "name": name, "inputs": inputs, "cached": false, "parts": [],
        "intervals": [{ "started_unix_ns": start, "completed_unix_ns": start + 100_000_000 }],
    })
}

criterion_group!(benches, bench);
