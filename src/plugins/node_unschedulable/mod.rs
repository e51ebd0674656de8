//! NodeUnschedulable: cordoned nodes take only pods that tolerate it.

#[cfg(test)]
mod tests;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, decode_args,
};
use crate::model::{NO_SCHEDULE, Taint};
use crate::snapshot::{NodeSet, PodInfo, View};

pub const NAME: &str = "NodeUnschedulable";

const REASON: &str = "node(s) were unschedulable";

/// The taint that stands for `spec.unschedulable`.
const TAINT_KEY: &str = "node.kubernetes.io/unschedulable";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses cordoned nodes",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(NodeUnschedulable))
    },
};

#[derive(Debug)]
pub struct NodeUnschedulable;

/// Refuses the nodes of this set.
struct Cordoned<'a>(&'a NodeSet);

impl SetPlugin for NodeUnschedulable {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let cordoned = view.nodes().unschedulable();
        if cordoned.is_empty() || tolerates(pod) {
            return Prepared::Skip;
        }
        Prepared::Ready(ReadyFilter { filter: Box::new(Cordoned(cordoned)), narrowed: None })
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(node) => !node.unschedulable,
            ClusterEvent::NodeUpdated { old, new } => old.unschedulable && !new.unschedulable,
            ClusterEvent::WaitingPodUpdated { new, .. } => tolerates(new),
            _ => false,
        })
    }
}

impl Filter for Cordoned<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        refusals.refuse_all(nodes.intersection(self.0), Status::unresolvable(REASON));
    }
}

fn tolerates(pod: &PodInfo) -> bool {
    let taint = Taint { key: TAINT_KEY.into(), value: "".into(), effect: NO_SCHEDULE.into() };
    let mut tolerations = pod.spec.tolerations.iter();
    tolerations.any(|toleration| toleration.tolerates(&taint))
}
