//! A run as a history keeps it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::analysis::{RunInfo, figures};
use crate::environment::Fingerprint;
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
            identity: identity(&log.header.fingerprint),
            drift: drift(log),
            metrics: metrics.collect(),
        }
    }
}

/// What makes two runs incomparable, by name.
#[must_use]
pub fn identity(fingerprint: &Fingerprint) -> Vec<(String, String)> {
    let identity = &fingerprint.identity;
    named(&[
        ("processor", &identity.cpu_model),
        ("processors", &identity.cpus.to_string()),
        // To the GiB: a kernel keeps some of a machine's memory for itself, and each version another amount.
        ("memory", &format!("{} GiB", (identity.memory.0 + (1 << 29)) >> 30)),
        ("engine", &identity.engine),
        ("engine version", &identity.engine_major),
        ("storage driver", &identity.storage_driver),
        ("image store", &identity.image_store),
        ("network", &identity.network),
        ("base images", &identity.bases),
    ])
}

/// What may explain a change and breaks no series.
fn drift(log: &RunLog) -> Vec<(String, String)> {
    let drift = &log.header.fingerprint.drift;
    let mut all = named(&[
        ("bakeoff", &log.header.bakeoff_version),
        ("kernel", &drift.kernel),
        ("operating system", &drift.operating_system),
        ("engine", &drift.engine_version),
        ("recording", &drift.recording),
    ]);
    let image = |image: &crate::runner::event::BaseImage| (format!("image {}", image.role), image.id.clone());
    all.extend(log.header.images.iter().map(image));
    all
}

fn named(values: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    values.iter().map(own).collect()
}

/// A time as it is written: in one length, so that texts are in the order of times.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn parsed(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}
