//! The arguments, with the help that teaches.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::engine::EngineChoice;
use crate::environment::noise;
use crate::images::Source;
use crate::stats::Effect;
use crate::suite::NetworkMode;
use crate::units::Link;

/// Measures how long container images take to build, push, pull and start, cold and hot, and says which Dockerfile wins.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    /// Those of this process; what is wrong with them is told, and ends it.
    pub(super) fn of_command_line() -> Self {
        let matches = Self::command().get_matches();
        let run = matches.subcommand_matches("run");
        // Where it stands in the environment it is meant for new runs.
        let said = |run: &clap::ArgMatches| {
            run.contains_id("resume") && run.value_source("engine") == Some(ValueSource::CommandLine)
        };
        if run.is_some_and(said) {
            let message =
                "the argument '--resume <DIR>' cannot be used with '--engine <ENGINE>': a run goes on where it began";
            Self::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

const EXAMPLES: &str = "\
Examples:
  bakeoff doctor                                    is this machine ready?
  bakeoff plan scenarios/published.toml             what would run, and how long it would take
  bakeoff run scenarios/published.toml              measure builds and pushes, cold and hot
  bakeoff run scenarios/journey.toml                measure an image's whole way: build, push, pull and start
  bakeoff run --resume latest                       go on with a run that was killed
  bakeoff report latest --format markdown           the last run's table again, from its journal
  bakeoff explain latest uv-single                  which instruction costs it, and why it ran again
  bakeoff compare latest --baseline-scenario pip-single
                                                    who is faster, and how sure is that?
  bakeoff power latest --effect 5%                  how many rounds it takes to see 5 %
  bakeoff history add latest                        keep the run, with commit and branch
  bakeoff check latest                              end with 10 if something got slower since the runs before
  bakeoff trend --since 90d                         where figures have changed
  bakeoff export latest --to junit -o junit.xml     the run for another tool; `export --help` names all
  bakeoff mirror stats                              what builds have downloaded, for replay

Exit codes: 0 done, 2 usage, 3 suite or fixture wrong, 4 no engine, registry or base image,
5 a phase failed, 10 regression, 11 inconclusive, 130 interrupted, 1 anything else.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Measure a suite: build every scenario, push, pull and start it, cold and hot
    Run(Run),
    /// Show what a run would do, in order, without touching an engine
    Plan(Plan),
    /// Show a run's results again, from its journal alone
    Report(Report),
    /// Show where the time of a scenario's builds went, instruction by instruction, and what broke the cache
    Explain(Explain),
    /// Write a run in the format of another tool: hyperfine, Bencher, JUnit, Perfetto, OpenTelemetry and others
    Export(super::export::args::Export),
    /// List the runs so far, newest first
    List(List),
    /// Say which scenario of a run is faster, by how much and how sure that is; or which of two runs
    Compare(Compare),
    /// Say how many rounds it takes to find a difference
    Power(Power),
    /// Hold a run against the runs before it, and end with 10 if something got slower
    Check(Check),
    /// Show where figures have changed over time
    Trend(Trend),
    /// Keep runs over time, for `bakeoff check`
    History(super::history::args::History),
    /// Look after what builds downloaded: show, check, export, import, serve or remove it
    Mirror(super::mirror::args::Mirror),
    /// Check engine, builder, registry, disk, network and base images
    Doctor(Doctor),
    /// Remove everything that bakeoff ever made in the engine, by label, and nothing else
    Clean(Clean),
    /// Print the JSON Schema of the suite format
    Schema,
}

/// Which part of a suite.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Measured rounds; each runs every scenario once [default: the suite's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: Option<u32>,
    /// Discarded rounds before the measured ones [default: the suite's]
    #[arg(long, value_name = "N")]
    pub(super) warmup: Option<u32>,
    /// Only scenarios whose full or base name matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) scenario: Vec<String>,
    /// The fixture's size, such as light or torch [default: the suite's]
    #[arg(long, value_name = "VARIANT")]
    pub(super) fixture: Option<String>,
    /// Seed of the order [default: a new one, which the journal records]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Where builds get what they download [default: the suite's, else auto]
    #[arg(long, value_enum, value_name = "MODE")]
    pub(super) network: Option<NetworkSource>,
    /// Bandwidth and latency of all downloads, such as 100mbit,20ms, or unshaped [default: the suite's]
    #[arg(long, value_name = "LINK")]
    pub(super) link: Option<Link>,
    /// Where to measure: auto (an isolated engine where one works, else the host's), host, isolated or isolated:VERSION
    /// [default: the suite's, else auto]
    #[arg(long, value_name = "ENGINE", env = "BAKEOFF_ENGINE")]
    pub(super) engine: Option<EngineChoice>,
    /// The recording to replay or to add to [default: the suite's, else named after suite and variant]
    #[arg(long, value_name = "NAME")]
    pub(super) recording: Option<String>,
    /// The package index to record from [default: the suite's, else the one that your pip or uv is configured for]
    #[arg(long, value_name = "URL")]
    pub(super) index: Option<String>,
}

