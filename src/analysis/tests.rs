use super::*;
use crate::runner::event::Outcome;

fn cell<'a>(report: &'a Report, row: &str, column: &str) -> &'a Cell {
    let row = report
        .rows
        .iter()
        .find(|found| found.label == row)
        .unwrap_or_else(|| panic!("no row {row}"));
    let column = report
        .columns
        .iter()
        .position(|found| found.name == column)
        .expect("a column");
    &row.cells[column]
}

fn median(report: &Report, row: &str, column: &str) -> f64 {
    cell(report, row, column).summary().expect("a measured cell").median
}

fn texts(report: &Report) -> Vec<String> {
    report.notes.iter().map(Note::text).collect()
}

#[test]
fn rows_follow_the_journey_and_columns_the_suite() {
    let report = Report::of(&sample::full());
    let labels: Vec<&str> = report.rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "cold build",
            "hot build",
            "cold push",
            "hot push",
            "image size",
            "compressed size",
            "hot push, new bytes"
        ]
    );
    let names: Vec<&str> = report.columns.iter().map(|column| column.name.as_str()).collect();
    let suite = [
        "pip-single",
        "pip-multi",
        "uv-single[cache_mounts=on]",
        "uv-single[cache_mounts=off]",
        "uv-multi",
    ];
    assert_eq!(names, suite);
}

#[test]
#[allow(clippy::float_cmp, reason = "these medians are exact")]
fn warm_up_rounds_never_count() {
    let report = Report::of(&sample::run(
        "
                   | a
        cold build | w900 w0.1 3 1 2
    ",
    ));
    let summary = *cell(&report, "cold build", "a").summary().expect("measured");
    assert_eq!(
        (summary.n, summary.median, summary.min, summary.max),
        (3, 2.0, 1.0, 3.0)
    );
    assert_eq!(report.raw.len(), 5, "the raw rows keep them");
}

#[test]
#[allow(clippy::float_cmp, reason = "these medians are exact")]
fn a_cell_with_some_failed_rounds_shows_the_others_and_the_count() {
    let report = Report::of(&sample::run(
        "
                   | a
        cold build | 3 fail 5 bad skip
    ",
    ));
    let cell = cell(&report, "cold build", "a");
    assert_eq!(cell.summary().expect("measured").median, 4.0);
    assert_eq!(
        cell.rounds,
        RoundCounts {
            planned: 5,
            measured: 2,
            failed: 1,
            invalid: 1,
            skipped: 1
        }
    );
    assert!(report.has_failed_cell());
}

#[test]
fn a_cell_without_data_says_the_worst_that_happened() {
    let report = Report::of(&sample::run(
        "
                   | failed   | invalid  | skipped   | nothing
        cold build | bad fail | skip bad | skip skip | - -
        hot build  | 1 1      | 1 1      | 1 1       | 1 1
    ",
    ));
    let value = |column| &cell(&report, "cold build", column).value;
    assert!(matches!(value("failed"), CellValue::Failed(reason) if reason.starts_with("executor failed")));
    assert!(matches!(value("invalid"), CellValue::Invalid(reasons) if reasons.len() == 1));
    assert_eq!(value("skipped"), &CellValue::Skipped("cold build failed".into()));
    assert_eq!(value("nothing"), &CellValue::NoData);
}

#[test]
fn failed_rounds_and_cells_without_a_valid_one_make_the_run_fail() {
    let failed =
        |words: &str| Report::of(&sample::run(&format!("| a | b\n cold build | 1 1 | {words}"))).has_failed_cell();
    assert!(failed("fail fail"));
    assert!(failed("bad bad"));
    assert!(failed("fail -"));
    assert!(failed("fail 2"));
    assert!(!failed("bad 2"));
    assert!(!failed("- -"));
    assert!(!failed("2 2"));
}

