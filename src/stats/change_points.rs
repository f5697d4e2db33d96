//! Where a series changed for good: E-divisive means in sliding windows, with a t test in place of permutations, so that
//! the same series always has the same change points. The method of Hunter (Fleming, Kołaczkowski and others 2023, *Hunter: Using Change Point Detection to Hunt for Performance Regressions*, ICPE '23), today
//! Apache Otava; docs/statistics.md tells it step by step. Not for: verdicts.

use std::ops::Range;

use super::energy::{Split, best_split};
use super::{Effect, Level, Sample, t_test};

/// How change points are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePointPolicy {
    /// The length of the windows that are searched, each beginning half a window after the last, or at its last change
    /// point. At least 2.
    pub window: usize,
    /// The level at which a change point must be significant to stay.
    pub level: Level,
    /// The smallest change of the mean that stays.
    pub least: Option<Effect>,
    /// The fewest points between two change points.
    pub shortest: usize,
    /// Whether change points are placed again once it is known which stay, by windows that have them in their middle. A
    /// change just before a window's end or just after its beginning is otherwise found up to `shortest` points off, or
    /// twice, so that a stretch holds points of both levels.
    pub placed_again: bool,
    /// Whether dropping a change point leaves the p-value of the one before it as it was, which Apache Otava 0.8 does. The
    /// value then belongs to a stretch that no longer ends there, and what is not significant stays. For comparisons with
    /// it only.
    pub like_otava: bool,
}

impl Default for ChangePointPolicy {
    /// Apache Otava's, but for its slip: windows of 50 points, a level of 0.001, every size of change, any number of points.
    fn default() -> Self {
        Self {
            window: 50,
            level: Level::ONE_IN_A_THOUSAND,
            least: None,
            shortest: 1,
            placed_again: false,
            like_otava: false,
        }
    }
}

/// A place at which a series changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The first point of the new level, from 0.
    pub index: usize,
    /// The mean from the change point before (or the start) to this one.
    pub before: f64,
    /// The mean from this one to the next (or the end).
    pub after: f64,
    /// The p-value of the two means being the same. It was looked for where it is smallest, so that chance alone gives
    /// values as small more often than it says.
    pub p: f64,
}

/// Which way a series changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To larger points.
    Up,
    /// To smaller points.
    Down,
}

impl ChangePoint {
    /// Which way the mean went.
    #[must_use]
    pub fn direction(&self) -> Direction {
        if self.after > self.before {
            Direction::Up
        } else {
            Direction::Down
        }
    }

    /// How many times as large the larger mean is as the smaller, less 1: a change and its way back have the same. For
    /// positive series; infinite from or to 0.
    #[must_use]
    pub fn share(&self) -> f64 {
        let share = |one: f64, other: f64| (one / other - 1.0).abs();
        share(self.after, self.before).max(share(self.before, self.after))
    }
}

/// The change points of a series, from first to last.
#[must_use]
pub fn change_points(series: &Sample, policy: &ChangePointPolicy) -> Vec<ChangePoint> {
    let points = series.points();
    let mut places = Vec::new();
    let (window, level) = (policy.window.max(2), weak(policy.level));
    let mut start = 0;
    while start < points.len() {
        let end = points.len().min(start + window);
        let found = split(&points[start..end], level, policy.shortest);
        let last = found.last().map_or(0, |place| start + place);
        places.extend(found.iter().map(|place| start + place));
        start = last.max(start + window / 2);
    }
    places.sort_unstable();
    places.dedup();
    let kept = merge(points, &places, policy);
    if policy.placed_again {
        merge(points, &placed_again(points, &kept, policy), policy)
    } else {
        kept
    }
}

