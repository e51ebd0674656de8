//! Nodes.

use serde::{Deserialize, Serialize};

use super::amounts::amounts;
use super::meta::{Object, ObjectMeta, is_false, null_as_default};
use super::pod::ResourceList;
use crate::model::{Str, Taint};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: NodeSpec,
    #[serde(deserialize_with = "null_as_default")]
    pub status: NodeStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub unschedulable: bool,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    #[serde(deserialize_with = "amounts", skip_serializing_if = "ResourceList::is_empty")]
    pub capacity: ResourceList,
    #[serde(deserialize_with = "amounts", skip_serializing_if = "ResourceList::is_empty")]
    pub allocatable: ResourceList,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ContainerImage>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub declared_features: Vec<Str>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerImage {
    #[serde(deserialize_with = "null_as_default")]
    pub names: Vec<Str>,
    #[serde(deserialize_with = "null_as_default")]
    pub size_bytes: i64,
}

impl Object for Node {
    const KIND: &'static str = "Node";
    const GROUP: &'static str = "";
    const NAMESPACED: bool = false;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
