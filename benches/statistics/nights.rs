//! Series of nights: how often the gate's rule is wrong when nothing changes, and how soon it sees that something did.

use std::ops::Range;
use std::time::Instant;

use bakeoff::stats::{ChangePointPolicy, NightlyPolicy, PositiveSample, Sample, Verdict, change_points, judge};

use crate::noise::{Random, Recorded, count};

const SERIES: usize = 1000;
const NIGHTS: usize = 90;

/// What nights are like: the coefficient of variation of one round (`None`: as recorded), rounds a night, the standard
/// deviation of what all rounds of a night share, and how much of it is the night before's.
#[derive(Clone)]
struct Nights {
    variation: Option<f64>,
    rounds: usize,
    state: f64,
    carried: f64,
    /// How often a whole night goes wrong, by up to half as much again.
    disturbed: f64,
    /// After how many nights the step comes.
    step: Range<usize>,
}

/// Somewhere in the middle, with as many nights after it as a new level needs to become the baseline.
const LATE: Range<usize> = 39..77;
/// Just after the first baseline, which has no night to spare.
const EARLY: Range<usize> = 13..21;

impl Nights {
    fn series(&self, recorded: &Recorded, random: &mut Random) -> Vec<f64> {
        let phase = random.below(recorded.0.len());
        let mut state = self.state * random.normal();
        (0..NIGHTS)
            .map(|_| {
                state = self.carried * state + (1.0 - self.carried.powi(2)).sqrt() * self.state * random.normal();
                let disturbed = if random.uniform() < self.disturbed {
                    0.4 * random.uniform()
                } else {
                    0.0
                };
                let rounds = recorded.draw_of(phase, self.rounds, random);
                let rounds = rounds.iter().map(|noise| (noise + state + disturbed).exp()).collect();
                Sample::new(rounds).unwrap().pseudo_median()
            })
            .collect()
    }
}

/// The verdict on each of these nights of a series.
fn verdicts(series: &[f64], nights: Range<usize>, policy: &NightlyPolicy) -> Vec<Verdict> {
    nights
        .map(|night| judge(&PositiveSample::new(series[..=night].to_vec()).unwrap(), policy).0)
        .collect()
}

fn red(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Regression { .. })
}

/// Prints the table.
pub fn gate() {
    println!("\n## The nightly gate\n");
    println!(
        "{SERIES} series of {NIGHTS} nights a row. False alarms are nights called a regression, per 365 nights that had a baseline. Found means called a regression on the night of the step or one of the two that follow. Red until the new level is the baseline: of the nights from the third on, until the new level has ten nights before the last three.\n"
    );
    println!(
        "| one round varies by | rounds a night | state of the night | carried over | disturbed nights | step after nights | false alarms a year | false improvements | nights without a baseline | step of 10 % found | of 20 % | red until the new level is the baseline, 10 % | 20 % |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let quiet = Nights {
        variation: Some(0.03),
        rounds: 5,
        state: 0.01,
        carried: 0.5,
        disturbed: 0.01,
        step: LATE,
    };
    let quiet = |change: &dyn Fn(&mut Nights)| {
        let mut nights = quiet.clone();
        change(&mut nights);
        nights
    };
    let recorded = |rounds, step: &Range<usize>| {
        quiet(&|nights| {
            nights.variation = None;
            nights.rounds = rounds;
            nights.step = step.clone();
        })
    };
    let rows = [
        quiet(&|_| {}),
        quiet(&|nights| (nights.state, nights.disturbed) = (0.0, 0.0)),
        quiet(&|nights| nights.state = 0.02),
        quiet(&|nights| nights.carried = 0.8),
        quiet(&|nights| nights.disturbed = 0.05),
        quiet(&|nights| nights.rounds = 3),
        quiet(&|nights| nights.rounds = 10),
        recorded(10, &LATE),
        recorded(5, &LATE),
        recorded(20, &LATE),
        quiet(&|nights| (nights.state, nights.disturbed, nights.step) = (0.0, 0.0, EARLY)),
        quiet(&|nights| nights.step = EARLY),
        quiet(&|nights| (nights.disturbed, nights.step) = (0.05, EARLY)),
        recorded(10, &EARLY),
    ];
    for nights in rows {
        row(&nights);
    }
}

