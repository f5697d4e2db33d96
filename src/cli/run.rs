//! `bakeoff run` and `bakeoff plan`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::args::{Run, Selection};
use super::estimate::Estimate;
use super::failure::require_local;
use super::progress::Display;
use super::record::Recorder;
use super::{Failure, downloads, paths, print, report};
use crate::analysis::Report;
use crate::engine::docker::DockerEngine;
use crate::engine::lock::EngineLock;
use crate::engine::{Engine as _, EngineInfo};
use crate::environment::host;
use crate::journal::{self, Journal};
use crate::plan::Plan;
use crate::runner::event::{Outcome, PhaseRecord, Round, RunEvent};
use crate::runner::{self, RunError, Settings};
use crate::suite::{self, NetworkMode, Overrides, Suite};
use crate::units::RunId;

fn load(selection: &Selection) -> Result<(Suite, Plan), Failure> {
    let overrides = Overrides {
        variant: selection.fixture.clone(),
        rounds: selection.rounds,
        warmup: selection.warmup,
        scenario: selection.scenario.clone(),
        network: selection.network.map(Into::into),
        link: selection.link,
        engine: selection.engine.clone(),
        recording: selection.recording.clone(),
        index: selection.index.clone(),
    };
    let suite = suite::load(&selection.suite, &overrides)?;
    let plan = Plan::new(&suite, selection.seed.unwrap_or_else(new_seed));
    Ok((suite, plan))
}

/// The suite with its variant: `published light`.
fn title(suite: &Suite) -> String {
    format!("{} {}", suite.name, suite.fixture.variant)
        .trim_end()
        .to_owned()
}

/// How builds reach what they download, unless that is as ever: `replay, link 100mbit,20ms`.
fn network(suite: &Suite) -> Option<String> {
    let mut links: Vec<String> = Vec::new();
    for link in suite.scenarios.iter().map(|scenario| scenario.link.to_string()) {
        if !links.contains(&link) {
            links.push(link);
        }
    }
    let shaped = suite.scenarios.iter().any(|scenario| scenario.link.is_shaped());
    let mode = suite.network.mode;
    if !shaped {
        return (mode != NetworkMode::default()).then(|| mode.name().to_owned());
    }
    let word = if links.len() == 1 { "link" } else { "links" };
    Some(format!("{}, {word} {}", mode.name(), links.join(" and ")))
}

/// A seed that differs from run to run; short enough to be typed again.
fn new_seed() -> u64 {
    let nanos = chrono::Utc::now().timestamp_nanos_opt().unwrap_or_default();
    nanos.unsigned_abs() / 1_000 % 1_000_000
}

pub(super) fn plan(selection: &Selection) -> Result<(), Failure> {
    let (suite, plan) = load(selection)?;
    let estimate = Estimate::new(&suite, Path::new(paths::RUNS));
    let mut text = format!("{}, seed {}\n", title(&suite), plan.seed);
    text.push_str("each trial: ");
    let journey: Vec<_> = suite.journey.iter().map(|phase| phase.name.as_str()).collect();
    text.push_str(&journey.join(", "));
    text.push('\n');
    if let Some(network) = network(&suite) {
        text.push_str(&format!("network: {network}\n"));
    }
    for block in &plan.blocks {
        let role = match block.round {
            Round::Warmup(_) => " (discarded)",
            Round::Measured(_) => "",
        };
        text.push_str(&format!("{}{role}\n", block.round));
        for &trial in &block.trials {
            text.push_str(&format!("  {}\n", suite.scenarios[trial].name));
        }
    }
    text.push_str(&format!("{}\n", estimate.say(&suite, &plan)));
    print(&text)
}

