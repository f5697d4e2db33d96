//! Random numbers that never change: `SplitMix64` (Steele, Lea and Flood, 2014). A library's generator may change with
//! its version, and then a recorded seed would no longer give what was recorded. Not for: secrets.

/// `SplitMix64`: a counter whose every value is scrambled.
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// The generator of one stream of a seed. The seed is scrambled before the stream is added and again after:
    /// otherwise neighbouring seeds and streams would run through the same numbers, a few steps apart.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(Self(Self(seed).next() ^ stream).next())
    }

    /// The next number, of 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound` (which must not be 0), each as likely as every other: the lowest numbers, of which there
    /// is one too many for some remainders, are drawn again.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let surplus = bound.wrapping_neg() % bound;
        loop {
            let drawn = self.next();
            if drawn >= surplus {
                return drawn % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The reference implementation's numbers for the seed 1234567.
        let mut random = SplitMix64(1_234_567);
        let drawn: Vec<_> = (0..5).map(|_| random.next()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn numbers_stay_below_their_bound_even_where_most_are_drawn_again() {
        let mut random = SplitMix64(1);
        for bound in [1, 2, 3, 1000, (1 << 63) + 1, u64::MAX] {
            assert!((0..200).all(|_| random.below(bound) < bound), "{bound}");
        }
        assert_eq!(SplitMix64(1).below(1), 0);
    }
}
