use std::fs;

use super::*;
use crate::engine::LayerOutcome;
use crate::journal::samples;
use crate::mirror::{Kind, Origin};
use crate::runner::event::{Asker, Outcome, Round, RunEvent};
use crate::units::{Bytes, Nanos};

const PINNED: &str = include_str!("../testdata/schema-1.jsonl");
const NEWEST: &str = include_str!("../testdata/schema-2.jsonl");
const WITH_NETWORK: &str = include_str!("../testdata/schema-1-network.jsonl");

fn folder(text: impl AsRef<[u8]>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), text).unwrap();
    dir
}

/// What reading this text as a journal fails with, without the folder's name.
fn error(text: impl AsRef<[u8]>) -> String {
    let dir = folder(text);
    let error = read(dir.path()).unwrap_err().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

/// The pinned journal with line `number` (from 1) changed.
fn with_line(number: usize, change: impl Fn(&str) -> String) -> String {
    let changed = |(index, line): (usize, &str)| {
        if index + 1 == number {
            change(line)
        } else {
            line.to_owned()
        }
    };
    PINNED
        .lines()
        .enumerate()
        .map(changed)
        .map(|line| line + "\n")
        .collect()
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut events = samples::events();
    events.splice(1..1, samples::progress_events());
    samples::write(dir.path(), &events);
    let log = read(dir.path()).unwrap();
    assert_eq!(log.dir, dir.path());
    assert_eq!(format!("{:?}", log.header), format!("{:?}", samples::header()));
    let (mut phases, mut trials) = (vec![], vec![]);
    for event in events {
        match event {
            RunEvent::PhaseFinished(phase) => phases.push(samples::without_log(*phase)),
            RunEvent::TrialFinished(trial) => trials.push(trial),
            _ => {}
        }
    }
    // The first was measured before the seam, in a trial that had not ended.
    assert_eq!(log.superseded, [phases.remove(0)]);
    assert_eq!(log.seams, [samples::seam()]);
    assert_eq!((log.schema, log.open.clone(), log.is_complete()), (2, None, true));
    assert_eq!(phases.len(), 7);
    assert_eq!(log.phases, phases);
    assert_eq!(trials.len(), 2);
    assert_eq!(log.trials, trials);
    assert_eq!(log.end, Some(samples::run_end(false)));
    assert!(log.warnings.is_empty());
}

#[test]
fn a_bare_run_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    samples::write(dir.path(), &[RunEvent::RunStarted(Box::new(samples::bare_header()))]);
    let log = read(dir.path()).unwrap();
    assert_eq!(format!("{:?}", log.header), format!("{:?}", samples::bare_header()));
    assert!(log.end.is_none());
}

/// The figures that reports are made of, as the text of 2026 says them: not compared with anything that the program
/// of today writes.
#[test]
fn the_pinned_journal_of_schema_1_is_readable() {
    let log = read(folder(PINNED).path()).unwrap();
    assert_eq!(log.header.run.0, "20261121-113000-1f3a");
    assert_eq!(log.header.started.to_rfc3339(), "2026-11-21T11:30:00.123456789+00:00");
    assert_eq!(log.header.seed, 18_446_744_073_709_551_615);
    assert_eq!(log.header.order[0].round, Round::Warmup(1));
    assert_eq!(
        log.header.scenarios[0].factors[1],
        ("builder".to_owned(), "buildkit".to_owned())
    );
    assert_eq!(log.header.fingerprint.identity.memory, Bytes(8_000_000_000));
    let published = log.header.published.unwrap();
    assert_eq!(published.times["hot build"]["uv-single"], Nanos(75_500_000_000));
    assert_eq!(published.sizes["image size"]["uv-single"], Bytes(9_050_000_000));
    let build = &log.phases[0];
    assert_eq!(build.trial.round, Round::Measured(1));
    assert_eq!(build.wall, Nanos(4_750_000_001));
    assert_eq!(build.outcome, Outcome::Measured);
    let trace = build.build.as_ref().unwrap();
    assert_eq!(trace.wall, Nanos(4_750_000_000));
    assert_eq!(trace.steps[1].intervals[0].completed, Some(1_795_260_664_000_000_002));
    assert_eq!(trace.steps[1].intervals[1].completed, None);
    assert!(trace.steps[1].cached);
    assert_eq!(build.image.as_ref().unwrap().size, Bytes(123_456_789));
    let push = &log.phases[1];
    assert!(matches!(&push.outcome, Outcome::Invalid(reasons) if reasons.len() == 2));
    assert_eq!(push.push.as_ref().unwrap().layers[2].outcome, LayerOutcome::Mounted);
    assert_eq!(
        push.manifest.as_ref().unwrap().layers[1],
        ("sha256:l2".to_owned(), Bytes(2000))
    );
    let Outcome::Failed(failure) = &log.phases[2].outcome else {
        panic!("{:?}", log.phases[2].outcome)
    };
    assert_eq!(failure.line, Some(("uv-single.Dockerfile".to_owned(), 2)));
    assert_eq!(log.phases[4].outcome, Outcome::Skipped("cold build failed".to_owned()));
    assert_eq!(log.trials[1].cleanup.freed, Bytes(1_000_000));
    assert!(!log.end.unwrap().interrupted);
}

