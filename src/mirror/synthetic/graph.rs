//! Who requires whom.

use crate::units::SplitMix64;

use super::Spec;

/// The stream of the seed that decides the graph; the packages' contents have those from 0 on.
const STREAM: u64 = u64::MAX;

/// The requirements among the generated packages, which are numbered from 0.
pub(super) struct Graph {
    /// The packages that nobody else requires.
    pub(super) roots: Vec<u32>,
    /// For each package the packages that it requires, in ascending order.
    pub(super) requires: Vec<Vec<u32>>,
}

impl Graph {
    /// Puts the packages on `depth` levels, none of them empty, and has each package below the top required by one or
    /// two of the level above. As there are no other requirements, the longest chains have `depth` packages.
    pub(super) fn of(spec: &Spec) -> Self {
        let mut random = SplitMix64::new(spec.seed, STREAM);
        let depth = spec.depth.clamp(1, spec.packages.max(1)) as usize;
        let mut levels: Vec<Vec<u32>> = vec![Vec::new(); depth];
        for package in 0..spec.packages {
            let level = if (package as usize) < depth {
                package as usize
            } else {
                pick(&mut random, depth)
            };
            levels[level].push(package);
        }
        let mut requires = vec![Vec::new(); spec.packages as usize];
        for pair in levels.windows(2) {
            for package in &pair[1] {
                // Two picks; they may be the same one.
                let mut by = [0; 2].map(|_| pair[0][pick(&mut random, pair[0].len())]).to_vec();
                by.dedup();
                for above in by {
                    requires[above as usize].push(*package);
                }
            }
        }
        Self {
            roots: levels.swap_remove(0),
            requires,
        }
    }
}

/// An index below `count`, which must not be 0.
#[allow(clippy::cast_possible_truncation, reason = "it is below count, which is a usize")]
fn pick(random: &mut SplitMix64, count: usize) -> usize {
    random.below(count as u64) as usize
}
