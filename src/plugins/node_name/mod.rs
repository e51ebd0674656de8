//! NodeName: a pod that names its node runs there or nowhere.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, decode_args,
};
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "NodeName";

const REASON: &str = "node(s) didn't match the requested node name";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps a pod that names a node to that node",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(NodeName))
    },
};

#[derive(Debug)]
pub struct NodeName;

/// Passes one node alone, or none if there is no node of that name.
struct Only(Option<NodeIndex>);

impl SetPlugin for NodeName {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        if pod.node_name.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready(ReadyFilter {
            filter: Box::new(Only(view.nodes().find(&pod.node_name))),
            narrowed: Some(BTreeSet::from([pod.node_name.clone()])),
        })
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(matches!(event, ClusterEvent::NodeAdded(_)))
    }
}

impl Filter for Only {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let others = nodes.iter().filter(|node| Some(*node) != self.0);
        refusals.refuse_all(others, Status::unresolvable(REASON));
    }
}