#[test]
fn a_journal_of_before_the_mirror_went_upstream() {
    let log = read(folder(PINNED).path()).unwrap();
    assert!(!log.tells_network);
    assert_eq!(log.header.network.mode, "upstream");
    assert_eq!(log.header.network.recording, None);
    assert_eq!(log.header.network.synthetic, None);
    assert_eq!(log.header.scenarios[0].link, "");
    assert_eq!(log.header.fingerprint.drift.recording, "");
    assert!(log.phases.iter().all(|phase| phase.transfers.is_none()));
}

/// Like the above, of what came with the mirror.
#[test]
fn the_pinned_network_of_schema_1_is_readable() {
    let log = read(folder(WITH_NETWORK).path()).unwrap();
    assert!(log.tells_network);
    assert_eq!(log.header.network.mode, "replay");
    let recording = log.header.network.recording.unwrap();
    assert_eq!(
        (recording.name.as_str(), recording.digest.as_str()),
        ("published-light", "sha256:5f")
    );
    assert_eq!((recording.entries, recording.size), (187, Bytes(312_000_000)));
    assert!(log.header.network.synthetic.unwrap().starts_with("200 packages"));
    assert_eq!(log.header.scenarios[0].link, "100mbit,20ms");
    assert_eq!(log.header.scenarios[1].link, "");
    assert_eq!(log.header.fingerprint.drift.recording, "sha256:5f");
    let transfers = log.phases[0].transfers.as_ref().unwrap();
    assert_eq!(transfers.len(), 5);
    assert_eq!(transfers[0].step, Asker::Step("sha256:02".to_owned()));
    assert_eq!(transfers[1].step, Asker::Ambiguous);
    let again = &transfers[2].transfer;
    assert_eq!(
        (again.kind, again.origin, again.repeat),
        (Kind::File, Origin::Synthetic, true)
    );
    assert_eq!((again.bytes, again.status), (Bytes(2048), 200));
    assert_eq!(again.started_unix_ns, 1_795_260_660_000_000_004);
    assert_eq!(transfers[3].step, Asker::Unknown);
    let refused = &transfers[4].transfer;
    assert_eq!(
        (refused.kind, refused.origin, refused.status),
        (Kind::Tunnel, Origin::Refused, 403)
    );
    assert_eq!(refused.source.to_string(), "fd00::2");
    assert!(refused.problem.as_ref().unwrap().starts_with("index.example:443"));
    assert_eq!(log.phases[1].transfers, None, "a push");
    assert_eq!(log.phases[2].transfers, Some(vec![]), "a build that asked for nothing");
}

#[test]
fn a_wrong_transfer_says_what_was_expected() {
    let text = WITH_NETWORK.replace("\"kind\":\"proxied\"", "\"kind\":\"smuggled\"");
    assert!(error(text).contains("unknown variant `smuggled`, expected one of `index`"));
}

#[test]
fn unknown_fields_are_ignored() {
    let text: String = PINNED
        .lines()
        .map(|line| line.replacen('{', "{\"new\":{\"deep\":[1]},", 1) + "\n")
        .collect();
    let text = text.replace("\"cached\":", "\"newer\":null,\"cached\":");
    let log = read(folder(text).path()).unwrap();
    assert_eq!(log.phases.len(), 5);
}

