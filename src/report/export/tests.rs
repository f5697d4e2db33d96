use super::*;
use crate::analysis::sample;
use crate::runner::event::Round;

fn exported(logs: &[RunLog], format: ExportFormat, options: ExportOptions) -> Result<(String, Vec<String>), String> {
    let runs: Vec<ExportedRun> = logs.iter().map(ExportedRun::of).collect();
    let mut out = Vec::new();
    let remarks = export(&runs, format, options, &mut out).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).expect("text"), remarks))
}

fn text(log: &RunLog, format: ExportFormat) -> String {
    let (text, remarks) = exported(std::slice::from_ref(log), format, ExportOptions::default()).expect("exported");
    assert_eq!(remarks, Vec::<String>::new());
    text
}

fn json(log: &RunLog, format: ExportFormat) -> serde_json::Value {
    serde_json::from_str(&text(log, format)).expect("JSON")
}

/// A run of the series `of`, a day after the one before it.
fn night(mut log: RunLog, number: u32) -> RunLog {
    log.header.run = RunId(format!("202611{:02}-113000-1f3a", 21 + number));
    log.header.started += chrono::TimeDelta::days(i64::from(number));
    log
}

#[test]
fn hyperfine() {
    insta::assert_snapshot!(text(&sample::full(), ExportFormat::Hyperfine));
}

#[test]
fn bmf() {
    insta::assert_snapshot!(text(&sample::full(), ExportFormat::Bmf));
}

#[test]
fn bmf_of_a_replay() {
    insta::assert_snapshot!(text(&sample::mirrored(), ExportFormat::Bmf));
}

#[test]
fn github_action_benchmark() {
    insta::assert_snapshot!(text(&sample::full(), ExportFormat::GithubActionBenchmark));
}

#[test]
fn junit() {
    insta::assert_snapshot!(text(&sample::full(), ExportFormat::Junit));
}

#[test]
fn junit_tells_what_an_unfinished_run_did_not_get_to_and_why_a_trial_ended() {
    let mut log = sample::interrupted();
    log.trials[2].failed = Some("the \u{1b}[31mengine\u{1b}[0m is gone".into());
    log.phases.retain(|phase| phase.trial != log.trials[2].trial);
    insta::assert_snapshot!(text(&log, ExportFormat::Junit));
}

#[test]
fn otava() {
    let logs = [night(sample::full(), 1), sample::full()];
    let (csv, remarks) = exported(&logs, ExportFormat::Otava, ExportOptions::default()).expect("exported");
    assert_eq!(remarks, Vec::<String>::new());
    insta::assert_snapshot!(csv);
}

#[test]
fn otava_config() {
    insta::assert_snapshot!(text(&sample::full(), ExportFormat::OtavaConfig));
}

#[test]
fn every_column_of_otava_s_configuration_is_in_its_table() {
    let (csv, config) = (
        text(&sample::full(), ExportFormat::Otava),
        text(&sample::full(), ExportFormat::OtavaConfig),
    );
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(str::to_owned).collect();
    let metrics: Vec<String> = config
        .lines()
        .filter_map(|line| line.trim().strip_suffix(": {direction: -1}"))
        .map(|name| serde_json::from_str(name).expect("a JSON string"))
        .collect();
    assert_eq!(metrics, head[7..]);
    assert!(
        metrics.iter().all(|name| !name.contains(',')),
        "otava's --metrics splits at commas"
    );
    let rows = reader.records().map(|row| row.expect("a row"));
    for row in rows {
        assert!(
            row.iter()
                .skip(7)
                .all(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite))
        );
    }
}

