//! What so many rounds can show, and how many rounds it takes: by drawing rounds from the noise and applying the very
//! test that [`compare`](super::compare) applies. The draws have a fixed seed, so that the same noise gives the same
//! answer. Not for: saying what was measured.

use statrs::function::erf::erf_inv;

use super::contrasts::{Contrasts, all_differences, walsh_averages};
use super::null::Null;
use super::{Effect, Level, Pairs};
use crate::units::SplitMix64;

const SEED: u64 = 0x6261_6b65_6f66_6601;
/// So many sets of rounds are drawn (the error of a power of 0.9 is then about 0.01), or fewer when that means more
/// contrasts than the second number.
const DRAWS: usize = 1000;
const CONTRASTS: usize = 2_000_000;
/// Above so many rounds nothing is drawn: what a test can show then shrinks as the square root of the rounds grows.
const DRAWN_ROUNDS: usize = 128;

/// A spread that is no finite number of 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a spread is a finite number of 0 or more, not {0}")]
pub struct SpreadError(pub f64);

/// How log-ratios scatter from round to round round their middle: deviations that are equally likely, each as often up
/// as down.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    deviations: Vec<f64>,
}

/// How many rounds an effect needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundsNeeded {
    /// The rounds with which the effect is found as often as was asked for.
    pub rounds: usize,
    /// The rounds below which no data whatever reach the level.
    pub at_least: usize,
}

/// The fewest rounds with which a question that shares its level with so many others can be answered at all.
#[must_use]
pub fn fewest_rounds(level: Level, questions: usize) -> usize {
    // The clearest that n rounds can be has p = 2/2^n.
    let share = level.shared_by(questions).get();
    (1..=i32::from(u8::MAX))
        .find(|rounds| 2.0_f64.powi(1 - rounds) <= share)
        .map_or(usize::from(u8::MAX), |rounds| rounds.unsigned_abs() as usize)
}

/// The fewest points of each of two samples with which the level can be reached: 2/C(2n, n) is the clearest.
pub(super) fn fewest_rounds_of_each(level: Level) -> usize {
    let (mut points, mut clearest) = (1.0, 1.0);
    while clearest > level.get() {
        points += 1.0;
        // C(2n, n) is C(2n−2, n−1) times (2n)(2n−1)/n².
        clearest /= 2.0 * (2.0 * points - 1.0) / points;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number: each step divides by 3 or more"
    )]
    let points = points as usize;
    points
}

impl Noise {
    /// The noise of rounds that were measured: each log-ratio's deviation from their Hodges-Lehmann estimate, widened by
    /// √(n/(n−1)) for the estimate having been made from them. `None` with one round, which shows no noise.
    #[must_use]
    pub fn observed(pairs: &Pairs) -> Option<Self> {
        let ratios = pairs.log_ratios();
        Self::around(&ratios, Contrasts::paired(&ratios).estimate())
    }

    /// Normal noise with this standard deviation of the log-ratios. Of two things that each vary with a coefficient of
    /// variation of c, it is about c times the square root of 2.
    ///
    /// # Errors
    /// If the spread is negative, infinite or not a number.
    pub fn normal(spread: f64) -> Result<Self, SpreadError> {
        if !(spread.is_finite() && spread >= 0.0) {
            return Err(SpreadError(spread));
        }
        // The middles of 500 equally likely slices of the upper half of the normal distribution.
        let deviations = (0..500).map(|slice| {
            let share = (f64::from(slice) + 0.5) / 500.0;
            spread * std::f64::consts::SQRT_2 * erf_inv(share)
        });
        Ok(Self {
            deviations: deviations.collect(),
        })
    }

    /// The noise of these points about a middle; `None` with one point.
    pub(super) fn around(points: &[f64], middle: f64) -> Option<Self> {
        #[allow(clippy::cast_precision_loss, reason = "numbers of rounds stay far below 2^52")]
        let count = points.len() as f64;
        let widened = (count / (count - 1.0)).sqrt();
        (points.len() > 1).then(|| Self {
            deviations: points.iter().map(|point| (point - middle).abs() * widened).collect(),
        })
    }

    fn draw(&self, count: usize, random: &mut SplitMix64) -> Vec<f64> {
        (0..count)
            .map(|_| {
                #[allow(clippy::cast_possible_truncation, reason = "below the length of a list")]
                let deviation = self.deviations[random.below(self.deviations.len() as u64) as usize];
                if random.next() >> 63 == 0 {
                    deviation
                } else {
                    -deviation
                }
            })
            .collect()
    }

