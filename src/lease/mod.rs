//! Leader election as a pure state machine: whose turn it is to write, until when, and which
//! request comes next. The rules are client-go's; where ours are stricter, [`election`] says so.

mod election;
mod record;

pub use election::{Answer, Call, Election, JITTER_PERCENT_MAX, Request, Settings, Step};
pub use record::{Draft, Lease, LeaseEpoch, Record, Term};

#[cfg(test)]
mod tests;
