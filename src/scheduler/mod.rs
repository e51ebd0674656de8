//! The scheduler: a pure state machine. `observe` tells it what happened, `advance` lets it decide
//! and gives back what it wants done.
//!
//! The main path: `observe` puts events into cache and queue; `advance` pops a pod, [`cycle`] filters
//! and scores, the cache assumes the node, and [`binding`] sees the pod onto it.

pub mod binding;
pub mod cycle;
pub mod effect;
pub mod event;
mod intake;
pub mod recording;
mod report;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

use self::binding::{Binding, CALL_DEADLINE, CONFIRM_DEADLINE, Requeue, State, Step};
use self::cycle::Verdict;
pub use self::effect::{Condition, Credit, Effect, EffectId, LeaseEpoch, Note, Op, Outcome};
pub use self::event::{Change, Event, Reply};
pub use self::report::Refusal;
use crate::cache::Cache;
use crate::config::EffectiveConfiguration;
use crate::framework::{CycleError, Diagnosis, Framework, ProfileError, Registry};
use crate::metrics;
use crate::model::{Instant, Str};
use crate::queue::{BackoffLimits, Lengths, Queue, QueuedPod};
use crate::snapshot::{Overlay, PodInfo};

/// How many pods one `advance` decides at most, so that events are not kept waiting.
pub const DECISIONS_MAX: u32 = 64;

/// Decides where pods go, and sees them there.
pub struct Scheduler {
    frameworks: BTreeMap<Str, Framework>,
    cache: Cache,
    queue: Queue,
    /// Pods that have been decided and are not yet seen on their node.
    bindings: BTreeMap<Str, Binding>,
    /// Which pod waits for the answer to which effect.
    calls: BTreeMap<EffectId, Str>,
    /// Why each waiting pod fitted nowhere the last time.
    refusals: FxHashMap<Str, Vec<Refusal>>,
    outbox: VecDeque<Effect>,
    seed: u64,
    effects: u64,
    synced: bool,
    /// Nothing is sent before: the API server asked for patience.
    paused_until: Instant,
    decisions: Xxh3,
}

impl Scheduler {
    /// A scheduler that knows nothing yet.
    pub fn new(
        configuration: &EffectiveConfiguration,
        registry: &Registry,
        seed: u64,
    ) -> Result<Self, ProfileError> {
        let profiles = configuration.profiles.iter();
        let frameworks = profiles
            .map(|profile| Ok((profile.scheduler_name.clone(), Framework::new(profile, registry)?)))
            .collect::<Result<BTreeMap<_, _>, ProfileError>>()?;
        // All profiles order the queue alike, which the configuration makes sure of.
        let first = frameworks.values().next().ok_or(ProfileError::None)?;
        let backoff = BackoffLimits {
            initial: configuration.pod_initial_backoff,
            max: configuration.pod_max_backoff,
        };
        Ok(Self {
            cache: Cache::default(),
            queue: Queue::new(first.queue_sort().clone(), backoff),
            frameworks,
            bindings: BTreeMap::new(),
            calls: BTreeMap::new(),
            refusals: FxHashMap::default(),
            outbox: VecDeque::new(),
            seed,
            effects: 0,
            synced: false,
            paused_until: Instant::default(),
            decisions: Xxh3::new(),
        })
    }

    /// Takes in what happened.
    pub fn observe(&mut self, at: Instant, event: Event) {
        match event {
            Event::Pod(change) => self.on_pod(change, at),
            Event::Reply(reply) => self.on_reply(reply, at),
            Event::Synced => self.synced = true,
            other => self.on_cluster(other, at),
        }
    }

    /// Decides what can be decided now and adds what is to be done to `out`. Returns when to call
    /// again at the latest, if nothing happens before.
    pub fn advance(
        &mut self,
        now: Instant,
        credit: Credit,
        out: &mut Vec<Effect>,
    ) -> Option<Instant> {
        self.take_up_waiting(now);
        let mut binds = credit.binds;
        for _ in 0..DECISIONS_MAX {
            if !self.synced || binds == 0 || now < self.paused_until {
                break;
            }
            let Some(queued) = self.queue.pop(now) else {
                break;
            };
            if self.schedule_one(&queued, now) {
                binds -= 1;
            }
        }
        self.report_lengths();
        out.extend(self.outbox.drain(..));
        self.next_wake(now, binds)
    }

    /// A hash of all decisions so far, in order.
    pub fn decisions_hash(&self) -> String {
        format!("{:016x}", self.decisions.digest())
    }

