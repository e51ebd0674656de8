//! How many pods match, node by node, kept up to date for the questions asked of late.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::label_index::LabelIndex;
use super::node_set::NodeIndex;
use super::pod_info::PodInfo;
use super::terms::NamespaceScope;
use crate::model::{Labels, Selector, Str};

/// Which pods are counted: those that every pair of scope and selector speaks of.
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
pub type NodeCounts = BTreeMap<NodeIndex, Count>;

/// The questions asked of late, with their answers.
///
/// An answer is computed once, from the pods that carry a label which the question demands, and from
/// then on corrected with every pod that comes or goes.
#[derive(Debug, Default)]
pub(super) struct MatchCounts {
    answers: FxHashMap<Arc<PodQuery>, Answer>,
    /// Which questions a pod may bear on.
    index: LabelIndex<Arc<PodQuery>>,
    asked: u64,
}

#[derive(Debug)]
struct Answer {
    counts: Arc<NodeCounts>,
    asked_last: u64,
}

/// How many questions are kept up to date. Each costs a lookup when a pod with its label comes or
/// goes, and about 100 bytes; a database has a few.
const QUERIES_MAX: usize = 8192;

impl PodQuery {
    pub fn new(scope: NamespaceScope, selector: Selector) -> Self {
        Self {
            all_of: vec![(scope, selector)],
        }
    }

    pub fn matches(&self, pod: &PodInfo, namespace_labels: &Labels) -> bool {
        self.all_of.iter().all(|(scope, selector)| {
            scope.contains(&pod.key.namespace, namespace_labels) && selector.matches(&pod.labels)
        })
    }

    /// A label that every matching pod carries.
    pub(super) fn equalities(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.all_of
            .iter()
            .filter_map(|(_, selector)| selector.equality())
    }

    /// Whether the answer depends on the labels of namespaces.
    fn reads_namespace_labels(&self) -> bool {
        self.all_of
            .iter()
            .any(|(scope, _)| !scope.selector.is_nothing() && !scope.selector.is_everything())
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
        if let Some(answer) = self.answers.get_mut(query) {
            answer.asked_last = self.asked;
            return answer.counts.clone();
        }
        if self.answers.len() >= QUERIES_MAX {
            self.drop_older_half();
        }
        let counts = Arc::new(count());
        let query = Arc::new(query.clone());
        self.index.insert(query.equalities().next(), query.clone());
        self.answers.insert(
            query,
            Answer {
                counts: counts.clone(),
                asked_last: self.asked,
            },
        );
        counts
    }

    /// Counts a pod in, or out.
    pub(super) fn update(
        &mut self,
        pod: &PodInfo,
        namespace_labels: &Labels,
        node: NodeIndex,
        comes: bool,
    ) {
        for query in self.index.candidates(&pod.labels) {
            if !query.matches(pod, namespace_labels) {
                continue;
            }
            if let Some(answer) = self.answers.get_mut(query) {
                count_pod(Arc::make_mut(&mut answer.counts), pod, node, comes);
            }
        }
    }

    /// Forgets answers that read the labels of namespaces, because one has changed.
    pub(super) fn forget_namespaces(&mut self) {
        self.retain(|query, _| !query.reads_namespace_labels());
    }

    fn drop_older_half(&mut self) {
        let mut ages: Vec<u64> = self
            .answers
            .values()
            .map(|answer| answer.asked_last)
            .collect();
        let middle = ages.len() / 2;
        let (_, limit, _) = ages.select_nth_unstable(middle);
        let limit = *limit;
        self.retain(|_, answer| answer.asked_last >= limit);
    }

    fn retain(&mut self, keep: impl Fn(&PodQuery, &Answer) -> bool) {
        let index = &mut self.index;
        self.answers.retain(|query, answer| {
            let kept = keep(query, answer);
            if !kept {
                index.remove(query.equalities().next(), query);
            }
            kept
        });
    }
}

/// Counts one pod in, or out.
pub(super) fn count_pod(counts: &mut NodeCounts, pod: &PodInfo, node: NodeIndex, comes: bool) {
    let count = counts.entry(node).or_default();
    let terminating = u32::from(pod.terminating);
    if comes {
        count.pods += 1;
        count.terminating += terminating;
        return;
    }
    count.pods = count.pods.saturating_sub(1);
    count.terminating = count.terminating.saturating_sub(terminating);
    if count.pods == 0 {
        counts.remove(&node);
    }
}
