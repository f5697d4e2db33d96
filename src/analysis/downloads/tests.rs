use super::*;
use crate::analysis::{Cell, CellValue, Report, RowKind, sample};
use crate::runner::event::Outcome;

const ROUND: Round = Round::Measured(1);

fn build<'a>(report: &'a Report, scenario: &str, phase: &str) -> &'a Downloads {
    let mut builds = report.downloads.iter();
    builds
        .find(|build| build.scenario == scenario && build.phase == phase)
        .expect("a build")
}

/// What the cells of a row show; `-` without data.
fn shown(report: &Report, label: &str) -> Vec<String> {
    let row = report.rows.iter().find(|row| row.label == label).expect(label);
    let cells = row.cells.iter().map(Cell::summary);
    cells
        .map(|summary| summary.map_or("-".into(), |summary| row.kind.show(summary.median)))
        .collect()
}

#[test]
fn each_build_has_a_row_after_the_phases() {
    let report = Report::of(&sample::mirrored());
    let labels: Vec<&str> = report.rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "cold build",
            "hot build",
            "cold build, downloaded",
            "hot build, downloaded",
            "image size"
        ]
    );
    assert_eq!(report.rows[2].kind, RowKind::Downloaded);
    assert_eq!(
        shown(&report, "cold build, downloaded"),
        ["67.1 MB", "113.1 MB", "113.1 MB"]
    );
}

#[test]
fn a_warm_cache_shows_as_nothing_downloaded() {
    let report = Report::of(&sample::mirrored());
    assert_eq!(shown(&report, "hot build, downloaded"), ["0 B", "0 B", "62.9 MB"]);
    let cells = &report.rows[3].cells;
    assert!(cells[0].is_best() && cells[1].is_best());
    assert_eq!(cells[2].ratio, None, "nothing is a multiple of nothing");
}

#[test]
fn where_nobody_downloaded_anything_there_is_no_best() {
    let mut log = sample::mirrored();
    for record in &mut log.phases {
        record.transfers = Some(vec![]);
    }
    let report = Report::of(&log);
    assert_eq!(shown(&report, "cold build, downloaded"), ["0 B", "0 B", "0 B"]);
    let ratios: Vec<_> = report.rows[2..4]
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.ratio)
        .collect();
    assert_eq!(ratios, [None; 6]);
}

#[test]
fn without_a_mirror_there_is_no_row_and_no_breakdown() {
    let report = Report::of(&sample::full());
    assert!(report.rows.iter().all(|row| row.kind != RowKind::Downloaded));
    assert!(report.downloads.is_empty());
    assert!(report.raw.iter().all(|row| row.downloaded.is_none()));
}

#[test]
fn only_measured_rounds_and_downloads_that_came_count() {
    let mut log = sample::run("| a | b\n cold build | w1 bad 2 | w1 2 3");
    let mut refused = sample::transfer("x", Kind::File, "f", 1_000_000);
    refused.transfer.problem = Some("index.example is not recorded".into());
    let file = |bytes| sample::transfer("x", Kind::File, "f", bytes);
    *sample::transfers_of(&mut log, Round::Warmup(1), "a", "cold build") = vec![file(1)];
    *sample::transfers_of(&mut log, ROUND, "a", "cold build") = vec![file(10)];
    *sample::transfers_of(&mut log, Round::Measured(2), "a", "cold build") = vec![file(100), refused];
    let report = Report::of(&log);
    assert_eq!(shown(&report, "cold build, downloaded"), ["100 B", "-"]);
    assert_eq!(
        report.rows[1].cells[1].value,
        CellValue::NoData,
        "measured, but without a mirror"
    );
    let [only] = &report.downloads[..] else {
        panic!("{:?}", report.downloads)
    };
    assert_eq!(
        (only.round, only.total.requests, only.failed),
        (Round::Measured(2), 1, 1)
    );
    let raw: Vec<_> = report
        .raw
        .iter()
        .map(|row| row.downloaded.map(|bytes| bytes.0))
        .collect();
    assert_eq!(
        raw.iter().filter(|bytes| bytes.is_some()).count(),
        3,
        "the raw rows keep all"
    );
}

