//! `bakeoff check` and `bakeoff trend`: the nightly gate, on a committed journal and a history made of it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::support::{Ended, Place, repository};

struct Nightly(Place);

impl Nightly {
    fn bakeoff(&self, arguments: &[&str]) -> Ended {
        let mut command = self.0.command(arguments);
        for name in [
            "BAKEOFF_DB",
            "GITHUB_SHA",
            "GITHUB_HEAD_REF",
            "GITHUB_REF_NAME",
            "CI_COMMIT_SHA",
        ] {
            command.env_remove(name);
        }
        command.output().expect("the program starts").into()
    }

    /// A history of so many nights before the committed run, in which its times are so many times as long.
    fn of(factors: &[f64]) -> Self {
        let place = Self(Place::new());
        let added = place.bakeoff(&["history", "add", &journal(), "--branch", "main"]);
        assert_eq!(added.code, 0, "{}", added.err);
        let line: Value = serde_json::from_str(&place.bakeoff(&["history", "export"]).out).expect("a line");
        let id = line["run"]["id"].as_str().expect("an id").to_owned();
        let started: DateTime<Utc> = line["run"]["started"]
            .as_str()
            .expect("a time")
            .parse()
            .expect("a time");
        assert_eq!(place.bakeoff(&["history", "prune", "--run", &id]).code, 0);
        let mut lines = String::new();
        for (number, factor) in factors.iter().enumerate() {
            let ago = i64::try_from(factors.len() - number).expect("few nights");
            let mut line = line.clone();
            line["run"]["id"] = format!("night-{number}").into();
            line["run"]["started"] = (started - TimeDelta::days(ago)).to_rfc3339().into();
            line["run"]["origin"]["commit"] = format!("commit{number}").into();
            for metric in line["run"]["metrics"].as_array_mut().expect("a list") {
                let value = metric["rounds"][0][1].as_f64().expect("a number");
                if metric["unit"] == "s" {
                    metric["rounds"][0][1] = (value * factor).into();
                }
            }
            lines += &(line.to_string() + "\n");
        }
        std::fs::write(place.0.path("nights.jsonl"), lines).expect("written");
        let imported = place.bakeoff(&["history", "import", "nights.jsonl"]);
        assert_eq!(imported.code, 0, "{}", imported.err);
        place
    }

    fn check(&self, more: &[&str]) -> Ended {
        self.bakeoff(&[&["check", &journal(), "--branch", "main"], more].concat())
    }
}

fn journal() -> String {
    repository()
        .join("reports/published-torch")
        .to_string_lossy()
        .into_owned()
}

/// Twenty nights that differ by a per cent or so, and then these.
fn nights(last: &[f64]) -> Vec<f64> {
    let week = [0.995, 1.0, 1.005, 0.99, 1.01];
    let quiet = (0..20).map(|night| week[night % week.len()] * last.first().map_or(1.0, |_| 0.7));
    quiet.chain(last.iter().copied()).collect()
}

