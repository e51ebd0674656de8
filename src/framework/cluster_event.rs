//! What may make a waiting pod schedulable.

use crate::snapshot::{NodeInfo, PodInfo};

/// A change of the cluster, as seen by pods that wait.
#[derive(Clone, Copy, Debug)]
pub enum ClusterEvent<'a> {
    NodeAdded(&'a NodeInfo),
    NodeUpdated {
        old: &'a NodeInfo,
        new: &'a NodeInfo,
    },
    NodeRemoved(&'a NodeInfo),
    /// A pod stands on a node that did not before.
    PodPlaced(&'a PodInfo),
    /// A pod that stands on a node has changed.
    PodUpdated {
        old: &'a PodInfo,
        new: &'a PodInfo,
    },
    /// A pod stands on its node no longer.
    PodRemoved(&'a PodInfo),
    /// The waiting pod itself has changed.
    WaitingPodUpdated {
        old: &'a PodInfo,
        new: &'a PodInfo,
    },
    /// A namespace came, went or changed its labels.
    NamespaceChanged,
    /// A node is used again that got no pods for a while.
    NodeRested,
    /// A Service or a controller of pods came, went or changed.
    OwnerChanged,
}

/// Whether to try a pod again after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The event may help.
    Queue,
    /// The event cannot help.
    Skip,
}

impl Hint {
    pub fn queue_if(may_help: bool) -> Self {
        if may_help { Self::Queue } else { Self::Skip }
    }
}

impl ClusterEvent<'_> {
    /// The event's name in metrics, as kube-scheduler calls it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NodeAdded(_) => "NodeAdd",
            Self::NodeUpdated { .. } => "NodeUpdate",
            Self::NodeRemoved(_) => "NodeDelete",
            Self::PodPlaced(_) => "AssignedPodAdd",
            Self::PodUpdated { .. } => "AssignedPodUpdate",
            Self::PodRemoved(_) => "AssignedPodDelete",
            Self::WaitingPodUpdated { .. } => "TargetPodUpdate",
            Self::NamespaceChanged => "NamespaceUpdate",
            Self::NodeRested => "NodeRested",
            Self::OwnerChanged => "ServiceUpdate",
        }
    }
}
