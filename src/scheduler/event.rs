//! What the scheduler is told: changes of watched objects and answers to effects.

use serde::{Deserialize, Serialize};

use super::effect::{EffectId, Outcome};
use crate::api;
use crate::lease::Term;
pub use crate::watch::{Audit, Change};

/// Something that happened outside the core.
///
/// The order of events of one kind is the order of the API server. A relist reaches the core as the
/// upserts and deletes that lead from the last known state to the listed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Pod(Change<api::Pod>),
    Node(Change<api::Node>),
    Namespace(Change<api::Namespace>),
    Service(Change<api::Service>),
    ReplicationController(Change<api::ReplicationController>),
    ReplicaSet(Change<api::ReplicaSet>),
    StatefulSet(Change<api::StatefulSet>),
    PersistentVolumeClaim(Change<api::PersistentVolumeClaim>),
    PersistentVolume(Change<api::PersistentVolume>),
    StorageClass(Change<api::StorageClass>),
    CsiDriver(Change<api::CsiDriver>),
    CsiNode(Change<api::CsiNode>),
    CsiStorageCapacity(Change<api::CsiStorageCapacity>),
    VolumeAttachment(Change<api::VolumeAttachment>),
    /// A consistent list to compare the cache with.
    PodAudit(Audit<api::Pod>),
    NodeAudit(Audit<api::Node>),
    PlacementPolicy(Change<api::PlacementPolicy>),
    ClusterPlacementPolicy(Change<api::ClusterPlacementPolicy>),
    /// Every kind has been listed once. Nothing is decided before this.
    Synced,
    /// The lease is ours for this term, won or renewed; none while it is not. A shell that elects
    /// no leader never tells this, and the scheduler takes itself for the only one.
    Lease(Option<Term>),
    Reply(Reply),
}

/// The answer to one effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: EffectId,
    pub outcome: Outcome,
    /// The pod that the answer carried: of a GET, or of a status patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Box<api::Pod>>,
}
