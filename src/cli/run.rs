//! `bakeoff run` and `bakeoff plan`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::args::{self, BaseSource, Run, Selection};
use super::estimate::Estimate;
use super::failure::require_local;
use super::progress::Display;
use super::record::Recorder;
use super::{Failure, downloads, noise, paths, print, report, resume};
use crate::analysis::Report;
use crate::engine::docker::DockerEngine;
use crate::engine::lock::EngineLock;
use crate::engine::{Engine as _, EngineInfo};
use crate::environment::host;
use crate::fixture;
use crate::journal::{self, Journal, RunLog};
use crate::plan::Plan;
use crate::runner::event::{PhaseRecord, Round, RunEvent};
use crate::runner::{self, RunError, Settings};
use crate::scratch;
use crate::suite::{self, NetworkMode, Overrides, Suite};
use crate::units::RunId;

fn load(path: &Path, selection: &Selection) -> Result<(Suite, Plan), Failure> {
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
    let suite = suite::load(path, &overrides)?;
    let plan = Plan::new(&suite, selection.seed.unwrap_or_else(new_seed));
    Ok((suite, plan))
}

/// The suite with its variant: `published light`.
pub(super) fn title(suite: &Suite) -> String {
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

pub(super) fn plan(arguments: &args::Plan) -> Result<(), Failure> {
    let (suite, plan) = load(&arguments.suite, &arguments.selection)?;
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
    if let Some(name) = &arguments.resume {
        return Box::pin(resume::resume(arguments, name)).await;
    }
    // Either of both is required.
    let path = arguments.suite.clone().unwrap_or_default();
    let (suite, plan) = load(&path, &arguments.selection)?;
    let engine = DockerEngine::from_environment()?;
    require_local(&engine)?;
    let info = engine.info().await?;
    let _lock = EngineLock::take(&info.id)?;
    let estimate = Estimate::new(&suite, Path::new(paths::RUNS));
    check_disk(&info, &estimate)?;

    let run = run_id();
    let dir = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(paths::RUNS).join(&run.0));
    let settings = Settings {
        run,
        selected: arguments.selection.scenario.clone(),
        noise: noise::last(&paths::cache()?),
        cache: paths::cache()?,
        source: arguments.base_images.into(),
        trust_host_ca: arguments.trust_host_ca,
        index: paths::index()?,
        repeats: 1,
        options: options(arguments, &path, &dir),
        fixture_digest: fixture_digest(&suite, &dir)?,
        scan_layers: !arguments.no_layer_scan,
        resume: None,
    };
    let journal = Journal::create(&dir)?;
    eprintln!(
        "{}: {} scenarios, {} rounds and {} warm-up, seed {}: {}",
        title(&suite),
        suite.scenarios.len(),
        suite.rounds,
        suite.warmup,
        plan.seed,
        estimate.say(&suite, &plan)
    );
    let measured = Measured {
        suite,
        plan,
        settings,
        dir,
        estimate,
    };
    Box::pin(measure(&engine, measured, journal, arguments)).await
}

/// What is to be measured, and where it is kept.
pub(super) struct Measured {
    pub(super) suite: Suite,
    pub(super) plan: Plan,
    pub(super) settings: Settings,
    pub(super) dir: PathBuf,
    pub(super) estimate: Estimate,
}

/// Measures, keeps what is told, and shows the result.
pub(super) async fn measure(
    engine: &DockerEngine,
    measured: Measured,
    journal: Journal,
    arguments: &Run,
) -> Result<(), Failure> {
    let Measured {
        suite,
        plan,
        settings,
        dir,
        estimate,
    } = measured;
    for left in scratch::sweep() {
        eprintln!("removed left-over {}", left.display());
    }
    let recorder = Recorder::new(journal);
    let done = settings.resume.as_ref().map_or(0, |resume| resume.finished.len());
    let display = Display::new(estimate, plan.order(&suite), done, arguments.verbose);
    let began = AtomicBool::new(settings.resume.is_some());
    let events = |mut event: RunEvent| -> ControlFlow<()> {
        began.fetch_or(matches!(event, RunEvent::RunStarted(_)), Ordering::Relaxed);
        let kept = recorder.take(&mut event);
        display.take(&event);
        kept
    };
    let cancel = CancellationToken::new();
    let watch = tokio::spawn(interruptions(cancel.clone()));
    let ended = Box::pin(runner::run(engine, &suite, &plan, &settings, &cancel, &events)).await;
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
    let report = show(&log, arguments)?;
    if let Some(line) = downloads::afterwards(report.run.network.as_ref(), &settings.cache) {
        eprintln!("{line}");
    }
    eprintln!(
        "journal and reports: {}  (open {})",
        dir.display(),
        dir.join("report.html").display()
    );
    match (ended, &report.resume) {
        (Ok(()), _) => judged(&log, &report),
        (Err(RunError::Interrupted), Some(command)) => Err(Failure::InterruptedRun(command.clone())),
        (Err(error), resume) => {
            if let Some(command) = resume {
                eprintln!("{command} goes on with it");
            }
            Err(error.into())
        }
    }
}

