//! A simulated process: the scheduler with its feeds and calls, as the daemon has them. It starts
//! from nothing and leaves nothing behind.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::calls::Calls;
use super::clock::Clock;
use super::dice::Dice;
use super::feed::{Ask, Delivery, Feed, Heard};
use super::history::Kind;
use super::world::Who;
use crate::api;
use crate::lease::{self, Election, Term};
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
    /// None where nobody else may write.
    election: Option<Election>,
    confirmed: BTreeSet<Kind>,
    /// The term that the scheduler knows of.
    term: Option<Term>,
    dice: Dice,
}

/// What a turn leads to.
#[derive(Debug, Default)]
pub struct Turn {
    pub effects: Vec<Effect>,
    pub asks: Vec<Ask>,
    /// The kinds of which the scheduler was told all that was heard.
    pub delivered: Vec<Kind>,
    /// Calls about the lease.
    pub stands: Vec<lease::Call>,
    /// The lease is lost, and the process ends.
    pub lost: bool,
    /// When to turn again at the latest, on the clock of the process.
    pub wake: Instant,
}

impl Process {
    pub fn new(
        who: Who,
        clock: Clock,
        mut scheduler: Scheduler,
        election: Option<Election>,
        seed: u64,
    ) -> Self {
        let Who { seat, incarnation } = who;
        if election.is_some() {
            scheduler.observe(Instant(0), Event::Lease(None));
        }
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
            election,
            confirmed: BTreeSet::new(),
            term: None,
            dice: Dice::new(seed, &format!("process {seat}.{incarnation}")),
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

    /// Tells the scheduler what has happened, answers first, lets it decide, and lets the feeds
    /// ask.
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
        let elect_again = self.elect(now, &mut turn);
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
        let wake = wake.into_iter().chain(elect_again).min();
        turn.wake = wake.unwrap_or(Instant(u64::MAX)).min(pods).min(nodes).min(now.plus(TURN_MAX));
        turn
    }

    /// The answer to a call about the lease came.
    pub fn elected(&mut self, now: Instant, number: u64, answer: lease::Answer) {
        let random = self.dice.number();
        if let Some(election) = &mut self.election {
            election.answered(now, number, answer, random);
        }
    }

    /// Does what the election wants, and tells the scheduler of its term once all that happened
    /// before it is known. Returns when to ask again.
    fn elect(&mut self, now: Instant, turn: &mut Turn) -> Option<Instant> {
        let election = self.election.as_mut()?;
        let again = loop {
            match election.next(now, self.dice.number()) {
                lease::Step::Send(call) => turn.stands.push(call),
                lease::Step::Wait(until) => break until,
                lease::Step::Lost | lease::Step::Ended { .. } => {
                    turn.lost = true;
                    return None;
                }
            }
        };
        let Some(term) = election.term() else { return Some(again) };
        self.pods.lead(now, &mut turn.asks);
        self.nodes.lead(now, &mut turn.asks);
        let confirmed = self.confirmed.len() == Kind::ALL.len() || planted(Bug::LeadAtOnce);
        if confirmed && self.term != Some(term) {
            self.term = Some(term);
            let mut told = term;
            if planted(Bug::BindAfterLeaseLoss) {
                told.not_after = Instant(u64::MAX);
            }
            self.scheduler.observe(now, Event::Lease(Some(told)));
        }
        Some(again)
    }

    fn accept(&mut self, delivery: Delivery, now: Instant) {
        for event in delivery.events {
            self.scheduler.observe(now, event);
        }
        if delivery.confirmed {
            self.confirmed.insert(delivery.kind);
        }
        if delivery.synced {
            self.synced.insert(delivery.kind);
        }
        if self.synced.len() == Kind::ALL.len() && !self.started {
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
