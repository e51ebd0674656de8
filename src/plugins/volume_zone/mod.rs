//! VolumeZone: a pod runs in the zone that stands on its volumes.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, StorageEvent, decode_args,
};
use crate::model::{Labels, PodKey, Str};
use crate::snapshot::volumes::{ClaimInfo, VolumeInfo};
use crate::snapshot::{NodeSet, NodeTable, PodInfo, View, VolumesView};

pub const NAME: &str = "VolumeZone";

const REASON: &str = "node(s) had no available volume zone";
/// The labels that tell zone and region, in their old and their new names.
const LABELS: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];
/// Stands between the zones of a volume that is in several of them.
const DELIMITER: &str = "__";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes outside of the zones that stand on the pod's volumes",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(VolumeZone))
    },
};

#[derive(Debug)]
pub struct VolumeZone;

/// A label of a volume: what a node has to say under it, or under its new name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Zones {
    key: &'static str,
    new_key: &'static str,
    values: BTreeSet<Str>,
}

struct ZoneFilter<'a> {
    zones: Vec<Zones>,
    table: &'a NodeTable,
}

impl SetPlugin for VolumeZone {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let mut zones = Vec::new();
        // Claims that are made for the pod alone are not looked at.
        for name in pod.named_claims() {
            match volume(pod, name, view.volumes()) {
                Ok(volume) => zones.extend(volume.into_iter().flat_map(zones_of)),
                Err(reason) => return Prepared::Reject(Status::unresolvable(reason)),
            }
        }
        if zones.is_empty() {
            return Prepared::Skip;
        }
        let filter = Box::new(ZoneFilter { zones, table: view.nodes() });
        Prepared::Ready(ReadyFilter { filter, narrowed: None })
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::NodeUpdated { old, new } => old.labels != new.labels,
            ClusterEvent::Storage(StorageEvent::Class(change)) => {
                change.is_new() && change.new.waits_for_consumer
            }
            ClusterEvent::Storage(StorageEvent::Claim(change)) => {
                let claim: &ClaimInfo = change.new;
                claim.key.namespace == pod.key.namespace
                    && pod.named_claims().any(|name| *name == claim.key.name)
            }
            ClusterEvent::Storage(StorageEvent::Volume(change)) => {
                change.old.is_none_or(|old| zones_of(old) != zones_of(change.new))
            }
            _ => false,
        })
    }
}

impl Filter for ZoneFilter<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let outside = nodes.iter().filter(|node| !self.passes(&self.table.info(*node).labels));
        refusals.refuse_all(outside, Status::unresolvable(REASON));
    }
}

impl ZoneFilter<'_> {
    /// A node that tells nothing of zones is taken to be in all of them.
    fn passes(&self, labels: &Labels) -> bool {
        if !LABELS.iter().any(|(key, _)| labels.contains_key(key)) {
            return true;
        }
        self.zones.iter().all(|zones| {
            let value = labels.get(zones.key).or_else(|| labels.get(zones.new_key));
            value.is_some_and(|value| zones.values.contains(value))
        })
    }
}

/// The volume of a claim, none for a claim that waits for its pod. An error says why there is none.
fn volume<'a>(
    pod: &PodInfo,
    name: &Str,
    volumes: VolumesView<'a>,
) -> Result<Option<&'a VolumeInfo>, String> {
    if name.is_empty() {
        return Err("PersistentVolumeClaim had no name".to_owned());
    }
    let key = PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
    let claim = volumes.claim(&key);
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
    if claim.volume.is_empty() {
        if claim.class.is_empty() {
            let reason = "PersistentVolumeClaim had no pv name and storageClass name";
            return Err(reason.to_owned());
        }
        let class = volumes.shown().class(&claim.class);
        let missing = || format!("storageclass.storage.k8s.io {:?} not found", claim.class);
        return match class.ok_or_else(missing)?.waits_for_consumer {
            true => Ok(None),
            false => Err("PersistentVolume had no name".to_owned()),
        };
    }
    let missing = || format!("persistentvolume {:?} not found", claim.volume);
    volumes.shown().volume(&claim.volume).map(|volume| Some(&**volume)).ok_or_else(missing)
}

/// What a volume's labels tell of its zone and region. What cannot be read is left out.
fn zones_of(volume: &VolumeInfo) -> Vec<Zones> {
    let told = LABELS.iter().filter_map(|(key, new_key)| {
        let values = volume.labels.get(key)?.split(DELIMITER).map(str::trim);
        let values: BTreeSet<Str> = values.map(Str::from).collect();
        (!values.contains("")).then_some(Zones { key, new_key, values })
    });
    told.collect()
}
