//! Chance, all of it from the seed. Each source of chance has dice of its own, so that to leave out
//! one fault does not change what the others do.

use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self(ChaCha8Rng::seed_from_u64(xxh3_64_with_seed(purpose.as_bytes(), seed)))
    }

    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From `least` up to and including `most`.
    pub fn range(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, permille: u64) -> bool {
        self.range(0, 999) < permille
    }

    pub fn micros(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(self.range(least, most))
    }

    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.micros(least * 1000, most * 1000)
    }

    /// One of them; none of nothing.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let last = u64::try_from(from.len()).ok()?.checked_sub(1)?;
        from.get(usize::try_from(self.range(0, last)).ok()?)
    }
}
