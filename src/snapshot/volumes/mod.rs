//! Claims and volumes: what the API server shows of them, what has been decided and is not shown
//! yet, and the indexes and counters that save walking over all of them.

mod assumed;
mod attached;
mod claim;
mod decision;
mod disks;
mod in_tree;
mod pod_volumes;
mod storage;
#[cfg(test)]
mod tests;
mod view;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::assumed::Assumed;
use self::attached::Attached;
pub use self::attached::{NodeAttached, VolumeId};
pub use self::claim::{BIND_COMPLETED, ClaimInfo, SELECTED_NODE};
pub use self::decision::ClaimDecision;
use self::disks::Disks;
pub use self::in_tree::{InTree, Plugin};
pub use self::pod_volumes::{Disk, Exclusive, PodVolume};
pub use self::storage::{AttachmentInfo, CapacityInfo, ClassInfo, DriverInfo, NodeDrivers};
pub use self::view::VolumesView;
pub use self::volume::{BOUND_BY_CONTROLLER, VolumeInfo, VolumeSource};
use super::{NodeIndex, PodInfo};
use crate::model::{PodKey, Quantity, Str};

/// Storage, as far as placement depends on it.
#[derive(Debug, Default)]
pub struct Volumes {
    claims: FxHashMap<PodKey, Arc<ClaimInfo>>,
    volumes: FxHashMap<Str, Arc<VolumeInfo>>,
    classes: BTreeMap<Str, Arc<ClassInfo>>,
    drivers: BTreeMap<Str, Arc<DriverInfo>>,
    nodes: FxHashMap<Str, Arc<NodeDrivers>>,
    /// By class, then by name, which makes the choice among several the same every time.
    capacities: BTreeMap<Str, BTreeMap<PodKey, Arc<CapacityInfo>>>,
    /// The class of each capacity object.
    capacity_classes: FxHashMap<PodKey, Str>,
    /// The volumes of each class that nobody has, from small to large.
    available: FxHashMap<Str, BTreeMap<(Quantity, Str), Arc<VolumeInfo>>>,
    /// The volumes that are bound to a claim, or set aside for it.
    claimed: FxHashMap<PodKey, BTreeSet<Str>>,
    /// The claims that name a volume.
    naming: FxHashMap<Str, BTreeSet<PodKey>>,
    attached: Attached,
    disks: Disks,
    assumed: Assumed,
}

impl Volumes {
    pub fn claim(&self, key: &PodKey) -> Option<&Arc<ClaimInfo>> {
        self.claims.get(key)
    }

    pub fn volume(&self, name: &str) -> Option<&Arc<VolumeInfo>> {
        self.volumes.get(name)
    }

    pub fn class(&self, name: &str) -> Option<&Arc<ClassInfo>> {
        self.classes.get(name)
    }

    pub fn driver(&self, name: &str) -> Option<&Arc<DriverInfo>> {
        self.drivers.get(name)
    }

    /// What the drivers of a node say.
    pub fn node(&self, name: &str) -> Option<&Arc<NodeDrivers>> {
        self.nodes.get(name)
    }

    /// The decisions on the claims of a pod that is on its way.
    pub fn decisions(&self, pod: &str) -> &[ClaimDecision] {
        self.assumed.decisions(pod)
    }

    /// Takes in a claim; returns what it was before.
    pub fn set_claim(&mut self, claim: ClaimInfo) -> Option<Arc<ClaimInfo>> {
        let key = claim.key.clone();
        if !claim.volume.is_empty() {
            self.naming.entry(claim.volume.clone()).or_default().insert(key.clone());
        }
        let volume = claim.volume.clone();
        let old = self.claims.insert(key.clone(), Arc::new(claim));
        if let Some(old) = old.as_ref().filter(|old| old.volume != volume) {
            take_out(&mut self.naming, &old.volume, &key);
        }
        self.resolve_claim(&key);
        old
    }

