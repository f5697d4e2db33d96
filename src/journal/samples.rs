//! Events for this room's tests: every variant, with every optional field present and absent.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::Journal;
use crate::engine::inventory::ThingKind;
use crate::engine::layers::{Waste, WastedFile};
use crate::engine::{
    BuildTrace, ImageDetails, Interval, LayerOutcome, LayerPull, LayerPush, LogLine, Progress, PullOutcome, PullTrace,
    PushTrace, StepPart, StepTrace, Stretch,
};
use crate::environment::load::MachineLoad;
use crate::environment::noise::{Finding, Noise};
use crate::environment::{Drift, Fingerprint, Identity};
use crate::mirror::{Kind, Origin, Transfer};
use crate::runner::event::{
    Asker, BaseImage, Blobs, Change, Cleanup, Failure, HostProof, HostThing, ImageRecord, LayerOrigin, LayerRecord,
    Manifest, NetworkHead, Outcome, PhaseHead, PhaseRecord, PublishedHead, RecordingHead, RegistryTraffic, Resources,
    Round, RunEnd, RunEvent, RunHeader, ScenarioHead, Seam, StartTrace, StepTransfer, Travelled, TrialKey, TrialRecord,
};
use crate::units::{Bytes, Nanos, RunId};

/// So many seconds after the start of the sample run, with a fraction down to the nanosecond.
pub fn time(seconds: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-21T11:30:00.123456789Z".parse().unwrap();
    start + TimeDelta::seconds(seconds)
}

