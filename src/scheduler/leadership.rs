//! Whether this scheduler may decide and write: always where it is alone, else for the term of the
//! lease. A standby takes in everything and does nothing.

use std::time::Duration;

use super::Scheduler;
use super::binding::{Again, State};
use crate::lease::{LeaseEpoch, Term};
use crate::model::Instant;

/// What a scheduler knows of its right to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Leadership {
    /// There is no lease, and nobody else.
    #[default]
    Alone,
    /// The shell told of a lease: the term for which it is ours, or none.
    Elected(Option<Term>),
}

impl Leadership {
    /// Nothing is decided and no binding is taken further while this is false.
    pub(super) fn may_write(self, now: Instant) -> bool {
        match self {
            Self::Alone => true,
            Self::Elected(term) => term.is_some_and(|term| !term.is_over(now)),
        }
    }

    /// The epoch and the deadline of an effect that may take so long. What an answer asks for after
    /// the end of the term has a deadline that has passed, and is not sent.
    pub(super) fn limits(self, now: Instant, timeout: Duration) -> (LeaseEpoch, Instant) {
        let latest = now.plus(timeout);
        match self {
            Self::Alone => (LeaseEpoch::default(), latest),
            Self::Elected(Some(term)) => (term.epoch, latest.min(term.not_after)),
            Self::Elected(None) => (LeaseEpoch::default(), Instant::default()),
        }
    }
}

impl Scheduler {
    /// How many bindings, and writes about claims, may still be carried out by the API server
    /// although nobody waits for them. A lease that is released over them would let another
    /// scheduler decide without them.
    pub fn in_doubt(&self) -> usize {
        let in_doubt = |state: State| match state {
            State::Posting(_) | State::Fencing(_) | State::Checking(_) => true,
            State::Waiting { then, .. } => !matches!(then, Again::Post | Again::Prepare),
            State::Reserved | State::Preparing { .. } | State::Confirming { .. } => false,
        };
        let bindings = self.bindings.values().filter(|binding| in_doubt(binding.state)).count();
        bindings + self.claim_writes.in_doubt(&self.cache.snapshot.volumes)
    }
}
