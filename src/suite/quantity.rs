//! Durations and sizes as people write them in suites: `268.98 s`, `1h`, `9.05 GB`. Not for: showing them (that is
//! `units`').

use crate::units::{Bytes, Nanos};

/// What a duration must look like, for messages.
pub(super) const DURATION: &str = "a number with a unit (ms, s, m or h), such as \"90 s\" or \"1h 30m\"";
/// What a size must look like, for messages.
pub(super) const SIZE: &str = "a number with a unit (B, kB, MB, GB or TB), such as \"9.05 GB\"";

/// Nanoseconds of one unit of time.
fn time_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        _ => return None,
    })
}

/// Bytes of one unit of size: decimal, as the docker client prints them, or binary where it says so.
fn size_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    })
}

/// Reads a duration: one number with its unit, or several (`12 min 05 s`).
pub(super) fn duration(text: &str) -> Option<Nanos> {
    let mut rest = text.trim();
    let mut sum = 0u64;
    loop {
        let (value, after) = quantity(rest, time_unit)?;
        sum = sum.checked_add(value)?;
        rest = after;
        if rest.is_empty() {
            return Some(Nanos(sum));
        }
    }
}

/// Reads a size: one number with its unit.
pub(super) fn size(text: &str) -> Option<Bytes> {
    match quantity(text.trim(), size_unit)? {
        (value, "") => Some(Bytes(value)),
        _ => None,
    }
}

/// The first number with its unit, and what follows. Decimal arithmetic, so that `268.98 s` is exact.
fn quantity(text: &str, unit_of: impl Fn(&str) -> Option<u64>) -> Option<(u64, &str)> {
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit = u128::from(unit_of(unit)?);

    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // 18 digits are exact far below a nanosecond or a byte, and can't overflow 128 bits with any unit.
    if whole.is_empty() || whole.len() > 18 || fraction.is_empty() || fraction.len() > 18 || fraction.contains('.') {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let value = whole.parse::<u128>().ok()? * unit + fraction.parse::<u128>().ok()? * unit / scale;
    Some((u64::try_from(value).ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        assert_eq!(duration("268.98 s"), Some(Nanos(268_980_000_000)));
        assert_eq!(duration("4.75s"), Some(Nanos(4_750_000_000)));
        assert_eq!(duration(" 1h "), Some(Nanos(3_600_000_000_000)));
        assert_eq!(duration("1h 30m"), duration("90m"));
        assert_eq!(duration("12 min 05 s"), Some(Nanos(725_000_000_000)));
        assert_eq!(duration("85 ms"), Some(Nanos(85_000_000)));
    }

    #[test]
    fn sizes_are_exact_and_decimal() {
        assert_eq!(size("9.05 GB"), Some(Bytes(9_050_000_000)));
        assert_eq!(size("512B"), Some(Bytes(512)));
        assert_eq!(size("1.5 KiB"), Some(Bytes(1536)));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "5 x",
            "-5 s",
            "1e3 s",
            "1.2.3 s",
            ".5 s",
            "5. s",
            "NaN s",
            "5 S",
            "99999999999 h",
        ] {
            assert_eq!(duration(text), None, "{text:?}");
        }
        for text in ["", "5", "GB", "5 s", "1 GB 2 MB", "-1 GB", "99999999999 TB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }
}
