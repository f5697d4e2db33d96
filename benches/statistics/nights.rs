//! Series of nights: how often the gate's rule is wrong when nothing changes, and how soon it sees that something did.

use std::time::Instant;

use bakeoff::stats::{ChangePointPolicy, NightlyPolicy, PositiveSample, Sample, Verdict, change_points, judge};

use crate::noise::{Random, Recorded, count};

const SERIES: usize = 1000;
const NIGHTS: usize = 90;

/// What nights are like: the coefficient of variation of one round (`None`: as recorded), rounds a night, the standard
/// deviation of what all rounds of a night share, and how much of it is the night before's.
#[derive(Clone, Copy)]
struct Nights {
    variation: Option<f64>,
    rounds: usize,
    state: f64,
    carried: f64,
    /// How often a whole night goes wrong, by up to half as much again.
    disturbed: f64,
}

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

/// The verdict on each night of a series.
fn verdicts(series: &[f64], policy: &NightlyPolicy) -> Vec<Verdict> {
    (1..=series.len())
        .map(|nights| judge(&PositiveSample::new(series[..nights].to_vec()).unwrap(), policy).0)
        .collect()
}

fn red(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Regression { .. })
}

/// Prints both tables.
pub fn gate() {
    println!("\n## The nightly gate\n");
    println!(
        "{SERIES} series of {NIGHTS} nights a row. False alarms are nights called a regression, per 365 nights that had a baseline. The step is of 10 %, on a night between the 40th and the 80th; found means called a regression on that night or one of the two that follow.\n"
    );
    println!(
        "| one round varies by | rounds a night | state of the night | carried over | disturbed nights | false alarms a year | false improvements | nights without a baseline | step of 10 % found | of 20 % | nights red after a step |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let quiet = Nights {
        variation: Some(0.03),
        rounds: 5,
        state: 0.01,
        carried: 0.5,
        disturbed: 0.01,
    };
    let recorded = Nights {
        variation: None,
        rounds: 10,
        ..quiet
    };
    let rows = [
        quiet,
        Nights {
            state: 0.0,
            disturbed: 0.0,
            ..quiet
        },
        Nights { state: 0.02, ..quiet },
        Nights { carried: 0.8, ..quiet },
        Nights {
            disturbed: 0.05,
            ..quiet
        },
        Nights { rounds: 3, ..quiet },
        Nights { rounds: 10, ..quiet },
        recorded,
        Nights { rounds: 5, ..recorded },
        Nights { rounds: 20, ..recorded },
    ];
    for nights in rows {
        row(&nights);
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
    let (mut found, mut found_large, mut nights_red) = (0, 0, 0);
    for _ in 0..SERIES {
        let mut series = nights.series(&noise, &mut random);
        for verdict in verdicts(&series, &policy) {
            match verdict {
                Verdict::NoBaseline { .. } => without += 1,
                Verdict::Regression { .. } => alarms += 1,
                Verdict::Improvement { .. } => better += 1,
                _ => {}
            }
            judged += usize::from(!matches!(verdict, Verdict::NoBaseline { .. }));
        }
        let step = 39 + random.below(41);
        let large: Vec<f64> = series
            .iter()
            .enumerate()
            .map(|(night, x)| if night >= step { 1.2 * x } else { *x })
            .collect();
        series[step..].iter_mut().for_each(|night| *night *= 1.1);
        let after = verdicts(&series, &policy);
        found += usize::from(after[step..step + 3].iter().any(red));
        nights_red += after[step..].iter().filter(|verdict| red(verdict)).count();
        found_large += usize::from(verdicts(&large[..step + 3], &policy)[step..].iter().any(red));
    }
    let years = count(judged) / 365.0;
    let percent = |number: f64| format!("{:.1} %", 100.0 * number);
    println!(
        "| {} | {} | {} | {} | {} | {:.2} | {:.2} | {} | {} | {} | {:.1} |",
        nights.variation.map_or("as recorded (6.5 %)".into(), percent),
        nights.rounds,
        percent(nights.state),
        nights.carried,
        percent(nights.disturbed),
        count(alarms) / years,
        count(better) / years,
        percent(count(without) / count(SERIES * NIGHTS)),
        percent(count(found) / count(SERIES)),
        percent(count(found_large) / count(SERIES)),
        count(nights_red) / count(SERIES),
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
