//! The world of one run: API servers, processes, and what is under way between them, on one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::checker::{Checker, PostId, Wanted};
use super::clock::{Clock, RIGHT};
use super::dice::Dice;
use super::election::{LeaseObject, candidacy};
use super::fault::{FAULTS, Fault, Injected};
use super::feed::{Ask, Heard};
use super::history::{History, Kind, Object, Writer};
use super::plan::{Act, Plan};
use super::process::{Process, Turn};
use super::replica::Replica;
use super::streams::Stream;
use crate::api;
use crate::config::EffectiveConfiguration;
use crate::framework::{ProfileError, Registry};
use crate::lease::{self, Election};
use crate::model::{Instant, Str};
use crate::scheduler::{Effect, EffectId, Op, Outcome, Reply, Scheduler};
use crate::sim::agenda::Agenda;

/// What a message takes on its way at least and at most, in microseconds.
pub(super) const TRAVEL_MICROS: (u64, u64) = (200, 4_000);
/// What a process takes before it turns, in microseconds.
const TURN_MICROS: (u64, u64) = (50, 3_000);

/// How schedulers are built.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub configuration: &'a EffectiveConfiguration,
    pub registry: &'a Registry,
}

pub struct World<'a> {
    pub(super) setup: Setup<'a>,
    pub(super) plan: Plan,
    pub(super) now: Instant,
    pub(super) history: History,
    pub(super) replicas: Vec<Replica>,
    pub(super) streams: BTreeMap<u64, Stream>,
    /// Lists of which not all pages are read, by their token.
    pub(super) lists: BTreeMap<Str, (u64, Vec<Object>)>,
    pub(super) seats: Vec<Seat>,
    pub(super) checker: Checker,
    pub(super) injected: Injected,
    /// Faults strike no more.
    pub(super) healed: bool,
    pub(super) dice: WorldDice,
    /// Until when lines of a kind are late, and by how much.
    pub(super) late: BTreeMap<Kind, (Instant, Duration)>,
    /// So many starts of watches are answered with 410.
    pub(super) refused_starts: u32,
    /// Names that were given, so that each object has its own uid.
    pub(super) uids: u64,
    /// Nodes whose state is not what it was at the start.
    pub(super) away: BTreeSet<Str>,
    pub(super) writes_by_us: u64,
    pub(super) lease: LeaseObject,
    under_way: Agenda<Happening>,
    hash: Xxh3,
    trace: Option<Vec<String>>,
}

/// A place for a process: it may be empty for a while, or the process may stand still.
pub(super) struct Seat {
    pub process: Option<Process>,
    pub incarnation: u32,
    /// When the last process died.
    pub died: Instant,
    /// What came while the process stood still.
    pub held: Option<Vec<Happening>>,
    /// When it turns next.
    pub turn_at: Option<Instant>,
    /// It stands still so long once it has decided something more, before anything leaves.
    pub pauses: Option<Duration>,
    /// It dies after so many more effects.
    pub dies_after: Option<u64>,
}

pub(super) struct WorldDice {
    pub network: Dice,
    pub faults: Vec<Dice>,
    pub others: Dice,
}

/// One life of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub seat: usize,
    pub incarnation: u32,
}

/// A call on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub who: Who,
    pub id: EffectId,
    pub op: Op,
    pub post: Option<PostId>,
    /// What becomes of its answer.
    pub fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// Carried out, and nobody hears of it.
    Lost,
    /// Carried out, and answered with an error.
    Hidden,
    /// Carried out, and the answer cannot be read.
    Corrupt,
    /// Not carried out.
    Refused(u16, Option<Duration>),
}

