//! The list/watch protocol as a pure state machine: paging, streaming lists, bookmarks, expired
//! versions, relists and staleness. The daemon and the simulator both drive it.

mod audit;
mod backoff;
mod batch;
mod change;
mod failure;
mod ledger;
mod protocol;

pub use audit::{Audit, AuditStep, Auditor, Comparison, Finding, Reached};
pub use backoff::{DELAY_MAX, DELAY_MIN, UNREACHABLE_DELAY_MAX};
pub use batch::Batch;
pub use change::Change;
pub use failure::Failure;
pub use ledger::is_newer;
pub use protocol::{
    PAGE_LIMIT, Page, RELIST_AFTER, Request, SILENCE_MAX, Step, StreamEvent, Watch,
};

#[cfg(test)]
mod tests;
