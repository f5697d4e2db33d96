use chrono::TimeDelta;
use tempfile::TempDir;

use super::*;
use crate::history::Origin;

const NIGHTS: u32 = 20;

/// A run of some night, in which the hot build took so long.
fn night(number: u32, hot: f64) -> PastRun {
    let wobble = 1.0 + 0.002 * f64::from(number % 5);
    let metric = |name: &str, unit: &str, place, value: f64| Metric {
        scenario: "uv-single".into(),
        name: name.into(),
        unit: unit.into(),
        place,
        rounds: vec![
            (1, value * wobble),
            (2, value * wobble * 1.01),
            (3, value * wobble * 0.99),
        ],
    };
    let first: DateTime<Utc> = "2026-01-01T03:00:00Z".parse().expect("a time");
    PastRun {
        id: format!("night-{number:03}"),
        started: first + TimeDelta::days(number.into()),
        suite: "published".into(),
        fixture: "app".into(),
        variant: "light".into(),
        bakeoff: "0.1.0".into(),
        origin: Origin {
            commit: format!("c{number}"),
            branch: "main".into(),
        },
        state: "complete".into(),
        identity: vec![("processors".into(), "2".into())],
        drift: Vec::new(),
        metrics: vec![
            metric("cold build", "s", 0, 30.0),
            metric("hot build", "s", 1, hot),
            metric("hot build, downloaded", "B", 2, 0.0),
        ],
    }
}

struct Nightly {
    _folder: TempDir,
    history: History,
}

fn nightly(nights: u32) -> Nightly {
    let folder = TempDir::new().expect("a folder");
    let mut history = History::open(&folder.path().join("h.db")).expect("a history");
    for number in 0..nights {
        history.add(&night(number, 10.0)).expect("added");
    }
    Nightly {
        _folder: folder,
        history,
    }
}

fn checked(nightly: &Nightly, run: &PastRun, policy: &Policy) -> Checked {
    check(run, &nightly.history, "main", policy).expect("judged")
}

fn policy(text: &str) -> Policy {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("schema = 1\n{text}")).expect("written");
    Policy::read(file.path()).expect("valid")
}

fn found(checked: &Checked) -> &Found {
    &checked.judgements[1].found
}

#[test]
fn the_first_runs_pass_without_a_baseline() {
    let empty = nightly(0);
    let first = checked(&empty, &night(0, 10.0), &Policy::default());
    assert_eq!(first.ending(), Ending::Inconclusive);
    assert!(matches!(found(&first), Found::Judged(Verdict::NoBaseline { .. })));
    assert_eq!(first.judgements.len(), 3);
    assert!(first.notes.is_empty());
}

#[test]
fn a_slowdown_is_suspected_then_fails_whether_or_not_it_was_added() {
    let mut nightly = nightly(NIGHTS);
    let same = checked(&nightly, &night(NIGHTS, 10.0), &Policy::default());
    assert_eq!(same.ending(), Ending::Passed, "{same:?}");
    // What is nothing and was nothing has not changed.
    assert!(matches!(
        same.judgements[2].found,
        Found::Judged(Verdict::NoChange { .. })
    ));

    let slow = night(NIGHTS, 12.0);
    let suspected = checked(&nightly, &slow, &Policy::default());
    assert!(matches!(
        found(&suspected),
        Found::Judged(Verdict::Suspected { worse: true, .. })
    ));
    assert_eq!(suspected.ending(), Ending::Inconclusive);

    for number in NIGHTS..NIGHTS + 2 {
        nightly.history.add(&night(number, 12.0)).expect("added");
    }
    let again = night(NIGHTS + 2, 12.0);
    let red = checked(&nightly, &again, &Policy::default());
    assert_eq!(red.ending(), Ending::Regressed);
    assert!(matches!(found(&red), Found::Judged(Verdict::Regression { ratio }) if (1.15..1.25).contains(ratio)));
    let against = red.judgements[1].against.as_ref().expect("a baseline");
    assert_eq!(
        against.first_beyond.as_ref().map(|point| point.run.as_str()),
        Some("night-020")
    );
    assert_eq!(against.since, night(0, 1.0).started);
    nightly.history.add(&again).expect("added");
    assert_eq!(checked(&nightly, &again, &Policy::default()), red);
}

#[test]
fn the_blame_goes_to_the_first_run_of_the_new_level() {
    let mut nightly = nightly(NIGHTS);
    for number in NIGHTS..NIGHTS + 10 {
        let slow = night(number, 12.0);
        let checked = checked(&nightly, &slow, &Policy::default());
        let against = checked.judgements[1].against.as_ref().expect("a baseline");
        let blamed = against.first_beyond.as_ref().map(|point| point.run.as_str());
        let expected = (number > NIGHTS).then_some("night-020");
        assert_eq!(blamed, expected, "night {number}: {:?}", found(&checked));
        // A lucky night on the way changes nothing.
        let hot = if number == NIGHTS + 4 { 10.0 } else { 12.0 };
        nightly.history.add(&night(number, hot)).expect("added");
    }
}

#[test]
fn what_the_run_before_has_and_this_one_lacks_is_missing() {
    let nightly = nightly(NIGHTS);
    let mut run = night(NIGHTS, 10.0);
    run.metrics[0].name = "cold build, renamed".into();
    let renamed = checked(&nightly, &run, &Policy::default());
    assert_eq!(renamed.judgements.len(), 4);
    let missing = &renamed.judgements[3];
    assert_eq!((missing.metric.as_str(), missing.value), ("cold build", None));
    assert!(matches!(&missing.found, Found::Missing { run, .. } if run == "night-019"));
    assert_eq!(renamed.ending(), Ending::Inconclusive);
    // What the policy leaves out may go.
    let only_hot = checked(&nightly, &run, &policy("[[metric]]\nmetric = \"hot build\"\n"));
    assert_eq!(only_hot.ending(), Ending::Passed);
    // On a branch of its own there is no run before.
    let branch = check(&run, &nightly.history, "feature", &Policy::default()).expect("judged");
    assert_eq!(branch.judgements.len(), 3);
}

