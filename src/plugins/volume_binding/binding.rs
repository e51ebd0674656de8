//! From decisions on claims to bound claims.
//!
//! ```text
//!  a volume that is there:  decided ── claimRef written ──▶ the volume controller binds ─▶ bound
//!  a volume to be made:     decided ── selected-node written ─▶ the provisioner makes it ─▶ bound
//! ```
//!
//! Everything is read off the objects as they are now. Whether our own write has been made shows in
//! the object, and whether it has been undone shows in an object that has changed since the
//! decision and does not carry it.

use std::time::Duration;

use super::claims;
use super::plan::{Plan, is_reached};
use crate::framework::{Progress, Status, Write};
use crate::model::{PodKey, Str};
use crate::snapshot::volumes::{ClaimInfo, VolumeInfo};
use crate::snapshot::{ClaimDecision, NodeInfo, PodInfo, Snapshot};

/// How often kube-scheduler looks. Changes of claims and volumes are told at once, so that this is
/// for what nobody tells.
const POLL: Duration = Duration::from_secs(1);

/// How far one claim is.
enum Step {
    Bound,
    Write(Write),
    Wait,
}

/// What a plan says about the claims.
pub(super) fn decisions(plan: &Plan<'_>, node: &Str) -> Vec<ClaimDecision> {
    let bindings = plan.bindings.iter().map(|(claim, volume)| ClaimDecision::Bind {
        claim: claim.key.clone(),
        volume: volume.name.clone(),
        resource_version: volume.resource_version.clone(),
    });
    let provisions = plan.provisions.iter().map(|(claim, capacity)| ClaimDecision::Provision {
        claim: claim.key.clone(),
        node: node.clone(),
        resource_version: claim.resource_version.clone(),
        class: claim.class.clone(),
        size: claim.size.as_ref().map_or(0, |size| size.value()),
        capacity: capacity.map(|capacity| capacity.key.clone()),
    });
    bindings.chain(provisions).collect()
}

/// How far the claims of a pod are.
pub(super) fn progress(
    pod: &PodInfo,
    node: &Str,
    decisions: &[ClaimDecision],
    snapshot: &Snapshot,
) -> Progress {
    let Some(node) = snapshot.node(node) else {
        return failed(format!("failed to get node {node:?}"));
    };
    let (mut writes, mut waits) = (Vec::new(), false);
    for claim in claims::names(pod) {
        let decision = decisions.iter().find(|decision| *decision.claim() == claim);
        match step(&claim, decision, node, snapshot) {
            Ok(Step::Bound) => {}
            Ok(Step::Write(write)) => writes.push(write),
            Ok(Step::Wait) => waits = true,
            Err(reason) => return failed(reason),
        }
    }
    match (writes.is_empty(), waits) {
        (false, _) => Progress::Do(writes),
        (true, true) => Progress::Wait(POLL),
        (true, false) => Progress::Done,
    }
}

/// The pod has to be decided anew.
pub(super) fn failed(reason: impl std::fmt::Display) -> Progress {
    Progress::Fail(Status::error(format!("binding volumes: {reason}")))
}

fn step(
    key: &PodKey,
    decision: Option<&ClaimDecision>,
    node: &NodeInfo,
    snapshot: &Snapshot,
) -> Result<Step, String> {
    let Some(claim) = snapshot.volumes.claim(key) else {
        return Err(format!("persistentvolumeclaim {:?} not found", key.name));
    };
    if !claim.volume.is_empty() {
        // A volume that is not shown yet may be on its way.
        let Some(volume) = snapshot.volumes.volume(&claim.volume) else {
            return Ok(Step::Wait);
        };
        check_reached(volume, node, snapshot)?;
        return Ok(if claim.is_bound() { Step::Bound } else { Step::Wait });
    }
    match decision {
        None => Err(format!("persistentvolumeclaim {:?} is not bound any more", key.name)),
        Some(ClaimDecision::Bind { volume, resource_version, .. }) => {
            let Some(volume) = snapshot.volumes.volume(volume) else {
                return Err(format!("persistentvolume {volume:?} not found"));
            };
            check_reached(volume, node, snapshot)?;
            bind(claim, volume, resource_version)
        }
        Some(ClaimDecision::Provision { node, resource_version, .. }) => {
            select(claim, node, resource_version)
        }
    }
}

/// The volume gets the claim's name, and the controller of volumes does the rest.
fn bind(claim: &ClaimInfo, volume: &VolumeInfo, decided_on: &Str) -> Result<Step, String> {
    let is_for_claim = volume.is_for(claim);
    if is_for_claim && volume.claim.as_ref().is_some_and(|reference| !reference.uid.is_empty()) {
        return Ok(Step::Wait);
    }
    if volume.resource_version != *decided_on {
        return Err(format!("ClaimRef got reset for pv {:?}", volume.name));
    }
    Ok(Step::Write(Write::BindVolume {
        volume: volume.name.clone(),
        uid: volume.uid.clone(),
        resource_version: volume.resource_version.clone(),
        claim: claim.key.clone(),
        claim_uid: claim.uid.clone(),
        by_controller: !is_for_claim && !volume.bound_by_controller,
    }))
}

/// The claim gets the node's name, and the provisioner does the rest. It takes the name away again
/// where it cannot serve the node.
fn select(claim: &ClaimInfo, node: &Str, decided_on: &Str) -> Result<Step, String> {
    if claim.selected_node.as_ref() == Some(node) {
        return Ok(Step::Wait);
    }
    if claim.resource_version != *decided_on {
        return Err(match claim.selected_node {
            Some(_) => format!("provisioning failed for PVC {:?}", claim.key.name),
            None => format!("selectedNode annotation reset for PVC {:?}", claim.key.name),
        });
    }
    Ok(Step::Write(Write::SelectNode {
        claim: claim.key.clone(),
        uid: claim.uid.clone(),
        resource_version: claim.resource_version.clone(),
        node: node.clone(),
    }))
}

fn check_reached(volume: &VolumeInfo, node: &NodeInfo, snapshot: &Snapshot) -> Result<(), String> {
    let (name, node_name) = (&volume.name, &node.name);
    match is_reached(volume, node, &snapshot.volumes) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!(
            "pv {name:?} node affinity doesn't match node {node_name:?}: \
             no matching NodeSelectorTerms"
        )),
        Err(error) => Err(format!("failed to translate pv to csi: {error}")),
    }
}
