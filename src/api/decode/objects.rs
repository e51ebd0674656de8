//! The objects that were read, by kind.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::{DecodeError, ObjectName, Place};
use super::typed;
use crate::api::disruption::PodDisruptionBudget;
use crate::api::meta::Object;
use crate::api::node::Node;
use crate::api::pod::Pod;
use crate::api::policy::{ClusterPlacementPolicy, PlacementPolicy};
use crate::api::priority_class::PriorityClass;
use crate::api::storage::{
    CsiDriver, CsiNode, CsiStorageCapacity, PersistentVolume, PersistentVolumeClaim, StorageClass,
    VolumeAttachment,
};
use crate::api::workload::{
    DaemonSet, Deployment, Job, Namespace, ReplicaSet, ReplicationController, Service, StatefulSet,
};
use crate::model::{PodKey, Str};

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Objects of the kinds that Quorate reads, in the order in which they were found. No kind has
/// two of one name in one namespace.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub nodes: Vec<Node>,
    pub pods: Vec<Pod>,
    pub namespaces: Vec<Namespace>,
    pub services: Vec<Service>,
    pub replication_controllers: Vec<ReplicationController>,
    pub replica_sets: Vec<ReplicaSet>,
    pub stateful_sets: Vec<StatefulSet>,
    pub deployments: Vec<Deployment>,
    pub daemon_sets: Vec<DaemonSet>,
    pub jobs: Vec<Job>,
    pub priority_classes: Vec<PriorityClass>,
    pub persistent_volume_claims: Vec<PersistentVolumeClaim>,
    pub persistent_volumes: Vec<PersistentVolume>,
    pub storage_classes: Vec<StorageClass>,
    pub csi_drivers: Vec<CsiDriver>,
    pub csi_nodes: Vec<CsiNode>,
    pub csi_storage_capacities: Vec<CsiStorageCapacity>,
    pub volume_attachments: Vec<VolumeAttachment>,
    pub placement_policies: Vec<PlacementPolicy>,
    pub cluster_placement_policies: Vec<ClusterPlacementPolicy>,
    pub pod_disruption_budgets: Vec<PodDisruptionBudget>,
    /// How many objects of other kinds there were.
    pub other: BTreeMap<Str, usize>,
    places: BTreeMap<(&'static str, PodKey), Place>,
    pods_by_uid: BTreeMap<Str, PodKey>,
}

/// A kind that has a list in [`Objects`].
trait Listed: Object + DeserializeOwned {
    fn list(objects: &mut Objects) -> &mut Vec<Self>;
}

/// Reads an object of one kind and appends it to the list of its kind.
type Add = fn(&mut Objects, &RawValue, Place) -> Result<(), DecodeError>;