/// What only a new run may be told: one that goes on is as its journal says. (The index may hold a password, so that is not
/// in the journal; the engine may come from the environment, so [`Arguments::of_command_line`] looks after that.)
const OF_A_NEW_RUN: [&str; 13] = [
    "suite",
    "rounds",
    "warmup",
    "scenario",
    "fixture",
    "seed",
    "network",
    "link",
    "recording",
    "out",
    "base_images",
    "trust_host_ca",
    "no_layer_scan",
];

const PLAN: &str = "\
Examples:
  bakeoff plan scenarios/published.toml                     every trial in its order, and how long it takes
  bakeoff plan scenarios/published.toml --scenario 'uv-*'   of two of the approaches alone
  bakeoff plan my-suite.toml --seed 7 --rounds 10           the order that `run` has with that seed";

#[derive(Debug, Args)]
#[command(after_help = PLAN)]
pub(super) struct Plan {
    /// The suite file
    pub(super) suite: PathBuf,
    #[command(flatten)]
    pub(super) selection: Selection,
}

const RUN: &str = "\
Examples:
  bakeoff run suite.toml                              records what builds download the first time,
                                                      and replays that afterwards
  bakeoff run suite.toml --rounds 5 --scenario 'uv-*' some scenarios, often enough to compare them
  bakeoff run suite.toml --network record             fetch what the recording lacks, and add it
  bakeoff run suite.toml --network replay --link 100mbit,20ms
                                                      only what is recorded, over a slower link
  bakeoff run suite.toml --engine isolated:28         in throw-away engines of this version
  bakeoff run --resume latest                         go on with a run that was killed

docs/network.md says what a replay holds, docs/engines.md which engines there are.";

#[derive(Debug, Args)]
#[command(after_help = RUN)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Run {
    /// The suite file
    #[arg(required_unless_present = "resume")]
    pub(super) suite: Option<PathBuf>,
    /// Go on with a run that was killed or interrupted, from its first unfinished trial: its folder, its id, or `latest`
    #[arg(long, value_name = "DIR", conflicts_with_all = OF_A_NEW_RUN)]
    pub(super) resume: Option<String>,
    /// Go on even if the machine or its engine is another one than the run began with
    #[arg(long, requires = "resume")]
    pub(super) allow_different_machine: bool,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// The run's folder: journal, logs and reports [default: reports/runs/<run id>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Where base images may come from
    #[arg(long, value_enum, default_value_t = BaseSource::Auto, value_name = "SOURCE")]
    pub(super) base_images: BaseSource,
    /// Lay the host's CA bundle over pulled base images too (behind a TLS-inspecting proxy); stand-ins always get it
    #[arg(long)]
    pub(super) trust_host_ca: bool,
    /// Do not read the layers of each scenario's images once, unmeasured, for what is wasted in them
    #[arg(long)]
    pub(super) no_layer_scan: bool,
    /// How to show the result on standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub(super) format: Format,
    /// Say every finished phase, even when standard error is no terminal
    #[arg(long, short)]
    pub(super) verbose: bool,
}

const REPORT: &str = "\
Examples:
  bakeoff report latest                                     the last run's table, in the terminal
  bakeoff report latest --format html -o report.html        a page with charts, in one file
  bakeoff report 20261121 --format csv                      one line for each phase of each round";

