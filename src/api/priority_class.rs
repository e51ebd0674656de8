//! Priority classes: the names behind the priorities of pods.

use serde::{Deserialize, Serialize};

use super::meta::{Object, ObjectMeta, is_false, null_as_default};
use crate::model::Str;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PriorityClass {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub value: i32,
    /// Whether pods that name no class get this one.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub global_default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<Str>,
}

impl Object for PriorityClass {
    const KIND: &'static str = "PriorityClass";
    const GROUP: &'static str = "scheduling.k8s.io";
    const NAMESPACED: bool = false;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
