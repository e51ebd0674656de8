//! Everybody else in the cluster: users, controllers, kubelets, and the other scheduler.

use std::sync::Arc;

use super::fault::Fault;
use super::history::{Kind, Object, Write, Writer};
use super::plan::Act;
use super::pods::{self, FOREIGN};
use super::scene::Room;
use super::world::{Happening, World};
use crate::api::{self, Object as _};
use crate::model::PodKey;

/// How long a kubelet takes to look at a pod, in milliseconds.
const KUBELET_MS: (u64, u64) = (300, 2_000);
/// How long a pod takes to end, in milliseconds.
const GRACE_MS: (u64, u64) = (200, 10_000);
/// How long a node stays away, in milliseconds.
const AWAY_MS: (u64, u64) = (500, 60_000);
/// How far the other scheduler's picture lags behind, in writes.
const RIVAL_LAG: u64 = 30;

impl World<'_> {
    /// Writes what is there from the start, and plans what comes.
    pub(super) fn populate(&mut self) {
        for node in self.plan.nodes.clone() {
            self.write(Writer::Other, Object::Node(Arc::new(node)), None);
        }
        for pod in self.plan.pods.clone() {
            self.create(pod);
        }
        for (at, act) in std::mem::take(&mut self.plan.acts) {
            self.push(at, Happening::Act(act));
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Create(pod) => self.create(*pod),
            Act::Delete(key) => self.mark_deleted(&key),
            Act::Remove(key, uid) => {
                if self.pod(&key).is_some_and(|pod| *pod.metadata.uid == *uid) {
                    self.remove(Kind::Pods, &key);
                }
            }
            Act::Relabel(key) => {
                if self.pod(&key).is_some() {
                    self.inject(Fault::PodChurn, || format!("{key} is relabelled"));
                    self.relabel(&key);
                }
            }
            Act::Ungate(key) => self.ungate(&key),
            Act::Recreate(key) => {
                if self.pod(&key).is_some() {
                    self.inject(Fault::PodChurn, || format!("{key} is made anew"));
                    self.recreate(&key, false);
                }
            }
            Act::Admit(key, uid) => self.admit(&key, &uid),
            Act::Finish(key) => self.finish(&key),
            Act::RivalBinds(key) => self.rival_binds(&key),
            Act::Flap(key) => self.flap(&key),
            Act::Restore(node) => {
                self.away.remove(&node.metadata.name);
                self.write(Writer::Other, Object::Node(Arc::new(*node)), None);
            }
            Act::Collect(key) => self.collect(&key),
            Act::Strike(fault) => self.strike(fault),
            Act::Forget => self.replicas.iter_mut().for_each(|replica| replica.forget(0)),
        }
    }

    /// A kubelet takes care of the pods that come to its node; pods of a node that is gone are
    /// removed by and by.
    pub(super) fn kubelet_sees(&mut self, write: &Write) {
        let wait = self.dice.others.millis(KUBELET_MS.0, KUBELET_MS.1);
        let at = self.now.plus(wait);
        match (&write.old, &write.new) {
            (Some(Object::Pod(old)), Some(Object::Pod(new)))
                if old.spec.node_name != new.spec.node_name =>
            {
                let uid = new.metadata.uid.to_string();
                self.push(at, Happening::Act(Act::Admit(write.key.clone(), uid)));
            }
            (Some(Object::Node(_)), None) => {
                self.push(at, Happening::Act(Act::Collect(write.key.clone())));
            }
            _ => {}
        }
    }

    fn create(&mut self, pod: api::Pod) {
        if self.pod(&pod.key()).is_none() {
            self.write(Writer::Other, Object::Pod(Arc::new(pod)), None);
        }
    }

    pub(super) fn relabel(&mut self, key: &PodKey) {
        self.uids += 1;
        let value = format!("v{}", self.uids);
        // Every third time the pod leaves its group.
        let leaves = self.uids.is_multiple_of(3);
        self.change(key, |pod| {
            let kept = pod.metadata.labels.iter().filter(|(key, _)| !leaves || ***key != *"app");
            let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
            pod.metadata.labels = kept.chain([("edit".into(), value.into())]).collect();
        });
    }

    /// The pod is deleted, and another one takes its name.
    pub(super) fn recreate(&mut self, key: &PodKey, gated: bool) {
        let Some(mut pod) = self.pod(key).cloned() else { return };
        self.remove(Kind::Pods, key);
        self.uids += 1;
        pod.metadata.uid = format!("{}.{}", key.name, self.uids).into();
        pod.metadata.deletion_timestamp = None;
        pod.status = api::PodStatus { phase: "Pending".into(), ..api::PodStatus::default() };
        if &*pod.spec.scheduler_name == FOREIGN {
            let soon = self.now.plus(self.dice.others.millis(1, 3_000));
            self.push(soon, Happening::Act(Act::RivalBinds(key.clone())));
        }
        pod.spec.node_name = "".into();
        if gated {
            pod.spec.scheduling_gates.push(api::SchedulingGate { name: "wait".into() });
            let later = self.now.plus(self.dice.others.millis(500, 30_000));
            self.push(later, Happening::Act(Act::Ungate(key.clone())));
        }
        self.write(Writer::Other, Object::Pod(Arc::new(pod)), None);
    }

    /// A pod on a node gets time to end; one without is gone at once.
    pub(super) fn mark_deleted(&mut self, key: &PodKey) {
        let Some(pod) = self.pod(key) else { return };
        if pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let uid = pod.metadata.uid.to_string();
        // A finalizer may keep a pod that never ran.
        let waits = !pod.spec.node_name.is_empty() || self.dice.others.permille(300);
        if !waits {
            return self.remove(Kind::Pods, key);
        }
        self.change(key, |pod| {
            pod.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
        });
        let end = self.now.plus(self.dice.others.millis(GRACE_MS.0, GRACE_MS.1));
        self.push(end, Happening::Act(Act::Remove(key.clone(), uid)));
    }

    /// Somebody else binds a pod of ours.
    pub(super) fn bind_elsewhere(&mut self, key: &PodKey) {
        let nodes: Vec<_> = self.history.nodes.keys().cloned().collect();
        if let Some(node) = self.dice.others.pick(&nodes).cloned() {
            self.bind_by_other(key, &node.name);
        }
    }

    fn bind_by_other(&mut self, key: &PodKey, node: &str) {
        self.change(key, |pod| {
            if pod.spec.node_name.is_empty() && pod.metadata.deletion_timestamp.is_none() {
                pod.spec.node_name = node.into();
                pod.spec.scheduling_gates.clear();
                pod.status.nominated_node_name = "".into();
            }
        });
    }

    fn ungate(&mut self, key: &PodKey) {
        if self.pod(key).is_some_and(|pod| !pod.spec.scheduling_gates.is_empty()) {
            if self.plan.faults.contains(Fault::PodChurn) {
                self.inject(Fault::PodChurn, || format!("{key} loses its gate"));
            }
            self.change(key, |pod| pod.spec.scheduling_gates.clear());
        }
    }

    /// The kubelet admits a pod if there is room beside those that it has admitted.
    fn admit(&mut self, key: &PodKey, uid: &str) {
        let Some(pod) = self.pod(key).filter(|pod| *pod.metadata.uid == *uid) else {
            return;
        };
        let Some(node) = self.history.nodes.get(&PodKey::new("", &*pod.spec.node_name)) else {
            return;
        };
        let running = self.history.pods.values().filter(|other| {
            other.spec.node_name == pod.spec.node_name && &*other.status.phase == "Running"
        });
        let taken = running.fold(Room::of_pod(pod), |sum, pod| sum.plus(Room::of_pod(pod)));
        let fits = taken.fits(Room::of_node(node));
        self.change(key, |pod| {
            pod.status.phase = if fits { "Running" } else { "Failed" }.into();
            pod.status.reason = if fits { "" } else { "OutOfcpu" }.into();
        });
    }

    fn finish(&mut self, key: &PodKey) {
        if self.pod(key).is_some_and(|pod| &*pod.status.phase == "Running") {
            self.change(key, |pod| pod.status.phase = "Succeeded".into());
        }
    }

    /// The other scheduler goes by a picture that is somewhat old, and knows nothing of what we
    /// are about to bind.
    fn rival_binds(&mut self, key: &PodKey) {
        let Some(pod) = self.pod(key).filter(|pod| pod.spec.node_name.is_empty()).cloned() else {
            return;
        };
        let lag = self.dice.others.range(0, RIVAL_LAG);
        let then = self.history.revision().saturating_sub(lag);
        let seen = self.history.shown_at(Kind::Pods, then);
        let taken = |node: &str| {
            let on = seen.iter().filter_map(|object| match object {
                Object::Pod(pod) if *pod.spec.node_name == *node => Some(Room::of_pod(pod)),
                _ => None,
            });
            on.fold(Room::of_pod(&pod), Room::plus)
        };
        let nodes = self.history.nodes.values().filter(|node| {
            let open = !node.spec.unschedulable && node.spec.taints.is_empty();
            open && taken(&node.metadata.name).fits(Room::of_node(node))
        });
        let nodes: Vec<_> = nodes.map(|node| node.metadata.name.clone()).collect();
        match self.dice.others.pick(&nodes).cloned() {
            Some(node) => {
                self.inject(Fault::Rival, || format!("{key} to {node}"));
                self.bind_by_other(key, &node);
            }
            None if !self.healed => {
                let again = self.now.plus(self.dice.others.millis(2_000, 20_000));
                self.push(again, Happening::Act(Act::RivalBinds(key.clone())));
            }
            None => {}
        }
    }

    fn flap(&mut self, key: &PodKey) {
        let Some(node) = self.history.nodes.get(key).cloned() else { return };
        let dice = &mut self.dice.faults[Fault::NodeFlap as usize];
        let next = pods::flapped(&node, dice);
        let back = self.now.plus(dice.millis(AWAY_MS.0, AWAY_MS.1));
        let away = self.away.contains(&node.metadata.name);
        self.inject(Fault::NodeFlap, || key.to_string());
        let mut restored = (*node).clone();
        match next {
            Some(next) => self.write(Writer::Other, Object::Node(Arc::new(next)), None),
            None => {
                self.remove(Kind::Nodes, key);
                self.uids += 1;
                restored.metadata.uid = format!("{}-{}", key.name, self.uids).into();
            }
        }
        // Some changes stay, but no node stays away for ever.
        let gone = !self.history.nodes.contains_key(key);
        if !away && (gone || self.uids.is_multiple_of(2)) {
            self.away.insert(key.name.clone());
            self.push(back, Happening::Act(Act::Restore(Box::new(restored))));
        }
    }

    /// The pods of a node that is gone go, too.
    fn collect(&mut self, node: &PodKey) {
        if self.history.nodes.contains_key(node) {
            return;
        }
        let pods = self.history.pods.iter().filter(|(_, pod)| pod.spec.node_name == node.name);
        let pods: Vec<PodKey> = pods.map(|(key, _)| key.clone()).collect();
        for key in pods {
            self.remove(Kind::Pods, &key);
        }
    }

    /// Writes a pod in a new state, if there is one and it has changed.
    fn change(&mut self, key: &PodKey, change: impl FnOnce(&mut api::Pod)) {
        let Some(old) = self.pod(key) else { return };
        let mut new = old.clone();
        change(&mut new);
        if new != *old {
            self.write(Writer::Other, Object::Pod(Arc::new(new)), None);
        }
    }
}
