//! The clock of a simulated process, which may run wrong.

use std::time::Duration;

use crate::model::Instant;

/// Maps the time of the world to the time of a process, and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Here both are known.
    world: Instant,
    own: Instant,
    /// How many of its own seconds pass in a thousand seconds of the world.
    permille: u64,
}

/// A clock that is right.
pub const RIGHT: u64 = 1000;

impl Clock {
    pub fn new(world: Instant, own: Instant, permille: u64) -> Self {
        Self { world, own, permille: permille.max(1) }
    }

    pub fn read(&self, world: Instant) -> Instant {
        self.own.plus(scaled(world.since(self.world), self.permille, RIGHT))
    }

    /// The first instant of the world at which the clock shows `own` or later.
    pub fn when(&self, own: Instant) -> Instant {
        let after = scaled(own.since(self.own), RIGHT, self.permille);
        let at = self.world.plus(after);
        if self.read(at) < own { at.plus(Duration::from_nanos(2)) } else { at }
    }

    /// From now on it runs so fast, and shows `jump` more.
    pub fn set(&mut self, world: Instant, permille: u64, jump: Duration) {
        *self = Self::new(world, self.read(world).plus(jump), permille);
    }
}

fn scaled(time: Duration, by: u64, of: u64) -> Duration {
    let nanos = time.as_nanos() * u128::from(by) / u128::from(of);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_clock_may_start_elsewhere_and_run_wrong() {
        let check = |permille: u64, world: u64, own: u64| {
            let clock = Clock::new(Instant(10 * SECOND), Instant(3600 * SECOND), permille);
            assert_eq!(clock.read(Instant(world * SECOND)), Instant(own * SECOND), "{permille}");
            assert_eq!(clock.when(Instant(own * SECOND)), Instant(world * SECOND), "{permille}");
        };
        check(1000, 10, 3600);
        check(1000, 15, 3605);
        check(2000, 15, 3610);
        check(500, 20, 3605);
    }

    #[test]
    fn a_wait_is_never_too_short() {
        for permille in [500, 501, 777, 999, 1001, 1999] {
            let clock = Clock::new(Instant(1), Instant(5), permille);
            for own in [6, 7, 1000, 999_999_937] {
                assert!(clock.read(clock.when(Instant(own))) >= Instant(own), "{permille} {own}");
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_goes_on_from_there() {
        let mut clock = Clock::new(Instant(0), Instant(0), RIGHT);
        clock.set(Instant(SECOND), 2 * RIGHT, Duration::from_secs(60));
        assert_eq!(clock.read(Instant(2 * SECOND)), Instant(63 * SECOND));
        clock.set(Instant(2 * SECOND), RIGHT, Duration::ZERO);
        assert_eq!(clock.read(Instant(3 * SECOND)), Instant(64 * SECOND));
    }
}
