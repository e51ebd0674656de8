//! NodeResourcesFit: a pod runs where enough is left of what it asks for, best where most is.

mod args;
mod filtering;
mod scoring;
#[cfg(test)]
mod tests;

use self::args::NodeResourcesFitArgs;
use self::filtering::{FitFilter, Ignored};
use self::scoring::{AllocationScore, Strategy};
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Hint, Instance, Prepared, ReadyFilter, Registration, Score, SetPlugin,
    decode_args,
};
use crate::model::Resources;
use crate::plugins::scored_resources::{Taken, scored};
use crate::snapshot::{NodeIndex, NodeInfo, PodInfo, View};

pub const NAME: &str = "NodeResourcesFit";

const REASON_PODS: &str = "Too many pods";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes with too little left of what the pod asks for; prefers the emptiest",
    points: &[Point::Filter, Point::Score],
    weight: 1,
    base: Base::Parity,
    build: |args| {
        let args = decode_args::<NodeResourcesFitArgs>(args)?;
        Ok(Instance::of_set(args.compile()?))
    },
};

#[derive(Debug)]
pub struct NodeResourcesFit {
    ignored: Ignored,
    strategy: Strategy,
}

impl SetPlugin for NodeResourcesFit {
    /// Never skips, because every pod takes one of the places for pods.
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        Prepared::Ready(ReadyFilter {
            filter: Box::new(FitFilter::new(&pod.requests, &self.ignored, view)),
            narrowed: None,
        })
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let requests = pod.scored_requests.as_deref().unwrap_or(&pod.requests);
        let resources = scored(&self.strategy.resources, requests, view, Taken::NonZero);
        Prepared::Ready(Box::new(AllocationScore { rule: &self.strategy.rule, resources, nodes }))
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::PodRemoved(_) => true,
            ClusterEvent::NodeAdded(node) => self.fits_empty(pod, node),
            ClusterEvent::NodeUpdated { old, new } => {
                self.fits_empty(pod, new) && offers_more(&pod.requests, old, new)
            }
            ClusterEvent::PodUpdated { old, new } => {
                let asked = names_of(&pod.usage.requested);
                takes_less(asked, &old.usage.requested, &new.usage.requested)
            }
            ClusterEvent::WaitingPodUpdated { old, new } => {
                let (old, new) = (&old.usage.requested, &new.usage.requested);
                takes_less(names_of(old), old, new)
            }
            _ => false,
        })
    }
}

impl NodeResourcesFit {
    /// Whether the pod would fit if nothing else ran on the node.
    fn fits_empty(&self, pod: &PodInfo, node: &NodeInfo) -> bool {
        let asked = names_of(&pod.requests).filter(|name| !self.ignored.contains(name));
        let mut amounts = asked.map(|name| (pod.requests.get(name), node.allocatable.get(name)));
        node.pods_allocatable > 0 && amounts.all(|(request, offered)| request <= offered)
    }
}

/// Whether a node has come to offer more pods, or more of something that is asked for.
fn offers_more(requests: &Resources, old: &NodeInfo, new: &NodeInfo) -> bool {
    let (old_offer, new_offer) = (&old.allocatable, &new.allocatable);
    new.pods_allocatable > old.pods_allocatable
        || names_of(requests).any(|name| new_offer.get(name) > old_offer.get(name))
}

/// Whether a pod has come to take less of one of these resources.
fn takes_less<'a>(
    mut names: impl Iterator<Item = &'a str>,
    old: &Resources,
    new: &Resources,
) -> bool {
    names.any(|name| old.get(name) > new.get(name))
}

/// The resources of which some is asked for.
fn names_of(requests: &Resources) -> impl Iterator<Item = &str> {
    requests.iter().filter(|(_, amount)| *amount > 0).map(|(name, _)| name)
}
