//! Classes, drivers, what drivers say of nodes and of their room, and attachments.

use std::collections::{BTreeMap, BTreeSet};

use crate::api;
use crate::api::storage::TopologySelectorTerm;
use crate::model::{Labels, PodKey, Quantity, Selector, Str};

/// The binding mode of claims that wait. The API server fills in the other one where none is said.
const LATE: &str = "WaitForFirstConsumer";
/// The annotation in which a node names the kinds of volumes that drivers have taken over there.
const MIGRATED_PLUGINS: &str = "storage.alpha.kubernetes.io/migrated-plugins";

#[derive(Clone, Debug, PartialEq)]
pub struct ClassInfo {
    pub name: Str,
    pub provisioner: Str,
    /// Whether claims wait for a pod that uses them and has a node.
    pub waits_for_consumer: bool,
    /// Where volumes of the class can be made; anywhere if empty.
    pub topologies: Vec<TopologySelectorTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverInfo {
    pub name: Str,
    /// Whether it publishes its room.
    pub storage_capacity: bool,
    /// Whether pods keep off nodes on which it is not installed.
    pub prevent_pods_if_missing: bool,
}

/// What the drivers of one node say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDrivers {
    pub name: Str,
    /// The installed drivers, with how many volumes they take.
    pub drivers: BTreeMap<Str, Option<i32>>,
    /// The kinds of volumes that drivers have taken over.
    pub migrated: BTreeSet<Str>,
}

/// The room for volumes of a class, on the nodes of a topology.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityInfo {
    pub key: PodKey,
    pub resource_version: Str,
    pub class: Str,
    /// None where it can be reached from no node.
    topology: Option<Selector>,
    pub capacity: Option<Quantity>,
    pub volume_max: Option<Quantity>,
}

/// A volume that is attached to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentInfo {
    pub driver: Str,
    pub node: Str,
    pub volume: Str,
}

impl ClassInfo {
    pub fn new(class: &api::StorageClass) -> Self {
        Self {
            name: class.metadata.name.clone(),
            provisioner: class.provisioner.clone(),
            waits_for_consumer: class.volume_binding_mode.as_deref() == Some(LATE),
            topologies: class.allowed_topologies.clone(),
        }
    }

    /// Whether a volume can be made for a node with these labels.
    pub fn serves(&self, labels: &Labels) -> bool {
        let holds = |term: &TopologySelectorTerm| {
            let mut conditions = term.match_label_expressions.iter();
            conditions.all(|one| labels.get(&one.key).is_some_and(|v| one.values.contains(v)))
        };
        let said = |term: &&TopologySelectorTerm| !term.match_label_expressions.is_empty();
        self.topologies.is_empty() || self.topologies.iter().filter(said).any(holds)
    }
}

impl DriverInfo {
    pub fn new(driver: &api::CsiDriver) -> Self {
        Self {
            name: driver.metadata.name.clone(),
            storage_capacity: driver.spec.storage_capacity,
            prevent_pods_if_missing: driver.spec.prevent_pod_scheduling_if_missing,
        }
    }
}

impl NodeDrivers {
    pub fn new(node: &api::CsiNode) -> Self {
        let drivers = node.spec.drivers.iter().map(|driver| {
            let limit = driver.allocatable.as_ref().and_then(|allocatable| allocatable.count);
            (driver.name.clone(), limit)
        });
        let migrated = node.metadata.annotations.get(MIGRATED_PLUGINS);
        let migrated = migrated.into_iter().flat_map(|plugins| plugins.split(','));
        Self {
            name: node.metadata.name.clone(),
            drivers: drivers.collect(),
            migrated: migrated.filter(|plugin| !plugin.is_empty()).map(Str::from).collect(),
        }
    }
}

impl CapacityInfo {
    pub fn new(capacity: &api::CsiStorageCapacity) -> Self {
        // A topology that cannot be read is none, as upstream has it.
        let topology = capacity.node_topology.as_ref().and_then(|topology| topology.compile().ok());
        Self {
            key: api::Object::key(capacity),
            resource_version: capacity.metadata.resource_version.clone(),
            class: capacity.storage_class_name.clone(),
            topology,
            capacity: capacity.capacity.clone(),
            volume_max: capacity.maximum_volume_size.clone(),
        }
    }

    /// Whether volumes in this room can be reached from a node with these labels.
    pub fn serves(&self, labels: &Labels) -> bool {
        self.topology.as_ref().is_some_and(|topology| topology.matches(labels))
    }

    /// A label without which no node is served, with its value.
    pub fn demanded_label(&self) -> Option<(&Str, &[Str])> {
        let (key, value) = self.topology.as_ref()?.equalities().next()?;
        Some((key, std::slice::from_ref(value)))
    }

    /// How large a volume can be, in bytes. None where nothing is said.
    pub fn limit(&self) -> Option<i64> {
        self.volume_max.as_ref().or(self.capacity.as_ref()).map(Quantity::value)
    }
}

impl AttachmentInfo {
    /// None where the object does not say enough to count.
    pub fn new(attachment: &api::VolumeAttachment) -> Option<Self> {
        let spec = &attachment.spec;
        let volume = spec.source.persistent_volume_name.clone()?;
        let (driver, node) = (spec.attacher.clone(), spec.node_name.clone());
        (!driver.is_empty()).then_some(Self { driver, node, volume })
    }
}
