//! A simulated process: the scheduler with its feeds and calls, as the daemon has them. It starts
//! from nothing and leaves nothing behind.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::calls::Calls;
use super::clock::Clock;
use super::dice::Dice;
use super::feed::{Ask, Delivery, Feed, Heard};
use super::history::Kind;
use crate::api;
use crate::model::Instant;
use crate::planted::{Bug, planted};
use crate::scheduler::{Credit, Effect, Event, Op, Reply, Scheduler};
use crate::watch::SILENCE_MAX;

/// The process turns at least this often, as the daemon does.
const TURN_MAX: Duration = Duration::from_secs(10);

pub struct Process {
    /// How often it has been started.
    pub incarnation: u32,
    pub clock: Clock,
    pub scheduler: Scheduler,
    pub bindings: Calls,
    pub reports: Calls,
    pods: Feed<api::Pod>,
    nodes: Feed<api::Node>,
    replies: VecDeque<Reply>,
    synced: BTreeSet<Kind>,
    started: bool,
    dice: Dice,
}

/// What a turn leads to.
#[derive(Debug, Default)]
pub struct Turn {
    pub effects: Vec<Effect>,
    pub asks: Vec<Ask>,
    /// The kinds of which the scheduler was told all that was heard.
    pub delivered: Vec<Kind>,
    /// When to turn again at the latest, on the clock of the process.
    pub wake: Instant,
}

impl Process {
    pub fn new(
        number: usize,
        incarnation: u32,
        clock: Clock,
        scheduler: Scheduler,
        seed: u64,
    ) -> Self {
        Self {
            incarnation,
            clock,
            scheduler,
            bindings: Calls::of_bindings(),
            reports: Calls::of_reports(),
            pods: Feed::new(),
            nodes: Feed::new(),
            replies: VecDeque::new(),
            synced: BTreeSet::new(),
            started: false,
            dice: Dice::new(seed, &format!("process {number}.{incarnation}")),
        }
    }

    /// Something came for a feed. Returns whether it was for its last request.
    pub fn hear(&mut self, now: Instant, kind: Kind, ticket: u64, heard: &Heard) -> bool {
        let random = self.dice.number();
        match kind {
            Kind::Pods => self.pods.hear(now, ticket, heard, random),
            Kind::Nodes => self.nodes.hear(now, ticket, heard, random),
        }
    }

    /// The answer to a call came.
    pub fn answer(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    /// Tells the scheduler what has happened, answers first, lets it decide, and lets the feeds ask.
    pub fn turn(&mut self, now: Instant) -> Turn {
        let mut turn = Turn::default();
        while let Some(reply) = self.replies.pop_front() {
            self.scheduler.observe(now, Event::Reply(reply));
        }
        let mut deliveries: Vec<Delivery> =
            self.pods.deliver().into_iter().chain(self.nodes.deliver()).collect();
        if self.dice.permille(500) {
            deliveries.reverse();
        }
        for delivery in deliveries {
            turn.delivered.push(delivery.kind);
            self.accept(delivery, now);
        }
        let credit = Credit { binds: if self.may_bind(now) { self.bindings.credit() } else { 0 } };
        let wake = self.scheduler.advance(now, credit, &mut turn.effects);
        for effect in &turn.effects {
            match effect.op {
                Op::PatchCondition { .. } => self.reports.announce(),
                Op::Record { .. } => {}
                _ => self.bindings.announce(),
            }
        }
        let pods = self.pods.drive(now, &mut self.dice, &mut turn.asks);
        let nodes = self.nodes.drive(now, &mut self.dice, &mut turn.asks);
        turn.wake = wake.unwrap_or(Instant(u64::MAX)).min(pods).min(nodes).min(now.plus(TURN_MAX));
        turn
    }

    fn accept(&mut self, delivery: Delivery, now: Instant) {
        for event in delivery.events {
            self.scheduler.observe(now, event);
        }
        if delivery.synced {
            self.synced.insert(delivery.kind);
        }
        let enough = self.synced.len() == Kind::ALL.len() || planted(Bug::SyncedTooSoon);
        if enough && !self.synced.is_empty() && !self.started {
            self.started = true;
            self.scheduler.observe(now, Event::Synced);
        }
    }

    /// Whether pods and nodes are seen as they are, so that decisions are sound.
    fn may_bind(&self, now: Instant) -> bool {
        let heard = [self.pods.last_heard(), self.nodes.last_heard()];
        let stale = heard.iter().any(|at| at.is_none_or(|at| now.since(at) > SILENCE_MAX));
        !stale || planted(Bug::BindWhileStale)
    }
}
