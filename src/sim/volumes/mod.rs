//! Claims and volumes as the API server keeps them, and what the controller of volumes and the
//! provisioners make of them. Time is somebody else's: each step is a function of what is there.
//!
//! ```text
//!  scheduler ── claimRef ──▶ volume ─┐
//!                                    ├─ controller ─▶ claim bound
//!  scheduler ── selected-node ──▶ claim ─ provisioner ─▶ volume ─┘
//!                    ▲                        │
//!                    └── taken away again ────┘ where there is no room
//! ```

mod binder;
mod patches;
mod provisioner;
mod room;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use self::provisioner::Order;
use self::provisioner::Trouble;
use self::room::Room;
use super::admission::admit_claim;
use crate::api::decode::Objects;
use crate::api::{self, Object};
use crate::model::{Labels, PodKey, Quantity, Str};
use crate::scheduler::{Change, Event};
use crate::snapshot::volumes::{ClaimInfo, ClassInfo, VolumeInfo};

/// Storage, and who looks after it.
#[derive(Debug, Default)]
pub struct Storage {
    claims: BTreeMap<PodKey, api::PersistentVolumeClaim>,
    volumes: BTreeMap<Str, api::PersistentVolume>,
    /// The volumes that are bound to a claim, or set aside for it.
    of_claim: BTreeMap<PodKey, BTreeSet<Str>>,
    /// The volumes of each class that nobody has, from small to large.
    available: BTreeMap<Str, BTreeMap<(Quantity, Str), VolumeInfo>>,
    classes: Vec<api::StorageClass>,
    /// The nodes by name.
    nodes: BTreeMap<Str, Node>,
    room: Room,
    revision: u64,
    /// Claims that had no volume when they came.
    newcomers: BTreeSet<PodKey>,
    /// Claims for which a volume was made.
    provisioned: BTreeSet<PodKey>,
    troubles: BTreeMap<PodKey, Trouble>,
    failures: usize,
}

/// What a provisioner knows of a node.
#[derive(Debug, Default)]
struct Node {
    labels: Labels,
    /// The drivers that are installed on it, with the labels by which they tell nodes apart.
    drivers: BTreeMap<Str, Vec<Str>>,
}

/// How a claim that had no volume fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    pub claim: PodKey,
    pub class: Str,
    /// Empty while it waits.
    pub volume: Str,
    /// Its volume was made for it.
    pub provisioned: bool,
    /// Why it has no volume; empty if it has one.
    pub reason: String,
}

impl Storage {
    /// Takes over the storage of a cluster. What its controllers have written long ago is filled in
    /// where a manifest leaves it out.
    pub fn new(objects: &Objects) -> Self {
        let mut storage = Self {
            classes: objects.storage_classes.clone(),
            nodes: nodes(objects),
            ..Self::default()
        };
        for volume in &objects.persistent_volumes {
            let mut volume = volume.clone();
            let unclaimed = volume.spec.claim_ref.is_none();
            if unclaimed && matches!(&*volume.status.phase, "" | "Pending") {
                volume.status.phase = "Available".into();
            }
            storage.put_volume(volume);
        }
        for claim in &objects.persistent_volume_claims {
            storage.create_claim(claim.clone());
        }
        for capacity in &objects.csi_storage_capacities {
            let mut capacity = capacity.clone();
            storage.stamp(&mut capacity);
            storage.room.add(capacity);
        }
        storage
    }

    /// What a first list of all claims, volumes and capacities shows.
    pub fn list(&self) -> impl Iterator<Item = Event> {
        let volumes = self.volumes.values().map(|o| Event::PersistentVolume(upsert(o)));
        let claims = self.claims.values().map(|o| Event::PersistentVolumeClaim(upsert(o)));
        let capacities = self.room.published().map(|o| Event::CsiStorageCapacity(upsert(o)));
        volumes.chain(claims).chain(capacities)
    }

    /// Somebody creates a claim. A name that is taken is refused.
    pub fn create_claim(&mut self, mut claim: api::PersistentVolumeClaim) -> Option<Event> {
        let key = claim.key();
        if self.claims.contains_key(&key) {
            return None;
        }
        admit_claim(&mut claim, &self.classes);
        if !ClaimInfo::new(&claim).is_bound() {
            self.newcomers.insert(key);
        }
        Some(self.put_claim(claim))
    }

    /// The claims that are not bound for good.
    pub fn unbound(&self) -> impl Iterator<Item = &PodKey> {
        let open = |claim: &api::PersistentVolumeClaim| !ClaimInfo::new(claim).is_bound();
        self.claims.iter().filter(move |(_, claim)| open(claim)).map(|(key, _)| key)
    }

