//! Pushes, pulls and starts: how the time of those divides of which the engine tells, what travelled, and what the engine used
//! of the machine. Not for: builds (that is `attribution`'s).

use crate::engine::{LayerPull, PullOutcome, PullTrace};
use crate::journal::RunLog;
use crate::runner::event::{PhaseHead, PhaseRecord, ScenarioHead};
use crate::units::{Bytes, Nanos};

use super::attribution::{ResourceUse, measured, median, resources_of};
use super::travelled::{self, Travelled};

/// A push, a pull or a start of a scenario, over the measured rounds that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The scenario.
    pub scenario: String,
    /// The phase.
    pub phase: String,
    /// How many rounds.
    pub rounds: usize,
    /// Its time, median.
    pub wall: Nanos,
    /// Its parts in order, each with its median: of one round they sum to the time, of several not quite. Empty of a push.
    pub parts: Vec<(&'static str, Nanos)>,
    /// Of a pull the layers, in the order in which the engine named them; empty if their number was not always the same.
    pub layers: Vec<MovedLayer>,
    /// Of a push the bytes of the layers that the registry did not have, by its manifests.
    pub new_bytes: Option<Bytes>,
    /// What travelled in it, if that is known.
    pub travelled: Option<Travelled>,
    /// What the engine used of the machine, or why that is not told; `None` if the journal does not say.
    pub resources: Option<ResourceUse>,
}

/// A layer of a pull. Layers are pulled side by side: their times may sum to more than the pull's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLayer {
    /// The engine's short id of it, in the first of the rounds.
    pub id: String,
    /// Whether the machine had it in the first of the rounds.
    pub existed: bool,
    /// How long it was downloaded, median of the rounds that tell.
    pub downloading: Option<Nanos>,
    /// How long it was extracted, the same.
    pub extracting: Option<Nanos>,
}

/// All pushes, pulls and starts that were measured, by scenario and then in the journey's order.
pub(super) fn moved(log: &RunLog) -> Vec<Moved> {
    let header = &log.header;
    let phases = || header.journey.iter().filter(|head| head.kind != "build");
    let pairs = header
        .scenarios
        .iter()
        .flat_map(|scenario| phases().map(move |head| (scenario, head)));
    pairs
        .filter_map(|(scenario, head)| of_phase(log, scenario, head))
        .collect()
}

