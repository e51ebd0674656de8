//! What a Lease object says and what we write into it, as far as the election cares.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Instant, Str};

/// Which term of leadership an effect belongs to: the lease's count of transitions, which grows
/// with every new holder. A shell sends nothing of an older term.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LeaseEpoch(pub u64);

/// The right to write, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Term {
    pub epoch: LeaseEpoch,
    /// Nothing may be written from then on. A renewal moves it.
    pub not_after: Instant,
}

/// A Lease object at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub resource_version: Str,
    pub record: Record,
}

/// Who holds a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Empty if nobody does.
    pub holder: Str,
    pub duration_seconds: i32,
    pub transitions: i32,
    /// Times of the holder's clock. They are compared with earlier ones and never with ours.
    pub acquire_time: Str,
    pub renew_time: Str,
}

/// What to write. The time of the renewal is the time of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub holder: Str,
    pub duration_seconds: i32,
    pub transitions: i32,
    /// None for the time of writing.
    pub acquire_time: Option<Str>,
}

impl Term {
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.not_after
    }
}

impl Record {
    pub(super) fn is_held_by(&self, identity: &str) -> bool {
        !self.holder.is_empty() && &*self.holder == identity
    }

    /// How long the lease holds after it was last seen to change.
    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.duration_seconds).unwrap_or(0))
    }

    pub(super) fn epoch(&self) -> LeaseEpoch {
        LeaseEpoch(u64::try_from(self.transitions).unwrap_or(0))
    }
}
