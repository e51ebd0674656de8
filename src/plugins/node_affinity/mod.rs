//! NodeAffinity: a pod runs where its node selector and affinity say, best where it would like to.

mod args;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::args::{Added, NodeAffinityArgs};
use crate::api;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Normalize, Prepared, ReadyFilter, Refusals, Registration,
    Score, SetPlugin, Status, decode_args,
};
use crate::model::{NodeSelectorError, NodeTerms, PreferredTerms, Str};
use crate::snapshot::{NodeIndex, NodeInfo, NodeSet, NodeTable, PodInfo, View};

pub const NAME: &str = "NodeAffinity";

const REASON_POD: &str = "node(s) didn't match Pod's node affinity/selector";
const REASON_ADDED: &str = "node(s) didn't match scheduler-enforced node affinity";
const REASON_CONFLICT: &str = "pod affinity terms conflict";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps to node selector and required node affinity; prefers what the pod prefers",
    points: &[Point::Filter, Point::Score],
    weight: 2,
    base: Base::Parity,
    build: |args| {
        let added = decode_args::<NodeAffinityArgs>(args)?.compile()?;
        Ok(Instance::of_set(NodeAffinity { added }))
    },
};

#[derive(Debug, Default)]
pub struct NodeAffinity {
    added: Added,
}

/// What a pod demands of its node, ready to match.
pub struct Required<'a> {
    labels: &'a BTreeMap<Str, Str>,
    terms: Option<NodeTerms>,
}

struct RequiredFilter<'a> {
    added: Option<&'a NodeTerms>,
    required: Required<'a>,
    table: &'a NodeTable,
}

struct PreferredScore<'a> {
    added: &'a PreferredTerms,
    preferred: PreferredTerms,
    table: &'a NodeTable,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for NodeAffinity {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let own = node_affinity(pod).and_then(|affinity| affinity.required.as_ref());
        let added = self.added.required.as_ref();
        if own.is_none() && added.is_none() && pod.spec.node_selector.is_empty() {
            return Prepared::Skip;
        }
        let narrowed = own.and_then(|selector| selector.node_names());
        if narrowed.as_ref().is_some_and(|names| names.is_empty()) {
            return Prepared::Reject(Status::unresolvable(REASON_CONFLICT));
        }
        let filter = RequiredFilter { added, required: Required::of(pod), table: view.nodes() };
        Prepared::Ready(ReadyFilter { filter: Box::new(filter), narrowed })
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let own = node_affinity(pod).map_or(&[][..], |affinity| &affinity.preferred);
        let preferred = match PreferredTerms::compile(own) {
            Ok(preferred) => preferred,
            Err(error) => return Prepared::Reject(Status::error(error.to_string())),
        };
        if preferred.is_empty() && self.added.preferred.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready(Box::new(PreferredScore {
            added: &self.added.preferred,
            preferred,
            table: view.nodes(),
            nodes,
        }))
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        let (old, new) = match event {
            ClusterEvent::NodeAdded(new) => (None, new),
            ClusterEvent::NodeUpdated { old, new } => (Some(old), new),
            _ => return Hint::Skip,
        };
        let added = self.added.required.as_ref();
        if !added.is_none_or(|terms| matches(terms, new)) {
            return Hint::Skip;
        }
        // Terms that cannot be read match nothing, but the pod is better tried once too often.
        let required = Required::of(pod);
        let Ok(matches_new) = required.matches(new) else {
            return Hint::Queue;
        };
        let matched_old = old.is_some_and(|old| required.matches(old).unwrap_or(false));
        Hint::queue_if(matches_new && !matched_old)
    }
}

impl<'a> Required<'a> {
    pub fn of(pod: &'a PodInfo) -> Self {
        let terms = node_affinity(pod).and_then(|affinity| affinity.required.as_ref());
        Self { labels: &pod.spec.node_selector, terms: terms.map(|selector| selector.compile()) }
    }

    pub fn matches(&self, node: &NodeInfo) -> Result<bool, NodeSelectorError> {
        let mut labels = self.labels.iter();
        if !labels.all(|(key, value)| node.labels.get(key) == Some(value)) {
            return Ok(false);
        }
        match &self.terms {
            Some(terms) => terms.matches(&node.name, &node.labels),
            None => Ok(true),
        }
    }
}

impl Filter for RequiredFilter<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let added = refusals.status(Status::unresolvable(REASON_ADDED));
        let own = refusals.status(Status::unresolvable(REASON_POD));
        for node in nodes.iter() {
            let info = self.table.info(node);
            if !self.added.is_none_or(|terms| matches(terms, info)) {
                refusals.refuse(node, added);
            } else if !self.required.matches(info).unwrap_or(false) {
                refusals.refuse(node, own);
            }
        }
    }
}

impl Score for PreferredScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (score, node) in scores.iter_mut().zip(self.nodes) {
            let node = self.table.info(*node);
            let added = self.added.score(&node.name, &node.labels);
            let own = self.preferred.score(&node.name, &node.labels);
            *score = added.saturating_add(own);
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::Max.apply(scores);
    }
}

fn node_affinity(pod: &PodInfo) -> Option<&api::NodeAffinity> {
    pod.spec.affinity.as_ref()?.node_affinity.as_ref()
}

/// Whether terms match that were found to be readable.
fn matches(terms: &NodeTerms, node: &NodeInfo) -> bool {
    terms.matches(&node.name, &node.labels).unwrap_or(false)
}
