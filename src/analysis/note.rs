//! A note: what a reader must know before believing the table. Notes are values; their text adapts to the run.

use std::time::Duration;

use crate::runner::event::{Change, Failure, Round, Seam, TrialKey};
use crate::stats::{Level, fewest_rounds};
use crate::units::{Bytes, Nanos};

use super::clean::clean;
use super::host_note::HostNote;
use super::network_note::NetworkNote;
use super::noise_note::NoiseNote;
use super::outliers::Outlier;

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something did not work; figures are missing.
    Problem,
    /// The figures must be read with care.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Something that a reader must know.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// A phase failed, in these rounds for the same reason.
    Failed {
        /// The scenario.
        scenario: String,
        /// The phase.
        phase: String,
        /// The rounds.
        rounds: Vec<Round>,
        /// Why, with its texts fit to be shown.
        failure: Failure,
    },
    /// A phase ran but did not do what its name says, in these rounds for the same reasons.
    Invalid {
        /// The scenario.
        scenario: String,
        /// The phase.
        phase: String,
        /// The rounds.
        rounds: Vec<Round>,
        /// Why.
        reasons: Vec<String>,
    },
    /// No throw-away engine could be made, so the host's was measured in.
    HostEngine(String),
    /// Engines of the run keep images in different ways.
    ImageStores,
    /// The run did not get to its end.
    Incomplete {
        /// Whether somebody stopped it; else its journal just stops.
        interrupted: bool,
        /// Trials that ended.
        done: usize,
        /// Trials planned.
        planned: usize,
        /// The command that goes on with it, if one can.
        resume: Option<String>,
    },
    /// The run went on after it had died or been interrupted.
    Resumed(Seam),
    /// A trial ended before its last phase, because something outside its phases failed.
    TrialFailed {
        /// The scenario.
        scenario: String,
        /// The rounds in which it did.
        rounds: Vec<Round>,
        /// Why.
        cause: String,
    },
    /// The journal itself was damaged.
    Journal(String),
    /// Base images were stand-ins.
    StandIns {
        /// Role and public reference of each.
        images: Vec<(String, String)>,
        /// Whether published figures stand in the table.
        beside_published: bool,
    },
    /// The host's CA bundle was laid over base images, by role.
    HostCa(Vec<String>),
    /// Something about downloads.
    Network(NetworkNote),
    /// Every figure comes from one round.
    SingleRound,
    /// The ratios are of medians, from at most so many rounds.
    PlainRatios {
        /// Rounds.
        rounds: u32,
    },
    /// Build-cache records were left, because they could not be told apart from somebody else's.
    CacheLeft {
        /// How many.
        records: u32,
        /// Their size.
        bytes: Bytes,
    },
    /// What the run did to the host's engine.
    Host(HostNote),
    /// How quiet the machine was.
    Noise(NoiseNote),
    /// A round lies far from the others.
    Outlier(Outlier),
    /// Something that a trial made could not be removed.
    CleanupProblem {
        /// The scenario.
        scenario: String,
        /// The round.
        round: Round,
        /// What and why.
        problem: String,
    },
}

