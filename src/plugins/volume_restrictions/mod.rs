//! VolumeRestrictions: pods do not share what only one of them can use.

#[cfg(test)]
mod tests;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, StorageEvent, decode_args,
};
use crate::model::PodKey;
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "VolumeRestrictions";

const REASON_DISK: &str = "node(s) had no available disk";
const REASON_IN_USE: &str = "node(s) unavailable due to PersistentVolumeClaim with \
                             ReadWriteOncePod access mode already in-use by another pod";
/// The access mode of a claim that one pod alone may use.
const ONE_POD: &str = "ReadWriteOncePod";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps pods from disks and claims that another pod has for itself",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(VolumeRestrictions))
    },
};

#[derive(Debug)]
pub struct VolumeRestrictions;

struct RestrictionFilter {
    /// The nodes on which a disk of the pod is taken.
    taken: NodeSet,
    /// Another pod uses a claim that one pod alone may use.
    in_use: bool,
}

impl SetPlugin for VolumeRestrictions {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let mut in_use = false;
        for name in pod.named_claims() {
            let key = PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
            let Some(claim) = view.volumes().claim(&key) else {
                let reason = format!("persistentvolumeclaim {name:?} not found");
                return Prepared::Reject(Status::unresolvable(reason));
            };
            let one_pod = claim.access_modes.iter().any(|mode| &**mode == ONE_POD);
            in_use |= one_pod && view.claim_users(&key) > 0;
        }
        let mut disks = pod.disks().peekable();
        if !in_use && disks.peek().is_none() {
            return Prepared::Skip;
        }
        let taken: NodeSet = disks.flat_map(|disk| view.disk_conflicts(disk)).collect();
        let filter = Box::new(RestrictionFilter { taken, in_use });
        Prepared::Ready(ReadyFilter { filter, narrowed: None })
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::PodRemoved(gone) => {
                let frees_disk =
                    pod.disks().any(|disk| gone.disks().any(|freed| freed.conflicts_with(disk)));
                let frees_claim = || {
                    pod.named_claims().any(|name| gone.named_claims().any(|freed| freed == name))
                };
                // Disks are known by the same names in all namespaces.
                frees_disk || gone.key.namespace == pod.key.namespace && frees_claim()
            }
            ClusterEvent::Storage(StorageEvent::Claim(change)) => {
                let key = &change.new.key;
                change.is_new()
                    && key.namespace == pod.key.namespace
                    && pod.named_claims().any(|name| *name == key.name)
            }
            _ => false,
        })
    }
}

impl Filter for RestrictionFilter {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let taken = |node: &NodeIndex| self.taken.contains(*node);
        refusals.refuse_all(nodes.iter().filter(taken), Status::unschedulable(REASON_DISK));
        if self.in_use {
            let others = nodes.iter().filter(|node| !taken(node));
            refusals.refuse_all(others, Status::unschedulable(REASON_IN_USE));
        }
    }
}
