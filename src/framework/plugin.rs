//! The extension points: what a plugin may implement.
//!
//! There are two doors. [`SetPlugin`] is the one for speed: it narrows a set of nodes and fills a
//! column of scores. [`NodePlugin`](super::NodePlugin) is the one for everybody: it thinks of
//! one node at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cluster_event::{ClusterEvent, Hint};
use super::refusals::Refusals;
use super::status::Status;
use crate::model::{Instant, PodKey, Str};
use crate::snapshot::{ClaimDecision, NodeIndex, NodeSet, PodInfo, Snapshot, View};

/// What comes of preparing a stage for one pod.
pub enum Prepared<T> {
    /// The stage has nothing to say about this pod: it refuses no node and adds no score.
    Skip,
    /// The pod cannot be placed, whatever the node. With `Code::Error` the cycle fails.
    Reject(Status),
    Ready(T),
}

/// A filter that is ready to look at nodes, and the only nodes that can pass it, if it knows them.
pub struct ReadyFilter<'a> {
    pub filter: Box<dyn Filter + 'a>,
    pub narrowed: Option<BTreeSet<Str>>,
}

/// Filters and scores, for sets of nodes. A plugin implements one of them or both.
pub trait SetPlugin: Send + Sync {
    /// Gets ready to filter for this pod (upstream's PreFilter).
    fn prepare_filter<'a>(
        &'a self,
        _pod: &'a PodInfo,
        _view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        Prepared::Skip
    }

    /// Gets ready to score these nodes, which have passed all filters (upstream's PreScore).
    fn prepare_score<'a>(
        &'a self,
        _pod: &'a PodInfo,
        _view: &'a View<'a>,
        _nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        Prepared::Skip
    }

    /// Whether an event may make this pod, which the plugin has refused, schedulable.
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> Hint {
        Hint::Queue
    }
}

/// One filter for one pod.
pub trait Filter {
    /// Refuses those of the nodes that the pod cannot run on.
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals);
}

/// One score for one pod, over the nodes that were named when it was prepared.
pub trait Score {
    /// Fills one raw score a node; `scores` starts as zeros.
    fn score(&self, scores: &mut [i64]);

    /// Turns raw scores into scores from 0 to [`SCORE_MAX`].
    fn normalize(&self, _scores: &mut [i64]) {}

    /// What all nodes get in the end, where it is the same for all and known beforehand.
    fn same_for_all(&self) -> Option<i64> {
        None
    }
}

/// The best score a node can have from one plugin, before its weight.
pub const SCORE_MAX: i64 = 100;

/// Keeps pods out of the queue until something about them changes.
pub trait PreEnqueuePlugin: Send + Sync {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status;
}

/// Orders the pods that wait to be scheduled.
pub trait QueueSortPlugin: Send + Sync {
    /// The sort key of a pod that entered the queue at `since`; the smallest is next.
    fn key(&self, pod: &PodInfo, since: Instant) -> (i64, u64);
}

/// Decides, together with the node, what becomes of a pod's claims.
pub trait ReservePlugin: Send + Sync {
    /// What has to be done for the claims of a pod that goes to this node. Nothing is done yet:
    /// the decisions are assumed with the pod, and [`PreBindPlugin`] sees them through.
    fn reserve(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        node: NodeIndex,
    ) -> Result<Vec<ClaimDecision>, Status>;
}

/// Sees what was reserved through before a pod is bound. It is asked again and again, and answers
/// from the objects as they are now, so that it does not matter who wrote what and when.
pub trait PreBindPlugin: Send + Sync {
    /// What to do next for a pod that was decided to go to `node` and has waited for so long.
    fn pre_bind(
        &self,
        pod: &PodInfo,
        node: &Str,
        decisions: &[ClaimDecision],
        snapshot: &Snapshot,
        waited: Duration,
    ) -> Progress;
}

/// How far the preparations of a binding are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The pod may be bound.
    Done,
    /// Write this, then ask again. A write that the watch does not show yet is asked for once
    /// more; its precondition makes sure that nothing happens twice.
    Do(Vec<Write>),
    /// Somebody else has to act. Ask again when a claim or a volume changes, at the latest then.
    Wait(Duration),
    /// It came to nothing: the pod has to be decided anew.
    Fail(Status),
}

/// A change of an object, valid for exactly one version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    /// Sets `spec.claimRef` of a volume.
    BindVolume {
        volume: Str,
        uid: Str,
        resource_version: Str,
        claim: PodKey,
        claim_uid: Str,
        /// The annotation `pv.kubernetes.io/bound-by-controller: "yes"` goes with it, unless a
        /// person had set the volume aside for the claim before.
        by_controller: bool,
    },
    /// Sets the annotation `volume.kubernetes.io/selected-node` of a claim.
    SelectNode { claim: PodKey, uid: Str, resource_version: Str, node: Str },
}

/// Decides what is written when a pod is bound.
pub trait BindPlugin: Send + Sync {
    fn binding(&self, pod: &PodInfo, node: &Str) -> Binding;
}

/// What a binding says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub uid: Str,
    pub resource_version: Str,
    pub node: Str,
}
