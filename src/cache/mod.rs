//! Applies what the API server shows, and what was decided and not yet shown, to the snapshot.
//!
//! A pod's states:
//!
//! ```text
//!                 assume                shown on a node
//!  Pending ────────────────▶ Assumed ─────────────────▶ Bound
//!    ▲  ▲                     │   │                       ▲
//!    │  └──────── forget ─────┘   │ doubt                 │ shown on a node
//!    │                            ▼                       │
//!    └────────── forget ─────── Unknown ──────────────────┘
//! ```
//!
//! From every state a pod that is deleted or has ended is gone. Assumed and Unknown pods count on
//! their node; nothing but an answer of the API server ends them, never time.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api;
use crate::model::{PodKey, Str};
use crate::planted::{Bug, planted};
use crate::snapshot::{ClaimDecision, PodInfo, Snapshot};

/// All pods that are known, and the snapshot that they and the nodes make up.
#[derive(Debug, Default)]
pub struct Cache {
    pub snapshot: Snapshot,
    pods: FxHashMap<Str, Entry>,
    uids: BTreeMap<PodKey, Str>,
    /// Pods that an answer has shown to be gone or to have ended, and the watch has not.
    told_gone: FxHashMap<PodKey, Str>,
}

#[derive(Debug)]
struct Entry {
    info: Arc<PodInfo>,
    state: PodState,
}

/// Where a pod stands between being seen and being seen on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// It has no node.
    Pending,
    /// We have decided on a node and the API server has not shown it yet.
    Assumed { node: Str },
    /// A binding was sent and nobody knows whether it was carried out.
    Unknown { node: Str },
    /// The API server shows it on a node.
    Bound,
}

/// What an event about a pod changed.
#[derive(Clone, Debug, PartialEq)]
pub enum PodChange {
    /// A pod waits for a node that was not known before.
    Appeared(Arc<PodInfo>),
    /// A pod without a node has changed. It may be assumed to be on one.
    Changed { old: Arc<PodInfo>, new: Arc<PodInfo> },
    /// A pod stands on a node that was not shown there before. `assumed` is the node on which we
    /// had put it.
    Landed { pod: Arc<PodInfo>, assumed: Option<Str> },
    /// A pod that stands on a node has changed.
    Updated { old: Arc<PodInfo>, new: Arc<PodInfo> },
    /// A pod is gone. `held` says whether it took room on a node.
    Gone { pod: Arc<PodInfo>, held: bool },
    /// Nothing that matters.
    Nothing,
}

impl Cache {
    /// Takes in a pod as the API server shows it. A pod of the same name and another uid must have
    /// been removed before.
    pub fn set_pod(&mut self, pod: &api::Pod) -> PodChange {
        // An answer may have told more than the watch has shown so far.
        let known = self.pods.get(&pod.metadata.uid).map(|entry| &entry.info.resource_version);
        if known.is_some_and(|known| newer(known, &pod.metadata.resource_version)) {
            return PodChange::Nothing;
        }
        let new = PodInfo::new(pod);
        if new.terminal {
            return self.remove_pod(&new.key, &new.uid);
        }
        let Some(entry) = self.pods.get_mut(&new.uid) else {
            return self.add_pod(Arc::new(new));
        };
        let new = Arc::new(new);
        let old = std::mem::replace(&mut entry.info, new.clone());
        self.snapshot.unset_waiting(&old);
        let node = if new.node_name.is_empty() { entry.state.node() } else { Some(&new.node_name) };
        if let Some(node) = node {
            self.snapshot.place(new.clone(), node);
        }
        if !new.node_name.is_empty() && entry.state != PodState::Bound {
            let assumed = entry.state.node().cloned();
            entry.state = PodState::Bound;
            self.snapshot.withdraw_nomination(&new.uid);
            self.snapshot.settle_claims(&new.uid);
            return PodChange::Landed { pod: new, assumed };
        }
        if entry.state == PodState::Bound {
            return PodChange::Updated { old, new };
        }
        if entry.state == PodState::Pending {
            self.snapshot.set_waiting(&new);
            self.nominate(&old, &new);
        }
        PodChange::Changed { old, new }
    }

    /// An answer has shown that a pod is gone or has ended: a watch that lags must not bring it
    /// back.
    pub fn note_gone(&mut self, key: PodKey, uid: Str) {
        self.told_gone.insert(key, uid);
    }

    /// Whether only the watch does not know yet that this pod is gone or has ended.
    pub fn is_told_gone(&self, key: &PodKey, uid: &str) -> bool {
        self.told_gone.get(key).is_some_and(|gone| **gone == *uid)
    }

    /// The watch shows the name without that pod.
    pub fn forget_gone(&mut self, key: &PodKey) {
        self.told_gone.remove(key);
    }