    pub fn claim(&self, key: &PodKey) -> Option<&api::PersistentVolumeClaim> {
        self.claims.get(key)
    }

    pub fn volume(&self, name: &str) -> Option<&api::PersistentVolume> {
        self.volumes.get(name)
    }

    /// How often a volume could not be made.
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// How the claims fared that had no volume when they came.
    pub fn fates(&self) -> impl Iterator<Item = Fate> {
        let claims = self.newcomers.iter().filter_map(|key| self.claims.get(key));
        claims.map(|claim| {
            let claim = ClaimInfo::new(claim);
            let reason = if claim.is_bound() { String::new() } else { self.reason(&claim) };
            Fate {
                provisioned: self.provisioned.contains(&claim.key),
                class: claim.class,
                volume: claim.volume,
                reason,
                claim: claim.key,
            }
        })
    }

    /// Why a claim waits.
    fn reason(&self, claim: &ClaimInfo) -> String {
        if !claim.volume.is_empty() {
            return format!("persistentvolume {:?} cannot be bound", claim.volume);
        }
        if let Some(trouble) = self.troubles.get(&claim.key) {
            return trouble.to_string();
        }
        match self.class(&claim.class) {
            None if claim.class.is_empty() => "no volume fits, and no class is set".to_owned(),
            None => format!("storageclass {:?} not found", claim.class),
            Some(class) if class.waits_for_consumer && claim.selected_node.is_none() => {
                "waits for a pod that uses it to get a node".to_owned()
            }
            Some(_) => "no volume fits, and none is made".to_owned(),
        }
    }

    fn class(&self, name: &str) -> Option<ClassInfo> {
        let class = self.classes.iter().find(|class| *class.metadata.name == *name);
        class.map(ClassInfo::new)
    }

    /// Writes a claim, and gives what watchers will see.
    fn put_claim(&mut self, mut claim: api::PersistentVolumeClaim) -> Event {
        self.stamp(&mut claim);
        let event = Event::PersistentVolumeClaim(upsert(&claim));
        self.claims.insert(claim.key(), claim);
        event
    }

    /// Writes a volume, and gives what watchers will see.
    fn put_volume(&mut self, mut volume: api::PersistentVolume) -> Event {
        self.stamp(&mut volume);
        if let Some(old) = self.volumes.get(&volume.metadata.name).map(VolumeInfo::new) {
            self.take_down(&old);
        }
        let info = VolumeInfo::new(&volume);
        match &info.claim {
            Some(claim) => {
                let key = PodKey::new(claim.namespace.clone(), claim.name.clone());
                self.of_claim.entry(key).or_default().insert(info.name);
            }
            None if info.available && !info.terminating => {
                let of_class = self.available.entry(info.class.clone()).or_default();
                of_class.insert((info.size.clone(), info.name.clone()), info);
            }
            None => {}
        }
        let event = Event::PersistentVolume(upsert(&volume));
        self.volumes.insert(volume.metadata.name.clone(), volume);
        event
    }

    /// Takes a volume off the lists by which it is found.
    fn take_down(&mut self, volume: &VolumeInfo) {
        if let Some(claim) = &volume.claim {
            let key = PodKey::new(claim.namespace.clone(), claim.name.clone());
            self.of_claim.entry(key).or_default().remove(&volume.name);
        }
        if let Some(of_class) = self.available.get_mut(&volume.class) {
            of_class.remove(&(volume.size.clone(), volume.name.clone()));
        }
    }

    /// Gives an object its next version, and a uid if it has none.
    fn stamp<T: Object>(&mut self, object: &mut T) {
        self.revision += 1;
        let revision = self.revision.to_string();
        let uid = format!("{}/{}", T::KIND, object.key());
        let meta = object.meta_mut();
        meta.resource_version = revision.into();
        if meta.uid.is_empty() {
            meta.uid = uid.into();
        }
    }
}

fn nodes(objects: &Objects) -> BTreeMap<Str, Node> {
    let named = objects.nodes.iter().map(|node| {
        let labels = node.metadata.labels.clone();
        (node.metadata.name.clone(), Node { labels, drivers: BTreeMap::new() })
    });
    let mut nodes: BTreeMap<Str, Node> = named.collect();
    for installed in &objects.csi_nodes {
        if let Some(node) = nodes.get_mut(&installed.metadata.name) {
            let drivers = installed.spec.drivers.iter();
            node.drivers = drivers.map(|d| (d.name.clone(), d.topology_keys.clone())).collect();
        }
    }
    nodes
}

fn upsert<T: Clone>(object: &T) -> Change<T> {
    Change::Upsert(Box::new(object.clone()))
}
