//! The arguments of `bakeoff mirror`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::args::ListFormat;
use crate::suite::{PLAIN, is_plain};
use crate::units::Link;

const EXAMPLES: &str = "\
Builds download through a mirror, which keeps what they download in a recording. Later runs replay
it, so that every build gets the same bytes over the same link. `bakeoff run` makes recordings and
replays them by itself.

Examples:
  bakeoff mirror stats                          what there is, and when it was last used
  bakeoff mirror verify published-light         is every file still what was downloaded?
  bakeoff mirror export light.tar               the one recording as a file, for another machine
  bakeoff mirror import light.tar               there
  bakeoff mirror serve published-light --link 100mbit,20ms
                                                try pip and uv against it by hand
  bakeoff mirror prune --unused-for 30d         make space";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Mirror {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the recordings and generated packages
    Stats(Stats),
    /// Check that every recorded file is still what was downloaded
    Verify(Verify),
    /// Remove damaged and abandoned files, or whole recordings that nobody uses
    Prune(Prune),
    /// Write a recording into one file, for another machine
    Export(Export),
    /// Make a recording from an exported file; every body is checked
    Import(Import),
    /// Serve a recording as a package index, until interrupted
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(super) struct Stats {
    /// Only these recordings
    #[arg(value_name = "NAME", value_parser = a_name)]
    pub(super) names: Vec<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Only these recordings
    #[arg(value_name = "NAME", value_parser = a_name)]
    pub(super) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Only these recordings, and no generated packages
    #[arg(value_name = "NAME", value_parser = a_name)]
    pub(super) names: Vec<String>,
    /// Instead, whole recordings and generated packages that nobody has used for so long, such as 30d or 720h
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub(super) unused_for: Option<Duration>,
    /// Instead, whole recordings and generated packages, however recently they were used
    #[arg(long, conflicts_with = "unused_for")]
    pub(super) all: bool,
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write, a tar archive
    pub(super) file: PathBuf,
    /// The recording [default: the only one there is]
    #[arg(long, value_name = "NAME", value_parser = a_name)]
    pub(super) recording: Option<String>,
    /// Replace the file if it is there
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// An exported recording
    pub(super) file: PathBuf,
    /// The new recording's name [default: the file's, without its ending]
    #[arg(long, value_name = "NAME", value_parser = new_name)]
    pub(super) recording: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The recording
    #[arg(value_parser = a_name)]
    pub(super) name: String,
    /// Where to listen: loopback or, unless it records, an address of a private network
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7380")]
    pub(super) listen: SocketAddr,
    /// Bandwidth and latency of all downloads, such as 100mbit,20ms
    #[arg(long, value_name = "LINK", default_value_t)]
    pub(super) link: Link,
    /// Fetch what the recording lacks, and add it; the recording is made if it is not there
    #[arg(long)]
    pub(super) record: bool,
    /// The package index to record from [default: the recording's, else the one that your pip or uv is configured for]
    #[arg(long, value_name = "URL", requires = "record")]
    pub(super) index: Option<String>,
}

/// A name that can't lead out of the folder of recordings, whoever made the recording.
fn a_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains(['/', '\\']) {
        return Err("expected a recording's name, not a path; `bakeoff mirror stats` shows them".to_owned());
    }
    Ok(text.to_owned())
}

/// A name as a suite could give it.
pub(super) fn new_name(text: &str) -> Result<String, String> {
    if is_plain(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected {PLAIN}"))
    }
}

/// Days or hours: nothing shorter makes a recording old.
fn age(text: &str) -> Result<Duration, String> {
    let units = [("d", 24), ("h", 1)];
    let hours = units.iter().find_map(|(unit, hours)| {
        let number = text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
        number.checked_mul(hours * 3600)
    });
    let seconds = hours.ok_or("expected days or hours, such as 30d or 720h")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_days_or_hours() {
        assert_eq!(age("30d"), age("720h"));
        assert_eq!(age("1 h"), Ok(Duration::from_secs(3600)));
        for text in [
            "",
            "30",
            "d",
            "-1d",
            "1.5h",
            "30m",
            "99999999999999999999d",
            "999999999999999999d",
        ] {
            assert!(age(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_are_no_paths() {
        for text in ["", ".", "..", "a/b", "../a", "/a", "a\\b", ".import-x"] {
            assert!(a_name(text).is_err() && new_name(text).is_err(), "{text:?}");
        }
        assert!(a_name("a b").is_ok() && new_name("a b").is_err());
    }
}
