//! The words that all layouts share: what a cell says, how names break, the facts about the run and the machine.

use crate::analysis::{Cell, CellValue, Column, Report, RowKind, RunState};
use crate::runner::event::{BaseImage, EngineHead};

use super::downloads;

/// What a cell says, in the parts that a layout may set apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CellText {
    /// The median, or `failed`, `invalid`, `skipped`, `no data`.
    pub main: String,
    /// `best`, or how many times the best it is: `2.33×`.
    pub ratio: Option<String>,
    /// `4.61 … 5.02 s`.
    pub spread: Option<String>,
    /// `1 of 3 failed`: what happened to rounds that are not in the median.
    pub remarks: Vec<String>,
    /// `4.75 s`.
    pub published: Option<String>,
    /// How it should look.
    pub tone: Tone,
}

/// How a cell should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    /// As any other.
    #[default]
    Plain,
    /// The best of its row.
    Best,
    /// Something went wrong.
    Bad,
    /// There is nothing to see.
    Faint,
}

/// Puts a cell into words.
pub(super) fn cell(kind: RowKind, cell: &Cell) -> CellText {
    let published = cell.published.map(|value| kind.show(value));
    let bare = |main: &str, tone| CellText {
        main: main.into(),
        tone,
        published: published.clone(),
        ..CellText::default()
    };
    match &cell.value {
        CellValue::Measured(summary) => CellText {
            main: kind.show(summary.median),
            ratio: cell.ratio.map(|ratio| ratio_text(ratio, cell.is_best())),
            spread: summary.spread().and_then(|(min, max)| spread(kind, min, max)),
            remarks: remarks(cell),
            tone: if cell.is_best() { Tone::Best } else { Tone::Plain },
            published,
        },
        CellValue::Failed(_) => bare("failed", Tone::Bad),
        CellValue::Invalid(_) => bare("invalid", Tone::Bad),
        CellValue::Skipped(_) => bare("skipped", Tone::Faint),
        CellValue::NoData => bare("no data", Tone::Faint),
    }
}

fn ratio_text(ratio: f64, best: bool) -> String {
    if best {
        "best".into()
    } else if ratio < 99.95 {
        format!("{ratio:.2}×")
    } else {
        format!("{ratio:.0}×")
    }
}

/// `4.61 … 5.02 s`, `850 ms … 1.20 s`; nothing if both ends read the same, as exact sizes do.
fn spread(kind: RowKind, min: f64, max: f64) -> Option<String> {
    let (low, high) = (kind.show(min), kind.show(max));
    if low == high {
        return None;
    }
    // The unit is said once if both ends have the same; `12 min 05 s` has more than one and is kept whole.
    let low = match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => number.to_owned(),
        _ => low,
    };
    Some(format!("{low} … {high}"))
}

fn remarks(cell: &Cell) -> Vec<String> {
    let rounds = cell.rounds;
    let lost = [
        (rounds.failed, "failed"),
        (rounds.invalid, "invalid"),
        (rounds.skipped, "skipped"),
    ];
    let mut remarks: Vec<String> = lost
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} of {} {what}", rounds.planned))
        .collect();
    let missing = rounds
        .planned
        .saturating_sub(rounds.measured + rounds.failed + rounds.invalid + rounds.skipped);
    if missing > 0 {
        remarks.push(format!("{missing} of {} missing", rounds.planned));
    }
    remarks
}