pub(super) enum Happening {
    Turn(usize),
    Send(Who, Box<Effect>),
    Arrive(Box<Call>),
    Answer(Who, Box<Reply>, bool),
    GiveUp(Who, EffectId),
    Ask(Who, Ask),
    Stand(Who, Box<lease::Call>),
    Elect(Who, u64, Box<lease::Answer>),
    Hear(Who, Kind, u64, Heard),
    Apply(usize, u64),
    Bookmark(u64),
    Close(u64),
    Act(Act),
    Resume(usize),
    Start(usize),
}

impl<'a> World<'a> {
    pub fn new(setup: Setup<'a>, plan: Plan, traced: bool) -> Result<Self, ProfileError> {
        let seed = plan.seed;
        let faults = FAULTS.iter().map(|(_, name, _)| Dice::new(seed, &format!("world {name}")));
        let dice = WorldDice {
            network: Dice::new(seed, "network"),
            faults: faults.collect(),
            others: Dice::new(seed, "others"),
        };
        let seats = plan.seats;
        let replicas = (0..plan.replicas).map(|_| Replica::default()).collect();
        let mut world = Self {
            setup,
            plan,
            now: Instant(0),
            history: History::default(),
            replicas,
            streams: BTreeMap::new(),
            lists: BTreeMap::new(),
            seats: (0..seats).map(|_| Seat::empty()).collect(),
            checker: Checker::default(),
            injected: Injected::default(),
            healed: false,
            dice,
            late: BTreeMap::new(),
            refused_starts: 0,
            uids: 0,
            away: BTreeSet::new(),
            writes_by_us: 0,
            lease: LeaseObject::default(),
            under_way: Agenda::default(),
            hash: Xxh3::new(),
            trace: traced.then(Vec::new),
        };
        world.populate();
        for seat in 0..seats {
            world.start(seat)?;
        }
        Ok(world)
    }

    /// Runs until a time, or until a promise is broken.
    pub fn run_until(&mut self, end: Instant) -> Result<(), ProfileError> {
        while self.checker.broken.is_none() {
            let Some((at, what)) = self.under_way.pop_due(end) else {
                self.now = self.now.max(end);
                return Ok(());
            };
            self.now = self.now.max(at);
            self.happen(what)?;
        }
        Ok(())
    }

    /// A hash of everything that was written, and of what was decided last.
    pub fn hash(&self) -> String {
        let mut hash = self.hash.clone();
        for process in self.seats.iter().filter_map(|seat| seat.process.as_ref()) {
            hash.update(process.scheduler.decisions_hash().as_bytes());
        }
        format!("{:016x}", hash.digest())
    }