pub fn trial(round: Round, scenario: &str) -> TrialKey {
    TrialKey {
        round,
        scenario: scenario.to_owned(),
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A first record with everything in it.
#[allow(clippy::too_many_lines, reason = "it has all that a header has")]
pub fn header() -> RunHeader {
    let scenarios = ["uv-single[cache_mounts=off]", "pip-single"];
    RunHeader {
        run: RunId("20261121-113000-1f3a".to_owned()),
        started: time(0),
        bakeoff_version: "0.1.0".to_owned(),
        suite: "published".to_owned(),
        description: "Four ways to install.".to_owned(),
        suite_path: "scenarios/published.toml".to_owned(),
        selected: vec!["uv-*".to_owned()],
        suite_text: "[suite]\nname = \"published\"\n".to_owned(),
        options: map(&[("suite", "../../scenarios/published.toml"), ("rounds", "2")]),
        fixture_digest: "sha256:f1".to_owned(),
        fixture: "fastapi".to_owned(),
        variant: "light".to_owned(),
        seed: u64::MAX,
        rounds: 2,
        warmup: 1,
        scenarios: vec![
            ScenarioHead {
                name: scenarios[0].to_owned(),
                base_name: "uv-single".to_owned(),
                factors: vec![
                    ("cache_mounts".to_owned(), "off".to_owned()),
                    ("builder".to_owned(), "buildkit".to_owned()),
                ],
                builder: "buildkit".to_owned(),
                dockerfile: "FROM python\nRUN uv sync\n".to_owned(),
                build_args: map(&[("TOKEN", "[redacted]"), ("EXTRA", "dev")]),
                link: "100mbit,20ms".to_owned(),
            },
            ScenarioHead {
                name: scenarios[1].to_owned(),
                base_name: "pip-single".to_owned(),
                factors: vec![],
                builder: "classic".to_owned(),
                dockerfile: "FROM python\n".to_owned(),
                build_args: BTreeMap::new(),
                link: String::new(),
            },
        ],
        journey: vec![PhaseHead {
            name: "hot build".to_owned(),
            kind: "build".to_owned(),
            image: "hot".to_owned(),
            temperature: "hot".to_owned(),
            edits: vec!["bump-light".to_owned()],
            files: vec!["requirements.txt".to_owned()],
        }],
        questions: Vec::new(),
        order: [Round::Warmup(1), Round::Measured(1), Round::Measured(2)]
            .into_iter()
            .flat_map(|round| scenarios.map(|scenario| trial(round, scenario)))
            .collect(),
        images: vec![BaseImage {
            role: "python".to_owned(),
            reference: "python:3.12.10-slim-bookworm".to_owned(),
            used: "bakeoff/python:stand-in".to_owned(),
            id: "sha256:aa".to_owned(),
            stand_in: true,
            host_ca: false,
        }],
        network: NetworkHead {
            mode: "replay".to_owned(),
            recording: Some(RecordingHead {
                name: "published-light".to_owned(),
                digest: "sha256:5f".to_owned(),
                entries: 187,
                size: Bytes(312_000_000),
            }),
            synthetic: Some("200 packages of 40 files, 2.0 MB each, depth 3, seed 1".to_owned()),
        },
        engines: Vec::new(),
        fingerprint: Fingerprint {
            identity: Identity {
                cpu_model: "Some CPU".to_owned(),
                cpus: 2,
                memory: Bytes(8_000_000_000),
                engine: "host".to_owned(),
                engine_major: "20.10".to_owned(),
                storage_driver: "overlay2".to_owned(),
                image_store: "graphdriver".to_owned(),
                network: "replay over 100mbit,20ms".to_owned(),
                bases: "stand-in".to_owned(),
            },
            drift: Drift {
                kernel: "6.1.0".to_owned(),
                operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
                engine_version: "20.10.24+dfsg1".to_owned(),
                api_version: "1.41".to_owned(),
                recording: "sha256:5f".to_owned(),
            },
        },
        noise: Some(noise()),
        published: Some(PublishedHead {
            source: "article 004".to_owned(),
            times: BTreeMap::from([(
                "hot build".to_owned(),
                BTreeMap::from([("uv-single".to_owned(), Nanos(75_500_000_000))]),
            )]),
            sizes: BTreeMap::from([(
                "image size".to_owned(),
                BTreeMap::from([("uv-single".to_owned(), Bytes(9_050_000_000))]),
            )]),
        }),
    }
}

/// A probe that found a disturbance and something else that is as it should be.
pub fn noise() -> Noise {
    let finding = |name: &str, noisy, remedy: &str, figures: &[(&str, u64)]| Finding {
        name: name.to_owned(),
        noisy,
        found: format!("what was found of the {name}"),
        remedy: remedy.to_owned(),
        figures: figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    };
    Noise {
        probed: time(-600),
        lasted: Nanos(30_000_000_001),
        boot: "3c3a1f0e".to_owned(),
        findings: vec![
            finding("hypervisor", true, "use a dedicated host", &[("stolen_ppm", 41_000)]),
            finding("frequency", false, "", &[("slowest_mhz", 2445), ("quickest_mhz", 2445)]),
        ],
    }
}

/// What a phase used, and what the machine did meanwhile.
fn used() -> Resources {
    Resources {
        cpu: Some(Nanos(9_500_000_000)),
        peak_memory: Some(Bytes(386_703_360)),
        disk_read: None,
        disk_written: Some(Bytes(50_000_000)),
        machine: Some(MachineLoad {
            all: Nanos(9_500_000_000),
            busy: Nanos(6_100_000_000),
            stolen: Nanos(120_000_000),
            disk_waits: Some(Nanos(310_000_000)),
        }),
        absent: vec!["disk read: not counted".to_owned()],
    }
}

/// A first record with every list empty and every optional field absent.
pub fn bare_header() -> RunHeader {
    RunHeader {
        scenarios: vec![],
        journey: vec![],
        order: vec![],
        images: vec![],
        network: NetworkHead {
            mode: "upstream".to_owned(),
            ..NetworkHead::default()
        },
        fingerprint: Fingerprint::default(),
        noise: None,
        published: None,
        seed: 0,
        ..header()
    }
}

fn phase(name: &str, outcome: Outcome) -> PhaseRecord {
    PhaseRecord {
        trial: trial(Round::Measured(1), "uv-single[cache_mounts=off]"),
        phase: name.to_owned(),
        started: time(60),
        wall: Nanos(4_750_000_001),
        outcome,
        build: None,
        push: None,
        pull: None,
        start: None,
        image: None,
        transfers: None,
        resources: None,
        travelled: None,
        manifest: None,
    }
}

/// Downloads of every kind and origin, by every sort of asker; one of them is a repeat and one was refused.
fn transfers() -> Vec<StepTransfer> {
    let transfer = |step, kind, name: &str, origin| StepTransfer {
        step,
        transfer: Transfer {
            source: [172, 17, 0, 2].into(),
            kind,
            name: name.to_owned(),
            started_unix_ns: 1_795_260_660_000_000_004,
            ended_unix_ns: 1_795_260_660_000_000_005,
            bytes: Bytes(2048),
            origin,
            repeat: false,
            status: 200,
            problem: None,
        },
    };
    let step = || Asker::Step("sha256:02".to_owned());
    let mut again = transfer(step(), Kind::File, "a-1.0-py3-none-any.whl", Origin::Synthetic);
    again.transfer.repeat = true;
    let url = "index.example:443";
    let mut refused = transfer(step(), Kind::Tunnel, url, Origin::Refused);
    refused.transfer.source = "fd00::2".parse().unwrap();
    refused.transfer.bytes = Bytes(0);
    refused.transfer.status = 403;
    refused.transfer.problem = Some(format!("{url}: nothing may leave a replay"));
    vec![
        transfer(step(), Kind::Index, "a", Origin::Recording),
        transfer(
            Asker::Ambiguous,
            Kind::Metadata,
            "a-1.0-py3-none-any.whl.metadata",
            Origin::Recording,
        ),
        again,
        transfer(
            Asker::Unknown,
            Kind::Proxied,
            "/debian/pool/b_1.0_amd64.deb",
            Origin::Upstream,
        ),
        refused,
    ]
}

/// A build that was measured. Its log is what a journal leaves out.
pub fn build_phase() -> PhaseRecord {
    let interval = Interval {
        started: 1_795_260_660_000_000_001,
        completed: Some(1_795_260_664_000_000_002),
    };
    PhaseRecord {
        build: Some(BuildTrace {
            wall: Nanos(4_750_000_000),
            image_id: "sha256:bb".to_owned(),
            steps: vec![
                StepTrace {
                    id: "sha256:01".to_owned(),
                    name: "[1/2] FROM python".to_owned(),
                    ..StepTrace::default()
                },
                StepTrace {
                    id: "sha256:02".to_owned(),
                    name: "[2/2] RUN uv sync \"ü\"\n".to_owned(),
                    inputs: vec!["sha256:01".to_owned()],
                    intervals: vec![
                        interval,
                        Interval {
                            started: 1_795_260_665_000_000_003,
                            completed: None,
                        },
                    ],
                    cached: true,
                    error: Some("cancelled".to_owned()),
                    parts: vec![
                        StepPart {
                            name: "exporting layers".to_owned(),
                            current: 10,
                            total: 20,
                            interval: Some(interval),
                        },
                        StepPart {
                            name: "transferring context: 2B".to_owned(),
                            current: 2,
                            total: 0,
                            interval: None,
                        },
                    ],
                },
            ],
            log: vec![LogLine {
                step: "sha256:02".to_owned(),
                text: "Resolved 40 packages".to_owned(),
            }],
            warnings: vec!["FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)".to_owned()],
            context: Bytes(0),
            sources: std::collections::BTreeSet::new(),
        }),
        image: Some(ImageDetails {
            id: "sha256:bb".to_owned(),
            size: Bytes(123_456_789),
            layers: vec!["sha256:l1".to_owned(), "sha256:l2".to_owned()],
            labels: map(&[("dev.bakeoff.run", "20261121-113000-1f3a")]),
            repo_digests: vec!["127.0.0.1:5000/x@sha256:cc".to_owned()],
        }),
        transfers: Some(transfers()),
        travelled: Some(Travelled {
            context: Some(Bytes(4711)),
            registry: None,
        }),
        resources: Some(used()),
        ..phase("hot build", Outcome::Measured)
    }
}

/// What went to and from a registry, each number another one.
fn traffic() -> RegistryTraffic {
    let blobs = |count: u32| Blobs {
        count,
        size: Bytes(u64::from(count) * 1000),
    };
    RegistryTraffic {
        uploaded: blobs(1),
        present: blobs(2),
        mounted: blobs(3),
        pulled: blobs(4),
    }
}

/// A push in which every fate of a layer occurs; measured, but not valid.
pub fn push_phase() -> PhaseRecord {
    let fates = [
        LayerOutcome::Pushed,
        LayerOutcome::Exists,
        LayerOutcome::Mounted,
        LayerOutcome::Unknown,
    ];
    PhaseRecord {
        push: Some(PushTrace {
            wall: Nanos(300_000_000),
            layers: fates
                .into_iter()
                .map(|outcome| LayerPush {
                    id: "8d5ac3489996".to_owned(),
                    outcome,
                    ..LayerPush::default()
                })
                .collect(),
            digest: "sha256:cc".to_owned(),
        }),
        transfers: None,
        resources: None,
        travelled: Some(Travelled {
            context: None,
            registry: Some(traffic()),
        }),
        manifest: Some(Manifest {
            digest: "sha256:cc".to_owned(),
            layers: vec![
                ("sha256:l1".to_owned(), Bytes(1000)),
                ("sha256:l2".to_owned(), Bytes(2000)),
            ],
            new_bytes: Bytes(2000),
        }),
        ..phase(
            "hot push",
            Outcome::Invalid(vec!["every layer was there".to_owned(), "second".to_owned()]),
        )
    }
}

/// A pull in which every fate of a layer occurs.
pub fn pull_phase() -> PhaseRecord {
    let stretch = |from, to| {
        Some(Stretch {
            from: Nanos(from),
            to: Nanos(to),
        })
    };
    let layer = |outcome, downloading, extracting| LayerPull {
        id: "8d5ac3489996".to_owned(),
        outcome,
        downloading,
        extracting,
    };
    PhaseRecord {
        pull: Some(PullTrace {
            wall: Nanos(900_000_000),
            layers: vec![
                layer(PullOutcome::Exists, None, None),
                layer(
                    PullOutcome::Pulled,
                    stretch(10_000_000, 400_000_000),
                    stretch(410_000_000, 890_000_001),
                ),
                layer(PullOutcome::Unknown, stretch(10_000_000, 10_000_000), None),
            ],
            digest: "sha256:cc".to_owned(),
            retries: 1,
        }),
        ..phase("hot pull", Outcome::Measured)
    }
}

/// A start that was measured.
pub fn start_phase() -> PhaseRecord {
    PhaseRecord {
        start: Some(StartTrace {
            running: Nanos(310_000_000),
            asked: 27,
        }),
        ..phase("cold start", Outcome::Measured)
    }
}

/// A failed build, with everything that is known of it.
pub fn failed_phase() -> PhaseRecord {
    PhaseRecord {
        build: Some(BuildTrace {
            wall: Nanos(1),
            ..BuildTrace::default()
        }),
        transfers: Some(vec![]),
        ..phase(
            "cold build",
            Outcome::Failed(Failure {
                message: "process \"/bin/sh -c uv sync\" did not complete successfully: exit code: 1".to_owned(),
                step: Some("[2/2] RUN uv sync".to_owned()),
                line: Some(("uv-single.Dockerfile".to_owned(), 2)),
                last_lines: vec!["error: no network".to_owned()],
                log_file: Some("logs/round-1-uv-single-cache_mounts-off-cold-build.log".to_owned()),
            }),
        )
    }
}

/// A failed push, of which little is known.
pub fn bare_failed_phase() -> PhaseRecord {
    phase(
        "cold push",
        Outcome::Failed(Failure {
            message: "registry is gone".to_owned(),
            ..Failure::default()
        }),
    )
}

/// A phase that was not tried.
pub fn skipped_phase() -> PhaseRecord {
    phase("noop push", Outcome::Skipped("cold build failed".to_owned()))
}

/// Images with a layer of every origin, one that was read and one that was not.
fn images() -> Vec<ImageRecord> {
    let layer = |number: u64, origin| LayerRecord {
        diff_id: format!("sha256:d{number}"),
        size: Some(Bytes(number * 2000)),
        blob: Some((format!("sha256:l{number}"), Bytes(number * 1000))),
        origin,
    };
    let read = ImageRecord {
        image: "cold".to_owned(),
        layers: vec![
            layer(1, LayerOrigin::Base),
            layer(2, LayerOrigin::Mark),
            layer(3, LayerOrigin::Dockerfile { line: Some(2) }),
        ],
        waste: Some(Waste {
            wasted: Bytes(3100),
            paths: 4,
            dive_needed: Bytes(2060),
            dive_stored: Bytes(5160),
            dive_wasted: Bytes(4100),
            top: vec![WastedFile {
                path: "app/big".to_owned(),
                wasted: Bytes(2500),
                times: 2,
            }],
        }),
        unread: None,
    };
    let bare = LayerRecord {
        diff_id: "sha256:d4".to_owned(),
        size: None,
        blob: None,
        origin: LayerOrigin::Dockerfile { line: None },
    };
    let unread = ImageRecord {
        image: "hot".to_owned(),
        layers: vec![bare],
        waste: None,
        unread: Some("reading the scenario's layers took longer than 120 s".to_owned()),
    };
    vec![read, unread]
}

pub fn trial_finished(round: Round, scenario: &str) -> TrialRecord {
    TrialRecord {
        trial: trial(round, scenario),
        failed: None,
        probed: vec!["cold".to_owned()],
        broken: vec![("hot".to_owned(), "it ended before it answered".to_owned())],
        images: images(),
        cleanup: Cleanup {
            removed_records: 12,
            freed: Bytes(1_000_000),
            left_records: 1,
            left_bytes: Bytes(4096),
            problems: vec!["cache record x: in use".to_owned()],
        },
    }
}

/// A seam with everything in it.
pub fn seam() -> Seam {
    Seam {
        resumed: time(1800),
        stopped: time(1200),
        bakeoff_version: "0.1.1".to_owned(),
        after: Some(trial(Round::Warmup(1), "pip-single")),
        again: Some(trial(Round::Measured(1), "uv-single[cache_mounts=off]")),
        superseded: 1,
        torn: true,
        changes: vec![Change {
            what: "kernel".to_owned(),
            before: "6.1.0".to_owned(),
            now: "6.1.1".to_owned(),
        }],
    }
}

/// A seam of a run that had measured nothing.
pub fn bare_seam() -> Seam {
    Seam {
        after: None,
        again: None,
        superseded: 0,
        torn: false,
        changes: vec![],
        ..seam()
    }
}

/// What a run did to the host's engine: one thing of each kind.
pub fn host_proof() -> HostProof {
    let thing = |kind, name: &str| HostThing {
        kind,
        name: name.to_owned(),
    };
    HostProof {
        kept: vec![thing(ThingKind::Image, "bakeoff-stand-in-python:1")],
        added: vec![thing(ThingKind::Network, "new"), thing(ThingKind::Container, "new")],
        removed: vec![thing(ThingKind::Volume, "old")],
        added_records: 2,
        removed_records: 1,
    }
}

pub fn run_end(interrupted: bool) -> RunEnd {
    RunEnd {
        ended: time(3600),
        interrupted,
        host: Some(host_proof()),
    }
}

/// Every event that a journal keeps, in an order in which a run may tell them.
pub fn events() -> Vec<RunEvent> {
    let mut events = vec![
        RunEvent::RunStarted(Box::new(header())),
        RunEvent::TrialStarted(trial(Round::Warmup(1), "pip-single")),
        RunEvent::TrialFinished(TrialRecord {
            trial: trial(Round::Warmup(1), "pip-single"),
            failed: Some("no Docker Engine answers".to_owned()),
            probed: vec![],
            broken: vec![],
            images: vec![],
            cleanup: Cleanup::default(),
        }),
        RunEvent::TrialStarted(trial(Round::Measured(1), "uv-single[cache_mounts=off]")),
        RunEvent::PhaseFinished(Box::new(superseded_phase())),
        RunEvent::RunFinished(RunEnd {
            ended: time(1200),
            interrupted: true,
            host: None,
        }),
        RunEvent::RunResumed(Box::new(seam())),
        RunEvent::TrialStarted(trial(Round::Measured(1), "uv-single[cache_mounts=off]")),
    ];
    for phase in [
        build_phase(),
        push_phase(),
        pull_phase(),
        start_phase(),
        failed_phase(),
        bare_failed_phase(),
        skipped_phase(),
    ] {
        events.push(RunEvent::PhaseFinished(Box::new(phase)));
    }
    events.push(RunEvent::TrialFinished(trial_finished(
        Round::Measured(1),
        "uv-single[cache_mounts=off]",
    )));
    events.push(RunEvent::RunFinished(run_end(false)));
    events
}

/// A phase of a trial that is measured again.
pub fn superseded_phase() -> PhaseRecord {
    phase("hot build", Outcome::Measured)
}

/// Every event that is only for the progress display.
pub fn progress_events() -> Vec<RunEvent> {
    vec![
        RunEvent::Preparing("making the stand-in for python".to_owned()),
        RunEvent::PhaseStarted {
            trial: trial(Round::Measured(1), "pip-single"),
            phase: "cold build".to_owned(),
            measured: true,
        },
        RunEvent::Progress(Progress::StepStarted("[1/2] FROM python".to_owned())),
        RunEvent::Progress(Progress::Note("pushing".to_owned())),
    ]
}

/// The phase as it is read back: without the log.
pub fn without_log(mut phase: PhaseRecord) -> PhaseRecord {
    if let Some(build) = &mut phase.build {
        build.log.clear();
    }
    phase
}

/// Writes a journal of these events into `dir`.
pub fn write(dir: &Path, events: &[RunEvent]) {
    let mut journal = Journal::create(dir).unwrap();
    for event in events {
        if matches!(event, RunEvent::RunResumed(_)) {
            drop(journal);
            (journal, _, _) = Journal::reopen(dir).unwrap();
        }
        journal.append(event).unwrap();
    }
}
