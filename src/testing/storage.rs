//! Claims, volumes and classes in one line: `claim("data").class("local").size("10Gi").build()`.
//!
//! A builder panics on text that is no quantity, because that is a mistake in the test itself.
#![expect(clippy::expect_used, reason = "a wrong constant in a test")]

use crate::api::storage::{ClaimRef, VolumeNodeAffinity};
use crate::api::{self, volume::CsiVolume};
use crate::model::{
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodKey, Quantity, Str,
};

/// Builds a claim of the namespace `default`. Its uid is its name.
#[derive(Clone, Debug)]
pub struct ClaimBuilder(api::PersistentVolumeClaim);

/// Builds a volume that nobody has. Its uid is its name.
#[derive(Clone, Debug)]
pub struct VolumeBuilder(api::PersistentVolume);

/// Builds a class whose claims wait for their pods.
#[derive(Clone, Debug)]
pub struct ClassBuilder(api::StorageClass);

/// A claim of one gibibyte and no class.
pub fn claim(name: &str) -> ClaimBuilder {
    let mut claim = api::PersistentVolumeClaim::default();
    claim.metadata.name = name.into();
    claim.metadata.namespace = "default".into();
    claim.metadata.uid = name.into();
    claim.metadata.resource_version = "1".into();
    claim.spec.access_modes = vec!["ReadWriteOnce".into()];
    ClaimBuilder(claim).size("1Gi")
}

/// A volume of one gibibyte and no class.
pub fn volume(name: &str) -> VolumeBuilder {
    let mut volume = api::PersistentVolume::default();
    volume.metadata.name = name.into();
    volume.metadata.uid = name.into();
    volume.metadata.resource_version = "1".into();
    volume.spec.access_modes = vec!["ReadWriteOnce".into()];
    volume.status.phase = "Available".into();
    VolumeBuilder(volume).size("1Gi")
}

pub fn class(name: &str, provisioner: &str) -> ClassBuilder {
    let mut class = api::StorageClass::default();
    class.metadata.name = name.into();
    class.provisioner = provisioner.into();
    class.volume_binding_mode = Some("WaitForFirstConsumer".into());
    ClassBuilder(class)
}

impl ClaimBuilder {
    pub fn class(self, class: &str) -> Self {
        self.with(|claim| claim.spec.storage_class_name = Some(class.into()))
    }

    pub fn size(self, size: &str) -> Self {
        self.with(|claim| {
            claim.spec.resources.requests.insert("storage".into(), quantity(size));
        })
    }

    /// Bound for good.
    pub fn bound_to(self, volume: &str) -> Self {
        self.with(|claim| {
            claim.spec.volume_name = volume.into();
            let annotations = &mut claim.metadata.annotations;
            annotations.insert("pv.kubernetes.io/bind-completed".into(), "yes".into());
        })
    }

    /// Its volume is made for this node.
    pub fn selected(self, node: &str) -> Self {
        self.with(|claim| {
            let annotations = &mut claim.metadata.annotations;
            annotations.insert("volume.kubernetes.io/selected-node".into(), node.into());
        })
    }

    pub fn version(self, version: &str) -> Self {
        self.with(|claim| claim.metadata.resource_version = version.into())
    }

    /// Any other change.
    pub fn with(mut self, change: impl FnOnce(&mut api::PersistentVolumeClaim)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> api::PersistentVolumeClaim {
        self.0
    }
}

impl VolumeBuilder {
    pub fn class(self, class: &str) -> Self {
        self.with(|volume| volume.spec.storage_class_name = class.into())
    }

    pub fn size(self, size: &str) -> Self {
        self.with(|volume| {
            volume.spec.capacity.insert("storage".into(), quantity(size));
        })
    }

    /// It is reached from nodes with this label only.
    pub fn reached_from(self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| Str::from(*value)).collect();
        let one = NodeSelectorRequirement { key: key.into(), operator: "In".into(), values };
        let term = NodeSelectorTerm { match_expressions: vec![one], match_fields: Vec::new() };
        let required = Some(NodeSelector { node_selector_terms: vec![term] });
        self.with(|volume| volume.spec.node_affinity = Some(VolumeNodeAffinity { required }))
    }

    /// It is bound to a claim of the namespace `default`, or set aside for it.
    pub fn of(self, claim: &str, uid: &str) -> Self {
        let PodKey { namespace, name } = PodKey::new("default", claim);
        let reference = ClaimRef { namespace, name, uid: uid.into() };
        self.with(|volume| volume.spec.claim_ref = Some(reference))
    }

    /// A driver serves it under this handle.
    pub fn csi(self, driver: &str, handle: &str) -> Self {
        let csi = CsiVolume { driver: driver.into(), volume_handle: handle.into() };
        self.with(|volume| volume.spec.csi = Some(csi))
    }

    pub fn labels(self, labels: &[(&str, &str)]) -> Self {
        let labels = labels.iter().map(|(key, value)| (*key, *value)).collect();
        self.with(|volume| volume.metadata.labels = labels)
    }

    pub fn version(self, version: &str) -> Self {
        self.with(|volume| volume.metadata.resource_version = version.into())
    }

    /// Any other change.
    pub fn with(mut self, change: impl FnOnce(&mut api::PersistentVolume)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> api::PersistentVolume {
        self.0
    }
}

impl ClassBuilder {
    /// Its claims are bound at once.
    pub fn immediate(self) -> Self {
        self.with(|class| class.volume_binding_mode = Some("Immediate".into()))
    }

    /// Any other change.
    pub fn with(mut self, change: impl FnOnce(&mut api::StorageClass)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> api::StorageClass {
        self.0
    }
}

/// How much room a driver says it has for a class, on nodes with this label.
pub fn capacity(
    name: &str,
    class: &str,
    topology: (&str, &str),
    room: Option<&str>,
) -> api::CsiStorageCapacity {
    let mut capacity = api::CsiStorageCapacity::default();
    capacity.metadata.name = name.into();
    capacity.metadata.namespace = "default".into();
    capacity.metadata.resource_version = "1".into();
    capacity.storage_class_name = class.into();
    let labels = [(topology.0.into(), topology.1.into())].into();
    let selector = crate::model::LabelSelector { match_labels: labels, ..Default::default() };
    capacity.node_topology = Some(selector);
    capacity.capacity = room.map(quantity);
    capacity
}

/// What the drivers of a node say: their names and how many volumes they take.
pub fn csi_node(name: &str, drivers: &[(&str, Option<i32>)]) -> api::CsiNode {
    use crate::api::storage::{CsiNodeDriver, VolumeNodeResources};
    let mut node = api::CsiNode::default();
    node.metadata.name = name.into();
    let drivers = drivers.iter().map(|(driver, count)| CsiNodeDriver {
        name: (*driver).into(),
        topology_keys: Vec::new(),
        allocatable: Some(VolumeNodeResources { count: *count }),
    });
    node.spec.drivers = drivers.collect();
    node
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}
