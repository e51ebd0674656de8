//! Required terms: of the incoming pod towards placed ones, and of placed pods towards it.

use super::key_sums::KeySums;
use super::{REASON_AFFINITY, REASON_ANTI_AFFINITY, REASON_EXISTING};
use crate::framework::{Filter, Refusals, Status};
use crate::snapshot::{AffinityTerm, NodeSet, PodInfo, PodQuery, TermKind, View};

/// The nodes that required terms leave to a pod.
pub struct AffinityFilter {
    /// The nodes that lie with the pods which the pod wants to be with; none if it wants nobody.
    together: Option<NodeSet>,
    /// The nodes that lie with pods which the pod wants to be away from.
    hated: NodeSet,
    /// The nodes that lie with pods which want to be away from this one.
    hating: NodeSet,
}

impl AffinityFilter {
    /// None if nothing is required of any node.
    pub fn new(pod: &PodInfo, view: &View<'_>) -> Option<Self> {
        let (affinity, anti) = (&pod.terms.required_affinity, &pod.terms.required_anti_affinity);
        let hating = hating(pod, view);
        if hating.is_none() && affinity.is_empty() && anti.is_empty() {
            return None;
        }
        Some(Self {
            together: (!affinity.is_empty()).then(|| together(pod, affinity, view)),
            hated: hated(anti, view),
            hating: hating.unwrap_or_default(),
        })
    }
}

impl Filter for AffinityFilter {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let mut left = nodes.clone();
        if let Some(together) = &self.together {
            let mut apart = left.clone();
            apart.difference_with(together);
            refusals.refuse_set(&apart, Status::unresolvable(REASON_AFFINITY));
            left.difference_with(&apart);
        }
        let away_from = [(&self.hated, REASON_ANTI_AFFINITY), (&self.hating, REASON_EXISTING)];
        for (nodes, reason) in away_from {
            let mut near = nodes.clone();
            near.intersect_with(&left);
            refusals.refuse_set(&near, Status::unschedulable(reason));
            left.difference_with(&near);
        }
    }
}

/// The nodes from which required anti-affinity keeps the pod, be it its own or that of placed pods.
pub fn kept_off(pod: &PodInfo, view: &View<'_>) -> NodeSet {
    let mut nodes = hated(&pod.terms.required_anti_affinity, view);
    nodes.union_with(&hating(pod, view).unwrap_or_default());
    nodes
}

/// The question which pods a term of an incoming pod speaks of.
pub fn query(term: &AffinityTerm) -> PodQuery {
    PodQuery::new(term.scope.clone(), term.selector.clone())
}

/// The nodes with which required affinity is content: under every key they lie in a domain with a
/// pod that all the terms speak of. If there is no such pod anywhere, the first of its kind may go
/// wherever the keys are.
fn together(pod: &PodInfo, terms: &[AffinityTerm], view: &View<'_>) -> NodeSet {
    let wanted = PodQuery {
        all_of: terms.iter().map(|term| (term.scope.clone(), term.selector.clone())).collect(),
    };
    let pods = view.matching(&wanted);
    let mut sums = KeySums::new(view);
    for term in terms {
        let counts = pods.as_slice().iter();
        let counts = counts.map(|(node, count)| (*node, count.pods.into()));
        sums.add(&term.topology_key, counts);
    }
    let first = sums.is_zero();
    if first && !wanted.matches(pod, view.namespaces()) {
        return NodeSet::default();
    }
    let mut together = view.nodes().present().clone();
    for sums in sums.iter() {
        if first {
            together.intersect_with(sums.column().holders());
        } else {
            let mut near = NodeSet::default();
            sums.add_nodes_above(0, &mut near);
            together.intersect_with(&near);
        }
    }
    together
}

fn hated(terms: &[AffinityTerm], view: &View<'_>) -> NodeSet {
    let mut sums = KeySums::new(view);
    for term in terms {
        let pods = view.matching(&query(term));
        let counts = pods.as_slice().iter();
        let counts = counts.map(|(node, count)| (*node, count.pods.into()));
        sums.add(&term.topology_key, counts);
    }
    sums.above_zero()
}

/// None if no placed pod hates this one on a node that has the key.
fn hating(pod: &PodInfo, view: &View<'_>) -> Option<NodeSet> {
    let mut sums = KeySums::new(view);
    let kind = TermKind::RequiredAntiAffinity;
    view.terms_towards(kind, pod, |term, carriers| {
        let pods = carriers.iter().map(|(node, pods)| (*node, pods.weight));
        sums.add(&term.topology_key, pods);
    });
    (!sums.is_zero()).then(|| sums.above_zero())
}
