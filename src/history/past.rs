//! A run as a history keeps it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::analysis::{RunInfo, drift, figures};
use crate::journal::RunLog;

/// What a history keeps of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastRun {
    /// The run's id.
    pub id: String,
    /// When it began, to the millisecond.
    pub started: DateTime<Utc>,
    /// The suite's name.
    pub suite: String,
    /// The fixture's name.
    pub fixture: String,
    /// The fixture's variant; empty if it has none.
    pub variant: String,
    /// The version of bakeoff that measured.
    pub bakeoff: String,
    /// What was measured.
    #[serde(default)]
    pub origin: Origin,
    /// How it ended: `complete`, `interrupted` or `unfinished`.
    pub state: String,
    /// What makes runs incomparable where it differs, by name.
    pub identity: Vec<(String, String)>,
    /// What else may explain a change, by name.
    pub drift: Vec<(String, String)>,
    /// What it measured, in the order of its table.
    pub metrics: Vec<Metric>,
}

/// Where what was measured comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The commit; empty if nobody said.
    #[serde(default)]
    pub commit: String,
    /// The branch; empty if nobody said.
    #[serde(default)]
    pub branch: String,
}

/// One quantity of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The scenario's full name.
    pub scenario: String,
    /// The table's row: `cold build`, `image size`.
    pub name: String,
    /// `s` or `B`. Less is better in both.
    pub unit: String,
    /// Its place in the run's table, from 0.
    pub place: u32,
    /// The measured rounds and their values. Never empty, and all finite.
    pub rounds: Vec<(u32, f64)>,
}

impl PastRun {
    /// What a history keeps of a run.
    #[must_use]
    pub fn of(log: &RunLog, origin: Origin) -> Self {
        let info = RunInfo::of(log);
        let metrics = figures(log).into_iter().zip(0..).map(|(figure, place)| Metric {
            scenario: figure.scenario,
            name: figure.metric,
            unit: figure.kind.unit().to_owned(),
            place,
            rounds: figure.points,
        });
        Self {
            id: info.id.0,
            // As precise as it is written.
            started: parsed(&time(info.started)).unwrap_or(info.started),
            suite: info.suite,
            fixture: info.fixture,
            variant: info.variant,
            bakeoff: info.bakeoff_version,
            origin,
            state: info.state.name().to_owned(),
            identity: log.header.fingerprint.identity.named(),
            drift: drift(log),
            metrics: metrics.collect(),
        }
    }
}

/// A time as it is written: in one length, so that texts are in the order of times.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn parsed(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
