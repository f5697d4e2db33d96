//! The words for where the time went and for what broke the cache. Not for: where they stand.

use crate::analysis::{
    Attribution, BuildTime, CacheBreak, InstructionRef, Origin, PhaseUse, Report, ResourceUse, StepCell, StepState,
};
use crate::units::Nanos;

/// Beyond so many characters an instruction is cut off in a sentence.
const INSTRUCTION: usize = 60;
/// And in a line of a list.
const BRIEF: usize = 24;
/// And in a table.
const IN_TABLE: usize = 120;
/// What is shorter shows as 0.00 s.
const SEEN: Nanos = Nanos(5_000_000);
/// From this share of a build's wall time on, a stretch in which the builder told of nothing is worth a sentence.
const GAP_SHARE: f64 = 0.1;
/// And from this time on.
const GAP_TIME: Nanos = Nanos(500_000_000);

/// What the attribution is of.
pub(super) const CAPTION: &str = "Seconds of each step, median of the rounds. * stands on the critical path: the longest \
                                  chain of steps that wait for each other. Steps run side by side, so they may add up to \
                                  more than the total.";

/// `line 14 (COPY pyproject.toml uv.lock ./)`.
pub(super) fn line(instruction: &InstructionRef) -> String {
    format!(
        "line {} ({})",
        instruction.first_line,
        cut(&instruction.text, INSTRUCTION)
    )
}

/// A text of so many characters at most, the last of which stands for what was cut off.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// `26.0 of 58.7 s`.
fn share(time: Nanos, wall: Nanos) -> String {
    let (time, wall) = (time.to_string(), wall.to_string());
    match (time.split_once(' '), wall.split_once(' ')) {
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number} of {wall}"),
        _ => format!("{time} of {wall}"),
    }
}

/// What broke the cache of a hot build and what that cost, as one sentence, or two if the builder kept silent for long.
pub(in crate::report) fn sentence(attribution: &Attribution, of: &CacheBreak) -> String {
    if of.roots.is_empty() {
        return format!("In the {} no instruction ran again.", of.phase);
    }
    let mut text = format!("{} reached {}", edit(of), reached(of));
    let instructions = if of.reran == 1 {
        "1 instruction".to_owned()
    } else {
        format!("{} instructions", of.reran)
    };
    text.push_str(&format!(
        "; from there {instructions} ran again and took {}",
        share(of.time, of.wall)
    ));
    if let Some((costliest, time)) = of.costliest.as_ref().filter(|_| of.reran > 1) {
        let part = time.seconds() / of.time.seconds().max(f64::MIN_POSITIVE);
        let most = match part {
            _ if part >= 0.9 => "nearly all of it",
            _ if part >= 0.5 => "most of it",
            _ => "the largest part",
        };
        let of_root = of.roots.iter().any(|root| root.instruction == *costliest);
        let costliest = if of_root {
            format!("line {} itself", costliest.first_line)
        } else {
            line(costliest)
        };
        text.push_str(&format!(", {most} in {costliest} with {time}"));
    }
    if of.export > Nanos(0) {
        text.push_str(&format!("; exporting the image took {} more", of.export));
    }
    if let Some((push, bytes)) = &of.pushed {
        text.push_str(&format!(
            "; the {push} after it sent {bytes} of layers that the registry did not have"
        ));
    }
    text.push('.');
    if of.rounds.0 < of.rounds.1 {
        text.push_str(&format!(" So it was in {} of {} rounds.", of.rounds.0, of.rounds.1));
    }
    if let Some(silence) = attribution
        .builds
        .iter()
        .find(|build| build.phase == of.phase)
        .and_then(|build| silence(attribution, build))
    {
        text.push(' ');
        text.push_str(&silence);
    }
    text
}

/// One line for each scenario: what ran again in its first hot build, and what that cost.
pub(super) fn why(report: &Report) -> Vec<String> {
    let first = |attribution: &Attribution| {
        let broken = attribution.breaks.iter().find(|broken| !broken.roots.is_empty())?;
        Some(format!("{}: {}", attribution.scenario, brief(broken)?))
    };
    report.attributions.iter().filter_map(first).collect()
}

