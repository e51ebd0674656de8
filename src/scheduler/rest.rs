//! Nodes whose kubelet rejected a pod of ours get no more of them for a while.
//!
//! A kubelet decides on its own whether a pod fits, and a pod that it rejects has failed for ever.
//! Where that happens our picture of the node is behind, usually because somebody else binds there,
//! too; so the next pods go elsewhere until the watch has caught up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Scheduler;
use crate::api;
use crate::framework::ClusterEvent;
use crate::metrics;
use crate::model::{Instant, Str};

/// How long a node rests. Watches lag by less, and a node that is full will be seen to be by then.
pub const REST: Duration = Duration::from_secs(10);

/// The resting nodes, with the end of their rest.
#[derive(Debug, Default)]
pub(super) struct Resting {
    until: BTreeMap<Str, Instant>,
}

impl Resting {
    /// When the first of them may be used again.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.until.values().min().copied()
    }
}

impl Scheduler {
    /// Looks whether a pod of ours has failed because its kubelet did not admit it.
    pub(super) fn note_kubelet(&mut self, pod: &api::Pod, now: Instant) {
        let ours = self.frameworks.contains_key(&pod.spec.scheduler_name);
        let node = &pod.spec.node_name;
        if !ours || node.is_empty() || !is_rejection(pod) {
            return;
        }
        // Lists show again what was seen before.
        if self.cache.pod(&pod.metadata.uid).is_none() {
            return;
        }
        metrics::kubelet_rejection(&pod.status.reason);
        tracing::warn!(pod = %api::Object::key(pod), %node, reason = %pod.status.reason,
            message = %pod.status.message, "A kubelet rejected a pod.");
        self.report_kubelet_rejection(pod, now);
        self.cache.snapshot.set_resting(node, true);
        self.resting.until.insert(node.clone(), now.plus(REST));
    }

    /// Lets nodes be used again that have rested long enough.
    pub(super) fn end_rests(&mut self, now: Instant) {
        let rested: Vec<Str> = self
            .resting
            .until
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(node, _)| node.clone())
            .collect();
        for node in rested {
            self.resting.until.remove(&node);
            self.cache.snapshot.set_resting(&node, false);
            self.wake(&ClusterEvent::NodeRested, now);
        }
    }
}

/// The kubelet's reasons for a pod that a scheduler should not have sent.
fn is_rejection(pod: &api::Pod) -> bool {
    let reason = &*pod.status.reason;
    &*pod.status.phase == "Failed" && (reason.starts_with("OutOf") || reason == "NodeAffinity")
}
