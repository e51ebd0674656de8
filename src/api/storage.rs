//! Storage: claims, volumes, and what drivers say of themselves, of nodes and of their room.

use serde::{Deserialize, Serialize};

use super::amounts::{amounts, optional_amount};
use super::meta::{Object, ObjectMeta, is_false, null_as_default, str_is_empty};
use super::pod::{ResourceList, ResourceRequirements};
use super::volume::{
    AwsElasticBlockStore, AzureDisk, Cinder, CsiVolume, GcePersistentDisk, PortworxVolume,
};
use crate::model::{LabelSelector, NodeSelector, Quantity, Str};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaim {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PersistentVolumeClaimSpec,
    #[serde(deserialize_with = "null_as_default")]
    pub status: PersistentVolumeClaimStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaimSpec {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    #[serde(deserialize_with = "null_as_default")]
    pub resources: ResourceRequirements,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub volume_name: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_class_name: Option<Str>,
}

/// What a claim is made from, for each pod of a StatefulSet or for one pod alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimTemplate {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PersistentVolumeClaimSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaimStatus {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub phase: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolume {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PersistentVolumeSpec,
    #[serde(deserialize_with = "null_as_default")]
    pub status: PersistentVolumeStatus,
}

/// Of the sources only those that count as volumes of a CSI driver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeSpec {
    #[serde(deserialize_with = "amounts", skip_serializing_if = "ResourceList::is_empty")]
    pub capacity: ResourceList,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_ref: Option<ClaimRef>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub storage_class_name: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_mode: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_class_name: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<VolumeNodeAffinity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csi: Option<CsiVolume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gce_persistent_disk: Option<GcePersistentDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_elastic_block_store: Option<AwsElasticBlockStore>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_disk: Option<AzureDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cinder: Option<Cinder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portworx_volume: Option<PortworxVolume>,
}

/// The claim that a volume is bound to, or set aside for. The uid is missing where a person wrote
/// the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClaimRef {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub namespace: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub name: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub uid: Str,
}

/// From which nodes a volume can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeNodeAffinity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<NodeSelector>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeStatus {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub phase: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageClass {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub provisioner: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_binding_mode: Option<Str>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub allowed_topologies: Vec<TopologySelectorTerm>,
}

/// Conditions on node labels that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopologySelectorTerm {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_label_expressions: Vec<TopologySelectorRequirement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopologySelectorRequirement {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub values: Vec<Str>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiDriver {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: CsiDriverSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiDriverSpec {
    /// Whether the driver publishes its room as CSIStorageCapacity objects.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub storage_capacity: bool,
    /// Whether pods keep off nodes on which the driver is not installed.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub prevent_pod_scheduling_if_missing: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiNode {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: CsiNodeSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiNodeSpec {
    #[serde(deserialize_with = "null_as_default")]
    pub drivers: Vec<CsiNodeDriver>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiNodeDriver {
    #[serde(deserialize_with = "null_as_default")]
    pub name: Str,
    /// The labels of the node that say from where its volumes can be reached.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub topology_keys: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocatable: Option<VolumeNodeResources>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeNodeResources {
    /// How many volumes of the driver the node takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
}

/// How much room there is for volumes of a class, on the nodes of a topology.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiStorageCapacity {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_topology: Option<LabelSelector>,
    #[serde(deserialize_with = "null_as_default")]
    pub storage_class_name: Str,
    #[serde(deserialize_with = "optional_amount", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Quantity>,
    #[serde(deserialize_with = "optional_amount", skip_serializing_if = "Option::is_none")]
    pub maximum_volume_size: Option<Quantity>,
}

/// A volume that is attached to a node, or is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeAttachment {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: VolumeAttachmentSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeAttachmentSpec {
    /// The driver.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub attacher: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub node_name: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub source: VolumeAttachmentSource,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeAttachmentSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_name: Option<Str>,
}

macro_rules! object {
    ($type:ident, $kind:literal, $group:literal, $namespaced:literal) => {
        impl Object for $type {
            const KIND: &'static str = $kind;
            const GROUP: &'static str = $group;
            const NAMESPACED: bool = $namespaced;

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

object!(PersistentVolumeClaim, "PersistentVolumeClaim", "", true);
object!(PersistentVolume, "PersistentVolume", "", false);
object!(StorageClass, "StorageClass", "storage.k8s.io", false);
object!(CsiDriver, "CSIDriver", "storage.k8s.io", false);
object!(CsiNode, "CSINode", "storage.k8s.io", false);
object!(CsiStorageCapacity, "CSIStorageCapacity", "storage.k8s.io", true);
object!(VolumeAttachment, "VolumeAttachment", "storage.k8s.io", false);
