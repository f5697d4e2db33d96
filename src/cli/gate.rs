//! `bakeoff check` and `bakeoff trend`: the nightly gate and the series behind it.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Check, ListFormat, Trend as Arguments};
use super::history::{origin, show::value_of};
use super::{Failure, paths, print};
use crate::gate::{self, Change, Checked, Ending, Found, Judgement, Policy, Trend};
use crate::history::{Filter, History, Origin, PastRun};
use crate::journal;
use crate::report::percent;
use crate::stats::Verdict;
use crate::suite::wildcard;

/// The exit code of a regression.
const REGRESSION: u8 = 10;
/// The exit code where not everything could be judged and that was demanded.
const INCONCLUSIVE: u8 = 11;
/// Digits of a commit that people know it by.
const SHORT: usize = 12;

/// Judges a run, says what came of it, and returns the exit code.
pub(super) fn check(arguments: &Check) -> Result<u8, Failure> {
    let policy = match &arguments.policy {
        Some(path) => Policy::read(path)?,
        None => Policy::default(),
    };
    let dir = journal::resolve(Path::new(paths::RUNS), &arguments.run)?;
    let log = journal::read(&dir)?;
    if !log.is_complete() {
        return Err(Failure::UnfinishedRun(log.header.run.0));
    }
    let branch = origin::branch(arguments.branch.as_deref());
    let run = PastRun::of(&log, Origin::default());
    // The first night has nothing to be held against, and passes.
    let history = if arguments.database.db.exists() {
        History::open_existing(&arguments.database.db)?
    } else {
        History::in_memory()?
    };
    let checked = gate::check(&run, &history, &branch, &policy)?;
    print(&match arguments.format {
        ListFormat::Json => format!("{:#}\n", json(&checked)),
        ListFormat::Terminal => lines(&checked, &arguments.database.db),
    })?;
    Ok(match checked.ending() {
        Ending::Regressed => REGRESSION,
        Ending::Inconclusive if arguments.require_conclusive => INCONCLUSIVE,
        Ending::Passed | Ending::Inconclusive => 0,
    })
}

fn lines(checked: &Checked, db: &Path) -> String {
    let of = if checked.branch.is_empty() {
        "runs without a branch".to_owned()
    } else {
        format!("branch {}", checked.branch)
    };
    let mut text = format!("run {} against {of} in {}\n\n", checked.run, db.display());
    let shown: Vec<&Judgement> = checked
        .judgements
        .iter()
        .filter(|one| one.found != Found::Ignored)
        .collect();
    let width = |of: &dyn Fn(&Judgement) -> usize| shown.iter().map(|one| of(one)).max().unwrap_or_default();
    let word_width = width(&|one| word(&one.found).chars().count());
    let metric = width(&|one| one.metric.chars().count());
    let scenario = width(&|one| one.scenario.chars().count());
    // The worst first.
    let mut order: Vec<&&Judgement> = shown.iter().collect();
    order.sort_by_key(|one| rank(&one.found));
    for one in order {
        text.push_str(&format!(
            "{:word_width$}  {:metric$}  {:scenario$}  {}\n",
            word(&one.found),
            one.metric,
            one.scenario,
            told(one)
        ));
    }
    let ignored = checked.judgements.len() - shown.len();
    if ignored > 0 {
        text.push_str(&format!("\n{ignored} figures are left out by the policy.\n"));
    }
    for note in &checked.notes {
        text.push_str(&format!("\n{note}\n"));
    }
    let ending = match checked.ending() {
        Ending::Passed => "no regression",
        Ending::Regressed => "regression",
        Ending::Inconclusive => {
            "no regression shown, but not everything could be judged (--require-conclusive fails then)"
        }
    };
    text.push_str(&format!("\n{ending}\n"));
    text
}

