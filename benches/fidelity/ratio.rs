//! Paired ratios: their median, and its bootstrap interval.

/// Resamples of the bootstrap.
const RESAMPLES: usize = 10_000;

/// Numbers by `SplitMix64` from a fixed seed: a bench that is repeated takes the same order.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(20_261_121)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The times of pairs, in seconds.
#[derive(Default)]
pub struct Ratio {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Ratio {
    pub fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    fn ratios(&self) -> Vec<f64> {
        self.ours
            .iter()
            .zip(&self.theirs)
            .map(|(ours, theirs)| ours / theirs)
            .collect()
    }

    /// The middle 95 % of the medians of resamples.
    fn interval(&self) -> (f64, f64) {
        let ratios = self.ratios();
        let mut random = Random::new();
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let resample = ratios
                    .iter()
                    .map(|_| ratios[(random.next() % ratios.len() as u64) as usize])
                    .collect();
                median(resample)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        (medians[RESAMPLES / 40], medians[RESAMPLES - RESAMPLES / 40 - 1])
    }

    /// Whether the limit may be kept: the interval does not lie above it.
    pub fn keeps(&self, limit: f64) -> bool {
        self.interval().0 <= limit
    }

    /// A row of the table.
    pub fn row(&self, name: &str, limit: f64) -> String {
        let (low, high) = self.interval();
        let middle = median(self.ratios());
        let verdict = if middle <= limit {
            "kept"
        } else if self.keeps(limit) {
            "above, but within the interval"
        } else {
            "not kept"
        };
        format!(
            "| {name} | {:.3} s | {:.3} s | {middle:.2} | {low:.2}–{high:.2} | {limit:.2} | {verdict} |",
            median(self.ours.clone()),
            median(self.theirs.clone()),
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