fn of_phase(log: &RunLog, scenario: &ScenarioHead, head: &PhaseHead) -> Option<Moved> {
    let records: Vec<&PhaseRecord> = measured(log, scenario, &head.name).collect();
    if records.is_empty() {
        return None;
    }
    let pulls: Vec<&PullTrace> = records.iter().filter_map(|record| record.pull.as_ref()).collect();
    let of_each: Vec<Vec<(&'static str, Nanos)>> = records.iter().filter_map(|record| parts(record)).collect();
    let names = of_each.first().into_iter().flatten().map(|(name, _)| *name);
    let part = |(at, name): (usize, &'static str)| (name, median(of_each.iter().map(|parts| parts[at].1.0).collect()));
    let manifests = records.iter().filter_map(|record| record.manifest.as_ref());
    let new_bytes: Vec<u64> = manifests.map(|manifest| manifest.new_bytes.0).collect();
    Some(Moved {
        scenario: scenario.name.clone(),
        phase: head.name.clone(),
        rounds: records.len(),
        wall: median(records.iter().map(|record| record.wall.0).collect()),
        parts: names.enumerate().map(part).collect(),
        layers: layers(&pulls),
        new_bytes: (!new_bytes.is_empty()).then(|| Bytes(median(new_bytes).0)),
        travelled: travelled::of_phase(log, scenario, head),
        resources: resources_of(log, scenario, &head.name),
    })
}

/// The parts of one round.
fn parts(record: &PhaseRecord) -> Option<Vec<(&'static str, Nanos)>> {
    if let Some(pull) = &record.pull {
        let parts = pull.parts();
        return Some(vec![
            ("downloading", parts.downloading),
            ("downloading and extracting", parts.both),
            ("extracting", parts.extracting),
            ("anything else", parts.rest),
        ]);
    }
    let start = record.start.as_ref()?;
    Some(vec![
        ("starting the container", start.running),
        ("until it worked", Nanos(record.wall.0.saturating_sub(start.running.0))),
    ])
}

fn layers(pulls: &[&PullTrace]) -> Vec<MovedLayer> {
    let Some(first) = pulls.first() else {
        return Vec::new();
    };
    if pulls.iter().any(|pull| pull.layers.len() != first.layers.len()) {
        return Vec::new();
    }
    let layer = |(at, layer): (usize, &LayerPull)| {
        let time = |of: fn(&LayerPull) -> Option<crate::engine::Stretch>| {
            let stretches = pulls.iter().filter_map(|pull| of(&pull.layers[at]));
            let times: Vec<u64> = stretches
                .map(|stretch| stretch.to.0.saturating_sub(stretch.from.0))
                .collect();
            (!times.is_empty()).then(|| median(times))
        };
        MovedLayer {
            id: layer.id.clone(),
            existed: layer.outcome == PullOutcome::Exists,
            downloading: time(|layer| layer.downloading),
            extracting: time(|layer| layer.extracting),
        }
    };
    first.layers.iter().enumerate().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::engine::Stretch;
    use crate::runner::event::{PhaseHead, StartTrace, TrialKey};

    fn seconds(seconds: f64) -> Nanos {
        Nanos::from_seconds(seconds)
    }

    /// A run with a pull and a start of its first scenario, in as many rounds as there are factors.
    pub fn log(factors: &[f64]) -> RunLog {
        let mut log = sample::full();
        let scenario = log.header.scenarios[0].name.clone();
        let head = |name: &str, kind: &str| PhaseHead {
            name: name.into(),
            kind: kind.into(),
            image: "cold".into(),
            temperature: "cold".into(),
            edits: vec![],
            files: vec![],
        };
        log.header
            .journey
            .extend([head("cold pull", "pull"), head("cold start", "start")]);
        let template = log.phases[0].clone();
        for (round, factor) in (1..).zip(factors) {
            let stretch = |from: f64, to: f64| {
                Some(Stretch {
                    from: seconds(from * factor),
                    to: seconds(to * factor),
                })
            };
            let trial = TrialKey {
                round: Round::Measured(round),
                scenario: scenario.clone(),
            };
            let record = |phase: &str, wall: f64| PhaseRecord {
                trial: trial.clone(),
                phase: phase.into(),
                wall: seconds(wall * factor),
                outcome: Outcome::Measured,
                build: None,
                image: None,
                manifest: None,
                ..template.clone()
            };
            log.phases.push(PhaseRecord {
                pull: Some(PullTrace {
                    wall: seconds(4.0 * factor),
                    layers: vec![
                        LayerPull {
                            id: "a1".into(),
                            outcome: PullOutcome::Pulled,
                            downloading: stretch(0.5, 2.0),
                            extracting: stretch(2.0, 3.5),
                        },
                        LayerPull {
                            id: "b2".into(),
                            outcome: PullOutcome::Pulled,
                            downloading: stretch(0.5, 2.5),
                            extracting: stretch(3.5, 3.75),
                        },
                    ],
                    ..PullTrace::default()
                }),
                ..record("cold pull", 4.0)
            });
            log.phases.push(PhaseRecord {
                start: Some(StartTrace {
                    running: seconds(0.25 * factor),
                    asked: 7,
                }),
                ..record("cold start", 1.0)
            });
        }
        log
    }

    #[test]
    fn pulls_and_starts_are_divided() {
        let moved = moved(&log(&[1.0, 3.0, 2.0]));
        assert_eq!(moved.len(), 2);
        let [pull, start] = moved.as_slice() else {
            panic!("two phases")
        };
        // The median of the factors is 2.
        assert_eq!((pull.rounds, pull.wall), (3, seconds(8.0)));
        let shown: Vec<_> = pull.parts.iter().map(|(_, time)| time.seconds()).collect();
        assert_eq!(shown, [3.0, 1.0, 2.5, 1.5]);
        assert_eq!(pull.layers[1].downloading, Some(seconds(4.0)));
        assert_eq!(pull.layers[0].extracting, Some(seconds(3.0)));
        assert_eq!((start.phase.as_str(), start.wall), ("cold start", seconds(2.0)));
        assert_eq!(start.parts[1], ("until it worked", seconds(1.5)));
    }

    #[test]
    fn what_was_not_measured_is_not_told() {
        assert_eq!(moved(&log(&[])), []);
        let mut log = log(&[1.0]);
        for record in &mut log.phases {
            record.outcome = Outcome::Skipped("no engine".into());
        }
        assert_eq!(moved(&log), []);
    }
}
