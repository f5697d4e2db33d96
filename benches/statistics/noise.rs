//! Noise to simulate with: deviations of real times from their middle, in the order in which they were measured, and
//! made ones. All are logarithms.

/// Times that one journal of this project's benches holds: eight phases, each sampled eleven times in a row, in seconds.
const JOURNAL: &str = include_str!("noise.csv");
/// So many neighbouring deviations are taken together: what drifts in them drifts in what is drawn.
const BLOCK: usize = 4;

/// `SplitMix64` (Steele, Lea and Flood, 2014): the same numbers for ever.
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number between 0 and 1, and never 0.
    #[allow(clippy::cast_precision_loss, reason = "52 bits fit")]
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// A number below `bound`; the bias of the remainder is below 2^-50.
    #[allow(clippy::cast_possible_truncation, reason = "below a small bound")]
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A standard normal number (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A number of Student's distribution with three degrees of freedom, scaled to a standard deviation of 1: tails so
    /// heavy that one in 300 is beyond four deviations.
    pub fn heavy(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / 3.0).sqrt() / 3.0_f64.sqrt()
    }
}

/// Deviations of one phase's times from their median, in the order of measuring.
pub struct Recorded(pub Vec<Vec<f64>>);

impl Recorded {
    /// Of all phases whose name holds this.
    pub fn of(phase: &str) -> Self {
        let series = JOURNAL
            .lines()
            .skip(1)
            .filter(|line| line.split(',').nth(1).is_some_and(|name| name.contains(phase)));
        Self(
            series
                .map(|line| {
                    let logs: Vec<f64> = line
                        .split(',')
                        .skip(2)
                        .map(|time| time.parse::<f64>().unwrap().ln())
                        .collect();
                    let mut sorted = logs.clone();
                    sorted.sort_by(f64::total_cmp);
                    let middle = sorted[sorted.len() / 2];
                    logs.iter().map(|log| log - middle).collect()
                })
                .collect(),
        )
    }

    /// The same with each phase's deviations scaled to this standard deviation.
    pub fn scaled(&self, deviation: f64) -> Self {
        let scale = |series: &Vec<f64>| {
            let own = (series.iter().map(|x| x * x).sum::<f64>() / count(series.len() - 1)).sqrt();
            series.iter().map(|x| x / own * deviation).collect()
        };
        Self(self.0.iter().map(scale).collect())
    }

    /// So many deviations of one phase.
    pub fn draw(&self, length: usize, random: &mut Random) -> Vec<f64> {
        let phase = random.below(self.0.len());
        self.draw_of(phase, length, random)
    }

    /// So many deviations of this phase, drawn in blocks of neighbours (Künsch 1989, *The Jackknife and the Bootstrap for
    /// General Stationary Observations*, Annals of Statistics 17).
    pub fn draw_of(&self, phase: usize, length: usize, random: &mut Random) -> Vec<f64> {
        let series = &self.0[phase];
        let mut drawn = Vec::with_capacity(length + BLOCK);
        while drawn.len() < length {
            let start = random.below(series.len());
            drawn.extend((start..start + BLOCK).map(|place| series[place % series.len()]));
        }
        drawn.truncate(length);
        drawn
    }
}

/// A number of things as a number to reckon with.
#[allow(clippy::cast_precision_loss, reason = "small numbers of rounds and nights")]
pub fn count(number: usize) -> f64 {
    number as f64
}
