//! How many pods match, node by node, kept up to date for the questions asked of late.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::node_set::NodeIndex;
use super::per_node::PerNode;
use super::pod_index::{Filing, PodIndex};
use super::pod_info::PodInfo;
use super::terms::NamespaceScope;
use crate::model::{Labels, Selector, Str};

/// Which pods are counted: those that every pair of scope and selector speaks of.
///
/// A namespace that the API server does not show is spoken of by its name and by the selector of
/// all namespaces, but by no other selector, not even one that only excludes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodQuery {
    pub all_of: Vec<(NamespaceScope, Selector)>,
}

/// Matching pods on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub pods: u32,
    /// Those of them that are being deleted.
    pub terminating: u32,
}

/// Matching pods by node; nodes without any are left out.
pub type NodeCounts = PerNode<Count>;

/// The labels of the namespaces that there are.
pub type Namespaces = BTreeMap<Str, Labels>;

/// The questions asked of late, with their answers.
///
/// An answer is computed once, from the pods that carry a label which the question demands, and
/// from then on corrected with every pod that comes or goes.
#[derive(Debug, Default)]
pub(super) struct MatchCounts {
    by_query: FxHashMap<Arc<PodQuery>, usize>,
    answers: Vec<Option<Answer>>,
    free: Vec<usize>,
    /// Which questions a pod may bear on.
    index: PodIndex,
    asked: u64,
}

#[derive(Debug)]
struct Answer {
    query: Arc<PodQuery>,
    counts: Arc<NodeCounts>,
    filing: Filing,
    asked_last: u64,
}

/// How many questions are kept up to date. Each costs a few lookups when a pod with its label comes
/// or goes, and about 500 bytes; a database has two or three, and asks them only while its pods are
/// being placed.
const QUERIES_MAX: usize = 4096;

impl PodQuery {
    pub fn new(scope: NamespaceScope, selector: Selector) -> Self {
        Self { all_of: vec![(scope, selector)] }
    }

    pub fn matches(&self, pod: &PodInfo, namespaces: &Namespaces) -> bool {
        self.all_of.iter().all(|(scope, selector)| {
            selector.matches(&pod.labels) && scope.contains_known(&pod.key.namespace, namespaces)
        })
    }

    /// The labels that every matching pod carries.
    pub(super) fn equalities(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.all_of.iter().flat_map(|(_, selector)| selector.equalities())
    }

    /// The namespace that every matching pod lies in, if there is only one.
    pub(super) fn namespace(&self) -> Option<&Str> {
        self.all_of.iter().find_map(|(scope, _)| scope.only_namespace())
    }

    /// Whether the answer depends on the labels of namespaces.
    fn reads_namespace_labels(&self) -> bool {
        self.all_of
            .iter()
            .any(|(scope, _)| !scope.selector.is_nothing() && !scope.selector.is_everything())
    }
}

impl Count {
    pub(super) fn of(pod: &PodInfo) -> Self {
        Self { pods: 1, terminating: u32::from(pod.terminating) }
    }

    /// Counts one pod in, or out.
    pub(super) fn change(&mut self, pod: &PodInfo, comes: bool) {
        let one = Self::of(pod);
        if comes {
            self.add(one);
        } else {
            self.pods = self.pods.saturating_sub(one.pods);
            self.terminating = self.terminating.saturating_sub(one.terminating);
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.pods = self.pods.saturating_add(more.pods);
        self.terminating = self.terminating.saturating_add(more.terminating);
    }

    /// Those that are to stay.
    pub fn staying(self) -> u32 {
        self.pods.saturating_sub(self.terminating)
    }
}

impl MatchCounts {
    /// The answer, from memory or from `count`.
    pub(super) fn get(
        &mut self,
        query: &PodQuery,
        count: impl FnOnce() -> NodeCounts,
    ) -> Arc<NodeCounts> {
        self.asked += 1;
        let known = self.by_query.get(query);
        if let Some(answer) = known.and_then(|place| self.answers.get_mut(*place)?.as_mut()) {
            answer.asked_last = self.asked;
            return answer.counts.clone();
        }
        if self.by_query.len() >= QUERIES_MAX {
            self.drop_older_half();
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.answers.push(None);
            self.answers.len() - 1
        });
        let query = Arc::new(query.clone());
        let counts = Arc::new(count());
        let filing = self.index.insert(query.namespace(), query.equalities(), place);
        self.by_query.insert(query.clone(), place);
        self.answers[place] =
            Some(Answer { query, counts: counts.clone(), filing, asked_last: self.asked });
        counts
    }

    /// Counts a pod in, or out.
    pub(super) fn update(
        &mut self,
        pod: &PodInfo,
        namespaces: &Namespaces,
        node: NodeIndex,
        comes: bool,
    ) {
        for place in self.index.candidates(&pod.key.namespace, &pod.labels) {
            if let Some(Some(answer)) = self.answers.get_mut(place)
                && answer.query.matches(pod, namespaces)
            {
                Arc::make_mut(&mut answer.counts).change(node, |count| count.change(pod, comes));
            }
        }
    }

    /// Forgets answers that read the labels of namespaces, because one has changed.
    pub(super) fn forget_namespaces(&mut self) {
        self.retain(|answer| !answer.query.reads_namespace_labels());
    }

    fn drop_older_half(&mut self) {
        let answers = self.answers.iter().flatten();
        let mut ages: Vec<u64> = answers.map(|answer| answer.asked_last).collect();
        let middle = ages.len() / 2;
        let (_, limit, _) = ages.select_nth_unstable(middle);
        let limit = *limit;
        self.retain(|answer| answer.asked_last >= limit);
    }

    fn retain(&mut self, keep: impl Fn(&Answer) -> bool) {
        for (place, slot) in self.answers.iter_mut().enumerate() {
            if let Some(answer) = slot.take_if(|answer| !keep(answer)) {
                self.index.remove(&answer.filing, place);
                self.by_query.remove(&answer.query);
                self.free.push(place);
            }
        }
    }
}