#[derive(Debug, Args)]
#[command(after_help = REPORT)]
pub(super) struct Report {
    /// A run's folder, its id or the beginning of it, or `latest`
    pub(super) run: String,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub(super) format: Format,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

const EXPLAIN: &str = "\
Examples:
  bakeoff explain latest uv-single                          the Dockerfile with its times, cold beside hot
  bakeoff explain latest uv-single --phase \"hot build\"     one build, with shares and what could be saved
  bakeoff explain latest 'uv-*' --phase \"hot push\"         how pushes divide, and which bytes they sent
  bakeoff explain latest uv-single --format markdown        for a pull request

docs/attribution.md defines each figure, and says how far it can be trusted.";

#[derive(Debug, Args)]
#[command(after_help = EXPLAIN)]
pub(super) struct Explain {
    /// A run's folder, its id or the beginning of it, or `latest`
    pub(super) run: String,
    /// The scenario: its full or base name; `*` and `?` stand for any text and any character
    pub(super) scenario: String,
    /// Only this build, with shares and what could be saved, or this push, pull or start, such as "hot build" [default: all
    /// builds side by side]
    #[arg(long, value_name = "NAME")]
    pub(super) phase: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ExplainFormat::Terminal)]
    pub(super) format: ExplainFormat,
}

const CHECK: &str = "\
Each figure is held against the runs since it last changed, on the same machine and branch. A
regression is three runs in a row beyond the limit: one bad night or two are suspected only.
docs/nightly.md shows a whole nightly job.

Examples:
  bakeoff check latest                               every figure, 5 % and what the noise allows
  bakeoff check latest --policy policy.toml          those that matter, each with its own limit
  bakeoff check latest --branch main                 a pull request's run against main

Exit codes: 0 no regression, 10 regression, 11 inconclusive with --require-conclusive.";

#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(super) struct Check {
    /// A run's folder, its id or the beginning of it, or `latest`
    pub(super) run: String,
    #[command(flatten)]
    pub(super) database: super::history::args::Database,
    /// The branch whose runs are the baseline [default: the CI's, else the one that is checked out]
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,
    /// Which figures are judged, from what change on, and which new levels are accepted [default: all, from 5 %]
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// End with 11 if something could not be judged
    #[arg(long)]
    pub(super) require_conclusive: bool,
    /// How to show it
    #[arg(long, value_enum, default_value_t = VerdictFormat::Terminal)]
    pub(super) format: VerdictFormat,
}

const TREND: &str = "\
Examples:
  bakeoff trend                                             every figure of this branch, and where it changed
  bakeoff trend --metric \"hot *\" --scenario 'uv-*'         some of them
  bakeoff trend --suite published --branch main --since 90d the last three months of main";

#[derive(Debug, Args)]
#[command(after_help = TREND)]
pub(super) struct Trend {
    #[command(flatten)]
    pub(super) database: super::history::args::Database,
    /// Only metrics that match, such as "hot *"
    #[arg(long, value_name = "GLOB", default_value = "*")]
    pub(super) metric: String,
    /// Only scenarios whose full name matches
    #[arg(long, value_name = "GLOB", default_value = "*")]
    pub(super) scenario: String,
    /// Only of this suite
    #[arg(long, value_name = "NAME")]
    pub(super) suite: Option<String>,
    /// Only of this branch [default: the CI's, else the one that is checked out]
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,
    /// Only the last days, such as 90d
    #[arg(long, value_name = "AGE", value_parser = super::history::args::days)]
    pub(super) since: Option<std::time::Duration>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = VerdictFormat::Terminal)]
    pub(super) format: VerdictFormat,
}

const COMPARE: &str = "\
Examples:
  bakeoff compare latest --baseline-scenario pip-single   each scenario with pip-single, round by round
  bakeoff compare 20261121 20261120                       a run with an earlier one of the same machine
  bakeoff compare A B --allow-different-machine           only ratios between scenarios are compared

What is tested together are the suite's questions (docs/suite-format.md), else the times of all
phases. docs/statistics.md says which tests these are, and why.";

#[derive(Debug, Args)]
#[command(after_help = COMPARE)]
pub(super) struct Compare {
    /// A run's folder, its id or the beginning of it, or `latest`
    pub(super) run: String,
    /// The run to compare it with
    #[arg(value_name = "BASELINE", required_unless_present = "baseline_scenario")]
    pub(super) baseline: Option<String>,
    /// Compare the run's scenarios with this one of them; where it was measured with several values of a factor, each with the
    /// one of the same value. Across machines, the one to which ratios are taken
    #[arg(long, value_name = "NAME")]
    pub(super) baseline_scenario: Option<String>,
    /// Compare runs of machines that differ, by the ratios between their scenarios
    #[arg(long, requires = "baseline")]
    pub(super) allow_different_machine: bool,
    /// From what on a difference matters
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = effect)]
    pub(super) relevant: Effect,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ExplainFormat::Terminal)]
    pub(super) format: ExplainFormat,
}

