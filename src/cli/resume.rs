//! `bakeoff run --resume`: goes on with a run that was killed or interrupted.

use std::path::{Path, PathBuf};

use super::args::{BaseSource, Run};
use super::estimate::Estimate;
use super::failure::require_local;
use super::run::{Measured, check_disk, fixture_digest, judged, measure, show, title};
use super::{Failure, paths};
use crate::engine::Engine as _;
use crate::engine::docker::DockerEngine;
use crate::engine::lock::EngineLock;
use crate::journal::{self, Journal, RunLog};
use crate::plan::Plan;
use crate::runner::event::{RunHeader, Seam};
use crate::runner::{Resume, Settings, differences};
use crate::suite::{self, NetworkMode, Overrides};

pub(super) async fn resume(arguments: &Run, name: &str) -> Result<(), Failure> {
    let dir = journal::resolve(Path::new(paths::RUNS), name)?;
    let log = journal::read(&dir)?;
    if log.is_complete() {
        return nothing_left(&log, arguments);
    }
    let (journal, log, written) = Journal::reopen(&dir)?;
    for warning in &log.warnings {
        eprintln!("warning: {warning}");
    }
    let header = &log.header;
    let suite = suite::load(&suite_path(header, &dir), &overrides(header, arguments)?)?;
    let plan = Plan::new(&suite, header.seed);
    let digest = fixture_digest(&suite, &dir)?;
    let different = differences(header, &suite, &plan, &digest);
    if !different.is_empty() {
        return Err(Failure::Different(different));
    }

    let engine = DockerEngine::from_environment()?;
    require_local(&engine)?;
    let info = engine.info().await?;
    let _lock = EngineLock::take(&info.id)?;
    let estimate = Estimate::new(&suite, Path::new(paths::RUNS));
    check_disk(&info, &estimate)?;
    let seam = log.seam(written);
    eprintln!(
        "{}: going on with {}: {} of {} trials are done{}",
        title(&suite),
        header.run,
        log.trials.len(),
        header.order.len(),
        again(&seam)
    );
    let option = |name: &str| header.options.get(name).map(String::as_str);
    let settings = Settings {
        run: header.run.clone(),
        selected: header.selected.clone(),
        cache: paths::cache()?,
        source: option("base-images")
            .and_then(BaseSource::named)
            .unwrap_or(BaseSource::Auto)
            .into(),
        trust_host_ca: option("trust-host-ca") == Some("true"),
        index: paths::index()?,
        repeats: 1,
        options: header.options.clone(),
        fixture_digest: digest,
        // The run's head stays as it is.
        noise: None,
        scan_layers: option("no-layer-scan") != Some("true"),
        resume: Some(Resume {
            header: header.clone(),
            finished: log.trials.iter().map(|trial| trial.trial.clone()).collect(),
            attempt: attempt(log.seams.len()),
            seam,
            any_machine: arguments.allow_different_machine,
        }),
    };
    let measured = Measured {
        suite,
        plan,
        settings,
        dir,
        estimate,
    };
    Box::pin(measure(&engine, measured, journal, arguments)).await
}

/// A run that came to its end may still have been killed before its reports were written.
fn nothing_left(log: &RunLog, arguments: &Run) -> Result<(), Failure> {
    let report = show(log, arguments)?;
    eprintln!("{} is complete: nothing is left to be measured", log.header.run);
    judged(log, &report)
}

/// A process that dies before its seam is told does not count, so a number alone would not tell it from the next one.
fn attempt(seams: usize) -> String {
    let micros = chrono::Utc::now().timestamp_subsec_micros();
    format!("{}.{:04x}", seams + 1, micros & 0xffff)
}

fn again(seam: &Seam) -> String {
    match &seam.again {
        Some(trial) => format!("; {}, {} begins anew", trial.round, trial.scenario),
        None => String::new(),
    }
}

/// The suite as seen from the run's folder, so that it does not matter where this is called; else as the user gave it.
fn suite_path(header: &RunHeader, dir: &Path) -> PathBuf {
    let from_folder = header.options.get("suite").map(|suite| dir.join(suite));
    from_folder
        .filter(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(&header.suite_path))
}

/// What the command line said when the run began, and whether it then turned out to record or to replay.
fn overrides(header: &RunHeader, arguments: &Run) -> Result<Overrides, Failure> {
    let option = |name: &str| header.options.get(name);
    Ok(Overrides {
        variant: Some(header.variant.clone()).filter(|variant| !variant.is_empty()),
        rounds: Some(header.rounds),
        warmup: Some(header.warmup),
        scenario: header.selected.clone(),
        network: NetworkMode::named(&header.network.mode),
        link: parsed(header, "link")?,
        engine: parsed(header, "engine")?,
        recording: option("recording").cloned(),
        index: arguments.selection.index.clone(),
    })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    header: &RunHeader,
    name: &'static str,
) -> Result<Option<T>, Failure> {
    let read = |text: &String| {
        text.parse().map_err(|error: T::Err| Failure::Option {
            name,
            reason: error.to_string(),
        })
    };
    header.options.get(name).map(read).transpose()
}
