use crate::analysis::{Note, Report, Severity, sample};
use crate::journal::RunLog;
use crate::mirror::{Kind, Origin};
use crate::runner::event::{Asker, Round};

const ROUND: Round = Round::Measured(1);

/// The severity and the text of each note on downloads.
fn notes(log: &RunLog) -> Vec<(Severity, String)> {
    let report = Report::of(log);
    let notes = report.notes.iter().filter(|note| matches!(note, Note::Network(_)));
    notes.map(|note| (note.severity(), note.text())).collect()
}

fn texts(log: &RunLog) -> Vec<String> {
    notes(log).into_iter().map(|(_, text)| text).collect()
}

/// One build through the mirror that downloaded nothing.
fn quiet() -> RunLog {
    let mut log = sample::single_round();
    sample::replay(&mut log, "100mbit,20ms");
    sample::transfers_of(&mut log, ROUND, "pip-single", "cold build");
    log
}

#[test]
fn a_replay_in_which_all_went_well_needs_no_note() {
    assert!(texts(&quiet()).is_empty());
}

#[test]
fn a_recording_run_says_that_its_times_are_the_upstreams() {
    let mut log = quiet();
    log.header.network.mode = "record".into();
    assert!(texts(&log).is_empty(), "nothing was new: no time is the upstream's");
    let mut fetched = sample::transfer("", Kind::File, "a.whl", 10);
    fetched.transfer.origin = Origin::Upstream;
    sample::transfers_of(&mut log, ROUND, "pip-single", "cold build").push(fetched);
    let [(severity, text)] = &notes(&log)[..] else {
        panic!("{:?}", notes(&log))
    };
    assert_eq!(*severity, Severity::Info);
    assert!(text.starts_with("Downloads were recorded in this run") && text.ends_with("Run it again to replay them."));
}

#[test]
fn uncontrolled_downloads_are_noted_where_the_journal_tells_so() {
    let mut log = sample::single_round();
    assert!(texts(&log).is_empty(), "an old journal");
    log.tells_network = true;
    let [(severity, text)] = &notes(&log)[..] else {
        panic!("{:?}", notes(&log))
    };
    assert_eq!(*severity, Severity::Info);
    assert!(text.starts_with("Downloads were not controlled"), "{text}");
}

#[test]
fn tunnels_are_noted_once_for_each_step_and_host() {
    let (severity, text) = notes(&sample::mirrored()).swap_remove(0);
    assert_eq!(severity, Severity::Warning);
    // One in each round, the warm-up's too.
    assert_eq!(
        text,
        "Not hermetic: pip-single, cold build: the step [3/4] RUN pip install -r <requirements>.txt opened 4 tunnels to \
         index.example:443 (4.8 kB)."
    );

    let mut log = quiet();
    let transfers = sample::transfers_of(&mut log, ROUND, "pip-single", "cold build");
    for (asker, host) in [
        (Asker::Unknown, "a.example:443"),
        (Asker::Ambiguous, "a.example:443"),
        (Asker::Unknown, "b.example:443"),
        (Asker::Unknown, "a.example:443"),
    ] {
        let mut tunnel = sample::transfer("", Kind::Tunnel, host, 10);
        tunnel.step = asker;
        transfers.push(tunnel);
    }
    assert_eq!(
        texts(&log),
        [
            "Not hermetic: pip-single, cold build: an unknown step opened 2 tunnels to a.example:443 (20 B).",
            "Not hermetic: pip-single, cold build: one of several steps opened a tunnel to a.example:443 (10 B).",
            "Not hermetic: pip-single, cold build: an unknown step opened a tunnel to b.example:443 (10 B)."
        ]
    );
}

#[test]
fn what_the_builder_fetches_by_itself_is_noted_with_its_line() {
    let mut log = quiet();
    let address = "https://a.example/x";
    log.header.scenarios[0].dockerfile = format!("FROM a\n\nADD {address} /x\nFROM a\nADD {address} /y\n");
    let name = log.header.scenarios[0].name.clone();
    for record in log.phases.iter_mut().filter(|record| record.trial.scenario == name) {
        if let Some(build) = &mut record.build {
            build.steps.truncate(1);
            build.steps[0].name = format!("[stage-0 2/2] ADD {address} /x");
        }
    }
    let expected = format!(
        "Not hermetic: {name}: line 3 of its Dockerfile adds {address}, which the builder fetches by itself, past the \
         mirror: neither recorded nor replayed, nor over the link, nor counted."
    );
    assert_eq!(
        notes(&log),
        [(Severity::Warning, expected)],
        "the other stage was not built"
    );
    log.header.network.mode = "upstream".into();
    assert!(texts(&log).iter().all(|text| !text.contains(address)));
}

#[test]
fn refused_downloads_are_counted_and_the_first_is_told() {
    let mut log = sample::mirrored();
    log.phases.retain(|record| record.phase == "hot build");
    for round in [Round::Measured(1), Round::Measured(3)] {
        let transfers = sample::transfers_of(&mut log, round, "pip-single", "hot build");
        for path in ["a", "b"] {
            let mut refused = sample::transfer("install", Kind::Tunnel, "", 0);
            refused.transfer.problem = Some(format!("\u{1b}[31mhttps://index.example/{path}\nis not recorded"));
            transfers.push(refused);
        }
    }
    assert_eq!(
        notes(&log),
        [(
            Severity::Warning,
            "pip-single, hot build: 4 downloads were refused or failed in round 1 and round 3; the first: \
             https://index.example/a is not recorded"
                .to_owned()
        )],
        "a refused tunnel led nowhere, so it is no other note"
    );

    let mut log = quiet();
    let mut failed = sample::transfer("x", Kind::File, "f", 5);
    failed.transfer.problem = Some("https://index.example/f: 500".into());
    sample::transfers_of(&mut log, ROUND, "pip-single", "cold build").push(failed);
    assert_eq!(
        texts(&log),
        ["pip-single, cold build: a download was refused or failed in round 1: https://index.example/f: 500"]
    );
}

#[test]
fn what_a_cold_build_fetches_again_is_noted_if_it_is_much() {
    let again = notes(&sample::mirrored());
    let again: Vec<_> = again
        .iter()
        .filter(|(severity, _)| *severity == Severity::Info)
        .collect();
    assert_eq!(again.len(), 2, "both scenarios of uv: {again:#?}");
    assert_eq!(
        again[0].1,
        "uv-single[cache_mounts=on], cold build: 46.0 MB were fetched again, with 1 request for what the trial had \
         fetched before."
    );

    let mut repeated = sample::transfer("install", Kind::File, "f", 1_000_000);
    repeated.transfer.repeat = true;
    let mut log = quiet();
    sample::transfers_of(&mut log, ROUND, "pip-single", "hot build").extend(vec![repeated.clone(); 9]);
    sample::transfers_of(&mut log, ROUND, "pip-single", "cold build").push(repeated.clone());
    assert!(texts(&log).is_empty(), "one megabyte is not much, and hot builds may");
    sample::transfers_of(&mut log, ROUND, "pip-single", "cold build").push(repeated);
    assert!(texts(&log)[0].contains("2.0 MB were fetched again, with 2 requests"));
}