    /// What happened, line by line, if it was to be told.
    pub fn trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let seconds = self.now.0 as f64 / 1e9;
            trace.push(format!("{seconds:10.4} {}", text()));
        }
    }

    pub(super) fn push(&mut self, at: Instant, what: Happening) {
        self.under_way.push(at, what);
    }

    /// When a message that leaves now arrives.
    pub(super) fn arrival(&mut self) -> Instant {
        self.now.plus(self.dice.network.micros(TRAVEL_MICROS.0, TRAVEL_MICROS.1))
    }

    /// Whether a fault strikes at a message.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let may = !self.healed && self.plan.faults.contains(fault);
        may && self.dice.faults[fault as usize].permille(self.plan.permille)
    }

    pub(super) fn fault_dice(&mut self, fault: Fault) -> &mut Dice {
        &mut self.dice.faults[fault as usize]
    }

    /// A fault has struck.
    pub(super) fn inject(&mut self, fault: Fault, text: impl FnOnce() -> String) {
        self.injected.count(fault);
        self.tell(|| format!("FAULT {}: {}", fault.name(), text()));
    }

    /// Writes an object. `post` is the binding that does it.
    pub(super) fn write(&mut self, by: Writer, object: Object, post: Option<PostId>) {
        let write = self.history.put(by, object).clone();
        self.written(&write, post);
    }

    pub(super) fn remove(&mut self, kind: Kind, key: &crate::model::PodKey) {
        if let Some(write) = self.history.remove(Writer::Other, kind, key).cloned() {
            self.written(&write, None);
        }
    }

    fn written(&mut self, write: &super::history::Write, post: Option<PostId>) {
        let by_us = matches!(write.by, Writer::Quorate(_));
        self.writes_by_us += u64::from(by_us);
        self.hash.update(&write.revision.to_le_bytes());
        self.hash.update(write.key.name.as_bytes());
        if let Some(Object::Pod(pod)) = &write.new {
            self.hash.update(pod.spec.node_name.as_bytes());
        }
        self.tell(|| describe(write));
        self.checker.wrote(write, post, &self.history);
        for replica in 0..self.replicas.len() {
            let lag = self.dice.network.micros(100, self.plan.lag_ms * 1000);
            self.push(self.now.plus(lag), Happening::Apply(replica, write.revision));
        }
        self.kubelet_sees(write);
    }

    fn happen(&mut self, what: Happening) -> Result<(), ProfileError> {
        let seat = what.seat();
        if let Some(seat) = seat.and_then(|seat| self.seats.get_mut(seat))
            && let Some(held) = &mut seat.held
        {
            held.push(what);
            return Ok(());
        }
        match what {
            Happening::Turn(seat) => self.turn(seat),
            Happening::Send(who, effect) => self.send(who, *effect),
            Happening::Arrive(call) => self.arrive(*call),
            Happening::Answer(who, reply, bind) => self.answer(who, *reply, bind),
            Happening::GiveUp(who, id) => {
                let reply = Reply { id, outcome: Outcome::Unknown, pod: None };
                self.answer(who, reply, false);
            }
            Happening::Ask(who, ask) => self.asked(who, ask),
            Happening::Stand(who, call) => self.stood(who, &call),
            Happening::Elect(who, number, answer) => self.elected(who, number, *answer),
            Happening::Hear(who, kind, ticket, heard) => self.hear(who, kind, ticket, &heard),
            Happening::Apply(replica, revision) => self.apply(replica, revision),
            Happening::Bookmark(stream) => self.bookmark(stream),
            Happening::Close(stream) => self.close(stream),
            Happening::Act(act) => self.act(act),
            Happening::Resume(seat) => self.resume(seat),
            Happening::Start(seat) => self.start(seat)?,
        }
        Ok(())
    }

    /// Starts a process on an empty seat.
    pub(super) fn start(&mut self, seat: usize) -> Result<(), ProfileError> {
        let seed = self.plan.seed;
        let scheduler = Scheduler::new(self.setup.configuration, self.setup.registry, seed)?;
        let now = self.now;
        let clock = self.new_clock();
        let Some(place) = self.seats.get_mut(seat).filter(|place| place.process.is_none()) else {
            return Ok(());
        };
        place.incarnation += 1;
        place.turn_at = None;
        let who = Who { seat, incarnation: place.incarnation };
        let election = (self.plan.seats > 1).then(|| Election::new(candidacy(who)));
        let process = Process::new(who, clock, scheduler, election, seed);
        place.process = Some(process);
        self.checker.started(seat);
        self.tell(|| format!("process {seat} starts"));
        self.turn_by(seat, now);
        Ok(())
    }

    fn new_clock(&mut self) -> Clock {
        if self.healed || !self.plan.faults.contains(Fault::Clock) {
            return Clock::new(self.now, Instant(0), RIGHT);
        }
        let (now, rates) = (self.now, self.plan.clock_rates());
        let dice = self.fault_dice(Fault::Clock);
        let own = Instant(0).plus(Duration::from_secs(dice.range(0, 7200)));
        let (least, most) = rates;
        Clock::new(now, own, dice.range(least, most))
    }

    /// The process on a seat turns at `at` or a little later, unless it turns before that.
    pub(super) fn turn_by(&mut self, seat: usize, at: Instant) {
        let at = at.max(self.now).plus(self.dice.network.micros(TURN_MICROS.0, TURN_MICROS.1));
        let Some(place) = self.seats.get_mut(seat) else { return };
        if place.turn_at.is_none_or(|turn| turn > at) {
            place.turn_at = Some(at);
            self.push(at, Happening::Turn(seat));
        }
    }

    fn turn(&mut self, seat: usize) {
        let now = self.now;
        let Some(place) = self.seats.get_mut(seat) else { return };
        // A turn that was moved forward has been had already.
        if place.turn_at.is_none_or(|at| at > now) {
            return;
        }
        place.turn_at = None;
        let Some(process) = &mut place.process else { return };
        let own = process.clock.read(now);
        let Turn { effects, asks, delivered, stands, lost, wake } = process.turn(own);
        if lost {
            self.tell(|| format!("process {seat} has lost the lease"));
            return self.die(seat);
        }
        let (wake, incarnation) = (process.clock.when(wake), process.incarnation);
        self.checker.audited(seat, process.scheduler.audits());
        let who = Who { seat, incarnation };
        if let Some(mirror) = self.checker.mirrors.get_mut(&seat) {
            mirror.read_answers();
            delivered.into_iter().for_each(|kind| mirror.told(kind));
        }
        if !effects.is_empty() {
            self.pause_now(seat);
        }
        for effect in effects {
            if matches!(effect.op, Op::Record { .. }) {
                continue;
            }
            let wanted = Wanted { process: seat, effect: &effect, now: own };
            self.checker.wants(wanted, &self.history);
            let at = now.plus(self.dice.network.micros(10, 1_000));
            self.push(at, Happening::Send(who, Box::new(effect)));
        }
        for call in stands {
            self.checker.stands(seat, &call, own);
            self.stand(who, call);
        }
        for ask in asks {
            self.ask(who, ask);
        }
        self.turn_by(seat, wake);
    }

    /// The process, if it is still the same one.
    pub(super) fn process(&mut self, who: Who) -> Option<&mut Process> {
        let process = self.seats.get_mut(who.seat)?.process.as_mut()?;
        (process.incarnation == who.incarnation).then_some(process)
    }

    /// The pod as it stands now.
    pub(super) fn pod(&self, key: &crate::model::PodKey) -> Option<&api::Pod> {
        self.history.pods.get(key).map(|pod| &**pod)
    }
}

