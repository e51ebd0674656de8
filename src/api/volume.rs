//! Pod volumes: of each source what placement depends on.

use serde::de::IgnoredAny;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::meta::{is_false, null_as_default, str_is_empty};
use super::storage::ClaimTemplate;
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
    pub ephemeral: Option<EphemeralVolume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gce_persistent_disk: Option<GcePersistentDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws_elastic_block_store: Option<AwsElasticBlockStore>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_disk: Option<AzureDisk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_file: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cinder: Option<Cinder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsphere_volume: Option<Present>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portworx_volume: Option<PortworxVolume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rbd: Option<Rbd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iscsi: Option<Iscsi>,
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

/// A volume whose claim is made for the pod alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EphemeralVolume {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_claim_template: Option<Box<ClaimTemplate>>,
}

/// A persistent volume of a CSI driver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsiVolume {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub driver: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub volume_handle: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GcePersistentDisk {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub pd_name: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AwsElasticBlockStore {
    #[serde(
        rename = "volumeID",
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub volume_id: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AzureDisk {
    #[serde(
        rename = "diskURI",
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub disk_uri: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cinder {
    #[serde(
        rename = "volumeID",
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub volume_id: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortworxVolume {
    #[serde(
        rename = "volumeID",
        deserialize_with = "null_as_default",
        skip_serializing_if = "str_is_empty"
    )]
    pub volume_id: Str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rbd {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<Str>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub pool: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub image: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Iscsi {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "str_is_empty")]
    pub iqn: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_false")]
    pub read_only: bool,
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
