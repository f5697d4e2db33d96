//! The report for a terminal: a table with a column for each approach, in blocks of columns where the width is short.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle, presets};
use console::Style as Paint;

use crate::analysis::{Note, Report, Severity};

use super::Style;
use super::attribution;
use super::layers;
use super::text::{self, CellText, Tone};
use super::travelled;

/// Stands between columns; painting goes by it, so it must not occur in a cell.
const BAR: char = '│';
const LINES: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction(BAR))
    .header_separator(LineStyle::none().fill('─').junction('┼'))
    .content_lines(ContentLineStyle::none().junction(BAR))
    .row_separator(LineStyle::none().fill('╌').junction('┼'));
/// The longest piece of a scenario's name that is not broken.
const NAME_WIDTH: usize = 26;

/// A line of a cell and how it is painted.
type Line = (String, Look);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Strong,
    Good,
    Bad,
    Faint,
    Aside,
}

impl Look {
    fn paint(self, text: &str) -> String {
        // Whether to paint is for the caller to say, never for the environment.
        let paint = Paint::new().force_styling(true);
        let paint = match self {
            Self::Plain => return text.to_owned(),
            Self::Strong => paint.bold(),
            Self::Good => paint.green().bold(),
            Self::Bad => paint.red().bold(),
            Self::Faint => paint.dim(),
            Self::Aside => paint.dim().italic(),
        };
        paint.apply_to(text).to_string()
    }
}

/// Writes the report.
pub(super) fn write(report: &Report, style: Style, out: &mut impl Write) -> io::Result<()> {
    let strong = |text: &str| {
        if style.color {
            Look::Strong.paint(text)
        } else {
            text.to_owned()
        }
    };
    writeln!(out, "{}", strong(&text::title(report)))?;
    if !report.run.description.is_empty() {
        write!(out, "{}", wrapped("", &report.run.description, style.width))?;
    }
    let facts: Vec<String> = text::run_facts(report)
        .iter()
        .map(|(label, fact)| format!("{label} {fact}"))
        .collect();
    write!(out, "{}", wrapped("", &facts.join("; "), style.width))?;
    write!(out, "{}", wrapped("", &text::caption(report), style.width))?;
    for block in blocks(report, style.width) {
        writeln!(out)?;
        write_table(report, &block, style.color, out)?;
    }
    if let Some(source) = &report.published_source {
        write!(out, "\n{}", wrapped("", &format!("published: {source}"), style.width))?;
    }
    let why = attribution::why(report);
    if !why.is_empty() {
        writeln!(out, "\n{}", strong("Why"))?;
    }
    for line in why {
        write!(out, "{}", wrapped("·", &line, style.width))?;
    }
    for (head, lines) in [
        ("Layers", layers::brief(report)),
        ("Travelled", travelled::brief(report)),
    ] {
        if !lines.is_empty() {
            writeln!(out, "\n{}", strong(head))?;
        }
        for line in lines {
            write!(out, "{}", wrapped("·", &line, style.width))?;
        }
    }
    if !report.notes.is_empty() {
        writeln!(out, "\n{}", strong("Notes"))?;
    }
    for note in &report.notes {
        write_note(note, style, out)?;
    }
    writeln!(out, "\n{}", strong("Environment"))?;
    for (label, fact) in text::environment_facts(report) {
        write!(out, "{}", wrapped(&format!("{label:<11}"), &fact, style.width))?;
    }
    for image in &report.images {
        write!(
            out,
            "{}",
            wrapped(&format!("{:<11}", image.role), &text::image_text(image), style.width)
        )?;
    }
    Ok(())
}

fn write_note(note: &Note, style: Style, out: &mut impl Write) -> io::Result<()> {
    let (marker, look) = match note.severity() {
        Severity::Problem => ("✗", Look::Bad),
        Severity::Warning => ("!", Look::Strong),
        Severity::Info => ("·", Look::Plain),
    };
    let text = wrapped(marker, &note.text(), style.width);
    if style.color {
        write!(out, "{}", text.replacen(marker, &look.paint(marker), 1))?;
    } else {
        write!(out, "{text}")?;
    }
    for detail in note.details() {
        write!(out, "{}", wrapped(" ", &detail, style.width))?;
    }
    // Log lines are evidence: shown as they are, never wrapped or cut.
    for line in note.log_lines() {
        let line = format!("    | {line}");
        writeln!(out, "{}", if style.color { Look::Faint.paint(&line) } else { line })?;
    }
    Ok(())
}

