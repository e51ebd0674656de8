//! The claims of a pod, sorted by what has to be done about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{REASON_IMMEDIATE, REASON_MISSING};
use crate::framework::Status;
use crate::model::{PodKey, Str};
use crate::snapshot::volumes::{ClaimInfo, ClassInfo};
use crate::snapshot::{PodInfo, PodVolume, VolumesView};

/// The claims of a pod that may go to a node.
#[derive(Debug, Default)]
pub(super) struct PodClaims<'a> {
    /// Claims that have their volume.
    pub(super) bound: Vec<&'a Arc<ClaimInfo>>,
    /// Claims that get one together with a node.
    pub(super) late: Vec<LateClaim<'a>>,
}

/// A claim that waits for its pod to have a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct LateClaim<'a> {
    pub(super) claim: &'a Arc<ClaimInfo>,
    pub(super) class: &'a Arc<ClassInfo>,
    /// The node for which its volume is made already.
    pub(super) selected: Option<&'a Str>,
}

impl<'a> PodClaims<'a> {
    /// None for a pod without claims.
    pub(super) fn of(pod: &PodInfo, volumes: VolumesView<'a>) -> Result<Option<Self>, Status> {
        let mut claims: Vec<&Arc<ClaimInfo>> = Vec::new();
        for volume in pod.volumes.iter() {
            let Some((name, ephemeral)) = volume.claim() else { continue };
            let claim = usable(pod, name, ephemeral, volumes)?;
            // Two volumes of a pod may stand for one claim, which is bound once.
            if claims.iter().all(|other| other.key != claim.key) {
                claims.push(claim);
            }
        }
        if claims.is_empty() {
            return Ok(None);
        }
        let mut sorted = Self::default();
        for claim in claims {
            if claim.is_bound() {
                sorted.bound.push(claim);
                continue;
            }
            let class = volumes.shown().class(&claim.class);
            match class.filter(|class| class.waits_for_consumer && claim.volume.is_empty()) {
                Some(class) => {
                    let selected = volumes.selected_node(claim);
                    sorted.late.push(LateClaim { claim, class, selected });
                }
                // Nobody but the controller of volumes can help.
                None => return Err(Status::unresolvable(REASON_IMMEDIATE)),
            }
        }
        Ok(Some(sorted))
    }
}

/// The names of a pod's claims.
pub(super) fn names(pod: &PodInfo) -> BTreeSet<PodKey> {
    let names = pod.volumes.iter().filter_map(PodVolume::claim);
    let key = |name: &Str| PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
    names.map(|(name, _)| key(name)).collect()
}

/// A claim that the pod can use, be it bound or not.
fn usable<'a>(
    pod: &PodInfo,
    name: &Str,
    ephemeral: bool,
    volumes: VolumesView<'a>,
) -> Result<&'a Arc<ClaimInfo>, Status> {
    let key = PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
    let Some(claim) = volumes.claim(&key) else {
        return Err(Status::unresolvable(match ephemeral {
            true => format!(
                "waiting for ephemeral volume controller to create the {REASON_MISSING} {name:?}"
            ),
            false => format!("{REASON_MISSING} {name:?} not found"),
        }));
    };
    if claim.lost {
        let volume = &claim.volume;
        return Err(Status::unresolvable(format!(
            "{REASON_MISSING} {name:?} bound to non-existent persistentvolume {volume:?}"
        )));
    }
    if claim.terminating {
        let reason = format!("{REASON_MISSING} {name:?} is being deleted");
        return Err(Status::unresolvable(reason));
    }
    if ephemeral && claim.controller != pod.uid {
        return Err(Status::unresolvable(claim.not_of(pod)));
    }
    Ok(claim)
}
