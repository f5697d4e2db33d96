//! Comparisons: how many times as large one thing is as another, how sure that is, and what the answer is. Three kinds
//! of data, one treatment: a rank test, the interval that it inverts to, and Holm's correction over all questions that
//! are asked together. docs/statistics.md says why these. Not for: which questions there are.

use super::contrasts::{Contrasts, all_differences};
use super::holm;
use super::power::{Noise, fewest_rounds, fewest_rounds_of_each};
use super::{Effect, Level, Magnitude, Pairs, PositiveSample, Relevance};

/// What is compared, and how its points belong together.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Two things measured in the same rounds of one run.
    Paired(Pairs),
    /// One thing measured in two runs on machines of one identity.
    Independent {
        /// The run in question.
        subject: PositiveSample,
        /// The run that it is compared with.
        baseline: PositiveSample,
    },
    /// One ratio between two things measured in two runs on machines that may differ: what is compared is the ratio of
    /// the ratios, in which a machine's speed cancels.
    RatioOfRatios {
        /// The rounds of the run in question.
        subject: Pairs,
        /// The rounds of the run that it is compared with.
        baseline: Pairs,
    },
}

/// What answers are asked to keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComparePolicy {
    /// How often at most a family of questions without any difference may hold a wrong "faster" or "slower".
    pub level: Level,
    /// From what on a difference matters.
    pub relevant: Effect,
    /// How often an effect must be found for it to count as one that the rounds could have shown.
    pub power: Level,
}

impl Default for ComparePolicy {
    /// A level of 5 % for the family, a relevance of 2 %, a power of 90 %.
    fn default() -> Self {
        Self {
            level: Level::FIVE_PERCENT,
            relevant: Effect::TWO_PERCENT,
            power: Level::NINETY_PERCENT,
        }
    }
}

/// How often the subject's point was the smaller: over the rounds when paired, else over all pairs of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wins {
    /// The subject's was the smaller.
    pub won: usize,
    /// Both were the same.
    pub tied: usize,
    /// The subject's was the larger.
    pub lost: usize,
}

impl Wins {
    /// The probability that the subject beats the baseline, with half of each tie (Vargha & Delaney 2000, *A Critique and
    /// Improvement of the CL Common Language Effect Size Statistics of `McGraw` and Wong*).
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "numbers of rounds stay far below 2^52")]
    pub fn probability(self) -> f64 {
        (self.won as f64 + 0.5 * self.tied as f64) / (self.won + self.tied + self.lost) as f64
    }

    fn count(differences: impl Iterator<Item = f64>) -> Self {
        let mut wins = Self {
            won: 0,
            tied: 0,
            lost: 0,
        };
        for difference in differences {
            if difference < 0.0 {
                wins.won += 1;
            } else if difference > 0.0 {
                wins.lost += 1;
            } else {
                wins.tied += 1;
            }
        }
        wins
    }
}

/// The answer. Whether it matters is another question: see [`Comparison::relevance`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The subject is smaller: it took less time.
    Faster,
    /// The subject is larger: it took more time.
    Slower,
    /// These rounds show no difference.
    NoDifferenceShown {
        /// The smallest effect, as a share, that they would have shown with the policy's power; 0 if any.
        smallest_effect_shown: f64,
    },
    /// There are too few rounds for any answer at the level.
    Inconclusive {
        /// The fewest rounds in all (of each run, when two are compared) with which there can be one.
        needed_rounds: usize,
    },
}

/// How one question came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The number of rounds: of the subject and of the baseline. The same number twice when they were paired.
    pub rounds: (usize, usize),
    /// How many times as large the subject is as the baseline: the Hodges-Lehmann estimate.
    pub ratio: f64,
    /// The ratios that the test does not reject at [`Comparison::level`]. It leaves out 1 if and only if the outcome is
    /// [`Outcome::Faster`] or [`Outcome::Slower`]. `None` if there are too few rounds for one.
    pub interval: Option<(f64, f64)>,
    /// The level at which the question was decided: its share of the family's. The interval's confidence is 1 less this.
    pub level: Level,
    /// The p-value of the question by itself.
    pub p: f64,
    /// The smallest level for the family at which the question would be answered by a difference (Holm).
    pub p_adjusted: f64,
    /// The smallest p-value that so many rounds can have.
    pub smallest_p: f64,
    /// How often the subject beat the baseline.
    pub wins: Wins,
    /// The answer.
    pub outcome: Outcome,
    /// The size of [`Comparison::ratio`] in a word.
    pub magnitude: Magnitude,
    /// Whether the difference matters.
    pub relevance: Relevance,
}

