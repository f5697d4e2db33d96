//! The nightly gate: each figure of a run against what the history holds of it, by a policy. The rule itself is
//! [`crate::stats::judge`]. Not for: printing verdicts, or ending programs.

mod policy;
mod trend;

use chrono::{DateTime, Utc};

use crate::history::{Filter, History, HistoryError, Metric, PastRun, Point, SeriesKey};
use crate::stats::{Baseline, NightlyPolicy, PositiveSample, Sample, Verdict, judge};

pub use policy::{Policy, PolicyError};
pub use trend::{Change, Trend, trend};

/// What the gate says of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The run.
    pub run: String,
    /// The branch whose runs are the baseline; empty for those of no branch.
    pub branch: String,
    /// One for each figure of the run, in the order of its table, then one for each that the run before it has and it lacks.
    pub judgements: Vec<Judgement>,
    /// What a reader must know before believing it.
    pub notes: Vec<String>,
}

/// What the gate says of one figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The scenario's full name.
    pub scenario: String,
    /// The table's row.
    pub metric: String,
    /// `s` or `B`.
    pub unit: String,
    /// The run's value: the pseudo-median of its rounds; none if it has no rounds.
    pub value: Option<f64>,
    /// What came of it.
    pub found: Found,
    /// What it was held against.
    pub against: Option<Against>,
    /// So many earlier runs are left out, because the figure was nothing in them: nothing has no ratios.
    pub left_out: usize,
    /// From when on somebody has accepted its level: what came before is no baseline.
    pub accepted: Option<DateTime<Utc>>,
}

/// What came of one figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The rule's verdict.
    Judged(Verdict),
    /// A regression that the policy only warns of.
    Warned {
        /// As of a regression.
        ratio: f64,
    },
    /// The policy leaves it out.
    Ignored,
    /// It can't be judged, with the reason.
    Unjudged(String),
    /// The run before has it, and this one does not: it was dropped or renamed.
    Missing {
        /// The run before.
        run: String,
        /// When that began.
        started: DateTime<Utc>,
    },
}

/// What a figure was held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// The median of the baseline.
    pub middle: f64,
    /// Above this a night counts as changed.
    pub high: f64,
    /// How many runs the baseline has.
    pub runs: usize,
    /// When the first of them began.
    pub since: DateTime<Utc>,
    /// The first of the earlier runs that have been beyond the limit up to now, if the figure is beyond it: where to look for
    /// the cause. None if the run itself is the first.
    pub first_beyond: Option<Point>,
}

/// How a check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// No regression.
    Passed,
    /// Something got worse.
    Regressed,
    /// No regression, but not everything could be judged.
    Inconclusive,
}

impl Checked {
    /// How it ends: a regression counts before anything that could not be judged.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let any = |of: &dyn Fn(&Found) -> bool| self.judgements.iter().any(|judgement| of(&judgement.found));
        if any(&|found| matches!(found, Found::Judged(Verdict::Regression { .. }))) {
            Ending::Regressed
        } else if any(&is_open) {
            Ending::Inconclusive
        } else {
            Ending::Passed
        }
    }
}

/// Whether it is not known if a figure got worse.
fn is_open(found: &Found) -> bool {
    match found {
        Found::Judged(verdict) => matches!(
            verdict,
            Verdict::NoBaseline { .. } | Verdict::TooNoisy { .. } | Verdict::Suspected { worse: true, .. }
        ),
        Found::Unjudged(_) | Found::Missing { .. } => true,
        Found::Warned { .. } | Found::Ignored => false,
    }
}

/// Judges a run by the runs of a branch that began before it, whether or not the history holds the run itself.
///
/// # Errors
/// If the history can't be read, or the policy names what the run does not have.
pub fn check(run: &PastRun, history: &History, branch: &str, policy: &Policy) -> Result<Checked, GateError> {
    policy.fits(run)?;
    let before = history.count(run, branch)?;
    let mut judgements = Vec::new();
    for metric in &run.metrics {
        judgements.push(judgement(run, metric, before, history, branch, policy)?);
    }
    judgements.extend(missing(run, history, branch, policy)?);
    Ok(Checked {
        run: run.id.clone(),
        branch: branch.to_owned(),
        judgements,
        notes: notes(run, history, branch)?,
    })
}

