//! How large a difference is, in words, and whether it matters: both apart from whether it is real. Not for: tests.

/// A share that is no effect.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("an effect is a share above 0 and at most 1000 (0.02 for 2 %), not {0}")]
pub struct EffectError(pub f64);

/// A size of difference, in either direction: of two that differ by an effect of 0.05, one is 1.05 times the other.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Effect(f64);

impl Effect {
    /// From what on a difference matters unless one says otherwise: 2 %.
    pub const TWO_PERCENT: Self = Self(0.02);
    /// The smallest change that the nightly gate fails for unless one says otherwise: 5 %.
    pub const FIVE_PERCENT: Self = Self(0.05);
    /// What the nightly gate must be able to see in one night unless one says otherwise: 25 %.
    pub const TWENTY_FIVE_PERCENT: Self = Self(0.25);

    /// The effect of this share.
    ///
    /// # Errors
    /// If it is not above 0, or above 1000.
    pub fn new(share: f64) -> Result<Self, EffectError> {
        if share > 0.0 && share <= 1000.0 {
            Ok(Self(share))
        } else {
            Err(EffectError(share))
        }
    }

    /// The share: 0.05 for 5 %.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0
    }

    /// Its size as a logarithm of a ratio.
    pub(super) fn log(self) -> f64 {
        self.0.ln_1p()
    }
}

/// How large a ratio is, in a word. The ladder is this project's own, by what a person who waits for a build notices;
/// there is no standard one for ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Magnitude {
    /// Below 2 %.
    Negligible,
    /// From 2 % to below 10 %.
    Small,
    /// From 10 % to below 25 %.
    Medium,
    /// From 25 % to below twice.
    Large,
    /// Twice or more.
    VeryLarge,
}

impl Magnitude {
    /// The word for a ratio; the same for its inverse.
    #[must_use]
    pub fn of(ratio: f64) -> Self {
        let share = ratio.ln().abs().exp_m1();
        // A ratio of exactly the step's, such as 1.1, must be on the step although its logarithm is rounded.
        let reaches = |step: f64| share >= step * (1.0 - 1e-12);
        if reaches(1.0) {
            Self::VeryLarge
        } else if reaches(0.25) {
            Self::Large
        } else if reaches(0.10) {
            Self::Medium
        } else if reaches(0.02) {
            Self::Small
        } else {
            Self::Negligible
        }
    }

    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::VeryLarge => "very large",
        }
    }
}

/// Whether a difference matters: what its whole interval says of the least effect that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relevance {
    /// Every ratio in the interval is at least that effect away from 1.
    Relevant,
    /// Every ratio in the interval is less than that away from 1: the two are the same for all that matters.
    Irrelevant,
    /// The interval holds ratios of both kinds, or there is none.
    Undecided,
}

impl Relevance {
    /// Of an interval of logarithms.
    pub(super) fn of(interval: Option<(f64, f64)>, least: Effect) -> Self {
        let least = least.log();
        match interval {
            Some((low, high)) if low >= least || high <= -least => Self::Relevant,
            Some((low, high)) if -least < low && high < least => Self::Irrelevant,
            _ => Self::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_has_the_same_steps_up_and_down() {
        let steps = [
            (1.0, Magnitude::Negligible),
            (1.0199, Magnitude::Negligible),
            (1.02, Magnitude::Small),
            (1.1, Magnitude::Medium),
            (1.25, Magnitude::Large),
            (1.9999, Magnitude::Large),
            (2.0, Magnitude::VeryLarge),
        ];
        for (ratio, magnitude) in steps {
            assert_eq!(Magnitude::of(ratio), magnitude, "{ratio}");
            assert_eq!(Magnitude::of(1.0 / ratio), magnitude, "1/{ratio}");
        }
    }

    #[test]
    fn relevance_is_said_of_the_whole_interval() {
        let of = |low: f64, high: f64| Relevance::of(Some((low.ln(), high.ln())), Effect::TWO_PERCENT);
        assert_eq!(of(1.03, 1.5), Relevance::Relevant);
        assert_eq!(of(0.5, 0.97), Relevance::Relevant);
        assert_eq!(of(0.99, 1.01), Relevance::Irrelevant);
        assert_eq!(of(1.005, 1.01), Relevance::Irrelevant, "real, and too small to matter");
        assert_eq!(of(1.01, 1.03), Relevance::Undecided);
        assert_eq!(Relevance::of(None, Effect::TWO_PERCENT), Relevance::Undecided);
    }

    #[test]
    fn no_effect_and_non_numbers_are_no_effect() {
        for bad in [0.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(Effect::new(bad).is_err(), "{bad}");
        }
    }
}
