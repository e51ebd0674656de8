//! Replica groups: the pods among which a quorum is counted, and by which rule.
//!
//! A pod's groups are found by presets, one data file per operator, by policies of the cluster's
//! own, or, where neither knows the pod, from the StatefulSet that owns it.

pub mod admission;
mod catalogue;
mod definition;
mod membership;
mod policy;
mod preset;
mod presets;
mod rule;
#[cfg(test)]
mod tests;

pub use catalogue::{Candidate, Catalogue, ordinal};
pub use definition::{Definition, InitialPrimary, Remedy, Role, Source};
pub use membership::{GroupKey, Membership, Primary};
pub use policy::{LEVELS_MAX, MEMBERS_MAX, PolicyError};
pub use preset::{
    CustomResource, Part, Preset, PresetError, SchedulerField, Verification, VerifiedBy,
};
pub use presets::{built_in, built_in_catalogue, file};
pub use rule::{Rule, RuleError};

pub use crate::api::{
    ClusterPlacementPolicy, LevelRule, Mode, PlacementPolicy, PlacementPolicySpec, PolicyKeys,
    Primaries,
};