#[test]
#[allow(clippy::float_cmp, reason = "sizes and sums are exact")]
fn sizes_are_those_of_the_cold_image() {
    let report = Report::of(&sample::full());
    assert_eq!(median(&report, "image size", "pip-multi"), 500e6);
    assert_eq!(median(&report, "compressed size", "pip-multi"), 130.3e6);
    assert_eq!(median(&report, "hot push, new bytes", "pip-multi"), 5.3e6);

    // A hot image of another size changes nothing.
    let mut log = sample::full();
    for record in log.phases.iter_mut().filter(|record| record.phase == "hot build") {
        if let Some(image) = &mut record.image {
            image.size = Bytes(1);
        }
    }
    assert_eq!(median(&Report::of(&log), "image size", "pip-multi"), 500e6);
}

#[test]
fn a_journey_without_pushes_has_no_rows_for_them() {
    let report = Report::of(&sample::single_round());
    let labels: Vec<&str> = report.rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels, ["cold build", "hot build", "image size"]);
}

#[test]
fn published_figures_belong_to_the_first_scenario_of_their_name() {
    let report = Report::of(&sample::full());
    let published = |row, column| cell(&report, row, column).published;
    assert_eq!(published("cold build", "uv-single[cache_mounts=on]"), Some(244.29));
    assert_eq!(published("cold build", "uv-single[cache_mounts=off]"), None);
    assert_eq!(published("image size", "pip-single"), Some(9.05e9));
    assert_eq!(published("compressed size", "pip-single"), None);
    assert_eq!(report.published_source.as_deref(), Some("article 004, 2025-05-22"));
}

#[test]
fn a_source_without_any_figure_in_the_table_is_not_named() {
    let mut log = sample::single_round();
    sample::publish(&mut log, "cold pull", &[("pip-single", 1.0)]);
    assert_eq!(Report::of(&log).published_source, None);
}

#[test]
fn ratios_are_of_medians_to_the_smallest_of_the_row() {
    let report = Report::of(&sample::run(
        "
                   | a   | b   | c
        cold build | 4 4 | 2 2 | fail fail
        hot build  | 1 1 | - - | - -
    ",
    ));
    assert_eq!(cell(&report, "cold build", "a").ratio, Some(2.0));
    assert!(cell(&report, "cold build", "b").is_best());
    assert_eq!(cell(&report, "cold build", "c").ratio, None);
    assert_eq!(
        cell(&report, "hot build", "a").ratio,
        None,
        "alone it is neither best nor worst"
    );
}

#[test]
fn zero_new_bytes_are_best_and_nothing_is_a_multiple_of_them() {
    let mut log = sample::run(
        "
                   | a | b
        cold build | 1 | 1
        hot push   | 1 | 1
    ",
    );
    if let Some(manifest) = &mut log.phases[1].manifest {
        manifest.new_bytes = Bytes(0);
    }
    let report = Report::of(&log);
    assert!(cell(&report, "hot push, new bytes", "a").is_best());
    assert_eq!(cell(&report, "hot push, new bytes", "b").ratio, None);
}

#[test]
fn notes_name_stand_ins_and_adapt_to_published_figures() {
    let mut log = sample::single_round();
    sample::stand_ins(&mut log);
    let alone = texts(&Report::of(&log));
    assert!(
        alone
            .iter()
            .any(|text| text.contains("python (python:3.12.10-slim-bookworm) and uv")),
        "{alone:#?}"
    );
    assert!(alone.iter().any(|text| text.contains("those of the real images")));
    assert!(
        alone
            .iter()
            .any(|text| text.contains("CA certificates were laid over the base image python,"))
    );
    sample::publish(&mut log, "cold build", &[("pip-single", 268.98)]);
    assert!(
        texts(&Report::of(&log))
            .iter()
            .any(|text| text.contains("compare with the published ones"))
    );
}

#[test]
fn one_round_allows_no_conclusion_and_several_get_the_remark_on_ratios() {
    let has = |report: &Report, wanted: &str| texts(report).iter().any(|text| text.contains(wanted));
    let single = Report::of(&sample::single_round());
    assert!(has(&single, "no conclusion") && !has(&single, "plain ratios"));
    let full = Report::of(&sample::full());
    assert!(!has(&full, "no conclusion") && has(&full, "plain ratios of at most 3 rounds"));
}

