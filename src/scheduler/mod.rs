//! The scheduler: scheduling cycle and binding machine, driven by `observe` and `advance`.

pub mod effect;
pub mod event;

pub use effect::{Condition, Credit, Effect, EffectId, LeaseEpoch, Note, Op, Outcome};
pub use event::{Change, Event, Reply};