/// A series that is so many times as large from a night on.
fn stepped(series: &[f64], step: usize, factor: f64) -> Vec<f64> {
    let of = |(night, value): (usize, &f64)| if night >= step { factor * value } else { *value };
    series.iter().enumerate().map(of).collect()
}

/// What became of steps of one size.
#[derive(Default)]
struct Steps {
    found: usize,
    red: usize,
    due: usize,
}

impl Steps {
    fn add(&mut self, series: &[f64], step: usize, factor: f64, policy: &NightlyPolicy) {
        // The new level is the baseline when it has so many nights before the recent ones.
        let due = step + policy.shortest + policy.recent - 1;
        let after = verdicts(&stepped(series, step, factor), step..due, policy);
        self.found += usize::from(after[..3].iter().any(red));
        let due = &after[policy.confirmed - 1..];
        self.red += due.iter().filter(|verdict| red(verdict)).count();
        self.due += due.len();
    }
}

fn row(nights: &Nights) {
    let policy = NightlyPolicy::default();
    let builds = Recorded::of("hot build");
    let noise = nights
        .variation
        .map_or(Recorded::of("hot build"), |variation| builds.scaled(variation));
    let mut random = Random::new(9);
    let (mut judged, mut without, mut alarms, mut better) = (0, 0, 0, 0);
    let (mut medium, mut large) = (Steps::default(), Steps::default());
    for _ in 0..SERIES {
        let series = nights.series(&noise, &mut random);
        for verdict in verdicts(&series, 0..NIGHTS, &policy) {
            match verdict {
                Verdict::NoBaseline { .. } => without += 1,
                Verdict::Regression { .. } => alarms += 1,
                Verdict::Improvement { .. } => better += 1,
                _ => {}
            }
            judged += usize::from(!matches!(verdict, Verdict::NoBaseline { .. }));
        }
        let step = nights.step.start + random.below(nights.step.len());
        medium.add(&series, step, 1.1, &policy);
        large.add(&series, step, 1.2, &policy);
    }
    let years = count(judged) / 365.0;
    let percent = |number: f64| format!("{:.1} %", 100.0 * number);
    println!(
        "| {} | {} | {} | {} | {} | {} to {} | {:.2} | {:.2} | {} | {} | {} | {} | {} |",
        nights.variation.map_or("as recorded (6.5 %)".into(), percent),
        nights.rounds,
        percent(nights.state),
        nights.carried,
        percent(nights.disturbed),
        nights.step.start,
        nights.step.end - 1,
        count(alarms) / years,
        count(better) / years,
        percent(count(without) / count(SERIES * NIGHTS)),
        percent(count(medium.found) / count(SERIES)),
        percent(count(large.found) / count(SERIES)),
        percent(count(medium.red) / count(medium.due)),
        percent(count(large.red) / count(large.due)),
    );
}

/// How long it takes.
pub fn time() {
    println!("\n## Time\n");
    let mut random = Random::new(10);
    let noise = Recorded::of("hot build").scaled(0.03);
    let metrics: Vec<Vec<f64>> = (0..40)
        .map(|_| {
            noise
                .draw(10_000, &mut random)
                .iter()
                .enumerate()
                .map(|(run, x)| x.exp() * (1.0 + 0.1 * count(run / 700 % 2)))
                .collect()
        })
        .collect();
    let before = Instant::now();
    let judged = metrics.iter().filter(|points| {
        let verdict = judge(
            &PositiveSample::new((*points).clone()).unwrap(),
            &NightlyPolicy::default(),
        )
        .0;
        !matches!(verdict, Verdict::NoBaseline { .. })
    });
    let judged = judged.count();
    println!(
        "- The gate's rule for 40 metrics of 10,000 values each: {:.1} ms ({judged} of them with a baseline).",
        1e3 * before.elapsed().as_secs_f64()
    );
    let before = Instant::now();
    let found: usize = metrics
        .iter()
        .map(|points| change_points(&Sample::new(points.clone()).unwrap(), &ChangePointPolicy::default()).len())
        .sum();
    println!(
        "- All change points of the same 40 series: {:.0} ms ({found} change points).",
        1e3 * before.elapsed().as_secs_f64()
    );
}
