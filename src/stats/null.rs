//! How often chance alone gives the counts that the two rank tests count. Exact up to a size that no run exceeds, by
//! the normal approximation above. Not for: samples.

use statrs::function::erf::erfc;

/// Up to so many rounds the distribution of the signed-rank count is exact.
const EXACT_ROUNDS: usize = 128;
/// Up to so many pairs of points (50 against 50) the distribution of the rank-sum count is exact.
const EXACT_PAIRS: usize = 2500;

/// The distribution of a rank test's count when there is no difference.
#[derive(Debug, Clone)]
pub(super) enum Null {
    /// Each count's probability of not being exceeded.
    Exact(Vec<f64>),
    /// The normal distribution with the count's mean and standard deviation.
    Normal { mean: f64, deviation: f64 },
}

#[allow(clippy::cast_precision_loss, reason = "counts of points stay far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

impl Null {
    /// Of the number of positive Walsh averages of `rounds` differences whose signs are fair coins: the sum of a random
    /// subset of the ranks 1 to `rounds` (Wilcoxon 1945, *Individual Comparisons by Ranking Methods*, Biometrics Bulletin 1).
    pub(super) fn signed_rank(rounds: usize) -> Self {
        let largest = rounds * (rounds + 1) / 2;
        if rounds > EXACT_ROUNDS {
            let n = float(rounds);
            return Self::Normal {
                mean: float(largest) / 2.0,
                deviation: (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt(),
            };
        }
        // Rank after rank is in the subset or not, each with probability ½; from the top, so that none counts twice.
        let mut density = vec![0.0; largest + 1];
        density[0] = 1.0;
        for rank in 1..=rounds {
            for sum in (0..=rank * (rank + 1) / 2).rev() {
                let with = if sum >= rank { density[sum - rank] } else { 0.0 };
                density[sum] = 0.5 * (density[sum] + with);
            }
        }
        Self::cumulated(density)
    }

    /// Of the number of pairs in which the first sample's point is the larger, of samples of `first` and `second` points
    /// whose labels are dealt at random (Mann & Whitney 1947, *On a Test of Whether one of Two Random Variables is
    /// Stochastically Larger than the Other*, Annals of Mathematical Statistics 18).
    pub(super) fn rank_sum(first: usize, second: usize) -> Self {
        let pairs = first * second;
        if pairs > EXACT_PAIRS {
            return Self::Normal {
                mean: float(pairs) / 2.0,
                deviation: (float(pairs) * float(first + second + 1) / 12.0).sqrt(),
            };
        }
        // Mann and Whitney's recursion on which sample the largest point is of: one of the first's is larger than all
        // of the second's, one of the second's is larger than none. `by_second[m]` is the density for the current
        // number of the first's points and m of the second's.
        let mut by_second: Vec<Vec<f64>> = (0..=second).map(|_| vec![1.0]).collect();
        for n in 1..=first {
            let mut next: Vec<Vec<f64>> = Vec::with_capacity(second + 1);
            next.push(vec![1.0]);
            for m in 1..=second {
                let of_first = float(n) / float(n + m);
                let mut density = vec![0.0; n * m + 1];
                for (count, probability) in by_second[m].iter().enumerate() {
                    density[count + m] += of_first * probability;
                }
                for (count, probability) in next[m - 1].iter().enumerate() {
                    density[count] += (1.0 - of_first) * probability;
                }
                next.push(density);
            }
            by_second = next;
        }
        Self::cumulated(by_second.swap_remove(second))
    }

    fn cumulated(mut density: Vec<f64>) -> Self {
        let mut sum = 0.0;
        for probability in &mut density {
            sum += *probability;
            *probability = sum;
        }
        Self::Exact(density)
    }

    /// The probability of a count of at most `count`.
    pub(super) fn at_most(&self, count: usize) -> f64 {
        match self {
            Self::Exact(cumulated) => cumulated.get(count).copied().unwrap_or(1.0),
            Self::Normal { mean, deviation } => {
                // With the correction for continuity: the count stands for the half on each side of it.
                let score = (float(count) + 0.5 - mean) / deviation;
                0.5 * erfc(-score / std::f64::consts::SQRT_2)
            }
        }
    }

    /// The largest count that is exceeded by at least all but `tail` of the distribution; `None` if there is none.
    pub(super) fn critical(&self, tail: f64) -> Option<usize> {
        // Counts below the mean only: a tail is never more than a half.
        let (mut low, mut high) = (0, self.middle());
        if self.at_most(low) > tail {
            return None;
        }
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if self.at_most(middle) <= tail {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(if self.at_most(high) <= tail { high } else { low })
    }

    fn middle(&self) -> usize {
        match self {
            Self::Exact(cumulated) => cumulated.len() / 2,
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "half a number of pairs of points"
            )]
            Self::Normal { mean, .. } => *mean as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }

    #[test]
    fn the_tails_are_those_counted_by_hand() {
        // Of the 8 subsets of {1, 2, 3}: {} sums to 0, {1} to 1, {2} to 2, {3} and {1, 2} to 3.
        let three = Null::signed_rank(3);
        for (count, subsets) in [(0, 1.0), (1, 2.0), (2, 3.0), (3, 5.0), (6, 8.0), (7, 8.0)] {
            close(three.at_most(count), subsets / 8.0);
        }
        // Of the 6 orders of two and two points: none, one, two (twice), three or four pairs in which the first's is larger.
        let two = Null::rank_sum(2, 2);
        for (count, orders) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 5.0), (4, 6.0)] {
            close(two.at_most(count), orders / 6.0);
        }
        close(Null::rank_sum(3, 3).at_most(0), 1.0 / 20.0);
        close(Null::rank_sum(1, 4).at_most(1), 2.0 / 5.0);
    }

    #[test]
    fn critical_counts_are_those_of_the_tables() {
        // Wilcoxon's table for 5 % two-sided: 0 of 6 rounds, 2 of 7, 3 of 8, 8 of 10, 52 of 20; and none of 5.
        for (rounds, critical) in [
            (5, None),
            (6, Some(0)),
            (7, Some(2)),
            (8, Some(3)),
            (10, Some(8)),
            (20, Some(52)),
        ] {
            assert_eq!(Null::signed_rank(rounds).critical(0.025), critical, "{rounds}");
        }
        // Mann and Whitney's: none of 3 and 3, 0 of 4 and 4, 2 of 5 and 5, 23 of 10 and 10, 127 of 20 and 20.
        for (points, critical) in [(3, None), (4, Some(0)), (5, Some(2)), (10, Some(23)), (20, Some(127))] {
            assert_eq!(Null::rank_sum(points, points).critical(0.025), critical, "{points}");
        }
    }

    #[test]
    fn the_approximation_goes_on_where_the_exact_ends() {
        let (exact, normal) = (Null::signed_rank(EXACT_ROUNDS), Null::signed_rank(EXACT_ROUNDS + 1));
        assert!(matches!((&exact, &normal), (Null::Exact(_), Null::Normal { .. })));
        let (below, above) = (exact.critical(0.025).unwrap(), normal.critical(0.025).unwrap());
        // The critical count grows by about half of the rank that is added.
        assert!((40..=64).contains(&(above - below)), "{below} {above}");
        assert!(
            (Null::rank_sum(50, 50).at_most(966)
                - Null::Normal {
                    mean: 1250.0,
                    deviation: 145.057
                }
                .at_most(966))
            .abs()
                < 1e-3
        );
    }
}
