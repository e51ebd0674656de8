//! The extension points, the registry of plugins, and the runtime that runs the stages of a profile.

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

pub use cluster_event::{ClusterEvent, Hint};
pub use diagnosis::Diagnosis;
pub use filtering::{Filtered, PreparedFilters};
pub use framework::{CycleError, Framework, ProfileError};
pub use node_plugin::{NodePlugin, Ready};
pub use normalize::Normalize;
pub use plugin::{
    BindPlugin, Binding, Filter, PreEnqueuePlugin, Prepared, QueueSortPlugin, ReadyFilter,
    SCORE_MAX, Score, SetPlugin,
};
pub use refusals::{Refusals, StatusId};
pub use registry::{ArgsError, Instance, Registration, Registry, decode_args};
pub use scoring::ScoreColumn;
pub use status::{Code, Status};
pub use unsupported::{UNSUPPORTED_FIELDS, Unsupported, unsupported, unsupported_field};
