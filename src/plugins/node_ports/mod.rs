//! NodePorts: two pods cannot have the same port of one node.

#[cfg(test)]
mod tests;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, decode_args,
};
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "NodePorts";

const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes on which a host port that the pod asks for is taken",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(NodePorts))
    },
};

#[derive(Debug)]
pub struct NodePorts;

/// The nodes where a port is taken.
struct TakenPorts(Vec<NodeIndex>);

impl SetPlugin for NodePorts {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        if pod.host_ports.is_empty() {
            return Prepared::Skip;
        }
        let ports = pod.host_ports.iter();
        let taken = ports.flat_map(|port| view.port_conflicts(port)).collect();
        Prepared::Ready(ReadyFilter { filter: Box::new(TakenPorts(taken)), narrowed: None })
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::PodRemoved(gone) => {
                let mut ports = pod.host_ports.iter();
                ports.any(|port| gone.host_ports.iter().any(|freed| freed.conflicts_with(port)))
            }
            _ => false,
        })
    }
}

impl Filter for TakenPorts {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let taken = self.0.iter().copied().filter(|node| nodes.contains(*node));
        refusals.refuse_all(taken, Status::unschedulable(REASON));
    }
}