#[test]
fn an_incomplete_run_says_how_far_it_got() {
    let report = Report::of(&sample::interrupted());
    assert_eq!(report.run.state, RunState::Interrupted);
    assert!(texts(&report)[0].contains("was interrupted: 3 of 6 trials ended"));

    let mut log = sample::interrupted();
    log.end = None;
    let report = Report::of(&log);
    assert_eq!(report.run.state, RunState::Unfinished);
    assert!(texts(&report)[0].contains("did not finish: 3 of 6 trials ended"));

    assert_eq!(Report::of(&sample::full()).run.state, RunState::Complete);
}

#[test]
fn a_failure_is_noted_once_with_step_line_and_log() {
    let report = Report::of(&sample::run(
        "
                   | a              | b
        cold build | wfail 1 fail 1 | w1 1 1 1
    ",
    ));
    let failures: Vec<&Note> = report
        .notes
        .iter()
        .filter(|note| matches!(note, Note::Failed { .. }))
        .collect();
    assert_eq!(failures.len(), 1);
    assert!(
        failures[0]
            .text()
            .starts_with("a: cold build failed in warm-up 1 and round 2: executor failed")
    );
    assert_eq!(
        failures[0].details(),
        [
            "step: [builder 5/7] RUN uv pip install -r <light>.txt",
            "instruction: Dockerfile.a, line 14",
            "full log: logs/round-2-uv-multi-cold-build.log in the run's folder"
        ]
    );
    assert_eq!(
        failures[0].log_lines()[1],
        "error: no `fastapi` && no <luck>",
        "colour codes are gone"
    );
    assert_eq!(report.notes[0].severity(), Severity::Problem, "the gravest comes first");
}

#[test]
fn failures_with_different_reasons_are_noted_apart() {
    let mut log = sample::run("| a\n cold build | fail fail 1");
    if let Outcome::Failed(failure) = &mut log.phases[0].outcome {
        failure.message = "no space left on device".into();
    }
    let failures = texts(&Report::of(&log))
        .into_iter()
        .filter(|text| text.contains("failed in"))
        .count();
    assert_eq!(failures, 2);
}

#[test]
fn what_clean_up_left_is_counted() {
    let mut log = sample::full();
    log.trials[0].cleanup.left_records = 1;
    log.trials[0].cleanup.problems = vec!["volume x: in use".into()];
    let texts = texts(&Report::of(&log));
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("3 build-cache records (48.3 MB)")),
        "{texts:#?}"
    );
    assert!(texts.contains(&"pip-single, warm-up 1: something was left behind: volume x: in use".into()));
}

#[test]
fn raw_rows_keep_every_phase_with_its_place_in_the_round() {
    let log = sample::full();
    let report = Report::of(&log);
    assert_eq!(report.raw.len(), log.phases.len());
    let row = report
        .raw
        .iter()
        .find(|row| row.round == crate::runner::event::Round::Measured(1) && row.scenario == "pip-multi")
        .expect("a row");
    // Round 1 is the second in the journal, and the sample turns the order by one each round.
    assert_eq!((row.position, row.phase.as_str()), (Some(1), "cold build"));
    assert_eq!(
        (row.cached_steps, row.steps),
        (Some(1), Some(3)),
        "the builder's own steps do not count"
    );
    let skipped = report
        .raw
        .iter()
        .find(|row| row.outcome == "skipped")
        .expect("a skipped phase");
    assert_eq!((skipped.wall, skipped.message.as_str()), (None, "cold build failed"));
}

#[test]
fn the_command_repeats_the_run() {
    let command = Report::of(&sample::full()).command();
    assert_eq!(
        command,
        "bakeoff run scenarios/published.toml --fixture light --rounds 3 --warmup 1 --seed 42"
    );
}
