use super::*;
use crate::analysis::sample;

fn shown(log: &crate::journal::RunLog, format: Format, style: Style) -> String {
    let mut out = Vec::new();
    render(&Report::of(log), format, style, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("text")
}

fn plain(log: &crate::journal::RunLog, format: Format) -> String {
    shown(log, format, Style::default())
}

fn narrow(color: bool, width: u16) -> Style {
    Style {
        color,
        width: Some(width),
    }
}

#[test]
fn terminal_at_its_full_width() {
    insta::assert_snapshot!(plain(&sample::full(), Format::Terminal));
}

#[test]
fn terminal_at_80_columns() {
    insta::assert_snapshot!(shown(&sample::full(), Format::Terminal, narrow(false, 80)));
}

#[test]
fn terminal_of_a_single_round() {
    insta::assert_snapshot!(shown(&sample::single_round(), Format::Terminal, narrow(false, 80)));
}

#[test]
fn terminal_of_an_interrupted_run() {
    insta::assert_snapshot!(shown(&sample::interrupted(), Format::Terminal, narrow(false, 80)));
}

#[test]
fn the_mark_of_a_seam_stands_in_every_format() {
    let log = sample::resumed();
    let notes = |text: String| {
        text.lines()
            .filter(|line| line.contains("gone on with"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    insta::assert_snapshot!(notes(plain(&log, Format::Terminal)).join("\n"));
    assert_eq!(notes(plain(&log, Format::Markdown)).len(), 2);
    assert!(plain(&log, Format::Html).contains("gone on with before its first trial had ended"));
    let json: serde_json::Value = serde_json::from_str(&plain(&log, Format::Json)).expect("JSON");
    assert_eq!(json["run"]["resumed"][0]["gap_seconds"], 2280.0);
    assert_eq!(json["run"]["resumed"][1]["after"]["round"], 2);
    assert_eq!(json["run"]["resumed"][1]["changes"][0]["now"], "6.1.1");
    assert_eq!(json["run"]["resume"], serde_json::Value::Null);
    // In the long form each row says how many seams lie before it.
    let csv = plain(&log, Format::Csv);
    let mut rows = ::csv::Reader::from_reader(csv.as_bytes());
    let column = rows
        .headers()
        .expect("a head")
        .iter()
        .position(|name| name == "seams_before")
        .expect("a column");
    let seams: Vec<_> = rows
        .records()
        .map(|row| row.expect("a row")[column].to_owned())
        .collect();
    assert_eq!(seams.join(""), "1".repeat(6) + &"2".repeat(6));
    assert!(!plain(&sample::full(), Format::Csv).contains("seams_before"));
}

#[test]
fn a_report_is_the_same_but_for_the_marks_of_seams() {
    let seamed = sample::resumed();
    let mut bare = seamed.clone();
    bare.seams.clear();
    let (seamed, bare) = (Report::of(&seamed), Report::of(&bare));
    assert_eq!(seamed.rows, bare.rows);
    assert_eq!(seamed.notes.len(), bare.notes.len() + 2);
}

#[test]
fn markdown() {
    insta::assert_snapshot!(plain(&sample::full(), Format::Markdown));
}

#[test]
fn csv() {
    insta::assert_snapshot!(plain(&sample::full(), Format::Csv));
}

#[test]
fn json() {
    insta::assert_snapshot!(plain(&sample::full(), Format::Json));
}

#[test]
fn html() {
    insta::assert_snapshot!(plain(&sample::full(), Format::Html));
}

#[test]
fn terminal_of_a_replay() {
    insta::assert_snapshot!(shown(&sample::mirrored(), Format::Terminal, narrow(false, 100)));
}

#[test]
fn markdown_of_a_replay() {
    insta::assert_snapshot!(plain(&sample::mirrored(), Format::Markdown));
}

#[test]
fn csv_of_a_replay() {
    insta::assert_snapshot!(plain(&sample::mirrored(), Format::Csv));
}

#[test]
fn json_of_a_replay() {
    // The rest is as in any run.
    let text = plain(&sample::mirrored(), Format::Json);
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let told = [
        "/run/network",
        "/scenarios/0",
        "/environment/recording",
        "/downloads",
        "/phases/3",
    ]
    .map(|pointer| json.pointer_mut(pointer).expect(pointer).take());
    insta::assert_snapshot!(serde_json::to_string_pretty(&told).expect("JSON"));
}

#[test]
fn html_of_a_replay() {
    let html = plain(&sample::mirrored(), Format::Html);
    let (start, end) = (
        html.find("<section aria-labelledby=\"downloads\""),
        html.find("<section aria-labelledby=\"notes\""),
    );
    let section = &html[start.expect("downloads")..end.expect("notes")];
    insta::assert_snapshot!(section.replace("<li>", "\n<li>").replace("<div", "\n<div"));
    assert_eq!(
        html.matches("<svg").count(),
        2,
        "downloads have no panel among the times"
    );
}

#[test]
fn terminal_of_layers() {
    let text = shown(&sample::layered(), Format::Terminal, narrow(false, 100));
    let from = text.find("\nLayers\n").expect("layers");
    let to = text.find("\nEnvironment\n").expect("the environment");
    insta::assert_snapshot!(&text[from..to]);
}

#[test]
fn markdown_of_layers() {
    let text = plain(&sample::layered(), Format::Markdown);
    let from = text.find("## What travelled").expect("what travelled");
    let to = text.find("\n</details>").expect("an end");
    insta::assert_snapshot!(&text[from..to]);
}

#[test]
fn html_of_layers() {
    let html = plain(&sample::layered(), Format::Html);
    let section = |from: &str, to: &str| {
        let from = html.find(from).expect("a beginning");
        let to = from + html[from..].find(to).expect("an end");
        html[from..to].replace("<tr", "\n<tr").replace("<p", "\n<p")
    };
    let layers = section("<p class=\"hint\">Layers, lowest first", "</details>");
    let travelled = section("<section aria-labelledby=\"travelled\"", "</section>");
    insta::assert_snapshot!(format!("{layers}\n\n{travelled}"));
}

#[test]
fn json_of_layers() {
    let json: serde_json::Value = serde_json::from_str(&plain(&sample::layered(), Format::Json)).expect("JSON");
    let of = &json["attributions"][0];
    insta::assert_snapshot!(serde_json::to_string_pretty(&[&of["images"], &of["travelled"]]).expect("JSON"));
}

#[test]
fn a_run_without_a_mirror_tells_nothing_of_downloads() {
    for format in [Format::Terminal, Format::Markdown, Format::Csv, Format::Html] {
        let text = plain(&sample::full(), format);
        assert!(!text.contains("ownload"), "{}", format.name());
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for format in Format::ALL {
        assert_eq!(
            plain(&sample::full(), format),
            plain(&sample::full(), format),
            "{}",
            format.name()
        );
    }
}

#[test]
fn every_run_can_be_shown_in_every_format() {
    let mut died = sample::interrupted();
    died.phases.clear();
    died.trials.clear();
    died.end = None;
    for log in [
        sample::full(),
        sample::single_round(),
        sample::interrupted(),
        sample::mirrored(),
        sample::layered(),
        died,
    ] {
        for format in Format::ALL {
            assert!(!plain(&log, format).is_empty());
        }
    }
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    for width in 50..=130 {
        let text = shown(&sample::full(), Format::Terminal, narrow(false, width));
        // Log lines are shown as they are.
        for line in text.lines().filter(|line| !line.starts_with("    |")) {
            assert!(
                console::measure_text_width(line) <= usize::from(width),
                "{width}: {line}"
            );
        }
        for name in [
            "pip-single",
            "pip-multi",
            "[cache_mounts=on]",
            "[cache_mounts=off]",
            "uv-multi",
        ] {
            assert!(text.contains(name), "{width}: {name} is missing");
        }
    }
}

#[test]
fn colours_are_there_only_if_asked_for_and_change_nothing_else() {
    let without = shown(&sample::full(), Format::Terminal, narrow(false, 80));
    let with = shown(&sample::full(), Format::Terminal, narrow(true, 80));
    assert!(!without.contains('\u{1b}'));
    assert!(
        with.contains("\u{1b}[32m\u{1b}[1m17.85 s (best)\u{1b}[0m"),
        "the best is green"
    );
    assert!(
        with.contains("\u{1b}[31m\u{1b}[1minvalid\u{1b}[0m"),
        "what went wrong is red"
    );
    assert!(
        with.contains("\u{1b}[2m\u{1b}[3mpublished 4.75 s\u{1b}[0m"),
        "what was published stands back"
    );
    assert_eq!(console::strip_ansi_codes(&with), without);
}

#[test]
fn a_hostile_scenario_name_stays_text() {
    let mut log = sample::single_round();
    let name = "<script>|`x`\n\"&'│";
    for scenario in &mut log.header.scenarios {
        if scenario.name == "uv-multi" {
            scenario.name = name.into();
            scenario.base_name = name.into();
        }
    }
    for record in log
        .phases
        .iter_mut()
        .filter(|record| record.trial.scenario == "uv-multi")
    {
        record.trial.scenario = name.into();
    }
    let html = plain(&log, Format::Html);
    assert!(!html.contains("<script"), "{html}");
    let markdown = plain(&log, Format::Markdown);
    assert!(
        !markdown.contains("<script") && markdown.contains("&lt;script&gt;\\|\\`x\\`"),
        "{markdown}"
    );
    let csv = plain(&log, Format::Csv);
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    assert!(
        reader
            .records()
            .any(|record| record.expect("a record").iter().any(|field| field == name))
    );
    let json: serde_json::Value = serde_json::from_str(&plain(&log, Format::Json)).expect("JSON");
    assert_eq!(json["scenarios"][1]["name"], name);
    // Painting goes by the bar between columns, which the name must not fake.
    let painted = shown(&log, Format::Terminal, narrow(true, 80));
    assert_eq!(
        console::strip_ansi_codes(&painted),
        shown(&log, Format::Terminal, narrow(false, 80))
    );
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let html = plain(&sample::full(), Format::Html);
    for wanted in ["src=", "<link", "url(", "@import", "<script"] {
        assert!(!html.contains(wanted), "{wanted}");
    }
    assert_eq!(html.matches("<svg").count(), 4, "a panel for each phase");
    assert!(
        !html.contains("#010203"),
        "the stand-in for the text colour is replaced"
    );
}

#[test]
fn a_log_line_can_not_end_its_block() {
    let mut log = sample::full();
    for record in &mut log.phases {
        if let crate::runner::event::Outcome::Failed(failure) = &mut record.outcome {
            failure.last_lines = vec!["```".into(), "# not a heading".into()];
        }
    }
    let markdown = plain(&log, Format::Markdown);
    assert!(
        markdown.contains("  ````text\n  ```\n  # not a heading\n  ````\n"),
        "{markdown}"
    );
}

#[test]
fn an_unwritable_output_is_an_error_that_names_the_format() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let error = render(&Report::of(&sample::full()), format, Style::default(), &mut Full).expect_err("it is full");
        assert!(error.to_string().contains(format.name()), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn formats_are_found_by_their_names() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    assert_eq!(Format::from_name("pdf"), None);
}