/// Answers a family of questions: those that were declared to be asked together. The level is kept over all of them.
#[must_use]
pub fn compare(family: &[Question], policy: &ComparePolicy) -> Vec<Comparison> {
    let points: Vec<Points> = family.iter().map(Points::of).collect();
    let contrasts: Vec<Contrasts> = points.iter().map(Points::contrasts).collect();
    let p_values: Vec<f64> = contrasts.iter().map(Contrasts::p).collect();
    let steps = holm::decide(&p_values, policy.level);
    (0..family.len())
        .map(|place| {
            let (contrasts, step) = (&contrasts[place], steps[place]);
            let (p, smallest_p) = (p_values[place], contrasts.smallest_p());
            let middle = contrasts.estimate();
            let interval = contrasts.interval(step.level);
            let outcome = if p <= step.level.get() {
                if middle < 0.0 { Outcome::Faster } else { Outcome::Slower }
            } else if smallest_p > step.level.get() {
                Outcome::Inconclusive {
                    needed_rounds: points[place].needed(policy.level.shared_by(family.len())),
                }
            } else {
                let smallest_effect_shown = points[place].smallest_effect(step.level, policy.power).unwrap_or(0.0);
                Outcome::NoDifferenceShown { smallest_effect_shown }
            };
            Comparison {
                rounds: points[place].rounds(),
                ratio: middle.exp(),
                interval: interval.map(|(low, high)| (low.exp(), high.exp())),
                level: step.level,
                p,
                p_adjusted: step.adjusted,
                smallest_p,
                wins: points[place].wins(),
                outcome,
                magnitude: Magnitude::of(middle.exp()),
                relevance: Relevance::of(interval, policy.relevant),
            }
        })
        .collect()
}

/// Logarithms, in which ratios are differences.
enum Points {
    Paired(Vec<f64>),
    Independent(Vec<f64>, Vec<f64>),
}

impl Points {
    fn of(question: &Question) -> Self {
        match question {
            Question::Paired(pairs) => Self::Paired(pairs.log_ratios()),
            Question::Independent { subject, baseline } => Self::Independent(logs(subject), logs(baseline)),
            Question::RatioOfRatios { subject, baseline } => {
                Self::Independent(subject.log_ratios(), baseline.log_ratios())
            }
        }
    }

    fn contrasts(&self) -> Contrasts {
        match self {
            Self::Paired(ratios) => Contrasts::paired(ratios),
            Self::Independent(subject, baseline) => Contrasts::independent(subject, baseline),
        }
    }

    fn rounds(&self) -> (usize, usize) {
        match self {
            Self::Paired(ratios) => (ratios.len(), ratios.len()),
            Self::Independent(subject, baseline) => (subject.len(), baseline.len()),
        }
    }

    fn wins(&self) -> Wins {
        match self {
            Self::Paired(ratios) => Wins::count(ratios.iter().copied()),
            Self::Independent(subject, baseline) => Wins::count(all_differences(subject, baseline).into_iter()),
        }
    }

    fn smallest_effect(&self, level: Level, power: Level) -> Option<f64> {
        let noise = |points: &[f64]| {
            let middle = Contrasts::paired(points).estimate();
            Noise::around(points, middle)
        };
        match self {
            Self::Paired(ratios) => noise(ratios)?.smallest_effect(ratios.len(), level, power),
            Self::Independent(subject, baseline) => {
                // One point shows no noise of its own; the other sample's is then all that is known of it.
                let (first, second) = match (noise(subject), noise(baseline)) {
                    (Some(first), Some(second)) => (first, second),
                    (Some(one), None) | (None, Some(one)) => (one.clone(), one),
                    (None, None) => return None,
                };
                first.smallest_effect_between(subject.len(), (&second, baseline.len()), level, power)
            }
        }
    }

    /// The rounds (of each run) with which the level can be reached.
    fn needed(&self, level: Level) -> usize {
        match self {
            Self::Paired(_) => fewest_rounds(level, 1),
            Self::Independent(..) => fewest_rounds_of_each(level),
        }
    }
}

