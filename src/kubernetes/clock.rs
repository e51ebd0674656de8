//! The daemon's clock: the core's instants are nanoseconds since the process started, those
//! included in which the process was paused or the machine slept.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::model::Instant;

/// Linux has a clock that also counts while the machine sleeps, so that a lease expires for whoever
/// sleeps over it. Elsewhere the monotonic one is what there is.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Far enough for any deadline, and near enough for any timer.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: read() }
    }

    pub(super) fn now(self) -> Instant {
        Instant::default().plus(read().saturating_sub(self.start))
    }

    pub(super) async fn sleep_until(self, at: Instant) {
        tokio::time::sleep_until(self.point(at)).await;
    }

    /// The same point on the clock of tokio, unless the machine sleeps before.
    pub(super) fn point(self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::now() + at.since(self.now()).min(FAR)
    }
}

fn read() -> Duration {
    let time = clock_gettime(CLOCK);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_and_agrees_with_timers() {
        let clock = Clock::start();
        std::thread::sleep(Duration::from_millis(20));
        let now = clock.now();
        assert!(now >= Instant::default().plus(Duration::from_millis(20)));
        let second = Duration::from_secs(1);
        let ahead = clock.point(now.plus(second)) - tokio::time::Instant::now();
        assert!(ahead <= second && ahead > second / 2, "{ahead:?}");
        let far = clock.point(Instant(u64::MAX)) - tokio::time::Instant::now();
        assert!(far <= FAR && far > FAR / 2, "{far:?}");
    }
}