#[test]
fn the_breakdown_is_of_the_round_in_the_middle() {
    let report = Report::of(&sample::mirrored());
    let cold = build(&report, "pip-single", "cold build");
    assert_eq!(
        cold.round,
        Round::Measured(2),
        "which round has the median is known by its 2 kB page"
    );
    let mut log = sample::mirrored();
    log.phases.retain(|record| record.trial.round != Round::Measured(3));
    let report = Report::of(&log);
    assert_eq!(
        build(&report, "pip-single", "cold build").round,
        Round::Measured(1),
        "the smaller of two"
    );
}

#[test]
fn kinds_and_steps_add_up_to_the_whole() {
    let report = Report::of(&sample::mirrored());
    assert_eq!(report.downloads.len(), 6);
    for build in &report.downloads {
        for parts in [
            build.kinds.iter().map(|(_, tally)| *tally).collect::<Vec<_>>(),
            build.steps.iter().map(|(_, tally)| *tally).collect(),
        ] {
            assert_eq!(parts.iter().map(|part| part.bytes).sum::<Bytes>(), build.total.bytes);
            assert_eq!(
                parts.iter().map(|part| part.requests).sum::<u64>(),
                build.total.requests
            );
            assert!(
                parts.is_sorted_by_key(|part| std::cmp::Reverse(part.bytes)),
                "the largest first"
            );
        }
    }
    let cold = build(&report, "uv-single[cache_mounts=on]", "cold build");
    assert_eq!((cold.total.repeats, cold.total.repeated), (1, Bytes(46_000_000)));
    assert_eq!(cold.total.ambiguous, 1);
    let kinds: Vec<_> = cold.kinds.iter().map(|(kind, tally)| (*kind, tally.requests)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::File, 4),
            (Kind::Proxied, 1),
            (Kind::Index, 4),
            (Kind::Metadata, 3)
        ]
    );
}

#[test]
fn steps_bear_the_builders_names_on_one_line() {
    let report = Report::of(&sample::mirrored());
    let cold = build(&report, "pip-single", "cold build");
    let names: Vec<_> = cold.steps.iter().map(|(by, _)| by.clone()).collect();
    let step = |name: &str| By::Step(name.into());
    assert_eq!(
        names,
        [
            step("[3/4] RUN pip install -r <requirements>.txt"),
            step("[2/4] RUN apt-get update && apt-get install -y b"),
            By::Ambiguous
        ]
    );
}

#[test]
fn a_step_that_the_trace_lacks_is_named_by_its_id() {
    let mut log = sample::single_round();
    let transfers = sample::transfers_of(&mut log, ROUND, "uv-multi", "cold build");
    transfers.push(sample::transfer("sha256:gone", Kind::File, "f", 2));
    let mut unknown = sample::transfer("", Kind::File, "g", 1);
    unknown.step = Asker::Unknown;
    transfers.push(unknown);
    let report = Report::of(&log);
    let steps: Vec<_> = report.downloads[0].steps.iter().map(|(by, _)| by.clone()).collect();
    assert_eq!(steps, [By::Step("sha256:gone".into()), By::Unknown]);
}

#[test]
fn a_broken_image_takes_its_downloads_with_it() {
    let mut log = sample::mirrored();
    for record in log.phases.iter_mut().filter(|record| record.phase == "hot build") {
        record.outcome = Outcome::Invalid(vec!["the hot image does not work".into()]);
    }
    let report = Report::of(&log);
    assert!(report.downloads.iter().all(|build| build.phase == "cold build"));
    assert!(matches!(report.rows[3].cells[0].value, CellValue::Invalid(_)));
}
