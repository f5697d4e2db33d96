//! `cargo bench --bench fidelity`: bakeoff's engine code beside the docker client, on the same engine. Each of four builds is
//! made by both in pairs, in random order within a pair; what counts is the median of the pairs' ratios, with its
//! bootstrap interval, and the memory that a process of ours needs. docs/fidelity.md keeps the output.
//!
//! The large context's layers take disk (315 MB for each changed build) until the end. `scripts/offline cargo bench --bench
//! fidelity` has an engine of its own, which is thrown away.
//!
//! `BAKEOFF_FIDELITY_PAIRS` sets the pairs per build, `BAKEOFF_FIDELITY_FILES` the large context's files, and
//! `BAKEOFF_FIDELITY_ONLY` leaves out what does not hold it in its name.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times here are small and positive"
)]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/filesync/client.rs"]
mod client;
mod ratio;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bakeoff::engine::docker::DockerEngine;
use bakeoff::engine::session::Taken;
use bakeoff::engine::{BuildRequest, Builder, Context, Engine as _, Grants};
use bakeoff::images::{BaseImages, Source};
use client::Client;
use ratio::{Random, Ratio};
use tempfile::TempDir;
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error>;

/// Tells a child which build it is to make, to have its memory measured.
const CHILD: &str = "BAKEOFF_FIDELITY_CHILD";
/// The most memory that a build may take of ours.
const MEMORY_LIMIT: u64 = 40_000_000;
/// A file of the large context.
const FILE_SIZE: usize = 15_750;

/// A build that both make.
struct Case {
    name: &'static str,
    context: PathBuf,
    /// What is done before each build.
    before: fn(&Path, u64) -> std::io::Result<()>,
    /// Whether each build gets a build argument of its own.
    argument: bool,
    limit: f64,
}

