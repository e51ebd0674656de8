//! The affinity terms of placed pods, found by the labels of a pod that they may speak of.

use rustc_hash::FxHashMap;

use super::node_set::NodeIndex;
use super::per_node::PerNode;
use super::pod_index::{Filing, PodIndex};
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

/// The pods of one node that carry a term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carriers {
    /// How many there are, or for a preferred term the sum of their weights.
    pub weight: i64,
    pods: i64,
}

/// All terms of placed pods; equal terms of several pods are one.
#[derive(Debug, Default)]
pub(super) struct TermIndex {
    required_affinity: TermsOfKind,
    required_anti_affinity: TermsOfKind,
    preferred_affinity: TermsOfKind,
    preferred_anti_affinity: TermsOfKind,
}

#[derive(Debug, Default)]
struct TermsOfKind {
    by_term: FxHashMap<AffinityTerm, usize>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// Which terms may speak of a pod.
    index: PodIndex,
}

#[derive(Debug)]
struct Entry {
    term: AffinityTerm,
    carriers: PerNode<Carriers>,
    filing: Filing,
}

impl Carriers {
    /// One pod that comes with a term of this weight, or goes.
    pub(super) fn one(weight: i64, comes: bool) -> Self {
        let sign = if comes { 1 } else { -1 };
        Self { weight: weight.saturating_mul(sign), pods: sign }
    }

    fn add(&mut self, more: Self) {
        self.weight = self.weight.saturating_add(more.weight);
        self.pods = self.pods.saturating_add(more.pods);
    }
}

impl TermIndex {
    pub(super) fn add(&mut self, terms: &PodTerms, node: NodeIndex) {
        for (kind, weight, term) in weighted(terms) {
            self.of_mut(kind).change(term, node, weight, true);
        }
    }

    pub(super) fn remove(&mut self, terms: &PodTerms, node: NodeIndex) {
        for (kind, weight, term) in weighted(terms) {
            self.of_mut(kind).change(term, node, weight, false);
        }
    }

    /// Calls `visit` with every term of one kind that speaks of the pod, and who carries it.
    pub(super) fn towards(
        &self,
        kind: TermKind,
        pod: &PodInfo,
        namespace_labels: &Labels,
        mut visit: impl FnMut(&AffinityTerm, &[(NodeIndex, Carriers)]),
    ) {
        let terms = self.of(kind);
        for place in terms.index.candidates(&pod.key.namespace, &pod.labels) {
            if let Some(Some(entry)) = terms.entries.get(place)
                && entry.term.matches(&pod.key.namespace, namespace_labels, &pod.labels)
            {
                visit(&entry.term, entry.carriers.as_slice());
            }
        }
    }

    fn of(&self, kind: TermKind) -> &TermsOfKind {
        match kind {
            TermKind::RequiredAffinity => &self.required_affinity,
            TermKind::RequiredAntiAffinity => &self.required_anti_affinity,
            TermKind::PreferredAffinity => &self.preferred_affinity,
            TermKind::PreferredAntiAffinity => &self.preferred_anti_affinity,
        }
    }

    fn of_mut(&mut self, kind: TermKind) -> &mut TermsOfKind {
        match kind {
            TermKind::RequiredAffinity => &mut self.required_affinity,
            TermKind::RequiredAntiAffinity => &mut self.required_anti_affinity,
            TermKind::PreferredAffinity => &mut self.preferred_affinity,
            TermKind::PreferredAntiAffinity => &mut self.preferred_anti_affinity,
        }
    }
}

impl TermsOfKind {
    fn change(&mut self, term: &AffinityTerm, node: NodeIndex, weight: i64, comes: bool) {
        let place = match self.by_term.get(term) {
            Some(place) => *place,
            None if comes => self.insert(term),
            None => return,
        };
        let Some(Some(entry)) = self.entries.get_mut(place) else {
            return;
        };
        let one = Carriers::one(weight, comes);
        entry.carriers.change(node, |carriers| carriers.add(one));
        if entry.carriers.is_empty() {
            self.index.remove(&entry.filing, place);
            self.entries[place] = None;
            self.by_term.remove(term);
            self.free.push(place);
        }
    }

    fn insert(&mut self, term: &AffinityTerm) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        let (namespace, labels) = (term.scope.only_namespace(), term.selector.equalities());
        let filing = self.index.insert(namespace, labels, place);
        self.by_term.insert(term.clone(), place);
        self.entries[place] =
            Some(Entry { term: term.clone(), carriers: PerNode::default(), filing });
        place
    }
}

/// All terms of a pod with what each counts: its weight, or 1 for one that is required.
pub(super) fn weighted(terms: &PodTerms) -> impl Iterator<Item = (TermKind, i64, &AffinityTerm)> {
    let required = [
        (TermKind::RequiredAffinity, &terms.required_affinity),
        (TermKind::RequiredAntiAffinity, &terms.required_anti_affinity),
    ];
    let preferred = [
        (TermKind::PreferredAffinity, &terms.preferred_affinity),
        (TermKind::PreferredAntiAffinity, &terms.preferred_anti_affinity),
    ];
    let required = required
        .into_iter()
        .flat_map(|(kind, terms)| terms.iter().map(move |term| (kind, 1, term)));
    let preferred = preferred.into_iter().flat_map(|(kind, terms)| {
        terms.iter().map(move |weighted| (kind, weighted.weight, &weighted.term))
    });
    required.chain(preferred)
}
