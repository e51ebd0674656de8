//! `PlacementPolicy` and `ClusterPlacementPolicy` of the group quorate.dev: what the owners of a
//! cluster say of their databases, and what they are told back.

use serde::{Deserialize, Serialize};

use super::meta::{Object, ObjectMeta, null_as_default, optional_time};
use crate::model::{LabelSelector, Str};

/// Placement of the groups of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementPolicy {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PlacementPolicySpec,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_default")]
    pub status: PlacementPolicyStatus,
}

/// Placement of the groups of all namespaces, or of those that are selected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterPlacementPolicy {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PlacementPolicySpec,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_default")]
    pub status: PlacementPolicyStatus,
}

/// What a policy says. What it leaves out stays as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementPolicySpec {
    /// The pods.
    #[serde(deserialize_with = "null_as_default")]
    pub selector: LabelSelector,
    /// Their namespaces, for a ClusterPlacementPolicy; without it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_default")]
    pub keys: PolicyKeys,
    /// Where a pod's role can be read once it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleLabel>,
    /// `none`, `ordinal0` or `label`: who will be the primary before any pod runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_primary: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_primary_label: Option<LabelValue>,
    /// The members that vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_size: Option<u32>,
    /// The levels to spread over. They are given up from the first to the last, except for those
    /// that are required.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primaries: Option<Primaries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scatter_width: Option<u32>,
}

/// The labels of the pods that say what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub part: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<Str>,
}

/// The label with a pod's role, and the values that make it a primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleLabel {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub primary: Vec<Str>,
}

/// A label with one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelValue {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub value: Str,
}

/// How to spread at one level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LevelRule {
    /// The label of the nodes, or the name of a declared kind of domain.
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub mode: Mode,
}

/// What happens where a level cannot be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Mode {
    /// The member waits.
    Required,
    /// The member goes where the narrower levels are kept, and the group is reported as degraded.
    #[default]
    Preferred,
}

/// What becomes of predicted primaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Primaries {
    /// They are spread over hosts and domains.
    #[default]
    Balance,
    /// They are placed as any other member.
    Ignore,
}

/// What became of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementPolicyStatus {
    /// The generation of the spec that this is about.
    #[serde(deserialize_with = "null_as_default")]
    pub observed_generation: i64,
    /// The groups that the policy is about.
    #[serde(deserialize_with = "null_as_default")]
    pub groups: u32,
    /// Their members that stand on nodes.
    #[serde(deserialize_with = "null_as_default")]
    pub members: u32,
    /// The groups whose quorum survives the loss of any one domain.
    #[serde(deserialize_with = "null_as_default")]
    pub tolerant: u32,
    /// The groups whose quorum the loss of one domain takes.
    #[serde(deserialize_with = "null_as_default")]
    pub at_risk: u32,
    /// The levels that were given up, because no placement can keep them.
    #[serde(deserialize_with = "null_as_default")]
    pub degraded: Vec<DegradedLevel>,
    /// The groups at the greatest risk, the worst first.
    #[serde(deserialize_with = "null_as_default")]
    pub worst: Vec<WorstGroup>,
    #[serde(deserialize_with = "null_as_default")]
    pub conditions: Vec<PolicyCondition>,
}

/// A level that was given up for one group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DegradedLevel {
    #[serde(deserialize_with = "null_as_default")]
    pub group: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub level: Str,
}

/// A group whose quorum hangs on single domains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorstGroup {
    #[serde(deserialize_with = "null_as_default")]
    pub group: Str,
    /// How many voters there are to be.
    #[serde(deserialize_with = "null_as_default")]
    pub size: u32,
    /// How many of them may be gone.
    #[serde(deserialize_with = "null_as_default")]
    pub tolerance: u32,
    /// The level of the domains, such as `topology.kubernetes.io/zone`.
    #[serde(deserialize_with = "null_as_default")]
    pub level: Str,
    /// The domains that take the quorum, each written with those that it lies in.
    #[serde(deserialize_with = "null_as_default")]
    pub lost_by: Vec<Str>,
}

/// A condition as all Kubernetes objects have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyCondition {
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    pub type_: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub status: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub reason: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub message: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub observed_generation: i64,
    #[serde(deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<jiff::Timestamp>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Object for PlacementPolicy {
    const KIND: &'static str = "PlacementPolicy";
    const GROUP: &'static str = "quorate.dev";
    const NAMESPACED: bool = true;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Object for ClusterPlacementPolicy {
    const KIND: &'static str = "ClusterPlacementPolicy";
    const GROUP: &'static str = "quorate.dev";
    const NAMESPACED: bool = false;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