/// Why a run could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

fn judgement(
    run: &PastRun,
    metric: &Metric,
    before: usize,
    history: &History,
    branch: &str,
    policy: &Policy,
) -> Result<Judgement, HistoryError> {
    let mut made = Judgement::of(metric);
    let Some(rule) = policy.rule(&metric.scenario, &metric.name) else {
        return Ok(made);
    };
    let Some(value) = made.value else {
        made.found = Found::Unjudged("it has no value".into());
        return Ok(made);
    };
    let key = SeriesKey {
        suite: run.suite.clone(),
        fixture: run.fixture.clone(),
        variant: run.variant.clone(),
        branch: branch.to_owned(),
        identity: run.identity.clone(),
        scenario: metric.scenario.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
    };
    made.accepted = policy.accepted(&metric.scenario, &metric.name);
    let all: Vec<(Point, f64)> = past(history, &key, run.started, before, &rule.nightly)?
        .into_iter()
        .filter(|point| made.accepted.is_none_or(|since| point.started >= since))
        .filter_map(|point| self::value(&point.rounds).map(|value| (point, value)))
        .collect();
    if let Some(found) = of_nothing(value, &all, &rule.nightly) {
        made.found = found;
        return Ok(made);
    }
    let runs = all.len();
    let (past, mut values): (Vec<Point>, Vec<f64>) = all.into_iter().filter(|(_, value)| *value > 0.0).unzip();
    made.left_out = runs - past.len();
    values.push(value);
    let Ok(series) = PositiveSample::new(values) else {
        made.found = Found::Unjudged("it has values so large or small that there are no ratios of them".into());
        return Ok(made);
    };
    let (verdict, baseline) = judge(&series, &rule.nightly);
    made.found = match verdict {
        Verdict::Regression { ratio } if rule.warns => Found::Warned { ratio },
        verdict => Found::Judged(verdict),
    };
    made.against = baseline.map(|baseline| against(&baseline, &past, &series, &verdict));
    Ok(made)
}

impl Judgement {
    /// A figure of which nothing is said yet.
    fn of(metric: &Metric) -> Self {
        Self {
            scenario: metric.scenario.clone(),
            metric: metric.name.clone(),
            unit: metric.unit.clone(),
            value: value(&metric.rounds),
            found: Found::Ignored,
            against: None,
            left_out: 0,
            accepted: None,
        }
    }
}

/// What is said of a figure that is nothing, or was until now; `None` if it has ratios. Nothing has none. But less is better
/// in every figure, so that what is nothing can't have got worse.
fn of_nothing(value: f64, past: &[(Point, f64)], rule: &NightlyPolicy) -> Option<Found> {
    let is_nothing = |(_, value): &&(Point, f64)| *value <= 0.0;
    if value <= 0.0 {
        return Some(if past.is_empty() || past.iter().any(|point| is_nothing(&point)) {
            Found::Judged(Verdict::NoChange {
                smallest_effect_shown: 0.0,
            })
        } else {
            Found::Unjudged("it is nothing now, which is no share of what it was".into())
        });
    }
    // A few runs of nothing among others are left out; but if it mostly was nothing of late, that was its level.
    let newest = &past[past.len().saturating_sub(rule.shortest)..];
    (2 * newest.iter().filter(is_nothing).count() > newest.len())
        .then(|| Found::Unjudged("it was nothing until now, of which nothing is a multiple".into()))
}

/// The figures that the run before has and this one lacks. They would otherwise pass unseen.
fn missing(run: &PastRun, history: &History, branch: &str, policy: &Policy) -> Result<Vec<Judgement>, HistoryError> {
    let Some(before) = history.previous(run, branch)? else {
        return Ok(Vec::new());
    };
    let is_same = |one: &Metric, other: &Metric| {
        (&one.scenario, &one.name, &one.unit) == (&other.scenario, &other.name, &other.unit)
    };
    let is_missing = |known: &&Metric| !run.metrics.iter().any(|metric| is_same(metric, known));
    let judgement = |metric: &Metric| Judgement {
        value: None,
        found: match policy.rule(&metric.scenario, &metric.name) {
            None => Found::Ignored,
            Some(_) => Found::Missing {
                run: before.id.clone(),
                started: before.started,
            },
        },
        ..Judgement::of(metric)
    };
    Ok(before.metrics.iter().filter(is_missing).map(judgement).collect())
}

