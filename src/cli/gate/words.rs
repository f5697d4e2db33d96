//! Verdicts and changes in words, which lines and Markdown share.

use crate::cli::history::show::value_of;
use crate::gate::{Change, Checked, Ending, Found, Judgement, Trend};
use crate::report::percent;
use crate::stats::Verdict;

/// Digits of a commit that people know it by.
const SHORT: usize = 12;

/// What is shown of a check: all but what the policy leaves out, the worst first; and how many that are.
pub(super) fn shown(checked: &Checked) -> (Vec<&Judgement>, usize) {
    let mut shown: Vec<&Judgement> = checked
        .judgements
        .iter()
        .filter(|one| one.found != Found::Ignored)
        .collect();
    shown.sort_by_key(|one| rank(&one.found));
    let left_out = checked.judgements.len() - shown.len();
    (shown, left_out)
}

fn rank(found: &Found) -> u8 {
    match found {
        Found::Judged(Verdict::Regression { .. }) => 0,
        Found::Warned { .. } => 1,
        Found::Judged(Verdict::Suspected { worse: true, .. }) => 2,
        Found::Missing { .. } => 3,
        Found::Judged(Verdict::Improvement { .. }) => 4,
        Found::Judged(Verdict::Suspected { worse: false, .. }) => 5,
        Found::Judged(Verdict::TooNoisy { .. }) => 6,
        Found::Judged(Verdict::NoBaseline { .. }) | Found::Unjudged(_) => 7,
        Found::Judged(Verdict::NoChange { .. }) => 8,
        Found::Ignored => 9,
    }
}

pub(super) fn word(found: &Found) -> &'static str {
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
        Found::Missing { .. } => "missing",
    }
}

/// How a check ends.
pub(super) fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Passed => "no regression",
        Ending::Regressed => "regression",
        Ending::Inconclusive => {
            "no regression shown, but not everything could be judged (--require-conclusive fails then)"
        }
    }
}

/// Whose runs it was held against.
pub(super) fn of_branch(checked: &Checked) -> String {
    if checked.branch.is_empty() {
        "runs without a branch".to_owned()
    } else {
        format!("branch {}", checked.branch)
    }
}

/// The run's value; empty if there is none.
pub(super) fn value(one: &Judgement) -> String {
    one.value.map_or_else(String::new, |value| value_of(&one.unit, value))
}

/// What the verdict says more than its word; empty if nothing.
pub(super) fn says(one: &Judgement) -> String {
    let mut parts = Vec::new();
    match &one.found {
        Found::Judged(Verdict::NoBaseline { nights, needed }) => parts.push(if one.accepted.is_some() {
            format!("accepted; {nights} of {needed} nights of the new baseline")
        } else {
            format!("no baseline yet: {nights} of {needed} runs")
        }),
        Found::Judged(
            Verdict::Regression { ratio } | Verdict::Improvement { ratio } | Verdict::Suspected { ratio, .. },
        )
        | Found::Warned { ratio } => parts.push(change(*ratio)),
        Found::Judged(Verdict::TooNoisy { smallest_effect_shown }) => {
            parts.push(format!(
                "only a change of {} could be seen",
                percent(*smallest_effect_shown)
            ));
        }
        Found::Unjudged(reason) => parts.push(reason.clone()),
        Found::Missing { run, started } => parts.push(format!(
            "not in this run, but in {run} of {}, the one before",
            started.format("%Y-%m-%d")
        )),
        Found::Judged(Verdict::NoChange { .. }) | Found::Ignored => {}
    }
    match one.left_out {
        0 => {}
        1 => parts.push("1 run in which it was nothing is left out".to_owned()),
        runs => parts.push(format!("{runs} runs in which it was nothing are left out")),
    }
    parts.join("; ")
}

/// What it was held against; empty if nothing.
pub(super) fn held_against(one: &Judgement) -> String {
    one.against.as_ref().map_or_else(String::new, |against| {
        format!(
            "baseline {} (limit {}), {} runs since {}",
            value_of(&one.unit, against.middle),
            value_of(&one.unit, against.high),
            against.runs,
            against.since.format("%Y-%m-%d")
        )
    })
}

/// From which run on it has been beyond the limit; empty if it is not, or if this run is the first.
pub(super) fn since(one: &Judgement) -> String {
    let first = one.against.as_ref().and_then(|against| against.first_beyond.as_ref());
    first.map_or_else(String::new, |first| {
        format!(
            "since {} of {}{}",
            first.run,
            first.started.format("%Y-%m-%d"),
            commit(&first.commit)
        )
    })
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

/// Which series: suite, variant, scenario, and what tells its machine from those of the others that are shown.
pub(super) fn series(trend: &Trend, all: &[Trend]) -> String {
    let key = &trend.series.key;
    let mut parts: Vec<String> = [&key.suite, &key.variant, &key.scenario]
        .into_iter()
        .filter(|part| !part.is_empty())
        .cloned()
        .collect();
    let differs = |part: &&(String, String)| all.iter().any(|other| !other.series.key.identity.contains(part));
    let machine: Vec<String> = key
        .identity
        .iter()
        .filter(differs)
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    if !machine.is_empty() {
        parts.push(format!("({})", machine.join(", ")));
    }
    parts.join(" ")
}

/// The newest value that is told of.
pub(super) fn now(trend: &Trend) -> String {
    let unit = &trend.series.key.unit;
    trend
        .values
        .last()
        .map_or_else(String::new, |value| value_of(unit, *value))
}

/// The days of the first run and of the last.
pub(super) fn days(trend: &Trend) -> String {
    let (first, last) = (trend.series.points.first(), trend.series.points.last());
    let day = |point: Option<&crate::history::Point>| point.map(|point| point.started.format("%Y-%m-%d").to_string());
    format!(
        "{} to {}",
        day(first).unwrap_or_default(),
        day(last).unwrap_or_default()
    )
}

/// One change of a series.
pub(super) fn changed(trend: &Trend, one: &Change) -> String {
    let of = |value: f64| value_of(&trend.series.key.unit, value);
    let also = if one.drift.is_empty() {
        String::new()
    } else {
        format!("; also {}", one.drift.join(", "))
    };
    format!(
        "{}  {}: {} to {}{}{also}",
        one.first.started.format("%Y-%m-%d"),
        change(one.after / one.before),
        of(one.before),
        of(one.after),
        commit(&one.first.commit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Point, Series, SeriesKey};

    fn trend(identity: &[(&str, &str)]) -> Trend {
        Trend {
            series: Series {
                key: SeriesKey {
                    suite: "published".into(),
                    fixture: "app".into(),
                    variant: String::new(),
                    branch: "main".into(),
                    identity: identity
                        .iter()
                        .map(|(name, value)| ((*name).into(), (*value).into()))
                        .collect(),
                    scenario: "uv-single".into(),
                    metric: "hot build".into(),
                    unit: "s".into(),
                },
                points: Vec::<Point>::new(),
            },
            values: Vec::new(),
            changes: Vec::new(),
        }
    }

    #[test]
    fn machines_are_told_apart_by_what_differs_and_only_where_there_are_several() {
        let two = [
            trend(&[("processors", "2"), ("storage driver", "overlay2")]),
            trend(&[("processors", "8"), ("storage driver", "overlay2")]),
        ];
        assert_eq!(series(&two[0], &two), "published uv-single (processors 2)");
        assert_eq!(series(&two[1], &two), "published uv-single (processors 8)");
        assert_eq!(series(&two[0], &two[..1]), "published uv-single");
    }
}
