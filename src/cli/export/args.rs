//! The arguments of `bakeoff export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::report::export::ExportFormat;

const FORMATS: &str = "\
Formats, what reads them, and how:
  hyperfine                 hyperfine's own scripts, and what else reads its --export-json
      bakeoff export latest --to hyperfine -o run.json && python3 plot_whisker.py run.json
  bmf                       Bencher, as Bencher Metric Format
      bakeoff export latest --to bmf -o run.json && bencher run --adapter json --file run.json
  github-action-benchmark   the action of that name, with `tool: customSmallerIsBetter`
      bakeoff export latest --to github-action-benchmark -o benchmark.json
  otava, otava-config       Apache Otava, which finds change points: a row for each RUN
      bakeoff export reports/runs/* --to otava -o bakeoff.csv
      bakeoff export reports/runs/* --to otava-config -o otava.yaml
      otava analyze published-light --config-file otava.yaml
  junit                     CI systems that list tests: each phase of each round is one
      bakeoff export latest --to junit -o junit.xml
  github-step-summary       the page of a GitHub Actions job, at most 1 MiB
      bakeoff export latest --to github-step-summary >> \"$GITHUB_STEP_SUMMARY\"
  perfetto                  ui.perfetto.dev and chrome://tracing: every step on a track of its stage
      bakeoff export latest --to perfetto -o trace.json
  otlp                      OpenTelemetry collectors and what is behind them
      bakeoff export latest --to otlp --endpoint http://127.0.0.1:4318
      bakeoff export latest --to otlp -o spans.json

OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _TIMEOUT are honoured, and the OTEL_EXPORTER_OTLP_TRACES_ form of each.
docs/export.md says what becomes of what, and what is lost.";

#[derive(Debug, Args)]
#[command(after_help = FORMATS)]
pub(in crate::cli) struct Export {
    /// A run's folder, its id or the beginning of it, or `latest`; otava takes several
    #[arg(required = true)]
    pub(super) run: Vec<String>,
    /// The format: one of those below
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(super) to: Target,
    /// Write to this file, `-` for standard output [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// otlp: send the spans to this collector, over HTTP, instead of writing them. Without it and without --output they are
    /// sent to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, if it is set
    #[arg(long, value_name = "URL", conflicts_with = "output")]
    pub(super) endpoint: Option<String>,
    /// otava: take runs of different machines, engines or networks for one series
    #[arg(long)]
    pub(super) allow_different_machine: bool,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Target {
    Hyperfine,
    Bmf,
    GithubActionBenchmark,
    Otava,
    OtavaConfig,
    Junit,
    GithubStepSummary,
    #[value(alias = "chrome")]
    Perfetto,
    Otlp,
}

impl From<Target> for ExportFormat {
    fn from(target: Target) -> Self {
        match target {
            Target::Hyperfine => Self::Hyperfine,
            Target::Bmf => Self::Bmf,
            Target::GithubActionBenchmark => Self::GithubActionBenchmark,
            Target::Otava => Self::Otava,
            Target::OtavaConfig => Self::OtavaConfig,
            Target::Junit => Self::Junit,
            Target::GithubStepSummary => Self::GithubStepSummary,
            Target::Perfetto => Self::Perfetto,
            Target::Otlp => Self::Otlp,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_format_has_its_name_and_its_line_of_help() {
        for target in Target::value_variants() {
            let format = ExportFormat::from(*target);
            let name = target.to_possible_value().expect("shown").get_name().to_owned();
            assert_eq!(name, format.name());
            assert!(FORMATS.contains(&format!("--to {name}")), "{name}");
        }
        assert_eq!(Target::value_variants().len(), ExportFormat::ALL.len());
    }
}
