//! `bakeoff history`: runs over time, from committed journals.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Ended, Place, repository};

struct Histories(Place);

impl Histories {
    fn new() -> Self {
        Self(Place::new())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.command(&[&["history"], arguments].concat());
        for name in [
            "BAKEOFF_DB",
            "GITHUB_SHA",
            "GITHUB_HEAD_REF",
            "GITHUB_REF_NAME",
            "CI_COMMIT_SHA",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn history(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }
}

fn journal() -> String {
    repository()
        .join("reports/published-torch")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn a_run_is_added_listed_shown_carried_on_and_removed() {
    let place = Histories::new();
    let added = place.history(&["add", &journal(), "--branch", "main", "--commit", "abc"]);
    assert_eq!(added.code, 0, "{}", added.err);
    let again = place.history(&["add", &journal(), "--branch", "main", "--commit", "abc"]);
    assert!(
        again.code == 0 && again.out.contains("already"),
        "{}{}",
        again.out,
        again.err
    );
    let other = place.history(&["add", &journal(), "--branch", "main", "--commit", "def"]);
    assert!(other.code == 1 && other.err.contains("another run"), "{}", other.err);

    let list = place.history(&["list", "--format", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list.out).expect("JSON");
    let runs = list["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), 1, "{list}");
    assert_eq!(
        (&runs[0]["branch"], &runs[0]["commit"]),
        (&"main".into(), &"abc".into())
    );
    let id = runs[0]["id"].as_str().expect("an id");

    let show = place.history(&["show", "latest", "--format", "json"]);
    let show: serde_json::Value = serde_json::from_str(&show.out).expect("JSON");
    let report = std::fs::read(repository().join("reports/published-torch/report.json")).expect("there");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
    let metrics = show["run"]["metrics"].as_array().expect("a list");
    let mut compared = 0;
    for row in report["rows"].as_array().expect("a list") {
        for cell in row["cells"].as_array().expect("a list") {
            let is_it =
                |metric: &&serde_json::Value| metric["scenario"] == cell["scenario"] && metric["name"] == row["label"];
            let metric = metrics.iter().find(is_it).expect("every measured cell is there");
            // The run has one round, so its value is the median.
            assert_eq!(metric["rounds"][0][1].as_f64(), cell["median"].as_f64());
            compared += 1;
        }
    }
    assert_eq!(compared, metrics.len());

    let file = place.0.path("runs.jsonl");
    let file = file.to_string_lossy();
    assert_eq!(place.history(&["export", "--output", &file]).code, 0);
    let imported = place.history(&["import", &file, "--db", "other.db"]);
    assert_eq!(imported.code, 0, "{}", imported.err);
    let carried = place.history(&["show", id, "--db", "other.db", "--format", "json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&carried.out).expect("JSON"),
        show
    );

    let dry = place.history(&["prune", "--run", id, "--dry-run"]);
    assert!(
        dry.out.contains(id) && place.history(&["list"]).out.contains(id),
        "{}",
        dry.out
    );
    assert_eq!(place.history(&["prune", "--run", id]).code, 0);
    assert!(!place.history(&["list"]).out.contains(id));
}

#[test]
fn what_is_wrong_is_told_with_a_remedy() {
    let place = Histories::new();
    for (arguments, code) in [
        (&["list"][..], 1),
        (&["add", "no-such-run"], 1),
        (&["prune"], 2),
        (&["import", "absent.jsonl"], 1),
    ] {
        let ended = place.history(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("error: "), "{}", ended.err);
    }
    std::fs::write(
        place.0.path("text.db"),
        "no database at all, but long enough to be one ".repeat(5),
    )
    .expect("written");
    let foreign = place.history(&["add", &journal(), "--db", "text.db"]);
    assert!(foreign.code == 1 && foreign.err.contains("hint: "), "{}", foreign.err);
    // A folder that can't be made, because a file has its name; and a folder where the file should be.
    for db in ["text.db/history.db", "."] {
        let refused = place.history(&["add", &journal(), "--db", db]);
        assert!(
            refused.code == 1 && refused.err.contains("hint: "),
            "{db}: {}",
            refused.err
        );
    }
}

#[test]
fn a_history_whose_writers_are_killed_is_whole() {
    let place = Histories::new();
    assert_eq!(place.history(&["add", &journal(), "--branch", "first"]).code, 0);
    // A thousand runs take long enough to be killed in the middle of writing them.
    let exported = place.history(&["export"]).out;
    let run: serde_json::Value = serde_json::from_str(&exported).expect("one line");
    let line = |number: usize| {
        let mut line = run.clone();
        line["run"]["id"] = format!("copy-{number}").into();
        line.to_string() + "\n"
    };
    let lines: String = (0..1000).map(line).collect();
    std::fs::write(place.0.path("runs.jsonl"), lines).expect("written");
    let mut killed_in_the_middle = 0;
    for round in 0..12_u64 {
        let mut importing = place
            .command(&["import", "runs.jsonl"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Only while it writes is there a journal beside the file.
        let journal = place.0.path("reports/history.db-journal");
        while !journal.exists() && importing.try_wait().expect("a process").is_none() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(round * 7 % 40));
        importing.kill().expect("killed");
        let ended = importing.wait().expect("a process");
        killed_in_the_middle += u32::from(!ended.success());
        let list = place.history(&["list", "--format", "json"]);
        assert_eq!(list.code, 0, "{}", list.err);
        let list: serde_json::Value = serde_json::from_str(&list.out).expect("JSON");
        let runs = list["runs"].as_array().expect("a list").len();
        assert!(runs == 1 || runs == 1001, "{runs} runs: half of an import");
        if runs == 1001 {
            assert_eq!(place.history(&["prune", "--keep", "1"]).code, 0);
        }
    }
    assert!(killed_in_the_middle > 0, "no import was killed before its end");
    assert_eq!(place.history(&["import", "runs.jsonl"]).code, 0);
}

#[test]
fn a_history_whose_add_is_killed_holds_all_of_the_run_or_nothing() {
    let place = Histories::new();
    let journal = journal();
    let add = ["add", &journal, "--branch", "main", "--commit", "abc"];
    let began = std::time::Instant::now();
    assert_eq!(place.history(&add).code, 0);
    let whole_add = began.elapsed();
    let whole = place.history(&["export"]).out;
    let (file, writing) = (
        place.0.path("reports/history.db"),
        place.0.path("reports/history.db-journal"),
    );
    let (mut killed, mut absent) = (0, 0);
    for round in 0..40_u32 {
        // Into a file that is there, or into none: then its tables are made too.
        if round % 4 == 0 {
            std::fs::remove_file(&file).expect("removed");
        }
        let mut adding = place
            .command(&add)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        if round % 2 == 0 {
            // At any moment of its life, the end and a little more included.
            std::thread::sleep(whole_add * (round * 7 % 40) / 36);
        } else {
            // While it writes: only then is there a journal beside the file.
            while !writing.exists() && adding.try_wait().expect("a process").is_none() {
                std::thread::yield_now();
            }
        }
        adding.kill().expect("killed");
        killed += u32::from(!adding.wait().expect("a process").success());
        if !file.exists() {
            absent += 1;
            // For the next one to remove.
            std::fs::write(&file, "").expect("written");
            continue;
        }
        let exported = place.history(&["export"]);
        assert_eq!(exported.code, 0, "round {round}: {}", exported.err);
        assert!(
            exported.out == whole || exported.out.is_empty(),
            "round {round}: half of a run: {}",
            exported.out
        );
        let sound: String = rusqlite::Connection::open(&file)
            .and_then(|database| database.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
            .expect("a database");
        assert_eq!(sound, "ok", "round {round}");
        if exported.out == whole {
            let id = exported.out.split('"').skip_while(|part| *part != "id").nth(2);
            assert_eq!(place.history(&["prune", "--run", id.expect("an id")]).code, 0);
        }
    }
    assert!(
        killed > 0 && absent < 40,
        "{killed} were killed, {absent} before there was a file"
    );
    assert_eq!(place.history(&add).code, 0);
    assert_eq!(place.history(&["export"]).out, whole);
}
