//! What Quorate does not support yet fails closed: a pod that needs it stays unscheduled, whatever
//! the profile, with a reason that names the field.

use std::fmt;

use super::{Status, limits};
use crate::api;
use crate::snapshot::PodInfo;

/// A field of a spec that decides on placement in a way that we do not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported<'a> {
    /// The name of a claim for devices.
    ResourceClaim(&'a str),
    /// The name of a group of pods.
    SchedulingGroup(&'a str),
}

/// The first unsupported field of a spec.
pub fn unsupported(spec: &api::PodSpec) -> Option<Unsupported<'_>> {
    let claims = spec.resource_claims.first();
    let claim = claims.map(|claim| Unsupported::ResourceClaim(&claim.name));
    let group = spec.scheduling_group.as_ref();
    let group = group.map(|group| {
        let name = group.pod_group_name.as_deref();
        Unsupported::SchedulingGroup(name.unwrap_or_default())
    });
    claim.or(group)
}

/// The first unsupported field of a spec, with what is missing.
pub fn unsupported_field(spec: &api::PodSpec) -> Option<String> {
    unsupported(spec).map(|field| field.to_string())
}

impl fmt::Display for Unsupported<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
