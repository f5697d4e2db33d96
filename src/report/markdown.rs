//! The report as GitHub's Markdown, for README files and job summaries.

use std::io::{self, Write};

use crate::analysis::{Attribution, Downloads, Layers, Note, Report, Row, Severity};

use super::attribution;
use super::downloads;
use super::layers;
use super::text::{self, CellText, Tone};
use super::travelled;

/// A piece of the report that can be left out without harm to the others.
pub(super) struct Block {
    pub part: Part,
    pub text: String,
}

/// Which part of the report a block belongs to, in the report's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// What it is.
    Head,
    /// The measured figures.
    Table,
    /// The published figures.
    Published,
    /// What builds downloaded: the heading, then a block for each phase.
    Downloads,
    /// What travelled, by phase.
    Travelled,
    /// Where the time went: the heading, then a block for each scenario.
    Attributions,
    /// What a reader must know: the heading, then a block for each note.
    Notes,
    /// The run, the machine, and how to measure it again.
    Facts,
}

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    blocks(report)?
        .iter()
        .try_for_each(|block| out.write_all(block.text.as_bytes()))
}

/// The report in pieces.
pub(super) fn blocks(report: &Report) -> io::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut add = |part: Part, write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| -> io::Result<()> {
        let mut text = Vec::new();
        write(&mut text)?;
        if !text.is_empty() {
            let text = String::from_utf8_lossy(&text).into_owned();
            blocks.push(Block { part, text });
        }
        Ok(())
    };
    add(Part::Head, &|out| write_head(report, out))?;
    add(Part::Table, &|out| {
        let show = |row: &Row, column: usize| measured(&text::cell(row.kind, &row.cells[column]));
        write_table(report, show, report.rows.iter(), out)
    })?;
    add(Part::Published, &|out| write_published(report, out))?;
    if !report.downloads.is_empty() {
        add(Part::Downloads, &|out| {
            writeln!(out, "\n## Downloads\n\n{}", downloads::CAPTION)
        })?;
    }
    for (phase, builds) in downloads::by_phase(report) {
        add(Part::Downloads, &|out| write_downloads(phase, builds, out))?;
    }
    add(Part::Travelled, &|out| write_travelled(report, out))?;
    if !report.attributions.is_empty() {
        add(Part::Attributions, &|out| {
            writeln!(out, "\n## Where the time went\n\n{}", escaped(attribution::CAPTION))
        })?;
    }
    for of in &report.attributions {
        add(Part::Attributions, &|out| write_attribution(of, out))?;
    }
    if !report.notes.is_empty() {
        add(Part::Notes, &|out| writeln!(out, "\n## Notes\n"))?;
    }
    for note in &report.notes {
        add(Part::Notes, &|out| write_note(note, out))?;
    }
    add(Part::Facts, &|out| write_run(report, out))?;
    Ok(blocks)
}

fn write_head(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}\n", escaped(&text::title(report)))?;
    if !report.run.description.is_empty() {
        writeln!(out, "{}\n", escaped(&report.run.description))?;
    }
    writeln!(out, "{}\n", escaped(&text::caption(report)))
}

fn write_run(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## Run\n")?;
    write_facts(&text::run_facts(report), out)?;
    writeln!(out, "\n## Environment\n")?;
    write_facts(&text::environment_facts(report), out)?;
    for image in &report.images {
        writeln!(out, "- {}: {}", escaped(&image.role), escaped(&text::image_text(image)))?;
    }
    writeln!(out, "\n## How to reproduce\n\n```sh\n{}\n```", report.command())
}

fn write_published(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Some(source) = &report.published_source else {
        return Ok(());
    };
    writeln!(out, "\n## Published figures\n\nSource: {}\n", escaped(source))?;
    let rows = report
        .rows
        .iter()
        .filter(|row| row.cells.iter().any(|cell| cell.published.is_some()));
    let show = |row: &Row, column: usize| {
        row.cells[column]
            .published
            .map_or_else(|| "–".into(), |v| row.kind.show(v))
    };
    write_table(report, show, rows, out)
}

fn write_downloads(phase: &str, builds: &[Downloads], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n### {}\n", escaped(phase))?;
    for build in builds {
        writeln!(
            out,
            "- **{}**: {}",
            escaped(&build.scenario),
            escaped(&downloads::summary(build))
        )?;
        for step in downloads::steps(build) {
            writeln!(out, "  - {}", escaped(&step))?;
        }
    }
    Ok(())
}

