//! Points of which ratios can be made: positive, and neither so small nor so large that a ratio of two could be lost.
//! Not for: comparing them.

use std::ops::RangeInclusive;

use super::{Sample, SampleError};

/// What a point must lie in. The ratio of any two is then a normal number, and so is its inverse.
const RANGE: RangeInclusive<f64> = 1e-150..=1e150;

fn check(index: usize, value: f64) -> Result<f64, SampleError> {
    // Not-a-number, infinity, zero and negative numbers all lie outside the range.
    if RANGE.contains(&value) {
        Ok(value)
    } else {
        Err(SampleError::NotPositive { index, value })
    }
}

/// One or more points of one quantity that are positive, in the order in which they were measured.
#[derive(Debug, Clone, PartialEq)]
pub struct PositiveSample(Sample);

impl PositiveSample {
    /// A sample of these points.
    ///
    /// # Errors
    /// If there is no point, or one that is not positive, infinite, not a number, or outside of 1e-150 to 1e150.
    pub fn new(points: Vec<f64>) -> Result<Self, SampleError> {
        for (index, &point) in points.iter().enumerate() {
            check(index, point)?;
        }
        Sample::new(points).map(Self)
    }

    /// The sample as one that may be of anything.
    #[must_use]
    pub fn sample(&self) -> &Sample {
        &self.0
    }

    /// The points, in the order in which they were measured.
    #[must_use]
    pub fn points(&self) -> &[f64] {
        self.0.points()
    }
}

/// One or more rounds of two things measured in each: the subject of a question and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// The rounds in which both were measured, each as (subject, baseline), in the same unit.
    ///
    /// # Errors
    /// If there is no round, or a point that no [`PositiveSample`] may have; its index is the round's, from 0.
    pub fn new(rounds: Vec<(f64, f64)>) -> Result<Self, SampleError> {
        if rounds.is_empty() {
            return Err(SampleError::Empty);
        }
        for (index, &(subject, baseline)) in rounds.iter().enumerate() {
            check(index, subject)?;
            check(index, baseline)?;
        }
        Ok(Self(rounds))
    }

    /// The rounds, each as (subject, baseline).
    #[must_use]
    pub fn rounds(&self) -> &[(f64, f64)] {
        &self.0
    }

    /// The logarithm of subject by baseline in each round.
    #[must_use]
    pub fn log_ratios(&self) -> Vec<f64> {
        // Of the quotient, not as a difference of logarithms: equal points must give exactly 0.
        self.0
            .iter()
            .map(|(subject, baseline)| (subject / baseline).ln())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_ratio_is_refused_with_its_place() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX] {
            let errors = [
                PositiveSample::new(vec![1.0, value]).unwrap_err(),
                Pairs::new(vec![(1.0, 1.0), (1.0, value)]).unwrap_err(),
                Pairs::new(vec![(1.0, 1.0), (value, 1.0)]).unwrap_err(),
            ];
            for error in errors {
                assert!(
                    matches!(error, SampleError::NotPositive { index: 1, .. }),
                    "{value}: {error}"
                );
            }
        }
        assert_eq!(PositiveSample::new(vec![]), Err(SampleError::Empty));
        assert_eq!(Pairs::new(vec![]), Err(SampleError::Empty));
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "equal points have the ratio 1 exactly")]
    fn ratios_of_the_largest_and_the_smallest_are_kept() {
        let pairs = Pairs::new(vec![(1e150, 1e-150), (1e-150, 1e150), (0.3, 0.3)]).unwrap();
        let ratios = pairs.log_ratios();
        assert!((ratios[0] + ratios[1]).abs() < 1e-9 && ratios[0].exp().is_normal());
        assert_eq!(ratios[2], 0.0);
    }
}
