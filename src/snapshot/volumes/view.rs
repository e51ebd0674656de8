//! Storage as a decision sees it: with what has been decided for other pods, and without what has
//! been decided for pods that are supposed to be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    CapacityInfo, ClaimDecision, ClaimInfo, Exclusive, NodeAttached, PodVolume, Resolver, VolumeId,
    VolumeInfo, Volumes, has_volume,
};
use crate::model::{PodKey, Str};
use crate::snapshot::{NodeIndex, PodInfo, View};

/// Storage, seen through an overlay.
#[derive(Clone, Copy, Debug)]
pub struct VolumesView<'a> {
    volumes: &'a Volumes,
    /// Pods whose decisions do not count.
    removed: &'a BTreeSet<Str>,
    /// Decisions of pods that are supposed to be on their way.
    added: &'a BTreeMap<Str, Vec<ClaimDecision>>,
}

impl<'a> VolumesView<'a> {
    pub(crate) fn new(
        volumes: &'a Volumes,
        removed: &'a BTreeSet<Str>,
        added: &'a BTreeMap<Str, Vec<ClaimDecision>>,
    ) -> Self {
        Self { volumes, removed, added }
    }

    /// Storage without what only this view supposes.
    pub fn shown(&self) -> &'a Volumes {
        self.volumes
    }

    pub fn claim(&self, key: &PodKey) -> Option<&'a Arc<ClaimInfo>> {
        self.volumes.claim(key)
    }

    /// The node for which the volume of a claim is made, or is to be made.
    pub fn selected_node(&self, claim: &'a ClaimInfo) -> Option<&'a Str> {
        let decided = self.decided(&claim.key).find_map(|decision| match decision {
            ClaimDecision::Provision { node, .. } => Some(node),
            ClaimDecision::Bind { .. } => None,
        });
        decided.or(claim.selected_node.as_ref())
    }

    /// The volumes that are set aside for a claim: by the API server, or by a decision.
    pub fn set_aside_for(&self, claim: &'a ClaimInfo) -> BTreeMap<&'a Str, &'a Arc<VolumeInfo>> {
        let shown = self.volumes.claimed.get(&claim.key).into_iter().flatten();
        let decided = self.decided(&claim.key).filter_map(|decision| match decision {
            ClaimDecision::Bind { volume, .. } => Some(volume),
            ClaimDecision::Provision { .. } => None,
        });
        let found =
            shown.chain(decided).filter_map(|name| self.volumes.volumes.get_key_value(name));
        let free = |volume: &VolumeInfo| volume.claim.is_none() || volume.is_for(claim);
        found.filter(|(_, volume)| free(volume)).collect()
    }

    /// The volumes of the claim's class that nobody has and that are large enough, from small to
    /// large.
    pub fn available(&self, claim: &ClaimInfo) -> impl Iterator<Item = &'a Arc<VolumeInfo>> {
        let least = (claim.size.clone().unwrap_or_default(), Str::default());
        let of_class = self.volumes.available.get(&claim.class).into_iter();
        let view = *self;
        of_class
            .flat_map(move |volumes| volumes.range(least.clone()..))
            .map(|(_, volume)| volume)
            .filter(move |volume| !view.is_taken(volume))
    }

    /// The room for volumes of a class, by name.
    pub fn capacities(&self, class: &str) -> impl Iterator<Item = &'a Arc<CapacityInfo>> {
        self.volumes.capacities.get(class).into_iter().flat_map(BTreeMap::values)
    }

    /// How much of the room is taken by volumes that are decided and that it does not know of, in
    /// bytes.
    pub fn taken(&self, capacity: &CapacityInfo) -> i64 {
        let volumes = self.volumes;
        let taken = volumes.assumed.taken(
            &capacity.key,
            &capacity.resource_version,
            |pod| !self.removed.contains(pod),
            |claim| has_volume(&volumes.claims, claim),
        );
        let added = self.added.values().flatten().filter_map(|decision| match decision {
            ClaimDecision::Provision { capacity: Some(key), size, .. } if *key == capacity.key => {
                Some(*size)
            }
            _ => None,
        });
        added.fold(taken, i64::saturating_add)
    }

    /// The volumes of a node.
    pub fn attached(&self, node: &str) -> Option<&'a NodeAttached> {
        self.volumes.attached.node(node)
    }

    /// The volume of a driver that a claim counts as.
    pub fn volume_id(&self, claim: &PodKey) -> Option<VolumeId> {
        let Volumes { claims, volumes, classes, .. } = self.volumes;
        Resolver { claims, volumes, classes }.volume_id(claim)
    }

    /// What has been decided on a claim.
    fn decided(&self, claim: &'a PodKey) -> impl Iterator<Item = &'a ClaimDecision> {
        let (removed, added) = (self.removed, self.added);
        let assumed = self.volumes.assumed.of_claim(claim);
        let assumed = assumed.filter(|(pod, _)| !removed.contains(*pod)).map(|(_, one)| one);
        assumed.chain(added.values().flatten().filter(move |one| one.claim() == claim))
    }

    /// Whether it has been decided who gets the volume.
    fn is_taken(&self, volume: &VolumeInfo) -> bool {
        let mut assumed = self.volumes.assumed.of_volume(&volume.name);
        assumed.any(|(pod, _)| !self.removed.contains(pod))
            || self.added.values().flatten().any(|decision| match decision {
                ClaimDecision::Bind { volume: taken, .. } => *taken == volume.name,
                ClaimDecision::Provision { .. } => false,
            })
    }
}

impl View<'_> {
    /// By how many pods on nodes a claim is used. Claims that are made for one pod do not count.
    pub fn claim_users(&self, claim: &PodKey) -> i64 {
        let placed = i64::from(self.snapshot().volumes.attached.users(claim));
        let changes = self.changes().map(|(pod, _, comes)| {
            let uses = pod.key.namespace == claim.namespace
                && pod.named_claims().any(|name| *name == claim.name);
            i64::from(uses) * if comes { 1 } else { -1 }
        });
        placed + changes.sum::<i64>()
    }

    /// The nodes on which a disk meets another that cannot be there with it.
    pub fn disk_conflicts(&self, disk: &Exclusive) -> Vec<NodeIndex> {
        let placed = &self.snapshot().volumes.disks;
        let mut found: Vec<(NodeIndex, &Exclusive)> = placed.conflicts(disk).collect();
        for (pod, node, comes) in self.changes() {
            for other in pod.disks().filter(|other| disk.conflicts_with(other)) {
                if comes {
                    found.push((node, other));
                } else if let Some(at) = found.iter().position(|one| *one == (node, other)) {
                    found.swap_remove(at);
                }
            }
        }
        found.into_iter().map(|(node, _)| node).collect()
    }

    /// The volumes that drivers count for a pod that is on a node, or would be.
    pub fn volume_ids(&self, pod: &PodInfo) -> BTreeSet<VolumeId> {
        let volumes = self.volumes();
        let ids = pod.volumes.iter().filter_map(|volume| match volume {
            PodVolume::Claim(name) | PodVolume::Ephemeral(name) => {
                let namespace = pod.key.namespace.clone();
                volumes.volume_id(&PodKey { namespace, name: name.clone() })
            }
            PodVolume::Disk(disk) => disk.in_tree.as_ref().and_then(VolumeId::of_in_tree),
        });
        ids.collect()
    }
}
