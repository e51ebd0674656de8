//! What may help a pod that required terms have refused.

use crate::framework::ClusterEvent;
use crate::snapshot::{AffinityTerm, NodeInfo, PodInfo};

pub fn may_help(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    let affinity = &pod.terms.required_affinity;
    let anti = &pod.terms.required_anti_affinity;
    match event {
        ClusterEvent::PodPlaced(other) => all_speak_of(affinity, other),
        ClusterEvent::PodUpdated { old, new } => {
            let left_behind = |term| may_speak_of(term, old) && !may_speak_of(term, new);
            !all_speak_of(affinity, old) && all_speak_of(affinity, new)
                || anti.iter().any(left_behind)
        }
        ClusterEvent::PodRemoved(other) => {
            any_speaks_of(anti, other)
                || any_speaks_of(&other.terms.required_anti_affinity, pod)
                // Once the last of its kind is gone, the pod may be the first.
                || all_speak_of(affinity, other) && all_speak_of(affinity, pod)
        }
        ClusterEvent::WaitingPodUpdated { old, new } => old.labels != new.labels,
        ClusterEvent::NodeAdded(node) => {
            // Whatever it is that the pod shall be away from, it need not be near a new node.
            let mut keys = affinity.iter().map(|term| &term.topology_key);
            affinity.is_empty() || !anti.is_empty() || keys.any(|key| node.labels.contains_key(key))
        }
        ClusterEvent::NodeUpdated { old, new } => node_moved(pod, old, new),
        // Terms may speak of namespaces by their labels, also those of placed pods.
        ClusterEvent::NamespaceChanged => true,
        ClusterEvent::NodeRemoved(_)
        | ClusterEvent::NodeRested
        | ClusterEvent::OwnerChanged
        | ClusterEvent::PolicyChanged
        | ClusterEvent::Storage(_) => false,
    }
}

/// Whether a node has come into another domain of affinity, or out of one of anti-affinity. A pod
/// without required terms was refused for those of placed pods, which may have any key.
fn node_moved(pod: &PodInfo, old: &NodeInfo, new: &NodeInfo) -> bool {
    let moved = |terms: &[AffinityTerm], helps: fn(bool, bool) -> bool| {
        terms.iter().any(|term| {
            let (before, after) =
                (old.labels.get(&term.topology_key), new.labels.get(&term.topology_key));
            before != after && helps(before.is_some(), after.is_some())
        })
    };
    let (affinity, anti) = (&pod.terms.required_affinity, &pod.terms.required_anti_affinity);
    if affinity.is_empty() && anti.is_empty() {
        return old.labels != new.labels;
    }
    moved(affinity, |_, after| after) || moved(anti, |before, _| before)
}

fn all_speak_of(terms: &[AffinityTerm], pod: &PodInfo) -> bool {
    !terms.is_empty() && terms.iter().all(|term| may_speak_of(term, pod))
}

fn any_speaks_of(terms: &[AffinityTerm], pod: &PodInfo) -> bool {
    terms.iter().any(|term| may_speak_of(term, pod))
}

/// The labels of namespaces are not known here. A selector of namespaces is taken to match, so that
/// a pod is woken for nothing rather than not at all.
fn may_speak_of(term: &AffinityTerm, pod: &PodInfo) -> bool {
    let scope = &term.scope;
    (scope.names.contains(&pod.key.namespace) || !scope.selector.is_nothing())
        && term.selector.matches(&pod.labels)
}