/// `hot build ran line 34 (RUN uv sync …) and 1 more again, 26.01 of 58.69 s; hot push sent 3.10 GB`.
fn brief(of: &CacheBreak) -> Option<String> {
    let first = &of.roots.first()?.instruction;
    let others = match of.reran - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let pushed = of.pushed.as_ref();
    let pushed = pushed
        .map(|(push, bytes)| format!("; {push} sent {bytes}"))
        .unwrap_or_default();
    Some(format!(
        "{} ran line {} ({}){others} again, {}{pushed}",
        of.phase,
        first.first_line,
        cut(&first.text, BRIEF),
        share(of.time, of.wall),
    ))
}

/// `The edit of uv.lock`, with the files that were seen to matter; else `The edit bump-light`.
fn edit(of: &CacheBreak) -> String {
    let mut files: Vec<String> = of.roots.iter().flat_map(|root| root.files.clone()).collect();
    files.sort();
    files.dedup();
    match (files.is_empty(), of.edits.as_slice()) {
        (false, _) => format!("The edit of {}", listed(&files)),
        (true, []) => format!("In the {} something that is no edit", of.phase),
        (true, [edit]) => format!("The edit {edit}"),
        (true, edits) => format!("The edits {}", listed(edits)),
    }
}

/// The first instructions that ran, with what they take where that is not said already.
fn reached(of: &CacheBreak) -> String {
    let roots = of.roots.iter().map(|root| {
        let place = line(&root.instruction);
        match root.sources.as_slice() {
            _ if !root.files.is_empty() => place,
            [] if of.files.is_empty() => place,
            [] => format!("{place}, which takes nothing from the context"),
            [all] if all == "." => format!("{place}, which takes all of the context"),
            sources if of.files.is_empty() => format!("{place}, which takes {}", listed(sources)),
            sources => format!("{place}, which takes only {}", listed(sources)),
        }
    });
    listed(&roots.collect::<Vec<_>>())
}

/// Where the builder told of nothing for a time that matters.
pub(super) fn silence(attribution: &Attribution, build: &BuildTime) -> Option<String> {
    let (time, row) = build.gap?;
    let matters = time >= GAP_TIME && time.seconds() >= GAP_SHARE * build.wall.seconds();
    let next = match &attribution.rows.get(row).filter(|_| matters)?.origin {
        Origin::Instruction(instruction) => line(instruction),
        Origin::Builder(name) => name.clone(),
    };
    Some(format!("For {time} before {next} the builder told of no step."))
}

/// The time of a step in a column of seconds, `cached`, or nothing.
pub(super) fn time(cell: &StepCell) -> String {
    match cell.state {
        StepState::Absent => String::new(),
        StepState::Cached => "cached".into(),
        StepState::Ran | StepState::Sometimes { .. } => seconds(cell.time),
    }
}

/// `53.10`: seconds with two places, so that a column of them reads as one.
pub(super) fn seconds(time: Nanos) -> String {
    format!("{:.2}", time.seconds())
}

/// Whether a step is to be marked: it lies on the critical path and did something.
pub(super) fn is_marked(cell: &StepCell) -> bool {
    // What shows as 0.00 is no place to look at.
    cell.critical && cell.time >= SEEN && !matches!(cell.state, StepState::Absent | StepState::Cached)
}

/// A line of a table of steps.
pub(super) struct Row {
    /// The instruction's lines: `12`, `12–14`; empty for what the builder does by itself.
    pub line: String,
    /// What it is.
    pub text: String,
    /// A time or a word for each build, with a star on the critical path.
    pub figures: Vec<String>,
    /// Whether it is a part of the line before it.
    pub part: bool,
    /// Whether it is of the whole build.
    pub whole: bool,
}

