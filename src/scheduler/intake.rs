//! What events about objects do to cache, queue and bindings.

use std::sync::Arc;

use super::Scheduler;
use super::event::{Change, Event};
use crate::api::{self, Object};
use crate::cache::PodChange;
use crate::framework::{ClusterEvent, Hint, Status};
use crate::metrics;
use crate::model::{Instant, PodKey, Str};
use crate::planted::{Bug, planted};
use crate::snapshot::{NodeInfo, PodInfo};

impl Scheduler {
    /// Takes in what the watch shows of a pod. Of one that an answer has shown to be gone or to
    /// have ended it has nothing new to tell but the end.
    pub(super) fn on_pod(&mut self, change: Change<api::Pod>, now: Instant) {
        let key = key_of(&change);
        match &change {
            Change::Upsert(pod) if self.cache.is_told_gone(&key, &pod.metadata.uid) => return,
            _ => self.cache.forget_gone(&key),
        }
        self.change_pod(change, now);
    }

    /// Takes in a pod from wherever it is told of.
    pub(super) fn change_pod(&mut self, change: Change<api::Pod>, now: Instant) {
        if let Some(audit) = &mut self.audits.pods {
            audit.touch(&key_of(&change));
        }
        match change {
            Change::Upsert(pod) => {
                let key = pod.key();
                self.note_kubelet(&pod, now);
                // The name has a new owner, and the end of the old one was not seen.
                if self.cache.uid_of(&key).is_some_and(|uid| *uid != pod.metadata.uid) {
                    let gone = self.cache.remove_pod(&key, "");
                    self.on_pod_change(gone, now);
                }
                let change = self.cache.set_pod(&pod);
                self.on_pod_change(change, now);
            }
            Change::Delete { key, uid } => {
                let change = self.cache.remove_pod(&key, &uid);
                self.on_pod_change(change, now);
            }
        }
    }

    fn on_pod_change(&mut self, change: PodChange, now: Instant) {
        match change {
            PodChange::Nothing => {}
            PodChange::Appeared(pod) => self.enqueue(&pod, now),
            PodChange::Changed { old, new } => self.on_waiting_pod(&old, &new, now),
            PodChange::Landed { pod, assumed } => self.on_landed(&pod, assumed.as_ref(), now),
            PodChange::Updated { old, new } => {
                self.wake(&ClusterEvent::PodUpdated { old: &old, new: &new }, now);
            }
            PodChange::Gone { pod, held } => {
                self.bindings.remove(&pod.uid);
                self.queue.remove(&pod.uid);
                self.refusals.remove(&pod.uid);
                // Siblings may have left a node to a pod that waited for its volume there.
                if held || !pod.nominated_node.is_empty() || !pod.volumes.is_empty() {
                    self.wake_after_removal(&pod, now);
                }
            }
        }
    }

    /// A pod that waits is ours if one of our profiles has its schedulerName.
    fn enqueue(&mut self, pod: &Arc<PodInfo>, now: Instant) {
        let Some(framework) = self.frameworks.get(&pod.scheduler_name) else {
            return;
        };
        let gate = framework.pre_enqueue(pod).filter(|_| !planted(Bug::IgnoreGates));
        let gate = gate.map(|(plugin, status)| self.note_gate(pod, plugin, &status));
        self.queue.add(pod.clone(), gate, now);
    }

    fn on_waiting_pod(&mut self, old: &Arc<PodInfo>, new: &Arc<PodInfo>, now: Instant) {
        let Some(framework) = self.frameworks.get(&new.scheduler_name) else {
            return;
        };
        if self.queue.get(&new.uid).is_none() {
            if !self.bindings.contains_key(&new.uid) {
                self.enqueue(new, now);
            }
            return;
        }
        let gate = framework.pre_enqueue(new);
        let event = ClusterEvent::WaitingPodUpdated { old, new };
        let rejectors = self.queue.get(&new.uid).map(|queued| &queued.rejectors);
        // Our own status writes come back as changes, too; they help nobody.
        let rejectors = rejectors.filter(|_| old.differs_for_placement(new));
        let hint = rejectors.map_or(Hint::Skip, |names| framework.hint(names, new, &event));
        let gate = gate.map(|(plugin, status)| self.note_gate(new, plugin, &status));
        self.queue.update(new, gate, hint, now);
        if old.nominated_node != new.nominated_node && !old.nominated_node.is_empty() {
            self.wake_after_removal(old, now);
        }
    }

    /// Notes why the pod does not enter the queue; returns who keeps it out.
    fn note_gate(&mut self, pod: &PodInfo, plugin: Str, status: &Status) -> Str {
        self.note_refusal(pod, &plugin, &status.message());
        plugin
    }

