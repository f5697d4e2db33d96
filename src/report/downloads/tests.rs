use super::*;
use crate::analysis::sample;
use crate::journal::RunLog;
use crate::runner::event::Round;
use crate::units::Bytes;

fn shown(log: &RunLog) -> Option<String> {
    network(&Report::of(log))
}

#[test]
fn the_network_is_told_with_its_recording_and_link() {
    let mut log = sample::mirrored();
    assert_eq!(
        shown(&log).as_deref(),
        Some("replay of recording published-light (sha256:1a2b3c…, 187 files, 312.0 MB) over 100mbit,20ms")
    );
    log.header.network.synthetic = Some("200 packages of 40 files".into());
    assert!(
        shown(&log)
            .unwrap()
            .contains("312.0 MB) with generated packages (200 packages of 40 files) over")
    );
    log.header.network.recording = None;
    assert_eq!(
        shown(&log).as_deref(),
        Some("replay of generated packages (200 packages of 40 files) over 100mbit,20ms")
    );
}

#[test]
fn a_recording_that_is_being_made_has_no_digest() {
    let mut log = sample::mirrored();
    log.header.network.mode = "record".into();
    let recording = log.header.network.recording.as_mut().unwrap();
    recording.digest.clear();
    recording.entries = 1;
    assert_eq!(
        shown(&log).as_deref(),
        Some("record into recording published-light (1 file, 312.0 MB at the start) over 100mbit,20ms")
    );
}

#[test]
fn links_that_differ_are_left_to_the_columns() {
    let mut log = sample::mirrored();
    for scenario in &mut log.header.scenarios {
        scenario.link = "unshaped".into();
    }
    assert!(shown(&log).unwrap().ends_with(" over an unshaped link"));
    log.header.scenarios[1].link = "1gbit".into();
    assert!(shown(&log).unwrap().ends_with("312.0 MB), link by scenario"));
}

#[test]
fn without_a_mirror_only_the_environment_tells_of_the_network() {
    let mut log = sample::single_round();
    assert_eq!(shown(&log), None);
    log.tells_network = true;
    assert_eq!(shown(&log), None);
}

#[test]
fn a_build_is_summed_up_by_kinds() {
    let report = Report::of(&sample::mirrored());
    let texts: Vec<String> = report.downloads.iter().map(summary).collect();
    assert_eq!(
        texts[..2],
        [
            "67.1 MB in 12 requests: 3 files (62.7 MB), 1 proxied file (4.2 MB), 4 index pages (146.0 kB), 3 metadata files (27.0 kB), 1 \
             tunnel (1.2 kB)",
            "113.1 MB in 12 requests: 4 files (108.7 MB), 1 proxied file (4.2 MB), 4 index pages (146.0 kB), 3 metadata files (27.0 kB); 1 \
             request was a repeat (46.0 MB)"
        ]
    );
    assert_eq!(texts[3], "0 B", "a warm cache");
    let mut build = report.downloads[3].clone();
    build.failed = 2;
    assert_eq!(summary(&build), "0 B; 2 requests were refused or failed");
}

#[test]
fn of_many_steps_the_largest_are_named() {
    let mut log = sample::single_round();
    let transfers = sample::transfers_of(&mut log, Round::Measured(1), "pip-single", "cold build");
    for number in 1..=7_u64 {
        let step = format!("{number} {}", "é".repeat(200));
        transfers.push(sample::transfer(&step, Kind::File, "f", number));
    }
    let report = Report::of(&log);
    let lines = steps(&report.downloads[0]);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0], format!("7 {}…: 7 B in 1 request", "é".repeat(97)));
    assert_eq!(lines[5], "2 other steps: 3 B in 2 requests");
    let sum: Bytes = report.downloads[0].steps.iter().map(|(_, tally)| tally.bytes).sum();
    assert_eq!(sum, Bytes(28));
}
