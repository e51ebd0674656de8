//! The scheduling queue: which pod is next, which wait, and what wakes them.
//!
//! ```text
//!            pop                     refused
//!  Active ─────────▶ in a cycle ────────────────▶ Unschedulable
//!    ▲  ▲                 │ failed                     │ an event that may help, or five minutes
//!    │  │                 ▼                            ▼
//!    │  └──────────── Backoff ◀─────────────────── (still backing off?) ──▶ Active
//!    │ may enter
//!  Gated
//! ```
//!
//! A cycle is one step of the scheduler, so no event can come in its middle.

mod backoff;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

pub use self::backoff::BackoffLimits;
use crate::framework::{ClusterEvent, Hint, QueueSortPlugin};
use crate::metrics;
use crate::model::{Instant, Str};
use crate::planted::{Bug, planted};
use crate::snapshot::PodInfo;

/// How long a pod stays unschedulable at most before it is tried again without any event.
pub const UNSCHEDULABLE_MAX: Duration = Duration::from_secs(5 * 60);

/// The pods that wait to be scheduled.
pub struct Queue {
    sort: Arc<dyn QueueSortPlugin>,
    limits: BackoffLimits,
    pods: FxHashMap<Str, QueuedPod>,
    active: BTreeSet<(SortKey, Str)>,
    /// Pods that were refused, by the end of their back-off.
    backoff: BTreeSet<(Instant, Str)>,
    /// Pods whose cycle or binding failed, by the end of their back-off.
    failing: BTreeSet<(Instant, Str)>,
    gated: BTreeSet<Str>,
    unschedulable: BTreeSet<(Instant, Str)>,
    /// Counts insertions, so that pods that entered at the same time leave in order.
    entered: u64,
}

/// Smallest first: the plugin's key, then the order of entering.
type SortKey = ((i64, u64), u64);

/// A pod that waits.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    pub pod: Arc<PodInfo>,
    /// When it was first seen.
    pub first_seen: Instant,
    /// How many cycles it has been through.
    pub attempts: u32,
    /// Cycles in a row that refused it, and that failed.
    refused: u32,
    failed: u32,
    /// When its last cycle ended, or when it came.
    since: Instant,
    /// The plugins that refused it last.
    pub rejectors: BTreeSet<Str>,
    /// The nodes on which its claims could not be made ready.
    pub failed_on: BTreeSet<Str>,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Active(SortKey),
    Backoff(Instant),
    Failing(Instant),
    Unschedulable(Instant),
    Gated,
    InCycle,
}

/// How many pods wait where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    pub active: usize,
    pub backoff: usize,
    pub unschedulable: usize,
    pub gated: usize,
}

impl Queue {
    pub fn new(sort: Arc<dyn QueueSortPlugin>, limits: BackoffLimits) -> Self {
        Self {
            sort,
            limits,
            pods: FxHashMap::default(),
            active: BTreeSet::new(),
            backoff: BTreeSet::new(),
            failing: BTreeSet::new(),
            gated: BTreeSet::new(),
            unschedulable: BTreeSet::new(),
            entered: 0,
        }
    }

    /// Takes in a pod that was not known. A gated one waits until it has changed.
    pub fn add(&mut self, pod: Arc<PodInfo>, gate: Option<Str>, now: Instant) {
        self.remove(&pod.uid);
        let uid = pod.uid.clone();
        let queued = QueuedPod {
            pod,
            first_seen: now,
            attempts: 0,
            refused: 0,
            failed: 0,
            since: now,
            rejectors: gate.iter().cloned().collect(),
            failed_on: BTreeSet::new(),
            place: Place::InCycle,
        };
        self.pods.insert(uid.clone(), queued);
        if gate.is_none() {
            self.activate(&uid);
            metrics::queue_incoming("active", "UnscheduledPodAdd");
        } else {
            self.move_to(&uid, Place::Gated);
            metrics::queue_incoming("gated", "UnscheduledPodAdd");
        }
    }

