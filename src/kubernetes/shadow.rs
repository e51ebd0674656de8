//! The shadow: decides beside the schedulers of a cluster and writes nothing.
//!
//! It stands where the calls of the daemon would be. A binding that the core wants is noted and its
//! answer held back, so that the pod keeps counting on its node until the watch shows where it was
//! really bound, or until the decision has become old and is made anew.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::api::{self, Object};
use crate::metrics;
use crate::model::{Instant, PodKey, Str};
use crate::scheduler::{Change, Credit, DECISIONS_MAX, Effect, EffectId, Op, Outcome, Reply};

/// A decision is made anew if nobody has bound the pod within this time: the cluster has moved on,
/// and the place that was set aside may be needed.
const DECISION_KEEPS: Duration = Duration::from_secs(30);

/// What was decided, for the pods of some schedulers that have no node yet.
#[derive(Debug)]
pub(super) struct Shadow {
    /// The schedulers that are shadowed.
    names: Vec<Str>,
    waiting: BTreeMap<Str, Waiting>,
    /// When each answer is due, and what it will be.
    answers: BTreeMap<(Instant, EffectId), Outcome>,
    tally: Tally,
}

/// A pod that was seen without a node.
#[derive(Debug, Default)]
struct Waiting {
    /// The last decision: a node, or that none will do.
    decided: Option<Option<Str>>,
}

/// How often we would have done what was really done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) agreed: u64,
    pub(super) differed: u64,
    /// We found no node for a pod that was bound.
    pub(super) refused: u64,
    /// It was bound before we had decided.
    pub(super) undecided: u64,
}

impl Shadow {
    pub(super) fn new(names: Vec<Str>) -> Self {
        let (waiting, answers) = (BTreeMap::new(), BTreeMap::new());
        Self { names, waiting, answers, tally: Tally::default() }
    }

    /// How many pods may be decided now.
    pub(super) fn credit(&self) -> Credit {
        Credit { binds: DECISIONS_MAX }
    }

    /// Looks at what the watch shows of a pod, before the core does.
    pub(super) fn see(&mut self, change: &Change<api::Pod>) {
        match change {
            Change::Upsert(pod) if !self.names.contains(&pod.spec.scheduler_name) => {}
            Change::Upsert(pod) if pod.spec.node_name.is_empty() && !pod.is_terminal() => {
                self.waiting.entry(pod.metadata.uid.clone()).or_default();
            }
            Change::Upsert(pod) => {
                if let Some(waiting) = self.waiting.remove(&pod.metadata.uid)
                    && !pod.spec.node_name.is_empty()
                {
                    self.compare(&pod.key(), waiting.decided, &pod.spec.node_name);
                }
            }
            Change::Delete { uid, .. } => _ = self.waiting.remove(uid),
        }
        metrics::shadow_pending(self.waiting.len());
    }

    /// Takes an effect and does nothing about it but remember what was decided.
    pub(super) fn take(&mut self, effect: Effect, now: Instant) {
        let Effect { id, op, .. } = effect;
        let (due, outcome) = match op {
            Op::Bind { pod, uid, node, .. } => {
                self.decide(&pod, &uid, Some(node));
                (now.plus(DECISION_KEEPS), Outcome::NotSent)
            }
            Op::Nominate { pod, uid, node } => {
                self.decide(&pod, &uid, Some(node));
                (now, Outcome::NotSent)
            }
            // Claims are not made ready, so that decisions about them are made anew.
            Op::Write { .. } => (now.plus(DECISION_KEEPS), Outcome::NotSent),
            Op::Record { note } => {
                if &*note.reason == "FailedScheduling" {
                    self.decide(&note.pod, &note.uid, None);
                }
                return;
            }
            Op::PatchCondition { .. } => (now, Outcome::Applied(None)),
            Op::Fence { .. } | Op::GetPod { .. } => (now, Outcome::NotSent),
        };
        self.answers.insert((due, id), outcome);
    }

    /// The next answer that is due by now.
    pub(super) fn answer(&mut self, now: Instant) -> Option<Reply> {
        let first = self.answers.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, id), outcome) = first.remove_entry();
        Some(Reply { id, outcome, pod: None })
    }

    /// When the next answer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.answers.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many pods wait for a node.
    pub(super) fn pending(&self) -> usize {
        self.waiting.len()
    }

    fn decide(&mut self, pod: &PodKey, uid: &Str, node: Option<Str>) {
        if let Some(waiting) = self.waiting.get_mut(uid) {
            tracing::debug!(%pod, node = %Shown(node.as_ref()), "The shadow has decided.");
            waiting.decided = Some(node);
        }
    }

    fn compare(&mut self, pod: &PodKey, decided: Option<Option<Str>>, node: &Str) {
        let (result, count) = match &decided {
            None => ("undecided", &mut self.tally.undecided),
            Some(None) => ("refused", &mut self.tally.refused),
            Some(Some(ours)) if ours == node => ("agreed", &mut self.tally.agreed),
            Some(Some(_)) => ("differed", &mut self.tally.differed),
        };
        *count += 1;
        metrics::shadowed(result);
        let ours = decided.flatten();
        tracing::info!(%pod, result, %node, ours = %Shown(ours.as_ref()), "A pod was bound.");
    }
}