fn rank(found: &Found) -> u8 {
    match found {
        Found::Judged(Verdict::Regression { .. }) => 0,
        Found::Warned { .. } => 1,
        Found::Judged(Verdict::Suspected { worse: true, .. }) => 2,
        Found::Judged(Verdict::Improvement { .. }) => 3,
        Found::Judged(Verdict::Suspected { worse: false, .. }) => 4,
        Found::Judged(Verdict::TooNoisy { .. }) => 5,
        Found::Judged(Verdict::NoBaseline { .. }) | Found::Unjudged(_) => 6,
        Found::Judged(Verdict::NoChange { .. }) => 7,
        Found::Ignored => 8,
    }
}

fn word(found: &Found) -> &'static str {
    match found {
        Found::Judged(verdict) => match verdict {
            Verdict::Regression { .. } => "regression",
            Verdict::Improvement { .. } => "improvement",
            Verdict::Suspected { .. } => "suspected",
            Verdict::TooNoisy { .. } => "too-noisy",
            Verdict::NoBaseline { .. } => "no-baseline",
            Verdict::NoChange { .. } => "no-change",
        },
        Found::Warned { .. } => "warning",
        Found::Ignored => "ignored",
        Found::Unjudged(_) => "not-judged",
    }
}

fn told(one: &Judgement) -> String {
    let value = |value: f64| value_of(&one.unit, value);
    let mut text = value(one.value);
    match &one.found {
        Found::Judged(Verdict::NoBaseline { nights, needed }) => {
            text.push_str(&format!(", no baseline yet: {nights} of {needed} runs"));
        }
        Found::Judged(
            Verdict::Regression { ratio } | Verdict::Improvement { ratio } | Verdict::Suspected { ratio, .. },
        )
        | Found::Warned { ratio } => text.push_str(&format!(", {}", change(*ratio))),
        Found::Judged(Verdict::TooNoisy { smallest_effect_shown }) => {
            text.push_str(&format!(
                ", only a change of {} could be seen",
                percent(*smallest_effect_shown)
            ));
        }
        Found::Unjudged(reason) => text.push_str(&format!(", {reason}")),
        Found::Judged(Verdict::NoChange { .. }) | Found::Ignored => {}
    }
    if let Some(against) = &one.against {
        text.push_str(&format!(
            "; baseline {} (limit {}), {} runs since {}",
            value(against.middle),
            value(against.high),
            against.runs,
            against.since.format("%Y-%m-%d")
        ));
        if let Some(first) = &against.first_beyond {
            text.push_str(&format!(
                "; since {} of {}{}",
                first.run,
                first.started.format("%Y-%m-%d"),
                commit(&first.commit)
            ));
        }
    }
    text
}

/// `20 % more`, `17 % less`.
fn change(ratio: f64) -> String {
    if ratio >= 1.0 {
        format!("{} more", percent(ratio - 1.0))
    } else {
        format!("{} less", percent(1.0 - ratio))
    }
}

fn commit(commit: &str) -> String {
    if commit.is_empty() {
        String::new()
    } else {
        format!(", commit {}", commit.chars().take(SHORT).collect::<String>())
    }
}

fn json(checked: &Checked) -> Value {
    let one = |one: &Judgement| {
        let (ratio, smallest, nights) = match &one.found {
            Found::Judged(verdict) => match *verdict {
                Verdict::Regression { ratio } | Verdict::Improvement { ratio } | Verdict::Suspected { ratio, .. } => {
                    (Some(ratio), None, None)
                }
                Verdict::TooNoisy { smallest_effect_shown } | Verdict::NoChange { smallest_effect_shown } => {
                    (None, Some(smallest_effect_shown), None)
                }
                Verdict::NoBaseline { nights, needed } => (None, None, Some([nights, needed])),
            },
            Found::Warned { ratio } => (Some(*ratio), None, None),
            Found::Ignored | Found::Unjudged(_) => (None, None, None),
        };
        let against = one.against.as_ref().map(|against| {
            json!({
                "median": against.middle, "limit": against.high, "runs": against.runs, "since": against.since,
                "first_beyond": against.first_beyond.as_ref().map(|point| json!({
                    "run": point.run, "started": point.started, "commit": point.commit,
                })),
            })
        });
        json!({
            "scenario": one.scenario, "metric": one.metric, "unit": one.unit, "value": one.value,
            "verdict": word(&one.found), "ratio": ratio, "smallest_change_shown": smallest,
            "runs_of_needed": nights, "baseline": against,
            "reason": match &one.found { Found::Unjudged(reason) => Some(reason), _ => None },
        })
    };
    json!({
        "schema": 1, "run": checked.run, "branch": checked.branch,
        "ending": match checked.ending() {
            Ending::Passed => "passed",
            Ending::Regressed => "regression",
            Ending::Inconclusive => "inconclusive",
        },
        "notes": checked.notes,
        "figures": checked.judgements.iter().map(one).collect::<Vec<_>>(),
    })
}