    /// Takes in the new state of a waiting pod. `gate` is who keeps it out now, and `hint` whether
    /// the change may help where it was refused.
    pub fn update(&mut self, pod: &Arc<PodInfo>, gate: Option<Str>, hint: Hint, now: Instant) {
        let Some(queued) = self.pods.get_mut(&pod.uid) else {
            return;
        };
        queued.pod = pod.clone();
        match (&queued.place, gate) {
            (Place::InCycle, _) => {}
            (Place::Gated, None) => self.activate(&pod.uid),
            (Place::Gated, Some(_)) => {}
            (_, Some(gate)) => {
                queued.rejectors = [gate].into_iter().collect();
                self.move_to(&pod.uid, Place::Gated);
            }
            (Place::Unschedulable(_), None) if hint == Hint::Queue => {
                self.wake(&pod.uid, "TargetPodUpdate", now);
            }
            // The order may depend on what has changed. Among its equals the pod keeps its turn.
            (Place::Active((_, turn)), None) => {
                let key = (self.sort.key(&queued.pod, queued.since), *turn);
                self.move_to(&pod.uid, Place::Active(key));
            }
            _ => {}
        }
    }

    pub fn remove(&mut self, uid: &str) -> Option<QueuedPod> {
        self.leave_place(uid);
        self.pods.remove(uid)
    }

    pub fn get(&self, uid: &str) -> Option<&QueuedPod> {
        self.pods.get(uid)
    }

    /// The next pod to schedule. It stays known until it is removed or put back.
    ///
    /// While nothing is active, a pod that was refused need not wait for the end of its back-off.
    pub fn pop(&mut self, now: Instant) -> Option<QueuedPod> {
        self.flush(now);
        let next = self.active.first().map(|(_, uid)| uid);
        let uid = next.or_else(|| self.backoff.first().map(|(_, uid)| uid))?.clone();
        self.move_to(&uid, Place::InCycle);
        let queued = self.pods.get_mut(&uid)?;
        queued.attempts = queued.attempts.saturating_add(1);
        Some(queued.clone())
    }

    /// Puts back a pod that fits nowhere. It waits for an event that may help.
    pub fn refuse(&mut self, uid: &str, rejectors: BTreeSet<Str>, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else {
            return;
        };
        queued.refused = queued.refused.saturating_add(1);
        queued.failed = 0;
        queued.since = now;
        queued.rejectors = rejectors;
        self.move_to(uid, Place::Unschedulable(now));
        metrics::queue_incoming("unschedulable", "ScheduleAttemptFailure");
    }

    /// Puts back a pod whose cycle or binding failed. It is tried again after a back-off.
    pub fn fail(&mut self, uid: &str, now: Instant) {
        let Some(queued) = self.pods.get_mut(uid) else {
            return;
        };
        queued.failed = queued.failed.saturating_add(1);
        queued.since = now;
        queued.rejectors.clear();
        let until = now.plus(self.limits.backoff(queued.failed));
        if planted(Bug::LoseFailedPod) {
            return;
        }
        self.move_to(uid, Place::Failing(until));
        metrics::queue_incoming("backoff", "ScheduleAttemptFailure");
    }

    /// Remembers that the pod came to nothing on a node, so that it is tried on others first.
    pub fn note_failure_on(&mut self, uid: &str, node: &Str) {
        if let Some(queued) = self.pods.get_mut(uid) {
            queued.failed_on.insert(node.clone());
        }
    }

    /// Puts back a pod that was not tried in the end. It is next again.
    pub fn put_back(&mut self, uid: &str) {
        self.activate(uid);
    }

    /// Wakes the pods for which the event may help.
    pub fn on_event(
        &mut self,
        event: &ClusterEvent<'_>,
        hint: impl Fn(&QueuedPod) -> Hint,
        now: Instant,
    ) {
        if planted(Bug::SleepThroughEvents) {
            return;
        }
        let waiting = self.unschedulable.iter().map(|(_, uid)| uid);
        let woken: Vec<Str> = waiting
            .filter(|uid| self.pods.get(&***uid).is_some_and(|queued| hint(queued) == Hint::Queue))
            .cloned()
            .collect();
        for uid in woken {
            self.wake(&uid, event.label(), now);
        }
    }