/// A scenario's name in the pieces between which it may break: `uv-single`, `[cache_mounts=off,`, `builder=classic]`.
pub(super) fn name_pieces(column: &Column) -> Vec<String> {
    let factors = column.name.strip_prefix(&column.base_name).unwrap_or_default();
    let mut pieces = vec![column.name[..column.name.len() - factors.len()].to_owned()];
    pieces.extend(factors.split_inclusive(',').map(str::to_owned));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// `published, light`: the suite and the fixture's variant.
pub(super) fn title(report: &Report) -> String {
    let run = &report.run;
    if run.variant.is_empty() {
        run.suite.clone()
    } else {
        format!("{}, {}", run.suite, run.variant)
    }
}

/// What the figures in the table are.
pub(super) fn caption(report: &Report) -> String {
    let most = report
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .map(|cell| cell.rounds.measured)
        .max()
        .unwrap_or(0);
    match most {
        0 => "Nothing was measured.".into(),
        1 => "Figures of one round.".into(),
        rounds => format!("Median of {rounds} rounds, and below it the smallest and the largest value."),
    }
}

/// Facts about the run, label and text.
pub(super) fn run_facts(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let warmup = match run.warmup {
        0 => String::new(),
        1 => ", after 1 discarded warm-up round".into(),
        n => format!(", after {n} discarded warm-up rounds"),
    };
    let state = match run.state {
        RunState::Complete => String::new(),
        RunState::Interrupted | RunState::Unfinished => format!(" ({})", run.state.name()),
    };
    let mut facts = vec![
        ("run", format!("{}{state}", run.id)),
        ("started", run.started.format("%Y-%m-%d %H:%M UTC").to_string()),
        ("rounds", format!("{}{warmup}", run.rounds)),
        ("order", format!("shuffled in each round, seed {}", run.seed)),
        (
            "fixture",
            if run.variant.is_empty() {
                run.fixture.clone()
            } else {
                format!("{}, {}", run.fixture, run.variant)
            },
        ),
        ("bakeoff", run.bakeoff_version.clone()),
    ];
    facts.extend(downloads::network(report).map(|network| ("network", network)));
    facts
}

/// Facts about the machine and the engine, label and text; unknown ones are left out.
pub(super) fn environment_facts(report: &Report) -> Vec<(&'static str, String)> {
    let (identity, drift) = (&report.environment.identity, &report.environment.drift);
    let cpus = if identity.cpus == 1 {
        "1 processor".into()
    } else {
        format!("{} processors", identity.cpus)
    };
    let facts = [
        ("processor", join(&[&identity.cpu_model, &cpus])),
        ("memory", identity.memory.to_string()),
        (
            "system",
            join(&[&drift.operating_system, &prefixed("kernel ", &drift.kernel)]),
        ),
        ("engine", engines(report)),
        (
            "storage",
            if report.engines.len() > 1 {
                String::new()
            } else {
                join(&[
                    &identity.storage_driver,
                    &prefixed("image store ", &identity.image_store),
                ])
            },
        ),
        // Told at more length among the facts about the run if there was a mirror.
        (
            "network",
            downloads::network(report).map_or_else(|| identity.network.clone(), |_| String::new()),
        ),
        ("base images", identity.bases.clone()),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// The engines: one as a fact of the whole run, several with what was asked for.
fn engines(report: &Report) -> String {
    let drift = &report.environment.drift;
    match report.engines.as_slice() {
        [] | [_] => {
            let kind = match report.engines.first() {
                Some(engine) if engine.kind == "isolated" => "isolated, one for each trial",
                Some(_) => "the host's",
                None => "",
            };
            join(&[
                &prefixed("Docker ", &drift.engine_version),
                &prefixed("API ", &drift.api_version),
                kind,
            ])
        }
        several => {
            let one = |engine: &EngineHead| {
                format!(
                    "{}: Docker {}",
                    engine.choice,
                    join(&[
                        &engine.version,
                        &prefixed("API ", &engine.api_version),
                        &engine.storage_driver,
                        &prefixed("image store ", &engine.image_store),
                    ])
                )
            };
            several.iter().map(one).collect::<Vec<_>>().join("; ")
        }
    }
}

/// What a base image was: `python:3.12 (stand-in, with this machine's CA certificates)`.
pub(super) fn image_text(image: &BaseImage) -> String {
    let ca = if image.host_ca {
        ", with this machine's CA certificates"
    } else {
        ""
    };
    let what = if image.stand_in { "stand-in for " } else { "" };
    format!("{what}{}{ca}", image.reference)
}

fn join(parts: &[&str]) -> String {
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(", ")
}

fn prefixed(prefix: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{prefix}{text}")
    }
}
