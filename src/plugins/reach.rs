//! Which nodes a pod may run on at all, whatever stands on them.

use crate::model::{NO_EXECUTE, NO_SCHEDULE, first_untolerated};
use crate::snapshot::{NodeInfo, NodeSet, PodInfo, View};

/// The nodes that neither the pod's affinity nor their taints rule out.
pub fn reachable(pod: &PodInfo, view: &View<'_>) -> NodeSet {
    let mut nodes = view.nodes().present().clone();
    nodes.difference_with(&tainted(pod, view));
    if let Some(unwanted) = unwanted(pod, view) {
        nodes.difference_with(&unwanted);
    }
    nodes
}

/// The nodes that the pod's node selector and required node affinity do not allow; none where it
/// has neither.
pub fn unwanted(pod: &PodInfo, view: &View<'_>) -> Option<NodeSet> {
    let labels = &pod.spec.node_selector;
    let affinity = pod.spec.affinity.as_ref();
    let affinity = affinity.and_then(|affinity| affinity.node_affinity.as_ref()?.required.as_ref());
    if labels.is_empty() && affinity.is_none() {
        return None;
    }
    let terms = affinity.map(|selector| selector.compile());
    // Terms that cannot be read match nothing.
    let wants = |node: &NodeInfo| {
        labels.iter().all(|(key, value)| node.labels.get(key) == Some(value))
            && terms.as_ref().is_none_or(|terms| {
                let matched = terms.matches(&node.name, &node.labels);
                matched.unwrap_or(false)
            })
    };
    let nodes = view.nodes();
    let unwanted = nodes.present().iter().filter(|node| !wants(nodes.info(*node)));
    Some(unwanted.collect())
}

/// The nodes with a taint that keeps the pod away.
pub fn tainted(pod: &PodInfo, view: &View<'_>) -> NodeSet {
    let keeps_away = |effect: &str| [NO_SCHEDULE, NO_EXECUTE].contains(&effect);
    let mut tainted = NodeSet::default();
    for group in view.nodes().taint_groups() {
        if first_untolerated(&group.taints, &pod.spec.tolerations, keeps_away).is_some() {
            tainted.union_with(&group.nodes);
        }
    }
    tainted
}
