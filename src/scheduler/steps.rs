//! Carries out the steps of the binding machines, and takes in the answers that move them on.

use super::Scheduler;
use super::binding::{
    Again, CONFIRM_DEADLINE, FORBIDDEN_PAUSE_MAX, FORBIDDEN_PAUSE_MIN, Requeue, State, Step, asked,
};
use super::effect::{EffectId, Op, Outcome};
use super::event::{Change, Reply};
use crate::api;
use crate::framework::BINDING_REJECTED;
use crate::metrics;
use crate::model::{Instant, Str};
use crate::planted::{Bug, planted};
use crate::snapshot::Overlay;

impl Scheduler {
    /// Takes in the answer to an effect.
    pub(super) fn on_reply(&mut self, reply: Reply, now: Instant) {
        let Some(uid) = self.calls.remove(&reply.id) else {
            return;
        };
        if let Outcome::Refused { code: 429, retry_after } = reply.outcome
            && !planted(Bug::IgnoreRetryAfter)
        {
            // It concerns everybody, also if nobody waits for this answer any more.
            self.paused_until = self.paused_until.max(now.plus(asked(retry_after)));
        }
        let pod = reply.pod;
        let has_pod = pod.is_some();
        if let Some(pod) = pod {
            self.on_told_pod(&uid, pod, now);
        }
        if self.on_written(&uid, reply.id, &reply.outcome, now) {
            return;
        }
        let Some(binding) = self.bindings.get_mut(&uid) else {
            return;
        };
        let id = reply.id;
        let awaited = [State::Posting(id), State::Fencing(id), State::Checking(id)];
        let lost = planted(Bug::LoseFenceReply) && binding.state == State::Fencing(id);
        if lost || !awaited.contains(&binding.state) {
            return;
        }
        let known = self.cache.pod(&uid).filter(|_| has_pod);
        let step = binding.on_reply(&reply.outcome, known.map(|pod| &**pod));
        match reply.outcome {
            Outcome::Applied(_) => self.forbidden_pause = FORBIDDEN_PAUSE_MIN,
            Outcome::Unknown if step == Step::Fence => metrics::bind_unknown(),
            _ => {}
        }
        if step != Step::Confirm {
            let (pod, node, outcome) = (&binding.pod.key, &binding.node, &reply.outcome);
            tracing::info!(%pod, %node, ?step, ?outcome, "A binding took another way.");
        } else {
            self.report_scheduled(&uid, now);
        }
        self.step(&uid, step, now);
    }

    /// An answer about the pod of this uid carried a pod. It is as good as a watched one, and may
    /// be newer than what the watch has shown; or older, and then it must not bring back what is
    /// gone.
    fn on_told_pod(&mut self, uid: &Str, pod: Box<api::Pod>, now: Instant) {
        if self.cache.pod(uid).is_none() {
            return;
        }
        let key = api::Object::key(&*pod);
        let other = pod.metadata.uid != *uid;
        if other || pod.is_terminal() {
            self.cache.note_gone(key.clone(), uid.clone());
        }
        if other {
            // The name has a new owner, whom the watch will show.
            self.change_pod(Change::Delete { key, uid: uid.clone() }, now);
        } else {
            self.change_pod(Change::Upsert(pod), now);
        }
    }

    /// Takes up bindings whose pause is over, and looks up those that the watch does not show.
    /// Bindings are posted again only while there is `credit` left. Returns how many are in doubt.
    pub(super) fn take_up_waiting(&mut self, credit: &mut u32, now: Instant) -> usize {
        let claims_changed = std::mem::take(&mut self.claims_changed);
        let due: Vec<(Str, Step)> = self
            .bindings
            .iter()
            .filter_map(|(uid, binding)| match binding.state {
                State::Preparing { until }
                    if binding.writes.is_empty() && (until <= now || claims_changed) =>
                {
                    Some((uid.clone(), Step::Prepare))
                }
                State::Waiting { until, then } if until <= now => Some((uid.clone(), then.step())),
                State::Confirming { since } if since.plus(CONFIRM_DEADLINE) <= now => {
                    Some((uid.clone(), Step::Check))
                }
                _ => None,
            })
            .collect();
        for (uid, step) in due.into_iter().filter(|(_, step)| *step != Step::Post) {
            self.step(&uid, step, now);
        }
        self.post_waiting(credit, now);
        self.bindings.values().filter(|binding| binding.state.is_in_doubt()).count()
    }