    pub fn remove_claim(&mut self, key: &PodKey) -> Option<Arc<ClaimInfo>> {
        let old = self.claims.remove(key)?;
        take_out(&mut self.naming, &old.volume, key);
        self.resolve_claim(key);
        Some(old)
    }

    /// Takes in a volume; returns what it was before.
    pub fn set_volume(&mut self, volume: VolumeInfo) -> Option<Arc<VolumeInfo>> {
        let volume = Arc::new(volume);
        let old = self.take_down_volume(&volume.name);
        match &volume.claim {
            Some(claim) => {
                let key = PodKey::new(claim.namespace.clone(), claim.name.clone());
                self.claimed.entry(key).or_default().insert(volume.name.clone());
            }
            None if volume.available && !volume.terminating => {
                let of_class = self.available.entry(volume.class.clone()).or_default();
                of_class.insert((volume.size.clone(), volume.name.clone()), volume.clone());
            }
            None => {}
        }
        self.volumes.insert(volume.name.clone(), volume.clone());
        self.resolve_volume(&volume.name);
        old
    }

    pub fn remove_volume(&mut self, name: &str) -> Option<Arc<VolumeInfo>> {
        let old = self.take_down_volume(name)?;
        self.resolve_volume(name);
        Some(old)
    }

    pub fn set_class(&mut self, class: ClassInfo) -> Option<Arc<ClassInfo>> {
        let name = class.name.clone();
        let old = self.classes.insert(name.clone(), Arc::new(class));
        self.resolve_class(&name);
        old
    }

    pub fn remove_class(&mut self, name: &str) -> Option<Arc<ClassInfo>> {
        let old = self.classes.remove(name)?;
        self.resolve_class(name);
        Some(old)
    }

    pub fn set_driver(&mut self, driver: DriverInfo) -> Option<Arc<DriverInfo>> {
        self.drivers.insert(driver.name.clone(), Arc::new(driver))
    }

    pub fn remove_driver(&mut self, name: &str) -> Option<Arc<DriverInfo>> {
        self.drivers.remove(name)
    }

    pub fn set_node(&mut self, node: NodeDrivers) -> Option<Arc<NodeDrivers>> {
        self.nodes.insert(node.name.clone(), Arc::new(node))
    }

    pub fn remove_node(&mut self, name: &str) -> Option<Arc<NodeDrivers>> {
        self.nodes.remove(name)
    }

    pub fn set_capacity(&mut self, capacity: CapacityInfo) -> Option<Arc<CapacityInfo>> {
        let (key, class) = (capacity.key.clone(), capacity.class.clone());
        let old = self.remove_capacity(&key);
        self.capacity_classes.insert(key.clone(), class.clone());
        self.capacities.entry(class).or_default().insert(key, Arc::new(capacity));
        old
    }

    pub fn remove_capacity(&mut self, key: &PodKey) -> Option<Arc<CapacityInfo>> {
        let claims = &self.claims;
        self.assumed.on_capacity(key, |claim| has_volume(claims, claim));
        let class = self.capacity_classes.remove(key)?;
        let of_class = self.capacities.get_mut(&class)?;
        let old = of_class.remove(key);
        if of_class.is_empty() {
            self.capacities.remove(&class);
        }
        old
    }

    pub fn set_attachment(&mut self, name: &Str, attachment: Option<AttachmentInfo>) {
        let volumes = &self.volumes;
        self.attached.set_attachment(name, attachment, |volume| volumes.get(volume).cloned());
    }

    pub fn remove_attachment(&mut self, name: &Str) -> Option<AttachmentInfo> {
        self.attached.remove_attachment(name)
    }

    /// From now on others see the volumes as taken, the claims as belonging to the node, and the
    /// room as used.
    pub(super) fn assume(&mut self, pod: &Str, decisions: &[ClaimDecision]) {
        let (capacities, classes) = (&self.capacities, &self.capacity_classes);
        let version = |key: &PodKey| {
            let capacity = capacities.get(classes.get(key)?)?.get(key)?;
            Some(capacity.resource_version.clone())
        };
        self.assumed.insert(pod, decisions, version);
    }

