//! `bakeoff mirror stats`.

use std::collections::HashMap;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::args::Stats;
use super::shelf::{Folder, Shelf};
use crate::cli::args::ListFormat;
use crate::cli::{Failure, print};
use crate::mirror::recording::{Entry, Recording};
use crate::units::Bytes;

/// What there is to say of no recordings.
pub(super) const NONE: &str = "no recordings; `bakeoff run SUITE` makes one on its first run, `bakeoff mirror import FILE` takes one from a file\n";

pub(super) fn stats(shelf: &Shelf, arguments: &Stats) -> Result<(), Failure> {
    let recordings = shelf.recordings(&arguments.names)?;
    let generated = if arguments.names.is_empty() {
        shelf.generated()?
    } else {
        Vec::new()
    };
    print(&match arguments.format {
        ListFormat::Terminal => lines(&recordings, &generated),
        ListFormat::Json => json(&recordings, &generated),
    })
}

/// What a download is, as far as its address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    IndexPage,
    Package,
    Other,
}

impl Thing {
    const ALL: [Self; 3] = [Self::IndexPage, Self::Package, Self::Other];

    fn of(url: &str, index: Option<&str>) -> Self {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let is_package = [".whl", ".whl.metadata", ".tar.gz", ".zip", ".tar.bz2"];
        if path.ends_with('/') && index.is_some_and(|index| path.starts_with(index)) {
            Self::IndexPage
        } else if is_package.iter().any(|end| path.ends_with(end)) {
            Self::Package
        } else {
            Self::Other
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::IndexPage => "index pages",
            Self::Package => "packages",
            Self::Other => "other",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::IndexPage => "index_pages",
            Self::Package => "packages",
            Self::Other => "other",
        }
    }
}

/// How many downloads are such a thing, and the size of their bodies, each counted once.
fn tally<'e>(thing: Thing, index: Option<&str>, entries: impl Iterator<Item = &'e Entry>) -> (usize, Bytes) {
    let of_kind = entries.filter(|entry| Thing::of(&entry.key.url, index) == thing);
    let (mut count, mut sizes) = (0, HashMap::new());
    for entry in of_kind {
        count += 1;
        sizes.insert(&entry.sha256, entry.size);
    }
    (count, Bytes(sizes.values().sum()))
}

fn tallies(recording: &Recording) -> Vec<(Thing, usize, Bytes)> {
    let (index, entries) = (recording.index(), recording.entries());
    let of = |thing| tally(thing, index.as_deref(), entries.iter().map(AsRef::as_ref));
    Thing::ALL
        .map(|thing| {
            let (count, size) = of(thing);
            (thing, count, size)
        })
        .into()
}

/// The first digits: enough to compare by eye.
fn digest(recording: &Recording) -> String {
    let digest = recording.digest();
    let digits = digest.strip_prefix("sha256:").unwrap_or(&digest);
    digits.chars().take(12).collect()
}

fn time(at: Option<SystemTime>) -> String {
    at.map_or_else(
        || "never".to_owned(),
        |at| DateTime::<Utc>::from(at).format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

fn plural(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}

fn lines(recordings: &[Folder], generated: &[Folder]) -> String {
    let mut text = String::new();
    if recordings.is_empty() {
        text.push_str(NONE);
    }
    for folder in recordings {
        match Recording::open(&folder.path) {
            Ok(recording) => text.push_str(&of_recording(&recording)),
            Err(error) => text.push_str(&format!("{}\n  unreadable    {error}\n", folder.name)),
        }
    }
    if !generated.is_empty() {
        text.push_str("generated packages\n");
    }
    for folder in generated {
        let used = time(folder.last_used());
        text.push_str(&format!("  {}  {}, last used {used}\n", folder.name, folder.size()));
    }
    text
}

fn of_recording(recording: &Recording) -> String {
    let stats = recording.stats();
    let mut text = format!("{}\n", recording.name());
    let mut line = |label: &str, what: String| text.push_str(&format!("  {label:<12}  {what}\n"));
    line(
        "downloads",
        format!("{}, {}", plural(stats.entries, "download"), stats.size),
    );
    for (thing, count, size) in tallies(recording) {
        if count > 0 {
            line(thing.label(), format!("{count}, {size}"));
        }
    }
    line("index", recording.index().unwrap_or_else(|| "none yet".to_owned()));
    line(
        "complete",
        format!("for {}", plural(recording.completed() as u64, "scenario")),
    );
    line("digest", digest(recording));
    line("last used", time(recording.last_used()));
    text
}

fn json(recordings: &[Folder], generated: &[Folder]) -> String {
    let stamp = |at: Option<SystemTime>| at.map(DateTime::<Utc>::from);
    let of_recording = |folder: &Folder| {
        let recording = match Recording::open(&folder.path) {
            Ok(recording) => recording,
            Err(error) => {
                return serde_json::json!({ "name": folder.name, "dir": folder.path, "error": error.to_string() });
            }
        };
        let stats = recording.stats();
        let kinds: serde_json::Map<_, _> = tallies(&recording)
            .into_iter()
            .map(|(thing, count, size)| {
                let tally = serde_json::json!({ "downloads": count, "size_bytes": size.0 });
                (thing.key().to_owned(), tally)
            })
            .collect();
        serde_json::json!({
            "name": folder.name, "dir": folder.path, "downloads": stats.entries, "size_bytes": stats.size.0,
            "kinds": kinds, "index": recording.index(), "digest": recording.digest(),
            "complete_scenarios": recording.completed(), "last_used": stamp(recording.last_used()),
        })
    };
    let of_generated = |folder: &Folder| {
        serde_json::json!({
            "name": folder.name, "dir": folder.path, "size_bytes": folder.size().0,
            "last_used": stamp(folder.last_used()),
        })
    };
    let recordings: Vec<_> = recordings.iter().map(of_recording).collect();
    let generated: Vec<_> = generated.iter().map(of_generated).collect();
    let all = serde_json::json!({ "schema": 1, "recordings": recordings, "generated": generated });
    format!("{all:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_download_is_can_be_told_from_its_address() {
        let index = Some("https://index.example/simple/");
        let of = |url: &str| Thing::of(url, index);
        assert_eq!(of("https://index.example/simple/numpy/"), Thing::IndexPage);
        assert_eq!(of("https://files.example/a/numpy-2.0-py3-none-any.whl"), Thing::Package);
        assert_eq!(
            of("https://files.example/a/numpy-2.0-py3-none-any.whl.metadata"),
            Thing::Package
        );
        assert_eq!(of("https://files.example/numpy-2.0.tar.gz?x=/"), Thing::Package);
        assert_eq!(of("http://deb.example/debian/dists/bookworm/InRelease"), Thing::Other);
        assert_eq!(of("http://deb.example/debian/"), Thing::Other);
        assert_eq!(Thing::of("https://index.example/simple/numpy/", None), Thing::Other);
    }
}