    /// Why a waiting pod fitted nowhere the last time it was tried.
    pub fn refusals(&self, uid: &str) -> &[Refusal] {
        self.refusals.get(uid).map_or(&[], Vec::as_slice)
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn queue_lengths(&self) -> Lengths {
        self.queue.lengths()
    }

    /// How many pods are decided and not yet seen on their node.
    pub fn in_flight(&self) -> usize {
        self.bindings.len()
    }

    /// One cycle. True if a binding is on its way.
    fn schedule_one(&mut self, queued: &QueuedPod, now: Instant) -> bool {
        let pod = &queued.pod;
        let Some(framework) = self.frameworks.get(&pod.scheduler_name) else {
            return false;
        };
        if pod.terminating {
            self.report_deleting(pod, now);
            self.note_refusal(pod, &"".into(), "the pod is being deleted");
            self.queue.remove(&pod.uid);
            return false;
        }
        let attempt = metrics::time_attempt();
        let verdict = cycle::schedule(framework, pod, &self.cache.snapshot.view(), self.seed);
        match verdict {
            Verdict::Node(node) => {
                self.bind(pod, &node, now);
                return true;
            }
            Verdict::Unschedulable(diagnosis) => {
                attempt.end("unschedulable", &pod.scheduler_name);
                self.refuse(pod, &diagnosis, now);
            }
            Verdict::Failed(error) => {
                attempt.end("error", &pod.scheduler_name);
                self.queue.fail(&pod.uid, now);
                self.fail(pod, &error, now);
            }
        }
        false
    }

    /// Reserves the node and sends the binding.
    fn bind(&mut self, pod: &Arc<PodInfo>, node: &Str, now: Instant) {
        self.note_decision(pod, node);
        self.refusals.remove(&pod.uid);
        self.cache.assume(&pod.uid, node);
        let binding = Binding {
            pod: pod.clone(),
            node: node.clone(),
            posted_version: "".into(),
            state: State::Reserved,
            posts: 0,
            decided_at: now,
        };
        self.bindings.insert(pod.uid.clone(), binding);
        self.post(&pod.uid.clone(), now);
    }

    fn refuse(&mut self, pod: &Arc<PodInfo>, diagnosis: &Diagnosis, now: Instant) {
        self.note_decision(pod, &"".into());
        self.refusals.insert(pod.uid.clone(), Refusal::rows(diagnosis));
        self.report_failure(pod, "Unschedulable", &diagnosis.message(), now);
        self.queue.refuse(&pod.uid, diagnosis.unschedulable_plugins(), now);
    }

    /// Tells that a plugin failed on a pod, which is tried again.
    fn fail(&mut self, pod: &Arc<PodInfo>, error: &CycleError, now: Instant) {
        tracing::warn!(pod = %pod.key, %error, "A scheduling cycle failed.");
        self.note_refusal(pod, &error.plugin, &error.reason);
        self.report_failure(pod, "SchedulerError", &error.to_string(), now);
    }

    /// Notes what keeps a pod from any node, whichever it is.
    fn note_refusal(&mut self, pod: &PodInfo, plugin: &Str, reason: &str) {
        let nodes = self.cache.snapshot.nodes().present().len();
        let reason = report::cut(reason).into();
        let refusal = Refusal { plugin: plugin.clone(), nodes, reason };
        self.refusals.insert(pod.uid.clone(), vec![refusal]);
    }

    /// Carries out one step of a binding machine.
    fn step(&mut self, uid: &Str, step: Step, now: Instant) {
        match step {
            Step::Post if self.still_fits(uid) => self.post(uid, now),
            Step::Post => self.roll_back(uid, Requeue::AtOnce, now),
            Step::Fence => self.fence(uid, now),
            Step::Check => self.check(uid, now),
            Step::Confirm => self.set_state(uid, State::Confirming { since: now }),
            Step::Pause(patience, then) => {
                let until = now.plus(patience);
                if then == binding::Again::Post {
                    self.paused_until = self.paused_until.max(until);
                }
                self.set_state(uid, State::Waiting { until, then });
            }
            Step::RollBack(requeue) => self.roll_back(uid, requeue, now),
        }
    }

    /// Looks at the node once more on the freshest state, as if the pod were not on it.
    fn still_fits(&self, uid: &Str) -> bool {
        let Some(binding) = self.bindings.get(uid) else {
            return false;
        };
        let Some(framework) = self.frameworks.get(&binding.pod.scheduler_name) else {
            return false;
        };
        let removed = [uid.clone()].into_iter().collect();
        let view = self.cache.snapshot.view_with(Overlay { removed, ..Overlay::default() });
        let Some(node) = view.nodes().find(&binding.node) else {
            return false;
        };
        framework.fits(&binding.pod, &view, node)
    }

    fn post(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get_mut(uid) else {
            return;
        };
        let Some(framework) = self.frameworks.get(&binding.pod.scheduler_name) else {
            return;
        };
        // The cache may know of a newer version than the decision did, from our own writes.
        let pod = self.cache.pod(uid).unwrap_or(&binding.pod);
        let written = match framework.binding(pod, &binding.node) {
            Ok(written) => written,
            Err(error) => {
                let pod = binding.pod.clone();
                self.roll_back(uid, Requeue::AfterBackoff, now);
                return self.fail(&pod, &error, now);
            }
        };
        binding.posted_version = written.resource_version.clone();
        binding.posts += 1;
        let op = Op::Bind {
            pod: binding.pod.key.clone(),
            uid: written.uid,
            resource_version: written.resource_version,
            node: written.node,
        };
        let id = self.call(uid, op, now);
        self.set_state(uid, State::Posting(id));
    }

    /// Writes `status.nominatedNodeName` at the version that the lost POST carried. The value has to
    /// differ from what stands there: a write that changes nothing makes no new version.
    fn fence(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        self.cache.doubt(uid);
        let pod = self.cache.pod(uid).unwrap_or(&binding.pod);
        let same = pod.nominated_node == binding.node;
        let op = Op::Fence {
            pod: binding.pod.key.clone(),
            uid: uid.clone(),
            resource_version: binding.posted_version.clone(),
            value: if same { "".into() } else { binding.node.clone() },
        };
        metrics::bind_unknown();
        let id = self.call(uid, op, now);
        self.set_state(uid, State::Fencing(id));
    }

    fn check(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        let op = Op::GetPod { pod: binding.pod.key.clone() };
        let id = self.call(uid, op, now);
        self.set_state(uid, State::Checking(id));
    }

    fn roll_back(&mut self, uid: &Str, requeue: Requeue, now: Instant) {
        self.bindings.remove(uid);
        self.cache.forget(uid);
        match requeue {
            Requeue::AtOnce => self.queue.put_back(uid, now),
            Requeue::AfterBackoff => self.queue.fail(uid, now),
            Requeue::No => _ = self.queue.remove(uid),
        }
        if let Some(pod) = self.cache.pod(uid).cloned() {
            self.wake_after_removal(&pod, now);
        }
    }

    fn on_reply(&mut self, reply: Reply, now: Instant) {
        let Some(uid) = self.calls.remove(&reply.id) else {
            return;
        };
        let pod = reply.pod.map(|pod| PodInfo::new(&pod));
        if let Some(pod) = pod.as_ref().filter(|pod| pod.uid == uid) {
            self.cache.note_resource_version(&uid, &pod.resource_version);
        }
        let Some(binding) = self.bindings.get(&uid) else {
            return;
        };
        let id = reply.id;
        let awaited = [State::Posting(id), State::Fencing(id), State::Checking(id)];
        if !awaited.contains(&binding.state) {
            return;
        }
        let step = binding.on_reply(&reply.outcome, pod.as_ref());
        if step != Step::Confirm {
            let (pod, node, outcome) = (&binding.pod.key, &binding.node, &reply.outcome);
            tracing::info!(%pod, %node, ?step, ?outcome, "A binding took another way.");
        } else if binding.state == State::Posting(id) {
            let binding = binding.clone();
            self.report_scheduled(&binding, now);
        }
        self.step(&uid, step, now);
    }

    /// Takes up bindings whose pause is over, and looks up those that the watch does not show.
    fn take_up_waiting(&mut self, now: Instant) {
        let due: Vec<(Str, Step)> = self
            .bindings
            .iter()
            .filter_map(|(uid, binding)| match binding.state {
                State::Waiting { until, then } if until <= now => Some((uid.clone(), then.step())),
                State::Confirming { since } if since.plus(CONFIRM_DEADLINE) <= now => {
                    Some((uid.clone(), Step::Check))
                }
                _ => None,
            })
            .collect();
        for (uid, step) in due {
            self.step(&uid, step, now);
        }
    }

    fn next_wake(&self, now: Instant, binds_left: u32) -> Option<Instant> {
        let bindings = self.bindings.values().filter_map(|binding| match binding.state {
            State::Waiting { until, .. } => Some(until),
            State::Confirming { since } => Some(since.plus(CONFIRM_DEADLINE)),
            _ => None,
        });
        // Without credit the next reply is what moves things on.
        let queue = (self.synced && binds_left > 0).then(|| self.queue.next_wake(now)).flatten();
        let queue = queue.map(|at| at.max(self.paused_until));
        bindings.chain(queue).min()
    }

    /// Sends a call about a pod and remembers who waits for the answer.
    fn call(&mut self, uid: &Str, op: Op, now: Instant) -> EffectId {
        let id = self.emit(op, now);
        self.calls.insert(id, uid.clone());
        id
    }

    fn emit(&mut self, op: Op, now: Instant) -> EffectId {
        self.effects += 1;
        let id = EffectId(self.effects);
        let epoch = LeaseEpoch::default();
        self.outbox.push_back(Effect { id, epoch, not_after: now.plus(CALL_DEADLINE), op });
        id
    }

    fn set_state(&mut self, uid: &Str, state: State) {
        if let Some(binding) = self.bindings.get_mut(uid) {
            binding.state = state;
        }
    }

    fn note_decision(&mut self, pod: &PodInfo, node: &Str) {
        for part in [&pod.key.namespace, &pod.key.name, node] {
            self.decisions.update(part.as_bytes());
            self.decisions.update(&[0]);
        }
    }
}
