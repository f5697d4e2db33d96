//! A made-up run that tells of layers, waste and what travelled.

use crate::engine::layers::{Waste, WastedFile};
use crate::journal::RunLog;
use crate::runner::event::{Blobs, ImageRecord, LayerOrigin, LayerRecord, RegistryTraffic, Travelled};
use crate::units::Bytes;

/// One scenario in two rounds. Its hot image keeps the layer of line 2; the cold one was read, the other could not be.
pub(crate) fn layered() -> RunLog {
    let mut log = super::run(
        "
                   | uv-single
        cold build | 31.4 30
        hot build  | 4.2 4.4
        cold push  | 20 21
        hot push   | 1 1.2
    ",
    );
    for record in &mut log.phases {
        let blobs = |count, size| Blobs {
            count,
            size: Bytes(size),
        };
        let registry = |uploaded, present| {
            Some(RegistryTraffic {
                uploaded,
                present,
                ..RegistryTraffic::default()
            })
        };
        let (context, registry) = match record.phase.as_str() {
            "cold build" => (Some(Bytes(48_000)), None),
            "hot build" => (Some(Bytes(1_900)), None),
            "cold push" => (None, registry(blobs(5, 140_003_100), blobs(0, 0))),
            _ => (None, registry(blobs(2, 43_100), blobs(3, 139_960_000))),
        };
        record.travelled = Some(Travelled { context, registry });
    }
    for (round, trial) in log.trials.iter_mut().enumerate() {
        trial.images = ["cold", "hot"].map(|image| record(image, round)).into();
    }
    log
}

fn record(image: &str, round: usize) -> ImageRecord {
    let layer = |name: String, size, packed, origin| LayerRecord {
        diff_id: format!("sha256:d-{name}"),
        size: Some(Bytes(size)),
        blob: Some((format!("sha256:b-{name}"), Bytes(packed))),
        origin,
    };
    let of_line = |line| LayerOrigin::Dockerfile { line: Some(line) };
    let is_read = image == "cold" && round == 0;
    ImageRecord {
        image: image.to_owned(),
        layers: vec![
            layer("base".into(), 111_000_000, 40_000_000, LayerOrigin::Base),
            layer(format!("mark-{round}"), 200, 300, LayerOrigin::Mark),
            layer(format!("sync-{round}"), 300_000_000, 99_959_700, of_line(2)),
            layer(format!("src-{image}-{round}"), 100_000, 40_000, of_line(5)),
        ],
        waste: is_read.then(|| Waste {
            wasted: Bytes(12_400_000),
            paths: 31,
            dive_needed: Bytes(390_000_000),
            dive_stored: Bytes(410_000_000),
            dive_wasted: Bytes(24_000_000),
            top: vec![
                WastedFile {
                    path: "root/.cache/wheel.whl".to_owned(),
                    wasted: Bytes(12_000_000),
                    times: 1,
                },
                WastedFile {
                    path: "etc/ld.so.cache".to_owned(),
                    wasted: Bytes(400_000),
                    times: 2,
                },
            ],
        }),
        unread: (image == "hot" && round == 0)
            .then(|| "reading the scenario's layers took longer than 120 s".to_owned()),
    }
}
