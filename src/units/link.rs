//! A network link as a suite names it: `100mbit,20ms`. Not for: shaping anything (that is the mirror's).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a valid link looks like, for errors and help.
pub const LINK: &str =
    "a bandwidth, a latency or both, such as \"100mbit,20ms\", \"1gbit\" or \"80ms\", or \"unshaped\"";

/// The bandwidth and the latency between builds and what they download. The default is as fast as the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Link {
    /// Bits per second, shared by all connections; `None` is as fast as the machine.
    pub bits_per_second: Option<u64>,
    /// How long each answer is held back before its first byte.
    pub latency: Duration,
}

impl Link {
    /// Whether it slows anything.
    #[must_use]
    pub const fn is_shaped(&self) -> bool {
        self.bits_per_second.is_some() || !self.latency.is_zero()
    }
}

/// A text that is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no link; expected {LINK}")]
pub struct LinkError {
    /// The text.
    pub text: String,
}

/// Units of bandwidth as `tc` has them, decimal, largest first.
const RATES: [(&str, u64); 4] = [
    ("gbit", 1_000_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
];

/// Units of latency in nanoseconds; the longer names first, since "s" ends them all.
const DELAYS: [(&str, u64); 3] = [("ms", 1_000_000), ("us", 1_000), ("s", 1_000_000_000)];

/// A number with a unit, scaled; fractions are allowed.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "checked to be in the range where floats are exact"
)]
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = number.parse::<f64>().ok().filter(|_| digits)? * factor as f64;
    (value < 1e15).then_some(value.round() as u64)
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let wrong = || LinkError { text: text.to_owned() };
        if text.trim() == "unshaped" {
            return Ok(Self::default());
        }
        let mut link = Self::default();
        let (mut rates, mut delays) = (0, 0);
        for part in text.split(',').map(str::trim) {
            let part = part.to_ascii_lowercase();
            if let Some(rate) = scaled(&part, &RATES).filter(|rate| *rate > 0) {
                link.bits_per_second = Some(rate);
                rates += 1;
            } else {
                let nanos = scaled(&part, &DELAYS).ok_or_else(wrong)?;
                link.latency = Duration::from_nanos(nanos);
                delays += 1;
            }
        }
        // Beyond a minute a latency is a mistake in the unit.
        if rates > 1 || delays > 1 || link.latency > Duration::from_secs(60) {
            return Err(wrong());
        }
        Ok(link)
    }
}

/// The number in the largest unit that leaves it whole.
fn whole(value: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor))
        .map_or_else(
            || value.to_string(),
            |(unit, factor)| format!("{}{unit}", value / factor),
        )
}

impl fmt::Display for Link {
    /// As a suite would write it: `100mbit,20ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = u64::try_from(self.latency.as_nanos()).unwrap_or(u64::MAX);
        let delay = || match whole(nanos, &DELAYS[..2]) {
            text if nanos.is_multiple_of(1_000) => text,
            _ => format!("{:.3}us", self.latency.as_secs_f64() * 1e6),
        };
        let text = match self.bits_per_second {
            None if nanos == 0 => "unshaped".to_owned(),
            None => delay(),
            Some(rate) if nanos == 0 => whole(rate, &RATES),
            Some(rate) => format!("{},{}", whole(rate, &RATES), delay()),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Option<(Option<u64>, u128)> {
        let link: Link = text.parse().ok()?;
        Some((link.bits_per_second, link.latency.as_micros()))
    }

    #[test]
    fn links_are_read_in_the_units_of_tc() {
        assert_eq!(link("100mbit,20ms"), Some((Some(100_000_000), 20_000)));
        assert_eq!(link("1.5Gbit , 500us"), Some((Some(1_500_000_000), 500)));
        assert_eq!(link("80ms"), Some((None, 80_000)));
        assert_eq!(link("1s,64kbit"), Some((Some(64_000), 1_000_000)));
        assert_eq!(link("unshaped"), Some((None, 0)));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for text in [
            "",
            "fast",
            "100",
            "100mb",
            "0mbit",
            "-1mbit",
            "1mbit,2mbit",
            "1ms,2ms",
            "1mbit,",
            "2000s",
            "inf s",
            "1e3mbit",
        ] {
            assert_eq!(link(text), None, "{text:?}");
        }
    }

    #[test]
    fn links_are_shown_as_they_are_written() {
        for text in [
            "100mbit,20ms",
            "1500mbit,500us",
            "80ms",
            "64kbit,1000ms",
            "unshaped",
            "1gbit",
        ] {
            assert_eq!(text.parse::<Link>().unwrap().to_string(), text);
        }
    }
}