/// Writes a run's reports into its folder and shows the one that was asked for.
pub(super) fn show(log: &RunLog, arguments: &Run) -> Result<Report, Failure> {
    let report = Report::of(log);
    report::write_all(&report, &log.dir)?;
    // A reader that has gone away must not hide how the run ended.
    match report::show(&report, arguments.format.into()) {
        Err(Failure::Output { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {}
        shown => shown?,
    }
    Ok(report)
}

/// Whether every cell of the table has its figure.
pub(super) fn judged(log: &RunLog, report: &Report) -> Result<(), Failure> {
    if report.has_failed_cell() {
        Err(Failure::FailedPhases {
            hermetic: log.header.network.mode != "replay" || !log.phases.iter().any(PhaseRecord::was_refused),
        })
    } else {
        Ok(())
    }
}

/// Identifies what the suite's scenarios are built from, but for base images; what lies in the run's own folder does not count.
pub(super) fn fixture_digest(suite: &Suite, dir: &Path) -> Result<String, Failure> {
    let arguments: Vec<_> = suite
        .scenarios
        .iter()
        .map(|scenario| (scenario.name.as_str(), &scenario.build_args))
        .collect();
    fixture::digest(&suite.fixture, &suite.dockerfiles(), &arguments, dir).map_err(|error| Failure::Run(error.into()))
}

/// What a run that goes on needs to know of this command line. The index is left out: it may hold a password.
fn options(arguments: &Run, suite: &Path, dir: &Path) -> BTreeMap<String, String> {
    let selection = &arguments.selection;
    let base_images = (arguments.base_images != BaseSource::Auto).then(|| arguments.base_images.name().to_owned());
    let said = [
        ("suite", Some(relative(suite, dir).display().to_string())),
        ("fixture", selection.fixture.clone()),
        ("rounds", selection.rounds.map(|rounds| rounds.to_string())),
        ("warmup", selection.warmup.map(|warmup| warmup.to_string())),
        (
            "network",
            selection.network.map(|mode| NetworkMode::from(mode).name().to_owned()),
        ),
        ("link", selection.link.map(|link| link.to_string())),
        ("recording", selection.recording.clone()),
        ("engine", selection.engine.as_ref().map(ToString::to_string)),
        ("base-images", base_images),
        ("trust-host-ca", arguments.trust_host_ca.then(|| "true".to_owned())),
        ("no-layer-scan", arguments.no_layer_scan.then(|| "true".to_owned())),
    ];
    let said = said
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    said.collect()
}

/// A file as seen from a folder: it stays true if both are moved together, and tells nothing of where they are.
fn relative(file: &Path, folder: &Path) -> PathBuf {
    let (file, folder) = (settled(file), settled(folder));
    let common = file
        .components()
        .zip(folder.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

/// A path without links, even if its end does not exist yet.
fn settled(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for above in absolute.ancestors() {
        if let Ok(real) = above.canonicalize() {
            return real.join(absolute.strip_prefix(above).unwrap_or(Path::new("")));
        }
    }
    absolute
}

/// The first interruption stops what is done and starts the clean-up; a second one leaves the rest to `bakeoff clean`.
pub(super) async fn interruptions(cancel: CancellationToken) {
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

pub(super) fn check_disk(info: &EngineInfo, estimate: &Estimate) -> Result<(), Failure> {
    match (host::free_disk(&info.root_dir), estimate.disk) {
        (Some(free), Some(needed)) if free < needed => Err(Failure::Disk { free, needed }),
        // An engine on another host has its disk there; what can't be looked at is not judged.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_found_from_the_runs_folder() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("scenarios")).unwrap();
        let suite = root.path().join("scenarios/a.toml");
        std::fs::write(&suite, "").unwrap();
        let run = root.path().join("reports/runs/x");
        assert_eq!(relative(&suite, &run), Path::new("../../../scenarios/a.toml"));
        assert_eq!(relative(&suite, root.path()), Path::new("scenarios/a.toml"));
    }
}
