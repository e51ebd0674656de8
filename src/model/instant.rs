//! A point in time that comes in from outside, so that a recording replays.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since a start that the shell chooses. The core only ever compares and adds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// The point `after` later, at most the end of time.
    pub fn plus(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(after)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stays_within_its_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Instant(5).plus(second), Instant(1_000_000_005));
        assert_eq!(Instant(u64::MAX - 1).plus(second), Instant(u64::MAX));
        assert_eq!(Instant(0).plus(Duration::MAX), Instant(u64::MAX));
        assert_eq!(Instant(1_000_000_005).since(Instant(5)), second);
        assert_eq!(Instant(5).since(Instant(6)), Duration::ZERO);
    }

    #[test]
    fn an_instant_is_written_as_a_number() {
        assert_eq!(serde_json::to_string(&Instant(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<Instant>("7").unwrap(), Instant(7));
    }
}
