//! `cargo bench --bench published`: article 004's light suite under Criterion. Each scenario is built cold and pushed
//! once; its hot build and its no-op build are sampled. A sample is the engine's phase as the runner measures it, not
//! the harness round it. At the end the article's table is printed from the journal, as `bakeoff report` would.
//!
//! Every hot sample applies the next entry of the edit's list of releases, so that the engine has never seen it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use bakeoff::analysis::Report;
use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::lock::EngineLock;
use bakeoff::engine::{Engine as _, OwnedKind, reaper};
use bakeoff::journal::{self, Journal};
use bakeoff::mirror;
use bakeoff::plan::Plan;
use bakeoff::report::{Format, Style, render};
use bakeoff::runner::event::{Round, RunEnd, RunEvent, TrialKey};
use bakeoff::runner::{Session, Settings, Trial};
use bakeoff::suite::{self, Expect, Overrides, PhaseKind, PhaseSpec, Suite, Temperature};
use bakeoff::units::RunId;
use criterion::{Criterion, SamplingMode};
use etcetera::BaseStrategy as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Criterion's least.
const SAMPLES: usize = 10;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick proof that the bench runs; it needs an engine and minutes, so it is not one.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), Error> {
    // One iteration is one build: with the least of times Criterion takes one iteration a sample.
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(1))
        .configure_from_args();
    let runtime = Runtime::new()?;
    let suite = published()?;
    // One trial of each scenario; its samples are told as rounds.
    let plan = Plan::new(
        &Suite {
            rounds: 1,
            ..suite.clone()
        },
        1,
    );
    let engine = DockerEngine::from_environment()?;
    let _lock = EngineLock::take(&runtime.block_on(engine.info())?.id)?;
    let run = RunId(format!("{}-bench", chrono::Utc::now().format("%Y%m%d-%H%M%S")));
    let dir = PathBuf::from("reports/runs").join(&run.0);
    let journal = Mutex::new(Journal::create(&dir)?);
    let events = |event: RunEvent| match journal.lock().map(|mut journal| journal.append(&event)) {
        Ok(Ok(())) => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let settings = Settings {
        run,
        selected: Vec::new(),
        cache: etcetera::BaseStrategy::cache_dir(&etcetera::choose_base_strategy()?).join("bakeoff"),
        source: bakeoff::images::Source::Auto,
        trust_host_ca: false,
        index: configured_index()?,
        repeats: SAMPLES + 2,
        options: std::collections::BTreeMap::new(),
        fixture_digest: String::new(),
        noise: None,
        scan_layers: false,
        resume: None,
    };
    let cancel = CancellationToken::new();
    let session = runtime.block_on(Session::prepare(&engine, &suite, &plan, &settings, &cancel, &events))?;
    for (number, scenario) in suite.scenarios.iter().enumerate() {
        let key = TrialKey {
            round: Round::Measured(1),
            scenario: scenario.name.clone(),
        };
        session.tell(RunEvent::TrialStarted(key.clone()))?;
        let ordinal = u32::try_from(number)? + 1;
        let mut trial = runtime.block_on(Trial::open(&session, scenario, key, ordinal))?;
        let sampled = sample(&mut criterion, &runtime, &session, &mut trial, &scenario.name);
        let record = runtime.block_on(trial.close(sampled.is_ok()));
        session.tell(RunEvent::TrialFinished(record))?;
        // Each hot build took the name from the one before it.
        let ours = |thing: &bakeoff::engine::Owned| thing.run == settings.run.0 && thing.kind != OwnedKind::Network;
        runtime.block_on(reaper::reap(&engine, ours, |_| {}))?;
        sampled?;
    }
    runtime.block_on(session.finish());
    session.tell(RunEvent::RunFinished(RunEnd {
        ended: chrono::Utc::now(),
        interrupted: false,
        host: None,
    }))?;
    criterion.final_summary();
    show(&dir)
}

