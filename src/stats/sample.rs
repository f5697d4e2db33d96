//! The sample: one or more finite points, so that no statistic has to ask again.

use super::contrasts::walsh_averages;

/// Why some numbers are no sample.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SampleError {
    /// There is no point at all.
    #[error("a sample needs at least one point")]
    Empty,
    /// A point is infinite or not a number.
    #[error("point {index} of a sample is {value}, which is no finite number")]
    NotFinite {
        /// Which point, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A point is none of which ratios can be made.
    #[error("point {index} of a sample is {value}; ratios need points above 0, from 1e-150 to 1e150")]
    NotPositive {
        /// Which point, from 0.
        index: usize,
        /// Its value.
        value: f64,
    },
}

/// One or more finite points of one quantity, in the order in which they were measured. The unit is the caller's.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    points: Vec<f64>,
}

impl Sample {
    /// A sample of these points.
    ///
    /// # Errors
    /// If there is no point, or one that is infinite or not a number.
    pub fn new(points: Vec<f64>) -> Result<Self, SampleError> {
        if points.is_empty() {
            return Err(SampleError::Empty);
        }
        match points.iter().position(|point| !point.is_finite()) {
            Some(index) => Err(SampleError::NotFinite {
                index,
                value: points[index],
            }),
            None => Ok(Self { points }),
        }
    }

    /// The points, in the order in which they were measured.
    #[must_use]
    pub fn points(&self) -> &[f64] {
        &self.points
    }

    /// The points from the smallest to the largest.
    #[must_use]
    pub fn sorted(&self) -> Vec<f64> {
        let mut points = self.points.clone();
        points.sort_by(f64::total_cmp);
        points
    }

    /// The median: the middle point, or the mean of the middle two when their number is even.
    ///
    /// This is the usual sample median; definitions 2 and 5 to 9 of Hyndman & Fan 1996, *Sample Quantiles in
    /// Statistical Packages*, all give it for p = 0.5.
    #[must_use]
    pub fn median(&self) -> f64 {
        median_of_sorted(&self.sorted())
    }

    /// The pseudo-median: the median of the means of all pairs of points, each with itself too.
    ///
    /// Hodges & Lehmann 1963, *Estimates of Location Based on Rank Tests*, Annals of Mathematical Statistics 34. Nearly
    /// as steady as the mean where the mean is best (with normal noise its variance is π/3 times the mean's, the
    /// median's π/2 times), and hardly moved by less than a third of the points going wrong. What the nightly gate takes
    /// for a night's value. The time and the space that it takes grow with the square of the number of points.
    #[must_use]
    pub fn pseudo_median(&self) -> f64 {
        let mut averages = walsh_averages(&self.points);
        averages.sort_by(f64::total_cmp);
        median_of_sorted(&averages)
    }

    /// The arithmetic mean.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "nobody measures 2^52 rounds")]
    pub fn mean(&self) -> f64 {
        // Each is divided before it is added: the sum of large points must not overflow.
        let count = self.points.len() as f64;
        self.points.iter().map(|point| point / count).sum()
    }

    /// The sample standard deviation, with n − 1 in the denominator (Bessel's correction); `None` with one point, which
    /// has no spread.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "nobody measures 2^52 rounds")]
    pub fn standard_deviation(&self) -> Option<f64> {
        if self.points.len() < 2 {
            return None;
        }
        let mean = self.mean();
        let squares: f64 = self.points.iter().map(|point| (point - mean).powi(2)).sum();
        Some((squares / (self.points.len() - 1) as f64).sqrt())
    }
}

/// The median of sorted points, of which there must be at least one.
pub(super) fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        sorted[middle - 1].midpoint(sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(points: &[f64]) -> f64 {
        Sample::new(points.to_vec()).unwrap().median()
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these medians are exact")]
    fn the_median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[10.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(
            median(&[f64::MAX, f64::MAX]),
            f64::MAX,
            "the sum of two large points must not overflow"
        );
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these medians are exact")]
    fn the_pseudo_median_is_the_middle_of_the_means_of_pairs() {
        let of = |points: &[f64]| Sample::new(points.to_vec()).unwrap().pseudo_median();
        assert_eq!(of(&[7.0]), 7.0);
        // The means of the pairs are 1 1.5 2 2 2.5 3 5 5.5 6 9.
        assert_eq!(of(&[9.0, 1.0, 2.0, 3.0]), 2.75);
        assert!(of(&[1.0, 1.0, 1.0, 1.0, 1000.0]) <= 1.0, "one point that went wrong");
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these are exact")]
    fn mean_and_deviation_of_known_samples() {
        let sample = |points: &[f64]| Sample::new(points.to_vec()).unwrap();
        // Deviations from 5 are -3 -1 -1 -1 0 0 2 4: their squares add up to 32, and 32 / 7 is the variance.
        let known = sample(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(known.mean(), 5.0);
        assert_eq!(known.standard_deviation(), Some((32.0_f64 / 7.0).sqrt()));
        assert_eq!(sample(&[4.75]).mean(), 4.75);
        assert_eq!(sample(&[4.75]).standard_deviation(), None, "one point has no spread");
        assert_eq!(sample(&[f64::MAX, f64::MAX]).mean(), f64::MAX);
    }

    #[test]
    fn nothing_and_non_numbers_are_no_sample() {
        assert_eq!(Sample::new(vec![]), Err(SampleError::Empty));
        let error = Sample::new(vec![1.0, f64::INFINITY]).unwrap_err();
        assert_eq!(
            error,
            SampleError::NotFinite {
                index: 1,
                value: f64::INFINITY
            }
        );
        assert!(matches!(
            Sample::new(vec![f64::NAN]),
            Err(SampleError::NotFinite { index: 0, .. })
        ));
    }

    #[test]
    fn the_order_of_measuring_is_kept() {
        let sample = Sample::new(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(sample.points(), [3.0, 1.0, 2.0]);
        assert_eq!(sample.sorted(), [1.0, 2.0, 3.0]);
    }
}