#[test]
fn a_journal_cut_anywhere_is_read_up_to_the_cut() {
    let text = PINNED.as_bytes();
    let header = PINNED.find('\n').unwrap() + 1;
    for cut in header..text.len() {
        let log = read(folder(&text[..cut]).path()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        // A record that lacks nothing but its line end is whole.
        let whole = text[cut - 1] == b'\n' || text[cut] == b'\n';
        assert_eq!(log.warnings.is_empty(), whole, "cut at {cut}");
        assert_eq!(log.end.is_some(), cut + 1 == text.len(), "cut at {cut}");
    }
}

#[test]
fn a_torn_last_line_is_a_warning_that_says_where() {
    let cut = PINNED.len() - 20;
    let log = read(folder(&PINNED[..cut]).path()).unwrap();
    assert_eq!(
        log.warnings,
        ["line 11 of journal.jsonl is cut off and left out: the run was killed while it wrote that record"]
    );
    assert!(log.end.is_none());
    assert_eq!(log.trials.len(), 2);
}

#[test]
fn blocks_of_zeros_at_the_end_are_a_torn_line() {
    let mut text = PINNED.as_bytes().to_vec();
    text.extend([0; 100]);
    assert_eq!(read(folder(&text).path()).unwrap().warnings.len(), 1);
    // With the line's end on the disk but not its beginning.
    text.push(b'\n');
    assert_eq!(read(folder(&text).path()).unwrap().warnings.len(), 1);
    // But not in the middle.
    text.extend(b"{\"event\":\"run-finished\"}\n");
    assert!(error(&text).starts_with("journal.jsonl, line 12: expected one JSON object"));
}

#[test]
fn a_broken_line_in_the_middle_is_an_error_that_says_where() {
    let cut = with_line(5, |line| line[..40].to_owned());
    assert_eq!(
        error(cut),
        "journal.jsonl, line 5: expected one JSON object, but EOF while parsing a string (column 40)"
    );
    let empty = with_line(3, |_| String::new());
    assert!(error(empty).starts_with("journal.jsonl, line 3: expected one JSON object"));
}

#[test]
fn a_last_line_that_is_whole_but_wrong_is_an_error() {
    let text = with_line(11, |_| "{\"event\":\"run-finished\"}".to_owned());
    let expected = "journal.jsonl, line 11: expected a run-finished record of schema 1, but missing field `ended`";
    assert!(error(&text).starts_with(expected), "{}", error(&text));
    assert!(error(text.trim_end()).starts_with(expected), "without its line end");
    assert!(error(PINNED.to_owned() + "garbage").contains("line 12"));
    // Half a record with a line end is nothing that an interrupted write leaves.
    assert!(error(PINNED.to_owned() + "{\"event\":\"ph\n").contains("line 12"));
}

#[test]
fn wrong_fields_say_what_was_expected() {
    let negative = with_line(5, |line| line.replace("\"wall_ns\":4750000001", "\"wall_ns\":-1"));
    let message = error(negative);
    assert!(
        message.starts_with("journal.jsonl, line 5: expected a phase record of schema 1, but"),
        "{message}"
    );
    assert!(message.contains("`-1`, expected u64"), "{message}");
    let event = with_line(4, |_| "{\"event\":\"trial-begun\"}".to_owned());
    let message = error(event);
    assert!(
        message.contains("line 4: expected a record of schema 1, but unknown variant `trial-begun`"),
        "{message}"
    );
    assert!(message.contains("`trial-finished`"), "{message}");
    let outcome = with_line(9, |line| line.replace("skipped", "postponed"));
    assert!(error(outcome).contains("unknown variant `postponed`, expected one of `measured`"));
}

#[test]
fn records_out_of_place_are_errors() {
    let twice = with_line(2, |_| PINNED.lines().next().unwrap().to_owned());
    assert_eq!(
        error(twice),
        "journal.jsonl, line 2: a run-started record may only be the first"
    );
    let after_end = PINNED.to_owned() + PINNED.lines().nth(1).unwrap() + "\n";
    assert_eq!(
        error(after_end),
        "journal.jsonl, line 12: expected nothing after the run-finished record, found trial-started"
    );
}

#[test]
fn a_missing_first_record_is_an_error() {
    assert_eq!(error(""), "journal.jsonl has no first record");
    assert_eq!(error(&PINNED[..100]), "journal.jsonl has no first record");
    let (_, rest) = PINNED.split_once('\n').unwrap();
    assert_eq!(
        error(rest),
        "journal.jsonl, line 1: expected the run-started record with its \"schema\": 2"
    );
    let phase = "{\"event\":\"phase\",\"schema\":1}\n";
    assert_eq!(
        error(phase),
        "journal.jsonl, line 1: expected the run-started record, found phase"
    );
}

#[test]
fn an_unknown_schema_is_an_error_whatever_else_the_record_holds() {
    let newer = "{\"event\":\"begin\",\"schema\":3,\"run\":{}}\n";
    assert_eq!(
        error(newer),
        "journal.jsonl was written by a newer bakeoff: schema 3, this one reads 2"
    );
    let dir = folder(newer);
    assert!(
        read(dir.path())
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("version of bakeoff")
    );
    assert_eq!(
        error("{\"schema\":0}\n"),
        "journal.jsonl, line 1: there is no schema 0; expected 1 to 2"
    );
}

#[test]
fn a_folder_without_a_journal_is_an_error_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    for missing in [dir.path().to_owned(), dir.path().join("absent")] {
        let error = read(&missing).unwrap_err();
        assert_eq!(error.to_string(), format!("no journal in {}", missing.display()));
        assert!(error.hint().unwrap().contains("bakeoff list"));
    }
}

