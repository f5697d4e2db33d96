//! Pushes, pulls and starts: how the time of those divides of which the engine tells, what travelled, and what the engine used
//! of the machine. Not for: builds (that is `attribution`'s).

use crate::engine::{LayerOutcome, LayerPull, LayerPush, PullOutcome, Stretch};
use crate::journal::RunLog;
use crate::runner::event::{Manifest, PhaseHead, PhaseRecord, ScenarioHead};
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
    /// Its parts in order, each with its median: of one round they sum to the time, of several not quite. Empty of a push
    /// that was measured before its engine's lines were timed.
    pub parts: Vec<(&'static str, Nanos)>,
    /// Whether the parts and the layers are told by when the lines of the engine's answer arrived, and so are approximate.
    pub by_arrival: bool,
    /// Of a push or a pull the layers, lowest first where the engine names them by their blobs, else in the order in which it
    /// names them; empty if their number was not always the same.
    pub layers: Vec<MovedLayer>,
    /// Of a push the bytes of the layers that the registry did not have, by its manifests.
    pub new_bytes: Option<Bytes>,
    /// What travelled in it, if that is known.
    pub travelled: Option<Travelled>,
    /// What the engine used of the machine, or why that is not told; `None` if the journal does not say.
    pub resources: Option<ResourceUse>,
}

/// A layer of a push or a pull. Layers travel side by side: their times may sum to more than the phase's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLayer {
    /// The engine's short id of it, in the first of the rounds.
    pub id: String,
    /// Its fate in the first of the rounds.
    pub fate: LayerFate,
    /// How long it was at what, in the same order in all layers of a phase: median of the rounds that tell.
    pub times: Vec<(&'static str, Option<Nanos>)>,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerFate {
    /// It travelled, for all that is known.
    Travelled,
    /// It was there.
    Existed,
    /// The registry took it from another repository.
    Mounted,
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
    let traces = records.iter().filter_map(|record| {
        let told: Vec<Told> = match (&record.push, &record.pull) {
            (Some(push), _) => push.layers.iter().map(pushed).collect(),
            (None, Some(pull)) => pull.layers.iter().map(pulled).collect(),
            (None, None) => return None,
        };
        Some(in_order(told, manifest_of(log, record, head)))
    });
    let traces: Vec<Vec<Told>> = traces.collect();
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
        by_arrival: !of_each.is_empty() && head.kind != "start",
        layers: layers(&traces),
        new_bytes: (!new_bytes.is_empty()).then(|| Bytes(median(new_bytes).0)),
        travelled: travelled::of_phase(log, scenario, head),
        resources: resources_of(log, scenario, &head.name),
    })
}

/// What the registry holds of the image of a push or a pull in one round.
fn manifest_of<'l>(log: &'l RunLog, record: &'l PhaseRecord, head: &PhaseHead) -> Option<&'l Manifest> {
    let is_its_push = |name: &str| {
        let mut phases = log.header.journey.iter();
        phases.any(|phase| phase.kind == "push" && phase.image == head.image && phase.name == name)
    };
    let of_trial = log.phases.iter().filter(|other| other.trial == record.trial);
    let mut pushes = of_trial.filter(|other| is_its_push(&other.phase));
    let own = record.manifest.as_ref();
    own.or_else(|| pushes.find_map(|push| push.manifest.as_ref()))
}

/// Layers in the manifest's order, where the engine names them by the beginning of their blobs' digests: one with containerd's
/// image store names them in any order, another one in each round, and configuration and manifest among them. Graph drivers
/// push layers under other names, always in the image's order.
fn in_order<'l>(mut told: Vec<Told<'l>>, manifest: Option<&Manifest>) -> Vec<Told<'l>> {
    let place = |id: &str| {
        let mut digests = manifest?.layers.iter().map(|(digest, _)| digest);
        digests.position(|digest| {
            digest
                .strip_prefix("sha256:")
                .is_some_and(|hex| !id.is_empty() && hex.starts_with(id))
        })
    };
    if told.iter().any(|layer| place(layer.id).is_some()) {
        told.retain(|layer| place(layer.id).is_some());
        told.sort_by_key(|layer| place(layer.id));
    }
    told
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
    if let Some(push) = &record.push {
        let parts = push.parts()?;
        return Some(vec![
            ("pushing", parts.pushing),
            ("preparing", parts.preparing),
            ("waiting", parts.waiting),
            ("anything else", parts.rest),
        ]);
    }
    let start = record.start.as_ref()?;
    Some(vec![
        ("starting the container", start.running),
        ("until it worked", Nanos(record.wall.0.saturating_sub(start.running.0))),
    ])
}