fn main() -> ExitCode {
    // `cargo test --benches` asks for a quick proof that the bench runs; it has nothing to prove.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let done = match std::env::var(CHILD) {
        Ok(context) => child(Path::new(&context)).map(|()| true),
        Err(_) => bench(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<bool, Error> {
    let Some(client) = client::client() else {
        return Err("no docker client to compare with".into());
    };
    let runtime = Runtime::new()?;
    let engine = DockerEngine::from_environment()?;
    let info = runtime.block_on(engine.info())?;
    let pairs = setting("BAKEOFF_FIDELITY_PAIRS", 15)?;
    let place = TempDir::new()?;
    let cases = cases(place.path(), &base(&runtime, &engine)?)?;
    println!(
        "Engine {}, docker client {}, {} processors, load {} at the start, {pairs} pairs per build.\n",
        info.version,
        client.version,
        info.cpus,
        load()
    );
    println!("| build | bakeoff | docker client | ratio, median | 95 % interval | limit | |");
    println!("|---|---|---|---|---|---|---|");
    let before: BTreeSet<String> = ids(&runtime, &engine)?;
    let mut kept = true;
    let mut random = Random::new();
    let only = std::env::var("BAKEOFF_FIDELITY_ONLY").unwrap_or_default();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let ratio = compare(&runtime, &engine, &client, case, pairs, &mut random)?;
        kept &= ratio.keeps(case.limit);
        println!("{}", ratio.row(case.name, case.limit));
    }
    println!(
        "\nLoad {} at the end. Peak memory of a process that makes one build:\n",
        load()
    );
    println!("| build | bakeoff | docker client |");
    println!("|---|---|---|");
    for (name, key) in [("20,000 files, all sent", "new"), ("20,000 files, unchanged", "same")] {
        let ours = memory_of_ours(&cases[3].context, key)?;
        // Another name for the folder is another context to the docker client.
        let link = place.path().join(format!("link-{key}"));
        if key == "new" {
            std::os::unix::fs::symlink(&cases[3].context, &link)?;
        }
        let context = if key == "new" { &link } else { &cases[3].context };
        let theirs = memory_of_client(&client, context)?;
        kept &= ours <= MEMORY_LIMIT;
        println!("| {name} | {:.1} MB | {theirs} |", ours as f64 / 1e6);
    }
    clean(&runtime, &engine, &before)?;
    Ok(kept)
}

fn setting(name: &str, default: usize) -> Result<usize, Error> {
    match std::env::var(name) {
        Ok(text) => Ok(text.parse().map_err(|_| format!("{name}: expected a number"))?),
        Err(_) => Ok(default),
    }
}

/// An image with a shell.
fn base(runtime: &Runtime, engine: &DockerEngine) -> Result<String, Error> {
    let strategy = etcetera::choose_base_strategy()?;
    let images = BaseImages {
        cache: etcetera::BaseStrategy::cache_dir(&strategy).join("bakeoff/images"),
        source: Source::Auto,
        trust: None,
    };
    let reference = "python:3.12.10-slim-bookworm";
    Ok(runtime
        .block_on(images.resolve(engine, "python", reference, &|_| {}))?
        .used)
}

fn cases(place: &Path, base: &str) -> Result<Vec<Case>, Error> {
    let folder = |name: &str, dockerfile: &str| -> Result<PathBuf, Error> {
        let folder = place.join(name);
        std::fs::create_dir(&folder)?;
        std::fs::write(folder.join("Dockerfile"), dockerfile)?;
        Ok(folder)
    };
    let small = folder("small", "FROM scratch\nCOPY Dockerfile /\n")?;
    let run = folder("run", &format!("FROM {base}\nARG N\nRUN : ${{N}} && sleep 2\n"))?;
    let large = folder("large", "FROM scratch\nCOPY . /\n")?;
    let mut random = Random::new();
    for number in 0..setting("BAKEOFF_FIDELITY_FILES", 20_000)? {
        let folder = large.join(format!("{}/{}", number % 40, number % 1600 / 40));
        std::fs::create_dir_all(&folder)?;
        let content: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes())
            .flatten()
            .take(FILE_SIZE)
            .collect();
        std::fs::write(folder.join(format!("{number}.bin")), content)?;
    }
    let unchanged: fn(&Path, u64) -> std::io::Result<()> = |_, _| Ok(());
    let case = |name, context: &Path, before, argument, limit| Case {
        name,
        context: context.to_owned(),
        before,
        argument,
        limit,
    };
    Ok(vec![
        case("no-op", &small, unchanged, false, 1.02),
        case("a RUN of 2 s", &run, unchanged, true, 1.02),
        case("20,000 files, unchanged", &large, unchanged, false, 1.00),
        case(
            "20,000 files, one changed",
            &large,
            |context, number| std::fs::write(context.join("0/0/0.bin"), format!("changed {number}")),
            false,
            1.00,
        ),
    ])
}

fn compare(
    runtime: &Runtime,
    engine: &DockerEngine,
    client: &Client,
    case: &Case,
    pairs: usize,
    random: &mut Random,
) -> Result<Ratio, Error> {
    let mut ratio = Ratio::default();
    let build = |ours: bool, random: &mut Random| -> Result<f64, Error> {
        let number = random.next();
        (case.before)(&case.context, number)?;
        if ours {
            let request = request(&case.context, "bench", case.argument.then(|| number.to_string()));
            let trace = runtime
                .block_on(engine.build(&request, &|_| {}))
                .map_err(|failure| failure.message)?;
            return Ok(trace.wall.seconds());
        }
        let argument = case.argument.then(|| format!("--build-arg=N={number}"));
        let mut command = client.command();
        command
            .args(["build", "--tag", "bakeoff-fidelity:theirs"])
            .args(argument);
        timed(command.arg(&case.context)).map(|(time, _)| time.as_secs_f64())
    };
    // The first builds send all and fill caches: they are no part of any pair.
    build(true, random)?;
    build(false, random)?;
    for _ in 0..pairs {
        let ours_first = random.next().is_multiple_of(2);
        let first = build(ours_first, random)?;
        let second = build(!ours_first, random)?;
        let (ours, theirs) = if ours_first { (first, second) } else { (second, first) };
        let order = if ours_first {
            "bakeoff first"
        } else {
            "docker client first"
        };
        eprintln!("{}: {ours:.3} s and {theirs:.3} s, {order}", case.name);
        ratio.push(ours, theirs);
    }
    Ok(ratio)
}

