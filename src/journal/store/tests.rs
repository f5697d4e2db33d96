use super::*;
use crate::journal::samples;
use crate::runner::event::RunEvent;

/// Writes a run of this id and start (seconds after the sample's) with these events after the first record.
fn run(root: &Path, id: &str, seconds: i64, events: &[RunEvent]) {
    let mut header = samples::header();
    header.run = RunId(id.to_owned());
    header.started = samples::time(seconds);
    let mut all = vec![RunEvent::RunStarted(Box::new(header))];
    all.extend_from_slice(events);
    samples::write(&root.join(id), &all);
}

fn finished(round: Round, scenario: &str) -> RunEvent {
    RunEvent::TrialFinished(samples::trial_finished(round, scenario))
}

/// Three runs: two of the same minute, and one of the next day.
fn three_runs() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), "20261121-113000-1f3a", 0, &[]);
    run(root.path(), "20261121-113000-2b4c", 1, &[]);
    run(root.path(), "20261122-080000-9d9d", 86_000, &[]);
    root
}

fn only(root: &Path) -> RunSummary {
    let mut runs = list(root).unwrap();
    assert_eq!(runs.len(), 1);
    runs.remove(0).run.unwrap()
}

#[test]
fn runs_are_listed_newest_first() {
    let root = three_runs();
    // The start decides, not the folder's name, which the user may have chosen.
    run(root.path(), "a-name-of-my-own", 50, &[]);
    let names: Vec<_> = list(root.path()).unwrap().into_iter().map(|run| run.name).collect();
    assert_eq!(
        names,
        [
            "20261122-080000-9d9d",
            "a-name-of-my-own",
            "20261121-113000-2b4c",
            "20261121-113000-1f3a"
        ]
    );
}

#[test]
fn a_summary_says_how_far_a_run_got() {
    let [uv, pip] = ["uv-single[cache_mounts=off]", "pip-single"];
    let (warmup, one, two) = (Round::Warmup(1), Round::Measured(1), Round::Measured(2));
    let done = |events: &[RunEvent]| {
        let root = tempfile::tempdir().unwrap();
        run(root.path(), "x", 0, events);
        let summary = only(root.path());
        (summary.state, summary.rounds_done)
    };
    let mut events = vec![];
    assert_eq!(done(&events), (RunState::Unfinished, 0));
    events.extend([finished(warmup, uv), finished(warmup, pip)]);
    assert_eq!(done(&events), (RunState::Unfinished, 0));
    events.push(finished(one, uv));
    assert_eq!(done(&events), (RunState::Unfinished, 0));
    events.push(finished(one, pip));
    assert_eq!(done(&events), (RunState::Unfinished, 1));
    events.extend([
        finished(two, uv),
        RunEvent::PhaseFinished(Box::new(samples::build_phase())),
    ]);
    assert_eq!(done(&events), (RunState::Unfinished, 1));
    let mut interrupted = events.clone();
    interrupted.push(RunEvent::RunFinished(samples::run_end(true)));
    assert_eq!(done(&interrupted), (RunState::Interrupted, 1));
    interrupted.extend([RunEvent::RunResumed(Box::new(samples::seam())), finished(two, uv)]);
    assert_eq!(
        done(&interrupted),
        (RunState::Unfinished, 1),
        "the end before a seam is none"
    );
    events.extend([finished(two, pip), RunEvent::RunFinished(samples::run_end(false))]);
    assert_eq!(done(&events), (RunState::Finished, 2));
}

#[test]
fn a_summary_repeats_the_first_record() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), "x", 7, &[]);
    let summary = only(root.path());
    assert_eq!(
        summary,
        RunSummary {
            id: RunId("x".to_owned()),
            dir: root.path().join("x"),
            suite: "published".to_owned(),
            variant: "light".to_owned(),
            started: samples::time(7),
            state: RunState::Unfinished,
            resumable: true,
            scenarios: 2,
            rounds_done: 0,
            rounds_planned: 2,
        }
    );
}

#[test]
fn runs_that_cannot_be_read_are_listed_with_their_error() {
    let root = three_runs();
    let broken = root.path().join("20261121-200000-dead");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join(FILE_NAME), "{\"event\":\"run-started\",\"schema\":3}\n").unwrap();
    fs::create_dir(root.path().join("20261121-210000-beef")).unwrap();
    // Neither of these is a run.
    fs::create_dir(root.path().join("notes")).unwrap();
    fs::write(root.path().join("20261121-220000-file"), "").unwrap();
    let runs = list(root.path()).unwrap();
    let names: Vec<_> = runs.iter().map(|run| (run.name.as_str(), run.run.is_ok())).collect();
    assert_eq!(
        names,
        [
            ("20261122-080000-9d9d", true),
            ("20261121-210000-beef", false),
            ("20261121-200000-dead", false),
            ("20261121-113000-2b4c", true),
            ("20261121-113000-1f3a", true),
        ]
    );
    assert!(matches!(runs[1].run, Err(JournalError::Missing { .. })));
    assert!(matches!(runs[2].run, Err(JournalError::Newer { schema: 3, .. })));
}

