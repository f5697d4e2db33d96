//! The arguments of `bakeoff history`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::args::ListFormat;

const EXAMPLES: &str = "\
A history is one SQLite file that keeps what runs measured, of which commit and on what machine.
`bakeoff check` judges a run by it. It may lie on a disk that several machines share.

Examples:
  bakeoff history add latest                     after a nightly run; commit and branch come from
                                                 the CI's environment, else from git
  bakeoff history list --branch main             what there is
  bakeoff history show latest                    what the newest run measured
  bakeoff history export > runs.jsonl            as JSON Lines, one run a line
  bakeoff history import runs.jsonl --db other.db
  bakeoff history prune --keep 500               the newest 500 of each suite and branch stay";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct History {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add runs, from their journals
    Add(Add),
    /// List the runs that it holds, newest first
    List(List),
    /// Show what it keeps of a run
    Show(Show),
    /// Remove old runs, or one
    Prune(Prune),
    /// Write runs as JSON Lines, oldest first
    Export(Export),
    /// Add the runs of an exported file: all of them or, if a line is no good, none
    Import(Import),
}

/// Which history.
#[derive(Debug, Args)]
pub(in crate::cli) struct Database {
    /// The history's file
    #[arg(long, value_name = "FILE", env = "BAKEOFF_DB", default_value = "reports/history.db")]
    pub(in crate::cli) db: PathBuf,
}

/// Where what was measured comes from.
#[derive(Debug, Args)]
pub(in crate::cli) struct Source {
    /// The branch that was measured [default: the CI's, else the one that is checked out]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) branch: Option<String>,
    /// The commit that was measured [default: the CI's, else the one that is checked out]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) commit: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Runs: their folders, their ids or the beginnings of them, or `latest`
    #[arg(required = true, value_name = "RUN")]
    pub(super) runs: Vec<String>,
    #[command(flatten)]
    pub(super) database: Database,
    #[command(flatten)]
    pub(super) source: Source,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) database: Database,
    /// Only of this branch
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,
    /// Only of this suite
    #[arg(long, value_name = "NAME")]
    pub(super) suite: Option<String>,
    /// Only the newest so many
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u32>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// A run's id, the beginning of it, or `latest`
    pub(super) run: String,
    #[command(flatten)]
    pub(super) database: Database,
    /// How to show it
    #[arg(long, value_enum, default_value_t = ListFormat::Terminal)]
    pub(super) format: ListFormat,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Prune {
    /// Keep only the newest so many of each suite and branch
    #[arg(long, value_name = "N", group = "what")]
    pub(super) keep: Option<u32>,
    /// Remove what is older than so many days, such as 400d
    #[arg(long, value_name = "AGE", group = "what", value_parser = days)]
    pub(super) older_than: Option<Duration>,
    /// Remove this run alone: its id or the beginning of it
    #[arg(long, value_name = "ID", group = "what")]
    pub(super) run: Option<String>,
    /// Only of this branch
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,
    /// Only say what would be removed
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) database: Database,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    pub(super) database: Database,
    /// Only of this branch
    #[arg(long, value_name = "NAME")]
    pub(super) branch: Option<String>,
    /// Only of this suite
    #[arg(long, value_name = "NAME")]
    pub(super) suite: Option<String>,
    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file that `bakeoff history export` wrote; `-` for standard input
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) database: Database,
}

/// A hundred years.
const MOST_DAYS: u32 = 36_500;

/// Whole days.
pub(in crate::cli) fn days(text: &str) -> Result<Duration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|number| number.trim_end().parse::<u32>().ok());
    // More than a calendar has can't be subtracted from today.
    let days = days
        .filter(|days| *days <= MOST_DAYS)
        .ok_or("expected days, such as 400d")?;
    Ok(Duration::from_secs(u64::from(days) * 24 * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_days() {
        assert_eq!(days("2d"), Ok(Duration::from_secs(172_800)));
        for text in ["", "d", "2", "2h", "-1d", "1.5d", "9999999999d", "100000000d"] {
            assert!(days(text).is_err(), "{text:?}");
        }
    }
}
