//! `bakeoff explain`: one scenario's Dockerfile with its times at the left, as a profiler prints a program. Not for: the
//! tables of whole runs.

use std::collections::HashMap;
use std::io::{self, Write};

use console::Style as Paint;

use super::attribution::{CAPTION, UNATTRIBUTED, is_marked, matters, seconds, texts, time};
use super::{Format, ReportError, Style, json, layers, travelled};
use crate::analysis::{Attribution, Layers, Origin, StepCell, StepState};
use crate::units::Nanos;

/// The columns that are used where nobody says how many there are.
pub(super) const WIDTH: usize = 80;
/// So much of the Dockerfile's text is shown at least, however many columns the times take.
const TEXT: usize = 24;
/// The widest word of a column's head.
const HEAD: usize = 10;

/// Writes the explanation of scenarios: of all their builds side by side, or of the one phase with this name and then
/// with the shares of its steps. JSON has all builds in any case.
///
/// # Errors
/// If the output can't be written to.
pub fn explain(
    attributions: &[&Attribution],
    phase: Option<&str>,
    format: Format,
    style: Style,
    out: &mut impl Write,
) -> Result<(), ReportError> {
    if format == Format::Json {
        return json::write_attributions(attributions, out);
    }
    let mut write = || -> io::Result<()> {
        for (index, attribution) in attributions.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            match format {
                Format::Markdown => markdown(attribution, phase, out)?,
                _ => terminal(attribution, phase, style, out)?,
            }
        }
        Ok(())
    };
    let written = write();
    written.and_then(|()| out.flush()).map_err(|source| ReportError::Write {
        format: format.name(),
        source,
    })
}

fn terminal(attribution: &Attribution, phase: Option<&str>, style: Style, out: &mut impl Write) -> io::Result<()> {
    let width = style.width.map_or(WIDTH, usize::from);
    let listing = Listing::of(attribution, phase);
    writeln!(out, "{}", strong(&attribution.scenario, style.color))?;
    writeln!(out)?;
    for line in listing.lines(width) {
        writeln!(out, "{}", line.painted(style.color))?;
    }
    for text in texts(attribution, phase) {
        writeln!(out, "\n{}", wrapped(&text, width))?;
    }
    writeln!(out, "\n{}", wrapped(CAPTION, width))?;
    if let Some(of) = attribution.layers.as_ref().filter(|_| phase.is_none()) {
        writeln!(out, "\n{}\n", strong("Layers", style.color))?;
        for line in layer_lines(of, width) {
            writeln!(out, "{line}")?;
        }
        for text in layers::texts(of) {
            writeln!(out, "\n{}", wrapped(&text, width))?;
        }
        writeln!(out, "\n{}", wrapped(layers::CAPTION, width))?;
    }
    let (travelled, computed) = travelled_lines(attribution, phase);
    if !travelled.is_empty() {
        writeln!(out, "\n{}\n", strong("Travelled", style.color))?;
        for line in &travelled {
            writeln!(out, "{}", wrapped(line, width))?;
        }
    }
    if let Some(text) = computed {
        writeln!(out, "\n{}", wrapped(text, width))?;
    }
    Ok(())
}

/// The layers with their sizes at the left, as the instructions stand with their times.
fn layer_lines(of: &Layers, width: usize) -> Vec<String> {
    let rows = layers::table(of);
    let heads: Vec<String> = of.images.iter().map(|image| image.image.clone()).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|at| {
            let figures = rows.iter().map(|row| row.figures[at].chars().count());
            figures.chain([heads[at].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |figures: &[String], number: &str, text: &str| {
        let cells = figures.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(figure, width)| format!("{figure:>width$}")).collect();
        let left = format!("{}  {number:>4}  ", cells.join("  "));
        let room = width.saturating_sub(left.chars().count()).max(TEXT);
        format!("{left}{}", super::attribution::cut(text, room))
            .trim_end()
            .to_owned()
    };
    let head = line(&heads, "", "");
    let rows = rows.iter().map(|row| line(&row.figures, &row.line, &row.text));
    std::iter::once(head).chain(rows).collect()
}

/// What travelled in the phases that are shown: in all, or in the one with this name.
/// And what must be known of computed times, if there are some.
fn travelled_lines(attribution: &Attribution, phase: Option<&str>) -> (Vec<String>, Option<&'static str>) {
    let of = attribution.travelled.iter().cloned();
    let shown: Vec<_> = of.filter(|of| phase.is_none_or(|phase| phase == of.phase)).collect();
    (travelled::lines(&shown), travelled::computed(&shown))
}

fn markdown(attribution: &Attribution, phase: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}\n", super::markdown::escaped(&attribution.scenario))?;
    let lines: Vec<String> = Listing::of(attribution, phase)
        .lines(usize::MAX)
        .iter()
        .map(|line| line.painted(false))
        .collect();
    let fence = super::markdown::fence(&lines);
    writeln!(out, "{fence}text\n{}\n{fence}", lines.join("\n"))?;
    for text in texts(attribution, phase) {
        writeln!(out, "\n{}", super::markdown::escaped(&text))?;
    }
    writeln!(out, "\n{}", super::markdown::escaped(CAPTION))?;
    if let Some(of) = attribution.layers.as_ref().filter(|_| phase.is_none()) {
        super::markdown::layers(of, out)?;
    }
    let (travelled, computed) = travelled_lines(attribution, phase);
    for (number, line) in travelled.iter().enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        writeln!(out, "{gap}- {}", super::markdown::escaped(line))?;
    }
    if let Some(text) = computed {
        writeln!(out, "\n{}", super::markdown::escaped(text))?;
    }
    Ok(())
}

