//! `bakeoff compare` and `bakeoff power`: what a run's rounds show, and what it would take to show more.

use std::io::Write as _;
use std::path::Path;

use super::args::{Compare, ListFormat, Power};
use super::{Failure, paths, print, style};
use crate::analysis::{self, Figure, RowKind, figures};
use crate::journal::{self, RunLog};
use crate::report;
use crate::stats::{ComparePolicy, Effect, Level, Noise, Pairs};

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
    let first = log
        .header
        .scenarios
        .first()
        .map(|scenario| scenario.name.clone())
        .unwrap_or_default();
    let pairs_of = |metric: &str| -> Vec<(&Figure, Pairs)> {
        let of_metric: Vec<&&Figure> = times.iter().filter(|figure| figure.metric == metric).collect();
        let Some(baseline) = of_metric.iter().find(|figure| figure.scenario == first) else {
            return Vec::new();
        };
        let others = of_metric.iter().filter(|figure| figure.scenario != first);
        others
            .filter_map(|figure| Some((**figure, analysis::pairs(&figure.points, &baseline.points).ok()?)))
            .collect()
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
            baseline: first.clone(),
            rounds: pairs.rounds().len(),
            takes: Noise::observed(pairs)
                .map(|noise| noise.rounds_needed(arguments.effect, level, Level::NINETY_PERCENT)),
        })
        .collect();
    let round = round_time(&log);
    print(&match arguments.format {
        ListFormat::Json => json(&needed, arguments.effect, round),
        ListFormat::Terminal => lines(&needed, arguments.effect, round),
    })
}

/// What a round of the run took, in seconds: from the beginning of its first phase to the end of its last trial is not known, so
/// the sum of its phases, to which set-up and clean-up come.
fn round_time(log: &RunLog) -> Option<f64> {
    let measured = log.phases.iter().map(|phase| phase.wall.seconds()).sum::<f64>();
    let rounds = log
        .phases
        .iter()
        .map(|phase| phase.trial.round)
        .collect::<std::collections::BTreeSet<_>>();
    let count = u32::try_from(rounds.len()).ok().filter(|count| *count > 0)?;
    Some(measured / f64::from(count))
}

fn hours(needed: &Needed, round: Option<f64>) -> Option<f64> {
    #[allow(clippy::cast_precision_loss, reason = "a number of rounds")]
    let rounds = needed.takes?.rounds as f64;
    Some(rounds * round? / 3600.0)
}

fn lines(all: &[Needed], effect: Effect, round: Option<f64>) -> String {
    let mut text = format!(
        "Rounds that it takes to find a difference of {} in nine of ten runs, each scenario with {}:\n\n",
        crate::report::percent(effect.share()),
        all[0].baseline
    );
    let width = |of: &dyn Fn(&Needed) -> &str| {
        all.iter()
            .map(|needed| of(needed).chars().count())
            .max()
            .unwrap_or_default()
    };
    let (metric, scenario) = (width(&|needed| &needed.metric), width(&|needed| &needed.scenario));
    for needed in all {
        let takes = match (needed.takes, hours(needed, round)) {
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
        "\nBy the variation of the run's own rounds ({rounds} or more), at a level of 5 % over these {} questions together. Hours are those \
         of whole rounds of all scenarios, without set-up and clean-up. Few rounds tell little of the variation: plan for more.\n",
        all.len()
    ));
    text
}

fn json(all: &[Needed], effect: Effect, round: Option<f64>) -> String {
    let entry = |needed: &Needed| {
        serde_json::json!({
            "metric": needed.metric, "scenario": needed.scenario, "baseline": needed.baseline, "rounds": needed.rounds,
            "needed_rounds": needed.takes.map(|takes| takes.rounds),
            "at_least_rounds": needed.takes.map(|takes| takes.at_least),
            "hours": hours(needed, round),
        })
    };
    let questions: Vec<_> = all.iter().map(entry).collect();
    let document = serde_json::json!({
        "schema": 1, "effect": effect.share(), "level": Level::FIVE_PERCENT.get(), "power": Level::NINETY_PERCENT.get(),
        "questions": questions,
    });
    format!("{document:#}\n")
}