    /// The API server shows a pod on a node.
    fn on_landed(&mut self, pod: &Arc<PodInfo>, assumed: Option<&Str>, now: Instant) {
        if self.bindings.get(&pod.uid).is_some_and(|binding| binding.node == pod.node_name) {
            self.report_scheduled(&pod.uid, now);
        }
        let ours = self.bindings.remove(&pod.uid);
        let waited = self.queue.remove(&pod.uid);
        self.refusals.remove(&pod.uid);
        if let Some(queued) = waited.filter(|_| ours.is_some()) {
            metrics::pod_scheduled(queued.attempts, now.since(queued.first_seen));
        }
        if assumed.is_some_and(|node| *node != pod.node_name) {
            metrics::bind_conflict();
            tracing::warn!(pod = %pod.key, node = %pod.node_name, ?assumed,
                "Another scheduler bound the pod to another node.");
            // What was set aside for it there is free.
            self.wake_after_removal(pod, now);
        }
        self.wake(&ClusterEvent::PodPlaced(pod), now);
    }

    pub(super) fn on_cluster(&mut self, event: Event, now: Instant) {
        if let (Event::Node(change), Some(audit)) = (&event, &mut self.audits.nodes) {
            audit.touch(&key_of(change));
        }
        let snapshot = &mut self.cache.snapshot;
        match event {
            Event::Node(Change::Upsert(node)) => {
                let mut new = NodeInfo::new(&node);
                if let Some(old) = snapshot.node(&new.name).filter(|_| planted(Bug::IgnoreRelabel))
                {
                    new.labels = old.labels.clone();
                }
                // Most updates are heartbeats.
                if snapshot.node(&new.name) == Some(&new) {
                    return;
                }
                match snapshot.set_node(new.clone()) {
                    Some(old) => {
                        self.wake(&ClusterEvent::NodeUpdated { old: &old, new: &new }, now)
                    }
                    None => self.wake(&ClusterEvent::NodeAdded(&new), now),
                }
            }
            Event::Node(Change::Delete { .. }) if planted(Bug::GhostNode) => {}
            Event::Node(Change::Delete { key, .. }) => {
                if let Some(old) = snapshot.remove_node(&key.name) {
                    self.wake(&ClusterEvent::NodeRemoved(&old), now);
                }
            }
            Event::Namespace(change) => {
                match change {
                    Change::Upsert(namespace) => snapshot.set_namespace(&namespace),
                    Change::Delete { key, .. } => snapshot.remove_namespace(&key.name),
                }
                self.wake(&ClusterEvent::NamespaceChanged, now);
            }
            Event::Service(change) => {
                apply(&mut snapshot.owners.services, change, |service| service.spec.selector);
                self.wake(&ClusterEvent::OwnerChanged, now);
            }
            Event::ReplicationController(change) => {
                apply(&mut snapshot.owners.replication_controllers, change, |controller| {
                    controller.spec.selector
                });
                self.wake(&ClusterEvent::OwnerChanged, now);
            }
            Event::ReplicaSet(change) => {
                apply(&mut snapshot.owners.replica_sets, change, |set| set.spec.selector);
                self.wake(&ClusterEvent::OwnerChanged, now);
            }
            Event::StatefulSet(change) => {
                match change {
                    Change::Upsert(set) => snapshot.set_stateful_set(&set),
                    Change::Delete { key, .. } => snapshot.remove_stateful_set(&key),
                }
                self.wake(&ClusterEvent::OwnerChanged, now);
            }
            Event::Pod(_)
            | Event::PodAudit(_)
            | Event::NodeAudit(_)
            | Event::Reply(_)
            | Event::Synced
            | Event::Lease(_) => {}
            other => self.on_storage(other, now),
        }
    }

    /// Room has become free: a pod left its node, or its reservation was given up.
    pub(super) fn wake_after_removal(&mut self, pod: &Arc<PodInfo>, now: Instant) {
        self.wake(&ClusterEvent::PodRemoved(pod), now);
    }

    /// Wakes the waiting pods that the event may help.
    pub(super) fn wake(&mut self, event: &ClusterEvent<'_>, now: Instant) {
        let frameworks = &self.frameworks;
        let hint = |queued: &crate::queue::QueuedPod| {
            let framework = frameworks.get(&queued.pod.scheduler_name);
            framework.map_or(Hint::Skip, |f| f.hint(&queued.rejectors, &queued.pod, event))
        };
        self.queue.on_event(event, hint, now);
    }
}

fn key_of<T: Object>(change: &Change<T>) -> PodKey {
    match change {
        Change::Upsert(object) => object.key(),
        Change::Delete { key, .. } => key.clone(),
    }
}

/// Keeps one map of selectors up to date.
fn apply<T: Object, S>(
    selectors: &mut std::collections::BTreeMap<PodKey, S>,
    change: Change<T>,
    selector: impl FnOnce(T) -> S,
) {
    match change {
        Change::Upsert(object) => {
            let key = object.key();
            selectors.insert(key, selector(*object));
        }
        Change::Delete { key, .. } => _ = selectors.remove(&key),
    }
}
