//! The gate's rule for one metric that is measured again and again, as each night: is the newest value worse than what
//! came before? What came before is the stretch since the last change point, or, while that is too short, the one before
//! it; without the newest nights, among which a change may be that nothing can tell from noise yet. The unit is the night:
//! its rounds share whatever the machine was up to, so that they are one value (their pseudo-median), not many. Not for:
//! which metrics there are, or what a run is.

use std::ops::Range;

use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::change_points::{ChangePointPolicy, Direction, change_points};
use super::sample::median_of_sorted;
use super::{Effect, Level, PositiveSample, Sample};

/// When a night is held to be worse. docs/statistics.md has the simulation that the defaults were chosen by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NightlyPolicy {
    /// Which way is worse.
    pub worse: Direction,
    /// The smallest change that counts, however quiet the series is.
    pub least: Effect,
    /// How often one night lies beyond the limit on one side by chance.
    pub level: Level,
    /// So many nights must lie beyond the limit, the newest among them. At least 1.
    pub confirmed: usize,
    /// Of so many newest nights; they are no part of the baseline. At least `confirmed`.
    pub recent: usize,
    /// The fewest nights that a baseline has. At least 3. So many nights before the recent ones are no part of a longer
    /// baseline: a new level that they may be the beginning of is the baseline itself by the time the first of them would
    /// be part of the old one.
    pub shortest: usize,
    /// A limit farther off than this says too little to be called "no change".
    pub widest: Effect,
    /// How many newest values are looked at, or up to half a window of change points more. Whatever came before them can't matter, and would only take time.
    pub history: usize,
    /// How the baseline's start is found.
    pub change_points: ChangePointPolicy,
}

impl Default for NightlyPolicy {
    /// Three nights in a row, each 5 % or more above the baseline and above what one night in ten exceeds: all three do by
    /// chance once in a thousand nights.
    fn default() -> Self {
        Self {
            worse: Direction::Up,
            least: Effect::FIVE_PERCENT,
            level: Level::ONE_IN_TEN,
            confirmed: 3,
            recent: 3,
            shortest: 10,
            widest: Effect::TWENTY_FIVE_PERCENT,
            history: 400,
            change_points: ChangePointPolicy {
                level: Level::ONE_IN_TEN_THOUSAND,
                shortest: 5,
                least: Some(Effect::TWO_PERCENT),
                placed_again: true,
                ..ChangePointPolicy::default()
            },
        }
    }
}

/// What the newest value is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Its values, by their places in the series.
    pub nights: Range<usize>,
    /// Their median.
    pub middle: f64,
    /// Below this a night counts as changed.
    pub low: f64,
    /// Above this a night counts as changed.
    pub high: f64,
}

/// What is said of the newest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// There is no stretch of values long enough to hold it against.
    NoBaseline {
        /// How many values the newest stretch has.
        nights: usize,
        /// How many it takes.
        needed: usize,
    },
    /// It is worse, and so were enough of the nights just before.
    Regression {
        /// The median of the nights beyond the limit, by the baseline's: 1.1 for 10 % more.
        ratio: f64,
    },
    /// It is better, and so were enough of the nights just before.
    Improvement {
        /// As of a regression.
        ratio: f64,
    },
    /// It lies beyond a limit, which has yet to happen again.
    Suspected {
        /// Whether on the worse side.
        worse: bool,
        /// The newest value by the baseline's median.
        ratio: f64,
    },
    /// It lies within limits that are too wide to say that nothing changed.
    TooNoisy {
        /// The change, as a share, that would have been seen in one night.
        smallest_effect_shown: f64,
    },
    /// It lies within the limits.
    NoChange {
        /// The change, as a share, that would have been seen in one night.
        smallest_effect_shown: f64,
    },
}