    /// Nothing came of the decisions.
    pub(super) fn forget(&mut self, pod: &str) {
        self.assumed.remove(pod);
    }

    /// What was decided has been carried out and is shown by now.
    pub(super) fn settle(&mut self, pod: &str) {
        self.assumed.settle(pod);
    }

    /// Counts a pod's volumes on a node, or takes them off it.
    pub(super) fn count(&mut self, pod: &PodInfo, node: (NodeIndex, &Str), comes: bool) {
        if pod.volumes.is_empty() {
            return;
        }
        let (index, node) = node;
        self.disks.count(pod, index, comes);
        let resolver =
            Resolver { claims: &self.claims, volumes: &self.volumes, classes: &self.classes };
        self.attached.count(pod, node, comes, |claim| resolver.volume_id(claim));
    }

    fn take_down_volume(&mut self, name: &str) -> Option<Arc<VolumeInfo>> {
        let old = self.volumes.remove(name)?;
        if let Some(claim) = &old.claim {
            let key = PodKey::new(claim.namespace.clone(), claim.name.clone());
            take_out(&mut self.claimed, &key, &old.name);
        }
        if let Some(of_class) = self.available.get_mut(&old.class) {
            of_class.remove(&(old.size.clone(), old.name.clone()));
            if of_class.is_empty() {
                self.available.remove(&old.class);
            }
        }
        Some(old)
    }

    /// A claim has changed: the volume behind it may be another.
    fn resolve_claim(&mut self, key: &PodKey) {
        let resolver =
            Resolver { claims: &self.claims, volumes: &self.volumes, classes: &self.classes };
        self.attached.resolve(key, |claim| resolver.volume_id(claim));
    }

    fn resolve_volume(&mut self, name: &str) {
        for claim in self.naming.get(name).cloned().unwrap_or_default() {
            self.resolve_claim(&claim);
        }
        let volumes = &self.volumes;
        self.attached.resolve_attachments(name, |volume| volumes.get(volume).cloned());
    }

    /// Classes hardly ever change, so all claims in use are looked at.
    fn resolve_class(&mut self, name: &str) {
        let claims = &self.claims;
        let of_class = |claim: &PodKey| claims.get(claim).is_some_and(|info| *info.class == *name);
        let affected: Vec<PodKey> =
            self.attached.claims().filter(|key| of_class(key)).cloned().collect();
        for claim in affected {
            self.resolve_claim(&claim);
        }
    }
}

/// Finds out which volume of which driver a claim stands for.
struct Resolver<'a> {
    claims: &'a FxHashMap<PodKey, Arc<ClaimInfo>>,
    volumes: &'a FxHashMap<Str, Arc<VolumeInfo>>,
    classes: &'a BTreeMap<Str, Arc<ClassInfo>>,
}

impl Resolver<'_> {
    /// The volume that a claim counts as. One that is not made yet counts for the driver that will
    /// make it.
    fn volume_id(&self, key: &PodKey) -> Option<VolumeId> {
        let claim = self.claims.get(key)?;
        if let Some(volume) = self.volumes.get(&claim.volume) {
            return VolumeId::of_volume(volume);
        }
        let class = self.classes.get(&claim.class)?;
        VolumeId::of_unbound(claim, &class.provisioner)
    }
}

fn has_volume(claims: &FxHashMap<PodKey, Arc<ClaimInfo>>, claim: &PodKey) -> bool {
    claims.get(claim).is_none_or(|claim| !claim.volume.is_empty())
}

fn take_out<K, V>(sets: &mut FxHashMap<K, BTreeSet<V>>, key: &K, value: &V)
where
    K: Eq + std::hash::Hash,
    V: Ord,
{
    if let Some(values) = sets.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            sets.remove(key);
        }
    }
}
