//! A made-up run whose builds downloaded through the mirror.

use crate::engine::StepTrace;
use crate::journal::RunLog;
use crate::mirror::{Kind, Origin, Transfer};
use crate::runner::event::{Asker, NetworkHead, PhaseRecord, RecordingHead, Round, StepTransfer};
use crate::units::Bytes;

/// A replay over one link. Cold builds fetch a distribution's package and Python packages; of the hot ones only that
/// without cache mounts fetches anything. uv fetches a file of 46 MB twice, pip's build opens a tunnel in each round.
pub(crate) fn mirrored() -> RunLog {
    let mut log = super::run(
        "
                   | pip-single       | uv-single[cache_mounts=on] | uv-single[cache_mounts=off]
        cold build | w40 31.4 30.9 33 | w25 19.3 19.1 21.2         | w25 19.8 19.5 20
        hot build  | w4 4.2 4.05 4.31 | w2 1.9 1.8 2               | w30 17.7 16.9 18.5
    ",
    );
    replay(&mut log, "100mbit,20ms");
    for record in &mut log.phases {
        let cold = record.phase == "cold build";
        let installer = if record.trial.scenario == "pip-single" {
            "pip"
        } else {
            "uv pip"
        };
        if let Some(build) = &mut record.build {
            build.steps = steps(installer, cold);
        }
        let mut transfers = Vec::new();
        if cold {
            transfers.push(transfer(
                "apt",
                Kind::Proxied,
                "/debian/pool/b_1.0_amd64.deb",
                4_200_000,
            ));
        }
        if cold || record.trial.scenario.ends_with("=off]") {
            transfers.extend(packages());
        }
        if cold && installer == "uv pip" {
            let mut again = transfer("install", Kind::File, "torch-2.7.0-cp313-none-any.whl", 46_000_000);
            again.transfer.repeat = true;
            transfers.push(again);
        }
        if cold && installer == "pip" {
            let mut tunnel = transfer("install", Kind::Tunnel, "index.example:443", 1200);
            tunnel.transfer.origin = Origin::Upstream;
            transfers.push(tunnel);
        }
        // Rounds differ by what two steps at once asked for.
        if let (true, Round::Measured(round)) = (cold, record.trial.round) {
            let mut page = transfer("", Kind::Index, "numpy", 1000 * u64::from(round));
            page.step = Asker::Ambiguous;
            transfers.push(page);
        }
        record.transfers = Some(transfers);
    }
    log
}

/// Says that a recording was replayed over this link.
pub(crate) fn replay(log: &mut RunLog, link: &str) {
    log.tells_network = true;
    log.header.network = NetworkHead {
        mode: "replay".into(),
        recording: Some(RecordingHead {
            name: "published-light".into(),
            digest: "sha256:1a2b3c4d5e6f".into(),
            entries: 187,
            size: Bytes(312_000_000),
        }),
        synthetic: None,
    };
    log.header.fingerprint.identity.network = format!("replay over {link}");
    log.header.fingerprint.drift.recording = "sha256:1a2b3c4d5e6f".into();
    for scenario in &mut log.header.scenarios {
        scenario.link = link.into();
    }
}

/// Downloads that a round of the scenario's phase had; made if there are none.
pub(crate) fn transfers_of<'a>(
    log: &'a mut RunLog,
    round: Round,
    scenario: &str,
    phase: &str,
) -> &'a mut Vec<StepTransfer> {
    let fits = |record: &&mut PhaseRecord| {
        record.trial.round == round && record.trial.scenario == scenario && record.phase == phase
    };
    let record = log.phases.iter_mut().find(fits).expect("a record");
    record.transfers.get_or_insert_default()
}

/// A download of so many bytes by the step with this id.
pub(crate) fn transfer(step: &str, kind: Kind, name: &str, bytes: u64) -> StepTransfer {
    StepTransfer {
        step: Asker::Step(step.into()),
        transfer: Transfer {
            source: [172, 17, 0, 2].into(),
            kind,
            name: name.into(),
            started_unix_ns: 1_795_260_600_000_000_000,
            ended_unix_ns: 1_795_260_600_020_000_000,
            bytes: Bytes(bytes),
            origin: Origin::Recording,
            repeat: false,
            status: 200,
            problem: None,
        },
    }
}

fn packages() -> Vec<StepTransfer> {
    let packages = [("fastapi", 95_000), ("numpy", 16_600_000), ("torch", 46_000_000)];
    let kinds = |(name, bytes): (&str, u64)| {
        let file = format!("{name}-2.7.0-cp313-none-any.whl");
        [
            transfer("install", Kind::Index, name, 48_000),
            transfer("install", Kind::Metadata, &format!("{file}.metadata"), 9_000),
            transfer("install", Kind::File, &file, bytes),
        ]
    };
    packages.into_iter().flat_map(kinds).collect()
}

fn steps(installer: &str, cold: bool) -> Vec<StepTrace> {
    let step = |id: &str, name: String, cached| StepTrace {
        id: id.into(),
        name,
        cached,
        ..StepTrace::default()
    };
    vec![
        step(
            "definition",
            "[internal] load build definition from Dockerfile".into(),
            false,
        ),
        step("base", "[1/4] FROM python:3.12.10-slim-bookworm".into(), true),
        step("apt", "[2/4] RUN apt-get update  && apt-get install -y b".into(), !cold),
        step(
            "install",
            format!("[3/4] RUN {installer} install\n  -r <requirements>.txt"),
            false,
        ),
        step("copy", "[4/4] COPY src src".into(), false),
    ]
}