/// The Dockerfile with its times.
struct Listing<'a> {
    attribution: &'a Attribution,
    /// The builds that are shown.
    builds: Vec<usize>,
    /// Whether there are columns for shares: if just one build is shown.
    shares: bool,
}

/// A line of the listing: for each column a text and how it looks, and then the text.
struct Line {
    figures: Vec<(String, Look)>,
    text: String,
    faint: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Hot,
    Faint,
}

impl Line {
    fn painted(&self, color: bool) -> String {
        let mut line = String::new();
        for (figure, look) in &self.figures {
            match look {
                Look::Hot if color => line.push_str(&paint(Paint::new().red().bold(), figure)),
                Look::Faint if color => line.push_str(&paint(Paint::new().dim(), figure)),
                _ => line.push_str(figure),
            }
        }
        if self.faint && color {
            line.push_str(&paint(Paint::new().dim(), &self.text));
        } else {
            line.push_str(&self.text);
        }
        line.trim_end().to_owned()
    }
}

fn paint(paint: Paint, text: &str) -> String {
    let words = text.trim();
    if words.is_empty() {
        return text.to_owned();
    }
    // Whether to paint is for the caller to say, never for the environment. Space stays as it is, to be cut at the end.
    text.replacen(words, &paint.force_styling(true).apply_to(words).to_string(), 1)
}

pub(super) fn strong(text: &str, color: bool) -> String {
    if color {
        paint(Paint::new().bold(), text)
    } else {
        text.to_owned()
    }
}

impl<'a> Listing<'a> {
    fn of(attribution: &'a Attribution, phase: Option<&str>) -> Self {
        let shown = |at: &usize| phase.is_none_or(|phase| attribution.builds[*at].phase == phase);
        let builds: Vec<usize> = (0..attribution.builds.len()).filter(shown).collect();
        Self {
            attribution,
            shares: phase.is_some() && builds.len() == 1,
            builds,
        }
    }

    fn lines(&self, width: usize) -> Vec<Line> {
        let mut lines = self.heads();
        let rows = &self.attribution.rows;
        let by_line: HashMap<u32, &[StepCell]> = rows
            .iter()
            .filter_map(|row| match &row.origin {
                Origin::Instruction(instruction) => Some((instruction.first_line, row.cells.as_slice())),
                Origin::Builder(_) => None,
            })
            .collect();
        let count = self.attribution.dockerfile.lines().count();
        let digits = count.to_string().len().max(3);
        for (text, number) in self.attribution.dockerfile.lines().zip(1..) {
            let text: String = text.replace('\t', "    ").chars().filter(|c| !c.is_control()).collect();
            lines.push(Line {
                faint: text.trim_start().starts_with('#'),
                text: format!("{number:>digits$}  {text}"),
                figures: self.figures(by_line.get(&number).copied()),
            });
        }
        lines.push(self.rule());
        let indent = " ".repeat(digits + 2);
        for row in rows {
            let Origin::Builder(name) = &row.origin else {
                continue;
            };
            lines.push(self.line(&row.cells, format!("{indent}{name}")));
            for (name, times) in row
                .parts
                .iter()
                .filter(|(_, times)| self.builds.iter().any(|at| matters(&times[*at..=*at])))
            {
                let time = |at: usize| times[at].map(seconds).unwrap_or_default();
                lines.push(self.plain(time, format!("{indent}  {name}"), Look::Faint));
            }
        }
        let builds = &self.attribution.builds;
        let whole = |read: fn(&crate::analysis::BuildTime) -> Nanos| {
            move |at: usize| {
                if builds[at].rounds > 0 {
                    seconds(read(&builds[at]))
                } else {
                    String::new()
                }
            }
        };
        lines.push(self.whole(whole(|build| build.unattributed), format!("{indent}{UNATTRIBUTED}")));
        lines.push(self.rule());
        lines.push(self.whole(whole(|build| build.wall), format!("{indent}total")));
        lines.push(self.whole(whole(|build| build.path), format!("{indent}critical path")));
        let left: usize = lines.first().map_or(0, |line| {
            line.figures.iter().map(|figure| figure.0.chars().count()).sum()
        });
        let room = width.saturating_sub(left).max(TEXT);
        for line in &mut lines {
            line.text = super::attribution::cut(&line.text, room);
        }
        lines
    }