impl Seat {
    fn empty() -> Self {
        Self {
            process: None,
            incarnation: 0,
            died: Instant(0),
            held: None,
            turn_at: None,
            pauses: None,
            dies_after: None,
        }
    }
}

impl Happening {
    /// The seat whose process has to be awake for it.
    fn seat(&self) -> Option<usize> {
        match self {
            Self::Turn(seat) => Some(*seat),
            Self::Send(who, ..)
            | Self::Answer(who, ..)
            | Self::GiveUp(who, _)
            | Self::Elect(who, ..)
            | Self::Hear(who, ..) => Some(who.seat),
            _ => None,
        }
    }
}

fn describe(write: &super::history::Write) -> String {
    let (by, key, revision) = (write.by, &write.key, write.revision);
    match &write.new {
        None => format!("{by:?} deletes {} {key} @{revision}", write.kind.name()),
        Some(Object::Node(node)) => {
            let labels = &node.metadata.labels;
            let (spec, offered) = (&node.spec, &node.status.allocatable);
            format!(
                "{by:?} writes node {key} @{revision}: {offered:?} {labels:?} cordoned {} {:?}",
                spec.unschedulable, spec.taints
            )
        }
        Some(Object::Pod(pod)) => format!(
            "{by:?} writes pod {key} @{revision}: uid {} on {:?} nominated {:?} {}{}",
            pod.metadata.uid,
            &*pod.spec.node_name,
            &*pod.status.nominated_node_name,
            pod.status.phase,
            if pod.metadata.deletion_timestamp.is_some() { ", going" } else { "" },
        ),
    }
}