impl Objects {
    /// Whether nothing at all was found, of any kind.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.other.is_empty()
    }

    /// Names the text the objects came from, for messages.
    pub fn set_source(&mut self, source: &str) {
        let source: Str = source.into();
        self.places.values_mut().for_each(|place| place.set_source(source.clone()));
    }

    /// Appends the objects of another text. An object that both define is an error.
    pub fn extend(&mut self, mut other: Self) -> Result<(), DecodeError> {
        for ((kind, key), place) in std::mem::take(&mut other.places) {
            self.register(kind, key, place)?;
        }
        for (uid, key) in std::mem::take(&mut other.pods_by_uid) {
            self.register_uid(uid, key)?;
        }
        move_list::<Node>(self, &mut other);
        move_list::<Pod>(self, &mut other);
        move_list::<Namespace>(self, &mut other);
        move_list::<Service>(self, &mut other);
        move_list::<ReplicationController>(self, &mut other);
        move_list::<ReplicaSet>(self, &mut other);
        move_list::<StatefulSet>(self, &mut other);
        move_list::<Deployment>(self, &mut other);
        move_list::<DaemonSet>(self, &mut other);
        move_list::<Job>(self, &mut other);
        move_list::<PriorityClass>(self, &mut other);
        move_list::<PersistentVolumeClaim>(self, &mut other);
        move_list::<PersistentVolume>(self, &mut other);
        move_list::<StorageClass>(self, &mut other);
        move_list::<CsiDriver>(self, &mut other);
        move_list::<CsiNode>(self, &mut other);
        move_list::<CsiStorageCapacity>(self, &mut other);
        move_list::<VolumeAttachment>(self, &mut other);
        move_list::<PlacementPolicy>(self, &mut other);
        move_list::<ClusterPlacementPolicy>(self, &mut other);
        move_list::<PodDisruptionBudget>(self, &mut other);
        for (kind, count) in other.other {
            *self.other.entry(kind).or_default() += count;
        }
        Ok(())
    }

    /// Puts everything that lives in a namespace into this one. Two objects that would then have
    /// one name are an error.
    pub fn move_to_namespace(&mut self, namespace: &Str) -> Result<(), DecodeError> {
        for ((kind, mut key), place) in std::mem::take(&mut self.places) {
            if !key.namespace.is_empty() {
                key.namespace = namespace.clone();
            }
            self.register(kind, key, place)?;
        }
        rename::<Pod>(self, namespace);
        rename::<Service>(self, namespace);
        rename::<ReplicationController>(self, namespace);
        rename::<ReplicaSet>(self, namespace);
        rename::<StatefulSet>(self, namespace);
        rename::<Deployment>(self, namespace);
        rename::<DaemonSet>(self, namespace);
        rename::<Job>(self, namespace);
        rename::<PersistentVolumeClaim>(self, namespace);
        rename::<CsiStorageCapacity>(self, namespace);
        Ok(())
    }

    /// Reads one object, or counts it where Quorate does not read its kind. Without a group it
    /// is taken for the built-in kind of that name.
    pub(super) fn add(
        &mut self,
        group: Option<&str>,
        kind: &str,
        text: &RawValue,
        place: Place,
    ) -> Result<(), DecodeError> {
        match reader_of(group, kind) {
            Some(add) => add(self, text, place),
            None => {
                *self.other.entry(kind.into()).or_default() += 1;
                Ok(())
            }
        }
    }

    /// Where an object was found; nothing for one that was not read from a text.
    pub fn place_of<T: Object>(&self, object: &T) -> Option<&Place> {
        self.places.get(&(T::KIND, object.key()))
    }

    /// Two pods of one uid would be one pod to whoever tells pods apart as the API server does.
    fn register_uid(&mut self, uid: Str, key: PodKey) -> Result<(), DecodeError> {
        match self.pods_by_uid.entry(uid) {
            Entry::Vacant(entry) => {
                entry.insert(key);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let name = |key: &PodKey| {
                    let PodKey { namespace, name } = key.clone();
                    Box::new(ObjectName { kind: Pod::KIND.into(), namespace, name })
                };
                let (object, other) = (name(&key), name(entry.get()));
                let place = self.places.get(&(Pod::KIND, key)).cloned();
                let place = place.unwrap_or_else(|| Place::of_document(1));
                Err(DecodeError::SameUid { place, object, uid: entry.key().clone(), other })
            }
        }
    }

    fn register(
        &mut self,
        kind: &'static str,
        key: PodKey,
        place: Place,
    ) -> Result<(), DecodeError> {
        match self.places.entry((kind, key)) {
            Entry::Vacant(entry) => {
                entry.insert(place);
                Ok(())
            }
            Entry::Occupied(entry) => {
                let (_, PodKey { namespace, name }) = entry.key().clone();
                let kind = kind.into();
                let object = Box::new(ObjectName { kind, namespace, name });
                Err(DecodeError::Duplicate { object, first: entry.get().clone(), second: place })
            }
        }
    }
}

