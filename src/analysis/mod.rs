//! From a run to the numbers that a reader wants: the table's cells, the notes that belong to it and the raw rows.
//! Pure: the same [`RunLog`] always gives the same [`Report`]. Not for: how any of it is laid out or written.

mod attribution;
mod broken;
mod cells;
mod clean;
mod comparison;
mod downloads;
mod elapsed;
mod figures;
mod host_note;
mod layers;
mod moved;
mod network_note;
mod network_notes;
mod noise_note;
mod note;
mod notes;
mod outliers;
mod raw;
mod reproduce;
#[cfg(test)]
pub(crate) mod sample;
mod timeline;
mod travelled;

use chrono::{DateTime, Utc};

use crate::environment::Fingerprint;
use crate::environment::noise::Noise;
use crate::journal::RunLog;
use crate::runner::event::{BaseImage, EngineHead, NetworkHead, Seam};
use crate::stats::Summary;
use crate::units::{Bytes, Nanos, RunId};

pub use attribution::{
    Attribution, BuildTime, CacheBreak, InstructionRef, Origin, PhaseUse, ResourceUse, Root, StepCell, StepRow,
    StepState, attributions,
};
pub use comparison::{Answer, Baselines, CompareError, Compared, ComparedRow, Design, between_runs, pairs, within_run};
pub use downloads::{By, Downloads, Tally};
pub use elapsed::round_time;
pub use figures::{Figure, drift, figures};
pub use host_note::HostNote;
pub use layers::{ImageLayers, Layer, LayerState, Layers, Reuse, Share};
pub use moved::{LayerFate, Moved, MovedLayer};
pub use network_note::NetworkNote;
pub use noise_note::NoiseNote;
pub use note::{Note, Severity};
pub use outliers::{Cause, Outlier};
pub use raw::RawRow;
pub use timeline::{DownloadTime, PhaseTime, StepTime, Stretch, Timeline, TrialTime};
pub use travelled::{LinkTime, Travelled};

/// What a run says, ready to be laid out.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which run it is.
    pub run: RunInfo,
    /// The columns: the scenarios in the suite's order.
    pub columns: Vec<Column>,
    /// The rows: phases in the journey's order, what builds downloaded, sizes, the new bytes of hot pushes.
    pub rows: Vec<Row>,
    /// What each build downloaded through the mirror, by phase and then by column; empty without a mirror.
    pub downloads: Vec<Downloads>,
    /// Where the time of each scenario's builds went, by column; without those of which no build was measured.
    pub attributions: Vec<Attribution>,
    /// Each scenario's pushes, pulls and starts: how their time divides, what travelled, what was used.
    pub moved: Vec<Moved>,
    /// Who published the figures that stand beside the measured ones, if there are any.
    pub published_source: Option<String>,
    /// The base images that were used.
    pub images: Vec<BaseImage>,
    /// The engines that the scenarios were measured in; empty if the journal is of before there was a choice.
    pub engines: Vec<EngineHead>,
    /// The machine and the engine.
    pub environment: Fingerprint,
    /// The command that goes on with the run, if it is unfinished and can be gone on with.
    pub resume: Option<String>,
    /// What the last probe of the machine's noise found; `None` if there was none since its start.
    pub noise: Option<Noise>,
    /// Rounds that lie far from the others. They count.
    pub outliers: Vec<Outlier>,
    /// What a reader must know before believing the table.
    pub notes: Vec<Note>,
    /// Every phase of every round, warm-ups included, in the order in which they ran.
    pub raw: Vec<RawRow>,
}

/// Which run a report tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's id.
    pub id: RunId,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How it ended.
    pub state: RunState,
    /// Where it went on after it had died or been interrupted.
    pub seams: Vec<Seam>,
    /// The version of bakeoff that measured.
    pub bakeoff_version: String,
    /// The suite's name.
    pub suite: String,
    /// The suite file's path, as the user gave it.
    pub suite_path: String,
    /// The patterns by which the user chose among the scenarios; empty for all.
    pub selected: Vec<String>,
    /// The suite's description; may be empty.
    pub description: String,
    /// The fixture's name.
    pub fixture: String,
    /// The fixture's variant; empty if it has none.
    pub variant: String,
    /// The seed of the order.
    pub seed: u64,
    /// Measured rounds planned.
    pub rounds: u32,
    /// Discarded rounds planned.
    pub warmup: u32,
    /// How builds reached what they download; `None` if the journal does not say.
    pub network: Option<NetworkHead>,
    /// The flags about the network that repeat the run, as far as the suite's text does not explain it.
    pub network_flags: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Every planned trial ended, well or badly.
    Complete,
    /// Somebody stopped it.
    Interrupted,
    /// Its journal just stops: it died, or it still runs.
    Unfinished,
}

