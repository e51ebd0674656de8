//! What the API server makes of a call about a pod.
//!
//! The rules are those of `pkg/registry/core/pod/storage` in Kubernetes 1.37: a binding is refused
//! with 409 where a precondition fails, the pod is being deleted, has a node already or is gated.

use crate::api;
use crate::model::{PodKey, Str};
use crate::scheduler::{Condition, Op};

/// What becomes of the pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Ruling {
    /// The call is answered well and changes nothing.
    Unchanged,
    /// The pod, but for its new version.
    Changed(Box<api::Pod>),
    /// The code of the answer.
    Refused(u16),
}

/// The pod that a call is about; none if it is about something else.
pub fn key_of(op: &Op) -> Option<&PodKey> {
    match op {
        Op::Bind { pod, .. }
        | Op::Fence { pod, .. }
        | Op::Nominate { pod, .. }
        | Op::GetPod { pod }
        | Op::PatchCondition { pod, .. } => Some(pod),
        Op::Record { note } => Some(&note.pod),
        Op::Write { .. } => None,
    }
}

/// Judges a call about a pod as it stands now; none if there is no pod of that name.
pub fn rule(op: &Op, pod: Option<&api::Pod>) -> Ruling {
    if matches!(op, Op::Record { .. }) {
        return Ruling::Unchanged;
    }
    // What is no name of a node is an error that has no name either, before anything is looked at.
    if matches!(op, Op::Bind { node, .. } if node.is_empty()) {
        return Ruling::Refused(500);
    }
    // The models have no claims and no volumes.
    let Some(pod) = pod.filter(|_| !matches!(op, Op::Write { .. })) else {
        return Ruling::Refused(404);
    };
    match op {
        Op::Bind { uid, resource_version, node, .. } => bind(pod, uid, resource_version, node),
        Op::Fence { uid, resource_version, value, .. } => {
            nominate(pod, uid, resource_version, value)
        }
        Op::Nominate { uid, node, .. } => nominate(pod, uid, &"".into(), node),
        Op::PatchCondition { uid, condition, .. } => {
            update(pod, uid, &"".into(), |pod| set_condition(pod, condition))
        }
        Op::GetPod { .. } | Op::Record { .. } | Op::Write { .. } => Ruling::Unchanged,
    }
}

fn bind(pod: &api::Pod, uid: &Str, version: &Str, node: &Str) -> Ruling {
    let meta = &pod.metadata;
    let other = differs(uid, &meta.uid) || differs(version, &meta.resource_version);
    let bound = !pod.spec.node_name.is_empty() || !pod.spec.scheduling_gates.is_empty();
    if other || bound || meta.deletion_timestamp.is_some() {
        return Ruling::Refused(409);
    }
    let mut pod = pod.clone();
    pod.spec.node_name = node.clone();
    pod.status.nominated_node_name = "".into();
    pod.status.conditions.retain(|condition| &*condition.type_ != "PodScheduled");
    pod.status.conditions.push(api::PodCondition {
        type_: "PodScheduled".into(),
        status: "True".into(),
        ..api::PodCondition::default()
    });
    Ruling::Changed(Box::new(pod))
}

/// No node can be set aside any more for a pod that has one.
fn nominate(pod: &api::Pod, uid: &Str, version: &Str, node: &Str) -> Ruling {
    let ruling = update(pod, uid, version, |pod| pod.status.nominated_node_name = node.clone());
    let too_late = !pod.spec.node_name.is_empty() && !node.is_empty();
    match ruling {
        Ruling::Changed(_) if too_late => Ruling::Refused(422),
        ruling => ruling,
    }
}

/// Changes a pod's status under preconditions. A change that changes nothing makes no version. A
/// version is compared first; a uid that differs then counts as an attempt to change it.
fn update(old: &api::Pod, uid: &Str, version: &Str, change: impl FnOnce(&mut api::Pod)) -> Ruling {
    if differs(version, &old.metadata.resource_version) {
        return Ruling::Refused(409);
    }
    if differs(uid, &old.metadata.uid) {
        return Ruling::Refused(422);
    }
    let mut new = old.clone();
    change(&mut new);
    if new == *old { Ruling::Unchanged } else { Ruling::Changed(Box::new(new)) }
}

/// Whether a precondition fails. An empty one always holds.
fn differs(wanted: &Str, found: &Str) -> bool {
    !wanted.is_empty() && wanted != found
}

fn set_condition(pod: &mut api::Pod, condition: &Condition) {
    pod.status.conditions.retain(|other| &*other.type_ != "PodScheduled");
    pod.status.conditions.push(api::PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    });
}
