//! Durations as Go writes them: `15s`, `1h30m`, `1.5s`, `-2ms`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A signed duration of whole nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration {
    nanos: i64,
}

const EXPECTED: &str = "a duration such as 15s or 1m30s";

impl GoDuration {
    /// So many whole seconds.
    pub const fn from_secs(seconds: u32) -> GoDuration {
        GoDuration { nanos: seconds as i64 * 1_000_000_000 }
    }

    /// Whether no time passes at all; an upstream field that is zero counts as not set.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it leads forward in time.
    pub fn is_positive(self) -> bool {
        self.nanos > 0
    }

    /// The duration; none if it leads backward in time.
    pub fn get(self) -> Option<Duration> {
        u64::try_from(self.nanos).ok().map(Duration::from_nanos)
    }

    /// Reads what Go's `time.ParseDuration` reads; `None` for anything else.
    pub fn parse(text: &str) -> Option<GoDuration> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(GoDuration::default());
        }
        if rest.is_empty() {
            return None;
        }
        let mut nanos: i64 = 0;
        while !rest.is_empty() {
            let (part, after) = parse_part(rest)?;
            nanos = nanos.checked_add(part)?;
            rest = after;
        }
        Some(GoDuration { nanos: if negative { -nanos } else { nanos } })
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nanos / 1_000_000_000;
        let part = (self.nanos % 1_000_000_000).unsigned_abs();
        let sign = if whole == 0 && self.nanos < 0 { "-" } else { "" };
        if part == 0 {
            return write!(f, "{whole}s");
        }
        let digits = format!("{part:09}");
        write!(f, "{sign}{whole}.{}s", digits.trim_end_matches('0'))
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GoDuration, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
        GoDuration::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Reads one number with its unit; gives its nanoseconds and what follows.
fn parse_part(text: &str) -> Option<(i64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = split_unit(rest)?;
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits beyond the nanosecond are cut, as there.
    let mut scale = unit;
    let mut nanos = whole.checked_mul(unit)?;
    for digit in fraction.bytes() {
        scale /= 10;
        nanos = nanos.checked_add(i64::from(digit - b'0') * scale)?;
    }
    Some((nanos, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The nanoseconds of the unit that `text` starts with, and what follows it.
fn split_unit(text: &str) -> Option<(i64, &str)> {
    const UNITS: [(&str, i64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS.iter().find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(GoDuration::parse(text).map(|d| d.nanos), expected, "{text}");
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        check("15s", Some(15_000_000_000));
        check("1m30s", Some(90_000_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check("-2ms", Some(-2_000_000));
        check("+.5us", Some(500));
        check("1µs2ns", Some(1_002));
        check("0", Some(0));
        check("-0", Some(0));
        check("1.0000000009s", Some(1_000_000_000));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "-", "15", "s", ".s", "1d", "1 s", "--1s", "9223372037s", "1.s.", "1e3s"] {
            check(text, None);
        }
        check("1.s", Some(1_000_000_000));
    }

    #[test]
    fn only_what_leads_forward_is_a_duration() {
        let get = |text| GoDuration::parse(text).unwrap().get();
        assert_eq!(get("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(get("0s"), Some(Duration::ZERO));
        assert_eq!(get("-1ns"), None);
    }

    #[test]
    fn a_duration_is_shown_in_seconds() {
        let shown = |text| GoDuration::parse(text).unwrap().to_string();
        assert_eq!(shown("1m30s"), "90s");
        assert_eq!(shown("1500ms"), "1.5s");
        assert_eq!(shown("-20ms"), "-0.02s");
        assert_eq!(shown("-1500ms"), "-1.5s");
    }
}
