//! What may make a waiting pod schedulable.

use std::sync::Arc;

use crate::snapshot::volumes::{
    AttachmentInfo, CapacityInfo, ClaimInfo, ClassInfo, DriverInfo, NodeDrivers, VolumeInfo,
};
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
    /// A policy came, went or changed, and with it replica groups.
    PolicyChanged,
    /// Something about claims, volumes and drivers.
    Storage(StorageEvent<'a>),
}

/// A change of storage. `old` is missing where the object is new.
#[derive(Clone, Copy, Debug)]
pub enum StorageEvent<'a> {
    Claim(Change<'a, ClaimInfo>),
    Volume(Change<'a, VolumeInfo>),
    Class(Change<'a, ClassInfo>),
    Driver(Change<'a, DriverInfo>),
    /// What the drivers of a node say.
    NodeDrivers(Change<'a, NodeDrivers>),
    Capacity(Change<'a, CapacityInfo>),
    /// A volume is attached to its node no longer.
    Detached(&'a AttachmentInfo),
}

/// An object that came or changed.
#[derive(Debug)]
pub struct Change<'a, T> {
    pub old: Option<&'a T>,
    pub new: &'a T,
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
            Self::PolicyChanged => "quorate.dev/PlacementPolicyUpdate",
            Self::Storage(event) => event.label(),
        }
    }
}

impl StorageEvent<'_> {
    fn label(&self) -> &'static str {
        match self {
            Self::Claim(change) if change.is_new() => "PersistentVolumeClaimAdd",
            Self::Claim(_) => "PersistentVolumeClaimUpdate",
            Self::Volume(change) if change.is_new() => "PersistentVolumeAdd",
            Self::Volume(_) => "PersistentVolumeUpdate",
            Self::Class(change) if change.is_new() => "storage.k8s.io/StorageClassAdd",
            Self::Class(_) => "storage.k8s.io/StorageClassUpdate",
            Self::Driver(change) if change.is_new() => "storage.k8s.io/CSIDriverAdd",
            Self::Driver(_) => "storage.k8s.io/CSIDriverUpdate",
            Self::NodeDrivers(change) if change.is_new() => "storage.k8s.io/CSINodeAdd",
            Self::NodeDrivers(_) => "storage.k8s.io/CSINodeUpdate",
            Self::Capacity(change) if change.is_new() => "storage.k8s.io/CSIStorageCapacityAdd",
            Self::Capacity(_) => "storage.k8s.io/CSIStorageCapacityUpdate",
            Self::Detached(_) => "storage.k8s.io/VolumeAttachmentDelete",
        }
    }
}

impl<'a, T> Change<'a, T> {
    pub fn new(old: Option<&'a Arc<T>>, new: &'a T) -> Self {
        Self { old: old.map(|old| &**old), new }
    }

    pub fn is_new(&self) -> bool {
        self.old.is_none()
    }
}

impl<T> Clone for Change<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Change<'_, T> {}
