//! A series over time: where it changed for good, and what else changed there. Not for: verdicts on its newest night.

use chrono::{DateTime, Utc};

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
    /// What else differs between the two runs: `kernel 6.1 to 6.2`.
    pub drift: Vec<String>,
}

/// Finds the changes of a series that the gate's baselines end at. Only what is from `since` on is told; the changes are
/// found in all of it, or the same change would come and go with where the series is cut.
///
/// # Errors
/// If the history can't be read.
pub fn trend(series: Series, since: Option<DateTime<Utc>>, history: &History) -> Result<Trend, HistoryError> {
    let (points, values): (Vec<Point>, Vec<f64>) = series
        .points
        .iter()
        .filter_map(|point| Some((point.clone(), super::value(&point.rounds)?)))
        .unzip();
    let is_told = |point: &Point| since.is_none_or(|since| point.started >= since);
    // What is nothing has no ratios, and so no changes that could be told in per cent: such runs are passed over.
    let places: Vec<usize> = (0..values.len()).filter(|place| values[*place] > 0.0).collect();
    let mut changes = Vec::new();
    if let Ok(positive) = PositiveSample::new(places.iter().map(|place| values[*place]).collect()) {
        for found in change_points(positive.sample(), &NightlyPolicy::default().change_points) {
            let (first, last) = (&points[places[found.index]], &points[places[found.index - 1]]);
            if !is_told(first) {
                continue;
            }
            changes.push(Change {
                drift: drift(&history.run(&last.run)?.drift, &history.run(&first.run)?.drift),
                first: first.clone(),
                last: last.clone(),
                before: found.before,
                after: found.after,
                p: found.p,
            });
        }
    }
    let (points, values) = points
        .into_iter()
        .zip(values)
        .filter(|(point, _)| is_told(point))
        .unzip();
    let series = Series { points, ..series };
    Ok(Trend {
        series,
        values,
        changes,
    })
}

/// What differs: what changed, what is new, and what is no longer there.
fn drift(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let value = |list: &'_ [(String, String)], name: &str| {
        let found = list.iter().find(|(known, _)| known == name);
        found.map_or_else(|| "none".to_owned(), |(_, value)| value.clone())
    };
    let gone = before
        .iter()
        .filter(|(name, _)| after.iter().all(|(known, _)| known != name));
    after
        .iter()
        .chain(gone)
        .map(|(name, _)| (name, value(before, name), value(after, name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name} {before} to {after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vanished_is_drift_too() {
        let list = |of: &[(&str, &str)]| -> Vec<(String, String)> {
            of.iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect()
        };
        let before = list(&[("kernel", "6.1"), ("base python", "abc"), ("builder", "0.12")]);
        let after = list(&[("kernel", "6.2"), ("builder", "0.12"), ("base uv", "def")]);
        assert_eq!(
            drift(&before, &after),
            ["kernel 6.1 to 6.2", "base uv none to def", "base python abc to none"]
        );
    }
}