    /// Sends the binding of a pod for which a node is reserved.
    pub(super) fn post(&mut self, uid: &Str, now: Instant) {
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
                self.step(uid, Step::RollBack(Requeue::AfterBackoff), now);
                return self.fail(&pod, &error, now);
            }
        };
        binding.posted_version = written.resource_version.clone();
        binding.posts += 1;
        let mut op = Op::Bind {
            pod: binding.pod.key.clone(),
            uid: written.uid,
            resource_version: written.resource_version,
            node: written.node,
        };
        if let Op::Bind { uid, resource_version, .. } = &mut op
            && planted(Bug::NoPreconditions)
        {
            (*uid, *resource_version) = ("".into(), "".into());
        }
        let id = self.call(uid, op, now);
        self.set_state(uid, State::Posting(id));
    }

    /// Sends a call about a pod and remembers who waits for the answer.
    pub(super) fn call(&mut self, uid: &Str, op: Op, now: Instant) -> EffectId {
        let id = self.emit(op, now);
        self.calls.insert(id, uid.clone());
        id
    }

    /// Carries out one step of a binding machine.
    pub(super) fn step(&mut self, uid: &Str, step: Step, now: Instant) {
        match step {
            Step::Prepare => self.prepare(uid, now),
            // It is posted when credit and patience allow it, and looked at again only then.
            Step::Post => {
                let until = now.max(self.paused_until);
                self.set_state(uid, State::Waiting { until, then: Again::Post });
            }
            Step::Fence => self.fence(uid, now),
            Step::Check => self.check(uid, now),
            Step::Confirm => self.set_state(uid, State::Confirming { since: now }),
            Step::Pause(patience, then) => {
                self.set_state(uid, State::Waiting { until: now.plus(patience), then });
            }
            Step::RollBack(requeue) => self.roll_back(uid, requeue, now),
        }
    }

    /// Posts again what may be posted now.
    fn post_waiting(&mut self, credit: &mut u32, now: Instant) {
        if now < self.paused_until {
            return;
        }
        let due = self.bindings.iter().filter(|(_, binding)| {
            let State::Waiting { until, then } = binding.state else { return false };
            until <= now && then == Again::Post
        });
        let due: Vec<Str> = due.map(|(uid, _)| uid.clone()).take(*credit as usize).collect();
        for uid in due {
            *credit -= 1;
            self.post_again(&uid, now);
        }
    }

    fn post_again(&mut self, uid: &Str, now: Instant) {
        match self.recheck(uid) {
            None => self.post(uid, now),
            Some(requeue) => self.roll_back(uid, requeue, now),
        }
    }

    /// Looks at pod and node once more on the freshest state, as if the pod were not on its node.
    /// Says where the pod goes if the binding must not be posted any more.
    fn recheck(&self, uid: &Str) -> Option<Requeue> {
        let Some(binding) = self.bindings.get(uid) else {
            return Some(Requeue::No);
        };
        let (Some(pod), Some(framework)) =
            (self.cache.pod(uid), self.frameworks.get(&binding.pod.scheduler_name))
        else {
            return Some(Requeue::No);
        };
        if pod.terminating {
            return Some(Requeue::No);
        }
        if pod.differs_for_placement(&binding.pod) {
            return Some(Requeue::AtOnce);
        }
        if planted(Bug::NoRecheck) {
            return None;
        }
        let removed = [uid.clone()].into_iter().collect();
        let view = self.cache.snapshot.view_with(Overlay { removed, ..Overlay::default() });
        let node = view.nodes().find(&binding.node);
        let fits = node.is_some_and(|node| framework.fits(pod, &view, node));
        (!fits).then_some(Requeue::AtOnce)
    }

    /// Writes `status.nominatedNodeName` at the version that the lost POST carried. The value has
    /// to differ from what stands there: a write that changes nothing makes no new version.
    fn fence(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        self.cache.doubt(uid);
        let pod = self.cache.pod(uid).unwrap_or(&binding.pod);
        let same = (pod.nominated_node == binding.node) != planted(Bug::FenceUnchanged);
        let op = Op::Fence {
            pod: binding.pod.key.clone(),
            uid: uid.clone(),
            resource_version: binding.posted_version.clone(),
            value: if same { "".into() } else { binding.node.clone() },
        };
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
            Requeue::AtOnce => self.queue.put_back(uid),
            Requeue::AfterBackoff => self.queue.fail(uid, now),
            Requeue::Forbidden => {
                self.pause_forbidden(now);
                self.queue.fail(uid, now);
            }
            Requeue::Rejected(code) => self.quarantine(uid, code, now),
            Requeue::No => _ = self.queue.remove(uid),
        }
        if let Some(pod) = self.cache.pod(uid).cloned().filter(|_| !planted(Bug::SilentRollBack)) {
            self.wake_after_removal(&pod, now);
        }
    }

    /// Nobody may bind: to ask on behalf of every pod would only make noise. The pauses grow until
    /// a call succeeds.
    fn pause_forbidden(&mut self, now: Instant) {
        if now < self.paused_until {
            return;
        }
        self.paused_until = now.plus(self.forbidden_pause);
        tracing::error!(pause = ?self.forbidden_pause, "The API server forbids bindings.");
        self.forbidden_pause = (self.forbidden_pause * 2).min(FORBIDDEN_PAUSE_MAX);
    }

    /// The API server does not understand the binding, which is a fault of ours: to post it again
    /// cannot help until something about the pod changes.
    fn quarantine(&mut self, uid: &Str, code: u16, now: Instant) {
        metrics::bind_rejected();
        let Some(pod) = self.cache.pod(uid).cloned() else {
            self.queue.remove(uid);
            return;
        };
        let message = format!("the API server rejected the binding with code {code}");
        tracing::error!(pod = %pod.key, code, "The API server rejected a binding.");
        self.report_failure(&pod, "SchedulerError", &message, now);
        self.queue.refuse(uid, [BINDING_REJECTED.into()].into_iter().collect(), now);
    }

    pub(super) fn set_state(&mut self, uid: &Str, state: State) {
        if let Some(binding) = self.bindings.get_mut(uid) {
            binding.state = state;
        }
    }
}
