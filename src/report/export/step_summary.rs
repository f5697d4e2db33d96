//! Markdown for a step summary of GitHub Actions: our Markdown report, within the size that GitHub shows.
//!
//! GitHub refuses the whole summary of a step that is larger than 1 MiB. So blocks are left out, never parts of them, and
//! the summary says which.

use std::io::Write;

use crate::analysis::Report;
use crate::report::markdown::{Block, Part, blocks, escaped};

use super::{ExportError, ExportFormat};

/// The bytes that a summary may have: 1 MiB, less some for what else the step says there.
pub const LIMIT: usize = 1000 * 1024;
/// The bytes that the note of what was left out may have.
const NOTE: usize = 2048;

/// The parts by how much a reader would miss them.
const BY_IMPORTANCE: [Part; 8] = [
    Part::Head,
    Part::Table,
    Part::Facts,
    Part::Notes,
    Part::Published,
    Part::Travelled,
    Part::Attributions,
    Part::Downloads,
];

pub(super) fn write(report: &Report, limit: usize, out: &mut impl Write) -> Result<(), ExportError> {
    let failed = |source| ExportError::Write {
        format: ExportFormat::GithubStepSummary.name(),
        source,
    };
    let blocks = blocks(report).map_err(failed)?;
    let kept = kept(&blocks, limit);
    let note = note(report, &blocks, &kept);
    let mut text = String::new();
    let mut said = note.is_none();
    for (block, _) in blocks.iter().zip(&kept).filter(|(_, kept)| **kept) {
        // Above all but what it is.
        if block.part != Part::Head && !said {
            text.push_str(note.as_deref().unwrap_or_default());
            said = true;
        }
        text.push_str(&block.text);
    }
    if !said {
        text.push_str(note.as_deref().unwrap_or_default());
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Which blocks are kept: all if they fit, else as many as do, the important ones first. The first block of a part with
/// several is its heading: without it none of the others is kept, and without any of the others it is not.
fn kept(blocks: &[Block], limit: usize) -> Vec<bool> {
    if blocks.iter().map(|block| block.text.len()).sum::<usize>() <= limit {
        return vec![true; blocks.len()];
    }
    let mut room = limit.saturating_sub(NOTE);
    let mut kept = vec![false; blocks.len()];
    for part in BY_IMPORTANCE {
        let places: Vec<usize> = (0..blocks.len()).filter(|at| blocks[*at].part == part).collect();
        let (heading, own) = match places[..] {
            [heading, _, ..] => (Some(heading), &places[1..]),
            _ => (None, &places[..]),
        };
        let mut needed = heading.map_or(0, |at| blocks[at].text.len());
        for &at in own {
            let size = blocks[at].text.len();
            if needed + size <= room {
                room -= needed + size;
                needed = 0;
                kept[at] = true;
            }
        }
        if let Some(heading) = heading {
            kept[heading] = own.iter().any(|at| kept[*at]);
        }
    }
    kept
}

/// What is left out, if anything is.
fn note(report: &Report, blocks: &[Block], kept: &[bool]) -> Option<String> {
    let count = |part: Part| {
        let own: Vec<bool> = blocks
            .iter()
            .zip(kept)
            .filter(|(block, _)| block.part == part)
            .map(|(_, kept)| *kept)
            .collect();
        // Without its heading.
        let own = if own.len() > 1 { &own[1..] } else { &own[..] };
        (own.iter().filter(|kept| !**kept).count(), own.len())
    };
    let lost: Vec<String> = BY_IMPORTANCE
        .into_iter()
        .filter_map(|part| match (part, count(part)) {
            (_, (0, _)) => None,
            (Part::Head, _) => Some("the description".to_owned()),
            (Part::Table, _) => Some(format!("the table of {} scenarios", report.columns.len())),
            (Part::Facts, _) => Some("the run and the machine".to_owned()),
            (Part::Published, _) => Some("the published figures".to_owned()),
            (Part::Notes, (lost, all)) => Some(format!("{lost} of {all} notes")),
            (Part::Attributions, (lost, all)) => Some(format!("where the time of {lost} of {all} scenarios went")),
            (Part::Travelled, _) => Some("what travelled".to_owned()),
            (Part::Downloads, (lost, all)) => Some(format!("the downloads of {lost} of {all} builds")),
        })
        .collect();
    if lost.is_empty() {
        return None;
    }
    Some(format!(
        "\n> **Left out**, because GitHub shows no more than 1 MiB: {}. `bakeoff report {} --format markdown` has all of it.\n\n",
        lost.join(", "),
        escaped(&report.run.id.0)
    ))
}
