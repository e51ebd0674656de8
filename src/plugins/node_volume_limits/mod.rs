//! NodeVolumeLimits: a node takes no more volumes of a driver than the driver says.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Base, Point};
use crate::framework::{
    Change, ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration,
    SetPlugin, Status, StorageEvent, decode_args,
};
use crate::model::{PodKey, Str};
use crate::snapshot::volumes::{NodeDrivers, VolumeId};
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, PodVolume, View};

pub const NAME: &str = "NodeVolumeLimits";

const REASON: &str = "node(s) exceed max volume count";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes that have as many volumes of a driver as it can attach there",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(NodeVolumeLimits))
    },
};

#[derive(Debug)]
pub struct NodeVolumeLimits;

struct LimitFilter<'a> {
    view: &'a View<'a>,
    /// What is refused whatever the node: the pod's volumes cannot be counted.
    uncountable: Option<Status>,
    /// The pod's volumes.
    volumes: BTreeSet<VolumeId>,
    /// Drivers of which the pod keeps off nodes that do not have them.
    demanded: BTreeSet<Str>,
    /// What comes and goes in this view: by how many pods of a node more a volume is used.
    changes: BTreeMap<NodeIndex, BTreeMap<VolumeId, i64>>,
}

impl SetPlugin for NodeVolumeLimits {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        if !pod.volumes.iter().any(counts) {
            return Prepared::Skip;
        }
        let volumes = view.volume_ids(pod);
        let drivers = volumes.iter().map(|volume| &volume.driver);
        let demanded = drivers.filter(|driver| {
            let info = view.volumes().shown().driver(driver);
            info.is_some_and(|info| info.prevent_pods_if_missing)
        });
        let mut changes: BTreeMap<NodeIndex, BTreeMap<VolumeId, i64>> = BTreeMap::new();
        for (other, node, comes) in view.changes() {
            for volume in view.volume_ids(other) {
                let on_node = changes.entry(node).or_default();
                *on_node.entry(volume).or_default() += if comes { 1 } else { -1 };
            }
        }
        let filter = Box::new(LimitFilter {
            view,
            uncountable: uncountable(pod, view),
            demanded: demanded.cloned().collect(),
            volumes,
            changes,
        });
        Prepared::Ready(ReadyFilter { filter, narrowed: None })
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::PodRemoved(gone) => gone.volumes.iter().any(counts),
            ClusterEvent::Storage(StorageEvent::NodeDrivers(change)) => takes_more(change),
            ClusterEvent::Storage(StorageEvent::Claim(change)) => {
                let key = &change.new.key;
                let mut names = pod.volumes.iter().filter_map(PodVolume::claim);
                change.is_new()
                    && key.namespace == pod.key.namespace
                    && names.any(|(name, _)| *name == key.name)
            }
            ClusterEvent::Storage(StorageEvent::Detached(_)) => true,
            _ => false,
        })
    }
}

impl Filter for LimitFilter<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        if let Some(status) = &self.uncountable {
            refusals.refuse_set(nodes, status.clone());
            return;
        }
        let full = refusals.status(Status::unschedulable(REASON));
        for node in nodes.iter() {
            let name = self.view.nodes().name(node);
            let drivers = self.view.volumes().shown().node(name).map(|drivers| &**drivers);
            let missing = self.demanded.iter().find(|driver| {
                self.counted(drivers).any(|volume| volume.driver == **driver)
                    && drivers.is_none_or(|drivers| !drivers.drivers.contains_key(*driver))
            });
            if let Some(driver) = missing {
                let reason = format!("{driver} CSI driver is not installed on the node");
                let status = refusals.status(Status::unschedulable(reason));
                refusals.refuse(node, status);
            } else if drivers.is_some_and(|drivers| self.exceeds(node, drivers)) {
                refusals.refuse(node, full);
            }
        }
    }
}

impl LimitFilter<'_> {
    /// The pod's volumes that count on a node. Kinds of volumes that drivers have taken over count
    /// where drivers tell of themselves.
    fn counted(&self, drivers: Option<&NodeDrivers>) -> impl Iterator<Item = &VolumeId> {
        let told = drivers.is_some();
        self.volumes.iter().filter(move |volume| told || !volume.in_tree)
    }

    /// Whether a driver would have more volumes on the node than it takes there.
    fn exceeds(&self, node: NodeIndex, drivers: &NodeDrivers) -> bool {
        let attached = self.view.volumes().attached(&drivers.name);
        let changes = self.changes.get(&node);
        let changed = |volume: &VolumeId| changes.and_then(|all| all.get(volume)).copied();
        let users = |volume: &VolumeId| {
            let pods = attached.map_or(0, |attached| i64::from(attached.pods(volume)));
            pods + changed(volume).unwrap_or(0)
        };
        drivers.drivers.iter().filter_map(|(driver, limit)| Some((driver, (*limit)?))).any(
            |(driver, limit)| {
                // A volume that is attached and that no pod uses yet counts twice, as upstream
                // has it: once as attached and once as new.
                let of_driver = |volume: &&VolumeId| volume.driver == *driver;
                let new = self.counted(Some(drivers)).filter(of_driver);
                let new = new.filter(|volume| users(volume) <= 0).count();
                if new == 0 {
                    return false;
                }
                let placed = attached.map_or(0, |attached| attached.len(driver));
                let is_there = |volume: &VolumeId, users: i64| {
                    users > 0 || attached.is_some_and(|attached| attached.is_attached(volume))
                };
                let change: i64 = changes
                    .into_iter()
                    .flatten()
                    .filter(|(volume, _)| volume.driver == *driver)
                    .map(|(volume, by)| {
                        let after = users(volume);
                        i64::from(is_there(volume, after)) - i64::from(is_there(volume, after - by))
                    })
                    .sum();
                count(placed) + change + count(new) > i64::from(limit)
            },
        )
    }
}

/// Whether the volume may count as one of a driver.
fn counts(volume: &PodVolume) -> bool {
    match volume {
        PodVolume::Claim(_) | PodVolume::Ephemeral(_) => true,
        PodVolume::Disk(disk) => disk.in_tree.is_some(),
    }
}

/// Why a pod's volumes cannot be counted.
fn uncountable(pod: &PodInfo, view: &View<'_>) -> Option<Status> {
    pod.volumes.iter().find_map(|volume| {
        let Some((name, ephemeral)) = volume.claim() else {
            let PodVolume::Disk(disk) = volume else { return None };
            let untold = disk.in_tree.as_ref().is_some_and(|in_tree| in_tree.handle.is_none());
            return untold.then(|| Status::error("converting a volume from inline to csi"));
        };
        if name.is_empty() {
            return Some(Status::error("PersistentVolumeClaim had no name"));
        }
        let key = PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
        let Some(claim) = view.volumes().claim(&key) else {
            return Some(Status::unresolvable(format!(
                "looking up PVC {key}: persistentvolumeclaim {name:?} not found"
            )));
        };
        let foreign = ephemeral && claim.controller != pod.uid;
        foreign.then(|| Status::error(claim.not_of(pod)))
    })
}

/// Whether a node takes more volumes of some driver than before, or was not known of.
fn takes_more(change: &Change<'_, NodeDrivers>) -> bool {
    let Some(old) = change.old else {
        return true;
    };
    change.new.drivers.iter().any(|(driver, limit)| {
        let before = old.drivers.get(driver);
        // A driver that is new on the node may be the one that was missing.
        before.is_none()
            || limit.unwrap_or(0) > before.copied().flatten().unwrap_or(0)
            || limit.is_none() && before.copied().flatten().is_some()
    })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
