//! Where a stretch of points most likely changes: the split with the largest scaled energy distance between its sides.
//! Matteson & James 2014, *A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data*, Journal of
//! the American Statistical Association 109, with the exponent α = 1 and one dimension. Not for: whether the change is real.

/// A place at which a stretch may be split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    /// The first point of the right side, from the stretch's start.
    pub(super) place: usize,
    /// The scaled energy distance between the sides.
    pub(super) distance: f64,
}

/// The best split of a stretch of points, each side of which has at least so many points; `None` if it is too short.
///
/// Of all τ and κ, the left side is 0..τ and the right side τ..κ: the right one may end early, so that a second change
/// does not blur the first. With n = τ, m = κ − τ, B the sum of distances between the sides, L and R those within them,
/// what is largest is 2/(n+m) · (B − m·L/(n−1) − n·R/(m−1)). Since B + L + R is the sum of all distances, A, that is
/// 2/(n+m) · (A − (n+m−1) · (L/(n−1) + R/(m−1))): of one κ, the best τ has the least L/(n−1) + R/(m−1). All sums grow by
/// one point at a time, so that the search takes the square of the number of points in time and their number in space.
pub(super) fn best_split(points: &[f64], shortest: usize) -> Option<Split> {
    let (count, shortest) = (points.len(), shortest.max(1));
    // 1/k, and 0 for k = 0: one point has no distances within.
    let inverse: Vec<f64> = (0..count).map(|k| if k == 0 { 0.0 } else { 1.0 / float(k) }).collect();
    // `left[τ]` is L/(n−1), and `right[τ]` is R for the current κ.
    let (mut left, mut right) = (vec![0.0; count + 1], vec![0.0; count]);
    let mut best: Option<Split> = None;
    for end in 2..=count {
        let newest = points[end - 1];
        // The sum of the newest point's distances to those from τ on.
        let (mut column, mut least, mut place) = (0.0, f64::INFINITY, 0);
        if shortest == 1 {
            (least, place) = (left[end - 1], end - 1);
        }
        for tau in (0..end - 1).rev() {
            column += (points[tau] - newest).abs();
            let within = right[tau] + column;
            right[tau] = within;
            let sides = left[tau] + within * inverse[end - tau - 1];
            if sides <= least && tau >= shortest && end - tau >= shortest {
                (least, place) = (sides, tau);
            }
        }
        left[end] = right[0] * inverse[end - 1];
        let distance = 2.0 * (right[0] - float(end - 1) * least) / float(end);
        // Of equals the earlier place, as if all places had been gone through first.
        let better = |best: Split| distance > best.distance || (distance >= best.distance && place < best.place);
        if place > 0 && best.is_none_or(better) {
            best = Some(Split { place, distance });
        }
    }
    best
}

#[allow(clippy::cast_precision_loss, reason = "a stretch is never 2^52 points long")]
fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SplitMix64;

    /// The same by its definition.
    fn by_definition(points: &[f64]) -> Split {
        let sum = |one: &[f64], other: &[f64]| -> f64 {
            one.iter().flat_map(|a| other.iter().map(move |b| (a - b).abs())).sum()
        };
        let mut best = Split {
            place: 0,
            distance: f64::MIN,
        };
        for place in 1..points.len() {
            for end in place + 1..=points.len() {
                let (left, right) = (&points[..place], &points[place..end]);
                let (n, m) = (float(left.len()), float(right.len()));
                let within = |side: &[f64], number: f64| {
                    if number > 1.0 {
                        sum(side, side) / 2.0 * 2.0 / (number * (number - 1.0))
                    } else {
                        0.0
                    }
                };
                let energy = 2.0 / (n * m) * sum(left, right) - within(left, n) - within(right, m);
                let distance = n * m / (n + m) * energy;
                if distance > best.distance + 1e-9 {
                    best = Split { place, distance };
                }
            }
        }
        best
    }

    #[test]
    fn the_fast_way_finds_what_the_definition_finds() {
        let mut random = SplitMix64::new(6, 1);
        for length in 2..40 {
            let points: Vec<f64> = (0..length)
                .map(|place| {
                    f64::from(u32::try_from(random.below(1000)).unwrap()) + if place > 11 { 400.0 } else { 0.0 }
                })
                .collect();
            let (fast, slow) = (best_split(&points, 1).unwrap(), by_definition(&points));
            assert_eq!(fast.place, slow.place, "{points:?}");
            assert!((fast.distance - slow.distance).abs() < 1e-8 * slow.distance.abs().max(1.0));
        }
    }

    #[test]
    fn a_split_by_hand() {
        // 1 1 3 3: between 8, within 0, so 2/4 · 8; with the right side ended early: 2/3 · 4.
        assert_eq!(
            best_split(&[1.0, 1.0, 3.0, 3.0], 1),
            Some(Split {
                place: 2,
                distance: 4.0
            })
        );
        // One spike: left {1, 1, 1}, right {9}: 2/4 · 24 = 12; with shortest sides of two: {1, 1} and {1, 9}:
        // 2/4 · (16 − 0 − 2 · 8) = 0.
        assert_eq!(
            best_split(&[1.0, 1.0, 1.0, 9.0], 1),
            Some(Split {
                place: 3,
                distance: 12.0
            })
        );
        assert_eq!(
            best_split(&[1.0, 1.0, 1.0, 9.0], 2),
            Some(Split {
                place: 2,
                distance: 0.0
            })
        );
    }

    #[test]
    fn what_is_too_short_has_no_split() {
        assert_eq!(best_split(&[], 1), None);
        assert_eq!(best_split(&[1.0], 1), None);
        assert_eq!(best_split(&[1.0, 2.0, 3.0], 2), None);
    }
}
