//! The plan: which trial comes when. Made from a suite and a seed alone, without a clock and without asking anything,
//! so that the same seed gives the same order on every machine and in every later version. Not for: running it.

mod shuffle;

use crate::suite::Suite;

/// Which trial: the round, with its role, and the scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialKey {
    /// The round and its role.
    pub round: Round,
    /// The scenario's full name.
    pub scenario: String,
}

/// A round with its role: what a figure may be used for is in its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Round {
    /// A discarded round, from 1.
    Warmup(u32),
    /// A round that counts, from 1.
    Measured(u32),
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Warmup(n) => write!(f, "warm-up {n}"),
            Self::Measured(n) => write!(f, "round {n}"),
        }
    }
}

/// The order of a run: blocks, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed that the orders were drawn from.
    pub seed: u64,
    /// The warm-up rounds, then the measured ones.
    pub blocks: Vec<Block>,
}

/// One round: a trial of every scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which round, with its role.
    pub round: Round,
    /// The scenarios in the order of their trials, as indexes into [`Suite::scenarios`].
    pub trials: Vec<usize>,
}

impl Plan {
    /// Draws the order of every round of a suite.
    ///
    /// A round's order depends on the seed, on the round and on the number of scenarios, and on nothing else: more
    /// rounds or another number of warm-up rounds leave the orders of the others as they were.
    #[must_use]
    pub fn new(suite: &Suite, seed: u64) -> Self {
        Self::of(suite.scenarios.len(), suite.warmup, suite.rounds, seed)
    }

    /// The same for so many scenarios.
    fn of(scenarios: usize, warmup: u32, rounds: u32, seed: u64) -> Self {
        let rounds = (1..=warmup).map(Round::Warmup).chain((1..=rounds).map(Round::Measured));
        let blocks = rounds.map(|round| Block {
            round,
            trials: shuffle::order(scenarios, seed, stream(round)),
        });
        Self {
            seed,
            blocks: blocks.collect(),
        }
    }

    /// The trials in their order, across all blocks. `suite` must be the one that the plan was made for; trials of
    /// scenarios that it does not have are left out.
    #[must_use]
    pub fn order(&self, suite: &Suite) -> Vec<TrialKey> {
        let names: Vec<&str> = suite.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        self.keys(&names)
    }

    fn keys(&self, names: &[&str]) -> Vec<TrialKey> {
        let of_block = |block: &Block| {
            let round = block.round;
            let scenarios = block.trials.iter().filter_map(|&index| names.get(index));
            scenarios
                .map(|&name| TrialKey {
                    round,
                    scenario: name.to_owned(),
                })
                .collect::<Vec<_>>()
        };
        self.blocks.iter().flat_map(of_block).collect()
    }
}

/// The number of a round's stream of random numbers: even for warm-up rounds, odd for measured ones.
fn stream(round: Round) -> u64 {
    match round {
        Round::Warmup(number) => u64::from(number) * 2,
        Round::Measured(number) => u64::from(number) * 2 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(plan: &Plan) -> Vec<&[usize]> {
        plan.blocks.iter().map(|block| block.trials.as_slice()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_order_for_ever() {
        // Journals name only the seed: whoever changes these lists makes old runs impossible to repeat.
        let plan = Plan::of(4, 1, 5, 42);
        let pinned = [
            [1, 0, 3, 2],
            [3, 2, 0, 1],
            [3, 2, 1, 0],
            [0, 2, 1, 3],
            [0, 1, 3, 2],
            [3, 0, 1, 2],
        ];
        assert_eq!(trials(&plan), pinned);
        assert_eq!(plan, Plan::of(4, 1, 5, 42));
        assert_ne!(trials(&plan), trials(&Plan::of(4, 1, 5, 43)));
    }

    #[test]
    fn warm_up_rounds_come_first_and_all_are_numbered_from_one() {
        let rounds: Vec<_> = Plan::of(1, 2, 2, 0).blocks.iter().map(|block| block.round).collect();
        assert_eq!(
            rounds,
            [
                Round::Warmup(1),
                Round::Warmup(2),
                Round::Measured(1),
                Round::Measured(2)
            ]
        );
    }

    #[test]
    fn every_scenario_has_one_trial_per_round() {
        for scenarios in [0, 1, 2, 7, 40] {
            for block in Plan::of(scenarios, 1, 3, 7).blocks {
                let mut trials = block.trials;
                trials.sort_unstable();
                assert_eq!(trials, (0..scenarios).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn rounds_have_orders_of_their_own() {
        let plan = Plan::of(12, 3, 20, 1);
        let mut orders = trials(&plan);
        orders.sort_unstable();
        orders.dedup();
        assert_eq!(orders.len(), 23, "two of 23 rounds of 12 scenarios have the same order");
    }

    #[test]
    fn more_rounds_or_no_warm_up_leave_the_other_orders_alone() {
        let (long, short) = (Plan::of(6, 1, 9, 5), Plan::of(6, 0, 4, 5));
        assert_eq!(long.blocks[1..5], short.blocks);
    }

    #[test]
    fn the_order_names_the_scenarios_block_by_block() {
        let plan = Plan {
            seed: 0,
            blocks: vec![
                Block {
                    round: Round::Warmup(1),
                    trials: vec![1, 0],
                },
                Block {
                    round: Round::Measured(1),
                    trials: vec![0, 1],
                },
            ],
        };
        let shown: Vec<_> = plan
            .keys(&["a", "b"])
            .into_iter()
            .map(|key| format!("{} {}", key.round, key.scenario))
            .collect();
        assert_eq!(shown, ["warm-up 1 b", "warm-up 1 a", "round 1 a", "round 1 b"]);
    }

    #[test]
    fn every_scenario_is_as_often_in_every_position_and_after_every_other() {
        let mut positions = [[0i32; 4]; 4];
        let mut followed = [[0i32; 4]; 4];
        for seed in 0..1000 {
            let plan = Plan::of(4, 0, 1, seed);
            let trials = &plan.blocks[0].trials;
            for (position, &scenario) in trials.iter().enumerate() {
                positions[scenario][position] += 1;
            }
            for pair in trials.windows(2) {
                followed[pair[0]][pair[1]] += 1;
            }
        }
        // 250 are expected in each, with a standard deviation of 14.
        for (scenario, counts) in positions.iter().enumerate() {
            assert!(
                counts.iter().all(|count| (count - 250).abs() < 55),
                "positions of {scenario}: {counts:?}"
            );
            for (next, count) in followed[scenario]
                .iter()
                .enumerate()
                .filter(|(next, _)| *next != scenario)
            {
                assert!((count - 250).abs() < 55, "{next} follows {scenario} {count} times");
            }
        }
    }

    #[test]
    fn every_permutation_is_as_likely_as_every_other() {
        let mut counts = std::collections::BTreeMap::<Vec<usize>, f64>::new();
        for seed in 0..1000 {
            for block in Plan::of(4, 0, 12, seed).blocks {
                *counts.entry(block.trials).or_default() += 1.0;
            }
        }
        assert_eq!(counts.len(), 24);
        // Chi-squared with 23 degrees of freedom: 49.7 has a chance of one in a thousand. A shuffle that swaps with
        // any position comes to some 350 here.
        let chi_squared: f64 = counts.values().map(|count| (count - 500.0).powi(2) / 500.0).sum();
        assert!(chi_squared < 49.7, "{chi_squared}: {counts:?}");
    }
}