impl Note {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Failed { .. } | Self::Invalid { .. } | Self::TrialFailed { .. } => Severity::Problem,
            Self::Incomplete { .. }
            | Self::Journal(_)
            | Self::StandIns { .. }
            | Self::SingleRound
            | Self::CleanupProblem { .. } => Severity::Warning,
            Self::Network(note) => note.severity(),
            Self::Host(note) => note.severity(),
            Self::Noise(note) => note.severity(),
            // Figures of two machines or kernels may stand side by side.
            Self::Resumed(seam) if !seam.changes.is_empty() => Severity::Warning,
            Self::Resumed(_)
            | Self::Outlier(_)
            | Self::HostCa(_)
            | Self::HostEngine(_)
            | Self::ImageStores
            | Self::PlainRatios { .. }
            | Self::CacheLeft { .. } => Severity::Info,
        }
    }

    /// Its text: one or two sentences without line ends.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Failed {
                scenario,
                phase,
                rounds,
                failure,
            } => {
                format!(
                    "{scenario}: {phase} failed in {}: {}",
                    list_rounds(rounds),
                    failure.message.replace('\n', " ")
                )
            }
            Self::Invalid {
                scenario,
                phase,
                rounds,
                reasons,
            } => format!(
                "{scenario}: {phase} in {} did not do what its name says and does not count: {}",
                list_rounds(rounds),
                reasons.join("; ").replace('\n', " ")
            ),
            Self::Incomplete {
                interrupted,
                done,
                planned,
                resume,
            } => {
                let how = if *interrupted {
                    "was interrupted"
                } else {
                    "did not finish"
                };
                let command = resume.as_ref().map(|command| format!(" `{command}` goes on with it."));
                format!(
                    "The run {how}: {done} of {planned} trials ended. The table shows what was measured until then.{}",
                    command.unwrap_or_default()
                )
            }
            Self::Resumed(seam) => resumed(seam),
            Self::TrialFailed {
                scenario,
                rounds,
                cause,
            } => format!(
                "{scenario}: the trial of {} ended before its last phase: {}",
                list_rounds(rounds),
                clean(cause).replace('\n', " ")
            ),
            Self::Journal(warning) => format!("The journal is damaged: {}", clean(warning).replace('\n', " ")),
            Self::StandIns {
                images,
                beside_published,
            } => stand_ins(images, *beside_published),
            Self::HostCa(roles) => format!(
                "This machine's CA certificates were laid over the base image{} {}, because its network needs them.",
                if roles.len() == 1 { "" } else { "s" },
                list(roles)
            ),
            Self::HostEngine(reason) => format!(
                "No isolated engine could be had, so the host's was measured in: {}",
                clean(reason).replace('\n', " ")
            ),
            Self::ImageStores => {
                "Image sizes of different image stores don't compare: a graph driver counts the bytes of \
                                  files, containerd's store the disk blocks that they take."
                    .into()
            }
            Self::Network(note) => note.text(),
            Self::Host(note) => note.text(),
            Self::Noise(note) => note.text(),
            Self::Outlier(outlier) => outlier.text(),
            Self::SingleRound => format!(
                "Every figure comes from a single round: there is no spread, and differences between approaches, also as ratios \
                 in brackets, allow no conclusion. Use --rounds {} or more.",
                fewest_rounds(Level::FIVE_PERCENT, 1)
            ),
            Self::PlainRatios { rounds } => format!(
                "Ratios in brackets are medians divided by the row's smallest median. They are plain ratios of at \
                 most {rounds} rounds; whether a difference is more than chance shows only with more rounds."
            ),
            Self::CacheLeft { records, bytes } => format!(
                "{records} build-cache record{} ({bytes}) could not be told apart from somebody else's and {} left in \
                 the engine.",
                if *records == 1 { "" } else { "s" },
                if *records == 1 { "was" } else { "were" }
            ),
            Self::CleanupProblem {
                scenario,
                round,
                problem,
            } => {
                format!(
                    "{scenario}, {round}: something was left behind: {}",
                    clean(problem).replace('\n', " ")
                )
            }
        }
    }

    /// Further facts, one a line: the step, the Dockerfile's line, the log's place.
    #[must_use]
    pub fn details(&self) -> Vec<String> {
        let Self::Failed { failure, .. } = self else {
            return Vec::new();
        };
        let mut details = Vec::new();
        details.extend(
            failure
                .step
                .as_ref()
                .map(|step| format!("step: {}", step.replace('\n', " "))),
        );
        details.extend(
            failure
                .line
                .as_ref()
                .map(|(file, line)| format!("instruction: {file}, line {line}")),
        );
        details.extend(
            failure
                .log_file
                .as_ref()
                .map(|file| format!("full log: {file} in the run's folder")),
        );
        details
    }

    /// The last lines of the failing step's log; empty for other notes.
    #[must_use]
    pub fn log_lines(&self) -> &[String] {
        match self {
            Self::Failed { failure, .. } => &failure.last_lines,
            _ => &[],
        }
    }
}

/// The mark of a seam.
fn resumed(seam: &Seam) -> String {
    let name = |trial: &TrialKey| format!("{}, {}", trial.round, trial.scenario);
    let after = match &seam.after {
        Some(trial) => format!("after {}", name(trial)),
        None => "before its first trial had ended".to_owned(),
    };
    let gap = (seam.resumed - seam.stopped).to_std().unwrap_or_default();
    let again = match (&seam.again, seam.superseded) {
        (None, _) => String::new(),
        (Some(trial), 0) => format!(" The trial of {} began anew.", name(trial)),
        (Some(trial), phases) => format!(
            " The trial of {} began anew; {phases} of its phases had ended, and {} count.",
            name(trial),
            if phases == 1 { "does not" } else { "do not" }
        ),
    };
    let change = |change: &Change| {
        let before = if change.before.is_empty() {
            "unknown"
        } else {
            &change.before
        };
        format!("{} ({before} before, {} after)", change.what, change.now)
    };
    let changes: Vec<String> = seam.changes.iter().map(change).collect();
    let changes = if changes.is_empty() {
        String::new()
    } else {
        format!(" Different since then: {}.", list(&changes))
    };
    format!(
        "The run was gone on with {after}, on {}, {} after it had stopped.{again}{changes}",
        seam.resumed.format("%Y-%m-%d %H:%M UTC"),
        gap_text(gap)
    )
}

/// How long a run stood still: mostly seconds or hours, now and then days.
pub(super) fn gap_text(gap: Duration) -> String {
    let minutes = gap.as_secs() / 60;
    match minutes {
        0..100 => Nanos::from(gap).to_string(),
        100..2880 => format!("{} h {:02} min", minutes / 60, minutes % 60),
        _ => format!("{} days", minutes / 1440),
    }
}

fn stand_ins(images: &[(String, String)], beside_published: bool) -> String {
    let named: Vec<String> = images
        .iter()
        .map(|(role, reference)| {
            if role == reference {
                role.clone()
            } else {
                format!("{role} ({reference})")
            }
        })
        .collect();
    let consequence = if beside_published {
        "Absolute figures don't compare with the published ones; ratios between approaches may."
    } else {
        "Absolute figures don't compare with those of the real images; ratios between approaches may."
    };
    format!(
        "Stand-ins made on this machine took the place of {}. {consequence}",
        list(&named)
    )
}

/// `a, b and c`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

pub(super) fn list_rounds(rounds: &[Round]) -> String {
    list(&rounds.iter().map(ToString::to_string).collect::<Vec<_>>())
}