    /// Takes out a pod. The uid may be empty where only the name is known.
    pub fn remove_pod(&mut self, key: &PodKey, uid: &str) -> PodChange {
        let known = self.uids.get(key).filter(|known| uid.is_empty() || ***known == *uid);
        let Some(uid) = known.cloned() else {
            return PodChange::Nothing;
        };
        self.uids.remove(key);
        let Some(entry) = self.pods.remove(&uid) else {
            return PodChange::Nothing;
        };
        if !planted(Bug::KeepNomination) {
            self.snapshot.withdraw_nomination(&uid);
        }
        self.snapshot.forget_claims(&uid);
        self.snapshot.unset_waiting(&entry.info);
        let held = !planted(Bug::LeakOnDelete) && self.snapshot.remove_pod(&uid).is_some();
        PodChange::Gone { pod: entry.info, held }
    }

    /// The uid of the pod that has this name now.
    pub fn uid_of(&self, key: &PodKey) -> Option<&Str> {
        self.uids.get(key)
    }

    pub fn pod(&self, uid: &str) -> Option<&Arc<PodInfo>> {
        self.pods.get(uid).map(|entry| &entry.info)
    }

    pub fn state(&self, uid: &str) -> Option<&PodState> {
        self.pods.get(uid).map(|entry| &entry.state)
    }

    /// The names of all pods that are known.
    pub fn keys(&self) -> impl Iterator<Item = &PodKey> {
        self.uids.keys()
    }

    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// How many pods count on a node without being shown there.
    pub fn assumed(&self) -> usize {
        self.pods.values().filter(|entry| entry.state.node().is_some()).count()
    }

    /// Counts a pending pod on a node from now on, with what was decided for its claims.
    pub fn assume(&mut self, uid: &Str, node: &Str, claims: &[ClaimDecision]) {
        let Some(entry) = self.pods.get_mut(uid) else {
            return;
        };
        if entry.state == PodState::Pending && !planted(Bug::AssumeNothing) {
            // It counts as a pod of its node from now on, and not twice.
            self.snapshot.withdraw_nomination(uid);
            entry.state = PodState::Assumed { node: node.clone() };
            self.snapshot.place(entry.info.clone(), node);
            self.snapshot.assume_claims(uid, claims);
            self.snapshot.unset_waiting(&entry.info);
        }
    }

    /// The binding may or may not have been carried out: the pod keeps counting.
    pub fn doubt(&mut self, uid: &str) {
        let Some(entry) = self.pods.get_mut(uid) else {
            return;
        };
        if let PodState::Assumed { node } = &entry.state {
            entry.state = PodState::Unknown { node: node.clone() };
        }
    }

    /// The binding was not carried out and cannot be any more.
    pub fn forget(&mut self, uid: &str) {
        let Some(entry) = self.pods.get_mut(uid) else {
            return;
        };
        if entry.state.node().is_some() {
            entry.state = PodState::Pending;
            if !entry.info.nominated_node.is_empty() {
                self.snapshot.nominate(entry.info.clone(), &entry.info.nominated_node);
            }
            if !planted(Bug::LeakReservation) {
                self.snapshot.remove_pod(uid);
            }
            self.snapshot.forget_claims(uid);
            self.snapshot.set_waiting(&entry.info);
        }
    }

    fn add_pod(&mut self, pod: Arc<PodInfo>) -> PodChange {
        self.uids.insert(pod.key.clone(), pod.uid.clone());
        let state = if pod.node_name.is_empty() { PodState::Pending } else { PodState::Bound };
        let entry = Entry { info: pod.clone(), state: state.clone() };
        self.pods.insert(pod.uid.clone(), entry);
        let foreign = &*pod.scheduler_name == "default-scheduler";
        if state == PodState::Bound && !(planted(Bug::IgnoreForeignPods) && foreign) {
            self.snapshot.place(pod.clone(), &pod.node_name);
            return PodChange::Landed { pod, assumed: None };
        }
        self.snapshot.set_waiting(&pod);
        if !pod.nominated_node.is_empty() {
            self.snapshot.nominate(pod.clone(), &pod.nominated_node);
        }
        PodChange::Appeared(pod)
    }

    fn nominate(&mut self, old: &PodInfo, new: &Arc<PodInfo>) {
        if !old.nominated_node.is_empty() {
            self.snapshot.withdraw_nomination(&new.uid);
        }
        if !new.nominated_node.is_empty() {
            self.snapshot.nominate(new.clone(), &new.nominated_node);
        }
    }
}

impl PodState {
    /// The node on which a pod counts without being shown there.
    fn node(&self) -> Option<&Str> {
        match self {
            Self::Assumed { node } | Self::Unknown { node } => Some(node),
            Self::Pending | Self::Bound => None,
        }
    }
}

/// Whether version `a` is newer than `b`. Versions are numbers that grow; what is none is never
/// newer.
fn newer(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a > b,
        _ => false,
    }
}