#[test]
fn a_run_without_one_of_the_newest_s_figures_is_left_out_of_the_series_and_named() {
    let whole = "
                   | a     | b
        cold build | 3 4 5 | 6 7 8
    ";
    let broken = "
                   | a              | b
        cold build | fail fail fail | 6 7 8
    ";
    let logs = [
        sample::run(whole),
        night(sample::run(broken), 1),
        night(sample::run(whole), 2),
    ];
    let (csv, remarks) = exported(&logs, ExportFormat::Otava, ExportOptions::default()).expect("exported");
    assert_eq!(csv.lines().count(), 3);
    assert_eq!(
        remarks,
        ["run 20261122-113000-1f3a is left out, because it has no figure of a: cold build; a: image size"]
    );
    let nothing = sample::run(
        "
                   | a              | b
        cold build | fail fail fail | bad bad bad
    ",
    );
    let logs_with_nothing = [sample::run(whole), night(nothing, 1), night(sample::run(whole), 2)];
    let (csv, remarks) = exported(&logs_with_nothing, ExportFormat::Otava, ExportOptions::default()).expect("exported");
    assert_eq!(csv.lines().count(), 3);
    assert_eq!(
        remarks,
        ["run 20261122-113000-1f3a is left out, because nothing in it was measured"]
    );
    // If it is the newest, the columns are what it has, and the others keep their rows.
    let (csv, remarks) = exported(&logs[..2], ExportFormat::Otava, ExportOptions::default()).expect("exported");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.starts_with("time,run,bakeoff,engine,kernel,recording,seed,b: cold build,b: image size\n"));
    assert_eq!(
        remarks,
        ["2 figures of run 20261121-113000-1f3a are left out, because the newest run does not have them"]
    );
}

#[test]
fn only_runs_of_one_suite_and_one_machine_make_a_series() {
    let refused =
        |log: RunLog, options: ExportOptions| exported(&[sample::full(), log], ExportFormat::Otava, options).err();
    let any = ExportOptions {
        allow_different_machine: true,
    };
    let mut torch = night(sample::full(), 1);
    torch.header.variant = "torch".into();
    for options in [ExportOptions::default(), any] {
        assert_eq!(
            refused(torch.clone(), options).as_deref(),
            Some(
                "runs 20261121-113000-1f3a and 20261122-113000-1f3a don't make one series: variant: \"light\" and \"torch\""
            )
        );
    }
    let mut other = night(sample::full(), 1);
    other.header.fingerprint.identity.cpus = 64;
    assert!(refused(other.clone(), ExportOptions::default()).is_some_and(|text| text.contains("processors: \"2\"")));
    assert_eq!(refused(other, any), None);
    assert_eq!(
        refused(sample::full(), any).as_deref(),
        Some("run 20261121-113000-1f3a is named twice")
    );
}

#[test]
fn all_other_formats_take_one_run() {
    for format in ExportFormat::ALL.into_iter().filter(|format| !format.takes_several()) {
        let error = exported(
            &[sample::full(), night(sample::full(), 1)],
            format,
            ExportOptions::default(),
        );
        assert_eq!(error.unwrap_err(), format!("{} takes one run, not 2", format.name()));
    }
}

#[test]
fn a_run_in_which_nothing_was_measured_has_no_figures_but_its_failures_are_told() {
    let log = sample::run(
        "
                   | a    | b
        cold build | fail | bad
    ",
    );
    for format in ExportFormat::ALL {
        let told = exported(std::slice::from_ref(&log), format, ExportOptions::default());
        let figures = matches!(
            format,
            ExportFormat::Hyperfine
                | ExportFormat::Bmf
                | ExportFormat::GithubActionBenchmark
                | ExportFormat::Otava
                | ExportFormat::OtavaConfig
        );
        assert_eq!(told.is_err(), figures, "{}: {told:?}", format.name());
    }
    let mut empty = log;
    empty.phases.clear();
    empty.trials.clear();
    for format in [ExportFormat::Perfetto, ExportFormat::Otlp] {
        let told = exported(std::slice::from_ref(&empty), format, ExportOptions::default());
        assert_eq!(told.unwrap_err(), "no phase of run 20261121-113000-1f3a has ended");
    }
}

#[test]
#[allow(clippy::float_cmp, reason = "each is read from the same digits")]
fn warm_ups_and_what_did_not_count_are_in_no_figure() {
    let hyperfine = json(&sample::full(), ExportFormat::Hyperfine);
    let results = hyperfine["results"].as_array().expect("a list");
    let multi = results
        .iter()
        .find(|result| result["command"] == "uv-multi: cold build")
        .expect("measured");
    assert_eq!(
        multi["times"],
        serde_json::json!([17.6, 18.1]),
        "without 20 and the failed one"
    );
    assert_eq!(multi["exit_codes"], serde_json::json!([0, 0]));
    assert_eq!(multi["user"], serde_json::Value::Null);
    let invalid = "uv-single[cache_mounts=off]: hot push";
    assert!(results.iter().all(|result| result["command"] != invalid));
    let one = json(&sample::single_round(), ExportFormat::Hyperfine);
    assert_eq!(
        one["results"][0]["stddev"],
        serde_json::Value::Null,
        "one time has no spread"
    );
    let bmf = json(&sample::single_round(), ExportFormat::Bmf);
    let latency = &bmf["published/light/pip-single: cold build"]["latency"];
    assert_eq!(latency["value"], 31.4e9);
    assert!(latency.get("lower_value").is_none());
}

