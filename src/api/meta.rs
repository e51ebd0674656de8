//! Object metadata, and how absent and `null` fields are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{Labels, PodKey, Str};

/// The part of an object's metadata that Quorate reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub name: Str,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub namespace: Str,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub uid: Str,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub resource_version: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub generation: i64,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Labels::is_empty"
    )]
    pub labels: Labels,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<Str, Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<jiff::Timestamp>,
    #[serde(
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub owner_references: Vec<OwnerReference>,
}

/// Who owns an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    pub api_version: Str,
    pub kind: Str,
    pub name: Str,
    pub uid: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
}

/// An object that the scheduler watches.
pub trait Object {
    /// The Kubernetes kind, for messages.
    const KIND: &'static str;

    fn meta(&self) -> &ObjectMeta;

    fn key(&self) -> PodKey {
        let meta = self.meta();
        PodKey {
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
        }
    }
}

impl ObjectMeta {
    /// The owner that manages the object, if one says so.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references
            .iter()
            .find(|owner| owner.controller == Some(true))
    }
}

/// Reads `null` as the default, as Go does for slices, maps and strings.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn str_is_empty(text: &Str) -> bool {
    text.is_empty()
}

pub(crate) fn is_zero(number: &i64) -> bool {
    *number == 0
}

pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}
