use std::io::BufReader;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use super::*;

fn begin() -> DateTime<Utc> {
    "2026-01-01T03:00:00.123Z".parse().expect("a time")
}

/// A run of some night, with two figures.
fn run(night: u32, branch: &str) -> PastRun {
    let metric = |name: &str, unit: &str, place, value: f64| Metric {
        scenario: "uv-single".into(),
        name: name.into(),
        unit: unit.into(),
        place,
        rounds: vec![(1, value), (2, value + 0.1)],
    };
    PastRun {
        id: format!("{branch}-{night:03}"),
        started: begin() + TimeDelta::days(night.into()),
        suite: "published".into(),
        fixture: "app".into(),
        variant: "light".into(),
        bakeoff: "0.1.0".into(),
        origin: Origin {
            commit: format!("c{night}"),
            branch: branch.into(),
        },
        state: "complete".into(),
        identity: vec![("processors".into(), "2".into())],
        drift: vec![("kernel".into(), "6.1".into())],
        metrics: vec![
            metric("cold build", "s", 0, 0.1 + 0.2 * f64::from(night)),
            metric("image size", "B", 1, 1e9),
        ],
    }
}

fn key(branch: &str) -> SeriesKey {
    SeriesKey {
        suite: "published".into(),
        fixture: "app".into(),
        variant: "light".into(),
        branch: branch.into(),
        identity: vec![("processors".into(), "2".into())],
        scenario: "uv-single".into(),
        metric: "cold build".into(),
        unit: "s".into(),
    }
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("some/history.db")
    }

    /// A history of so many nights.
    fn of(&self, nights: u32) -> History {
        let mut history = History::open(&self.file()).expect("a history");
        for night in 0..nights {
            assert_eq!(history.add(&run(night, "main")).expect("added"), Added::New);
        }
        history
    }
}

fn ids(history: &History, filter: &Filter) -> Vec<String> {
    let runs = history.runs(filter).expect("readable");
    runs.into_iter().map(|run| run.id).collect()
}

#[test]
fn what_was_added_comes_back_to_the_last_digit() {
    let place = Place::new();
    drop(place.of(3));
    let mut history = History::open_existing(&place.file()).expect("a history");
    for night in 0..3 {
        assert_eq!(
            history.run(&format!("main-00{night}")).expect("there"),
            run(night, "main")
        );
    }
    assert_eq!(history.add(&run(1, "main")).expect("known"), Added::Known);
    let mut other = run(1, "main");
    other.metrics[0].rounds[0].1 += 0.1;
    assert!(matches!(history.add(&other), Err(HistoryError::Differs { .. })));
    assert_eq!(history.run("main-001").expect("there"), run(1, "main"));
}

#[test]
fn runs_come_newest_first_and_can_be_chosen() {
    let place = Place::new();
    let mut history = place.of(3);
    history.add(&run(9, "feature")).expect("added");
    let branch = |name: &str| Filter {
        branch: Some(name.into()),
        ..Filter::default()
    };
    assert_eq!(
        ids(&history, &Filter::default()),
        ["feature-009", "main-002", "main-001", "main-000"]
    );
    assert_eq!(ids(&history, &branch("feature")), ["feature-009"]);
    assert!(ids(&history, &branch("Main")).is_empty());
    let since = Filter {
        since: Some(begin() + TimeDelta::days(1)),
        limit: Some(2),
        ..branch("main")
    };
    assert_eq!(ids(&history, &since), ["main-002", "main-001"]);
    let first = &history.runs(&Filter::default()).expect("readable")[0];
    assert_eq!((first.metrics, first.origin.commit.as_str()), (2, "c9"));
}

