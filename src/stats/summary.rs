//! What is shown of a sample: its middle and its spread. Not for: comparing two samples.

use super::Sample;
use super::sample::median_of_sorted;

/// The middle and the spread of a sample, in the sample's unit.
///
/// Medians and extremes rather than means and standard deviations: timings have a long right tail, and with the
/// handful of rounds that a container build allows, the extremes are the honest spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The number of points.
    pub n: usize,
    /// The median; see [`Sample::median`].
    pub median: f64,
    /// The smallest point.
    pub min: f64,
    /// The largest point.
    pub max: f64,
    /// The median absolute deviation from the median, unscaled: median(|x − median(x)|). Zero with one point.
    ///
    /// Hampel 1974, *The Influence Curve and Its Role in Robust Estimation*. To estimate a standard deviation of
    /// normal noise it would have to be multiplied by 1.4826; that is left to who assumes normal noise.
    pub mad: f64,
}

impl Summary {
    /// Summarises a sample.
    #[must_use]
    pub fn of(sample: &Sample) -> Self {
        let sorted = sample.sorted();
        let median = median_of_sorted(&sorted);
        let mut deviations: Vec<f64> = sorted.iter().map(|point| (point - median).abs()).collect();
        deviations.sort_by(f64::total_cmp);
        Self {
            n: sorted.len(),
            median,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            mad: median_of_sorted(&deviations),
        }
    }

    /// The smallest and the largest point; `None` with one point, because one point has no spread.
    #[must_use]
    pub fn spread(&self) -> Option<(f64, f64)> {
        (self.n > 1).then_some((self.min, self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[f64]) -> Summary {
        Summary::of(&Sample::new(points.to_vec()).unwrap())
    }

    #[test]
    fn middle_and_spread_of_a_known_sample() {
        // The textbook example for the MAD: deviations from 2 are 1 1 0 0 2 4 7, their median is 1.
        let summary = of(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]);
        assert_eq!(
            summary,
            Summary {
                n: 7,
                median: 2.0,
                min: 1.0,
                max: 9.0,
                mad: 1.0
            }
        );
        assert_eq!(summary.spread(), Some((1.0, 9.0)));
    }

    #[test]
    fn one_point_has_no_spread() {
        let summary = of(&[4.75]);
        assert_eq!(
            summary,
            Summary {
                n: 1,
                median: 4.75,
                min: 4.75,
                max: 4.75,
                mad: 0.0
            }
        );
        assert_eq!(summary.spread(), None);
    }

    #[test]
    fn the_order_of_measuring_does_not_matter() {
        assert_eq!(of(&[5.0, 1.0, 3.0, 2.0]), of(&[1.0, 2.0, 3.0, 5.0]));
    }
}
