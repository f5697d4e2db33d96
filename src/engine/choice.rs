//! Which engine a scenario is measured in, as suites, the command line and journals name it. Not for: finding or making
//! one.

use std::fmt;
use std::str::FromStr;

/// Which engine a scenario is measured in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EngineChoice {
    /// A throw-away engine where one can be had, else the host's.
    #[default]
    Auto,
    /// The engine that the docker client would use.
    Host,
    /// A throw-away engine of this version (`28`, `26.1`); the newest that can be had if `None`.
    Isolated(Option<String>),
}

/// What [`EngineChoice`] reads, for messages.
pub const ENGINE_CHOICES: &str = "host, isolated, or isolated:VERSION, such as isolated:28";

impl FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_version = |version: &str| {
            let parts: Vec<&str> = version.split('.').collect();
            let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            parts.len() <= 3 && parts.iter().all(is_number)
        };
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "host" => Ok(Self::Host),
            None if text == "isolated" => Ok(Self::Isolated(None)),
            Some(("isolated", version)) if is_version(version) => Ok(Self::Isolated(Some(version.to_owned()))),
            _ => Err(format!("expected {ENGINE_CHOICES}")),
        }
    }
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Host => f.write_str("host"),
            Self::Isolated(None) => f.write_str("isolated"),
            Self::Isolated(Some(version)) => write!(f, "isolated:{version}"),
        }
    }
}

/// Where an engine keeps images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageStore {
    /// A graph driver, such as overlay2: layers lie unpacked, and are compressed at each push.
    Graphdriver,
    /// containerd's: layers lie compressed as well, and a push sends them as they are.
    Containerd,
}

impl ImageStore {
    /// The name in suites and journals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graphdriver => "graphdriver",
            Self::Containerd => "containerd",
        }
    }

    /// The store of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Graphdriver, Self::Containerd]
            .into_iter()
            .find(|store| store.name() == name)
    }
}

/// How the layers of an image are compressed in the build, where the engine's image store leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// gzip, which every registry and engine can read.
    Gzip,
    /// Zstandard.
    Zstd,
    /// None.
    Uncompressed,
}

impl Compression {
    /// The name in suites, journals and `BuildKit`'s options.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Uncompressed => "uncompressed",
        }
    }

    /// The compression of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Zstd, Self::Uncompressed]
            .into_iter()
            .find(|compression| compression.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_read_as_they_are_shown() {
        for text in [
            "auto",
            "host",
            "isolated",
            "isolated:28",
            "isolated:20.10",
            "isolated:28.5.2",
        ] {
            let choice: EngineChoice = text.parse().expect("valid");
            assert_eq!(choice.to_string(), text);
        }
        for text in [
            "",
            "Host",
            "isolated:",
            "isolated:v28",
            "isolated:28.",
            "isolated:1.2.3.4",
            "dind",
        ] {
            assert!(text.parse::<EngineChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn stores_and_compressions_are_known_by_their_names() {
        assert_eq!(ImageStore::named("containerd"), Some(ImageStore::Containerd));
        assert_eq!(ImageStore::named("overlay2"), None);
        assert_eq!(Compression::named("zstd"), Some(Compression::Zstd));
        assert_eq!(Compression::named("default"), None);
    }
}