/// The newest pinned journal up to its line `end`, and then these lines of it.
fn newest(end: usize, then: &[usize]) -> String {
    let lines: Vec<&str> = NEWEST.lines().collect();
    let more = then.iter().map(|number| lines[number - 1]);
    lines[..end]
        .iter()
        .copied()
        .chain(more)
        .map(|line| line.to_owned() + "\n")
        .collect()
}

#[test]
fn before_a_seam_an_unfinished_trial_is_open_and_its_phases_are_shown() {
    let log = read(folder(newest(5, &[])).path()).unwrap();
    assert_eq!(
        log.open,
        Some(samples::trial(Round::Measured(1), "uv-single[cache_mounts=off]"))
    );
    assert_eq!((log.phases.len(), log.trials.len(), log.superseded.len()), (1, 1, 0));
    assert!(log.is_resumable());
    let seam = log.seam(samples::time(60));
    assert_eq!(
        (seam.after, seam.again, seam.superseded),
        (samples::seam().after, log.open, 1)
    );
    assert_eq!((seam.stopped, seam.torn), (samples::time(60), false));
}

#[test]
fn a_run_may_die_and_go_on_again_and_again() {
    // 4 begins a trial, 5 is a phase of it, 7 a seam.
    let log = read(folder(newest(7, &[7, 4, 5, 7, 4, 5])).path()).unwrap();
    assert_eq!((log.seams.len(), log.superseded.len(), log.phases.len()), (3, 2, 1));
    assert!(log.is_resumable());
}

#[test]
fn what_is_told_twice_without_a_seam_is_an_error_that_says_where() {
    let phase = newest(5, &[5]);
    assert_eq!(
        error(phase),
        "journal.jsonl, line 6: hot build of uv-single[cache_mounts=off], round 1 is told for the second time, \
         and the run was not gone on with between"
    );
    let trial = newest(14, &[7, 14]);
    assert!(error(trial).starts_with("journal.jsonl, line 16: the end of uv-single[cache_mounts=off], round 1"));
    // Schema 1 had no such rule.
    assert_eq!(read(folder(PINNED).path()).unwrap().phases.len(), 5);
}

#[test]
fn a_complete_run_does_not_go_on() {
    assert_eq!(
        error(newest(15, &[7])),
        "journal.jsonl, line 16: expected nothing after the run-finished record, found run-resumed"
    );
    let old = read(folder(&PINNED[..PINNED.len() - 40]).path()).unwrap();
    assert!(
        !old.is_complete() && !old.is_resumable(),
        "schema 1 does not hold what it needs"
    );
}
