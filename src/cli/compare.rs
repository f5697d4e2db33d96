//! `bakeoff compare` and `bakeoff power`: what a run's rounds show, and what it would take to show more.

use std::io::Write as _;
use std::path::Path;

use super::args::{Compare, ListFormat, Power};
use super::{Failure, paths, print, style};
use crate::analysis::{self, Baselines, Figure, RowKind, figures};
use crate::journal::{self, RunLog};
use crate::report;
use crate::stats::{ComparePolicy, Effect, Level, Noise, Pairs};
use crate::units::Nanos;

pub(super) fn compare(arguments: &Compare) -> Result<(), Failure> {
    let log = read(&arguments.run)?;
    let policy = ComparePolicy {
        relevant: arguments.relevant,
        ..ComparePolicy::default()
    };
    let reference = arguments.baseline_scenario.as_deref();
    let compared = match &arguments.baseline {
        Some(baseline) => {
            let baseline = read(baseline)?;
            analysis::between_runs(&log, &baseline, reference, arguments.allow_different_machine, policy)?
        }
        // The parser wants one of them.
        None => analysis::within_run(&log, reference.unwrap_or_default(), policy)?,
    };
    let mut text = Vec::new();
    report::compare(&compared, arguments.format.into(), style(), &mut text)?;
    std::io::stdout()
        .lock()
        .write_all(&text)
        .map_err(|source| Failure::Output {
            operation: "writing the comparison",
            source,
        })
}

fn read(name: &str) -> Result<RunLog, Failure> {
    Ok(journal::read(&journal::resolve(Path::new(paths::RUNS), name)?)?)
}

/// What one question of a run would take.
struct Needed {
    scenario: String,
    metric: String,
    baseline: String,
    rounds: usize,
    /// `None` if one round shows no variation.
    takes: Option<crate::stats::RoundsNeeded>,
}

pub(super) fn power(arguments: &Power) -> Result<(), Failure> {
    let log = read(&arguments.run)?;
    let figures = figures(&log);
    let asked = |figure: &&Figure| {
        figure.kind == RowKind::Time
            && (log.header.questions.is_empty() || log.header.questions.contains(&figure.metric))
    };
    let times: Vec<&Figure> = figures.iter().filter(asked).collect();
    let baselines = match (&arguments.baseline_scenario, log.header.scenarios.first()) {
        (Some(name), _) => Baselines::named(&log, name)?,
        (None, None) => return Err(Failure::NothingToCompare(log.header.run.0)),
        (None, Some(first)) => {
            Baselines::named(&log, &first.base_name).or_else(|_| Baselines::named(&log, &first.name))?
        }
    };
    let pairs_of = |metric: &str| -> Vec<(&Figure, Pairs)> {
        let of_metric: Vec<&Figure> = times.iter().copied().filter(|figure| figure.metric == metric).collect();
        let with_baseline = |figure: &Figure| {
            let baseline = baselines.of(&figure.scenario)?;
            let other = of_metric.iter().find(|other| other.scenario == baseline)?;
            analysis::pairs(&figure.points, &other.points).ok()
        };
        let paired = of_metric
            .iter()
            .filter_map(|figure| Some((*figure, with_baseline(figure)?)));
        paired.collect()
    };
    let mut metrics: Vec<&str> = times.iter().map(|figure| figure.metric.as_str()).collect();
    metrics.dedup();
    let questions: Vec<(&Figure, Pairs)> = metrics.into_iter().flat_map(pairs_of).collect();
    if questions.is_empty() {
        return Err(Failure::NothingToCompare(log.header.run.0));
    }
    // The first step of Holm's method: what has to hold if all of them are to be answered.
    let level = Level::FIVE_PERCENT.shared_by(questions.len());
    let needed: Vec<Needed> = questions
        .iter()
        .map(|(figure, pairs)| Needed {
            scenario: figure.scenario.clone(),
            metric: figure.metric.clone(),
            baseline: baselines.of(&figure.scenario).unwrap_or_default().to_owned(),
            rounds: pairs.rounds().len(),
            takes: Noise::observed(pairs)
                .map(|noise| noise.rounds_needed(arguments.effect, level, Level::NINETY_PERCENT)),
        })
        .collect();
    let takes = Takes {
        round: analysis::round_time(&log).map(Nanos::seconds),
        warmup: log.header.warmup,
    };
    print(&match arguments.format {
        ListFormat::Json => json(&needed, arguments.effect, &takes),
        ListFormat::Terminal => lines(&needed, &baselines, arguments.effect, &takes),
    })
}