fn reader_of(group: Option<&str>, kind: &str) -> Option<Add> {
    let (own_group, add): (&str, Add) = match kind {
        Node::KIND => (Node::GROUP, add::<Node>),
        Pod::KIND => (Pod::GROUP, add::<Pod>),
        Namespace::KIND => (Namespace::GROUP, add::<Namespace>),
        Service::KIND => (Service::GROUP, add::<Service>),
        ReplicationController::KIND => (ReplicationController::GROUP, add::<ReplicationController>),
        ReplicaSet::KIND => (ReplicaSet::GROUP, add::<ReplicaSet>),
        StatefulSet::KIND => (StatefulSet::GROUP, add::<StatefulSet>),
        Deployment::KIND => (Deployment::GROUP, add::<Deployment>),
        DaemonSet::KIND => (DaemonSet::GROUP, add::<DaemonSet>),
        Job::KIND => (Job::GROUP, add::<Job>),
        PriorityClass::KIND => (PriorityClass::GROUP, add::<PriorityClass>),
        PersistentVolumeClaim::KIND => (PersistentVolumeClaim::GROUP, add::<PersistentVolumeClaim>),
        PersistentVolume::KIND => (PersistentVolume::GROUP, add::<PersistentVolume>),
        StorageClass::KIND => (StorageClass::GROUP, add::<StorageClass>),
        CsiDriver::KIND => (CsiDriver::GROUP, add::<CsiDriver>),
        CsiNode::KIND => (CsiNode::GROUP, add::<CsiNode>),
        CsiStorageCapacity::KIND => (CsiStorageCapacity::GROUP, add::<CsiStorageCapacity>),
        VolumeAttachment::KIND => (VolumeAttachment::GROUP, add::<VolumeAttachment>),
        PlacementPolicy::KIND => (PlacementPolicy::GROUP, add::<PlacementPolicy>),
        ClusterPlacementPolicy::KIND => {
            (ClusterPlacementPolicy::GROUP, add::<ClusterPlacementPolicy>)
        }
        PodDisruptionBudget::KIND => (PodDisruptionBudget::GROUP, add::<PodDisruptionBudget>),
        _ => return None,
    };
    // Custom resources reuse these names in groups of their own. Workloads of clusters before
    // 1.16 stand in `extensions`.
    let matches = match group {
        None => true,
        Some("extensions") => own_group == "apps",
        Some(group) => group == own_group,
    };
    matches.then_some(add)
}

fn add<T: Listed>(objects: &mut Objects, text: &RawValue, place: Place) -> Result<(), DecodeError> {
    let mut object: T =
        typed(text).map_err(|problem| problem.at(place.clone(), Some(name_in::<T>(text))))?;
    let meta = object.meta_mut();
    if !T::NAMESPACED {
        meta.namespace = Str::default();
    } else if meta.namespace.is_empty() {
        meta.namespace = DEFAULT_NAMESPACE.into();
    }
    if meta.name.is_empty() {
        return Err(DecodeError::NameMissing { place, kind: T::KIND });
    }
    objects.register(T::KIND, object.key(), place)?;
    let uid = &object.meta().uid;
    if T::KIND == Pod::KIND && !uid.is_empty() {
        objects.register_uid(uid.clone(), object.key())?;
    }
    T::list(objects).push(object);
    Ok(())
}

fn move_list<T: Listed>(to: &mut Objects, from: &mut Objects) {
    T::list(to).append(T::list(from));
}

fn rename<T: Listed>(objects: &mut Objects, namespace: &Str) {
    let metas = T::list(objects).iter_mut().map(Object::meta_mut);
    metas.for_each(|meta| meta.namespace = namespace.clone());
}

/// What an object that cannot be read calls itself, as far as that can be read.
fn name_in<T: Object>(text: &RawValue) -> ObjectName {
    #[derive(Default, Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    struct Metadata {
        namespace: Option<Str>,
        name: Option<Str>,
    }
    let Named { metadata } = serde_json::from_str(text.get()).unwrap_or_default();
    let default_namespace = if T::NAMESPACED { DEFAULT_NAMESPACE } else { "" };
    ObjectName {
        kind: T::KIND.into(),
        namespace: metadata.namespace.unwrap_or_else(|| default_namespace.into()),
        name: metadata.name.unwrap_or_default(),
    }
}

macro_rules! listed {
    ($($kind:ident: $list:ident),* $(,)?) => {
        $(impl Listed for $kind {
            fn list(objects: &mut Objects) -> &mut Vec<Self> {
                &mut objects.$list
            }
        })*
    };
}

listed! {
    Node: nodes,
    Pod: pods,
    Namespace: namespaces,
    Service: services,
    ReplicationController: replication_controllers,
    ReplicaSet: replica_sets,
    StatefulSet: stateful_sets,
    Deployment: deployments,
    DaemonSet: daemon_sets,
    Job: jobs,
    PriorityClass: priority_classes,
    PersistentVolumeClaim: persistent_volume_claims,
    PersistentVolume: persistent_volumes,
    StorageClass: storage_classes,
    CsiDriver: csi_drivers,
    CsiNode: csi_nodes,
    CsiStorageCapacity: csi_storage_capacities,
    VolumeAttachment: volume_attachments,
    PlacementPolicy: placement_policies,
    ClusterPlacementPolicy: cluster_placement_policies,
    PodDisruptionBudget: pod_disruption_budgets,
}