    /// How often a paired comparison of so many rounds finds an effect of this size at this level.
    #[must_use]
    pub fn power(&self, effect: Effect, rounds: usize, level: Level) -> f64 {
        let drawn = rounds.min(DRAWN_ROUNDS);
        let margins = self.margins(drawn, level);
        // Above the rounds that are drawn the same margins are so many times smaller, or the effect so many times larger.
        let effect = effect.log() * ratio(rounds, drawn).sqrt();
        let found = margins.partition_point(|margin| *margin < effect);
        ratio(found, margins.len().max(1))
    }

    /// The smallest effect, as a share, that a paired comparison of so many rounds finds with this power; `None` if so
    /// few rounds never reach the level.
    #[must_use]
    pub fn smallest_effect(&self, rounds: usize, level: Level, power: Level) -> Option<f64> {
        let drawn = rounds.min(DRAWN_ROUNDS);
        let margin = quantile(&self.margins(drawn, level), power)?;
        Some((margin * ratio(drawn, rounds).sqrt()).exp_m1())
    }

    /// How many rounds a paired comparison needs to find an effect of this size with this power.
    #[must_use]
    pub fn rounds_needed(&self, effect: Effect, level: Level, power: Level) -> RoundsNeeded {
        let at_least = fewest_rounds(level, 1);
        let enough =
            |rounds: usize| quantile(&self.margins(rounds, level), power).is_some_and(|margin| margin < effect.log());
        // With each round more the margin shrinks (but for the error of the draws), so the first that is enough can be
        // looked for by halving.
        let (mut few, mut many) = (at_least.saturating_sub(1), DRAWN_ROUNDS.max(at_least));
        if !enough(many) {
            let margin = quantile(&self.margins(many, level), power).unwrap_or(f64::MAX);
            let times = (margin / effect.log()).powi(2);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "positive, and a number too large becomes the largest"
            )]
            let rounds = (many as f64 * times).ceil() as usize;
            return RoundsNeeded { rounds, at_least };
        }
        while many - few > 1 {
            let middle = usize::midpoint(few, many);
            if enough(middle) {
                many = middle;
            } else {
                few = middle;
            }
        }
        RoundsNeeded { rounds: many, at_least }
    }

    /// For each drawn set of rounds, the effect above which the test would have rejected, sorted; none if it never does.
    fn margins(&self, rounds: usize, level: Level) -> Vec<f64> {
        let contrasts = rounds * (rounds + 1) / 2;
        margins(&Null::signed_rank(rounds), level, contrasts, |random| {
            walsh_averages(&self.draw(rounds, random))
        })
    }

    /// The smallest effect, as a share, that a comparison of so many points of this noise with so many of another,
    /// independent one finds with this power; `None` if so few points never reach the level.
    pub(super) fn smallest_effect_between(
        &self,
        points: usize,
        other: (&Self, usize),
        level: Level,
        power: Level,
    ) -> Option<f64> {
        let (noise, others) = other;
        let margins = margins(&Null::rank_sum(points, others), level, points * others, |random| {
            all_differences(&self.draw(points, random), &noise.draw(others, random))
        });
        quantile(&margins, power).map(f64::exp_m1)
    }
}

fn margins(null: &Null, level: Level, contrasts: usize, draw: impl Fn(&mut SplitMix64) -> Vec<f64>) -> Vec<f64> {
    let Some(critical) = null.critical(level.get() / 2.0) else {
        return Vec::new();
    };
    let mut random = SplitMix64::new(SEED, 0);
    let draws = (CONTRASTS / contrasts.max(1)).clamp(DRAWS / 5, DRAWS);
    let mut margins: Vec<f64> = (0..draws)
        .map(|_| {
            let mut contrasts = draw(&mut random);
            // An effect that is added moves every contrast by itself: it is found when the critical one comes to lie above 0.
            -*contrasts.select_nth_unstable_by(critical, f64::total_cmp).1
        })
        .collect();
    margins.sort_by(f64::total_cmp);
    margins
}

