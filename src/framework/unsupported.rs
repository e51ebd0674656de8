//! What Quorate does not support yet fails closed: a pod that needs it stays unscheduled, whatever
//! the profile, with a reason that names the field.

use std::fmt;

use super::{Status, limits};
use crate::api;
use crate::snapshot::PodInfo;

/// A field of a spec that decides on placement in a way that we do not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported<'a> {
    /// A volume that needs a claim or a disk, and the kind of its source.
    Volume { index: usize, name: &'a str, source: &'static str },
    /// The name of a claim for devices.
    ResourceClaim(&'a str),
    /// The name of a group of pods.
    SchedulingGroup(&'a str),
}

/// The first unsupported field of a spec.
pub fn unsupported(spec: &api::PodSpec) -> Option<Unsupported<'_>> {
    let mut volumes = spec.volumes.iter().enumerate();
    let volume = volumes.find_map(|(index, volume)| {
        let (name, source) = (&*volume.name, source(volume)?);
        Some(Unsupported::Volume { index, name, source })
    });
    let claims = spec.resource_claims.first();
    let claim = claims.map(|claim| Unsupported::ResourceClaim(&claim.name));
    let group = spec.scheduling_group.as_ref();
    let group = group.map(|group| {
        let name = group.pod_group_name.as_deref();
        Unsupported::SchedulingGroup(name.unwrap_or_default())
    });
    volume.or(claim).or(group)
}

/// The first unsupported field of a spec, with what is missing.
pub fn unsupported_field(spec: &api::PodSpec) -> Option<String> {
    unsupported(spec).map(|field| field.to_string())
}

impl fmt::Display for Unsupported<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume { index, name, source } => write!(
                f,
                "spec.volumes[{index}].{source} ({name:?}): \
                 volumes that need a claim or a disk are not supported yet"
            ),
            Self::ResourceClaim(name) => write!(
                f,
                "spec.resourceClaims[0] ({name:?}): claims for devices are not supported yet"
            ),
            Self::SchedulingGroup(name) => {
                write!(f, "spec.schedulingGroup ({name:?}): groups of pods are not supported yet")
            }
        }
    }
}

/// What rejects a pod that needs something unsupported, or more than is worked out for one pod.
pub(super) fn reject(pod: &PodInfo) -> Option<Status> {
    let field = unsupported_field(&pod.spec).or_else(|| limits::excess(&pod.spec));
    field.map(Status::unresolvable)
}

/// The field of a volume that the volume plugins look at. Sources that are no claim and no disk,
/// such as `emptyDir`, `configMap` or `nfs`, fit every node. The plugins know the rest, too, but a
/// binding that has to wait for claims has not been proved on a real control plane yet.
fn source(volume: &api::Volume) -> Option<&'static str> {
    let sources = [
        (volume.persistent_volume_claim.is_some(), "persistentVolumeClaim"),
        (volume.ephemeral.is_some(), "ephemeral"),
        (volume.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (volume.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (volume.azure_disk.is_some(), "azureDisk"),
        (volume.azure_file.is_some(), "azureFile"),
        (volume.cinder.is_some(), "cinder"),
        (volume.vsphere_volume.is_some(), "vsphereVolume"),
        (volume.portworx_volume.is_some(), "portworxVolume"),
        (volume.rbd.is_some(), "rbd"),
        (volume.iscsi.is_some(), "iscsi"),
    ];
    let needed = sources.into_iter().find(|(needed, _)| *needed);
    needed.map(|(_, source)| source)
}
