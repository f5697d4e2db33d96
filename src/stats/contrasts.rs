//! The two rank tests as one: a list of differences, of which a test counts those above and below zero, an estimate takes
//! the middle, and an interval takes one from each end. Counting and taking agree by construction: that is what makes
//! "the interval leaves out no difference" and "p is at most the level" one statement. Not for: ratios, families.
//!
//! Hodges & Lehmann 1963, *Estimates of Location Based on Rank Tests*, Annals of Mathematical Statistics 34 (the
//! estimates); Moses in Walker & Lev 1953 and Tukey 1949 (the intervals); Hollander, Wolfe & Chicken 2014,
//! *Nonparametric Statistical Methods*, 3.1 to 3.3 and 4.1 to 4.3 (both together).

use super::Level;
use super::null::Null;
use super::sample::median_of_sorted;

/// Differences whose signs are counted, and how often chance alone gives each count.
#[derive(Debug, Clone)]
pub(super) struct Contrasts {
    sorted: Vec<f64>,
    null: Null,
}

/// The means of all pairs of differences, each with itself too (Walsh averages), in no order.
pub(super) fn walsh_averages(differences: &[f64]) -> Vec<f64> {
    let mut averages = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (place, first) in differences.iter().enumerate() {
        averages.extend(differences[place..].iter().map(|second| f64::midpoint(*first, *second)));
    }
    averages
}

/// The differences of all pairs of one point of each, in no order.
pub(super) fn all_differences(first: &[f64], second: &[f64]) -> Vec<f64> {
    first
        .iter()
        .flat_map(|one| second.iter().map(move |other| one - other))
        .collect()
}

impl Contrasts {
    /// Of differences that were paired (Wilcoxon's signed-rank test). There must be one or more.
    pub(super) fn paired(differences: &[f64]) -> Self {
        Self::new(walsh_averages(differences), Null::signed_rank(differences.len()))
    }

    /// Of points that were not (the Wilcoxon-Mann-Whitney test). There must be one or more of each.
    pub(super) fn independent(first: &[f64], second: &[f64]) -> Self {
        Self::new(
            all_differences(first, second),
            Null::rank_sum(first.len(), second.len()),
        )
    }

    fn new(mut contrasts: Vec<f64>, null: Null) -> Self {
        contrasts.sort_by(f64::total_cmp);
        Self {
            sorted: contrasts,
            null,
        }
    }

    /// The middle of the differences (Hodges and Lehmann's estimate).
    pub(super) fn estimate(&self) -> f64 {
        median_of_sorted(&self.sorted)
    }

    /// The two-sided p-value of "no difference". What is exactly zero is counted against either direction, so that
    /// ties make the test more careful, never less.
    pub(super) fn p(&self) -> f64 {
        let not_above = self.sorted.partition_point(|contrast| *contrast <= 0.0);
        let not_below = self.sorted.len() - self.sorted.partition_point(|contrast| *contrast < 0.0);
        (2.0 * self.null.at_most(not_above.min(not_below))).min(1.0)
    }

    /// The p-value of so many points when they could not speak more clearly.
    pub(super) fn smallest_p(&self) -> f64 {
        (2.0 * self.null.at_most(0)).min(1.0)
    }

