//! Calls on their way to the API server and back, and what strikes them there.

use std::time::Duration;

use super::calls::{CALL_DEADLINE, Departures};
use super::checker::Wanted;
use super::fault::Fault;
use super::history::{Object, Writer};
use super::world::{Call, Fate, Happening, Who, World};
use crate::model::PodKey;
use crate::planted::{Bug, planted};
use crate::scheduler::{Effect, Op, Outcome, Reply};
use crate::sim::rules::{Ruling, key_of, rule};

/// A call outlives its process by no more than this: the connection is closed with the process, and
/// what has reached the API server is carried out within the time of a call.
const ORPHAN_MAX: Duration = CALL_DEADLINE;
/// How late a call arrives at least if it is late, in milliseconds.
const LATE_MS_MIN: u64 = 1_000;
/// How much later a copy of a call arrives at most, in milliseconds.
const AGAIN_MS_MAX: u64 = 10_000;
/// What the API server asks for with 429; none where it says nothing that can be read.
const PATIENCE_SECONDS: [Option<u64>; 6] = [None, Some(0), Some(1), Some(3), None, Some(3600)];

impl World<'_> {
    /// An effect leaves the scheduler; it may have to wait for a connection.
    pub(super) fn send(&mut self, who: Who, effect: Effect) {
        let now = self.now;
        let Some(process) = self.process(who) else { return };
        let own = process.clock.read(now);
        let calls = match effect.op {
            Op::PatchCondition { .. } => &mut process.reports,
            _ => &mut process.bindings,
        };
        let departures = calls.add(effect, own);
        self.depart(who, departures);
        self.count_effect(who);
    }

    fn depart(&mut self, who: Who, departures: Departures) {
        for id in departures.not_sent {
            self.checker.stays(who.seat, id);
            let reply = Reply { id, outcome: Outcome::NotSent, pod: None };
            if let Some(process) = self.process(who) {
                process.answer(reply);
            }
            self.turn_by(who.seat, self.now);
        }
        let now = self.now;
        for (effect, deadline) in departures.leave {
            let Some(process) = self.process(who) else { return };
            let own = process.clock.read(now);
            let give_up = process.clock.when(deadline);
            let process = who.seat;
            let post = self.checker.leaves(Wanted { process, effect: &effect, now: own });
            self.push(give_up, Happening::GiveUp(who, effect.id));
            self.tell(|| format!("process {} sends {:?}", who.seat, effect.op));
            self.travel(Call { who, id: effect.id, op: effect.op, post, fate: Fate::Answered });
        }
    }

    /// The call is on its way, and something may strike it.
    fn travel(&mut self, mut call: Call) {
        let mut at = self.arrival();
        if self.strikes(Fault::LostRequest) {
            self.inject(Fault::LostRequest, || format!("{:?}", call.op));
            self.checker.arrived(call.post, false);
            return;
        }
        if self.strikes(Fault::LateLanding) {
            let most = self.plan.late_ms_max();
            let late = self.fault_dice(Fault::LateLanding).millis(LATE_MS_MIN, most);
            self.inject(Fault::LateLanding, || format!("{late:?}: {:?}", call.op));
            at = at.plus(late);
        }
        if self.strikes(Fault::Duplicate) {
            let most = (self.plan.late_ms_max() / 2).min(AGAIN_MS_MAX);
            let again = self.fault_dice(Fault::Duplicate).millis(0, most);
            self.inject(Fault::Duplicate, || format!("{again:?} later: {:?}", call.op));
            self.checker.copied(call.post);
            let copy = Call { fate: Fate::Lost, ..call.clone() };
            self.push(at.plus(again), Happening::Arrive(Box::new(copy)));
        }
        call.fate = self.fate(&call.op);
        self.push(at, Happening::Arrive(Box::new(call)));
    }

    fn fate(&mut self, op: &Op) -> Fate {
        if self.strikes(Fault::LostReply) {
            self.inject(Fault::LostReply, || format!("{op:?}"));
            return Fate::Lost;
        }
        if self.strikes(Fault::Throttled) {
            let dice = self.fault_dice(Fault::Throttled);
            let patience = dice.pick(&PATIENCE_SECONDS).copied().flatten();
            self.inject(Fault::Throttled, || format!("{patience:?}: {op:?}"));
            return Fate::Refused(429, patience.map(Duration::from_secs));
        }
        for (fault, codes) in
            [(Fault::ServerError, &[500][..]), (Fault::Unavailable, &[503, 504][..])]
        {
            if !self.strikes(fault) {
                continue;
            }
            let dice = self.fault_dice(fault);
            let code = dice.pick(codes).copied().unwrap_or(500);
            let carried_out = code != 503 && dice.permille(500);
            self.inject(fault, || format!("{code}, carried out {carried_out}: {op:?}"));
            return if carried_out { Fate::Hidden } else { Fate::Refused(code, None) };
        }
        if self.strikes(Fault::CorruptAnswer) {
            self.inject(Fault::CorruptAnswer, || format!("{op:?}"));
            return Fate::Corrupt;
        }
        Fate::Answered
    }

    /// A call arrives at the API server.
    pub(super) fn arrive(&mut self, call: Call) {
        let seat = &self.seats[call.who.seat];
        let orphan = seat.process.as_ref().is_none_or(|p| p.incarnation != call.who.incarnation);
        if orphan && self.now.since(seat.died) > ORPHAN_MAX {
            self.checker.arrived(call.post, false);
            return;
        }
        if let Fate::Refused(code, retry_after) = call.fate {
            self.checker.arrived(call.post, false);
            self.reply(&call, outcome_of(code, retry_after), None);
            return;
        }
        let key = key_of(&call.op).cloned().unwrap_or_default();
        if matches!(call.op, Op::Bind { .. } | Op::Fence { .. }) {
            self.interfere(&key);
        }
        let ruling = rule(&call.op, self.pod(&key));
        let landed = matches!(ruling, Ruling::Changed(_));
        let outcome = match ruling {
            Ruling::Refused(code) => Outcome::Refused { code, retry_after: None },
            Ruling::Unchanged => Outcome::Applied(None),
            Ruling::Changed(pod) => {
                let object = Object::Pod(std::sync::Arc::new(*pod));
                self.write(Writer::Quorate(call.who.seat), object, call.post);
                Outcome::Applied(None)
            }
        };
        self.checker.arrived(call.post, landed && matches!(call.op, Op::Bind { .. }));
        // The API server answers a binding with a Status, not with the pod.
        let told = outcome == Outcome::Applied(None) && !matches!(call.op, Op::Bind { .. });
        let pod = self.pod(&key).filter(|_| told).cloned();
        match call.fate {
            Fate::Lost => {}
            Fate::Hidden => self.reply(&call, outcome_of(500, None), None),
            Fate::Corrupt => self.reply(&call, outcome, None),
            _ => {
                let version = pod.as_ref().map(|pod| pod.metadata.resource_version.clone());
                let outcome = match outcome {
                    Outcome::Applied(_) => Outcome::Applied(version),
                    other => other,
                };
                self.reply(&call, outcome, pod.map(Box::new));
            }
        }
    }

    fn reply(&mut self, call: &Call, outcome: Outcome, pod: Option<Box<crate::api::Pod>>) {
        let at = self.arrival();
        self.tell(|| format!("answers {:?} to {:?}", outcome, call.op));
        let reply = Box::new(Reply { id: call.id, outcome, pod });
        let bind = matches!(call.op, Op::Bind { .. });
        self.push(at, Happening::Answer(call.who, reply, bind));
    }

    /// An answer reaches the process, or the process has waited long enough for it.
    pub(super) fn answer(&mut self, who: Who, reply: Reply, bind: bool) {
        let now = self.now;
        let Some(process) = self.process(who) else { return };
        let own = process.clock.read(now);
        for reports in [false, true] {
            let Some(process) = self.process(who) else { return };
            let calls = if reports { &mut process.reports } else { &mut process.bindings };
            let (waited, departures) = calls.finish(reply.id, own);
            if waited {
                process.answer(reply.clone());
                let mirror = self.checker.mirrors.get_mut(&who.seat);
                if let (Some(pod), Some(mirror)) = (&reply.pod, mirror) {
                    mirror.answered(pod);
                }
                if bind {
                    self.checker.answered(who.seat, own, &reply.outcome);
                }
                self.turn_by(who.seat, now);
            }
            self.depart(who, departures);
        }
    }

    /// Somebody does something to the pod of a call just before it arrives.
    fn interfere(&mut self, key: &PodKey) {
        if self.pod(key).is_none_or(|pod| !pod.spec.node_name.is_empty()) {
            return;
        }
        if self.strikes(Fault::Gone) {
            self.inject(Fault::Gone, || key.to_string());
            self.remove(super::history::Kind::Pods, key);
            return;
        }
        if self.strikes(Fault::Conflict) {
            let way = self.fault_dice(Fault::Conflict).range(0, 4);
            self.inject(Fault::Conflict, || format!("{key}, way {way}"));
            match way {
                0 => self.relabel(key),
                1 => self.recreate(key, false),
                2 => self.recreate(key, true),
                3 => self.mark_deleted(key),
                _ => self.bind_elsewhere(key),
            }
        }
    }

    /// The process dies after one of its effects.
    fn count_effect(&mut self, who: Who) {
        let Some(seat) = self.seats.get_mut(who.seat) else { return };
        let Some(left) = &mut seat.dies_after else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            seat.dies_after = None;
            self.inject(Fault::Crash, || format!("process {}", who.seat));
            self.die(who.seat);
        }
    }
}

/// The daemon's reading of a code.
fn outcome_of(code: u16, retry_after: Option<Duration>) -> Outcome {
    let unknown = code >= 500 && !planted(Bug::ServerErrorIsRefusal);
    if unknown { Outcome::Unknown } else { Outcome::Refused { code, retry_after } }
}