/// The change points that windows with a kept one in their middle find. What such a window finds at its own edge may lie
/// farther in than the change does: it is left to the window that has it in the middle.
fn placed_again(points: &[f64], kept: &[ChangePoint], policy: &ChangePointPolicy) -> Vec<usize> {
    let mut places = Vec::new();
    for point in kept {
        let start = point.index.saturating_sub(policy.window / 2);
        let end = points.len().min(point.index + policy.window / 2);
        let found = split(&points[start..end], weak(policy.level), policy.shortest);
        let inside: Vec<usize> = found
            .iter()
            .map(|place| start + place)
            .filter(|place| start == 0 || place - start > policy.shortest)
            .filter(|place| end == points.len() || end - place > policy.shortest)
            .collect();
        // It may take more points than a window has to find it.
        if inside.iter().all(|place| place.abs_diff(point.index) > policy.shortest) {
            places.push(point.index);
        }
        places.extend(inside);
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The level for change points that may yet be dropped: a weak one can hide a strong one from the search, which stops at
/// the first that is not significant, so that more are let in at first.
fn weak(level: Level) -> f64 {
    match level.get() {
        level if level < 0.05 => level * 10.0,
        level if level < 0.5 => level * 2.0,
        level => level,
    }
}

/// The significant change points of one window: the most distant split first, then the most distant in what it leaves,
/// until one is not significant.
fn split(window: &[f64], level: f64, shortest: usize) -> Vec<usize> {
    let best = |stretch: Range<usize>| {
        let split = best_split(&window[stretch.clone()], shortest);
        split.map(|Split { place, distance }| (stretch, place, distance))
    };
    let mut found = Vec::new();
    let mut candidates: Vec<(Range<usize>, usize, f64)> = best(0..window.len()).into_iter().collect();
    // Of equally distant ones the first, by place.
    while let Some(most) = (0..candidates.len()).reduce(|most, next| {
        let (a, b) = (&candidates[most], &candidates[next]);
        if b.2 > a.2 || (b.2 >= a.2 && b.0.start < a.0.start) {
            next
        } else {
            most
        }
    }) {
        let (stretch, place, _) = candidates.swap_remove(most);
        let place = stretch.start + place;
        let (left, right) = (stretch.start..place, place..stretch.end);
        let (_, _, p) = t_test::two_sided(&window[left.clone()], &window[right.clone()]);
        if p > level {
            break;
        }
        found.push(place);
        candidates.extend(best(left));
        candidates.extend(best(right));
    }
    found.sort_unstable();
    found
}

/// Drops the weakest change point until all that are left are significant and large enough, each between its neighbours
/// as they then are.
fn merge(points: &[f64], places: &[usize], policy: &ChangePointPolicy) -> Vec<ChangePoint> {
    let test = |before: usize, index: usize, after: usize| {
        let (before, after, p) = t_test::two_sided(&points[before..index], &points[index..after]);
        ChangePoint {
            index,
            before,
            after,
            p,
        }
    };
    let mut kept: Vec<ChangePoint> = (0..places.len())
        .map(|number| {
            let before = if number == 0 { 0 } else { places[number - 1] };
            test(
                before,
                places[number],
                places.get(number + 1).copied().unwrap_or(points.len()),
            )
        })
        .collect();
    let least = policy.least.map_or(0.0, Effect::share);
    loop {
        let by = |key: fn(&ChangePoint) -> f64| {
            let order = |a: &(usize, &ChangePoint), b: &(usize, &ChangePoint)| key(a.1).total_cmp(&key(b.1));
            // Of equals the first: `max_by` would take the last.
            kept.iter()
                .enumerate()
                .rev()
                .max_by(order)
                .map(|(number, point)| (number, *point))
        };
        let Some((mut weakest, least_significant)) = by(|point| point.p) else {
            return kept;
        };
        if let Some(close) = too_close(&kept, policy.shortest) {
            weakest = close;
        } else if least_significant.p < policy.level.get() {
            match by(|point| -point.share()) {
                Some((number, smallest)) if smallest.share() <= least => weakest = number,
                _ => return kept,
            }
        }
        kept.remove(weakest);
        let first = if policy.like_otava {
            weakest
        } else {
            weakest.saturating_sub(1)
        };
        for number in first..(first + 2).min(kept.len()) {
            let before = if number == 0 { 0 } else { kept[number - 1].index };
            let after = kept.get(number + 1).map_or(points.len(), |next| next.index);
            kept[number] = test(before, kept[number].index, after);
        }
    }
}

/// The weaker of two change points that are closer than the shortest stretch: overlapping windows can find both.
fn too_close(kept: &[ChangePoint], shortest: usize) -> Option<usize> {
    let pair = kept
        .windows(2)
        .position(|pair| pair[1].index - pair[0].index < shortest)?;
    Some(if kept[pair].p > kept[pair + 1].p {
        pair
    } else {
        pair + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SplitMix64;

    /// A level of 100 with noise of a few per cent: the sum of four uniform numbers.
    fn noise(length: usize, stream: u64) -> Vec<f64> {
        let mut random = SplitMix64::new(6, stream);
        let mut uniform = || f64::from(u32::try_from(random.below(1_000_000)).unwrap()) / 1e6 - 0.5;
        (0..length)
            .map(|_| 100.0 + 4.0 * (uniform() + uniform() + uniform() + uniform()))
            .collect()
    }

    fn with(length: usize, change: impl Fn(usize) -> f64) -> Vec<f64> {
        noise(length, 1)
            .iter()
            .enumerate()
            .map(|(place, point)| point + change(place))
            .collect()
    }

    fn policy() -> ChangePointPolicy {
        ChangePointPolicy {
            shortest: 5,
            least: Some(Effect::new(0.05).unwrap()),
            ..ChangePointPolicy::default()
        }
    }

    fn places(points: Vec<f64>, policy: &ChangePointPolicy) -> Vec<usize> {
        let series = Sample::new(points).unwrap();
        change_points(&series, policy).iter().map(|point| point.index).collect()
    }

    #[test]
    fn a_change_at_the_edge_of_a_window_is_placed_again() {
        for step in 66..=84 {
            let series = Sample::new(with(95, |place| if place >= step { 15.0 } else { 0.0 })).unwrap();
            let policy = ChangePointPolicy {
                shortest: 5,
                placed_again: true,
                ..policy()
            };
            let found: Vec<usize> = change_points(&series, &policy)
                .iter()
                .map(|point| point.index)
                .collect();
            assert_eq!(found, [step]);
        }
    }

    #[test]
    fn series_with_known_answers() {
        let step = |at: usize, size: f64| move |place: usize| if place >= at { size } else { 0.0 };
        assert_eq!(places(noise(90, 1), &policy()), [] as [usize; 0]);
        assert_eq!(places(with(90, step(60, 10.0)), &policy()), [60]);
        assert_eq!(places(with(90, step(60, -10.0)), &policy()), [60]);
        let two = |place| step(30, 12.0)(place) - step(60, 12.0)(place);
        assert_eq!(places(with(90, two), &policy()), [30, 60]);
        let spike = |place| if place == 40 { 60.0 } else { 0.0 };
        assert_eq!(
            places(with(90, spike), &policy()),
            [] as [usize; 0],
            "one point is no new level"
        );
        #[allow(clippy::cast_precision_loss, reason = "below 90")]
        let ramp = |place| place as f64 / 3.0;
        let ramp = places(with(90, ramp), &policy());
        assert!((2..=5).contains(&ramp.len()), "a ramp becomes a few steps: {ramp:?}");
    }

    #[test]
    fn a_change_point_says_which_way_and_how_far() {
        let series = Sample::new([[10.0, 10.1, 9.9, 10.0, 10.0], [20.0, 20.1, 19.9, 20.0, 20.0]].concat()).unwrap();
        let found = change_points(&series, &ChangePointPolicy::default());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].index, found[0].direction()), (5, Direction::Up));
        assert!((found[0].before - 10.0).abs() < 1e-9 && (found[0].after - 20.0).abs() < 1e-9);
        assert!((found[0].share() - 1.0).abs() < 1e-9 && found[0].p < 1e-12);

        let mut reversed = series.points().to_vec();
        reversed.reverse();
        let back = change_points(&Sample::new(reversed).unwrap(), &ChangePointPolicy::default());
        assert_eq!((back[0].index, back[0].direction()), (5, Direction::Down));
        assert!((back[0].share() - found[0].share()).abs() < 1e-9);
    }

    #[test]
    fn the_unit_does_not_matter_and_no_stretch_is_too_short() {
        for stream in 0..40 {
            let mut points = noise(200, stream);
            points[70..].iter_mut().for_each(|point| *point += 7.0);
            let policy = ChangePointPolicy {
                level: Level::FIVE_PERCENT,
                ..policy()
            };
            let found = places(points.clone(), &policy);
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] >= 5), "{found:?}");
            assert!(found.iter().any(|place| place.abs_diff(70) <= 3), "{found:?}");
            assert_eq!(
                places(points.iter().map(|point| point * 1024.0).collect(), &policy),
                found
            );
        }
    }

    #[test]
    fn the_shortest_series_have_no_change_points() {
        for length in 1..5 {
            assert_eq!(
                places(vec![5.0; length], &ChangePointPolicy::default()),
                [] as [usize; 0]
            );
        }
        assert_eq!(places(vec![1.0, 2.0], &ChangePointPolicy::default()), [] as [usize; 0]);
        // Three points that don't vary but by a step are certain, as in Apache Otava.
        assert_eq!(places(vec![1.0, 1.0, 2.0], &ChangePointPolicy::default()), [2]);
    }

    #[test]
    fn otavas_points_with_its_slip_and_without() {
        // Noise without a change. apache-otava 0.8.0, compute_change_points: [45]. A weak change point at 51 made the one at
        // 45 significant; when it was dropped, 45 was not tested again: its p-value is then 0.6.
        let points: Vec<f64> = include_str!("testdata/otava-slip.txt")
            .split_whitespace()
            .map(|point| point.parse().unwrap())
            .collect();
        let like_otava = ChangePointPolicy {
            like_otava: true,
            ..ChangePointPolicy::default()
        };
        assert_eq!(places(points.clone(), &like_otava), [45]);
        assert_eq!(places(points, &ChangePointPolicy::default()), [] as [usize; 0]);
    }
}
