//! Verdicts and trends for machines.

use serde_json::{Value, json};

use super::words;
use crate::gate::{Change, Checked, Ending, Found, Judgement, Trend};
use crate::stats::Verdict;

pub(super) fn checked(checked: &Checked) -> Value {
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
            Found::Ignored | Found::Unjudged(_) | Found::Missing { .. } => (None, None, None),
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
            "verdict": words::word(&one.found), "ratio": ratio, "smallest_change_shown": smallest,
            "runs_of_needed": nights, "baseline": against,
            "reason": match &one.found { Found::Unjudged(reason) => Some(reason), _ => None },
            "run_before": match &one.found {
                Found::Missing { run, started } => Some(json!({ "run": run, "started": started })),
                _ => None,
            },
            "runs_of_nothing": one.left_out, "accepted_since": one.accepted,
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

pub(super) fn trends(trends: &[Trend]) -> Value {
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
