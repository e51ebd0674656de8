//! What is known about the daemon's own state: which kinds are synced, how old the picture is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics;
use crate::model::Instant;
use crate::watch::SILENCE_MAX;

/// The owner of the core turns at least this often while it is well.
pub(super) const TURN_MAX: Duration = Duration::from_secs(10);
/// After so long without a turn it is taken for stuck.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pods,
    Nodes,
    Namespaces,
    Services,
    ReplicationControllers,
    ReplicaSets,
    StatefulSets,
    PersistentVolumeClaims,
    PersistentVolumes,
    StorageClasses,
    CsiDrivers,
    CsiNodes,
    CsiStorageCapacities,
    VolumeAttachments,
    PlacementPolicies,
    ClusterPlacementPolicies,
}

/// Written by the watches and by the owner, read by the endpoints.
#[derive(Debug, Default)]
pub(super) struct Health {
    feeds: [Feed; Kind::ALL.len()],
    turned: AtomicU64,
}

/// One kind's watch.
#[derive(Debug, Default)]
struct Feed {
    synced: AtomicBool,
    /// When its picture was last known to be current.
    heard: AtomicU64,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::Pods,
        Self::Nodes,
        Self::Namespaces,
        Self::Services,
        Self::ReplicationControllers,
        Self::ReplicaSets,
        Self::StatefulSets,
        Self::PersistentVolumeClaims,
        Self::PersistentVolumes,
        Self::StorageClasses,
        Self::CsiDrivers,
        Self::CsiNodes,
        Self::CsiStorageCapacities,
        Self::VolumeAttachments,
        Self::PlacementPolicies,
        Self::ClusterPlacementPolicies,
    ];

    /// The plural name, as in URLs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
            Self::Namespaces => "namespaces",
            Self::Services => "services",
            Self::ReplicationControllers => "replicationcontrollers",
            Self::ReplicaSets => "replicasets",
            Self::StatefulSets => "statefulsets",
            Self::PersistentVolumeClaims => "persistentvolumeclaims",
            Self::PersistentVolumes => "persistentvolumes",
            Self::StorageClasses => "storageclasses",
            Self::CsiDrivers => "csidrivers",
            Self::CsiNodes => "csinodes",
            Self::CsiStorageCapacities => "csistoragecapacities",
            Self::VolumeAttachments => "volumeattachments",
            Self::PlacementPolicies => "placementpolicies",
            Self::ClusterPlacementPolicies => "clusterplacementpolicies",
        }
    }
}

impl Health {
    /// A kind was heard of.
    pub(super) fn heard(&self, kind: Kind, at: Instant) {
        self.feed(kind).heard.store(at.0, Ordering::Relaxed);
    }

    pub(super) fn synced(&self, kind: Kind) {
        self.feed(kind).synced.store(true, Ordering::Relaxed);
    }

    pub(super) fn all_synced(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.is_synced(*kind))
    }

    /// The owner of the core turned.
    pub(super) fn turned(&self, at: Instant) {
        self.turned.store(at.0, Ordering::Relaxed);
    }

    pub(super) fn is_alive(&self, now: Instant) -> bool {
        now.since(Instant(self.turned.load(Ordering::Relaxed))) < STUCK_AFTER
    }

    /// Whether pods and nodes are seen as they are, so that decisions are sound.
    pub(super) fn may_bind(&self, now: Instant) -> bool {
        !self.is_stale(Kind::Pods, now) && !self.is_stale(Kind::Nodes, now)
    }

    /// Why the daemon is not ready: the kinds that are not synced or were not heard of for long.
    pub(super) fn complaints(&self, now: Instant) -> Vec<String> {
        let complaint = |kind: Kind| {
            if !self.is_synced(kind) {
                Some(format!("{} are not synced", kind.name()))
            } else if self.is_stale(kind, now) {
                Some(format!("{} were not heard of for long", kind.name()))
            } else {
                None
            }
        };
        Kind::ALL.into_iter().filter_map(complaint).collect()
    }

    /// Writes the ages of all pictures to the metrics.
    pub(super) fn report(&self, now: Instant) {
        for kind in Kind::ALL.into_iter().filter(|kind| self.is_synced(*kind)) {
            metrics::watch_staleness(kind.name(), now.since(self.last(kind)));
        }
    }

    fn is_synced(&self, kind: Kind) -> bool {
        self.feed(kind).synced.load(Ordering::Relaxed)
    }

    fn is_stale(&self, kind: Kind, now: Instant) -> bool {
        now.since(self.last(kind)) > SILENCE_MAX
    }

    fn last(&self, kind: Kind) -> Instant {
        Instant(self.feed(kind).heard.load(Ordering::Relaxed))
    }

    fn feed(&self, kind: Kind) -> &Feed {
        &self.feeds[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Instant {
        Instant(n * 1_000_000_000)
    }

    #[test]
    fn ready_means_that_every_kind_is_synced_and_fresh() {
        let health = Health::default();
        assert_eq!(health.complaints(second(1)).len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(!health.all_synced());
            health.synced(kind);
            health.heard(kind, second(5));
        }
        assert!(health.all_synced());
        assert_eq!(health.complaints(second(95)), [""; 0]);
        health.heard(Kind::Pods, second(50));
        health.heard(Kind::Nodes, second(50));
        let complaints = health.complaints(second(96));
        assert_eq!(complaints.len(), Kind::ALL.len() - 2);
        assert_eq!(complaints[0], "namespaces were not heard of for long");
        assert!(health.may_bind(second(96)), "pods and nodes are fresh");
        assert!(!health.may_bind(second(141)));
    }

    #[test]
    fn alive_means_that_the_owner_turns() {
        let health = Health::default();
        health.turned(second(10));
        assert!(health.is_alive(second(129)));
        assert!(!health.is_alive(second(130)));
    }
}
