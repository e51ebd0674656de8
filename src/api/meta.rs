//! Object metadata, and how absent and `null` fields are read.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::{Labels, PodKey, Str};

/// The part of an object's metadata that Quorate reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub name: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub namespace: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub uid: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub resource_version: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_zero")]
    pub generation: i64,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(deserialize_with = "text_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<Str, Str>,
    #[serde(deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<jiff::Timestamp>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

/// Who owns an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    #[serde(deserialize_with = "null_as_default")]
    pub api_version: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub kind: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub name: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub uid: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
}

/// A kind of object that Quorate reads.
pub trait Object {
    /// The Kubernetes kind.
    const KIND: &'static str;
    /// The API group, empty for the core group.
    const GROUP: &'static str;
    /// Whether objects of this kind live in namespaces.
    const NAMESPACED: bool;

    fn meta(&self) -> &ObjectMeta;

    fn meta_mut(&mut self) -> &mut ObjectMeta;

    fn key(&self) -> PodKey {
        let meta = self.meta();
        PodKey { namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl ObjectMeta {
    /// The owner that manages the object, if one says so.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true))
    }
}

/// Reads `null` as the default, as Go does.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a map of texts. `null`, for the map or for a text, is the empty one, as Go reads it.
pub(crate) fn text_map<'de, D>(deserializer: D) -> Result<BTreeMap<Str, Str>, D::Error>
where
    D: Deserializer<'de>,
{
    let map: BTreeMap<Str, Option<Str>> = null_as_default(deserializer)?;
    Ok(map.into_iter().map(|(key, text)| (key, text.unwrap_or_default())).collect())
}

/// Reads a time, and says what the text was where it is none.
pub(crate) fn optional_time<'de, D>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error>
where
    D: Deserializer<'de>,
{
    let text: Option<Str> = Option::deserialize(deserializer)?;
    let time = text.map(|text| {
        text.parse().map_err(|_| {
            D::Error::custom(format_args!("{text:?} is no time such as 2006-01-02T15:04:05Z"))
        })
    });
    time.transpose()
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
