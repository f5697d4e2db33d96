//! A probability that is neither certain nor impossible, and what a comparison is asked to keep. Not for: applying them.

/// A number that is no probability strictly between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no probability between 0 and 1")]
pub struct LevelError(pub f64);

/// A probability strictly between 0 and 1: a level of significance, or a power.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Level(f64);

impl Level {
    /// One in twenty, the default level of significance.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// One in ten, the nightly gate's default level of one night.
    pub const ONE_IN_TEN: Self = Self(0.1);
    /// One in a thousand, the default level of change points.
    pub const ONE_IN_A_THOUSAND: Self = Self(0.001);
    /// One in ten thousand, the level at which the nightly gate takes a change for a new baseline.
    pub const ONE_IN_TEN_THOUSAND: Self = Self(0.0001);
    /// Nine in ten, the default power.
    pub const NINETY_PERCENT: Self = Self(0.9);

    /// A probability.
    ///
    /// # Errors
    /// If it does not lie strictly between 0 and 1.
    pub fn new(probability: f64) -> Result<Self, LevelError> {
        if probability > 0.0 && probability < 1.0 {
            Ok(Self(probability))
        } else {
            Err(LevelError(probability))
        }
    }

    /// The probability.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// What each of so many questions gets of it when it is shared out evenly (Bonferroni): the level at which Holm's
    /// procedure tests the clearest of them. No question counts as one.
    #[must_use]
    pub fn shared_by(self, questions: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "no family has 2^52 questions")]
        Self(self.0 / questions.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_happen_and_can_fail_is_a_level() {
        for bad in [0.0, 1.0, -0.1, 5.0, f64::NAN, f64::INFINITY] {
            assert!(Level::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Level::new(0.05), Ok(Level::FIVE_PERCENT));
        assert!((Level::FIVE_PERCENT.shared_by(4).get() - 0.0125).abs() < 1e-15);
        assert_eq!(Level::FIVE_PERCENT.shared_by(0), Level::FIVE_PERCENT);
    }
}