    /// When something will be ready to pop, if nothing happens before.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        if !self.active.is_empty() || !self.backoff.is_empty() {
            return Some(now);
        }
        let backoff = self.failing.first().map(|(until, _)| *until);
        let flush = self.unschedulable.first().map(|(since, _)| since.plus(UNSCHEDULABLE_MAX));
        backoff.into_iter().chain(flush).min()
    }

    pub fn lengths(&self) -> Lengths {
        Lengths {
            active: self.active.len(),
            backoff: self.backoff.len() + self.failing.len(),
            unschedulable: self.unschedulable.len(),
            gated: self.gated.len(),
        }
    }

    pub fn len(&self) -> usize {
        self.pods.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Moves what has waited long enough.
    fn flush(&mut self, now: Instant) {
        let over = |waiting: &BTreeSet<(Instant, Str)>, after: Duration| -> Vec<Str> {
            let over = waiting.iter().take_while(|(since, _)| since.plus(after) <= now);
            over.map(|(_, uid)| uid.clone()).collect()
        };
        let mut rested = over(&self.backoff, Duration::ZERO);
        rested.extend(over(&self.failing, Duration::ZERO));
        for uid in rested {
            self.activate(&uid);
            metrics::queue_incoming("active", "BackoffComplete");
        }
        for uid in over(&self.unschedulable, UNSCHEDULABLE_MAX) {
            self.wake(&uid, "UnschedulableTimeout", now);
        }
    }

    /// Lets an unschedulable pod try again, after what is left of its back-off.
    fn wake(&mut self, uid: &str, event: &'static str, now: Instant) {
        let Some(queued) = self.pods.get(uid) else {
            return;
        };
        let until = queued.since.plus(self.limits.backoff(queued.refused));
        if until > now {
            self.move_to(uid, Place::Backoff(until));
            metrics::queue_incoming("backoff", event);
        } else {
            self.activate(uid);
            metrics::queue_incoming("active", event);
        }
    }

    /// A pod waits since its last cycle, however long an event let it wait for. Counted from now,
    /// pods that come later would go before it.
    fn activate(&mut self, uid: &str) {
        self.entered += 1;
        let Some(queued) = self.pods.get(uid) else {
            return;
        };
        let key = self.sort.key(&queued.pod, queued.since);
        self.move_to(uid, Place::Active((key, self.entered)));
    }

    fn move_to(&mut self, uid: &str, place: Place) {
        self.leave_place(uid);
        let Some(queued) = self.pods.get_mut(uid) else {
            return;
        };
        let uid = queued.pod.uid.clone();
        match &place {
            Place::Active(key) => _ = self.active.insert((*key, uid)),
            Place::Backoff(until) => _ = self.backoff.insert((*until, uid)),
            Place::Failing(until) => _ = self.failing.insert((*until, uid)),
            Place::Gated => _ = self.gated.insert(uid),
            Place::Unschedulable(since) => _ = self.unschedulable.insert((*since, uid)),
            Place::InCycle => {}
        }
        queued.place = place;
    }

    fn leave_place(&mut self, uid: &str) {
        let Some(queued) = self.pods.get_mut(uid) else {
            return;
        };
        let uid = queued.pod.uid.clone();
        match std::mem::replace(&mut queued.place, Place::InCycle) {
            Place::Active(key) => _ = self.active.remove(&(key, uid)),
            Place::Backoff(until) => _ = self.backoff.remove(&(until, uid)),
            Place::Failing(until) => _ = self.failing.remove(&(until, uid)),
            Place::Gated => _ = self.gated.remove(&uid),
            Place::Unschedulable(since) => _ = self.unschedulable.remove(&(since, uid)),
            Place::InCycle => {}
        }
    }
}