    /// The differences that the test at this level does not reject; `None` if it rejects none whatever the points are.
    pub(super) fn interval(&self, level: Level) -> Option<(f64, f64)> {
        let critical = self.null.critical(level.get() / 2.0)?;
        Some((self.sorted[critical], self.sorted[self.sorted.len() - 1 - critical]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Times of hot builds, in seconds, of this project's first bench journal: pip-single, uv-multi and pip-multi.
    const PIP: [f64; 11] = [
        3.926_284_423,
        3.950_262_469,
        3.719_227_960,
        3.784_047_022,
        4.190_929_605,
        4.503_425_905,
        3.994_548_278,
        3.798_384_422,
        3.890_212_669,
        4.186_434_980,
        3.642_998_601,
    ];
    const UV: [f64; 11] = [
        3.840_928_886,
        4.011_996_306,
        4.011_779_984,
        4.072_022_664,
        3.713_747_300,
        4.390_272_777,
        4.333_817_643,
        3.832_732_494,
        4.253_468_350,
        4.394_818_637,
        4.468_115_682,
    ];

    fn logs(points: &[f64]) -> Vec<f64> {
        points.iter().map(|point| point.ln()).collect()
    }

    fn ratios(one: &[f64], other: &[f64]) -> Vec<f64> {
        one.iter().zip(other).map(|(one, other)| (one / other).ln()).collect()
    }

    fn close(one: f64, other: f64, tolerance: f64) {
        assert!((one - other).abs() < tolerance, "{one} {other}");
    }

    #[test]
    fn paired_agrees_with_scipy() {
        // scipy 1.16.3: wilcoxon(log(pip/uv), method="exact").pvalue; the estimate is the median of the Walsh averages;
        // the interval is where wilcoxon(log(pip/uv) - g, method="exact").pvalue > 0.05 on a grid of 1e-5.
        let contrasts = Contrasts::paired(&ratios(&PIP, &UV));
        close(contrasts.p(), 0.174_804_687_5, 1e-12);
        close(contrasts.estimate().exp(), 0.959_438_937_077, 1e-11);
        let (low, high) = contrasts.interval(Level::FIVE_PERCENT).unwrap();
        close(low.exp(), 0.914_598_6, 2e-5);
        close(high.exp(), 1.022_213_1, 2e-5);
        close(contrasts.smallest_p(), 2.0 / 2048.0, 1e-15);
    }

    #[test]
    fn independent_agrees_with_scipy() {
        // scipy 1.16.3: mannwhitneyu(pip, uv, method="exact"); the interval as above, on log(uv) + g.
        let contrasts = Contrasts::independent(&logs(&PIP), &logs(&UV));
        close(contrasts.p(), 0.151_274_679_912_451, 1e-12);
        close(contrasts.estimate().exp(), 0.955_351_428_515, 1e-11);
        let (low, high) = contrasts.interval(Level::FIVE_PERCENT).unwrap();
        close(low.exp(), 0.898_849_2, 2e-5);
        close(high.exp(), 1.024_403_0, 2e-5);
        close(
            Contrasts::independent(&PIP[..5], &UV[..7]).p(),
            0.343_434_343_434_343,
            1e-12,
        );
    }

    #[test]
    fn many_points_agree_with_scipy_too() {
        // scipy 1.16.3: wilcoxon(method="approx", correction=True) of 1 to 150, each third negative; and
        // mannwhitneyu(method="asymptotic", use_continuity=True) of 1 to 60 and 5.5 to 64.5.
        let signed: Vec<f64> = (1..=150).map(|k| f64::from(if k % 3 == 0 { -k } else { k })).collect();
        close(Contrasts::paired(&signed).p(), 0.000_567_579_342_014, 1e-12);
        let one: Vec<f64> = (1..=60).map(f64::from).collect();
        let other: Vec<f64> = one.iter().map(|point| point + 4.5).collect();
        close(Contrasts::independent(&one, &other).p(), 0.173_191_013_494, 1e-9);
    }

    #[test]
    fn ties_and_zeros_never_speak_for_a_difference() {
        assert!(Contrasts::paired(&[0.0; 20]).p() >= 1.0);
        assert!(Contrasts::independent(&[3.0; 20], &[3.0; 20]).p() >= 1.0);
        let ten = [1.0; 10];
        let mut with_zeros = ten;
        with_zeros[..3].fill(0.0);
        assert!(Contrasts::paired(&with_zeros).p() > Contrasts::paired(&ten).p());
        close(Contrasts::paired(&ten).p(), 2.0 / 1024.0, 1e-15);
    }

    #[test]
    fn the_interval_leaves_out_zero_exactly_when_the_test_rejects() {
        let mut random = crate::units::SplitMix64::new(6, 6);
        // Whole numbers, so that many are tied and many are zero.
        let mut draw = |count: usize| -> Vec<f64> {
            (0..count)
                .map(|_| f64::from(u32::try_from(random.below(9)).unwrap()) - 3.0)
                .collect()
        };
        let mut rejected = 0;
        for round in 0..3000 {
            let (first, second) = (draw(2 + round % 12), draw(2 + round % 7));
            for contrasts in [Contrasts::paired(&first), Contrasts::independent(&first, &second)] {
                for level in [0.01, 0.05, 0.05 / 3.0, 0.2] {
                    let level = Level::new(level).unwrap();
                    let leaves_out = contrasts
                        .interval(level)
                        .is_some_and(|(low, high)| low > 0.0 || high < 0.0);
                    assert_eq!(
                        leaves_out,
                        contrasts.p() <= level.get(),
                        "{first:?} {second:?} {level:?}"
                    );
                    assert_eq!(
                        contrasts.interval(level).is_none(),
                        contrasts.smallest_p() > level.get()
                    );
                    rejected += usize::from(leaves_out);
                }
            }
        }
        assert!(rejected > 1000, "{rejected}");
    }
}
