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
    /// One for each figure of the run, in the order of its table.
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
    /// The run's value: the pseudo-median of its rounds.
    pub value: f64,
    /// What came of it.
    pub found: Found,
    /// What it was held against.
    pub against: Option<Against>,
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
    /// The first run beyond the limit among the newest ones, if the figure is beyond it: where to look for the cause.
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
        Found::Unjudged(_) => true,
        Found::Warned { .. } | Found::Ignored => false,
    }
}

/// Judges a run by the runs of a branch that began before it, whether or not the history holds the run itself.
///
/// # Errors
/// If the history can't be read, or the policy names what the run does not have.
pub fn check(run: &PastRun, history: &History, branch: &str, policy: &Policy) -> Result<Checked, GateError> {
    policy.fits(run)?;
    let mut judgements = Vec::new();
    for metric in &run.metrics {
        judgements.push(judgement(run, metric, history, branch, policy)?);
    }
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
    history: &History,
    branch: &str,
    policy: &Policy,
) -> Result<Judgement, HistoryError> {
    let made = |value, found, against| Judgement {
        scenario: metric.scenario.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        value,
        found,
        against,
    };
    let rule = policy.rule(&metric.scenario, &metric.name);
    let Some(value) = value(&metric.rounds) else {
        return Ok(made(f64::NAN, Found::Unjudged("it has no value".into()), None));
    };
    let Some(rule) = rule else {
        return Ok(made(value, Found::Ignored, None));
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
    let past = past(history, &key, run.started, &rule.nightly)?;
    let since = policy.accepted(&metric.scenario, &metric.name);
    let past: Vec<Point> = past
        .into_iter()
        .filter(|point| since.is_none_or(|since| point.started >= since))
        .collect();
    let mut values: Vec<f64> = past.iter().filter_map(|point| self::value(&point.rounds)).collect();
    values.push(value);
    // Of nothing there are no multiples; that something is still nothing is no change.
    if values.iter().all(|value| *value <= 0.0) {
        let found = Found::Judged(Verdict::NoChange {
            smallest_effect_shown: 0.0,
        });
        return Ok(made(value, found, None));
    }
    let Ok(series) = PositiveSample::new(values) else {
        let reason = "it is or was nothing, of which nothing is a multiple";
        return Ok(made(value, Found::Unjudged(reason.into()), None));
    };
    let (verdict, baseline) = judge(&series, &rule.nightly);
    let found = match verdict {
        Verdict::Regression { ratio } if rule.warns => Found::Warned { ratio },
        verdict => Found::Judged(verdict),
    };
    let against = baseline.map(|baseline| against(&baseline, &past, &series, &rule.nightly, &verdict));
    Ok(made(value, found, against))
}

fn against(
    baseline: &Baseline,
    past: &[Point],
    series: &PositiveSample,
    rule: &NightlyPolicy,
    verdict: &Verdict,
) -> Against {
    let worse = matches!(
        verdict,
        Verdict::Regression { .. } | Verdict::Suspected { worse: true, .. }
    );
    let newest = past.len().saturating_sub(rule.recent.saturating_sub(1));
    let first_beyond = (newest..past.len())
        .find(|&place| worse && series.points()[place] > baseline.high)
        .map(|place| past[place].clone());
    Against {
        middle: baseline.middle,
        high: baseline.high,
        runs: baseline.nights.len(),
        since: past[baseline.nights.start].started,
        first_beyond,
    }
}

/// As much of a series as the rule looks at, oldest first, with its beginning where the rule puts it: windows of change points
/// must lie in the same places each night.
fn past(
    history: &History,
    key: &SeriesKey,
    before: DateTime<Utc>,
    rule: &NightlyPolicy,
) -> Result<Vec<Point>, HistoryError> {
    let all = history.count(key, before)?;
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
    Ok(notes)
}

#[cfg(test)]
mod tests;
