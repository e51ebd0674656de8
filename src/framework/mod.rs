//! The extension points, the registry of plugins, and the runtime that runs a profile's stages.

mod builtin;
mod cluster_event;
mod diagnosis;
mod filtering;
#[expect(clippy::module_inception, reason = "the framework is what the room is named after")]
mod framework;
mod limits;
mod node_plugin;
mod normalize;
mod plugin;
mod refusals;
mod registry;
mod scoring;
mod status;
#[cfg(test)]
mod tests;
mod unsupported;

pub use builtin::{BINDING_REJECTED, RESTING_NODES, UNSUPPORTED_FIELDS};
pub use cluster_event::{Change, ClusterEvent, Hint, StorageEvent};
pub use diagnosis::Diagnosis;
pub use filtering::{Filtered, PreparedFilters};
pub use framework::{CycleError, Framework, ProfileError};
pub use node_plugin::{NodePlugin, Ready};
pub use normalize::Normalize;
pub use plugin::{
    BindPlugin, Binding, Filter, PreBindPlugin, PreEnqueuePlugin, Prepared, Progress,
    QueueSortPlugin, ReadyFilter, ReservePlugin, SCORE_MAX, Score, SetPlugin, Write,
};
pub use refusals::{Refusals, StatusId};
pub use registry::{ArgsError, Instance, Registration, Registry, decode_args};
pub use scoring::ScoreColumn;
pub use status::{Code, Status};
pub use unsupported::{Unsupported, unsupported, unsupported_field};