/// Judges the newest value of a series of one metric on machines of one identity, oldest first. What someone has accepted
/// as the new level is expressed by handing over the series from there on.
#[must_use]
pub fn judge(series: &PositiveSample, policy: &NightlyPolicy) -> (Verdict, Option<Baseline>) {
    let all = series.points();
    let skipped = all
        .len()
        .saturating_sub(policy.history.max(policy.shortest + policy.recent));
    // In steps of half a window: else the windows would lie elsewhere each night, and change points come and go with them.
    let skipped = skipped - skipped % (policy.change_points.window / 2).max(1);
    let points = &all[skipped..];
    let newest = points[points.len() - 1];
    let before = points.len() - policy.recent.clamp(1, points.len());
    let needed = policy.shortest.max(3);
    let stretches = stretches(&points[..before], &policy.change_points);
    // The newest stretch that is long enough: until a new level is, its nights are held against the old one.
    let Some(stretch) = stretches.iter().rev().find(|stretch| stretch.len() >= needed).cloned() else {
        let nights = stretches.last().map_or(0, ExactSizeIterator::len);
        return (Verdict::NoBaseline { nights, needed }, None);
    };
    let stretch = settled(stretch, before, needed);
    let (middle, reach) = limits(&points[stretch.clone()], policy);
    let baseline = Baseline {
        nights: skipped + stretch.start..skipped + stretch.end,
        middle: middle.exp(),
        low: (middle - reach).exp(),
        high: (middle + reach).exp(),
    };
    let up = |point: &&f64| **point > baseline.high;
    let down = |point: &&f64| **point < baseline.low;
    let recent = &points[before..];
    let beyond: Vec<f64> = if up(&&newest) {
        recent.iter().filter(up).copied().collect()
    } else {
        recent.iter().filter(down).copied().collect()
    };
    let verdict = if up(&&newest) || down(&&newest) {
        let worse = up(&&newest) == (policy.worse == Direction::Up);
        if beyond.len() < policy.confirmed.clamp(1, policy.recent.max(1)) {
            let ratio = newest / baseline.middle;
            Verdict::Suspected { worse, ratio }
        } else {
            let mut sorted = beyond;
            sorted.sort_by(f64::total_cmp);
            let ratio = median_of_sorted(&sorted) / baseline.middle;
            if worse {
                Verdict::Regression { ratio }
            } else {
                Verdict::Improvement { ratio }
            }
        }
    } else {
        let smallest_effect_shown = reach.exp_m1();
        // As logarithms: there and back, a share may come out a little larger than it was.
        if reach > policy.widest.log() {
            Verdict::TooNoisy { smallest_effect_shown }
        } else {
            Verdict::NoChange { smallest_effect_shown }
        }
    };
    (verdict, Some(baseline))
}

