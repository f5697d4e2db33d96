//! One push, pull or start of a scenario: how its time divides, what travelled, and what the engine used. Not for: builds (see
//! [`super::explain`]).

use std::io::{self, Write};

use super::explain::{WIDTH, strong, wrapped};
use super::{Format, ReportError, Style, attribution, json, travelled};
use crate::analysis::{Moved, MovedLayer};
use crate::units::Nanos;

/// Writes where the time of pushes, pulls or starts went, and what travelled in them.
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

/// What travelled and how long that would take over other links, and what the engine used of the machine.
fn texts(moved: &Moved) -> Vec<String> {
    let new = moved.new_bytes;
    let new = new.map(|bytes| format!("It sent {bytes} of layers that the registry did not have."));
    let mut texts: Vec<String> = new.into_iter().collect();
    texts.extend(travelled::lines(moved.travelled.as_slice()));
    if moved.travelled.iter().any(|of| !of.links.is_empty()) {
        texts.push(travelled::COMPUTED.to_owned());
    }
    let used = moved.resources.as_ref();
    texts.extend(used.and_then(|used| attribution::resources(used, None)));
    texts
}

fn terminal(moved: &Moved, style: Style, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", strong(&head(moved), style.color))?;
    if !moved.parts.is_empty() {
        writeln!(out)?;
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
    let width = style.width.map_or(WIDTH, usize::from);
    for text in texts(moved) {
        writeln!(out, "\n{}", wrapped(&text, width))?;
    }
    Ok(())
}

fn markdown(moved: &Moved, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}", super::markdown::escaped(&head(moved)))?;
    if !moved.parts.is_empty() {
        writeln!(out, "\n| part | time | share |\n|---|--:|--:|")?;
    }
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
    for text in texts(moved) {
        writeln!(out, "\n{}", super::markdown::escaped(&text))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{PhaseUse, Report, ResourceUse, sample};
    use crate::units::Bytes;

    fn push() -> Moved {
        let report = Report::of(&sample::layered());
        let mut push = report.moved[1].clone();
        push.resources = Some(ResourceUse {
            phases: vec![PhaseUse {
                phase: push.phase.clone(),
                rounds: 2,
                cpu: Some(Nanos(800_000_000)),
                peak_memory: Some(Bytes(90_000_000)),
                disk_read: None,
                disk_written: None,
            }],
            absent: vec!["disk: not counted".into()],
        });
        push
    }

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
            new_bytes: None,
            travelled: None,
            resources: None,
        }
    }

    fn shown(moved: &Moved, format: Format) -> String {
        let mut out = Vec::new();
        explain_moved(&[moved], format, Style::default(), &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_pull_in_a_terminal() {
        insta::assert_snapshot!(shown(&pull(), Format::Terminal));
    }

    #[test]
    fn a_pull_as_markdown() {
        insta::assert_snapshot!(shown(&pull(), Format::Markdown));
    }

    #[test]
    fn a_pull_as_json() {
        insta::assert_snapshot!(shown(&pull(), Format::Json));
    }

    #[test]
    fn a_push_in_a_terminal() {
        insta::assert_snapshot!(shown(&push(), Format::Terminal));
    }

    #[test]
    fn a_push_as_markdown() {
        insta::assert_snapshot!(shown(&push(), Format::Markdown));
    }

    #[test]
    fn a_push_as_json() {
        insta::assert_snapshot!(shown(&push(), Format::Json));
    }
}