/// What one round tells of a layer: its id, its fate, and when it was at what.
struct Told<'l> {
    id: &'l str,
    fate: LayerFate,
    stretches: Vec<(&'static str, Option<Stretch>)>,
}

fn pushed(layer: &LayerPush) -> Told<'_> {
    Told {
        id: &layer.id,
        fate: match layer.outcome {
            LayerOutcome::Pushed | LayerOutcome::Unknown => LayerFate::Travelled,
            LayerOutcome::Exists => LayerFate::Existed,
            LayerOutcome::Mounted => LayerFate::Mounted,
        },
        stretches: vec![
            ("pushing", layer.pushing),
            ("preparing", layer.preparing),
            ("waiting", layer.waiting),
        ],
    }
}

fn pulled(layer: &LayerPull) -> Told<'_> {
    Told {
        id: &layer.id,
        fate: match layer.outcome {
            PullOutcome::Pulled | PullOutcome::Unknown => LayerFate::Travelled,
            PullOutcome::Exists => LayerFate::Existed,
        },
        stretches: vec![("downloading", layer.downloading), ("extracting", layer.extracting)],
    }
}

fn layers(rounds: &[Vec<Told>]) -> Vec<MovedLayer> {
    let Some(first) = rounds.first() else {
        return Vec::new();
    };
    if rounds.iter().any(|layers| layers.len() != first.len()) {
        return Vec::new();
    }
    let layer = |(at, layer): (usize, &Told)| {
        let time = |(column, (name, _)): (usize, &(&'static str, Option<Stretch>))| {
            let stretches = rounds.iter().filter_map(|layers| layers[at].stretches[column].1);
            let times: Vec<u64> = stretches
                .map(|stretch| stretch.to.0.saturating_sub(stretch.from.0))
                .collect();
            (*name, (!times.is_empty()).then(|| median(times)))
        };
        MovedLayer {
            id: layer.id.to_owned(),
            fate: layer.fate,
            times: layer.stretches.iter().enumerate().map(time).collect(),
        }
    };
    first.iter().enumerate().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample;
    use crate::engine::{PullTrace, PushTrace};
    use crate::runner::event::{Outcome, Resources, Round, StartTrace, TrialKey};

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

    /// A phase of the first scenario.
    fn told(log: &RunLog, phase: &str) -> Option<Moved> {
        let scenario = &log.header.scenarios[0].name;
        let mut all = moved(log).into_iter();
        all.find(|of| of.scenario == *scenario && of.phase == phase)
    }

    fn times(moved: &Moved) -> Vec<f64> {
        moved.parts.iter().map(|(_, time)| time.seconds()).collect()
    }

    #[test]
    fn pulls_and_starts_are_divided() {
        let log = log(&[1.0, 3.0, 2.0]);
        let pull = told(&log, "cold pull").expect("measured");
        // The median of the factors is 2.
        assert_eq!((pull.rounds, pull.wall, pull.by_arrival), (3, seconds(8.0), true));
        assert_eq!(times(&pull), [3.0, 1.0, 2.5, 1.5]);
        assert_eq!(pull.layers[1].times[0], ("downloading", Some(seconds(4.0))));
        assert_eq!(pull.layers[0].times[1], ("extracting", Some(seconds(3.0))));
        let start = told(&log, "cold start").expect("measured");
        assert_eq!((start.wall, start.by_arrival), (seconds(2.0), false));
        assert_eq!(start.parts[1], ("until it worked", seconds(1.5)));
    }

    #[test]
    fn pushes_are_divided_where_their_engine_s_lines_were_timed() {
        let mut log = sample::full();
        let bare = told(&log, "cold push").expect("measured");
        assert_eq!((bare.rounds, bare.wall, bare.by_arrival), (3, seconds(70.8), false));
        assert_eq!((bare.parts, bare.layers), (vec![], vec![]));
        assert_eq!(bare.new_bytes, Some(Bytes(105_300_000)));
        let stretch = |from: f64, to: f64| {
            Some(Stretch {
                from: seconds(from),
                to: seconds(to),
            })
        };
        for record in log.phases.iter_mut().filter(|record| record.phase == "cold push") {
            let sent = LayerPush {
                id: "a1".into(),
                outcome: LayerOutcome::Pushed,
                preparing: stretch(1.0, 2.0),
                waiting: None,
                pushing: stretch(2.0, 60.0),
            };
            let there = LayerPush {
                id: "b2".into(),
                outcome: LayerOutcome::Exists,
                preparing: stretch(1.0, 1.5),
                ..LayerPush::default()
            };
            record.push = Some(PushTrace {
                wall: record.wall,
                layers: vec![sent, there],
                ..PushTrace::default()
            });
        }
        let push = told(&log, "cold push").expect("measured");
        assert!(push.by_arrival);
        assert_eq!(times(&push)[..3], [58.0, 1.0, 0.0]);
        assert_eq!(
            (push.layers[0].fate, push.layers[1].fate),
            (LayerFate::Travelled, LayerFate::Existed)
        );
        let preparing = ("preparing", Some(seconds(0.5)));
        assert_eq!(push.layers[1].times, [("pushing", None), preparing, ("waiting", None)]);
    }

    #[test]
    fn layers_that_an_engine_names_in_any_order_are_the_manifests() {
        let mut log = sample::full();
        let digest = |start: &str| format!("sha256:{start}{}", "0".repeat(52));
        for (round, record) in log
            .phases
            .iter_mut()
            .filter(|record| record.phase == "cold push")
            .enumerate()
        {
            // The user's layer is another one in each round; the base's and the configuration come in any order.
            let own = format!("{round:012}");
            let layer = |id: &str, seconds: f64| LayerPush {
                id: id.into(),
                outcome: LayerOutcome::Pushed,
                pushing: Some(Stretch {
                    from: Nanos(0),
                    to: Nanos::from_seconds(seconds),
                }),
                ..LayerPush::default()
            };
            let mut layers = vec![
                layer("ba5e00000000", 1.0),
                layer(&own, 30.0),
                layer("c0ff16000000", 0.1),
            ];
            layers.rotate_left(round % 3);
            record.push = Some(PushTrace {
                wall: record.wall,
                layers,
                ..PushTrace::default()
            });
            record.manifest = Some(Manifest {
                layers: vec![(digest("ba5e00000000"), Bytes(1)), (digest(&own), Bytes(30))],
                ..Manifest::default()
            });
        }
        let push = told(&log, "cold push").expect("measured");
        assert!(push.rounds > 1);
        let pushing = |layer: &MovedLayer| layer.times[0].1;
        assert_eq!(
            push.layers.iter().map(pushing).collect::<Vec<_>>(),
            [Some(seconds(1.0)), Some(seconds(30.0))]
        );
    }

    #[test]
    fn what_was_not_measured_is_not_told() {
        assert_eq!(told(&log(&[]), "cold pull"), None);
        let mut log = log(&[1.0]);
        for record in &mut log.phases {
            record.outcome = Outcome::Skipped("no engine".into());
        }
        assert_eq!(moved(&log), []);
    }

    #[test]
    fn a_phase_has_what_travelled_and_what_was_used_beside_it() {
        let mut log = sample::layered();
        let resources = Resources {
            cpu: Some(seconds(1.0)),
            ..Resources::default()
        };
        for record in &mut log.phases {
            record.resources = Some(resources.clone());
        }
        let push = told(&log, "hot push").expect("measured");
        assert_eq!(push.travelled.and_then(|of| of.uploaded), Some(Bytes(43_100)));
        let used = push.resources.expect("told").phases;
        assert_eq!((used.len(), used[0].phase.as_str()), (1, "hot push"));
    }
}
