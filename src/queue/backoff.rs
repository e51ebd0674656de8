//! How long a pod keeps its distance after a cycle that did not place it.

use std::time::Duration;

/// The first and the longest back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffLimits {
    pub initial: Duration,
    pub max: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(10) }
    }
}

impl BackoffLimits {
    /// The back-off after the `count`-th attempt in a row: doubled each time, up to the longest.
    pub fn backoff(&self, count: u32) -> Duration {
        let Some(doublings) = count.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.initial.checked_mul(factor).map_or(self.max, |backoff| backoff.min(self.max))
    }
}