/// A node in the log, or that there is none.
struct Shown<'a>(Option<&'a Str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.map_or("none", |node| node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{LeaseEpoch, Note};
    use crate::testing::pod;

    const THEIRS: &str = "default-scheduler";

    fn shadow() -> Shadow {
        Shadow::new(vec![THEIRS.into()])
    }

    fn shown(scheduler: &str, node: &str) -> Change<api::Pod> {
        let mut pod = pod("a").uid("a").scheduler_name(scheduler).build();
        pod.spec.node_name = node.into();
        Change::Upsert(Box::new(pod))
    }

    fn effect(id: u64, op: Op) -> Effect {
        let (epoch, not_after) = (LeaseEpoch::default(), Instant(u64::MAX));
        Effect { id: EffectId(id), epoch, not_after, op }
    }

    fn binding(node: &str) -> Op {
        let (pod, resource_version) = (PodKey::new("default", "a"), "1".into());
        Op::Bind { pod, uid: "a".into(), resource_version, node: node.into() }
    }

    fn failure() -> Op {
        let note = Note {
            pod: PodKey::new("default", "a"),
            uid: "a".into(),
            resource_version: "1".into(),
            type_: "Warning".into(),
            reason: "FailedScheduling".into(),
            action: "Scheduling".into(),
            text: "0/1 nodes".into(),
            reporting_controller: THEIRS.into(),
        };
        Op::Record { note }
    }

    #[test]
    fn decisions_are_compared_with_what_was_really_done() {
        let check = |decided: Vec<Op>, expected: Tally| {
            let mut shadow = shadow();
            shadow.see(&shown(THEIRS, ""));
            for (id, op) in decided.into_iter().enumerate() {
                shadow.take(effect(id as u64, op), Instant(0));
            }
            assert_eq!((shadow.tally(), shadow.pending()), (Tally::default(), 1));
            shadow.see(&shown(THEIRS, "n1"));
            assert_eq!((shadow.tally(), shadow.pending()), (expected, 0));
            // What is seen again is not counted again.
            shadow.see(&shown(THEIRS, "n1"));
            assert_eq!(shadow.tally(), expected);
        };
        check(vec![binding("n1")], Tally { agreed: 1, ..Tally::default() });
        check(vec![binding("n2")], Tally { differed: 1, ..Tally::default() });
        check(vec![failure()], Tally { refused: 1, ..Tally::default() });
        check(vec![], Tally { undecided: 1, ..Tally::default() });
        check(vec![failure(), binding("n1")], Tally { agreed: 1, ..Tally::default() });
    }

    #[test]
    fn pods_of_others_and_pods_that_go_are_not_compared() {
        let mut shadow = shadow();
        shadow.see(&shown("somebody-else", ""));
        assert_eq!(shadow.pending(), 0);
        shadow.see(&shown(THEIRS, ""));
        shadow.see(&Change::Delete { key: PodKey::new("default", "a"), uid: "a".into() });
        assert_eq!(shadow.pending(), 0);
        shadow.see(&shown(THEIRS, "n1"));
        assert_eq!(shadow.tally(), Tally::default());
    }

    #[test]
    fn a_binding_is_answered_when_its_decision_is_old_and_a_report_at_once() {
        let mut shadow = shadow();
        shadow.take(effect(1, binding("n1")), Instant(0));
        let condition = crate::scheduler::Condition {
            reason: "Unschedulable".into(),
            message: "0/1 nodes".into(),
            observed_generation: 1,
            transition: true,
        };
        let (pod, uid) = (PodKey::new("default", "b"), "b".into());
        shadow.take(effect(2, Op::PatchCondition { pod, uid, condition }), Instant(5));
        assert_eq!(shadow.next_due(), Some(Instant(5)));
        let answer = |shadow: &mut Shadow, at: Instant| {
            shadow.answer(at).map(|reply| (reply.id.0, reply.outcome))
        };
        assert_eq!(answer(&mut shadow, Instant(4)), None);
        assert_eq!(answer(&mut shadow, Instant(5)), Some((2, Outcome::Applied(None))));
        let old = Instant(0).plus(DECISION_KEEPS);
        assert_eq!(shadow.next_due(), Some(old));
        assert_eq!(answer(&mut shadow, old), Some((1, Outcome::NotSent)));
        assert_eq!(answer(&mut shadow, old), None);
    }
}
