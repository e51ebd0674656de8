//! Pods of one controller that must not share a domain, and whose claims tie them to one.
//!
//! A claim that waits for its pod is tied to a node as soon as the node stands on it, before its
//! volume is made, and for good when the volume is made there. If the pod does not get the node
//! after all, because its binding failed or the scheduler was restarted, kube-scheduler remembers
//! nothing but that tie. A sibling with required anti-affinity may then take the node, and the pod
//! waits for ever: it may go nowhere else, and there it may not go (kubernetes#122257, #126499).
//!
//! Two rules keep this from happening:
//! 1. A pod leaves the domain of a waiting sibling alone if the two keep each other out of it, and
//!    if the sibling is tied to it more tightly than the pod itself.
//!    A sibling that demands another kind of node than those it is tied to is left nothing.
//! 2. A tie that holds no volume yet is given up where anti-affinity keeps the pod off the node:
//!    another node is written over it. Should a volume be made for the first node all the same, the
//!    claim is bound to it, which the pod sees before it is bound, and starts anew with rule 1.

use std::sync::Arc;

use super::claims;
use super::plan::is_reached;
use crate::framework::Status;
use crate::model::PodKey;
use crate::plugins::inter_pod_affinity::kept_off;
use crate::plugins::node_affinity::Required;
use crate::snapshot::{AffinityTerm, Domain, NodeIndex, NodeSet, PodInfo, TopologyColumn, View};

pub(super) const REASON_SIBLING: &str = "node(s) were left to a pod of the same controller \
     whose volume is there and that cannot run beside this one";

/// The domains that a pod leaves to its siblings.
#[derive(Default)]
pub(super) struct Siblings {
    kept: Vec<(Arc<TopologyColumn>, Domain)>,
}

/// To which nodes the claims of a pod tie it, of those on which it could ever run.
#[derive(Default)]
struct Ties {
    /// The nodes that reach its volumes, if they do not say that all nodes do.
    volumes: Option<NodeSet>,
    /// The node for which a volume is to be made.
    selected: Option<NodeIndex>,
}

/// How tightly a pod is tied to a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tie {
    /// It may go elsewhere.
    None,
    /// It is written on a claim; nothing is made yet.
    Selected,
    /// A volume is there and nowhere else.
    Volume,
}

impl Siblings {
    pub(super) fn of(pod: &PodInfo, view: &View<'_>) -> Self {
        let mut siblings = Self::default();
        let mut own: Option<Ties> = None;
        for sibling in view.waiting_siblings(pod) {
            let is_first = sibling.priority >= pod.priority && !sibling.terminating;
            let terms: Vec<&AffinityTerm> = terms_between(pod, sibling, view).collect();
            if !is_first || terms.is_empty() {
                continue;
            }
            let ties = Ties::of(sibling, view);
            for term in terms {
                let column = view.topology(&term.topology_key);
                let Some((domain, tie)) = ties.tightest(&column) else { continue };
                let own = own.get_or_insert_with(|| Ties::of(pod, view));
                if tie > own.to(&column, domain) {
                    siblings.kept.push((column, domain));
                }
            }
        }
        siblings
    }

    pub(super) fn check(&self, node: NodeIndex) -> Result<(), Status> {
        if self.keep(node) { Err(Status::unresolvable(REASON_SIBLING)) } else { Ok(()) }
    }

    fn keep(&self, node: NodeIndex) -> bool {
        self.kept.iter().any(|(column, domain)| column.domain(node) == Some(*domain))
    }
}

/// Whether a node for which volumes are to be made is one that the pod cannot get.
pub(super) fn is_lost(node: &str, pod: &PodInfo, siblings: &Siblings, view: &View<'_>) -> bool {
    let Some(node) = view.nodes().find(node) else {
        return false;
    };
    siblings.keep(node) || kept_off(pod, view).contains(node)
}

/// The required anti-affinity terms of either pod that speak of the other.
fn terms_between<'a>(
    one: &'a PodInfo,
    other: &'a PodInfo,
    view: &View<'_>,
) -> impl Iterator<Item = &'a AffinityTerm> {
    let speaks = |term: &AffinityTerm, of: &PodInfo| {
        let labels = view.namespace_labels(&of.key.namespace);
        term.matches(&of.key.namespace, &labels, &of.labels)
    };
    let of_one = one.terms.required_anti_affinity.iter().filter(move |t| speaks(t, other));
    let of_other = other.terms.required_anti_affinity.iter().filter(move |t| speaks(t, one));
    of_one.chain(of_other)
}

impl Ties {
    fn of(pod: &PodInfo, view: &View<'_>) -> Self {
        let mut ties = Self::default();
        for claim in claims::names(pod) {
            ties.add(&claim, view);
        }
        let required = Required::of(pod);
        let may_run = |node: NodeIndex| required.matches(view.nodes().info(node)).unwrap_or(false);
        ties.volumes = ties.volumes.map(|nodes| nodes.iter().filter(|n| may_run(*n)).collect());
        ties.selected = ties.selected.filter(|node| may_run(*node));
        ties
    }

    fn add(&mut self, claim: &PodKey, view: &View<'_>) {
        let volumes = view.volumes();
        let Some(claim) = volumes.claim(claim) else { return };
        if claim.volume.is_empty() {
            let selected = volumes.selected_node(claim);
            self.selected = selected.and_then(|name| view.nodes().find(name)).or(self.selected);
            return;
        }
        let Some(volume) = volumes.shown().volume(&claim.volume) else { return };
        let reaches = |node: &NodeIndex| {
            is_reached(volume, view.nodes().info(*node), volumes.shown()).unwrap_or(false)
        };
        let nodes = view.nodes().present();
        let reached: NodeSet = nodes.iter().filter(reaches).collect();
        if reached.len() == nodes.len() {
            return;
        }
        match &mut self.volumes {
            Some(volumes) => volumes.intersect_with(&reached),
            none => *none = Some(reached),
        }
    }

    /// The domain to which the claims tie the pod, if it is one.
    fn tightest(&self, column: &TopologyColumn) -> Option<(Domain, Tie)> {
        let of_volumes = self.volumes.as_ref().and_then(|nodes| only_domain(nodes, column));
        let of_selected = || column.domain(self.selected?);
        of_volumes
            .map(|domain| (domain, Tie::Volume))
            .or_else(|| of_selected().map(|domain| (domain, Tie::Selected)))
    }

    fn to(&self, column: &TopologyColumn, domain: Domain) -> Tie {
        match self.tightest(column) {
            Some((own, tie)) if own == domain => tie,
            _ => Tie::None,
        }
    }
}

/// The domain in which all of the nodes lie.
fn only_domain(nodes: &NodeSet, column: &TopologyColumn) -> Option<Domain> {
    let mut domains = nodes.iter().map(|node| column.domain(node));
    let first = domains.next()??;
    domains.all(|domain| domain == Some(first)).then_some(first)
}
