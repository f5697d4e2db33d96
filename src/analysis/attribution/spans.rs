//! Stretches of time: what they cover together, and where nothing is covered. Not for: what ran in them.

use crate::engine::Interval;

/// A stretch of time in nanoseconds: start and end.
pub(super) type Span = (u64, u64);

/// The spans of a step that ran in these intervals. One without an end lasts until the step's next one begins: that is
/// how a builder announces a step that it starts more than once. The last one without an end counts for nothing,
/// because nobody knows how long it was.
pub(super) fn of_step(intervals: &[Interval]) -> Vec<Span> {
    let mut starts: Vec<u64> = intervals.iter().map(|interval| interval.started).collect();
    starts.sort_unstable();
    let end = |interval: &Interval| {
        let next = || starts.iter().copied().find(|start| *start > interval.started);
        interval.completed.or_else(next).unwrap_or(interval.started)
    };
    intervals
        .iter()
        .map(|interval| (interval.started, end(interval).max(interval.started)))
        .collect()
}

/// The same time in spans that neither touch nor overlap, in order.
pub(super) fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// The time that the spans cover together; what several cover counts once.
pub(super) fn covered(spans: Vec<Span>) -> u64 {
    merged(spans).iter().map(|(start, end)| end - start).sum()
}

/// The longest stretch between the first start and the last end that no span covers.
pub(super) fn longest_gap(spans: Vec<Span>) -> Option<Span> {
    let merged = merged(spans);
    let gaps = merged.windows(2).map(|pair| (pair[0].1, pair[1].0));
    gaps.max_by_key(|(start, end)| end - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_counts_once() {
        assert_eq!(covered(vec![(10, 20), (0, 5), (15, 25), (25, 26), (3, 4)]), 21);
        assert_eq!(covered(vec![]), 0);
        assert_eq!(merged(vec![(5, 6), (0, 5), (9, 9)]), [(0, 6), (9, 9)]);
    }

    #[test]
    fn the_longest_gap_lies_between_spans() {
        assert_eq!(longest_gap(vec![(0, 5), (20, 25), (7, 10), (8, 9)]), Some((10, 20)));
        assert_eq!(longest_gap(vec![(0, 5), (1, 3)]), None);
    }

    #[test]
    fn an_interval_without_an_end_lasts_to_the_next() {
        let interval = |started, completed| Interval { started, completed };
        assert_eq!(
            of_step(&[interval(0, None), interval(9, Some(12)), interval(20, None)]),
            [(0, 9), (9, 12), (20, 20)]
        );
        assert_eq!(of_step(&[interval(5, Some(3))]), [(5, 5)], "a clock that was set back");
    }
}
