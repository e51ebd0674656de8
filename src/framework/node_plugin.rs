//! The door for plugins that think of one node at a time, and the lift that makes them set plugins.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::normalize::Normalize;
use super::plugin::{Filter, Prepared, ReadyFilter, Score, SetPlugin};
use super::refusals::Refusals;
use super::registry::ArgsError;
use super::status::Status;
use super::{ClusterEvent, Hint};
use crate::model::Str;
use crate::snapshot::{NodeIndex, NodeRef, NodeSet, PodInfo, View};

/// A filter, a score or both, for one node at a time.
pub trait NodePlugin: Send + Sync + 'static {
    /// CamelCase, reads as what the plugin guards.
    const NAME: &'static str;
    /// How raw scores become scores from 0 to 100.
    const NORMALIZE: Normalize = Normalize::None;

    /// The plugin's arguments in the configuration; `()` where it has none.
    type Args: DeserializeOwned + Default;
    /// What the plugin works out once for a pod.
    type Pre: Send + Sync + 'static;

    fn new(args: Self::Args) -> Result<Self, ArgsError>
    where
        Self: Sized;

    /// Looks at the pod before any node.
    fn prepare(&self, pod: &PodInfo, view: &View<'_>) -> Prepared<Ready<Self::Pre>>;

    fn filter(&self, _pre: &Self::Pre, _node: NodeRef<'_>) -> Status {
        Status::success()
    }

    fn score(&self, _pre: &Self::Pre, _node: NodeRef<'_>) -> i64 {
        0
    }

    /// Whether an event may make this pod, which the plugin has refused, schedulable.
    fn hint(&self, _pod: &PodInfo, _event: &ClusterEvent<'_>) -> Hint {
        Hint::Queue
    }
}

/// What a node plugin has worked out, and the only nodes that can pass, if it knows them.
pub struct Ready<T> {
    pub pre: T,
    pub narrowed: Option<BTreeSet<Str>>,
}

/// A node plugin in the shape of a set plugin.
pub(super) struct Lifted<P>(pub(super) P);

struct LiftedStage<'a, P: NodePlugin> {
    plugin: &'a P,
    pre: P::Pre,
    view: &'a View<'a>,
    nodes: &'a [NodeIndex],
}

impl<T> Ready<T> {
    /// Ready, and any node may pass.
    pub fn new(pre: T) -> Self {
        Self { pre, narrowed: None }
    }
}

impl<P: NodePlugin> SetPlugin for Lifted<P> {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        match self.0.prepare(pod, view) {
            Prepared::Skip => Prepared::Skip,
            Prepared::Reject(status) => Prepared::Reject(status),
            Prepared::Ready(Ready { pre, narrowed }) => Prepared::Ready(ReadyFilter {
                filter: Box::new(LiftedStage { plugin: &self.0, pre, view, nodes: &[] }),
                narrowed,
            }),
        }
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        match self.0.prepare(pod, view) {
            Prepared::Skip => Prepared::Skip,
            Prepared::Reject(status) => Prepared::Reject(status),
            Prepared::Ready(Ready { pre, .. }) => {
                Prepared::Ready(Box::new(LiftedStage { plugin: &self.0, pre, view, nodes }))
            }
        }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        self.0.hint(pod, event)
    }
}

impl<P: NodePlugin> Filter for LiftedStage<'_, P> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        for node in nodes.iter() {
            let status = self.plugin.filter(&self.pre, self.view.node(node));
            if !status.is_success() {
                let status = refusals.status(status);
                refusals.refuse(node, status);
            }
        }
    }
}

impl<P: NodePlugin> Score for LiftedStage<'_, P> {
    fn score(&self, scores: &mut [i64]) {
        for (score, node) in scores.iter_mut().zip(self.nodes) {
            *score = self.plugin.score(&self.pre, self.view.node(*node));
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        P::NORMALIZE.apply(scores);
    }
}
