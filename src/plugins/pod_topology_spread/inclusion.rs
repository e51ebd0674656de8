//! Which nodes count for a constraint: the inclusion policies.

use super::constraints::Constraint;
use crate::model::{NO_EXECUTE, NO_SCHEDULE, first_untolerated};
use crate::snapshot::{NodeInfo, NodeSet, PodInfo, View};

/// The nodes that the inclusion policies leave out for one pod. Each is worked out only where a
/// constraint asks for it and it can leave anything out.
#[derive(Debug, Default)]
pub struct Inclusion {
    /// The nodes that the pod's node selector and required node affinity do not allow.
    unwanted: Option<NodeSet>,
    /// The nodes with a taint that keeps the pod away.
    tainted: Option<NodeSet>,
}

impl Inclusion {
    pub fn of(pod: &PodInfo, view: &View<'_>, constraints: &[Constraint]) -> Self {
        let asks = |honors: fn(&Constraint) -> bool| constraints.iter().any(honors);
        Self {
            unwanted: asks(|constraint| constraint.honors_affinity)
                .then(|| unwanted(pod, view))
                .flatten(),
            tainted: asks(|constraint| constraint.honors_taints)
                .then(|| tainted(pod, view))
                .filter(|nodes| !nodes.is_empty()),
        }
    }

    /// The nodes that do not count for the constraint, as sets that may overlap.
    pub fn left_out(&self, constraint: &Constraint) -> impl Iterator<Item = &NodeSet> {
        let unwanted = self.unwanted.as_ref().filter(|_| constraint.honors_affinity);
        let tainted = self.tainted.as_ref().filter(|_| constraint.honors_taints);
        unwanted.into_iter().chain(tainted)
    }
}

fn unwanted(pod: &PodInfo, view: &View<'_>) -> Option<NodeSet> {
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

fn tainted(pod: &PodInfo, view: &View<'_>) -> NodeSet {
    let keeps_away = |effect: &str| [NO_SCHEDULE, NO_EXECUTE].contains(&effect);
    let mut tainted = NodeSet::default();
    for group in view.nodes().taint_groups() {
        if first_untolerated(&group.taints, &pod.spec.tolerations, keeps_away).is_some() {
            tainted.union_with(&group.nodes);
        }
    }
    tainted
}
