//! The affinity terms of placed pods, found by the labels of a pod that they may speak of.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::label_index::LabelIndex;
use super::node_set::NodeIndex;
use super::pod_info::PodInfo;
use super::terms::{AffinityTerm, PodTerms};
use crate::model::Labels;

/// The four lists in which terms stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TermKind {
    RequiredAffinity,
    RequiredAntiAffinity,
    PreferredAffinity,
    PreferredAntiAffinity,
}

/// By node: how many pods there have the term, or for preferred terms the sum of their weights.
pub type TermCarriers = BTreeMap<NodeIndex, i64>;

/// All terms of placed pods; equal terms of several pods are one.
#[derive(Debug, Default)]
pub(super) struct TermIndex {
    carriers: FxHashMap<Arc<(TermKind, AffinityTerm)>, Carriers>,
    index: LabelIndex<Arc<(TermKind, AffinityTerm)>>,
}

#[derive(Debug, Default)]
struct Carriers {
    /// Nodes with the sum of weights and the number of pods.
    by_node: BTreeMap<NodeIndex, (i64, u32)>,
}

impl TermIndex {
    pub(super) fn add(&mut self, terms: &PodTerms, node: NodeIndex) {
        for (kind, weight, term) in weighted(terms) {
            let key = Arc::new((kind, term.clone()));
            let carriers = self.carriers.entry(key).or_insert_with_key(|key| {
                self.index.insert(key.1.selector.equality(), key.clone());
                Carriers::default()
            });
            let (sum, pods) = carriers.by_node.entry(node).or_default();
            *sum += weight;
            *pods += 1;
        }
    }

    pub(super) fn remove(&mut self, terms: &PodTerms, node: NodeIndex) {
        for (kind, weight, term) in weighted(terms) {
            let key = Arc::new((kind, term.clone()));
            let Some(carriers) = self.carriers.get_mut(&key) else {
                continue;
            };
            if let Some((sum, pods)) = carriers.by_node.get_mut(&node) {
                *sum -= weight;
                *pods -= 1;
                if *pods == 0 {
                    carriers.by_node.remove(&node);
                }
            }
            if carriers.by_node.is_empty() {
                self.carriers.remove(&key);
                self.index.remove(term.selector.equality(), &key);
            }
        }
    }

    /// Calls `visit` with every term of one kind that speaks of the pod, and who carries it.
    pub(super) fn towards(
        &self,
        kind: TermKind,
        pod: &PodInfo,
        namespace_labels: &Labels,
        mut visit: impl FnMut(&AffinityTerm, &mut dyn Iterator<Item = (NodeIndex, i64)>),
    ) {
        for key in self.index.candidates(&pod.labels) {
            if key.0 != kind
                || !key
                    .1
                    .matches(&pod.key.namespace, namespace_labels, &pod.labels)
            {
                continue;
            }
            if let Some(carriers) = self.carriers.get(key) {
                let mut nodes = carriers
                    .by_node
                    .iter()
                    .map(|(node, (sum, _))| (*node, *sum));
                visit(&key.1, &mut nodes);
            }
        }
    }
}

/// All terms of a pod with what each counts: its weight, or 1 for one that is required.
pub(super) fn weighted(terms: &PodTerms) -> impl Iterator<Item = (TermKind, i64, &AffinityTerm)> {
    let required = [
        (TermKind::RequiredAffinity, &terms.required_affinity),
        (
            TermKind::RequiredAntiAffinity,
            &terms.required_anti_affinity,
        ),
    ];
    let preferred = [
        (TermKind::PreferredAffinity, &terms.preferred_affinity),
        (
            TermKind::PreferredAntiAffinity,
            &terms.preferred_anti_affinity,
        ),
    ];
    let required = required
        .into_iter()
        .flat_map(|(kind, terms)| terms.iter().map(move |term| (kind, 1, term)));
    let preferred = preferred.into_iter().flat_map(|(kind, terms)| {
        terms
            .iter()
            .map(move |weighted| (kind, weighted.weight, &weighted.term))
    });
    required.chain(preferred)
}