#[test]
fn a_first_night_passes_and_leaves_no_file() {
    let place = Nightly(Place::new());
    let first = place.check(&[]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(first.out.contains("no baseline yet"), "{}", first.out);
    assert!(first.out.contains("There is no history at"), "{}", first.out);
    assert!(!place.0.path("reports/history.db").exists());
    assert_eq!(place.check(&["--require-conclusive"]).code, 11);
}

#[test]
fn a_quiet_series_passes_and_a_slowdown_fails_on_its_third_night() {
    let quiet = Nightly::of(&nights(&[]));
    let passed = quiet.check(&["--require-conclusive"]);
    assert_eq!(passed.code, 0, "{}{}", passed.out, passed.err);

    // The committed run is slower by a half than twenty nights before it; so were the two nights before it.
    let once = Nightly::of(&nights(&[0.7]));
    let suspected = once.check(&[]);
    assert!(
        suspected.code == 0 && suspected.out.contains("suspected"),
        "{}",
        suspected.out
    );
    let thrice = Nightly::of(&nights(&[1.0, 1.0]));
    let red = thrice.check(&["--format", "json"]);
    assert_eq!(red.code, 10, "{}{}", red.out, red.err);
    assert!(!red.err.contains("error"), "a regression is no error: {}", red.err);
    let red: Value = serde_json::from_str(&red.out).expect("JSON");
    let figures = red["figures"].as_array().expect("a list");
    let hot = |figure: &&Value| figure["metric"] == "hot build" && figure["scenario"] == "pip-multi";
    let hot = figures.iter().find(hot).expect("there");
    assert_eq!(hot["verdict"], "regression");
    assert!((1.4..1.45).contains(&hot["ratio"].as_f64().expect("a number")), "{hot}");
    assert_eq!(hot["baseline"]["first_beyond"]["commit"], "commit20");
    let size = figures
        .iter()
        .find(|figure| figure["metric"] == "image size")
        .expect("there");
    assert_eq!(size["verdict"], "no-change");

    let policy =
        "schema = 1\n[[metric]]\nmetric = \"image size\"\n[[metric]]\nmetric = \"hot*\"\non_regression = \"warn\"\n";
    std::fs::write(thrice.0.path("policy.toml"), policy).expect("written");
    assert_eq!(thrice.check(&["--policy", "policy.toml"]).code, 0);
    std::fs::write(
        thrice.0.path("policy.toml"),
        policy.replace("image size", "image seize"),
    )
    .expect("written");
    let wrong = thrice.check(&["--policy", "policy.toml"]);
    assert!(wrong.code == 3 && wrong.err.contains("policy.toml:3"), "{}", wrong.err);
    let absent = thrice.check(&["--policy", "no-such.toml"]);
    assert!(absent.code == 1 && absent.err.contains("hint: "), "{}", absent.err);
}

#[test]
fn a_verdict_can_be_published_and_blames_the_first_night() {
    // Slower for seven nights: the first of them is to blame, not the last but one.
    let place = Nightly::of(&nights(&[1.0, 1.01, 0.99, 1.0, 1.005, 0.995]));
    let red = place.check(&["--format", "markdown"]);
    assert_eq!(red.code, 10, "{}{}", red.out, red.err);
    assert!(red.out.starts_with("## Gate: regression\n"), "{}", red.out);
    let hot = red.out.lines().find(|line| line.contains("| hot build | pip-multi |"));
    let hot = hot.expect("a row");
    assert!(
        hot.starts_with("| regression |") && hot.contains("since night-20 of ") && hot.contains("commit20"),
        "{hot}"
    );
    let trend = place.bakeoff(&["trend", "--branch", "main", "--format", "markdown"]);
    assert!(
        trend.code == 0 && trend.out.contains("| hot build | "),
        "{}{}",
        trend.out,
        trend.err
    );
    let request = place.bakeoff(&["check", &journal(), "--branch", "quicker"]);
    assert!(
        request.code == 0 && request.out.contains("main has 26: compare with --branch main"),
        "{}{}",
        request.out,
        request.err
    );
    let policy = "schema = 1\n[[accept]]\nmetric = \"*\"\nsince = \"2020-01-01\"\n";
    std::fs::write(place.0.path("policy.toml"), policy).expect("written");
    assert_eq!(place.check(&["--policy", "policy.toml"]).code, 10, "nothing is cut off");
    std::fs::write(place.0.path("policy.toml"), policy.replace("2020", "2100")).expect("written");
    let accepted = place.check(&["--policy", "policy.toml"]);
    assert!(
        accepted.code == 0 && accepted.out.contains("accepted; 0 of 10 nights of the new baseline"),
        "{}{}",
        accepted.out,
        accepted.err
    );
}

#[test]
fn a_figure_that_was_dropped_is_missing() {
    let place = Nightly::of(&nights(&[]));
    let lines = std::fs::read_to_string(place.0.path("nights.jsonl")).expect("there");
    let mut last: Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    last["run"]["id"] = "night-with-more".into();
    let started: DateTime<Utc> = last["run"]["started"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    last["run"]["started"] = (started + TimeDelta::hours(1)).to_rfc3339().into();
    let metrics = last["run"]["metrics"].as_array_mut().expect("a list");
    let mut more = metrics[0].clone();
    more["scenario"] = "dropped-since".into();
    more["place"] = metrics.len().into();
    metrics.push(more);
    std::fs::write(place.0.path("more.jsonl"), last.to_string()).expect("written");
    assert_eq!(place.bakeoff(&["history", "import", "more.jsonl"]).code, 0);
    let checked = place.check(&[]);
    assert!(
        checked.code == 0 && checked.out.contains("missing") && checked.out.contains("night-with-more"),
        "{}{}",
        checked.out,
        checked.err
    );
    assert_eq!(place.check(&["--require-conclusive"]).code, 11);
}

#[test]
fn a_trend_shows_where_a_series_changed() {
    let mut factors = nights(&[1.0]);
    factors.extend([1.01, 0.99, 1.0, 1.005, 0.995, 1.0, 1.01, 0.99]);
    let place = Nightly::of(&factors);
    let trend = place.bakeoff(&[
        "trend",
        "--branch",
        "main",
        "--metric",
        "hot build",
        "--scenario",
        "pip-m*",
        "--format",
        "json",
    ]);
    assert_eq!(trend.code, 0, "{}", trend.err);
    let trend: Value = serde_json::from_str(&trend.out).expect("JSON");
    let series = trend["series"].as_array().expect("a list");
    assert_eq!(series.len(), 1, "{trend}");
    let changes = series[0]["changes"].as_array().expect("a list");
    assert_eq!(changes.len(), 1, "{trend}");
    assert_eq!(changes[0]["commit"], "commit20");
    assert!(
        (1.4..1.46).contains(&changes[0]["ratio"].as_f64().expect("a number")),
        "{trend}"
    );
    let text = place.bakeoff(&["trend", "--branch", "main"]).out;
    assert!(text.contains("commit20") && text.contains("more"), "{text}");
    let none = place.bakeoff(&["trend", "--branch", "no-such"]);
    assert!(none.code == 1 && none.err.contains("hint"), "{}", none.err);
}