fn request(context: &Path, key: &str, argument: Option<String>) -> BuildRequest {
    BuildRequest {
        context: Context::Folders {
            context: context.to_owned(),
            dockerfile: context.to_owned(),
            shared_key: format!("fidelity {key} {}", context.display()),
            taken: Taken::default(),
        },
        dockerfile: "Dockerfile".to_owned(),
        tag: "bakeoff-fidelity:ours".to_owned(),
        build_args: argument
            .map(|argument| ("N".to_owned(), argument))
            .into_iter()
            .collect(),
        labels: std::collections::BTreeMap::new(),
        builder: Builder::Buildkit,
        target: None,
        platform: None,
        extra_hosts: Vec::new(),
        grants: Grants::default(),
        compression: None,
        limit: Duration::from_secs(600),
    }
}

/// Runs a command that must succeed; its time, and what it wrote to standard output.
fn timed(command: &mut Command) -> Result<(Duration, String), Error> {
    let clock = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let time = clock.elapsed();
    if output.status.success() {
        Ok((time, String::from_utf8_lossy(&output.stdout).into_owned()))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// Makes one build and says what memory the process had at most.
fn child(context: &Path) -> Result<(), Error> {
    let key = std::env::var("BAKEOFF_FIDELITY_KEY")?;
    let engine = DockerEngine::from_environment()?;
    let built = Runtime::new()?.block_on(engine.build(&request(context, &key, None), &|_| {}));
    built.map_err(|failure| failure.message)?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    println!("{}", peak.ok_or("no VmHWM")?);
    Ok(())
}

/// Bytes.
fn memory_of_ours(context: &Path, key: &str) -> Result<u64, Error> {
    let key = if key == "same" {
        "bench".to_owned()
    } else {
        format!("memory {}", std::process::id())
    };
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, context).env("BAKEOFF_FIDELITY_KEY", key);
    let (_, said) = timed(&mut command)?;
    let kilobytes = said.split_whitespace().nth(1).ok_or("no peak")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

fn memory_of_client(client: &Client, context: &Path) -> Result<String, Error> {
    let plain = client.command();
    let mut command = Command::new("/usr/bin/time");
    command.args(["--format", "peak %M"]).arg(plain.get_program());
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["build", "--tag", "bakeoff-fidelity:theirs"]).arg(context);
    let Ok(output) = command.stdin(Stdio::null()).output() else {
        return Ok("not measured: there is no GNU time".to_owned());
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let peak = said.lines().rev().find_map(|line| line.strip_prefix("peak "));
    let kilobytes: u64 = peak.ok_or("no peak")?.trim().parse()?;
    Ok(format!("{:.1} MB", kilobytes as f64 * 1024.0 / 1e6))
}

fn ids(runtime: &Runtime, engine: &DockerEngine) -> Result<BTreeSet<String>, Error> {
    let records = runtime.block_on(engine.build_cache())?;
    Ok(records.into_iter().map(|record| record.id).collect())
}

/// Removes the images, and what of the cache is new: a bench is no time to build something else.
fn clean(runtime: &Runtime, engine: &DockerEngine, before: &BTreeSet<String>) -> Result<(), Error> {
    for image in ["bakeoff-fidelity:ours", "bakeoff-fidelity:theirs"] {
        runtime.block_on(engine.remove_image(image))?;
    }
    // One that others build on goes after them.
    for _ in 0..5 {
        let new: Vec<String> = ids(runtime, engine)?.difference(before).cloned().collect();
        if new.is_empty() {
            break;
        }
        runtime.block_on(engine.remove_cache_records(&new))?;
    }
    Ok(())
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}