/// How long runs like this one take.
struct Takes {
    /// A round, in seconds by the clock; `None` if none ran through.
    round: Option<f64>,
    /// The rounds that are discarded, for which a user waits as well.
    warmup: u32,
}

impl Takes {
    /// The hours that a user waits for a run with so many rounds.
    fn hours(&self, needed: &Needed) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "a number of rounds")]
        let rounds = needed.takes?.rounds as f64;
        Some((rounds + f64::from(self.warmup)) * self.round? / 3600.0)
    }

    /// What those hours are.
    fn note(&self) -> String {
        if self.round.is_none() {
            return "How long that takes is not known: no trial of some scenario ran through.".to_owned();
        }
        let with = match self.warmup {
            0 => "set-up and clean-up".to_owned(),
            1 => "set-up, clean-up and a discarded round".to_owned(),
            several => format!("set-up, clean-up and {several} discarded rounds"),
        };
        format!("Hours are those of a whole run by the clock, with {with}.")
    }
}

fn lines(all: &[Needed], baselines: &Baselines, effect: Effect, run: &Takes) -> String {
    let mut text = format!(
        "Rounds that it takes to find a difference of {} in nine of ten runs, each scenario with {}:\n\n",
        crate::report::percent(effect.share()),
        baselines.told()
    );
    let width = |of: &dyn Fn(&Needed) -> &str| {
        all.iter()
            .map(|needed| of(needed).chars().count())
            .max()
            .unwrap_or_default()
    };
    let (metric, scenario) = (width(&|needed| &needed.metric), width(&|needed| &needed.scenario));
    for needed in all {
        let takes = match (needed.takes, run.hours(needed)) {
            (Some(takes), Some(hours)) => format!("{} rounds, {hours:.1} h", takes.rounds),
            (Some(takes), None) => format!("{} rounds", takes.rounds),
            (None, _) => "not known: one round shows no variation".to_owned(),
        };
        text.push_str(&format!(
            "{:metric$}  {:scenario$}  {takes}\n",
            needed.metric, needed.scenario
        ));
    }
    let rounds = all.iter().map(|needed| needed.rounds).min().unwrap_or_default();
    text.push_str(&format!(
        "\nBy the variation of the run's own rounds ({rounds} or more), at a level of 5 % over these {} questions together. {} Few \
         rounds tell little of the variation: plan for more.\n",
        all.len(),
        run.note()
    ));
    text
}

fn json(all: &[Needed], effect: Effect, run: &Takes) -> String {
    let entry = |needed: &Needed| {
        serde_json::json!({
            "metric": needed.metric, "scenario": needed.scenario, "baseline": needed.baseline, "rounds": needed.rounds,
            "needed_rounds": needed.takes.map(|takes| takes.rounds),
            "at_least_rounds": needed.takes.map(|takes| takes.at_least),
            "hours": run.hours(needed),
        })
    };
    let questions: Vec<_> = all.iter().map(entry).collect();
    let document = serde_json::json!({
        "schema": 1, "effect": effect.share(), "level": Level::FIVE_PERCENT.get(), "power": Level::NINETY_PERCENT.get(),
        "round_seconds": run.round, "warmup_rounds": run.warmup, "questions": questions,
    });
    format!("{document:#}\n")
}
