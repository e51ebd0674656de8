//! What may help a pod whose claims have refused nodes.

use super::claims;
use crate::framework::{ClusterEvent, StorageEvent};
use crate::snapshot::PodInfo;

pub(super) fn may_help(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    match event {
        ClusterEvent::NodeAdded(_) => true,
        ClusterEvent::NodeUpdated { old, new } => old.labels != new.labels,
        // A sibling to which a node was left is on its way, or gone.
        ClusterEvent::PodPlaced(other) | ClusterEvent::PodRemoved(other) => {
            pod.owner.is_some()
                && other.owner.as_ref().map(|o| &o.uid) == pod.owner.as_ref().map(|o| &o.uid)
        }
        ClusterEvent::Storage(event) => storage_may_help(pod, event),
        _ => false,
    }
}

fn storage_may_help(pod: &PodInfo, event: &StorageEvent<'_>) -> bool {
    match event {
        StorageEvent::Claim(change) => claims::names(pod).contains(&change.new.key),
        StorageEvent::Volume(_) => true,
        StorageEvent::Class(change) => {
            change.old.is_none_or(|old| old.topologies != change.new.topologies)
        }
        StorageEvent::Driver(change) => {
            // The driver stops to say how much room it has, so that there may be some.
            change.old.is_some_and(|old| old.storage_capacity) && !change.new.storage_capacity
        }
        StorageEvent::NodeDrivers(change) => {
            change.old.is_none_or(|old| old.migrated != change.new.migrated)
        }
        StorageEvent::Capacity(change) => {
            change.old.is_none_or(|old| change.new.limit() > old.limit())
        }
        StorageEvent::Detached(_) => false,
    }
}