/// The steps of a scenario as a table, with what is of the whole builds at its end.
pub(super) fn table(of: &Attribution) -> Vec<Row> {
    let mut rows = Vec::new();
    for row in &of.rows {
        let (line, text) = match &row.origin {
            Origin::Instruction(it) if it.first_line == it.last_line => (it.first_line.to_string(), it.text.clone()),
            Origin::Instruction(it) => (format!("{}–{}", it.first_line, it.last_line), it.text.clone()),
            Origin::Builder(name) => (String::new(), name.clone()),
        };
        let figure = |cell: &StepCell| format!("{}{}", time(cell), if is_marked(cell) { " *" } else { "" });
        rows.push(Row {
            line,
            text: cut(&text, IN_TABLE),
            figures: row.cells.iter().map(figure).collect(),
            part: false,
            whole: false,
        });
        for (name, times) in row.parts.iter().filter(|(_, times)| matters(times)) {
            rows.push(Row {
                line: String::new(),
                text: name.clone(),
                figures: times.iter().map(|time| time.map(seconds).unwrap_or_default()).collect(),
                part: true,
                whole: false,
            });
        }
    }
    let whole = |text: &str, read: fn(&BuildTime) -> Nanos| Row {
        line: String::new(),
        text: text.into(),
        figures: of
            .builds
            .iter()
            .map(|build| {
                if build.rounds > 0 {
                    seconds(read(build))
                } else {
                    String::new()
                }
            })
            .collect(),
        part: false,
        whole: true,
    };
    rows.push(whole(UNATTRIBUTED, |build| build.unattributed));
    rows.push(whole("total", |build| build.wall));
    rows.push(whole("critical path", |build| build.path));
    rows
}

/// The line for what no step covers.
pub(super) const UNATTRIBUTED: &str = "unattributed: the builder told of no step";

/// Parts that took no time that can be seen only take room.
pub(super) fn matters(times: &[Option<Nanos>]) -> bool {
    times.iter().flatten().any(|time| *time >= SEEN)
}

/// The sentences on a scenario, or on one of its builds: what broke the caches, else where the builder kept silent; and what
/// was used of the machine.
pub(super) fn texts(of: &Attribution, phase: Option<&str>) -> Vec<String> {
    let wanted = |build: &&BuildTime| build.rounds > 0 && phase.is_none_or(|phase| phase == build.phase);
    let text = |build: &BuildTime| match of.breaks.iter().find(|broken| broken.phase == build.phase) {
        Some(broken) => Some(sentence(of, broken)),
        None => silence(of, build).map(|text| format!("{}: {text}", build.phase)),
    };
    let texts = of.builds.iter().filter(wanted).filter_map(text);
    let used = of.resources.as_ref().and_then(|used| resources(used, phase));
    texts.chain(used).collect()
}

/// What the phases, or one of them, used of the machine, and why something is missing.
pub(super) fn resources(used: &ResourceUse, phase: Option<&str>) -> Option<String> {
    let wanted = |used: &&PhaseUse| phase.is_none_or(|phase| phase == used.phase);
    let figures = |used: &PhaseUse| {
        let figures = [
            used.cpu.map(|time| format!("{time} of CPU time")),
            used.peak_memory.map(|size| format!("at most {size} of memory")),
            used.disk_read.map(|size| format!("{size} read from disk")),
            used.disk_written.map(|size| format!("{size} written to it")),
        ];
        let figures: Vec<String> = figures.into_iter().flatten().collect();
        format!("{} {}", used.phase, figures.join(", "))
    };
    let phases: Vec<String> = used.phases.iter().filter(wanted).map(figures).collect();
    let absent = match (used.absent.is_empty(), phases.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(
            "What the engine used of the machine is not told: {}.",
            used.absent.join("; ")
        ),
        (false, false) => format!(" Not told: {}.", used.absent.join("; ")),
    };
    if phases.is_empty() {
        return Some(absent).filter(|absent| !absent.is_empty());
    }
    Some(format!("Used by the engine: {}.{absent}", phases.join("; ")))
}

#[cfg(test)]
mod tests;