const POWER: &str = "\
Examples:
  bakeoff power latest                                      rounds and hours that it takes to see 5 %
  bakeoff power latest --effect 2%                          and 2 %
  bakeoff power latest --baseline-scenario uv-single        compared with another scenario than the first

Fewer than 6 rounds never show anything. docs/statistics.md says how this is reckoned.";

#[derive(Debug, Args)]
#[command(after_help = POWER)]
pub(super) struct Power {
    /// A run's folder, its id or the beginning of it, or `latest`: its rounds show how much the machine varies
    pub(super) run: String,
    /// The difference to find, such as 5%
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = effect)]
    pub(super) effect: Effect,
    /// The scenario that the others are compared with [default: the suite's first]
    #[arg(long, value_name = "NAME")]
    pub(super) baseline_scenario: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

/// A share in per cent.
pub(super) fn effect(text: &str) -> Result<Effect, String> {
    let number = text
        .strip_suffix('%')
        .and_then(|number| number.trim_end().parse::<f64>().ok());
    let number = number.ok_or("expected per cent, such as 5%")?;
    Effect::new(number / 100.0).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Check the base images of this suite instead of the usual ones
    pub(super) suite: Option<PathBuf>,
    /// Also probe for so many seconds (30 if none are given) how quiet this machine is: processors, steal, other load,
    /// frequency, disk, clock. Reports of the runs after it, until the machine is started anew, carry the verdict
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "30",
          value_parser = clap::value_parser!(u64).range(2..=noise::LONGEST.as_secs()))]
    pub(super) noise: Option<u64>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct Clean {
    /// The stand-in base images too; they take about a minute to make again
    #[arg(long)]
    pub(super) all: bool,
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Terminal,
    /// A page for a pull request or a README
    Markdown,
    /// Long form: one row per phase and round
    Csv,
    /// For machines
    Json,
    /// A self-contained page with a chart
    Html,
}

impl From<Format> for crate::report::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Terminal => Self::Terminal,
            Format::Markdown => Self::Markdown,
            Format::Csv => Self::Csv,
            Format::Json => Self::Json,
            Format::Html => Self::Html,
        }
    }
}

/// The formats of explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExplainFormat {
    /// The Dockerfile with its times, for people
    Terminal,
    /// The same for a pull request
    Markdown,
    /// For machines: a list of the scenarios
    Json,
}

impl From<ExplainFormat> for crate::report::Format {
    fn from(format: ExplainFormat) -> Self {
        match format {
            ExplainFormat::Terminal => Self::Terminal,
            ExplainFormat::Markdown => Self::Markdown,
            ExplainFormat::Json => Self::Json,
        }
    }
}

/// The formats of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// Lines for people
    Terminal,
    /// For machines
    Json,
}

/// The formats of verdicts and trends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum VerdictFormat {
    /// Lines for people
    Terminal,
    /// A table, for a job's summary or a pull request
    Markdown,
    /// For machines
    Json,
}

/// Where base images may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum BaseSource {
    /// The engine's own, else pulled, else a stand-in made from the distribution's packages
    Auto,
    /// The engine's own or pulled; never a stand-in
    Real,
    /// Stand-ins only
    StandIn,
}

impl BaseSource {
    /// The name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Real => "real",
            Self::StandIn => "stand-in",
        }
    }

    /// The source of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Auto, Self::Real, Self::StandIn]
            .into_iter()
            .find(|source| source.name() == name)
    }
}

impl From<BaseSource> for Source {
    fn from(source: BaseSource) -> Self {
        match source {
            BaseSource::Auto => Self::Auto,
            BaseSource::Real => Self::Real,
            BaseSource::StandIn => Self::StandIn,
        }
    }
}

/// Where builds get what they download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum NetworkSource {
    /// The recording if it has all that the run needs, else as record
    Auto,
    /// The recording, and upstream what it lacks, which is added to it
    Record,
    /// The recording only: what it lacks is an error
    Replay,
    /// Wherever they look by themselves: nothing is recorded, no link is shaped
    Upstream,
}

impl From<NetworkSource> for NetworkMode {
    fn from(source: NetworkSource) -> Self {
        match source {
            NetworkSource::Auto => Self::Auto,
            NetworkSource::Record => Self::Record,
            NetworkSource::Replay => Self::Replay,
            NetworkSource::Upstream => Self::Upstream,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
