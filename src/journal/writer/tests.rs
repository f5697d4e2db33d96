use super::*;
use crate::journal::{read, samples};
use crate::runner::event::Round;

fn start() -> RunEvent {
    RunEvent::RunStarted(Box::new(samples::header()))
}

fn trial_started(number: u32) -> RunEvent {
    RunEvent::TrialStarted(samples::trial(Round::Measured(number), "pip-single"))
}

fn text(dir: &Path) -> String {
    fs::read_to_string(dir.join(FILE_NAME)).unwrap()
}

#[test]
fn each_record_is_one_line_in_the_file_when_append_returns() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("deep/run");
    let mut journal = Journal::create(&dir).unwrap();
    for (index, event) in samples::events().iter().enumerate() {
        if matches!(event, RunEvent::RunResumed(_)) {
            drop(journal);
            (journal, _, _) = Journal::reopen(&dir).unwrap();
        }
        journal.append(event).unwrap();
        let text = text(&dir);
        assert!(text.ends_with('\n'));
        assert_eq!(text.lines().count(), index + 1);
    }
}

#[test]
fn progress_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path()).unwrap();
    for event in samples::progress_events() {
        journal.append(&event).unwrap();
    }
    assert_eq!(text(dir.path()), "");
}

#[test]
fn a_folder_with_a_journal_is_refused_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    samples::write(dir.path(), &[start()]);
    let before = text(dir.path());
    let error = Journal::create(dir.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} already holds a journal", dir.path().display())
    );
    assert!(error.hint().unwrap().contains("--out"));
    assert_eq!(text(dir.path()), before);
}

#[test]
fn records_out_of_place_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path()).unwrap();
    let reason = |result: Result<(), JournalError>| match result {
        Err(JournalError::Order { event, reason, .. }) => format!("{event}: {reason}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(journal.append(&trial_started(1))),
        "trial-started: the run has not started"
    );
    journal.append(&start()).unwrap();
    assert_eq!(
        reason(journal.append(&start())),
        "run-started: the run has started before"
    );
    journal.append(&RunEvent::RunFinished(samples::run_end(true))).unwrap();
    assert_eq!(
        reason(journal.append(&trial_started(1))),
        "trial-started: the run has ended"
    );
    assert_eq!(text(dir.path()).lines().count(), 2);
}

#[test]
fn a_failed_write_leaves_a_journal_that_can_be_read_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path()).unwrap();
    journal.append(&start()).unwrap();
    // A handle that can't be written stands for a disk that is full or gone: neither writing nor repairing works.
    let path = dir.path().join(FILE_NAME);
    let good = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
    let error = journal.append(&trial_started(1)).unwrap_err();
    assert!(
        matches!(error, JournalError::File { operation: "write", .. }),
        "{error:?}"
    );
    assert!(matches!(
        journal.append(&trial_started(1)),
        Err(JournalError::File {
            operation: "repair",
            ..
        })
    ));
    // What a write leaves that got half-way.
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"event\":\"trial-st")
        .unwrap();
    journal.file = good;
    journal.append(&trial_started(2)).unwrap();
    journal.append(&RunEvent::RunFinished(samples::run_end(false))).unwrap();
    let log = read(dir.path()).unwrap();
    assert!(log.end.is_some());
    assert!(log.warnings.is_empty());
    assert_eq!(text(dir.path()).lines().count(), 3);
}

#[test]
fn logs_lie_in_a_folder_of_their_own_under_safe_names() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path()).unwrap();
    let key = samples::trial(Round::Measured(2), "uv/single[cache_mounts=off, x=../é]");
    let path = journal.write_log(&log_name(&key, "cold build"), "one\ntwo\n").unwrap();
    assert_eq!(path, "logs/round-2-uv-single-cache_mounts-off-x-..-cold-build.log");
    assert_eq!(fs::read_to_string(dir.path().join(&path)).unwrap(), "one\ntwo\n");
    let warmup = samples::trial(Round::Warmup(1), "a");
    assert_eq!(
        journal.write_log(&log_name(&warmup, "b"), "").unwrap(),
        "logs/warm-up-1-a-b.log"
    );
}

#[test]
fn no_log_replaces_another() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(dir.path()).unwrap();
    let mut paths = Vec::new();
    for (index, name) in ["a b", "a/b", "a-b", "a-b-2", "../a b"].iter().enumerate() {
        let path = journal.write_log(name, &index.to_string()).unwrap();
        paths.push((path, index.to_string()));
    }
    for (path, text) in &paths {
        assert_eq!(&fs::read_to_string(dir.path().join(path)).unwrap(), text, "{path}");
    }
    assert_eq!(paths[0].0, "logs/a-b.log");
}

