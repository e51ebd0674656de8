//! Conditions, statuses and events that wait to be written: bounded, never in the way of a
//! binding.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::series::Update;
use super::statuses::PolicyPatch;
use crate::model::{Instant, PodKey, Str};
use crate::scheduler::{Condition, EffectId, LeaseEpoch, Note};

/// Conditions that wait: as many pods as may become unschedulable at once.
const CONDITIONS_MAX: usize = 4096;
/// Events that wait: some seconds of bindings at full speed.
pub(super) const EVENTS_MAX: usize = 8192;

/// What waits, conditions before statuses of policies before events, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    conditions: FxHashMap<Str, Statement>,
    /// The pods of the conditions, by uid.
    order: VecDeque<Str>,
    policies: BTreeMap<PodKey, PolicyPatch>,
    events: VecDeque<Happening>,
}

/// A condition to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) id: EffectId,
    pub(super) epoch: LeaseEpoch,
    pub(super) not_after: Instant,
    pub(super) pod: PodKey,
    pub(super) uid: Str,
    pub(super) condition: Condition,
}

/// An event to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) what: Written,
    /// How often it was tried.
    pub(super) attempts: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Event { note: Note, name: String, at: jiff::Timestamp },
    Series(Update),
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Condition(Statement),
    Policy(PolicyPatch),
    Event(Happening),
}

impl Backlog {
    /// Adds a condition. Returns the call that will not be made any more: that of an older
    /// condition of the same pod, or of the oldest one where there is no room.
    pub(super) fn add_condition(&mut self, statement: Statement) -> Option<EffectId> {
        let uid = statement.uid.clone();
        if let Some(older) = self.conditions.insert(uid.clone(), statement) {
            return Some(older.id);
        }
        self.order.push_back(uid);
        if self.order.len() <= CONDITIONS_MAX {
            return None;
        }
        let oldest = self.order.pop_front()?;
        Some(self.conditions.remove(&oldest)?.id)
    }

    /// Adds the status of a policy in the place of an older one.
    pub(super) fn add_policy(&mut self, patch: PolicyPatch) {
        self.policies.insert(patch.policy.clone(), patch);
    }

    /// Adds an event. Returns whether the oldest one had to make room.
    pub(super) fn add_event(&mut self, happening: Happening) -> bool {
        self.events.push_back(happening);
        let full = self.events.len() > EVENTS_MAX;
        if full {
            self.events.pop_front();
        }
        full
    }

    pub(super) fn next(&mut self) -> Option<Job> {
        while let Some(uid) = self.order.pop_front() {
            if let Some(statement) = self.conditions.remove(&uid) {
                return Some(Job::Condition(statement));
            }
        }
        if let Some((_, patch)) = self.policies.pop_first() {
            return Some(Job::Policy(patch));
        }
        self.events.pop_front().map(Job::Event)
    }

    pub(super) fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// How many events wait.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.policies.is_empty() && self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(id: u64, uid: &str) -> Statement {
        Statement {
            id: EffectId(id),
            epoch: LeaseEpoch(0),
            not_after: Instant(0),
            pod: PodKey::new("x", uid),
            uid: uid.into(),
            condition: Condition {
                reason: "Unschedulable".into(),
                message: id.to_string().into(),
                observed_generation: 1,
                transition: true,
            },
        }
    }

    fn event(name: &str) -> Happening {
        Happening {
            what: Written::Series(Update {
                pod: PodKey::new("x", "a"),
                name: name.to_owned(),
                count: 2,
                last: jiff::Timestamp::UNIX_EPOCH,
            }),
            attempts: 0,
        }
    }

    #[test]
    fn the_newest_condition_of_a_pod_wins() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.add_condition(statement(1, "a")), None);
        assert_eq!(backlog.add_condition(statement(2, "b")), None);
        assert_eq!(backlog.add_condition(statement(3, "a")), Some(EffectId(1)));
        assert_eq!(backlog.next(), Some(Job::Condition(statement(3, "a"))));
        assert_eq!(backlog.next(), Some(Job::Condition(statement(2, "b"))));
        assert_eq!(backlog.next(), None);
    }

    #[test]
    fn conditions_go_first() {
        let mut backlog = Backlog::default();
        assert!(!backlog.add_event(event("e")));
        backlog.add_condition(statement(1, "a"));
        assert!(!backlog.is_empty());
        assert_eq!(backlog.next(), Some(Job::Condition(statement(1, "a"))));
        assert_eq!(backlog.next(), Some(Job::Event(event("e"))));
        assert!(backlog.is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut backlog = Backlog::default();
        let conditions = CONDITIONS_MAX as u64;
        for id in 0..conditions {
            assert_eq!(backlog.add_condition(statement(id, &id.to_string())), None);
        }
        assert_eq!(backlog.add_condition(statement(conditions, "new")), Some(EffectId(0)));
        assert_eq!(backlog.next(), Some(Job::Condition(statement(1, "1"))));

        let mut backlog = Backlog::default();
        for n in 0..EVENTS_MAX {
            assert!(!backlog.add_event(event(&n.to_string())));
        }
        assert!(backlog.add_event(event("new")));
        assert_eq!(backlog.next(), Some(Job::Event(event("1"))));
    }
}
