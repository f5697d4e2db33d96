//! Tables of comparisons in which nothing differs, and questions in which something does.

use bakeoff::stats::{
    ComparePolicy, Comparison, Effect, Level, Noise, Outcome, Pairs, PositiveSample, Question, compare,
};

use crate::noise::{Random, Recorded, count};

const RUNS: usize = 2000;
const SCENARIOS: usize = 4;

fn differs(answer: &Comparison) -> bool {
    matches!(answer.outcome, Outcome::Faster | Outcome::Slower)
}

/// One phase of a run in which all scenarios take equally long: for each scenario its time in each round. The scenarios
/// of a round are in shuffled order; the noise, and the drift, go by the clock.
fn phase(rounds: usize, noise: &[f64], drift: f64, random: &mut Random) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); SCENARIOS];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..SCENARIOS).collect();
        for place in (1..SCENARIOS).rev() {
            order.swap(place, random.below(place + 1));
        }
        for (place, scenario) in order.into_iter().enumerate() {
            let when = round * SCENARIOS + place;
            times[scenario].push((noise[when] + drift * count(when) / count(noise.len())).exp());
        }
    }
    times
}

/// A family of questions: in each phase, each scenario but the first with the first.
fn table(
    phases: usize,
    rounds: usize,
    mut noise: impl FnMut(&mut Random) -> Vec<f64>,
    drift: f64,
    random: &mut Random,
) -> Vec<Question> {
    let drift = drift * random.normal();
    let mut family = Vec::new();
    for _ in 0..phases {
        let noise = noise(random);
        let times = phase(rounds, &noise, drift, random);
        for scenario in 1..SCENARIOS {
            let pairs = times[scenario].iter().copied().zip(times[0].iter().copied()).collect();
            family.push(Question::Paired(Pairs::new(pairs).unwrap()));
        }
    }
    family
}

/// How many tables without any difference have a wrong answer in them.
pub fn no_difference() {
    println!("## A/A: tables in which nothing differs\n");
    println!(
        "{RUNS} simulated runs of {SCENARIOS} scenarios each; level 5 % for the table. A wrong answer is any \"faster\" or \"slower\".\n"
    );
    println!("| noise | rounds | questions in the table | tables with a wrong answer |");
    println!("|---|---|---|---|");
    let all = Recorded::of("");
    let heavy = |length: usize, random: &mut Random| -> Vec<f64> {
        let mut level = 0.0;
        (0..length)
            .map(|_| {
                level = 0.9 * level + 0.02 * random.normal();
                level + 0.06 * random.heavy()
            })
            .collect()
    };
    for rounds in [5, 7, 10, 15] {
        for phases in [1, 4] {
            for (name, drift) in [
                ("as recorded", 0.0),
                ("as recorded, and a drift of 20 %", 0.2),
                ("made: t with 3 degrees, wandering", 0.0),
            ] {
                let mut random = Random::new(6);
                let wrong = (0..RUNS).filter(|_| {
                    let noise = |random: &mut Random| {
                        if name.starts_with("made") {
                            heavy(rounds * SCENARIOS, random)
                        } else {
                            all.draw(rounds * SCENARIOS, random)
                        }
                    };
                    let family = table(phases, rounds, noise, drift, &mut random);
                    compare(&family, &ComparePolicy::default()).iter().any(differs)
                });
                let share = 100.0 * count(wrong.count()) / count(RUNS);
                println!("| {name} | {rounds} | {} | {share:.1} % |", phases * (SCENARIOS - 1));
            }
        }
    }
}

/// The same between two runs, whose machines may have been in another state.
pub fn between_runs() {
    println!("\n## A/A between two runs\n");
    println!(
        "{RUNS} pairs of runs of 10 rounds, one question each, noise as recorded. A run's own state is a factor on all its times.\n"
    );
    println!(
        "| state of the machine, standard deviation | wrong answers, times | wrong answers, ratios of two scenarios |"
    );
    println!("|---|---|---|");
    let all = Recorded::of("");
    for state in [0.0, 0.01, 0.03, 0.05] {
        let mut random = Random::new(7);
        let (mut times, mut ratios) = (0, 0);
        for _ in 0..RUNS {
            let which = random.below(all.0.len());
            let mut run = || -> Vec<(f64, f64)> {
                let state = state * random.normal();
                let noise = all.draw_of(which, 20, &mut random);
                noise
                    .chunks(2)
                    .map(|pair| ((pair[0] + state).exp(), (pair[1] + state).exp()))
                    .collect()
            };
            let (one, other) = (run(), run());
            let sample = |run: &[(f64, f64)]| PositiveSample::new(run.iter().map(|pair| pair.0).collect()).unwrap();
            let question = Question::Independent {
                subject: sample(&one),
                baseline: sample(&other),
            };
            times += usize::from(differs(&compare(&[question], &ComparePolicy::default())[0]));
            let question = Question::RatioOfRatios {
                subject: Pairs::new(one).unwrap(),
                baseline: Pairs::new(other).unwrap(),
            };
            ratios += usize::from(differs(&compare(&[question], &ComparePolicy::default())[0]));
        }
        let share = |wrong: usize| 100.0 * count(wrong) / count(RUNS);
        println!(
            "| {:.0} % | {:.1} % | {:.1} % |",
            100.0 * state,
            share(times),
            share(ratios)
        );
    }
}

/// How often a slowdown of 10 % of one question is found.
pub fn power() {
    let policy = ComparePolicy::default();
    let variations = [0.01, 0.03, 0.05, 0.08, 0.11];
    let effect = Effect::new(0.10).unwrap();
    for (name, questions) in [("one question", 1), ("one question of four", 4)] {
        println!("\n## Power: a true slowdown of 10 %, {name}\n");
        println!(
            "{RUNS} simulated runs a cell. The columns are coefficients of variation of a single time; noise of the recorded shape, scaled to them; in brackets what `Noise::power` says for normal noise.\n"
        );
        print!("| rounds |");
        for variation in variations {
            print!(" {:.0} % |", 100.0 * variation);
        }
        println!("\n|---|{}", "---|".repeat(variations.len()));
        for rounds in [5, 6, 7, 8, 10, 12, 15, 20, 30] {
            print!("| {rounds} |");
            for variation in variations {
                let noise = Recorded::of("").scaled(variation);
                let mut random = Random::new(8);
                let found = (0..RUNS).filter(|_| {
                    let family: Vec<Question> = (0..questions)
                        .map(|question| {
                            let slower = if question == 0 { 1.1 } else { 1.0 };
                            let noise = noise.draw(2 * rounds, &mut random);
                            let pairs = noise
                                .chunks(2)
                                .map(|pair| (slower * pair[0].exp(), pair[1].exp()))
                                .collect();
                            Question::Paired(Pairs::new(pairs).unwrap())
                        })
                        .collect();
                    compare(&family, &policy)[0].outcome == Outcome::Slower
                });
                let found = 100.0 * count(found.count()) / count(RUNS);
                let predicted = Noise::normal(std::f64::consts::SQRT_2 * variation).unwrap();
                let predicted = 100.0 * predicted.power(effect, rounds, Level::FIVE_PERCENT.shared_by(questions));
                print!(" {found:.0} % ({predicted:.0} %) |");
            }
            println!();
        }
    }
}