fn against(baseline: &Baseline, past: &[Point], series: &PositiveSample, verdict: &Verdict) -> Against {
    let worse = matches!(
        verdict,
        Verdict::Regression { .. } | Verdict::Suspected { worse: true, .. }
    );
    Against {
        middle: baseline.middle,
        high: baseline.high,
        runs: baseline.nights.len(),
        since: past[baseline.nights.start].started,
        first_beyond: first_beyond(baseline, &series.points()[..past.len()])
            .filter(|_| worse)
            .map(|place| past[place].clone()),
    }
}

/// Where the earlier values begin that lie beyond the limit up to the newest one: walking back for as long as they do. One
/// alone within it ends nothing, or a lucky night would put the blame on the commit after it.
fn first_beyond(baseline: &Baseline, past: &[f64]) -> Option<usize> {
    let mut first = None;
    let mut within = 0;
    for place in (baseline.nights.end..past.len()).rev() {
        if past[place] > baseline.high {
            first = Some(place);
            within = 0;
        } else if within > 0 {
            break;
        } else {
            within += 1;
        }
    }
    first
}

/// As much of a series as the rule looks at, oldest first, with its beginning where the rule puts it: windows of change points
/// must lie in the same places each night. `all` is how many runs there are.
fn past(
    history: &History,
    key: &SeriesKey,
    before: DateTime<Utc>,
    all: usize,
    rule: &NightlyPolicy,
) -> Result<Vec<Point>, HistoryError> {
    let window = (rule.change_points.window / 2).max(1);
    // With the run itself.
    let skipped = (all + 1).saturating_sub(rule.history.max(rule.shortest + rule.recent));
    let wanted = all - (skipped - skipped % window).min(all);
    let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
    Ok(history.series(key, Some(before), limit)?.points)
}

/// A night's value: the pseudo-median of its rounds, of which docs/statistics.md says why.
fn value(rounds: &[(u32, f64)]) -> Option<f64> {
    let points = rounds.iter().map(|(_, value)| *value).collect();
    Sample::new(points).ok().map(|sample| sample.pseudo_median())
}

fn notes(run: &PastRun, history: &History, branch: &str) -> Result<Vec<String>, HistoryError> {
    let mut notes = Vec::new();
    let filter = Filter {
        branch: Some(branch.to_owned()),
        suite: Some(run.suite.clone()),
        ..Filter::default()
    };
    let keys = history.keys(&filter)?;
    let is_like = |key: &&SeriesKey| key.fixture == run.fixture && key.variant == run.variant;
    let mut others: Vec<_> = keys
        .iter()
        .filter(is_like)
        .map(|key| &key.identity)
        .filter(|identity| **identity != run.identity)
        .collect();
    others.sort();
    others.dedup();
    let any_like = keys.iter().any(|key| is_like(&key) && key.identity == run.identity);
    if !others.is_empty() && !any_like {
        notes.push(format!(
            "The history's runs of this suite are all of other machines, engines or networks ({} of them): none is a baseline for this run.",
            others.len()
        ));
    }
    if !keys.iter().any(|key| is_like(&key)) {
        notes.extend(another_branch(run, history, branch)?);
    }
    Ok(notes)
}

/// Which branch to compare with, if this one has no runs of the suite and another one does: a request's own branch never has
/// any.
fn another_branch(run: &PastRun, history: &History, branch: &str) -> Result<Option<String>, HistoryError> {
    let branches = history.branches(run)?;
    let Some((other, runs)) = branches.iter().find(|(name, _)| name != branch && !name.is_empty()) else {
        return Ok(None);
    };
    let none = if branch.is_empty() {
        "The history has no runs of this suite without a branch".to_owned()
    } else {
        format!("Branch {branch} has no runs of this suite")
    };
    Ok(Some(format!(
        "{none}; {other} has {runs}: compare with --branch {other}."
    )))
}

#[cfg(test)]
mod tests;
