//! What machine and engine this is: the fingerprint that decides whether two runs may be compared, and what `doctor`
//! checks. Not for: measuring anything.

pub mod doctor;
pub mod host;
pub mod load;
pub mod noise;

use crate::engine::EngineInfo;
use crate::units::Bytes;

/// The environment in two parts: identity, which forbids comparison where it differs, and drift, which is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fingerprint {
    /// What makes two runs incomparable.
    pub identity: Identity,
    /// What may change between two runs without breaking a series.
    pub drift: Drift,
}

/// Runs with different identities measure different things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The processor's model name.
    pub cpu_model: String,
    /// Processors.
    pub cpus: u32,
    /// Memory.
    pub memory: Bytes,
    /// Whether it is the `host`'s engine, or `isolated` ones.
    pub engine: String,
    /// The engine's major version (`20.10`, `28`).
    pub engine_major: String,
    /// `overlay2`, …
    pub storage_driver: String,
    /// `graphdriver` or `containerd`.
    pub image_store: String,
    /// How builds reach the network: `upstream`, `record`, `replay over 100mbit,20ms`.
    pub network: String,
    /// `stand-in`, `pulled` or `mixed`.
    pub bases: String,
}

/// What may change between two runs of one series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// The kernel's version.
    pub kernel: String,
    /// The operating system's name.
    pub operating_system: String,
    /// The engine's full version.
    pub engine_version: String,
    /// Its API version.
    pub api_version: String,
    /// The digest of the package recording that builds downloaded from; empty if there is none.
    pub recording: String,
}

impl Identity {
    /// Its values by name. The memory is told to the GiB: a kernel keeps some of a machine's for itself, and each version
    /// another amount.
    #[must_use]
    pub fn named(&self) -> Vec<(String, String)> {
        named(&[
            ("processor", &self.cpu_model),
            ("processors", &self.cpus.to_string()),
            ("memory", &format!("{} GiB", (self.memory.0 + (1 << 29)) >> 30)),
            ("engine", &self.engine),
            ("engine version", &self.engine_major),
            ("storage driver", &self.storage_driver),
            ("image store", &self.image_store),
            ("network", &self.network),
            ("base images", &self.bases),
        ])
    }
}

impl Drift {
    /// Its values by name.
    #[must_use]
    pub fn named(&self) -> Vec<(String, String)> {
        named(&[
            ("kernel", &self.kernel),
            ("operating system", &self.operating_system),
            ("engine", &self.engine_version),
            ("API", &self.api_version),
            ("recording", &self.recording),
        ])
    }
}

fn named(values: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    values.iter().map(own).collect()
}

/// What is different among the engines of a run is joined: `26 and 28`; the scenarios' names tell which is which.
fn joined<'e>(engines: &[(&str, &'e EngineInfo)], value: impl Fn(&'e EngineInfo) -> String) -> String {
    let mut values: Vec<String> = Vec::new();
    for value in engines.iter().map(|(_, info)| value(info)) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(" and ")
}

/// The fingerprint of this machine and its engines, each with its kind (`host` or `isolated`). `bases` is `stand-in`, `pulled` or `mixed`; `network` and `recording` are
/// as in [`Identity::network`] and [`Drift::recording`].
#[must_use]
pub fn fingerprint(engines: &[(&str, &EngineInfo)], bases: &str, network: &str, recording: &str) -> Fingerprint {
    let mut kinds: Vec<&str> = engines.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let first = engines.first().map(|(_, info)| (*info).clone()).unwrap_or_default();
    Fingerprint {
        identity: Identity {
            cpu_model: host::cpu_model(),
            cpus: first.cpus,
            memory: first.memory,
            engine: kinds.join(" and "),
            engine_major: joined(engines, |info| engine_major(&info.version)),
            storage_driver: joined(engines, |info| info.storage_driver.clone()),
            image_store: joined(engines, |info| info.image_store.clone()),
            network: network.to_owned(),
            bases: bases.to_owned(),
        },
        drift: Drift {
            kernel: first.kernel,
            operating_system: joined(engines, |info| info.operating_system.clone()),
            engine_version: joined(engines, |info| info.version.clone()),
            api_version: joined(engines, |info| info.api_version.clone()),
            recording: recording.to_owned(),
        },
    }
}

/// `20.10.24+dfsg1` is 20.10, since releases were yearly then; `28.5.2` is 28.
fn engine_major(version: &str) -> String {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some(year @ ("17" | "18" | "19" | "20")), Some(month)) => format!("{year}.{month}"),
        (Some(major), _) => major.to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{engine_major, fingerprint};
    use crate::engine::EngineInfo;

    #[test]
    fn engines_that_differ_are_named_together() {
        let of = |version: &str| EngineInfo {
            version: version.into(),
            storage_driver: "overlay2".into(),
            ..EngineInfo::default()
        };
        let (old, new) = (of("20.10.24"), of("28.5.2"));
        let both = fingerprint(&[("isolated", &new), ("host", &old)], "pulled", "replay", "");
        assert_eq!(both.identity.engine, "host and isolated");
        assert_eq!(both.identity.engine_major, "28 and 20.10");
        assert_eq!(both.identity.storage_driver, "overlay2");
        assert_eq!(both.drift.engine_version, "28.5.2 and 20.10.24");
    }

    #[test]
    fn the_major_version_is_what_releases_are_named_by() {
        assert_eq!(engine_major("20.10.24+dfsg1"), "20.10");
        assert_eq!(engine_major("28.5.2"), "28");
        assert_eq!(engine_major("26"), "26");
    }
}