/// A run of so many scenarios, each with its own Dockerfile's worth of steps.
fn huge(scenarios: usize) -> RunLog {
    let head: Vec<String> = (0..scenarios)
        .map(|at| format!("scenario-with-a-long-name-{at}"))
        .collect();
    let row = |name: &str, cell: &str| format!("{name} | {}\n", vec![cell; scenarios].join(" | "));
    sample::run(&format!(
        " | {}\n{}{}",
        head.join(" | "),
        row("cold build", "31.4 fail 33"),
        row("hot build", "4.2 bad 4.3")
    ))
}

#[test]
fn a_step_summary_is_the_markdown_report_where_that_fits() {
    let mut markdown = Vec::new();
    let report = Report::of(&sample::full());
    crate::report::render(
        &report,
        crate::report::Format::Markdown,
        crate::report::Style::default(),
        &mut markdown,
    )
    .expect("written");
    assert_eq!(
        text(&sample::full(), ExportFormat::GithubStepSummary),
        String::from_utf8(markdown).expect("text")
    );
}

#[test]
fn a_step_summary_of_any_run_stays_below_the_limit_and_says_what_it_left_out() {
    let log = huge(900);
    let report = Report::of(&log);
    let mut last = usize::MAX;
    for limit in [STEP_SUMMARY_LIMIT, 400_000, 100_000, 40_000, 6000, 2500] {
        let mut out = Vec::new();
        step_summary::write(&report, limit, &mut out).expect("written");
        let text = String::from_utf8(out).expect("whole characters");
        assert!(text.len() <= limit && text.len() <= last, "{} of {limit}", text.len());
        last = text.len();
        assert!(text.contains("> **Left out**, because"), "{limit}");
        assert!(text.contains("`bakeoff report 20261121-113000-1f3a --format markdown`"));
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(
            !text.contains("## Where the time went") || text.contains("<details>"),
            "no heading without content"
        );
        assert_eq!(text.matches("```").count() % 2, 0, "no block without its end");
    }
    // What is needed most is what is left last.
    let mut out = Vec::new();
    step_summary::write(&report, 6000, &mut out).expect("written");
    let text = String::from_utf8(out).expect("text");
    assert!(
        text.starts_with("# published, light\n") && text.contains("## How to reproduce"),
        "{text}"
    );
    assert!(text.contains("the table of 900 scenarios"));
}

#[test]
fn a_step_summary_that_leaves_something_out() {
    let log = huge(6);
    let mut out = Vec::new();
    step_summary::write(&Report::of(&log), 9000, &mut out).expect("written");
    insta::assert_snapshot!(String::from_utf8(out).expect("text"));
}

#[test]
fn every_json_document_is_json_whatever_the_names_are() {
    let mut log = sample::full();
    for scenario in &mut log.header.scenarios {
        scenario.name = format!("\"ü\\\n{}", scenario.name);
    }
    for key in &mut log.header.order {
        key.scenario = format!("\"ü\\\n{}", key.scenario);
    }
    for trial in log.phases.iter_mut().map(|phase| &mut phase.trial) {
        trial.scenario = format!("\"ü\\\n{}", trial.scenario);
    }
    for format in [
        ExportFormat::Hyperfine,
        ExportFormat::Bmf,
        ExportFormat::GithubActionBenchmark,
        ExportFormat::Perfetto,
        ExportFormat::Otlp,
    ] {
        let text = json(&log, format).to_string();
        assert!(text.contains(r#"\"ü\\\npip-single"#), "{}", format.name());
    }
    assert_eq!(
        text(&log, ExportFormat::Otlp).lines().count(),
        1,
        "one line for each run"
    );
}

#[test]
fn junit_has_a_case_for_every_planned_phase_of_measured_rounds() {
    for log in [sample::full(), sample::interrupted(), sample::resumed()] {
        let planned = log
            .header
            .order
            .iter()
            .filter(|key| matches!(key.round, Round::Measured(_)));
        let cases = planned.count() * log.header.journey.len();
        assert_eq!(text(&log, ExportFormat::Junit).matches("<testcase ").count(), cases);
    }
}
