//! One pull or start of a scenario, with how its time divides. Not for: builds (see [`super::explain`]).

use std::io::{self, Write};

use super::{Format, ReportError, Style, json};
use crate::analysis::{Moved, MovedLayer};
use crate::units::Nanos;

/// Writes where the time of pulls or starts went.
///
/// # Errors
/// If the output can't be written to.
pub fn explain_moved(moved: &[&Moved], format: Format, style: Style, out: &mut impl Write) -> Result<(), ReportError> {
    if format == Format::Json {
        return json::write_moved(moved, out);
    }
    let mut write = || -> io::Result<()> {
        for (index, one) in moved.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            match format {
                Format::Markdown => markdown(one, out)?,
                _ => terminal(one, style, out)?,
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

fn head(moved: &Moved) -> String {
    let rounds = match moved.rounds {
        1 => "1 round".to_owned(),
        several => format!("median of {several} rounds"),
    };
    format!("{}, {}: {} ({rounds})", moved.scenario, moved.phase, moved.wall)
}

fn share(part: Nanos, whole: Nanos) -> String {
    format!(
        "{:.0} %",
        100.0 * part.seconds() / whole.seconds().max(f64::MIN_POSITIVE)
    )
}

/// What stands in the two columns of times of a layer.
fn times(layer: &MovedLayer) -> [String; 2] {
    if layer.existed {
        return ["was there".to_owned(), String::new()];
    }
    [layer.downloading, layer.extracting]
        .map(|time| time.map_or_else(|| "not told".to_owned(), |time| time.to_string()))
}

fn terminal(moved: &Moved, style: Style, out: &mut impl Write) -> io::Result<()> {
    let head = head(moved);
    if style.color {
        let strong = console::Style::new().bold().force_styling(true);
        writeln!(out, "{}\n", strong.apply_to(head))?;
    } else {
        writeln!(out, "{head}\n")?;
    }
    for (name, time) in &moved.parts {
        writeln!(out, "{:>12} {:>6}  {name}", time.to_string(), share(*time, moved.wall))?;
    }
    if !moved.layers.is_empty() {
        writeln!(out, "\n{:>12} {:>12}  layer", "downloading", "extracting")?;
        for layer in &moved.layers {
            let [downloading, extracting] = times(layer);
            writeln!(out, "{downloading:>12} {extracting:>12}  {}", layer.id)?;
        }
    }
    Ok(())
}

fn markdown(moved: &Moved, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "# {}\n\n| part | time | share |\n|---|--:|--:|",
        super::markdown::escaped(&head(moved))
    )?;
    for (name, time) in &moved.parts {
        writeln!(out, "| {name} | {time} | {} |", share(*time, moved.wall))?;
    }
    if !moved.layers.is_empty() {
        writeln!(out, "\n| layer | downloading | extracting |\n|---|--:|--:|")?;
        for layer in &moved.layers {
            let [downloading, extracting] = times(layer);
            writeln!(
                out,
                "| {} | {downloading} | {extracting} |",
                super::markdown::escaped(&layer.id)
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull() -> Moved {
        let layer = |id: &str, existed, time: Option<u64>| MovedLayer {
            id: id.into(),
            existed,
            downloading: time.map(|ms| Nanos(ms * 1_000_000)),
            extracting: None,
        };
        Moved {
            scenario: "uv-single[cache_mounts=on]".into(),
            phase: "hot pull".into(),
            rounds: 3,
            wall: Nanos(2_000_000_000),
            parts: vec![
                ("downloading", Nanos(1_500_000_000)),
                ("anything else", Nanos(500_000_000)),
            ],
            layers: vec![layer("a1b2", true, None), layer("c3d4", false, Some(1500))],
        }
    }

    fn shown(format: Format) -> String {
        let mut out = Vec::new();
        explain_moved(&[&pull()], format, Style::default(), &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_pull_in_a_terminal() {
        insta::assert_snapshot!(shown(Format::Terminal));
    }

    #[test]
    fn a_pull_as_markdown() {
        insta::assert_snapshot!(shown(Format::Markdown));
    }

    #[test]
    fn a_pull_as_json() {
        insta::assert_snapshot!(shown(Format::Json));
    }
}