/// A marker and a text beside it that wraps at the width.
pub(super) fn wrapped(marker: &str, text: &str, width: Option<u16>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    if marker.is_empty() {
        table.add_row([text]);
    } else {
        table.add_row([marker, text]);
    }
    let mut lines = String::new();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::from(index == 0 && !marker.is_empty())));
    }
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// The columns of each block, so that every block fits the width; blocks are about equally wide.
fn blocks(report: &Report, width: Option<u16>) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..report.columns.len()).collect();
    let Some(width) = width.map(usize::from) else {
        return vec![all];
    };
    let widths: Vec<usize> = table(report, &all)
        .0
        .column_max_content_widths()
        .into_iter()
        .map(usize::from)
        .collect();
    let fits = |columns: &[usize]| {
        // Every column has a space on both sides, and a bar stands before each but the first.
        let total: usize = columns.iter().map(|column| widths[column + 1] + 3).sum();
        widths[0] + 2 + total <= width
    };
    (1..=all.len())
        .map(|count| all.len().div_ceil(count))
        .find(|size| all.chunks(*size).all(fits))
        .map_or_else(
            || all.chunks(1).map(<[usize]>::to_vec).collect(),
            |size| all.chunks(size).map(<[usize]>::to_vec).collect(),
        )
}

fn write_table(report: &Report, columns: &[usize], color: bool, out: &mut impl Write) -> io::Result<()> {
    let (table, rows) = table(report, columns);
    let mut looks: Vec<Option<Vec<Look>>> = Vec::new();
    for row in &rows {
        let height = row.iter().map(Vec::len).max().unwrap_or(0);
        looks.extend((0..height).map(|line| {
            Some(
                row.iter()
                    .map(|cell| cell.get(line).map_or(Look::Plain, |(_, look)| *look))
                    .collect(),
            )
        }));
        // The line between two rows.
        looks.push(None);
    }
    for (line, looks) in table.lines().zip(looks) {
        match looks {
            Some(looks) if color => writeln!(out, "{}", painted(&line, &looks).trim_end())?,
            _ => writeln!(out, "{}", line.trim_end())?,
        }
    }
    Ok(())
}

/// Paints the words of a table's line, cell by cell; the space around them stays as it is.
fn painted(line: &str, looks: &[Look]) -> String {
    let cells = line.split(BAR).zip(looks).map(|(cell, look)| {
        let words = cell.trim();
        if words.is_empty() {
            cell.to_owned()
        } else {
            cell.replacen(words, &look.paint(words), 1)
        }
    });
    cells.collect::<Vec<_>>().join(&BAR.to_string())
}

/// The table of some columns, and what stands in it line by line, the head first.
fn table(report: &Report, columns: &[usize]) -> (Table, Vec<Vec<Vec<Line>>>) {
    let mut head = vec![vec![]];
    head.extend(columns.iter().map(|column| {
        let pieces = text::name_pieces(&report.columns[*column]);
        pieces
            .iter()
            .flat_map(|piece| broken(piece))
            .map(|piece| (piece, Look::Strong))
            .collect()
    }));
    let mut rows: Vec<Vec<Vec<Line>>> = vec![head];
    for row in &report.rows {
        let label = row
            .label
            .split_inclusive(", ")
            .map(|part| (part.trim_end().to_owned(), Look::Strong))
            .collect();
        let mut cells = vec![label];
        cells.extend(
            columns
                .iter()
                .map(|column| cell_lines(&text::cell(row.kind, &row.cells[*column]))),
        );
        rows.push(cells);
    }
    for (text, _) in rows.iter_mut().flatten().flatten() {
        if text.contains(BAR) {
            *text = text.replace(BAR, "|");
        }
    }
    let joined = |cells: &Vec<Vec<Line>>| -> Vec<String> {
        let lines = |cell: &Vec<Line>| {
            cell.iter()
                .map(|(text, _)| text.as_str())
                .collect::<Vec<_>>()
                .join("\n")
        };
        cells.iter().map(lines).collect()
    };
    let mut table = Table::new();
    table
        .load_style(LINES)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(joined(&rows[0]));
    table.add_rows(rows[1..].iter().map(joined));
    (table, rows)
}

fn cell_lines(cell: &CellText) -> Vec<Line> {
    let look = match cell.tone {
        Tone::Plain => Look::Plain,
        Tone::Best => Look::Good,
        Tone::Bad => Look::Bad,
        Tone::Faint => Look::Faint,
    };
    let main = match &cell.ratio {
        Some(ratio) => format!("{} ({ratio})", cell.main),
        None => cell.main.clone(),
    };
    let mut lines = vec![(main, look)];
    lines.extend(cell.spread.iter().map(|spread| (spread.clone(), Look::Plain)));
    lines.extend(cell.remarks.iter().map(|remark| (remark.clone(), Look::Bad)));
    lines.extend(
        cell.published
            .iter()
            .map(|published| (format!("published {published}"), Look::Aside)),
    );
    lines
}

/// A piece of a name in lines that are not too long.
fn broken(piece: &str) -> Vec<String> {
    let letters: Vec<char> = piece.chars().collect();
    letters.chunks(NAME_WIDTH).map(|chunk| chunk.iter().collect()).collect()
}
