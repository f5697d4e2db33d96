use std::path::Path;

use super::*;
use crate::analysis::{Report, sample};
use crate::journal;

fn shown(report: &Report, scenario: &str, phase: Option<&str>, format: Format, style: Style) -> String {
    let is_it = |of: &&Attribution| of.scenario.starts_with(scenario);
    let chosen: Vec<&Attribution> = report.attributions.iter().filter(is_it).collect();
    assert!(!chosen.is_empty());
    let mut out = Vec::new();
    explain(&chosen, phase, format, style, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

fn plain(report: &Report, scenario: &str, phase: Option<&str>, format: Format) -> String {
    shown(report, scenario, phase, format, Style::default())
}

fn committed() -> Report {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/published-torch");
    Report::of(&journal::read(&dir).expect("the committed journal"))
}

#[test]
fn all_builds_of_a_sample() {
    insta::assert_snapshot!(plain(
        &Report::of(&sample::full()),
        "pip-single",
        None,
        Format::Terminal
    ));
}

#[test]
fn layers_and_what_travelled_stand_below_the_dockerfile() {
    let report = Report::of(&sample::layered());
    let text = plain(&report, "uv-single", None, Format::Terminal);
    let from = text.find("\nLayers\n").expect("layers");
    insta::assert_snapshot!(&text[from..]);
    let push = plain(&report, "uv-single", Some("hot build"), Format::Terminal);
    assert!(
        !push.contains("\nLayers\n") && push.contains("hot build: 1.9 kB context"),
        "{push}"
    );
    assert!(!push.contains("cold push:"), "{push}");
    let markdown = plain(&report, "uv-single", None, Format::Markdown);
    assert!(
        markdown.contains("| 2 | RUN uv sync | 300.0 MB (100.0 MB) |")
            && markdown.contains("- hot push: 43.1 kB uploaded")
    );
}

#[test]
fn one_build_of_a_sample() {
    let report = Report::of(&sample::full());
    insta::assert_snapshot!(plain(&report, "pip-single", Some("cold build"), Format::Terminal));
}

#[test]
fn markdown_of_a_sample() {
    insta::assert_snapshot!(plain(
        &Report::of(&sample::full()),
        "pip-single",
        None,
        Format::Markdown
    ));
}

#[test]
fn json_of_a_sample() {
    insta::assert_snapshot!(plain(&Report::of(&sample::full()), "pip-single", None, Format::Json));
}

/// The article's story without the article: the lock file reached the one instruction that installs everything, that took
/// most of the hot build together with the export of what it made, and 3.1 GB were pushed.
#[test]
fn uv_single_of_the_published_size() {
    insta::assert_snapshot!(plain(&committed(), "uv-single", None, Format::Terminal));
}

#[test]
fn the_hot_build_of_uv_multi_of_the_published_size() {
    insta::assert_snapshot!(plain(&committed(), "uv-multi", Some("hot build"), Format::Terminal));
}

#[test]
fn no_line_is_wider_than_the_terminal_and_no_figure_is_cut() {
    let report = committed();
    for width in 50..=130 {
        for phase in [None, Some("hot build")] {
            let style = Style {
                color: false,
                width: Some(width),
            };
            let text = shown(&report, "uv-single", phase, Format::Terminal, style);
            for line in text.lines() {
                let wide = console::measure_text_width(line);
                // Three columns of figures and a text of which something is left take 60.
                assert!(wide <= usize::from(width.max(60)), "{width}: {line}");
            }
            assert!(text.contains("25.98 *") && text.contains("58.69"), "{text}");
        }
    }
}

#[test]
fn colours_change_nothing_else() {
    let report = committed();
    for phase in [None, Some("hot build")] {
        let style = |color| Style { color, width: Some(80) };
        let without = shown(&report, "uv-single", phase, Format::Terminal, style(false));
        let with = shown(&report, "uv-single", phase, Format::Terminal, style(true));
        assert!(!without.contains('\u{1b}') && with.contains("\u{1b}[31m"));
        assert_eq!(console::strip_ansi_codes(&with), without);
    }
}

#[test]
fn several_scenarios_stand_below_each_other() {
    let text = plain(&committed(), "pip-", None, Format::Terminal);
    assert!(
        text.starts_with("pip-single\n") && text.contains("\n\npip-multi\n"),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&plain(&committed(), "pip-", None, Format::Json)).expect("one document");
    assert_eq!(json.as_array().map(Vec::len), Some(2));
}