    /// The widths of the columns, each with the space before it: a time and a mark for each build, or with one build its
    /// time, share and what could be saved.
    fn widths(&self) -> Vec<usize> {
        if self.shares {
            return vec![9, 7, 10];
        }
        let width = |at: &usize| {
            let words = self.attribution.builds[*at].phase.split_whitespace();
            words
                .map(|word| word.chars().count().min(HEAD))
                .max()
                .unwrap_or(0)
                .max(8)
        };
        self.builds.iter().map(width).collect()
    }

    fn row(&self, figures: &[(String, bool, Look)], text: String) -> Line {
        let cells = figures.iter().zip(self.widths()).map(|((figure, mark, look), width)| {
            let mark = if *mark { "*" } else { " " };
            (format!("{figure:>width$} {mark}"), *look)
        });
        Line {
            figures: cells.chain([("  ".to_owned(), Look::Plain)]).collect(),
            text,
            faint: false,
        }
    }

    fn heads(&self) -> Vec<Line> {
        let columns: Vec<Vec<String>> = if self.shares {
            let phase = self.builds.iter().map(|at| self.attribution.builds[*at].phase.as_str());
            let phase: Vec<String> = phase
                .flat_map(str::split_whitespace)
                .map(|word| super::attribution::cut(word, HEAD))
                .collect();
            vec![phase, vec!["share".into()], vec!["at most".into(), "saved".into()]]
        } else {
            let words = |at: &usize| {
                let words = self.attribution.builds[*at].phase.split_whitespace();
                words.map(|word| super::attribution::cut(word, HEAD)).collect()
            };
            self.builds.iter().map(words).collect()
        };
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        (0..height)
            .map(|line| {
                let word = |column: &Vec<String>| {
                    // The last words stand on the last line.
                    let above = height - column.len();
                    let word = line.checked_sub(above).and_then(|line| column.get(line));
                    (word.cloned().unwrap_or_default(), false, Look::Plain)
                };
                self.row(&columns.iter().map(word).collect::<Vec<_>>(), String::new())
            })
            .chain([self.rule()])
            .collect()
    }

    fn rule(&self) -> Line {
        let dashes = self
            .widths()
            .into_iter()
            .map(|width| ("─".repeat(width), false, Look::Faint));
        self.row(&dashes.collect::<Vec<_>>(), String::new())
    }

    fn figures(&self, cells: Option<&[StepCell]>) -> Vec<(String, Look)> {
        let empty = || (String::new(), false, Look::Plain);
        let figures: Vec<_> = match cells {
            None => self.widths().iter().map(|_| empty()).collect(),
            Some(cells) if self.shares => {
                let cell = &cells[self.builds[0]];
                let told = |text: String| {
                    if time(cell).parse::<f64>().is_ok() {
                        text
                    } else {
                        String::new()
                    }
                };
                vec![
                    (time(cell), is_marked(cell), look(cell)),
                    (told(format!("{:.1} %", 100.0 * cell.share)), false, look(cell)),
                    (told(seconds(cell.saved)), false, look(cell)),
                ]
            }
            Some(cells) => self
                .builds
                .iter()
                .map(|at| (time(&cells[*at]), is_marked(&cells[*at]), look(&cells[*at])))
                .collect(),
        };
        self.row(&figures, String::new()).figures
    }

    fn line(&self, cells: &[StepCell], text: String) -> Line {
        Line {
            figures: self.figures(Some(cells)),
            text,
            faint: false,
        }
    }

    /// A line with one figure for each build and no mark.
    fn plain(&self, figure: impl Fn(usize) -> String, text: String, look: Look) -> Line {
        let mut figures: Vec<_> = self.builds.iter().map(|at| (figure(*at), false, look)).collect();
        figures.resize_with(self.widths().len(), || (String::new(), false, look));
        self.row(&figures, text)
    }

    fn whole(&self, figure: impl Fn(usize) -> String, text: String) -> Line {
        let mut line = self.plain(figure, text, Look::Plain);
        if let (true, Some(build)) = (self.shares, self.builds.first()) {
            let build = &self.attribution.builds[*build];
            let part = |time: Nanos| {
                format!(
                    "{:.1} %",
                    100.0 * time.seconds() / build.wall.seconds().max(f64::MIN_POSITIVE)
                )
            };
            let share = match line.text.trim() {
                "critical path" => part(build.path),
                "total" => String::new(),
                _ => part(build.unattributed),
            };
            line.figures[1] = (format!("{share:>7}  "), Look::Plain);
        }
        line
    }
}

fn look(cell: &StepCell) -> Look {
    match cell.state {
        StepState::Cached | StepState::Absent => Look::Faint,
        _ if cell.critical && cell.share >= 0.2 => Look::Hot,
        _ => Look::Plain,
    }
}

/// A text in lines that are not wider than this.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| console::measure_text_width(line));
        if last > 0 && last + 1 + console::measure_text_width(word) > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
