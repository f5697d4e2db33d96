//! A note on a run's downloads. Not for: finding which notes a run calls for (that is `network_notes`).

use crate::runner::event::Round;
use crate::units::Bytes;

use super::Severity;
use super::downloads::By;
use super::note::list_rounds;

/// Something that a reader must know about downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkNote {
    /// Downloads came from upstream, to be replayed by later runs.
    Recorded,
    /// Builds downloaded without the mirror.
    Uncontrolled,
    /// A step's downloads went past the mirror: the same tunnel, in any round.
    NotHermetic {
        /// The scenario.
        scenario: String,
        /// The phase.
        phase: String,
        /// Who opened it.
        step: By,
        /// Where it led.
        host: String,
        /// How often it was opened.
        tunnels: u64,
        /// Bytes that came down through it.
        bytes: Bytes,
    },
    /// An ADD had the builder itself fetch something, which no mirror sees.
    PastMirror {
        /// The scenario.
        scenario: String,
        /// The line of its Dockerfile.
        line: u32,
        /// What was fetched.
        address: String,
    },
    /// Downloads of a phase were refused or failed, in these rounds.
    DownloadProblems {
        /// The scenario.
        scenario: String,
        /// The phase.
        phase: String,
        /// The rounds.
        rounds: Vec<Round>,
        /// How many, in all of them.
        count: u64,
        /// What was wrong with the first one.
        first: String,
    },
    /// A cold build fetched much that had been fetched before in its trial.
    Repeats {
        /// The scenario.
        scenario: String,
        /// The phase.
        phase: String,
        /// How many requests.
        requests: u64,
        /// What they brought.
        bytes: Bytes,
    },
}

impl NetworkNote {
    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::NotHermetic { .. } | Self::PastMirror { .. } | Self::DownloadProblems { .. } => Severity::Warning,
            Self::Recorded | Self::Uncontrolled | Self::Repeats { .. } => Severity::Info,
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Recorded => {
                "Downloads were recorded in this run, so its times hold the upstream's and don't compare with \
                 those of replays. Run it again to replay them."
                    .into()
            }
            Self::Uncontrolled => {
                "Downloads were not controlled: builds fetched from upstream by themselves, so times hold \
                 whatever the network did."
                    .into()
            }
            Self::NotHermetic {
                scenario,
                phase,
                step,
                host,
                tunnels,
                bytes,
            } => {
                let who = match step {
                    By::Step(name) => format!("the step {name}"),
                    By::Ambiguous => "one of several steps".into(),
                    By::Unknown => "an unknown step".into(),
                };
                let opened = match tunnels {
                    1 => "a tunnel".into(),
                    tunnels => format!("{tunnels} tunnels"),
                };
                format!("Not hermetic: {scenario}, {phase}: {who} opened {opened} to {host} ({bytes}).")
            }
            Self::PastMirror {
                scenario,
                line,
                address,
            } => format!(
                "Not hermetic: {scenario}: line {line} of its Dockerfile adds {address}, which the builder fetches by itself, \
                 past the mirror: neither recorded nor replayed, nor over the link, nor counted."
            ),
            Self::DownloadProblems {
                scenario,
                phase,
                rounds,
                count,
                first,
            } => {
                let downloads = match count {
                    1 => "a download was refused or failed".into(),
                    count => format!("{count} downloads were refused or failed"),
                };
                let first = first.replace('\n', " ");
                let which = if *count == 1 { ":" } else { "; the first:" };
                format!(
                    "{scenario}, {phase}: {downloads} in {}{which} {first}",
                    list_rounds(rounds)
                )
            }
            Self::Repeats {
                scenario,
                phase,
                requests,
                bytes,
            } => format!(
                "{scenario}, {phase}: {bytes} were fetched again, with {requests} request{} for what the trial had \
                 fetched before.",
                if *requests == 1 { "" } else { "s" }
            ),
        }
    }
}
