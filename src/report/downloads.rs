//! The words for what builds downloaded: how the network was, and what each build fetched. Not for: where they stand.

use crate::analysis::{By, Downloads, Report, Tally};
use crate::mirror::Kind;
use crate::runner::event::{NetworkHead, RecordingHead};

/// So many steps of one build are named: a reader needs no more, and the JSON document has them all.
const STEPS: usize = 5;
/// Beyond so many characters the name of a step is cut off.
const STEP_NAME: usize = 100;

/// How builds reached what they downloaded; `None` if they did so by themselves: the environment then says it.
pub(super) fn network(report: &Report) -> Option<String> {
    let network = report
        .run
        .network
        .as_ref()
        .filter(|network| network.mode != "upstream")?;
    Some(format!("{}{}", source(network), link(report)))
}

/// `replay of recording published-light (sha256:1a2b3c…, 187 files, 312.0 MB)`. What a recording run began with is said to be
/// that: by its end there is more.
fn source(network: &NetworkHead) -> String {
    let recording = network.recording.as_ref().map(|recording| {
        let (into, when) = match network.mode.as_str() {
            "record" => ("into", " at the start"),
            _ => ("of", ""),
        };
        format!("{into} recording {} ({}{when})", recording.name, content(recording))
    });
    let synthetic = network.synthetic.as_ref().map(|what| {
        let with = if recording.is_some() { "with" } else { "of" };
        format!("{with} generated packages ({what})")
    });
    std::iter::once(network.mode.clone())
        .chain(recording)
        .chain(synthetic)
        .collect::<Vec<_>>()
        .join(" ")
}

fn content(recording: &RecordingHead) -> String {
    let digest = (!recording.digest.is_empty()).then(|| short(&recording.digest));
    let files = counted(recording.entries, "file", "files");
    digest
        .into_iter()
        .chain([files, recording.size.to_string()])
        .collect::<Vec<_>>()
        .join(", ")
}

/// A digest that is long enough to tell recordings apart: `sha256:1a2b3c…`.
fn short(digest: &str) -> String {
    let (algorithm, hex) = digest.split_once(':').unwrap_or(("", digest));
    let colon = if algorithm.is_empty() { "" } else { ":" };
    format!("{algorithm}{colon}{}", cut(hex, 7))
}

/// ` over 100mbit,20ms`. Where links differ they are a factor, so each column's name has its own.
fn link(report: &Report) -> String {
    let mut links: Vec<&str> = report.columns.iter().map(|column| column.link.as_str()).collect();
    links.dedup();
    match links[..] {
        [] | [""] => String::new(),
        ["unshaped"] => " over an unshaped link".into(),
        [link] => format!(" over {link}"),
        _ => ", link by scenario".into(),
    }
}

/// What the breakdown is of.
pub(super) const CAPTION: &str =
    "What each build fetched through the mirror, in the round with the median number of bytes.";

/// The builds of each phase, in the journey's order.
pub(super) fn by_phase(report: &Report) -> Vec<(&str, &[Downloads])> {
    report
        .downloads
        .chunk_by(|a, b| a.phase == b.phase)
        .map(|builds| (builds[0].phase.as_str(), builds))
        .collect()
}

/// `108.8 MB in 8 requests: 4 files (108.7 MB), 4 index pages (146.0 kB)`, or `0 B`.
pub(super) fn summary(build: &Downloads) -> String {
    let mut text = build.total.bytes.to_string();
    let requests = counted(build.total.requests, "request", "requests");
    let kinds: Vec<String> = build.kinds.iter().map(|(kind, tally)| of_kind(*kind, tally)).collect();
    if !kinds.is_empty() {
        text.push_str(&format!(" in {requests}: {}", kinds.join(", ")));
    }
    if build.total.repeats > 0 {
        let requests = counted(build.total.repeats, "request was a repeat", "requests were repeats");
        text.push_str(&format!("; {requests} ({})", build.total.repeated));
    }
    if build.failed > 0 {
        let requests = counted(build.failed, "request was", "requests were");
        text.push_str(&format!("; {requests} refused or failed"));
    }
    text
}

fn of_kind(kind: Kind, tally: &Tally) -> String {
    let (one, many) = match kind {
        Kind::Index => ("index page", "index pages"),
        Kind::Metadata => ("metadata file", "metadata files"),
        Kind::File => ("file", "files"),
        Kind::Proxied => ("proxied file", "proxied files"),
        Kind::Tunnel => ("tunnel", "tunnels"),
    };
    format!("{} ({})", counted(tally.requests, one, many), tally.bytes)
}

/// One line for each step that fetched something: `[3/4] RUN uv sync: 108.9 MB in 10 requests`; the largest of many.
pub(super) fn steps(build: &Downloads) -> Vec<String> {
    let amount = |tally: &Tally| {
        let requests = counted(tally.requests, "request", "requests");
        format!("{} in {requests}", tally.bytes)
    };
    let mut lines: Vec<String> = build
        .steps
        .iter()
        .take(STEPS)
        .map(|(by, tally)| {
            let name = match by {
                By::Step(name) => cut(name, STEP_NAME),
                By::Ambiguous => "one of several steps at once".into(),
                By::Unknown => "no known step".into(),
            };
            format!("{name}: {}", amount(tally))
        })
        .collect();
    let rest = build.steps.get(STEPS..).unwrap_or_default();
    if !rest.is_empty() {
        let bytes = rest.iter().map(|(_, tally)| tally.bytes).sum();
        let requests = rest.iter().map(|(_, tally)| tally.requests).sum();
        let steps = counted(rest.len() as u64, "other step", "other steps");
        let sum = Tally {
            requests,
            bytes,
            ..Tally::default()
        };
        lines.push(format!("{steps}: {}", amount(&sum)));
    }
    lines
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A text of so many characters at most, the last of which stands for what was cut off.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