fn logs(sample: &PositiveSample) -> Vec<f64> {
    sample.points().iter().map(|point| point.ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::SplitMix64;

    fn paired(rounds: &[(f64, f64)]) -> Question {
        Question::Paired(Pairs::new(rounds.to_vec()).unwrap())
    }

    fn independent(subject: &[f64], baseline: &[f64]) -> Question {
        Question::Independent {
            subject: PositiveSample::new(subject.to_vec()).unwrap(),
            baseline: PositiveSample::new(baseline.to_vec()).unwrap(),
        }
    }

    fn one(question: Question) -> Comparison {
        compare(&[question], &ComparePolicy::default())[0]
    }

    fn close(one: f64, other: f64) {
        assert!((one / other - 1.0).abs() < 1e-9, "{one} {other}");
    }

    /// So many numbers between 1 and 2.
    fn numbers(count: usize, stream: u64) -> Vec<f64> {
        let mut random = SplitMix64::new(6, stream);
        (0..count)
            .map(|_| 1.0 + f64::from(u32::try_from(random.below(1_000_000)).unwrap()) / 1e6)
            .collect()
    }

    fn rounds(count: usize, stream: u64, factor: f64) -> Vec<(f64, f64)> {
        let (subject, baseline) = (numbers(count, stream), numbers(count, stream + 1000));
        subject.iter().map(|point| point * factor).zip(baseline).collect()
    }

    #[test]
    fn a_clear_difference_is_one_either_way_round() {
        let slower: Vec<(f64, f64)> = (0..8).map(|round| (11.0 + f64::from(round % 3), 10.0)).collect();
        let comparison = one(paired(&slower));
        assert_eq!(comparison.outcome, Outcome::Slower);
        assert_eq!(
            comparison.wins,
            Wins {
                won: 0,
                tied: 0,
                lost: 8
            }
        );
        close(comparison.p, 2.0 / 256.0);
        let (low, high) = comparison.interval.unwrap();
        assert!(1.0 < low && low <= comparison.ratio && comparison.ratio <= high && high <= 1.3);
        assert_eq!(comparison.magnitude, Magnitude::Medium);
        assert_eq!(comparison.relevance, Relevance::Relevant);

        let swapped: Vec<(f64, f64)> = slower.iter().map(|(subject, baseline)| (*baseline, *subject)).collect();
        assert_eq!(one(paired(&swapped)).outcome, Outcome::Faster);
    }

    #[test]
    fn three_rounds_are_too_few_however_clear_they_are() {
        let comparison = one(paired(&[(10.0, 1.0), (11.0, 1.0), (12.0, 1.0)]));
        assert_eq!(comparison.outcome, Outcome::Inconclusive { needed_rounds: 6 });
        close(comparison.p, 0.25);
        close(comparison.smallest_p, 0.25);
        assert_eq!(comparison.interval, None);
        assert_eq!(comparison.relevance, Relevance::Undecided);
        // The same rounds, unpaired: 2 of C(6, 3) orders.
        let comparison = one(independent(&[10.0, 11.0, 12.0], &[1.0, 1.1, 1.2]));
        assert_eq!(comparison.outcome, Outcome::Inconclusive { needed_rounds: 4 });
        close(comparison.p, 0.1);
        assert!(matches!(
            one(paired(&[(1.0, 2.0)])).outcome,
            Outcome::Inconclusive { .. }
        ));
        assert!(matches!(
            one(independent(&[1.0], &[2.0])).outcome,
            Outcome::Inconclusive { .. }
        ));
    }

    #[test]
    fn more_questions_need_more_rounds_unless_others_are_answered() {
        let clear: Vec<(f64, f64)> = (0..7).map(|round| (20.0 + f64::from(round), 10.0)).collect();
        let unclear = rounds(7, 1, 1.0);
        // 7 rounds have no p below 0.0156; of four questions, the clearest gets 0.0125.
        let family: Vec<Question> = [&clear, &unclear, &unclear, &unclear]
            .map(|rounds| paired(rounds))
            .into();
        for comparison in compare(&family, &ComparePolicy::default()) {
            assert_eq!(comparison.outcome, Outcome::Inconclusive { needed_rounds: 8 });
        }
        // With three, it gets 0.0167, and when it is answered the others get more.
        let answers = compare(&family[..3], &ComparePolicy::default());
        assert_eq!(answers[0].outcome, Outcome::Slower);
        assert!(matches!(answers[1].outcome, Outcome::NoDifferenceShown { .. }));
        close(answers[0].p_adjusted, 6.0 / 128.0);
    }

    #[test]
    fn no_difference_says_what_would_have_been_one() {
        let Outcome::NoDifferenceShown { smallest_effect_shown } = one(paired(&rounds(12, 3, 1.0))).outcome else {
            panic!("expected no difference");
        };
        assert!((0.1..1.5).contains(&smallest_effect_shown), "{smallest_effect_shown}");
        // The same noise with that effect on it is nearly always answered.
        let found = (0..200).filter(|stream| {
            let question = paired(&rounds(12, 10 + stream, 1.0 + smallest_effect_shown));
            one(question).outcome == Outcome::Slower
        });
        assert!(found.count() >= 160);

        let same = one(paired(&[(5.0, 5.0); 9]));
        assert_eq!(
            same.outcome,
            Outcome::NoDifferenceShown {
                smallest_effect_shown: 0.0
            }
        );
        assert_eq!(same.relevance, Relevance::Irrelevant);
        close(same.wins.probability(), 0.5);

        let between = one(independent(&numbers(9, 5), &numbers(8, 6)));
        let Outcome::NoDifferenceShown { smallest_effect_shown } = between.outcome else {
            panic!("expected no difference");
        };
        assert!((0.1..2.0).contains(&smallest_effect_shown), "{smallest_effect_shown}");
    }

    #[test]
    fn swapping_scaling_and_reordering_change_nothing_else() {
        for stream in 0..20 {
            let rounds = rounds(10, stream, 1.2);
            let before = one(paired(&rounds));
            let swapped = one(paired(&rounds.iter().map(|(a, b)| (*b, *a)).collect::<Vec<_>>()));
            close(swapped.ratio, 1.0 / before.ratio);
            close(swapped.p, before.p);
            let ((low, high), (swapped_low, swapped_high)) = (before.interval.unwrap(), swapped.interval.unwrap());
            close(swapped_low, 1.0 / high);
            close(swapped_high, 1.0 / low);
            assert_eq!(
                (swapped.wins.won, swapped.wins.lost),
                (before.wins.lost, before.wins.won)
            );

            let mut scaled: Vec<(f64, f64)> = rounds.iter().map(|(a, b)| (a * 1e9, b * 1e9)).collect();
            scaled.reverse();
            let scaled = one(paired(&scaled));
            close(scaled.ratio, before.ratio);
            close(scaled.p, before.p);
            assert_eq!(scaled.wins, before.wins);

            let (subject, baseline): (Vec<f64>, Vec<f64>) = rounds.into_iter().unzip();
            let (forth, back) = (
                one(independent(&subject, &baseline)),
                one(independent(&baseline, &subject)),
            );
            close(forth.ratio, 1.0 / back.ratio);
            close(forth.p, back.p);
            close(forth.wins.probability(), 1.0 - back.wins.probability());
        }
    }

    #[test]
    fn a_machine_twice_as_fast_changes_no_ratio_of_ratios() {
        let slow = rounds(9, 1, 1.0);
        let fast: Vec<(f64, f64)> = rounds(9, 50, 1.0).iter().map(|(a, b)| (a / 2.0, b / 2.0)).collect();
        let question = |subject: &[(f64, f64)]| Question::RatioOfRatios {
            subject: Pairs::new(subject.to_vec()).unwrap(),
            baseline: Pairs::new(slow.clone()).unwrap(),
        };
        assert!(matches!(
            one(question(&fast)).outcome,
            Outcome::NoDifferenceShown { .. }
        ));
        // One scenario of the two has become ten times as slow.
        let regressed: Vec<(f64, f64)> = fast.iter().map(|(a, b)| (a * 10.0, *b)).collect();
        let comparison = one(question(&regressed));
        assert_eq!(comparison.outcome, Outcome::Slower);
        assert_eq!(comparison.rounds, (9, 9));
        assert!((5.0..20.0).contains(&comparison.ratio));
    }

    #[test]
    fn a_wrong_answer_comes_at_most_as_often_as_the_level() {
        // Two questions without any difference, 1,500 times: at most 5 % with a wrong answer, give or take 3 errors. Of
        // the parts, since all of `compare` would also draw what could have been shown; benches/statistics.rs does that.
        let p = |stream| Contrasts::paired(&Pairs::new(rounds(9, stream, 1.0)).unwrap().log_ratios()).p();
        let wrong = (0..1500).filter(|stream| {
            let family = [p(2 * stream), p(2 * stream + 1)];
            let steps = holm::decide(&family, Level::FIVE_PERCENT);
            family.iter().zip(steps).any(|(p, step)| *p <= step.level.get())
        });
        let share = f64::from(u32::try_from(wrong.count()).unwrap()) / 1500.0;
        assert!(share <= 0.05 + 3.0 * (0.05 * 0.95 / 1500.0_f64).sqrt(), "{share}");
        assert!(share > 0.01, "a test that never rejects tests nothing: {share}");
    }

    #[test]
    fn no_question_has_no_answer() {
        assert_eq!(compare(&[], &ComparePolicy::default()), []);
    }
}
