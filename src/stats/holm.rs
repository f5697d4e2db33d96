//! Several questions at once. Holm 1979, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal
//! of Statistics 6. Not for: p-values themselves.

use super::Level;

/// What Holm's procedure says of one question of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The level at which this question is decided: p is at most this if and only if "no difference" is rejected.
    pub(super) level: Level,
    /// The smallest level for the family at which it would be rejected.
    pub(super) adjusted: f64,
}

/// The family's decisions, in the order of the p-values: from the smallest to the largest, the i-th of m gets the level
/// divided by m + 1 − i; the first that misses its share ends the procedure, and all that follow are decided at it.
pub(super) fn decide(p_values: &[f64], level: Level) -> Vec<Step> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut steps = vec![Step { level, adjusted: 1.0 }; p_values.len()];
    let (mut adjusted, mut last) = (0.0_f64, None);
    for (place, &question) in order.iter().enumerate() {
        let left = order.len() - place;
        let share = last.unwrap_or_else(|| level.shared_by(left));
        if last.is_none() && p_values[question] > share.get() {
            last = Some(share);
        }
        #[allow(clippy::cast_precision_loss, reason = "no family has 2^52 questions")]
        let own = left as f64 * p_values[question];
        adjusted = adjusted.max(own).min(1.0);
        steps[question] = Step { level: share, adjusted };
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clearest_question_pays_for_all_and_the_first_miss_ends_it() {
        // Holm 1979 by hand: 0.01 ≤ 0.05/4, 0.015 ≤ 0.05/3, 0.03 > 0.05/2 ends it, so that 0.04 ≤ 0.05/1 is too late.
        let steps = decide(&[0.04, 0.01, 0.03, 0.015], Level::FIVE_PERCENT);
        let rejected: Vec<bool> = steps
            .iter()
            .zip([0.04, 0.01, 0.03, 0.015])
            .map(|(step, p)| p <= step.level.get())
            .collect();
        assert_eq!(rejected, [false, true, false, true]);
        // 4 × 0.01, 3 × 0.015, 2 × 0.03, and no less for what follows.
        for (step, expected) in steps.iter().zip([0.06, 0.04, 0.06, 0.045]) {
            assert!((step.adjusted - expected).abs() < 1e-12, "{step:?}");
        }
        assert_eq!(steps[0].level, steps[2].level);
    }

    #[test]
    fn one_question_is_a_family_of_its_own() {
        let steps = decide(&[0.05], Level::FIVE_PERCENT);
        assert_eq!(
            steps,
            [Step {
                level: Level::FIVE_PERCENT,
                adjusted: 0.05
            }]
        );
        assert_eq!(decide(&[], Level::FIVE_PERCENT), []);
    }
}