#[test]
fn a_policy_can_warn_ignore_widen_and_accept() {
    let mut nightly = nightly(NIGHTS);
    for number in NIGHTS..NIGHTS + 2 {
        nightly.history.add(&night(number, 12.0)).expect("added");
    }
    let slow = night(NIGHTS + 2, 12.0);
    let with = |text: &str| checked(&nightly, &slow, &policy(text));
    let warned = with("[[metric]]\nmetric = \"hot build\"\non_regression = \"warn\"\n");
    assert!(matches!(found(&warned), Found::Warned { .. }));
    assert_eq!(
        (warned.ending(), &warned.judgements[0].found),
        (Ending::Passed, &Found::Ignored)
    );
    let wide = with("[[metric]]\nmetric = \"*\"\nleast = \"30%\"\n");
    assert_eq!(wide.ending(), Ending::Passed);
    let accepted = with("[[accept]]\nmetric = \"hot build\"\nsince = \"2026-01-21\"\n");
    assert!(matches!(
        found(&accepted),
        Found::Judged(Verdict::NoBaseline { nights: 0, .. })
    ));
    assert!(accepted.judgements[1].accepted.is_some() && accepted.judgements[0].accepted.is_none());
}

#[test]
fn a_policy_that_names_what_is_not_there_is_refused() {
    let nightly = nightly(1);
    let policy = policy("[[metric]]\nmetric = \"hot bild\"\n");
    let error = check(&night(1, 10.0), &nightly.history, "main", &policy).expect_err("misspelt");
    assert!(
        matches!(&error, GateError::Policy(PolicyError::Wrong { line: 3, reason, .. }) if reason.contains("hot build")),
        "{error}"
    );
}

#[test]
fn other_branches_and_machines_are_no_baseline() {
    let nightly = nightly(NIGHTS);
    let mut elsewhere = night(NIGHTS, 20.0);
    elsewhere.identity[0].1 = "64".into();
    let other = checked(&nightly, &elsewhere, &Policy::default());
    assert!(matches!(
        found(&other),
        Found::Judged(Verdict::NoBaseline { nights: 0, .. })
    ));
    assert!(other.notes[0].contains("other machines"), "{:?}", other.notes);
    let branch = check(&night(NIGHTS, 20.0), &nightly.history, "feature", &Policy::default()).expect("judged");
    assert!(matches!(found(&branch), Found::Judged(Verdict::NoBaseline { .. })));
    assert_eq!(
        branch.notes,
        ["Branch feature has no runs of this suite; main has 20: compare with --branch main."]
    );
}

/// The run with so many bytes downloaded.
fn downloaded(number: u32, bytes: f64) -> PastRun {
    let mut run = night(number, 10.0);
    run.metrics[2].rounds = vec![(1, bytes)];
    run
}

#[test]
fn something_where_there_was_nothing_is_not_judged() {
    let nightly = nightly(NIGHTS);
    let odd = checked(&nightly, &downloaded(NIGHTS, 5_000_000.0), &Policy::default());
    assert!(matches!(odd.judgements[2].found, Found::Unjudged(_)));
    assert_eq!(odd.ending(), Ending::Inconclusive);
}

#[test]
fn a_night_of_nothing_is_left_out_and_no_more() {
    let mut nightly = nightly(0);
    for number in 0..NIGHTS {
        let bytes = if number == 7 { 0.0 } else { 5_000_000.0 };
        nightly.history.add(&downloaded(number, bytes)).expect("added");
    }
    let same = checked(&nightly, &downloaded(NIGHTS, 5_000_000.0), &Policy::default());
    let same = &same.judgements[2];
    assert!(
        matches!(same.found, Found::Judged(Verdict::NoChange { .. })),
        "{same:?}"
    );
    assert_eq!(same.left_out, 1);
    // Once more nothing, as it was before: that is no news.
    let nothing = checked(&nightly, &downloaded(NIGHTS, 0.0), &Policy::default());
    assert!(matches!(
        nothing.judgements[2].found,
        Found::Judged(Verdict::NoChange { .. })
    ));
}

#[test]
fn a_trend_passes_over_nothing_and_is_cut_after_its_changes_are_found() {
    let mut nightly = nightly(0);
    for number in 0..30 {
        let bytes = match number {
            12 => 0.0,
            0..20 => 5_000_000.0,
            _ => 6_000_000.0,
        };
        nightly.history.add(&downloaded(number, bytes)).expect("added");
    }
    let key = nightly.history.keys(&Filter::default()).expect("readable")[2].clone();
    let series = nightly.history.series(&key, None, 100).expect("readable");
    let told = |since| trend(series.clone(), since, &nightly.history).expect("found");
    let whole = told(None);
    assert_eq!((whole.values.len(), whole.changes.len()), (30, 1));
    assert_eq!(whole.changes[0].first.run, "night-020");
    let since = |number| Some(night(number, 1.0).started);
    // A cut two nights before it would leave too little to find it in.
    let late = told(since(18));
    assert_eq!((late.values.len(), &late.changes), (12, &whole.changes));
    assert!(told(since(21)).changes.is_empty());
}