pub(super) fn trend(arguments: &Arguments) -> Result<(), Failure> {
    let history = History::open_existing(&arguments.database.db)?;
    let filter = Filter {
        branch: Some(origin::branch(arguments.branch.as_deref())),
        suite: arguments.suite.clone(),
        ..Filter::default()
    };
    let keys = history.keys(&filter)?;
    let fits = |key: &&crate::history::SeriesKey| {
        wildcard(&arguments.metric, &key.metric) && wildcard(&arguments.scenario, &key.scenario)
    };
    let since = arguments.since.map(|age| chrono::Utc::now() - age);
    let mut trends = Vec::new();
    for key in keys.iter().filter(fits) {
        let mut series = history.series(key, None, u32::MAX)?;
        series
            .points
            .retain(|point| since.is_none_or(|since| point.started >= since));
        if !series.points.is_empty() {
            trends.push(gate::trend(series, &history)?);
        }
    }
    if trends.is_empty() {
        return Err(Failure::NoSeries(arguments.database.db.clone()));
    }
    print(&match arguments.format {
        ListFormat::Json => format!("{:#}\n", trends_json(&trends)),
        ListFormat::Terminal => trends.iter().map(trend_lines).collect(),
    })
}

fn trend_lines(trend: &Trend) -> String {
    let key = &trend.series.key;
    let of = |value: f64| value_of(&key.unit, value);
    let name = [&key.suite, &key.variant, &key.scenario].map(String::as_str);
    let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
    let (first, last) = (
        &trend.series.points[0],
        &trend.series.points[trend.series.points.len() - 1],
    );
    let mut text = format!(
        "{}: {}  {} runs, {} to {}, now {}\n",
        name.join(" "),
        key.metric,
        trend.values.len(),
        first.started.format("%Y-%m-%d"),
        last.started.format("%Y-%m-%d"),
        of(trend.values[trend.values.len() - 1]),
    );
    for one in &trend.changes {
        text.push_str(&format!(
            "  {}  {}: {} to {}{}{}\n",
            one.first.started.format("%Y-%m-%d"),
            change(one.after / one.before),
            of(one.before),
            of(one.after),
            commit(&one.first.commit),
            if one.drift.is_empty() {
                String::new()
            } else {
                format!("; also {}", one.drift.join(", "))
            }
        ));
    }
    text
}

fn trends_json(trends: &[Trend]) -> Value {
    let change = |one: &Change| {
        json!({
            "run": one.first.run, "started": one.first.started, "commit": one.first.commit, "last_before": one.last.run,
            "before": one.before, "after": one.after, "ratio": one.after / one.before, "p": one.p, "drift": one.drift,
        })
    };
    let series = |trend: &Trend| {
        let key = &trend.series.key;
        let points = trend.series.points.iter().zip(&trend.values);
        json!({
            "suite": key.suite, "fixture": key.fixture, "variant": key.variant, "branch": key.branch,
            "identity": key.identity, "scenario": key.scenario, "metric": key.metric, "unit": key.unit,
            "points": points.map(|(point, value)| json!({
                "run": point.run, "started": point.started, "commit": point.commit, "value": value,
            })).collect::<Vec<_>>(),
            "changes": trend.changes.iter().map(change).collect::<Vec<_>>(),
        })
    };
    json!({ "schema": 1, "series": trends.iter().map(series).collect::<Vec<_>>() })
}
