//! Faults that strike at a time: at watches, at API servers, and at the process itself. And their
//! end.

use std::time::Duration;

use super::clock::RIGHT;
use super::fault::Fault;
use super::feed::Heard;
use super::history::Kind;
use super::plan::Act;
use super::replica::Line;
use super::world::{Happening, World};

/// How long an API server is cut off from etcd, in milliseconds.
const CUT_OFF_MS: (u64, u64) = (5_000, 100_000);
/// How long an API server that restarts is away, in milliseconds.
const DOWN_MS: (u64, u64) = (500, 8_000);
/// How much later one kind is shown than the other, and for how long, in milliseconds.
const LATE_MS: (u64, u64) = (500, 20_000);
const LATE_LASTS_MS: (u64, u64) = (5_000, 60_000);
/// How long a process stands still, in milliseconds.
const PAUSE_MS: (u64, u64) = (2_000, 120_000);
/// How long it takes until a process that died is started again, in milliseconds. What it has sent
/// has landed or is lost by then.
const RESTART_MS: (u64, u64) = (5_000, 20_000);
/// A process dies after at most so many more effects.
const EFFECTS_MAX: u64 = 40;

impl World<'_> {
    pub(super) fn strike(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        match fault {
            Fault::WatchDrop => self.drop_watch(),
            Fault::ExpiredEvent => self.expire_watch(),
            Fault::ExpiredStart => self.refused_starts += 1,
            Fault::SkippedEvents => self.skip_events(),
            Fault::StaleReplica => self.cut_off(),
            Fault::ReorderedKinds => self.delay_kind(),
            Fault::Silence => self.silence(),
            Fault::Crash => self.prepare_death(),
            Fault::Pause => self.pause(),
            Fault::Clock => self.turn_clock(),
            _ => {}
        }
    }

    /// All faults end: connections that are broken are found to be so, clocks are right, and
    /// everything runs.
    pub fn heal(&mut self) {
        self.healed = true;
        self.tell(|| "all faults end".to_owned());
        let now = self.now;
        for replica in &mut self.replicas {
            replica.cut_off_until = now;
            replica.down_until = now;
            replica.applied = self.history.revision();
        }
        let streams: Vec<(u64, bool)> =
            self.streams.iter().map(|(id, stream)| (*id, stream.silent)).collect();
        for (id, silent) in streams {
            if silent { self.end(id, Line::Break) } else { self.pump(id) }
        }
        for seat in 0..self.seats.len() {
            self.resume(seat);
            let place = &mut self.seats[seat];
            place.dies_after = None;
            if let Some(process) = &mut place.process {
                process.clock.set(now, RIGHT, Duration::ZERO);
            }
            self.seats[seat].turn_at = None;
            self.turn_by(seat, now);
        }
    }

    /// A watch ends or breaks, or all those of an API server do.
    fn drop_watch(&mut self) {
        let Some(id) = self.some_watch(Fault::WatchDrop) else { return };
        let dice = self.fault_dice(Fault::WatchDrop);
        let (way, down) = (dice.range(0, 3), dice.millis(DOWN_MS.0, DOWN_MS.1));
        self.inject(Fault::WatchDrop, || format!("stream {id}, way {way}"));
        match way {
            0 => self.end(id, Line::End),
            1 => self.break_watch(id),
            _ => {
                let Some(replica) = self.streams.get(&id).map(|stream| stream.replica) else {
                    return;
                };
                self.replicas[replica].down_until = self.now.plus(down);
                self.replicas[replica].restart(&self.history);
                let all = self.streams.iter().filter(|(_, stream)| stream.replica == replica);
                let all: Vec<u64> = all.map(|(id, _)| *id).collect();
                all.into_iter().for_each(|id| self.break_watch(id));
            }
        }
    }

    /// The connection breaks, maybe within a line.
    fn break_watch(&mut self, id: u64) {
        if self.plan.faults.contains(Fault::CorruptAnswer) && !self.healed {
            self.inject(Fault::CorruptAnswer, || format!("the last line of stream {id}"));
            self.show(id, Heard::Line(Line::CutShort));
        }
        self.end(id, Line::Break);
    }

    fn expire_watch(&mut self) {
        let Some(id) = self.some_watch(Fault::ExpiredEvent) else { return };
        self.inject(Fault::ExpiredEvent, || format!("stream {id}"));
        self.show(id, Heard::Line(Line::Expired));
        self.end(id, Line::End);
    }

    /// A watch breaks, nobody can connect for a while, and what happens then is forgotten.
    fn skip_events(&mut self) {
        let Some(id) = self.some_watch(Fault::SkippedEvents) else { return };
        let away = self.fault_dice(Fault::SkippedEvents).millis(DOWN_MS.0, DOWN_MS.1);
        self.inject(Fault::SkippedEvents, || format!("stream {id}, {away:?}"));
        self.break_watch(id);
        let until = self.now.plus(away);
        for replica in &mut self.replicas {
            replica.down_until = replica.down_until.max(until);
        }
        self.push(until, Happening::Act(Act::Forget));
    }

    fn cut_off(&mut self) {
        let dice = self.fault_dice(Fault::StaleReplica);
        let (number, time) = (dice.number(), dice.millis(CUT_OFF_MS.0, CUT_OFF_MS.1));
        let replica = usize::try_from(number).unwrap_or(0) % self.replicas.len();
        self.inject(Fault::StaleReplica, || format!("replica {replica} for {time:?}"));
        let until = self.now.plus(time);
        let cut_off_until = &mut self.replicas[replica].cut_off_until;
        *cut_off_until = until.max(*cut_off_until);
    }

    fn delay_kind(&mut self) {
        let dice = self.fault_dice(Fault::ReorderedKinds);
        let kind = dice.pick(&Kind::ALL).copied().unwrap_or(Kind::Pods);
        let late = dice.millis(LATE_MS.0, LATE_MS.1);
        let lasts = dice.millis(LATE_LASTS_MS.0, LATE_LASTS_MS.1);
        self.inject(Fault::ReorderedKinds, || format!("{} by {late:?}", kind.name()));
        self.late.insert(kind, (self.now.plus(lasts), late));
    }

    fn silence(&mut self) {
        let Some(id) = self.some_watch(Fault::Silence) else { return };
        self.inject(Fault::Silence, || format!("stream {id}"));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.silent = true;
        }
    }

    fn prepare_death(&mut self) {
        let effects = self.fault_dice(Fault::Crash).range(1, EFFECTS_MAX);
        let seat = self.some_seat(Fault::Crash);
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.dies_after = Some(effects);
        }
    }

    /// The process is gone, and everything that it knew.
    pub(super) fn die(&mut self, seat: usize) {
        let wait = self.dice.others.millis(RESTART_MS.0, RESTART_MS.1);
        let now = self.now;
        let Some(place) = self.seats.get_mut(seat) else { return };
        if place.process.take().is_none() {
            return;
        }
        place.died = now;
        place.held = None;
        place.turn_at = None;
        self.streams.retain(|_, stream| stream.who.seat != seat);
        self.tell(|| format!("process {seat} is gone, and back after {wait:?}"));
        self.push(now.plus(wait), Happening::Start(seat));
    }

    /// The process stands still, now or between its next decision and what follows from it.
    fn pause(&mut self) {
        let seat = self.some_seat(Fault::Pause);
        let dice = self.fault_dice(Fault::Pause);
        let (time, at_once) = (dice.millis(PAUSE_MS.0, PAUSE_MS.1), dice.permille(400));
        if let Some(place) = self.seats.get_mut(seat) {
            place.pauses = Some(time);
        }
        if at_once {
            self.pause_now(seat);
        }
    }

    pub(super) fn pause_now(&mut self, seat: usize) {
        let Some(place) = self.seats.get_mut(seat) else { return };
        if place.process.is_none() || place.held.is_some() || self.healed {
            return;
        }
        let Some(time) = place.pauses.take() else { return };
        place.held = Some(Vec::new());
        self.inject(Fault::Pause, || format!("process {seat} for {time:?}"));
        self.push(self.now.plus(time), Happening::Resume(seat));
    }

    /// The process goes on, and finds all that came meanwhile.
    pub(super) fn resume(&mut self, seat: usize) {
        let Some(held) = self.seats.get_mut(seat).and_then(|place| place.held.take()) else {
            return;
        };
        self.tell(|| format!("process {seat} goes on"));
        let now = self.now;
        for what in held {
            self.push(now, what);
        }
    }

    /// The clock runs at another rate, and may have jumped, as after a machine was suspended.
    fn turn_clock(&mut self) {
        let seat = self.some_seat(Fault::Clock);
        let ((least, most), alone) = (self.plan.clock_rates(), self.plan.seats == 1);
        let dice = self.fault_dice(Fault::Clock);
        let permille = dice.range(least, most);
        // No time has passed for the others; such a clock is wrong for an election.
        let jumps = alone && dice.permille(300);
        let jump = if jumps { dice.millis(1_000, 3_600_000) } else { Duration::ZERO };
        let now = self.now;
        let Some(process) = self.seats.get_mut(seat).and_then(|place| place.process.as_mut())
        else {
            return;
        };
        process.clock.set(now, permille, jump);
        self.inject(Fault::Clock, || format!("process {seat} at {permille} ‰, jump {jump:?}"));
        self.seats[seat].turn_at = None;
        self.turn_by(seat, now);
    }

    fn some_watch(&mut self, fault: Fault) -> Option<u64> {
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        self.fault_dice(fault).pick(&ids).copied()
    }

    fn some_seat(&mut self, fault: Fault) -> usize {
        let last = self.seats.len() as u64 - 1;
        usize::try_from(self.fault_dice(fault).range(0, last)).unwrap_or(0)
    }
}