#[test]
fn a_run_is_found_by_what_nobody_else_begins_with() {
    let place = Place::new();
    let mut history = place.of(2);
    history.add(&run(0, "main-000")).expect("added");
    assert_eq!(history.run("main-001").expect("there").id, "main-001");
    assert_eq!(history.run("main-000").expect("the whole id").id, "main-000");
    assert_eq!(history.run("latest").expect("there").id, "main-001");
    for name in ["main", "main-0"] {
        assert!(matches!(history.run(name), Err(HistoryError::Ambiguous { runs, .. }) if runs.len() == 3));
    }
    for name in ["", "%", "MAIN-001", "x"] {
        assert!(
            matches!(history.run(name), Err(HistoryError::UnknownRun { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn a_series_is_one_figure_on_one_branch_and_machine() {
    let place = Place::new();
    let mut history = place.of(5);
    history.add(&run(7, "feature")).expect("added");
    let mut elsewhere = run(8, "main");
    elsewhere.identity[0].1 = "64".into();
    history.add(&elsewhere).expect("added");
    let mut unfinished = run(9, "main");
    unfinished.state = "interrupted".into();
    history.add(&unfinished).expect("added");
    let runs = |series: Series| series.points.into_iter().map(|point| point.run).collect::<Vec<_>>();
    let all = history.series(&key("main"), None, 100).expect("readable");
    assert_eq!(all.points[1].rounds, run(1, "main").metrics[0].rounds);
    assert_eq!(runs(all), ["main-000", "main-001", "main-002", "main-003", "main-004"]);
    // Counted are the same.
    assert_eq!(history.count(&run(99, "x"), "main").expect("readable"), 5);
    assert_eq!(history.count(&run(3, "x"), "main").expect("readable"), 3);
    let before = Some(begin() + TimeDelta::days(3));
    assert_eq!(
        runs(history.series(&key("main"), before, 2).expect("readable")),
        ["main-001", "main-002"]
    );
    assert!(history.series(&key("x"), None, 9).expect("readable").points.is_empty());
    let branch = Filter {
        branch: Some("feature".into()),
        ..Filter::default()
    };
    let keys = history.keys(&branch).expect("readable");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], key("feature"));
}

#[test]
fn the_run_before_is_finished_and_of_the_same_machine() {
    let place = Place::new();
    let mut history = place.of(3);
    let mut elsewhere = run(3, "main");
    elsewhere.identity[0].1 = "64".into();
    let mut unfinished = run(4, "main");
    unfinished.state = "interrupted".into();
    for run in [elsewhere, unfinished, run(5, "feature")] {
        history.add(&run).expect("added");
    }
    let previous = |night, branch| history.previous(&run(night, "x"), branch).expect("readable");
    assert_eq!(previous(9, "main"), Some(run(2, "main")));
    assert_eq!(previous(2, "main"), Some(run(1, "main")), "not itself");
    assert_eq!((previous(0, "main"), previous(9, "y")), (None, None));
    let branches = history.branches(&run(0, "x")).expect("readable");
    assert_eq!(branches, [("main".to_owned(), 4), ("feature".to_owned(), 1)]);
}

#[test]
fn pruning_takes_what_it_says_and_nothing_else() {
    let place = Place::new();
    let mut history = place.of(5);
    history.add(&run(0, "feature")).expect("added");
    let newest = Keep::Newest(2);
    let doomed = ["main-000", "main-001", "main-002"];
    assert_eq!(history.prune(&newest, None, true).expect("told"), doomed);
    assert_eq!(ids(&history, &Filter::default()).len(), 6);
    assert_eq!(history.prune(&newest, None, false).expect("done"), doomed);
    assert_eq!(
        ids(&history, &Filter::default()),
        ["main-004", "main-003", "feature-000"]
    );
    assert_eq!(history.series(&key("main"), None, 9).expect("readable").points.len(), 2);
    let since = Keep::Since(begin() + TimeDelta::days(4));
    assert_eq!(history.prune(&since, Some("main"), false).expect("done"), ["main-003"]);
    let one = Keep::AllBut("feature-000".into());
    assert_eq!(history.prune(&one, None, false).expect("done"), ["feature-000"]);
    assert_eq!(history.keys(&Filter::default()).expect("readable").len(), 2);
}

#[test]
fn lines_carry_a_history_to_another_file() {
    let place = Place::new();
    let history = place.of(3);
    let mut lines = Vec::new();
    assert_eq!(history.export(&Filter::default(), &mut lines).expect("written"), 3);
    let mut other = History::open(&place.folder.path().join("other.db")).expect("a history");
    let name = Path::new("runs.jsonl");
    let mut import = |text: &[u8]| other.import(&mut BufReader::new(text), name);
    assert_eq!(import(&lines).expect("good"), (3, 0));
    assert_eq!(import(&lines).expect("good"), (0, 3));
    assert_eq!(other.run("main-002").expect("there"), run(2, "main"));
}

#[test]
fn a_line_that_is_no_good_imports_nothing() {
    let place = Place::new();
    let mut history = place.of(0);
    let good = |run: &PastRun| text_of(&serde_json::json!({ "schema": 1, "run": run }));
    let bad = [
        ("half a line".to_owned(), "expected"),
        ("{\"schema\": 2}".to_owned(), "schema 2"),
        (good(&run(1, "main")).replace("0.1", "1e999"), "out of range"),
        (good(&run(1, "main")).replace("0.3", "-0.3"), "negative"),
        (
            good(&run(1, "main"))
                .replace("\"image size\"", "\"cold build\"")
                .replace("\"B\"", "\"s\""),
            "twice",
        ),
        (good(&run(1, "main")).replace("\"rounds\"", "\"turns\""), "turns"),
    ];
    for (line, reason) in bad {
        let text = format!("{}\n\n{line}\n", good(&run(0, "main")));
        let error = history
            .import(&mut BufReader::new(text.as_bytes()), Path::new("runs.jsonl"))
            .expect_err(&line);
        assert!(matches!(&error, HistoryError::Line { line: 3, .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(ids(&history, &Filter::default()).is_empty());
}

#[test]
fn other_files_are_told_of_and_left_alone() {
    let place = Place::new();
    let folder = place.folder.path();
    let text = folder.join("notes.txt");
    std::fs::write(
        &text,
        "nothing of the kind, and longer than the head of a database ".repeat(9),
    )
    .expect("written");
    assert!(matches!(History::open(&text), Err(HistoryError::Foreign { .. })));
    let others = folder.join("others.db");
    let connection = Connection::open(&others).expect("a database");
    connection.execute_batch("CREATE TABLE theirs (x)").expect("made");
    drop(connection);
    let before = std::fs::read(&others).expect("there");
    assert!(matches!(History::open(&others), Err(HistoryError::Foreign { .. })));
    assert_eq!(std::fs::read(&others).expect("there"), before);
    let absent = folder.join("absent.db");
    assert!(matches!(
        History::open_existing(&absent),
        Err(HistoryError::Absent { .. })
    ));
    assert!(!absent.exists());
    // An empty file is where a history may go.
    let empty = folder.join("empty.db");
    std::fs::write(&empty, "").expect("written");
    assert!(ids(&History::open_existing(&empty).expect("empty"), &Filter::default()).is_empty());
}

#[test]
fn a_newer_history_is_not_read() {
    let place = Place::new();
    let history = place.of(1);
    history.connection.pragma_update(None, "user_version", 2).expect("set");
    drop(history);
    let error = History::open(&place.file()).expect_err("newer");
    assert!(matches!(error, HistoryError::Newer { schema: 2, .. }), "{error}");
}

#[test]
fn damage_is_told_and_not_made_worse() {
    let place = Place::new();
    drop(place.of(60));
    let mut bytes = std::fs::read(place.file()).expect("there");
    let pages = bytes.len() / 4096;
    assert!(pages > 8, "{pages}");
    // All pages but the first, which holds the names of the tables.
    bytes[4096..].fill(0xab);
    std::fs::write(place.file(), &bytes).expect("written");
    let mut history = History::open_existing(&place.file()).expect("its head is good");
    let read = history.runs(&Filter::default()).expect_err("damaged");
    assert!(matches!(read, HistoryError::Damaged { .. }), "{read:?}");
    let written = history.add(&run(99, "main")).expect_err("damaged");
    assert!(matches!(written, HistoryError::Damaged { .. }), "{written:?}");
    drop(history);
    assert_eq!(std::fs::read(place.file()).expect("there"), bytes);
    // Half a file, as a full disk leaves a copy.
    std::fs::write(place.file(), &bytes[..5000]).expect("written");
    let cut = History::open_existing(&place.file()).and_then(|history| history.runs(&Filter::default()));
    assert!(matches!(cut, Err(HistoryError::Damaged { .. })), "{cut:?}");
}

#[test]
fn two_writers_take_turns() {
    let place = Place::new();
    let add = |branch: &'static str| {
        let file = place.file();
        std::thread::spawn(move || {
            let mut history = History::open(&file).expect("a history");
            for night in 0..20 {
                history.add(&run(night, branch)).expect("added");
            }
        })
    };
    let writers = [add("a"), add("b")];
    for writer in writers {
        writer.join().expect("no panic");
    }
    let history = History::open_existing(&place.file()).expect("a history");
    assert_eq!(ids(&history, &Filter::default()).len(), 40);
}
