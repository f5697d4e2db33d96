//! One push, pull or start of a scenario: how its time divides, what travelled, and what the engine used. Not for: builds (see
//! [`super::explain`]).

use std::io::{self, Write};

use super::explain::{WIDTH, strong, wrapped};
use super::{Format, ReportError, Style, attribution, json, travelled};
use crate::analysis::{LayerFate, Moved, MovedLayer};
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

/// What parts are told by.
const BY_ARRIVAL: &str = "Approximate: the engine's answer has no times, so these are by when its lines arrived.";
/// What a layer need not have been at.
const AT_TIMES: [&str; 2] = ["preparing", "waiting"];

/// What the columns of times are of.
fn heads(moved: &Moved) -> Vec<&'static str> {
    let first = moved.layers.iter().take(1);
    first
        .flat_map(|layer| layer.times.iter().map(|(name, _)| *name))
        .collect()
}

/// What stands in the columns of times of a layer: where nothing is told, why, if that is worth a word.
fn times(layer: &MovedLayer) -> Vec<String> {
    let mut fate = match layer.fate {
        LayerFate::Travelled => None,
        LayerFate::Existed => Some("was there"),
        LayerFate::Mounted => Some("mounted"),
    };
    let cell = |(name, time): &(&'static str, Option<Nanos>)| match time {
        Some(time) => time.to_string(),
        None if layer.fate == LayerFate::Travelled && !AT_TIMES.contains(name) => "not told".to_owned(),
        None => fate.take().unwrap_or_default().to_owned(),
    };
    layer.times.iter().map(cell).collect()
}

/// What travelled and how long that would take over other links, and what the engine used of the machine.
fn texts(moved: &Moved) -> Vec<String> {
    let mut texts = Vec::new();
    if moved.by_arrival {
        texts.push(BY_ARRIVAL.to_owned());
    }
    let new = moved.new_bytes;
    texts.extend(new.map(|bytes| format!("It sent {bytes} of layers that the registry did not have.")));
    texts.extend(travelled::lines(moved.travelled.as_slice()));
    texts.extend(travelled::computed(&moved.travelled).map(str::to_owned));
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
        let line = |cells: &[String], name: &str| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>12}")).collect();
            format!("{}  {name}", cells.join(" "))
        };
        let heads: Vec<String> = heads(moved).into_iter().map(str::to_owned).collect();
        writeln!(out, "\n{}", line(&heads, "layer"))?;
        for layer in &moved.layers {
            writeln!(out, "{}", line(&times(layer), &layer.id))?;
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
        let heads = heads(moved);
        let rule = "--:|".repeat(heads.len());
        writeln!(out, "\n| layer | {} |\n|---|{rule}", heads.join(" | "))?;
        for layer in &moved.layers {
            let id = super::markdown::escaped(&layer.id);
            writeln!(out, "| {id} | {} |", times(layer).join(" | "))?;
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

    const fn ms(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn push() -> Moved {
        let report = Report::of(&sample::layered());
        let mut push = report.moved[1].clone();
        let layer = |id: &str, fate, [pushing, preparing, waiting]: [Option<u64>; 3]| MovedLayer {
            id: id.into(),
            fate,
            times: vec![
                ("pushing", pushing.map(ms)),
                ("preparing", preparing.map(ms)),
                ("waiting", waiting.map(ms)),
            ],
        };
        push.by_arrival = true;
        push.parts = vec![
            ("pushing", ms(950)),
            ("preparing", ms(50)),
            ("waiting", ms(0)),
            ("anything else", ms(100)),
        ];
        push.layers = vec![
            layer("a1b2", LayerFate::Travelled, [Some(900), Some(50), None]),
            layer("c3d4", LayerFate::Existed, [None, Some(40), Some(7)]),
            layer("e5f6", LayerFate::Mounted, [None, None, None]),
            layer("0718", LayerFate::Travelled, [None, Some(3), None]),
        ];
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
        let layer = |id: &str, fate, time: Option<u64>| MovedLayer {
            id: id.into(),
            fate,
            times: vec![("downloading", time.map(ms)), ("extracting", None)],
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
            by_arrival: true,
            layers: vec![
                layer("a1b2", LayerFate::Existed, None),
                layer("c3d4", LayerFate::Travelled, Some(1500)),
            ],
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