pub(super) async fn run(arguments: &Run) -> Result<(), Failure> {
    let (suite, plan) = load(&arguments.selection)?;
    let engine = DockerEngine::from_environment()?;
    require_local(&engine)?;
    let info = engine.info().await?;
    let _lock = EngineLock::take(&info.id)?;
    let estimate = Estimate::new(&suite, Path::new(paths::RUNS));
    check_disk(&info, &estimate)?;

    let settings = Settings {
        run: run_id(),
        selected: arguments.selection.scenario.clone(),
        cache: paths::cache()?,
        source: arguments.base_images.into(),
        trust_host_ca: arguments.trust_host_ca,
        index: paths::index()?,
        repeats: 1,
    };
    let dir = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(paths::RUNS).join(&settings.run.0));
    let recorder = Recorder::new(Journal::create(&dir)?);
    eprintln!(
        "{}: {} scenarios, {} rounds and {} warm-up, seed {}: {}",
        title(&suite),
        suite.scenarios.len(),
        suite.rounds,
        suite.warmup,
        plan.seed,
        estimate.say(&suite, &plan)
    );
    let display = Display::new(estimate, plan.order(&suite), arguments.verbose);
    let began = AtomicBool::new(false);
    let events = |mut event: RunEvent| -> ControlFlow<()> {
        began.fetch_or(matches!(event, RunEvent::RunStarted(_)), Ordering::Relaxed);
        let kept = recorder.take(&mut event);
        display.take(&event);
        kept
    };
    let cancel = CancellationToken::new();
    let watch = tokio::spawn(interruptions(cancel.clone()));
    let ended = runner::run(&engine, &suite, &plan, &settings, &cancel, &events).await;
    watch.abort();
    display.clear();
    if let Some(error) = recorder.error() {
        return Err(error.into());
    }
    if !began.load(Ordering::Relaxed) {
        // Nothing was told, so there is nothing to keep: the folder holds an empty journal only.
        let _ = std::fs::remove_file(dir.join(journal::FILE_NAME)).and_then(|()| std::fs::remove_dir(&dir));
        return ended.map_err(Failure::from);
    }
    let log = journal::read(&dir)?;
    let report = Report::of(&log);
    report::write_all(&report, &dir)?;
    // A reader that has gone away must not hide how the run ended.
    match report::show(&report, arguments.format.into()) {
        Err(Failure::Output { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {}
        shown => shown?,
    }
    if let Some(line) = downloads::afterwards(report.run.network.as_ref(), &settings.cache) {
        eprintln!("{line}");
    }
    eprintln!(
        "journal and reports: {}  (open {})",
        dir.display(),
        dir.join("report.html").display()
    );
    ended?;
    if report.has_failed_cell() {
        Err(Failure::FailedPhases {
            hermetic: log.phases.iter().all(is_hermetic),
        })
    } else {
        Ok(())
    }
}

/// Whether a phase did not fail for asking for what is not recorded.
fn is_hermetic(record: &PhaseRecord) -> bool {
    !matches!(&record.outcome, Outcome::Failed(failure) if failure.message.starts_with("not hermetic"))
}

/// The first interruption stops measuring and starts the clean-up; a second one leaves the rest to `bakeoff clean`.
async fn interruptions(cancel: CancellationToken) {
    interruption().await;
    eprintln!("\ninterrupted: cleaning up (interrupt again to leave that to `bakeoff clean`)");
    cancel.cancel();
    interruption().await;
    std::process::exit(i32::from(Failure::Run(RunError::Interrupted).exit_code()));
}

/// Until somebody wants the program to end.
pub(super) async fn interruption() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Sortable by start, and different for two runs that start in one second.
fn run_id() -> RunId {
    let now = chrono::Utc::now();
    RunId(format!(
        "{}-{:04x}",
        now.format("%Y%m%d-%H%M%S"),
        now.timestamp_subsec_micros() & 0xffff
    ))
}

fn check_disk(info: &EngineInfo, estimate: &Estimate) -> Result<(), Failure> {
    match (host::free_disk(&info.root_dir), estimate.disk) {
        (Some(free), Some(needed)) if free < needed => Err(Failure::Disk { free, needed }),
        // An engine on another host has its disk there; what can't be looked at is not judged.
        _ => Ok(()),
    }
}