fn write_attribution(of: &Attribution, out: &mut impl Write) -> io::Result<()> {
    // GitHub folds this; the blank lines make it read Markdown again inside.
    writeln!(out, "\n<details>\n<summary>{}</summary>\n", escaped(&of.scenario))?;
    let heads: Vec<String> = of.builds.iter().map(|build| escaped(&build.phase)).collect();
    writeln!(out, "| line | | {} |", heads.join(" | "))?;
    writeln!(out, "|---:|---|{}", "---:|".repeat(of.builds.len()))?;
    for row in attribution::table(of) {
        let strong = |text: String| {
            if row.whole && !text.is_empty() {
                format!("**{text}**")
            } else {
                text
            }
        };
        let figures: Vec<String> = row.figures.iter().map(|figure| strong(escaped(figure))).collect();
        let text = if row.part {
            format!("&emsp;{}", escaped(&row.text))
        } else {
            strong(escaped(&row.text))
        };
        writeln!(out, "| {} | {text} | {} |", row.line, figures.join(" | "))?;
    }
    for text in attribution::texts(of, None) {
        writeln!(out, "\n{}", escaped(&text))?;
    }
    if let Some(of) = &of.layers {
        layers(of, out)?;
    }
    writeln!(out, "\n</details>")
}

/// The images of a scenario, layer by layer.
pub(super) fn layers(of: &Layers, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{}\n", escaped(layers::CAPTION))?;
    let heads: Vec<String> = of.images.iter().map(|image| escaped(&image.image)).collect();
    writeln!(out, "| line | layer | {} |", heads.join(" | "))?;
    writeln!(out, "|---:|---|{}", "---:|".repeat(of.images.len()))?;
    for row in layers::table(of) {
        let figures: Vec<String> = row.figures.iter().map(|figure| escaped(figure)).collect();
        writeln!(
            out,
            "| {} | {} | {} |",
            row.line,
            escaped(&row.text),
            figures.join(" | ")
        )?;
    }
    for text in layers::texts(of) {
        writeln!(out, "\n{}", escaped(&text))?;
    }
    Ok(())
}

fn write_travelled(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let rows = travelled::rows(report);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## What travelled\n\n{}\n", travelled::caption(report))?;
    write_columns(report, out)?;
    for row in rows {
        let cells: Vec<&str> = row
            .cells
            .iter()
            .map(|cell| if cell.is_empty() { "–" } else { cell })
            .collect();
        writeln!(out, "| {} | {} |", escaped(&row.label), cells.join(" | "))?;
    }
    Ok(())
}

/// A table with the scenarios as columns, of these rows and what `show` says of each row and column.
fn write_table<'a>(
    report: &Report,
    show: impl Fn(&Row, usize) -> String,
    rows: impl Iterator<Item = &'a Row>,
    out: &mut impl Write,
) -> io::Result<()> {
    write_columns(report, out)?;
    for row in rows {
        write!(out, "| **{}** |", escaped(&row.label))?;
        for column in 0..report.columns.len() {
            write!(out, " {} |", show(row, column))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The scenarios as the columns of a table.
fn write_columns(report: &Report, out: &mut impl Write) -> io::Result<()> {
    write!(out, "| |")?;
    for column in &report.columns {
        let pieces: Vec<String> = text::name_pieces(column).iter().map(|piece| escaped(piece)).collect();
        write!(out, " {} |", pieces.join("<br>"))?;
    }
    writeln!(out, "\n|---|{}", "---|".repeat(report.columns.len()))
}

fn measured(cell: &CellText) -> String {
    let main = match &cell.ratio {
        Some(ratio) => format!("{} ({ratio})", cell.main),
        None => cell.main.clone(),
    };
    let main = match cell.tone {
        Tone::Best | Tone::Bad => format!("**{main}**"),
        Tone::Plain => main,
        Tone::Faint => format!("*{main}*"),
    };
    let aside = cell
        .spread
        .iter()
        .cloned()
        .chain(cell.remarks.iter().map(|remark| format!("*{remark}*")));
    std::iter::once(main).chain(aside).collect::<Vec<_>>().join("<br>")
}

fn write_note(note: &Note, out: &mut impl Write) -> io::Result<()> {
    let mark = match note.severity() {
        Severity::Problem => "**Problem:** ",
        Severity::Warning => "**Warning:** ",
        Severity::Info => "",
    };
    writeln!(out, "- {mark}{}", escaped(&note.text()))?;
    for detail in note.details() {
        writeln!(out, "  - {}", escaped(&detail))?;
    }
    if !note.log_lines().is_empty() {
        let fence = fence(note.log_lines());
        writeln!(out, "\n  {fence}text")?;
        for line in note.log_lines() {
            writeln!(out, "  {line}")?;
        }
        writeln!(out, "  {fence}\n")?;
    }
    Ok(())
}

fn write_facts(facts: &[(&'static str, String)], out: &mut impl Write) -> io::Result<()> {
    for (label, fact) in facts {
        writeln!(out, "- {label}: {}", escaped(fact))?;
    }
    Ok(())
}

/// Backticks, longer than any run of them in the lines, so that no line can end the block.
pub(super) fn fence(lines: &[String]) -> String {
    let longest = lines
        .iter()
        .flat_map(|line| line.split(|c| c != '`'))
        .map(str::len)
        .max()
        .unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text in which nothing is markup: not to Markdown, not to a table, not to HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}
