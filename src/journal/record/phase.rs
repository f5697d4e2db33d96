//! A measured phase and its outcome on disk.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::image::{Image, Manifest};
use super::moved::{Pull, Start};
use super::trace::{Build, Push};
use super::transfer::Transfer;
use super::travelled::Travelled;
use super::trial::Trial;
use crate::environment::load::MachineLoad;
use crate::runner::event;
use crate::units::{Bytes, Nanos};

/// Mirrors [`event::PhaseRecord`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PhaseFinished {
    pub trial: Trial,
    pub phase: String,
    pub started: DateTime<Utc>,
    pub wall_ns: Nanos,
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfers: Option<Vec<Transfer>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub travelled: Option<Travelled>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// Mirrors [`event::Resources`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Resources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<Nanos>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_read_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_written_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// Mirrors [`MachineLoad`].
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "every duration's name ends so")]
pub struct Machine {
    pub all_ns: Nanos,
    pub busy_ns: Nanos,
    pub stolen_ns: Nanos,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_waits_ns: Option<Nanos>,
}

/// Mirrors [`event::Outcome`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Outcome {
    Measured,
    Invalid { reasons: Vec<String> },
    Failed(Failure),
    Skipped { reason: String },
}

/// Mirrors [`event::Failure`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<DockerfileLine>,
    pub last_lines: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_file: Option<String>,
}

/// Where in which Dockerfile.
#[derive(Debug, Serialize, Deserialize)]
pub struct DockerfileLine {
    pub dockerfile: String,
    pub number: u32,
}

impl From<event::PhaseRecord> for PhaseFinished {
    fn from(value: event::PhaseRecord) -> Self {
        let event::PhaseRecord {
            trial,
            phase,
            started,
            wall,
            outcome,
            build,
            push,
            pull,
            start,
            image,
            manifest,
            transfers,
            travelled,
            resources,
        } = value;
        Self {
            trial: trial.into(),
            phase,
            started,
            wall_ns: wall,
            outcome: outcome.into(),
            build: build.map(Into::into),
            push: push.map(Into::into),
            pull: pull.map(Into::into),
            start: start.map(Into::into),
            image: image.map(Into::into),
            manifest: manifest.map(Into::into),
            transfers: transfers.map(|list| list.into_iter().map(Into::into).collect()),
            travelled: travelled.map(Into::into),
            resources: resources.map(Into::into),
        }
    }
}

impl From<PhaseFinished> for event::PhaseRecord {
    fn from(value: PhaseFinished) -> Self {
        let PhaseFinished {
            trial,
            phase,
            started,
            wall_ns,
            outcome,
            build,
            push,
            pull,
            start,
            image,
            manifest,
            transfers,
            travelled,
            resources,
        } = value;
        Self {
            trial: trial.into(),
            phase,
            started,
            wall: wall_ns,
            outcome: outcome.into(),
            build: build.map(Into::into),
            push: push.map(Into::into),
            pull: pull.map(Into::into),
            start: start.map(Into::into),
            image: image.map(Into::into),
            manifest: manifest.map(Into::into),
            transfers: transfers.map(|list| list.into_iter().map(Into::into).collect()),
            travelled: travelled.map(Into::into),
            resources: resources.map(Into::into),
        }
    }
}

impl From<event::Resources> for Resources {
    fn from(value: event::Resources) -> Self {
        let event::Resources {
            cpu,
            peak_memory,
            disk_read,
            disk_written,
            machine,
            absent,
        } = value;
        Self {
            cpu_ns: cpu,
            peak_memory_bytes: peak_memory,
            disk_read_bytes: disk_read,
            disk_written_bytes: disk_written,
            machine: machine.map(Into::into),
            absent,
        }
    }
}

impl From<Resources> for event::Resources {
    fn from(value: Resources) -> Self {
        let Resources {
            cpu_ns,
            peak_memory_bytes,
            disk_read_bytes,
            disk_written_bytes,
            machine,
            absent,
        } = value;
        Self {
            cpu: cpu_ns,
            peak_memory: peak_memory_bytes,
            disk_read: disk_read_bytes,
            disk_written: disk_written_bytes,
            machine: machine.map(Into::into),
            absent,
        }
    }
}

impl From<MachineLoad> for Machine {
    fn from(value: MachineLoad) -> Self {
        let MachineLoad {
            all,
            busy,
            stolen,
            disk_waits,
        } = value;
        Self {
            all_ns: all,
            busy_ns: busy,
            stolen_ns: stolen,
            disk_waits_ns: disk_waits,
        }
    }
}

impl From<Machine> for MachineLoad {
    fn from(value: Machine) -> Self {
        let Machine {
            all_ns,
            busy_ns,
            stolen_ns,
            disk_waits_ns,
        } = value;
        Self {
            all: all_ns,
            busy: busy_ns,
            stolen: stolen_ns,
            disk_waits: disk_waits_ns,
        }
    }
}

impl From<event::Outcome> for Outcome {
    fn from(value: event::Outcome) -> Self {
        match value {
            event::Outcome::Measured => Self::Measured,
            event::Outcome::Invalid(reasons) => Self::Invalid { reasons },
            event::Outcome::Failed(failure) => Self::Failed(failure.into()),
            event::Outcome::Skipped(reason) => Self::Skipped { reason },
        }
    }
}

impl From<Outcome> for event::Outcome {
    fn from(value: Outcome) -> Self {
        match value {
            Outcome::Measured => Self::Measured,
            Outcome::Invalid { reasons } => Self::Invalid(reasons),
            Outcome::Failed(failure) => Self::Failed(failure.into()),
            Outcome::Skipped { reason } => Self::Skipped(reason),
        }
    }
}

impl From<event::Failure> for Failure {
    fn from(value: event::Failure) -> Self {
        let event::Failure {
            message,
            step,
            line,
            last_lines,
            log_file,
        } = value;
        let line = line.map(|(dockerfile, number)| DockerfileLine { dockerfile, number });
        Self {
            message,
            step,
            line,
            last_lines,
            log_file,
        }
    }
}

impl From<Failure> for event::Failure {
    fn from(value: Failure) -> Self {
        let Failure {
            message,
            step,
            line,
            last_lines,
            log_file,
        } = value;
        let line = line.map(|DockerfileLine { dockerfile, number }| (dockerfile, number));
        Self {
            message,
            step,
            line,
            last_lines,
            log_file,
        }
    }
}
