//! A shuffle that never changes, since a recorded seed must give the recorded order: Fisher–Yates. Not for: drawing
//! numbers (that is [`SplitMix64`]'s).

use crate::units::SplitMix64;

/// The numbers from 0 to below `count` in an order that the seed and the stream decide.
pub(super) fn order(count: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut random = SplitMix64::new(seed, stream);
    let mut order: Vec<usize> = (0..count).collect();
    // Fisher–Yates from the end: each place is swapped with one at or before it.
    for (place, left) in (2..=count as u64).rev().map(|left| (left - 1, left)) {
        let other = random.below(left);
        #[allow(clippy::cast_possible_truncation, reason = "both are below count, which is a usize")]
        order.swap(place as usize, other as usize);
    }
    order
}
