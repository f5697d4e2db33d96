//! Student's t test of two stretches, in the form in which Hunter decides on change points. Not for: comparisons of runs,
//! whose noise is not normal.

use statrs::function::beta::beta_reg;

/// Mean and population variance. The first point is taken off before summing: equal points vary by exactly nothing.
fn moments(points: &[f64]) -> (f64, f64) {
    let (first, count) = (points[0], float(points.len()));
    let mean = points.iter().map(|point| point - first).sum::<f64>() / count;
    let variance = points.iter().map(|point| (point - first - mean).powi(2)).sum::<f64>() / count;
    (first + mean, variance)
}

/// Both means and the two-sided p-value of them being the same. There must be a point on each side.
///
/// The variances are pooled with n − 1 as weights though they are the populations', as in Apache Otava (whose points
/// this is to find): p comes out a little smaller than Student's (1908, *The Probable Error of a Mean*), by as much as
/// if each side had (n−1)/n of its variance. Stretches that don't vary at all differ for certain or not at all.
pub(super) fn two_sided(left: &[f64], right: &[f64]) -> (f64, f64, f64) {
    let ((left_mean, left_variance), (right_mean, right_variance)) = (moments(left), moments(right));
    let (n, m) = (float(left.len()), float(right.len()));
    let freedom = n + m - 2.0;
    let pooled = ((n - 1.0) * left_variance + (m - 1.0) * right_variance) / freedom;
    let difference = left_mean - right_mean;
    #[allow(
        clippy::float_cmp,
        reason = "exactly the same and not varying at all is its own case"
    )]
    let p = if freedom < 1.0 || difference == 0.0 {
        1.0
    } else if pooled <= 0.0 {
        0.0
    } else {
        let t_squared = difference.powi(2) / (pooled * (1.0 / n + 1.0 / m));
        // DLMF 8.17(ii): the two tails of Student's distribution as an incomplete beta function.
        beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t_squared))
    };
    (left_mean, right_mean, p)
}

#[allow(clippy::cast_precision_loss, reason = "a stretch is never 2^52 points long")]
fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_otavas_test() {
        // scipy 1.16.3: ttest_ind_from_stats(mean(a), std(a), len(a), mean(b), std(b), len(b)), with numpy's std, which
        // is the population's.
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 5.0, 4.0, 6.0]);
        let (left, right, p) = two_sided(&a, &b);
        assert!((left - 3.0).abs() < 1e-12 && (right - 4.5).abs() < 1e-12);
        assert!((p - 0.128_012_741_755_961).abs() < 1e-12, "{p}");
        let (.., one_against_many) = two_sided(&[9.0], &a);
        assert!(
            (one_against_many - 0.017_947_913_188_873).abs() < 1e-12,
            "{one_against_many}"
        );
    }

    #[test]
    fn what_does_not_vary_is_certain() {
        let p = |left: &[f64], right: &[f64]| two_sided(left, right).2;
        assert!(p(&[0.1; 30], &[0.1; 30]) >= 1.0);
        assert!(p(&[0.1; 30], &[0.2; 30]) <= 0.0);
        assert!(p(&[0.1], &[0.2]) >= 1.0, "two points say nothing of their noise");
    }
}