/// The smallest of sorted margins that so large a share of them does not exceed.
fn quantile(sorted: &[f64], share: Level) -> Option<f64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of draws"
    )]
    let place = (share.get() * sorted.len() as f64).ceil() as usize;
    sorted.get(place.max(1) - 1).map(|margin| margin.max(0.0))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "numbers of rounds and draws stay far below 2^52"
)]
fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(share: f64) -> Effect {
        Effect::new(share).unwrap()
    }

    #[test]
    fn too_few_rounds_have_no_power_at_all() {
        // 2/2^5 = 0.0625 is above 5 %, 2/2^6 = 0.03125 is not; of four questions, each has 1.25 %, and 2/2^8 is 0.78 %.
        assert_eq!(fewest_rounds(Level::FIVE_PERCENT, 1), 6);
        assert_eq!(fewest_rounds(Level::FIVE_PERCENT, 4), 8);
        // 2/C(6, 3) = 0.1, 2/C(8, 4) = 0.029, 2/C(10, 5) = 0.0079.
        assert_eq!(fewest_rounds_of_each(Level::FIVE_PERCENT), 4);
        assert_eq!(fewest_rounds_of_each(Level::FIVE_PERCENT.shared_by(4)), 5);
        let noise = Noise::normal(0.01).unwrap();
        assert!(noise.power(effect(1000.0), 5, Level::FIVE_PERCENT) <= 0.0);
        assert_eq!(
            noise.smallest_effect(5, Level::FIVE_PERCENT, Level::NINETY_PERCENT),
            None
        );
    }

    #[test]
    fn power_is_near_the_normal_theorys() {
        // With 20 rounds of a spread of 10 % and an effect of 7.8 % the paired t test has a power of 0.9; Wilcoxon's has
        // 3/π of its efficiency, so that it takes about 21 rounds.
        let noise = Noise::normal(0.1).unwrap();
        let log_effect = effect(0.0755_f64.exp_m1());
        let power = noise.power(log_effect, 20, Level::FIVE_PERCENT);
        assert!((0.84..0.92).contains(&power), "{power}");
        let needed = noise.rounds_needed(log_effect, Level::FIVE_PERCENT, Level::NINETY_PERCENT);
        assert!((19..=23).contains(&needed.rounds), "{needed:?}");
        assert_eq!(needed.at_least, 6);
    }

    #[test]
    fn power_effect_and_rounds_are_three_views_of_one_thing() {
        let noise = Noise::normal(0.05).unwrap();
        let (level, power) = (Level::FIVE_PERCENT.shared_by(3), Level::NINETY_PERCENT);
        for rounds in [8, 12, 40, 300] {
            let smallest = noise.smallest_effect(rounds, level, power).unwrap();
            let found = noise.power(effect(smallest * 1.001), rounds, level);
            assert!((0.895..=0.93).contains(&found), "{rounds}: {found}");
            assert!(noise.power(effect(smallest / 2.0), rounds, level) < 0.7);
            let needed = noise.rounds_needed(effect(smallest * 1.001), level, power);
            assert!(
                needed.rounds.abs_diff(rounds) <= 1 + rounds / 20,
                "{rounds}: {needed:?}"
            );
        }
    }

    #[test]
    fn twice_the_noise_takes_four_times_the_rounds() {
        let rounds = |spread: f64| {
            let noise = Noise::normal(spread).unwrap();
            noise
                .rounds_needed(effect(0.01), Level::FIVE_PERCENT, Level::NINETY_PERCENT)
                .rounds
        };
        let (less, more) = (rounds(0.02), rounds(0.04));
        assert!((3.5..4.5).contains(&ratio(more, less)), "{less} {more}");
    }

    #[test]
    fn observed_noise_keeps_its_outliers_and_the_estimate_is_taken_out() {
        let steady: Vec<(f64, f64)> = (0..10).map(|round| (2.0 + 0.01 * f64::from(round % 3), 1.0)).collect();
        let mut disturbed = steady.clone();
        disturbed[4].0 = 9.0;
        let smallest = |rounds: Vec<(f64, f64)>| {
            let noise = Noise::observed(&Pairs::new(rounds).unwrap()).unwrap();
            noise
                .smallest_effect(10, Level::FIVE_PERCENT, Level::NINETY_PERCENT)
                .unwrap()
        };
        let (quiet, loud) = (smallest(steady), smallest(disturbed));
        assert!(quiet < 0.02 && loud > quiet, "{quiet} {loud}");
        assert_eq!(
            Noise::observed(&Pairs::new(vec![(1.0, 2.0)]).unwrap()),
            None,
            "one round shows no noise"
        );
    }

    #[test]
    fn a_spread_is_a_number() {
        for bad in [-0.1, f64::NAN, f64::INFINITY] {
            assert!(Noise::normal(bad).is_err(), "{bad}");
        }
    }
}
