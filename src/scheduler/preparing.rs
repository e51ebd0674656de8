//! Prepares a binding: has written and waits for what the pod's claims need before it may be
//! posted.
//!
//! Nothing of this is remembered but the decisions. What comes next is read off the objects as they
//! are, so a write that was lost is asked for once more, and a restart goes on where it stopped.
//! Each write holds for one version of its object: a late one meets another version and is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Scheduler;
use super::binding::{Again, Requeue, State, Step, asked};
use super::effect::{EffectId, Op, Outcome};
use crate::framework::{Progress, Status, Write};
use crate::model::{Instant, Str};
use crate::snapshot::Volumes;

/// How long the watch may take to show a write before it is asked for again.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);
/// How long to wait after a write that met another version than it was meant for.
const CONFLICT_PAUSE: Duration = Duration::from_millis(250);

/// The writes about claims and volumes of which nobody knows whether they were carried out.
#[derive(Debug, Default)]
pub(super) struct ClaimWrites {
    /// Their answers are to come.
    open: BTreeMap<EffectId, Write>,
    /// Their answers were lost.
    lost: Vec<Write>,
}

impl ClaimWrites {
    /// How many may still be carried out.
    pub(super) fn in_doubt(&self, volumes: &Volumes) -> usize {
        let lost = self.lost.iter().filter(|write| may_land(write, volumes));
        self.open.len() + lost.count()
    }

    /// Takes in the answer to a write; none if the call was something else.
    fn answered(&mut self, id: EffectId, outcome: &Outcome, volumes: &Volumes) -> Option<Write> {
        let write = self.open.remove(&id)?;
        // The object has moved on, so that an earlier write of the same is refused from now on.
        let moved =
            matches!(outcome, Outcome::Applied(_) | Outcome::Refused { code: 404 | 409, .. });
        self.lost.retain(|lost| may_land(lost, volumes) && !(moved && *lost == write));
        if *outcome == Outcome::Unknown && !self.lost.contains(&write) {
            self.lost.push(write.clone());
        }
        Some(write)
    }
}

/// Whether the object still has the version for which the write holds.
fn may_land(write: &Write, volumes: &Volumes) -> bool {
    match write {
        Write::BindVolume { volume, resource_version, .. } => {
            let volume = volumes.volume(volume);
            volume.is_some_and(|volume| volume.resource_version == *resource_version)
        }
        Write::SelectNode { claim, resource_version, .. } => {
            let claim = volumes.claim(claim);
            claim.is_some_and(|claim| claim.resource_version == *resource_version)
        }
    }
}

impl Scheduler {
    /// Asks what the pod's claims need next. Posts the binding if that is nothing.
    pub(super) fn prepare(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        let Some(framework) = self.frameworks.get(&binding.pod.scheduler_name) else {
            return;
        };
        let pod = self.cache.pod(uid).unwrap_or(&binding.pod);
        let waited = now.since(binding.decided_at);
        let snapshot = &self.cache.snapshot;
        let progress = framework.pre_bind(pod, &binding.node, &binding.claims, snapshot, waited);
        let first = binding.state == State::Reserved;
        if first && matches!(progress, Progress::Do(_) | Progress::Wait(_)) {
            self.expect(uid, now);
        }
        match progress {
            Progress::Done if first => self.post(uid, now),
            Progress::Done => self.step(uid, Step::Post, now),
            Progress::Wait(patience) => self.wait_for_claims(uid, now.plus(patience)),
            // The API server has asked everybody for patience.
            Progress::Do(_) if now < self.paused_until => {
                self.wait_for_claims(uid, self.paused_until);
            }
            Progress::Do(writes) => {
                for write in writes {
                    let id = self.call(uid, Op::Write { write: write.clone() }, now);
                    self.claim_writes.open.insert(id, write);
                    self.bindings.entry(uid.clone()).and_modify(|b| _ = b.writes.insert(id));
                }
                self.wait_for_claims(uid, now.plus(SHOWN_WITHIN));
            }
            Progress::Fail(status) => self.give_up(uid, &status, now),
        }
    }

    /// Takes in the answer to a write. Returns false if the call was something else.
    pub(super) fn on_written(
        &mut self,
        uid: &Str,
        id: EffectId,
        outcome: &Outcome,
        now: Instant,
    ) -> bool {
        let volumes = &self.cache.snapshot.volumes;
        if self.claim_writes.answered(id, outcome, volumes).is_none() {
            return false;
        }
        // The binding that asked for it may have been given up.
        let waits = self.bindings.get_mut(uid).is_some_and(|binding| binding.writes.remove(&id));
        if !waits {
            return true;
        }
        match outcome {
            Outcome::Applied(_) => {}
            Outcome::Refused { code: 401 | 403, .. } => {
                self.fall_back(uid, Requeue::Forbidden, now);
            }
            Outcome::Refused { code: 429, retry_after } => {
                let step = Step::Pause(asked(*retry_after), Again::Prepare);
                self.step(uid, step, now);
            }
            // The object has changed or is gone, or nobody knows: look again at what is there.
            Outcome::Refused { code: 404 | 409, .. } | Outcome::NotSent | Outcome::Unknown => {
                self.wait_for_claims(uid, now.plus(CONFLICT_PAUSE));
            }
            Outcome::Refused { code, .. } => {
                self.fall_back(uid, Requeue::Rejected(*code), now);
            }
        }
        true
    }

    fn wait_for_claims(&mut self, uid: &Str, until: Instant) {
        self.set_state(uid, State::Preparing { until });
    }

    /// Writes where the pod is going to be, so that autoscalers leave the node alone, and so that a
    /// scheduler which starts anew looks there first.
    fn expect(&mut self, uid: &Str, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        let (pod, node) = (binding.pod.key.clone(), binding.node.clone());
        if binding.pod.nominated_node != node {
            self.call(uid, Op::Nominate { pod, uid: uid.clone(), node }, now);
        }
    }

    /// The claims cannot be made ready on that node.
    fn give_up(&mut self, uid: &Str, status: &Status, now: Instant) {
        let Some(binding) = self.bindings.get(uid) else {
            return;
        };
        let pod = binding.pod.clone();
        let message = format!("running PreBind: {}", status.message());
        let node = &binding.node;
        tracing::warn!(pod = %pod.key, %node, %message, "Claims were not made ready.");
        self.queue.note_failure_on(uid, node);
        self.report_failure(&pod, "SchedulerError", &message, now);
        self.fall_back(uid, Requeue::AfterBackoff, now);
    }

    /// Gives the node up, and takes back what was written about it on the pod: it would be tried
    /// there first, and keep others away until then.
    fn fall_back(&mut self, uid: &Str, requeue: Requeue, now: Instant) {
        let expected = self.bindings.get(uid).map(|binding| &binding.node);
        let pod = self.cache.pod(uid).filter(|pod| Some(&pod.nominated_node) == expected);
        if let Some(pod) = pod {
            let (pod, node) = (pod.key.clone(), Str::default());
            self.call(uid, Op::Nominate { pod, uid: uid.clone(), node }, now);
        }
        self.step(uid, Step::RollBack(requeue), now);
    }
}