#[test]
fn a_list_does_not_read_the_middle_of_a_journal() {
    let root = tempfile::tempdir().unwrap();
    let trial = finished(Round::Measured(1), "pip-single");
    run(
        root.path(),
        "x",
        0,
        &[trial.clone(), RunEvent::RunFinished(samples::run_end(false))],
    );
    // Garbage between the first record and the last ones, larger than what is read of the end: if it were read, it
    // would be seen, by `read` at least.
    let path = root.path().join("x").join(FILE_NAME);
    let text = fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    fs::write(&path, format!("{first}\n{}\n{rest}", "#".repeat(1_000_000))).unwrap();
    assert!(super::super::read(&root.path().join("x")).is_err());
    let summary = only(root.path());
    assert_eq!((summary.state, summary.rounds_done), (RunState::Finished, 1));
}

#[test]
fn no_folder_is_no_runs() {
    let root = tempfile::tempdir().unwrap();
    let absent = root.path().join("absent");
    assert!(list(&absent).unwrap().is_empty());
    let error = resolve(&absent, "latest").unwrap_err();
    assert_eq!(error.to_string(), format!("no runs in {}", absent.display()));
    assert!(matches!(resolve(&absent, "x"), Err(JournalError::NoRuns { .. })));
}

#[test]
fn runs_are_found_by_name() {
    let root = three_runs();
    let found = |name: &str| {
        resolve(root.path(), name)
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(found("latest"), "20261122-080000-9d9d");
    assert_eq!(found("20261121-113000-1f3a"), "20261121-113000-1f3a");
    assert_eq!(found("20261122"), "20261122-080000-9d9d");
    assert_eq!(found("20261121-113000-2"), "20261121-113000-2b4c");
    let dir = root.path().join("20261121-113000-1f3a");
    assert_eq!(resolve(Path::new("absent"), dir.to_str().unwrap()).unwrap(), dir);
    assert_eq!(
        resolve(Path::new("absent"), dir.join(FILE_NAME).to_str().unwrap()).unwrap(),
        dir
    );
    // Moved or renamed by the user, a run still answers to its id.
    fs::rename(&dir, root.path().join("my-run")).unwrap();
    assert_eq!(found("20261121-113000-1f3a"), "my-run");
    assert_eq!(found("my-r"), "my-run");
}

#[test]
fn an_exact_name_wins_over_longer_ones() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), "nightly", 0, &[]);
    run(root.path(), "nightly-2", 1, &[]);
    assert_eq!(resolve(root.path(), "nightly").unwrap(), root.path().join("nightly"));
}

#[test]
fn an_ambiguous_name_lists_what_it_fits() {
    let root = three_runs();
    assert_eq!(
        resolve(root.path(), "20261121").unwrap_err().to_string(),
        "\"20261121\" fits 2 runs: 20261121-113000-2b4c, 20261121-113000-1f3a"
    );
}

#[test]
fn an_unknown_name_suggests_similar_ones() {
    let root = three_runs();
    let hint = |name: &str| match resolve(root.path(), name) {
        Err(error @ JournalError::UnknownRun { .. }) => error.hint().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(hint("20261122-080000-9d9e"), "did you mean 20261122-080000-9d9d?");
    assert_eq!(hint("2b4c"), "did you mean 20261121-113000-2b4c?");
    assert_eq!(hint("20261132-08"), "did you mean 20261122-080000-9d9d?");
    assert_eq!(hint("zzz"), "`bakeoff list` shows the runs so far");
    assert_eq!(hint(""), "`bakeoff list` shows the runs so far");
}

#[test]
fn a_folder_without_a_journal_is_not_a_run() {
    let root = three_runs();
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let error = resolve(root.path(), empty.to_str().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), format!("no journal in {}", empty.display()));
}

#[test]
fn latest_passes_over_runs_that_never_began_but_not_over_damaged_ones() {
    let root = three_runs();
    let newer = root.path().join("20261123-000000-0000");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join(FILE_NAME), "{\"event\":\"run-sta").unwrap();
    assert_eq!(
        resolve(root.path(), "latest").unwrap(),
        root.path().join("20261122-080000-9d9d")
    );
    fs::write(newer.join(FILE_NAME), "{\"event\":\"run-started\",\"schema\":3}\n").unwrap();
    assert_eq!(resolve(root.path(), "latest").unwrap(), newer);
}

#[test]
fn a_run_that_a_process_measures_is_running_and_nobody_else_may_go_on_with_it() {
    let root = tempfile::tempdir().unwrap();
    run(root.path(), "x", 0, &[]);
    assert!(only(root.path()).resumable);
    let (held, ..) = super::super::Journal::reopen(&root.path().join("x")).unwrap();
    let summary = only(root.path());
    assert_eq!((summary.state, summary.resumable), (RunState::Running, false));
    drop(held);
    assert_eq!(only(root.path()).state, RunState::Unfinished);
}
