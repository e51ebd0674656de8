//! What may help a pod that hard constraints have refused.

use super::PodTopologySpread;
use super::constraints::{Constraint, DO_NOT_SCHEDULE};
use crate::framework::ClusterEvent;
use crate::model::{Labels, SelectorError};
use crate::snapshot::{NodeInfo, PodInfo};

/// The hard constraints of a waiting pod, in view of events.
pub struct Wake {
    constraints: Vec<Constraint>,
    /// Defaults, of which the selector is not known here: it may be any.
    defaulted: bool,
}

/// Whether the event is about a pod of another namespace, which cannot help. Asked first because
/// most events are, and reading constraints costs more.
pub fn is_of_other_namespace(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    match event {
        ClusterEvent::PodPlaced(other)
        | ClusterEvent::PodRemoved(other)
        | ClusterEvent::PodUpdated { new: other, .. } => other.key.namespace != pod.key.namespace,
        _ => false,
    }
}

impl Wake {
    pub fn of(plugin: &PodTopologySpread, pod: &PodInfo) -> Result<Self, SelectorError> {
        Ok(Self {
            constraints: plugin.stated(pod, DO_NOT_SCHEDULE)?,
            defaulted: plugin.defaults_hold_for(pod),
        })
    }

    pub fn may_help(&self, event: &ClusterEvent<'_>) -> bool {
        match event {
            ClusterEvent::NodeAdded(node) | ClusterEvent::NodeRemoved(node) => self.counts(node),
            ClusterEvent::NodeUpdated { old, new } => self.node_changed(old, new),
            ClusterEvent::PodPlaced(other) | ClusterEvent::PodRemoved(other) => {
                self.matches(&other.labels)
            }
            ClusterEvent::PodUpdated { old, new } => {
                let leaves = old.terminating != new.terminating;
                self.relabelled(old, new) || leaves && self.matches(&new.labels)
            }
            ClusterEvent::WaitingPodUpdated { old, new } => {
                let tolerates_other = old.spec.tolerations != new.spec.tolerations;
                tolerates_other && self.constraints.iter().any(|c| c.honors_taints)
                    || self.relabelled(old, new)
            }
            ClusterEvent::OwnerChanged => self.defaulted && !self.constraints.is_empty(),
            ClusterEvent::NamespaceChanged
            | ClusterEvent::NodeRested
            | ClusterEvent::PolicyChanged
            | ClusterEvent::Storage(_) => false,
        }
    }

    /// Whether the node has every key, so that its domains and pods may count.
    fn counts(&self, node: &NodeInfo) -> bool {
        let mut keys = self.constraints.iter().map(|one| &one.topology_key);
        keys.all(|key| node.labels.contains_key(key))
    }

    fn node_changed(&self, old: &NodeInfo, new: &NodeInfo) -> bool {
        let mut keys = self.constraints.iter().map(|one| &one.topology_key);
        let mut moved = || keys.any(|key| old.labels.get(key) != new.labels.get(key));
        match (self.counts(old), self.counts(new)) {
            (true, true) => moved() || old.taints != new.taints,
            (before, after) => before != after,
        }
    }

    fn matches(&self, labels: &Labels) -> bool {
        let mut selectors = self.constraints.iter().map(|one| &one.selector);
        self.defaulted || selectors.any(|selector| selector.matches(labels))
    }

    /// Whether a pod has come under a constraint, or out of it, by a change of its labels.
    fn relabelled(&self, old: &PodInfo, new: &PodInfo) -> bool {
        let mut selectors = self.constraints.iter().map(|one| &one.selector);
        old.labels != new.labels
            && (self.defaulted
                || selectors.any(|one| one.matches(&old.labels) != one.matches(&new.labels)))
    }
}
