//! A series over time: where it changed for good, and what else changed there. Not for: verdicts on its newest night.

use crate::history::{History, HistoryError, Point, Series};
use crate::stats::{NightlyPolicy, PositiveSample, change_points};

/// A series and its changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// The series.
    pub series: Series,
    /// The value of each of its points: the pseudo-median of the rounds.
    pub values: Vec<f64>,
    /// Its changes, oldest first.
    pub changes: Vec<Change>,
}

/// Where a series changed for good.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The first run of the new level.
    pub first: Point,
    /// The last run of the old one.
    pub last: Point,
    /// The mean of the old level.
    pub before: f64,
    /// The mean of the new one.
    pub after: f64,
    /// The p-value, which is a hint and no test at its level (docs/statistics.md).
    pub p: f64,
    /// What else differs between the two runs: `kernel 6.1 and 6.2`.
    pub drift: Vec<String>,
}

/// Finds the changes of a series that the gate's baselines end at.
///
/// # Errors
/// If the history can't be read.
pub fn trend(series: Series, history: &History) -> Result<Trend, HistoryError> {
    let (points, values): (Vec<Point>, Vec<f64>) = series
        .points
        .iter()
        .filter_map(|point| Some((point.clone(), super::value(&point.rounds)?)))
        .unzip();
    let mut changes = Vec::new();
    // What is nothing has no ratios, and so no changes that could be told in per cent.
    if let Ok(positive) = PositiveSample::new(values.clone()) {
        for found in change_points(positive.sample(), &NightlyPolicy::default().change_points) {
            let (first, last) = (points[found.index].clone(), points[found.index - 1].clone());
            let drift = drift(history, &last, &first)?;
            changes.push(Change {
                first,
                last,
                before: found.before,
                after: found.after,
                p: found.p,
                drift,
            });
        }
    }
    let series = Series { points, ..series };
    Ok(Trend {
        series,
        values,
        changes,
    })
}

fn drift(history: &History, before: &Point, after: &Point) -> Result<Vec<String>, HistoryError> {
    let (before, after) = (history.run(&before.run)?.drift, history.run(&after.run)?.drift);
    let value = |list: &[(String, String)], name: &str| {
        let found = list.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let changed = after.iter().filter(|(name, now)| value(&before, name) != *now);
    Ok(changed
        .map(|(name, now)| format!("{name} {} to {now}", value(&before, name)))
        .collect())
}