impl RunState {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Unfinished => "unfinished",
        }
    }
}

/// A column: one scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The full name: `uv-single[cache_mounts=off]`.
    pub name: String,
    /// The name in the suite: `uv-single`.
    pub base_name: String,
    /// The factor values that matter to it.
    pub factors: Vec<(String, String)>,
    /// `buildkit` or `classic`.
    pub builder: String,
    /// The link that its builds download over; empty without a mirror.
    pub link: String,
}

/// A row of the table: one quantity, a cell for every column.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its label: a phase's name, `cold build, downloaded`, `image size`, `compressed size`, `hot push, new bytes`.
    pub label: String,
    /// What it holds.
    pub kind: RowKind,
    /// The phase that it is read from.
    pub phase: String,
    /// One cell per column, in the columns' order.
    pub cells: Vec<Cell>,
}

/// What a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// The time of a phase, in seconds.
    Time,
    /// Bytes that a build fetched through the mirror. A hot build with a warm cache shows none: that proves the cache.
    Downloaded,
    /// The uncompressed size of the image that the first build made, in bytes, as the engine says.
    ImageSize,
    /// The sum of the layers in that image's manifest, in bytes, as the registry says.
    CompressedSize,
    /// Bytes of the layers that the registry did not have before a hot push.
    NewBytes,
}

impl RowKind {
    /// A value of such a row for people: seconds or bytes with a fitting unit.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are whole and not negative"
    )]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Time => Nanos::from_seconds(value).to_string(),
            Self::Downloaded | Self::ImageSize | Self::CompressedSize | Self::NewBytes => {
                Bytes(value.round() as u64).to_string()
            }
        }
    }

    /// The unit of the row's numbers: `s` or `B`.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Time => "s",
            Self::Downloaded | Self::ImageSize | Self::CompressedSize | Self::NewBytes => "B",
        }
    }

    /// A stable name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Downloaded => "downloaded",
            Self::ImageSize => "image-size",
            Self::CompressedSize => "compressed-size",
            Self::NewBytes => "new-bytes",
        }
    }
}

/// A cell of the table. Warm-up rounds never count.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// What it shows.
    pub value: CellValue,
    /// The measured rounds by how the cell's phase ended in them.
    pub rounds: RoundCounts,
    /// The median divided by the smallest median of the row: a plain ratio that says nothing of significance. 1 for
    /// the best; `None` without a median, with nothing to compare it with, or if all are the same.
    pub ratio: Option<f64>,
    /// The published figure, in the row's unit.
    pub published: Option<f64>,
}

impl Cell {
    /// Whether its median is the smallest of its row, where not all are the same.
    #[must_use]
    #[allow(clippy::float_cmp, reason = "a number divided by itself is exactly 1")]
    pub fn is_best(&self) -> bool {
        self.ratio == Some(1.0)
    }

    /// The summary of its measured values, if there are any.
    #[must_use]
    pub const fn summary(&self) -> Option<&Summary> {
        match &self.value {
            CellValue::Measured(summary) => Some(summary),
            CellValue::Failed(_) | CellValue::Invalid(_) | CellValue::Skipped(_) | CellValue::NoData => None,
        }
    }
}

/// What a cell shows. With at least one measured value it is that; else the worst that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum CellValue {
    /// The summary of the measured values, in the row's unit.
    Measured(Summary),
    /// It failed; the first reason.
    Failed(String),
    /// It ran but a manipulation check failed; the reasons, each once.
    Invalid(Vec<String>),
    /// It was not tried; the first reason.
    Skipped(String),
    /// Nothing is known of it, mostly because the run ended before.
    NoData,
}

