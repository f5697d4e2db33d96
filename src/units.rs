//! Durations, sizes and ids, and how people read them; numbers drawn from a seed; errors with
//! their causes. Not for: statistics or anything that
//! knows a phase.

mod causes;
mod link;
pub mod patterns;
mod random;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use causes::with_causes;
pub use link::{LINK, Link, LinkError};
pub(crate) use random::SplitMix64;

/// A duration in nanoseconds of a monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The duration in seconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The duration of so many seconds; negative and non-finite values become zero.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range first"
    )]
    pub fn from_seconds(seconds: f64) -> Self {
        if seconds.is_finite() && seconds > 0.0 {
            Self((seconds * 1e9) as u64)
        } else {
            Self(0)
        }
    }
}

impl From<Duration> for Nanos {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Duration::from_nanos(nanos.0)
    }
}

impl fmt::Display for Nanos {
    /// `85 ms` below a second, `4.75 s` below ten minutes, `12 min 05 s` above.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let text = if seconds < 0.9995 {
            format!("{:.0} ms", seconds * 1e3)
        } else if seconds < 99.95 {
            format!("{seconds:.2} s")
        } else if seconds < 600.0 {
            format!("{seconds:.1} s")
        } else {
            format!("{} min {:02} s", self.0 / 60_000_000_000, (self.0 / 1_000_000_000) % 60)
        };
        f.pad(&text)
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The size as a float, for arithmetic.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "8 PiB are exact")]
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self(iter.map(|bytes| bytes.0).sum())
    }
}

impl fmt::Display for Bytes {
    /// Decimal units, as the docker client prints them: `5.3 MB`, `9.05 GB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_f64();
        let text = if bytes < 1e3 {
            format!("{} B", self.0)
        } else if bytes < 999_950.0 {
            format!("{:.1} kB", bytes / 1e3)
        } else if bytes < 999_950_000.0 {
            format!("{:.1} MB", bytes / 1e6)
        } else {
            format!("{:.2} GB", bytes / 1e9)
        };
        f.pad(&text)
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Identifies one run: `20261121-113000-1f3a`, sortable by start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_scale() {
        let shown = |seconds: f64| Nanos::from_seconds(seconds).to_string();
        assert_eq!(shown(0.0847), "85 ms");
        assert_eq!(shown(0.99951), "1.00 s");
        assert_eq!(shown(4.75), "4.75 s");
        assert_eq!(shown(268.98), "269.0 s");
        assert_eq!(shown(725.4), "12 min 05 s");
        assert_eq!(shown(f64::NAN), "0 ms");
    }

    #[test]
    fn sizes_use_decimal_units() {
        assert_eq!(Bytes(999).to_string(), "999 B");
        assert_eq!(Bytes(5_300_000).to_string(), "5.3 MB");
        assert_eq!(Bytes(9_050_000_000).to_string(), "9.05 GB");
        assert_eq!(Bytes(999_999_999).to_string(), "1.00 GB");
    }
}