#[test]
fn any_name_becomes_a_safe_one() {
    assert_eq!(safe_name(""), "phase");
    assert_eq!(safe_name("///"), "phase");
    assert_eq!(safe_name("../../etc/passwd"), "etc-passwd");
    assert_eq!(safe_name("a\nb\0c"), "a-b-c");
    assert_eq!(safe_name(&"ä".repeat(300)), "phase");
    assert_eq!(safe_name(&"x".repeat(300)).len(), LOG_NAME_BYTES);
}

fn seam() -> RunEvent {
    RunEvent::RunResumed(Box::new(samples::seam()))
}

#[test]
fn a_run_goes_on_where_its_last_whole_record_ends() {
    let torn: [&[u8]; 4] = [
        b"",
        b"{\"event\":\"trial-sta",
        &[0; 50],
        b"{\"event\":\"trial-sta\0\0\n",
    ];
    for torn in torn {
        let dir = tempfile::tempdir().unwrap();
        samples::write(dir.path(), &[start(), trial_started(1)]);
        let whole = text(dir.path());
        let mut bytes = whole.clone().into_bytes();
        bytes.extend_from_slice(torn);
        fs::write(dir.path().join(FILE_NAME), &bytes).unwrap();
        let (mut journal, log, written) = Journal::reopen(dir.path()).unwrap();
        assert_eq!(log.seam(written).torn, !torn.is_empty());
        assert!(Utc::now() - written < chrono::TimeDelta::minutes(1));
        // Nothing is taken back before something takes its place: the process may die before it has anything to say.
        assert_eq!(fs::read(dir.path().join(FILE_NAME)).unwrap(), bytes);
        journal.append(&seam()).unwrap();
        let now = text(dir.path());
        assert_eq!(now.strip_prefix(&whole).unwrap().lines().count(), 1);
        assert!(read(dir.path()).unwrap().warnings.is_empty());
    }
}

#[test]
fn a_last_record_without_its_line_end_stays() {
    let dir = tempfile::tempdir().unwrap();
    samples::write(dir.path(), &[start(), trial_started(1)]);
    let whole = text(dir.path());
    fs::write(dir.path().join(FILE_NAME), whole.trim_end()).unwrap();
    let (mut journal, log, _) = Journal::reopen(dir.path()).unwrap();
    assert!(log.warnings.is_empty());
    journal.append(&seam()).unwrap();
    assert!(text(dir.path()).starts_with(&whole));
    assert_eq!(read(dir.path()).unwrap().seams.len(), 1);
}

#[test]
fn a_run_that_goes_on_says_so_first_and_once() {
    let dir = tempfile::tempdir().unwrap();
    samples::write(dir.path(), &[start(), trial_started(1)]);
    let (mut journal, ..) = Journal::reopen(dir.path()).unwrap();
    assert!(journal.append(&trial_started(1)).is_err());
    journal.append(&seam()).unwrap();
    assert!(journal.append(&seam()).is_err());
    journal.append(&RunEvent::RunFinished(samples::run_end(true))).unwrap();
    drop(journal);
    let (mut journal, log, _) = Journal::reopen(dir.path()).unwrap();
    assert_eq!(log.seam(samples::time(1)).stopped, samples::run_end(true).ended);
    journal.append(&seam()).unwrap();
    journal.append(&RunEvent::RunFinished(samples::run_end(false))).unwrap();
    drop(journal);
    assert!(matches!(
        Journal::reopen(dir.path()),
        Err(JournalError::NotResumable { .. })
    ));
}

#[test]
fn two_processes_do_not_write_one_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(dir.path()).unwrap();
    journal.append(&start()).unwrap();
    assert!(matches!(Journal::reopen(dir.path()), Err(JournalError::Busy { .. })));
    drop(journal);
    assert!(Journal::reopen(dir.path()).is_ok());
}

#[test]
fn a_run_that_never_began_does_not_go_on() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Journal::reopen(dir.path()), Err(JournalError::Missing { .. })));
    drop(Journal::create(dir.path()).unwrap());
    let error = Journal::reopen(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::NoHeader { .. }));
    assert!(error.hint().unwrap().contains("can be removed"));
}
