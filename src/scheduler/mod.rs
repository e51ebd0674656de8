//! The scheduler: a pure state machine. `observe` tells it what happened, `advance` lets it decide
//! and gives back what it wants done.
//!
//! The main path: `observe` puts events into cache and queue; `advance` pops a pod, [`cycle`]
//! filters and scores, the cache assumes the node, and [`binding`] sees the pod onto it.

mod auditing;
pub mod binding;
pub mod cycle;
pub mod effect;
pub mod event;
mod intake;
mod leadership;
mod policies;
mod preparing;
pub mod recording;
mod report;
mod rest;
mod steps;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

pub use self::auditing::AuditResults;
use self::auditing::Audits;
use self::binding::{
    Again, Binding, CALL_DEADLINE, CONFIRM_DEADLINE, FORBIDDEN_PAUSE_MIN, IN_DOUBT_MAX, State,
};
use self::cycle::Verdict;
pub use self::effect::{Condition, Credit, Effect, EffectId, LeaseEpoch, Note, Op, Outcome};
pub use self::event::{Audit, Change, Event, Reply};
use self::leadership::Leadership;
pub use self::policies::Policies;
use self::preparing::ClaimWrites;
pub use self::report::Refusal;
use self::rest::Resting;
use crate::cache::Cache;
use crate::config::{Base, EffectiveConfiguration};
use crate::framework::{Diagnosis, Framework, ProfileError, Registry};
use crate::groups;
use crate::metrics;
use crate::model::{Instant, Str};
use crate::planted::{Bug, planted};
use crate::queue::{BackoffLimits, Lengths, Queue, QueuedPod};
use crate::snapshot::{ClaimDecision, PodInfo};

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
    /// Claims or volumes have changed since bindings that wait for them were looked at.
    claims_changed: bool,
    claim_writes: ClaimWrites,
    leadership: Leadership,
    /// Nothing is decided before: the API server asked for patience, or forbids bindings.
    paused_until: Instant,
    /// How long to pause when bindings are forbidden the next time.
    forbidden_pause: std::time::Duration,
    /// Nodes that get no pods for a while, because their kubelets rejected some.
    resting: Resting,
    audits: Audits,
    policies: Policies,
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
        let mut profiles = configuration.profiles.iter();
        let knows_groups = profiles.any(|profile| profile.base == Base::Database);
        let presets = knows_groups.then(groups::built_in_catalogue);
        let mut cache = Cache::default();
        cache.snapshot.set_catalogue(presets.clone());
        Ok(Self {
            cache,
            queue: Queue::new(first.queue_sort().clone(), backoff),
            frameworks,
            bindings: BTreeMap::new(),
            calls: BTreeMap::new(),
            refusals: FxHashMap::default(),
            outbox: VecDeque::new(),
            seed,
            effects: 0,
            synced: false,
            claims_changed: false,
            claim_writes: ClaimWrites::default(),
            leadership: Leadership::default(),
            paused_until: Instant::default(),
            forbidden_pause: FORBIDDEN_PAUSE_MIN,
            resting: Resting::default(),
            audits: Audits::default(),
            policies: Policies::over(presets),
            decisions: Xxh3::new(),
        })
    }

    /// Takes in what happened.
    pub fn observe(&mut self, at: Instant, event: Event) {
        match event {
            Event::Pod(change) => self.on_pod(change, at),
            Event::PodAudit(audit) => self.on_pod_audit(audit, at),
            Event::NodeAudit(audit) => self.on_node_audit(audit, at),
            Event::Reply(reply) => self.on_reply(reply, at),
            Event::Synced => self.synced = true,
            Event::Lease(term) => self.leadership = Leadership::Elected(term),
            Event::PlacementPolicy(change) => self.on_policy(change),
            Event::ClusterPlacementPolicy(change) => self.on_cluster_policy(change),
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
        self.find_groups(now);
        self.end_rests(now);
        let may_write = self.leadership.may_write(now);
        let mut binds = if may_write { credit.binds } else { 0 };
        let in_doubt = if may_write { self.take_up_waiting(&mut binds, now) } else { 0 };
        let mut binds = if in_doubt < IN_DOUBT_MAX { binds } else { 0 };
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
        // The next renewal of the lease is what moves a standby on.
        may_write.then(|| self.next_wake(now, binds)).flatten()
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
        if pod.terminating && !planted(Bug::BindDeleting) {
            self.report_deleting(pod, now);
            self.note_refusal(pod, &"".into(), "the pod is being deleted");
            self.queue.remove(&pod.uid);
            return false;
        }
        let attempt = metrics::time_attempt();
        let verdict = cycle::schedule(framework, queued, &self.cache.snapshot.view(), self.seed);
        match verdict {
            Verdict::Node(node, claims) => {
                self.bind(pod, &node, &claims, now);
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
    fn bind(&mut self, pod: &Arc<PodInfo>, node: &Str, claims: &[ClaimDecision], now: Instant) {
        self.note_decision(pod, node);
        self.refusals.remove(&pod.uid);
        self.cache.assume(&pod.uid, node, claims);
        let binding = Binding::new(pod.clone(), node.clone(), claims.to_vec(), now);
        self.bindings.insert(pod.uid.clone(), binding);
        self.prepare(&pod.uid.clone(), now);
    }

    fn refuse(&mut self, pod: &Arc<PodInfo>, diagnosis: &Diagnosis, now: Instant) {
        self.note_decision(pod, &"".into());
        self.refusals.insert(pod.uid.clone(), Refusal::rows(diagnosis));
        self.report_failure(pod, "Unschedulable", &diagnosis.message(), now);
        self.queue.refuse(&pod.uid, diagnosis.unschedulable_plugins(), now);
    }

    fn next_wake(&self, now: Instant, binds_left: u32) -> Option<Instant> {
        let bindings = self.bindings.values().filter_map(|binding| match binding.state {
            // Without credit the next reply is what moves things on.
            State::Waiting { then: Again::Post, .. } if binds_left == 0 => None,
            State::Waiting { until, then: Again::Post } => Some(until.max(self.paused_until)),
            State::Waiting { until, .. } | State::Preparing { until } => Some(until),
            State::Confirming { since } => Some(since.plus(CONFIRM_DEADLINE)),
            _ => None,
        });
        let queue = (self.synced && binds_left > 0).then(|| self.queue.next_wake(now)).flatten();
        let queue = queue.map(|at| at.max(self.paused_until));
        bindings.chain(queue).chain(self.resting.next_end()).min()
    }

    fn emit(&mut self, op: Op, now: Instant) -> EffectId {
        self.effects += 1;
        let id = EffectId(self.effects);
        let (epoch, not_after) = self.leadership.limits(now, CALL_DEADLINE);
        self.outbox.push_back(Effect { id, epoch, not_after, op });
        id
    }

    fn note_decision(&mut self, pod: &PodInfo, node: &Str) {
        for part in [&pod.key.namespace, &pod.key.name, node] {
            self.decisions.update(part.as_bytes());
            self.decisions.update(&[0]);
        }
    }
}
