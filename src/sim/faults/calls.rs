//! The calls of a simulated process: at most one attempt each, never later than allowed, and a
//! reply to every one of them, as the daemon's are.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::Instant;
use crate::planted::{Bug, planted};
use crate::scheduler::{Effect, EffectId, Op};

/// Calls at the same time, as the daemon's.
const CALLS_MAX: usize = 32;
/// Conditions that are written at the same time, as the daemon's.
const REPORTS_MAX: usize = 8;
/// No call takes longer, whatever its effect allows.
pub const CALL_DEADLINE: Duration = Duration::from_secs(4);

/// Calls of one sort.
#[derive(Debug)]
pub struct Calls {
    slots: usize,
    /// A newer call about a pod takes the place of one that waits.
    newest_only: bool,
    under_way: BTreeMap<EffectId, Instant>,
    waiting: VecDeque<Effect>,
    /// Calls that are on the way to a slot.
    coming: usize,
}

/// What to do with calls.
#[derive(Debug, Default)]
pub struct Departures {
    /// These leave now, and are given up at their deadline.
    pub leave: Vec<(Effect, Instant)>,
    /// These never leave.
    pub not_sent: Vec<EffectId>,
}

impl Calls {
    /// Bindings, fences and look-ups.
    pub fn of_bindings() -> Self {
        Self::new(CALLS_MAX, false)
    }

    /// Conditions.
    pub fn of_reports() -> Self {
        Self::new(REPORTS_MAX, true)
    }

    fn new(slots: usize, newest_only: bool) -> Self {
        let (under_way, waiting) = (BTreeMap::new(), VecDeque::new());
        Self { slots, newest_only, under_way, waiting, coming: 0 }
    }

    /// How many more calls would start at once.
    pub fn credit(&self) -> u32 {
        let open = self.under_way.len() + self.waiting.len() + self.coming;
        u32::try_from(self.slots.saturating_sub(open)).unwrap_or(0)
    }

    /// A call will ask for a slot.
    pub fn announce(&mut self) {
        self.coming += 1;
    }

    /// A call asks for a slot.
    pub fn add(&mut self, effect: Effect, now: Instant) -> Departures {
        self.coming = self.coming.saturating_sub(1);
        let mut departures = Departures::default();
        if self.newest_only {
            let same = self.waiting.iter().position(|other| pod_of(other) == pod_of(&effect));
            let older = same.and_then(|position| self.waiting.remove(position));
            departures.not_sent.extend(older.map(|older| older.id));
        }
        self.waiting.push_back(effect);
        self.fill(now, &mut departures);
        departures
    }

    /// The answer to a call came, or its time is over. Returns whether anybody still waited for it.
    pub fn finish(&mut self, id: EffectId, now: Instant) -> (bool, Departures) {
        let mut departures = Departures::default();
        let waited = self.under_way.remove(&id).is_some();
        self.fill(now, &mut departures);
        (waited, departures)
    }

    fn fill(&mut self, now: Instant, departures: &mut Departures) {
        while self.under_way.len() < self.slots {
            let Some(effect) = self.waiting.pop_front() else {
                return;
            };
            if now >= effect.not_after && !planted(Bug::SendLate) {
                departures.not_sent.push(effect.id);
                continue;
            }
            let deadline = effect.not_after.min(now.plus(CALL_DEADLINE));
            self.under_way.insert(effect.id, deadline);
            departures.leave.push((effect, deadline));
        }
    }
}

fn pod_of(effect: &Effect) -> Option<&str> {
    match &effect.op {
        Op::PatchCondition { uid, .. } => Some(uid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodKey;
    use crate::scheduler::LeaseEpoch;

    fn effect(id: u64, not_after: u64) -> Effect {
        let op = Op::GetPod { pod: PodKey::new("x", "a") };
        let epoch = LeaseEpoch::default();
        Effect { id: EffectId(id), epoch, not_after: Instant(not_after), op }
    }

    fn ids(departures: &Departures) -> (Vec<u64>, Vec<u64>) {
        let leave = departures.leave.iter().map(|(effect, _)| effect.id.0).collect();
        (leave, departures.not_sent.iter().map(|id| id.0).collect())
    }

    #[test]
    fn calls_wait_for_a_slot_but_not_beyond_their_time() {
        let mut calls = Calls::new(1, false);
        let check = |departures: Departures, leave: &[u64], not_sent: &[u64]| {
            assert_eq!(ids(&departures), (leave.to_vec(), not_sent.to_vec()));
        };
        check(calls.add(effect(1, 100), Instant(0)), &[1], &[]);
        check(calls.add(effect(2, 5), Instant(0)), &[], &[]);
        check(calls.add(effect(3, 100), Instant(0)), &[], &[]);
        let (waited, departures) = calls.finish(EffectId(1), Instant(5));
        assert!(waited);
        check(departures, &[3], &[2]);
        let (waited, departures) = calls.finish(EffectId(1), Instant(6));
        assert!(!waited);
        check(departures, &[], &[]);
    }

    #[test]
    fn credit_counts_what_is_under_way_and_what_comes() {
        let mut calls = Calls::new(3, false);
        calls.announce();
        assert_eq!(calls.credit(), 2);
        calls.add(effect(1, 100), Instant(0));
        assert_eq!(calls.credit(), 2);
        calls.finish(EffectId(1), Instant(0));
        assert_eq!(calls.credit(), 3);
    }
}
