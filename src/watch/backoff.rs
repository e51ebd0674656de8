//! How long to wait after failures in a row.

use std::time::Duration;

use crate::model::Instant;

/// The delay after a first failure, as client-go's.
pub const DELAY_MIN: Duration = Duration::from_millis(800);
/// The longest delay after answers that refuse, as client-go's.
pub const DELAY_MAX: Duration = Duration::from_secs(30);
/// The longest delay while nobody answers at all. An attempt costs a dead server nothing, and a
/// server that comes back is found soon.
pub const UNREACHABLE_DELAY_MAX: Duration = Duration::from_secs(5);
/// After this long without a failure the delays begin anew, as client-go's.
const FORGET_AFTER: Duration = Duration::from_secs(120);

/// Delays that double from failure to failure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

impl Backoff {
    /// Counts a failure and says how long to wait: the delay and up to half of it more, by
    /// `random`, but no longer than `longest`.
    pub(super) fn delay(&mut self, now: Instant, random: u64, longest: Duration) -> Duration {
        if self.last.is_some_and(|last| now.since(last) > FORGET_AFTER) {
            self.failures = 0;
        }
        self.last = Some(now);
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let delay = DELAY_MIN.saturating_mul(1 << doublings).min(longest);
        let jitter = u32::try_from(random % 1024).unwrap_or(0);
        (delay + delay / 2 * jitter / 1024).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_their_longest() {
        let check = |longest: Duration, random: u64, expected_ms: &[u64]| {
            let mut backoff = Backoff::default();
            let delays: Vec<u64> = expected_ms
                .iter()
                .map(|_| backoff.delay(Instant(0), random, longest).as_millis() as u64)
                .collect();
            assert_eq!(delays, expected_ms);
        };
        check(DELAY_MAX, 0, &[800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        check(DELAY_MAX, 512, &[1000, 2000, 4000]);
        check(DELAY_MAX, 1023, &[1199, 2399, 4798, 9596, 19193, 30000]);
        check(UNREACHABLE_DELAY_MAX, 0, &[800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn delays_begin_anew_after_two_quiet_minutes() {
        let mut backoff = Backoff::default();
        let second = |n: u64| Instant(n * 1_000_000_000);
        assert_eq!(backoff.delay(second(0), 0, DELAY_MAX).as_millis(), 800);
        assert_eq!(backoff.delay(second(120), 0, DELAY_MAX).as_millis(), 1600);
        assert_eq!(backoff.delay(second(241), 0, DELAY_MAX).as_millis(), 800);
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::default();
        for _ in 0..1000 {
            let delay = backoff.delay(Instant(0), u64::MAX, DELAY_MAX);
            assert!(delay <= DELAY_MAX);
        }
    }
}