/// The stretches between change points, from first to last.
fn stretches(points: &[f64], policy: &ChangePointPolicy) -> Vec<Range<usize>> {
    let Ok(series) = Sample::new(points.to_vec()) else {
        return Vec::new();
    };
    let mut starts = vec![0];
    starts.extend(change_points(&series, policy).iter().map(|point| point.index));
    let ends = starts.iter().skip(1).copied().chain([points.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

/// What of a stretch is held to be of one level: all but the newest `needed` nights before the recent ones, as long as so
/// many are left. A change is told from noise once there are some nights after it. Until then its nights would be taken
/// for the old level's, widen its limits, and hide themselves.
fn settled(stretch: Range<usize>, before: usize, needed: usize) -> Range<usize> {
    let end = before.saturating_sub(needed).max(stretch.start + needed);
    stretch.start..stretch.end.min(end)
}

/// The baseline's middle and how far from it a night may lie, as logarithms.
///
/// The middle is the median. The spread is the standard deviation about it, with what lies farther off than three robust
/// deviations taken as lying just there (Huber's winsorising; Huber 1964, *Robust Estimation of a Location Parameter*): a
/// night that went wrong neither moves the limits far nor is it forgotten. The robust deviation is 1.4826 times the median
/// absolute deviation, or 1.2533 times the mean one if that is larger: the median one is 0 if most nights are the same. The limit is that of a
/// prediction for one more value: Student's t for so many nights, widened for the median, whose variance is π/2 times
/// the mean's.
fn limits(baseline: &[f64], policy: &NightlyPolicy) -> (f64, f64) {
    let mut logs: Vec<f64> = baseline.iter().map(|point| point.ln()).collect();
    logs.sort_by(f64::total_cmp);
    let middle = median_of_sorted(&logs);
    let mut deviations: Vec<f64> = logs.iter().map(|log| (log - middle).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "a series is never 2^52 nights long")]
    let nights = logs.len() as f64;
    let mean = deviations.iter().sum::<f64>() / nights;
    let farthest = 3.0 * (1.4826 * median_of_sorted(&deviations)).max(1.2533 * mean);
    let squares: f64 = deviations.iter().map(|deviation| deviation.min(farthest).powi(2)).sum();
    let spread = (squares / (nights - 1.0)).sqrt();
    let quantile =
        StudentsT::new(0.0, 1.0, nights - 1.0).map_or(f64::INFINITY, |t| t.inverse_cdf(1.0 - policy.level.get()));
    let reach = quantile * spread * (1.0 + std::f64::consts::FRAC_PI_2 / nights).sqrt();
    (middle, reach.max(policy.least.log()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SplitMix64;

    /// Nights between 98 and 102 that repeat every seven, changed.
    fn nights(count: usize, change: impl Fn(usize) -> f64) -> Vec<f64> {
        let week = [100.0, 98.5, 101.0, 99.0, 102.0, 98.0, 100.5];
        (0..count).map(|night| week[night % 7] * change(night)).collect()
    }

    fn judged(points: &[f64]) -> (Verdict, Option<Baseline>) {
        judge(
            &PositiveSample::new(points.to_vec()).unwrap(),
            &NightlyPolicy::default(),
        )
    }

    fn after(night: usize, factor: f64) -> impl Fn(usize) -> f64 {
        move |now| if now >= night { factor } else { 1.0 }
    }

    #[test]
    fn the_first_nights_have_no_baseline() {
        for count in 1..13 {
            let (verdict, baseline) = judged(&nights(count, |_| 1.0));
            let nights = count.saturating_sub(3);
            assert_eq!(verdict, Verdict::NoBaseline { nights, needed: 10 });
            assert_eq!(baseline, None);
        }
        assert!(matches!(judged(&nights(13, |_| 1.0)).0, Verdict::NoChange { .. }));
    }

    #[test]
    fn a_step_is_suspected_then_red_then_the_new_level() {
        let verdict = |count| judged(&nights(count, after(40, 1.15))).0;
        assert!(matches!(verdict(40), Verdict::NoChange { .. }));
        for count in 41..=42 {
            assert!(matches!(verdict(count), Verdict::Suspected { worse: true, ratio } if ratio > 1.1));
        }
        for count in 43..=52 {
            assert!(
                matches!(verdict(count), Verdict::Regression { ratio } if (1.1..1.2).contains(&ratio)),
                "{count}"
            );
        }
        // Ten nights of the new level, and the three in question.
        assert!(matches!(verdict(53), Verdict::NoChange { .. }));
        let (_, baseline) = judged(&nights(53, after(40, 1.15)));
        assert_eq!(baseline.unwrap().nights, 40..50);
        // The newest ten before the last three are left out once others are there.
        let (_, baseline) = judged(&nights(70, after(40, 1.15)));
        assert_eq!(baseline.unwrap().nights, 40..57);
    }

    /// Factors that vary by so much: the sum of four uniform numbers, whose standard deviation is 1/√3.
    fn noise(stream: u64, share: f64) -> impl FnMut() -> f64 {
        let mut random = SplitMix64::new(7, stream);
        let mut uniform = move || f64::from(u32::try_from(random.below(1_000_000)).unwrap()) / 1e6 - 0.5;
        move || (share * 3.0_f64.sqrt() * (uniform() + uniform() + uniform() + uniform())).exp()
    }

    #[test]
    fn an_early_step_is_red_every_night_until_it_is_the_baseline() {
        for step in 12..=25 {
            for (name, share) in [("the week alone", 0.0), ("noise of a per cent", 0.01)] {
                let mut noise = noise(step as u64, share);
                let points: Vec<f64> = nights(step + 20, after(step, 1.10))
                    .iter()
                    .map(|night| night * noise())
                    .collect();
                let mut taken_over = false;
                for count in step + 1..=step + 20 {
                    let (verdict, baseline) = judged(&points[..count]);
                    let what = format!("{name}, step after {step} nights, night {count}: {verdict:?}");
                    // Never both levels.
                    let baseline = baseline.unwrap().nights;
                    assert!(baseline.end <= step || baseline.start >= step, "{what} {baseline:?}");
                    taken_over |= baseline.start >= step;
                    match count - step {
                        1..=2 => assert!(matches!(verdict, Verdict::Suspected { worse: true, .. }), "{what}"),
                        3..=12 => assert!(matches!(verdict, Verdict::Regression { .. }), "{what}"),
                        // A night may be beyond the new limits by chance.
                        _ => assert!(taken_over && !matches!(verdict, Verdict::Regression { .. }), "{what}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_limit_as_far_as_allowed_is_not_too_noisy() {
        // exp(ln(1 + x)) − 1 is more than x for some of these.
        for per_mille in 1..2000 {
            let least = Effect::new(f64::from(per_mille) / 1000.0).unwrap();
            let policy = NightlyPolicy {
                least,
                widest: least,
                ..NightlyPolicy::default()
            };
            let steady = PositiveSample::new(vec![100.0; 13]).unwrap();
            assert!(
                matches!(judge(&steady, &policy).0, Verdict::NoChange { .. }),
                "{per_mille}"
            );
        }
    }

    #[test]
    fn the_other_way_is_an_improvement_unless_that_way_is_worse() {
        let points = nights(45, after(40, 0.8));
        assert!(matches!(judged(&points).0, Verdict::Improvement { ratio } if (0.75..0.85).contains(&ratio)));
        let policy = NightlyPolicy {
            worse: Direction::Down,
            ..NightlyPolicy::default()
        };
        let verdict = judge(&PositiveSample::new(points).unwrap(), &policy).0;
        assert!(matches!(verdict, Verdict::Regression { .. }));
    }

    #[test]
    fn one_bad_night_is_suspected_and_forgotten() {
        let spike = |now| if now == 40 { 3.0 } else { 1.0 };
        assert!(matches!(
            judged(&nights(41, spike)).0,
            Verdict::Suspected { worse: true, .. }
        ));
        for count in 42..60 {
            assert!(
                matches!(judged(&nights(count, spike)).0, Verdict::NoChange { .. }),
                "{count}"
            );
        }
    }

    #[test]
    fn a_change_too_small_to_count_is_none_however_quiet_the_series() {
        let steady: Vec<f64> = (0..50).map(|now| if now >= 40 { 104.0 } else { 100.0 }).collect();
        assert_eq!(
            judged(&steady[..45]).0,
            Verdict::NoChange {
                smallest_effect_shown: Effect::FIVE_PERCENT.log().exp_m1()
            }
        );
        let worse: Vec<f64> = (0..50).map(|now| if now >= 40 { 106.0 } else { 100.0 }).collect();
        assert!(matches!(judged(&worse[..45]).0, Verdict::Regression { .. }));
    }

    #[test]
    fn a_wild_series_is_too_noisy_to_be_called_unchanged() {
        let wild: Vec<f64> = (0..41).map(|now| [100.0, 140.0, 180.0][now % 3]).collect();
        assert!(matches!(judged(&wild).0, Verdict::TooNoisy { smallest_effect_shown } if smallest_effect_shown > 0.25));
    }

    #[test]
    fn limits_are_those_computed_by_hand() {
        // scipy 1.16.3: of log([100, 98.5, 101, 99, 102, 98, 100.5, 100, 98.5, 101]) the median is m = log(100); with
        // s = sqrt(sum((x − m)²)/9), none being farther off than 3 · 1.4826 MAD, the limits are
        // exp(m ± t.ppf(0.9875, 9) · s · sqrt(1 + π/20)).
        let policy = NightlyPolicy {
            least: Effect::new(0.001).unwrap(),
            level: Level::new(0.0125).unwrap(),
            ..NightlyPolicy::default()
        };
        let series = PositiveSample::new(nights(13, |_| 1.0)).unwrap();
        let baseline = judge(&series, &policy).1.unwrap();
        assert_eq!(baseline.nights, 0..10);
        assert!((baseline.middle - 100.0).abs() < 1e-9);
        assert!(
            (baseline.high - 103.902_266_645_645_4).abs() < 1e-6,
            "{}",
            baseline.high
        );
        assert!(
            (baseline.low - 1e4 / 103.902_266_645_645_4).abs() < 1e-6,
            "{}",
            baseline.low
        );
    }

    #[test]
    fn scale_and_what_is_long_past_do_not_matter() {
        let points = nights(60, after(57, 1.2));
        let scaled: Vec<f64> = points.iter().map(|point| point * 4096.0).collect();
        assert!(matches!(judged(&points).0, Verdict::Regression { .. }));
        assert!(matches!(judged(&scaled).0, Verdict::Regression { .. }));
        let mut long = nights(700, |_| 5.0);
        long.extend(nights(420, after(417, 1.2)));
        let (verdict, baseline) = judged(&long);
        assert!(matches!(verdict, Verdict::Regression { .. }));
        assert_eq!(baseline.unwrap().nights, 700..1107);
    }
}
