//! Pod volumes: enough of each source to say whether placement depends on it.

use serde::de::IgnoredAny;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::meta::null_as_default;
use crate::model::Str;

/// A field whose presence matters and whose content does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    #[serde(deserialize_with = "null_as_default")]
    pub name: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gce_persistent_disk: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_elastic_block_store: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_disk: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_file: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cinder: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsphere_volume: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portworx_volume: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rbd: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iscsi: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csi: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageVolumeSource>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistentVolumeClaimSource {
    #[serde(deserialize_with = "null_as_default")]
    pub claim_name: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageVolumeSource {
    #[serde(deserialize_with = "null_as_default")]
    pub reference: Str,
}

/// A claim for devices of dynamic resource allocation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceClaimRef {
    #[serde(deserialize_with = "null_as_default")]
    pub name: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    #[serde(deserialize_with = "null_as_default")]
    pub name: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub bind_mount_options: Vec<Str>,
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Present)
    }
}

impl Serialize for Present {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}