/// The package index that the user's pip or uv is configured for.
fn configured_index() -> Result<Option<mirror::Upstream>, Error> {
    let strategy = etcetera::choose_base_strategy()?;
    let (home, config) = (
        strategy.home_dir().to_owned(),
        etcetera::BaseStrategy::config_dir(&strategy),
    );
    let variable = |name: &str| std::env::var(name).ok();
    Ok(mirror::configured(&variable, &home, &config)?.map(|configured| configured.upstream))
}

/// The published suite with its light fixture, the approaches as published (cache mounts on), and a no-op build.
fn published() -> Result<Suite, Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/published.toml");
    let overrides = Overrides {
        variant: Some("light".into()),
        warmup: Some(0),
        ..Overrides::default()
    };
    let mut suite = suite::load(&path, &overrides)?;
    suite.scenarios.retain(|scenario| {
        !scenario
            .factors
            .iter()
            .any(|(name, value)| name == "cache_mounts" && value == "off")
    });
    suite.rounds = u32::try_from(SAMPLES)?;
    suite.journey.push(PhaseSpec {
        name: "no-op build".into(),
        kind: PhaseKind::Build,
        image: "no-op".into(),
        edits: Vec::new(),
        temperature: Temperature::Noop,
        expect: Expect::of(PhaseKind::Build, Temperature::Noop, false),
    });
    Ok(suite)
}

fn sample(
    criterion: &mut Criterion,
    runtime: &Runtime,
    session: &Session<'_, DockerEngine>,
    trial: &mut Trial<'_, DockerEngine>,
    scenario: &str,
) -> Result<(), Error> {
    for spec in &session.suite.journey {
        trial.set_round(Round::Measured(1));
        if !trial.has_image(spec) {
            // A filter on the command line left its build out.
            continue;
        }
        if spec.kind == PhaseKind::Build && spec.temperature != Temperature::Cold {
            repeat(criterion, runtime, session, trial, scenario, spec)?;
        } else {
            let record = runtime.block_on(trial.phase(spec, 0))?;
            println!("{scenario}, {}: {}", spec.name, record.wall);
            let failed = format!("{scenario}, {}: {:?}", spec.name, record.outcome);
            let measured = record.is_measured();
            session.tell(RunEvent::PhaseFinished(Box::new(record)))?;
            if !measured {
                return Err(failed.into());
            }
        }
    }
    Ok(())
}

fn repeat(
    criterion: &mut Criterion,
    runtime: &Runtime,
    session: &Session<'_, DockerEngine>,
    trial: &mut Trial<'_, DockerEngine>,
    scenario: &str,
    spec: &PhaseSpec,
) -> Result<(), Error> {
    let mut times = 0;
    let mut failure: Option<Error> = None;
    let mut once = |trial: &mut Trial<'_, DockerEngine>| -> Result<Duration, Error> {
        // Criterion's first call is its warm-up.
        let number = u32::try_from(times)?;
        trial.set_round(if number == 0 {
            Round::Warmup(1)
        } else {
            Round::Measured(number)
        });
        let record = runtime.block_on(trial.phase(spec, times))?;
        times += 1;
        let (wall, measured) = (record.wall, record.is_measured());
        let failed = format!("{scenario}, {}: {:?}", spec.name, record.outcome);
        session.tell(RunEvent::PhaseFinished(Box::new(record)))?;
        if measured { Ok(wall.into()) } else { Err(failed.into()) }
    };
    let mut group = criterion.benchmark_group(&spec.name);
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(scenario, |bencher| {
        bencher.iter_custom(|iterations| {
            let mut sum = Duration::ZERO;
            for _ in 0..iterations {
                if failure.is_none() {
                    match once(trial) {
                        Ok(wall) => sum += wall,
                        Err(error) => failure = Some(error),
                    }
                }
            }
            // Criterion can't divide by nothing; the failure ends the bench anyway.
            sum.max(Duration::from_nanos(1))
        });
    });
    group.finish();
    failure.map_or(Ok(()), Err)
}

fn show(dir: &Path) -> Result<(), Error> {
    let report = Report::of(&journal::read(dir)?);
    let mut text = Vec::new();
    render(&report, Format::Terminal, Style::default(), &mut text)?;
    println!("{}", String::from_utf8(text)?);
    println!("journal: {}", dir.display());
    Ok(())
}
