//! The longest chain through a graph of steps. Not for: what the steps are.

/// Steps with their times and with the steps that each waits for.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    times: Vec<u64>,
    inputs: Vec<Vec<usize>>,
    /// Every step after those that it waits for.
    order: Vec<usize>,
}

impl Graph {
    /// A graph of steps with these times; `inputs` are places in the same list. What waits for itself, by way of others
    /// too, does not wait for the last of them.
    pub fn new(times: Vec<u64>, mut inputs: Vec<Vec<usize>>) -> Self {
        let count = times.len();
        inputs.resize_with(count, Vec::new);
        for (step, of) in inputs.iter_mut().enumerate() {
            of.retain(|input| *input < count && *input != step);
            of.sort_unstable();
            of.dedup();
        }
        let order = order(&mut inputs);
        Self { times, inputs, order }
    }

    /// What each step waits for.
    pub fn inputs(&self, step: usize) -> &[usize] {
        &self.inputs[step]
    }

    /// The steps, each after those that it waits for.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The chain whose steps take the most time together, first step first, and that time.
    pub fn longest(&self) -> (u64, Vec<usize>) {
        let (ends, before) = self.chains(None);
        let Some(mut at) = (0..ends.len()).max_by_key(|step| (ends[*step], std::cmp::Reverse(*step))) else {
            return (0, Vec::new());
        };
        let time = ends[at];
        let mut chain = vec![at];
        while let Some(input) = before[at] {
            chain.push(input);
            at = input;
        }
        chain.reverse();
        (time, chain)
    }

    /// The time of the longest chain if a step took none.
    pub fn longest_without(&self, step: usize) -> u64 {
        self.chains(Some(step)).0.into_iter().max().unwrap_or(0)
    }

    /// For each step the time of the longest chain that ends in it, and that chain's step before it.
    fn chains(&self, free: Option<usize>) -> (Vec<u64>, Vec<Option<usize>>) {
        let mut ends = vec![0; self.times.len()];
        let mut before = vec![None; self.times.len()];
        for &step in &self.order {
            let mut longest = 0;
            for &input in &self.inputs[step] {
                if before[step].is_none() || ends[input] > longest {
                    longest = ends[input];
                    before[step] = Some(input);
                }
            }
            let own = if free == Some(step) { 0 } else { self.times[step] };
            ends[step] = longest + own;
        }
        (ends, before)
    }
}

/// The steps, each after its inputs. Where steps wait for each other in a ring, it is cut before the first of them.
fn order(inputs: &mut [Vec<usize>]) -> Vec<usize> {
    let count = inputs.len();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waiting: Vec<usize> = inputs.iter().map(Vec::len).collect();
    for (step, of) in inputs.iter().enumerate() {
        for &input in of {
            users[input].push(step);
        }
    }
    let mut ready: Vec<usize> = (0..count).rev().filter(|step| waiting[*step] == 0).collect();
    let mut done = vec![false; count];
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        let Some(step) = ready.pop().or_else(|| done.iter().position(|done| !done)) else {
            break;
        };
        if std::mem::replace(&mut done[step], true) {
            continue;
        }
        if waiting[step] > 0 {
            inputs[step].retain(|input| done[*input] && *input != step);
            waiting[step] = 0;
        }
        order.push(step);
        for &user in &users[step] {
            waiting[user] = waiting[user].saturating_sub(1);
            if waiting[user] == 0 && !done[user] {
                ready.push(user);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph from `name time inputs…`.
    fn graph(text: &str) -> (Graph, Vec<&str>) {
        let lines: Vec<Vec<&str>> = text.split(';').map(|line| line.split_whitespace().collect()).collect();
        let names: Vec<&str> = lines.iter().map(|line| line[0]).collect();
        let place = |name: &&str| names.iter().position(|other| other == name).unwrap_or(usize::MAX);
        let times = lines.iter().map(|line| line[1].parse().expect("a time")).collect();
        let inputs = lines.iter().map(|line| line[2..].iter().map(place).collect()).collect();
        (Graph::new(times, inputs), names)
    }

    fn longest(text: &str) -> (u64, String) {
        let (graph, names) = graph(text);
        let (time, chain) = graph.longest();
        (
            time,
            chain.iter().map(|step| names[*step]).collect::<Vec<_>>().join(" "),
        )
    }

    /// What is saved at most if each step were free.
    fn saved(text: &str) -> Vec<u64> {
        let (graph, names) = graph(text);
        let time = graph.longest().0;
        (0..names.len())
            .map(|step| time - graph.longest_without(step))
            .collect()
    }

    #[test]
    fn a_chain_is_its_own_longest() {
        let chain = "a 1; b 2 a; c 3 b";
        assert_eq!(longest(chain), (6, "a b c".into()));
        assert_eq!(saved(chain), [1, 2, 3]);
    }

    #[test]
    fn of_a_diamond_the_slower_side_counts_and_the_other_limits_what_can_be_saved() {
        let diamond = "a 1; b 5 a; c 3 a; d 2 b c";
        assert_eq!(longest(diamond), (8, "a b d".into()));
        // Without b the way through c remains: 1 + 3 + 2.
        assert_eq!(saved(diamond), [1, 2, 0, 2]);
    }

    #[test]
    fn parallel_stages_that_never_meet() {
        let stages = "a 1; b 4 a; x 2; y 2 x";
        assert_eq!(longest(stages), (5, "a b".into()));
        assert_eq!(saved(stages), [1, 1, 0, 0]);
        // Two that are alike: freeing a step of one saves nothing.
        assert_eq!(saved("a 4; b 4; c 1 a b"), [0, 0, 1]);
    }

    #[test]
    fn steps_without_time_and_inputs_that_are_not_there() {
        assert_eq!(longest("a 0; b 0 a; c 7 b gone"), (7, "a b c".into()));
        assert_eq!(longest("a 0"), (0, "a".into()));
        assert_eq!(Graph::new(vec![], vec![]).longest(), (0, vec![]));
        // Announced in the opposite order, as newer builders do.
        assert_eq!(longest("c 3 b; b 2 a; a 1"), (6, "a b c".into()));
    }

    #[test]
    fn a_ring_is_cut() {
        let (time, _) = longest("a 1 c; b 2 a; c 3 b; d 4 c");
        assert_eq!(time, 10);
        assert_eq!(longest("a 1 a"), (1, "a".into()));
    }
}