/// Measured rounds by how a phase ended in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoundCounts {
    /// Rounds planned.
    pub planned: u32,
    /// Rounds in which it did what its name says.
    pub measured: u32,
    /// Rounds in which it failed.
    pub failed: u32,
    /// Rounds in which a manipulation check failed.
    pub invalid: u32,
    /// Rounds in which it was not tried.
    pub skipped: u32,
}

impl Report {
    /// Reads a run.
    #[must_use]
    pub fn of(log: &RunLog) -> Self {
        let log = &broken::judged(log);
        let header = &log.header;
        let columns = header
            .scenarios
            .iter()
            .map(|scenario| Column {
                name: scenario.name.clone(),
                base_name: scenario.base_name.clone(),
                factors: scenario.factors.clone(),
                builder: scenario.builder.clone(),
                link: scenario.link.clone(),
            })
            .collect();
        let rows = cells::rows(log);
        let downloads = downloads::downloads(log);
        let outliers = outliers::outliers(log);
        let notes = notes::notes(log, &rows, &downloads, &outliers);
        Self {
            run: RunInfo::of(log),
            columns,
            published_source: cells::shows_published(&rows)
                .then(|| header.published.as_ref().map(|published| published.source.clone()))
                .flatten(),
            images: header.images.clone(),
            environment: header.fingerprint.clone(),
            noise: header.noise.clone(),
            outliers,
            resume: resume_command(log),
            notes,
            raw: raw::rows(log),
            rows,
            downloads,
            attributions: attribution::attributions(log),
            moved: moved::moved(log),
            engines: log.header.engines.clone(),
        }
    }

    /// Whether a trial failed, or a phase of a measured round did, or a time cell has no data because its phase was invalid in every round
    /// that was tried. The run's exit code is then 5.
    #[must_use]
    pub fn has_failed_cell(&self) -> bool {
        let trial_failed = |note: &Note| matches!(note, Note::TrialFailed { .. });
        let times = self.rows.iter().filter(|row| row.kind == RowKind::Time);
        self.notes.iter().any(trial_failed)
            || times.flat_map(|row| &row.cells).any(|cell| {
                cell.rounds.failed > 0 || matches!(cell.value, CellValue::Failed(_) | CellValue::Invalid(_))
            })
    }

    /// The command that measures the same again, in the same order.
    #[must_use]
    pub fn command(&self) -> String {
        let run = &self.run;
        let mut words = vec!["bakeoff run".to_owned(), quoted(&run.suite_path)];
        if !run.variant.is_empty() {
            words.push(format!("--fixture {}", run.variant));
        }
        words.extend(
            run.selected
                .iter()
                .map(|pattern| format!("--scenario {}", quoted(pattern))),
        );
        words.extend(run.network_flags.iter().cloned());
        words.push(format!(
            "--rounds {} --warmup {} --seed {}",
            run.rounds, run.warmup, run.seed
        ));
        words.join(" ")
    }
}

/// The command that goes on with an unfinished run, where its journal allows that.
fn resume_command(log: &RunLog) -> Option<String> {
    let dir = log.dir.to_string_lossy();
    log.is_resumable()
        .then(|| format!("bakeoff run --resume {}", quoted(&dir)))
}

/// A word as a POSIX shell takes it literally.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl RunInfo {
    /// Which run a journal is of.
    #[must_use]
    pub fn of(log: &RunLog) -> Self {
        let header = &log.header;
        Self {
            id: header.run.clone(),
            started: header.started,
            state: match &log.end {
                None => RunState::Unfinished,
                Some(end) if end.interrupted => RunState::Interrupted,
                Some(_) if log.trials.len() < header.order.len() => RunState::Unfinished,
                Some(_) => RunState::Complete,
            },
            seams: log.seams.clone(),
            bakeoff_version: header.bakeoff_version.clone(),
            suite: header.suite.clone(),
            suite_path: header.suite_path.clone(),
            selected: header.selected.clone(),
            description: header.description.clone(),
            fixture: header.fixture.clone(),
            variant: header.variant.clone(),
            seed: header.seed,
            rounds: header.rounds,
            warmup: header.warmup,
            network: log.tells_network.then(|| header.network.clone()),
            network_flags: if log.tells_network {
                reproduce::network_flags(header)
            } else {
                Vec::new()
            },
        }
    }
}

#[cfg(test)]
mod tests;
