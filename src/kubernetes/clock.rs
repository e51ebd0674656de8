//! The daemon's clock: the core's instants are nanoseconds since the process started.

use std::time::Duration;

use crate::model::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: tokio::time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    pub(super) fn now(self) -> Instant {
        Instant::default().plus(self.start.elapsed())
    }

    pub(super) async fn sleep_until(self, at: Instant) {
        tokio::time::sleep_until(self.point(at)).await;
    }

    /// The same point on the clock of tokio.
    pub(super) fn point(self, at: Instant) -> tokio::time::Instant {
        let after = at.since(Instant::default());
        // Far enough for any deadline, and near enough for any clock.
        self.start + after.min(Duration::from_secs(365 * 24 * 3600))
    }
}
