//! The owner of the core: one thread that tells it what happened and has done what it wants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::watch;

use super::backlog::Statement;
use super::calls::Calls;
use super::clock::Clock;
use super::elector::{self, Standing, Standings};
use super::feed::Delivery;
use super::health::{Health, Kind, TURN_MAX};
use super::recorder::Recorder;
use super::reports::Reports;
use super::requests;
use super::shadow::Shadow;
use super::statuses::Statuses;
use crate::lease::Term;
use crate::model::Instant;
use crate::scheduler::{Credit, Effect, Event, Op, Reply, Scheduler};

/// So many events are taken in before the next decisions, or a few more where they come together.
const EVENTS_MAX: usize = 1024;
/// How long the end waits for the answers to calls, and then for reports to be written.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(5);
const REPORTS_WAIT_MAX: Duration = Duration::from_secs(2);

/// What comes in.
pub(super) struct Inbox {
    pub(super) deliveries: Receiver<Delivery>,
    pub(super) replies: UnboundedReceiver<Reply>,
    pub(super) standings: Standings,
    /// Turns true when the process is to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// What goes out.
pub(super) struct Outbox {
    pub(super) calls: Calls,
    pub(super) reports: Arc<Reports>,
}

pub(super) struct Owner {
    pub(super) scheduler: Scheduler,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) recorder: Option<Recorder>,
    pub(super) health: Arc<Health>,
    pub(super) clock: Clock,
    pub(super) synced: BTreeSet<Kind>,
    /// The kinds that are as new as when this process began to lead.
    pub(super) confirmed: BTreeSet<Kind>,
    /// The term that the core knows of.
    pub(super) term: Option<Term>,
    /// Takes the place of the outbox where nothing may be written.
    pub(super) shadow: Option<Shadow>,
    pub(super) statuses: Statuses,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// As it was told to.
    Stopped {
        decisions_hash: String,
        /// Nothing of ours can change the cluster any more, so that another one may lead.
        settled: bool,
    },
    /// The lease was lost.
    Lost,
}

impl Owner {
    /// Runs until it is told to stop, or until the lease is lost.
    pub(super) async fn run(mut self) -> Ended {
        if self.inbox.standings.is_some() {
            self.observe(Event::Lease(None));
        }
        let mut wake = None;
        while !*self.inbox.stop.borrow() {
            self.wait(wake).await;
            self.take_in(EVENTS_MAX);
            self.take_in_shadow();
            if self.take_standing() == Some(Standing::Lost) {
                self.finish_recording();
                return Ended::Lost;
            }
            wake = self.advance();
            self.report_policies();
            self.health.turned(self.clock.now());
        }
        let settled = self.end().await;
        Ended::Stopped { decisions_hash: self.scheduler.decisions_hash(), settled }
    }

    /// Waits for something to happen, or for the time that the core asked for.
    async fn wait(&mut self, wake: Option<Instant>) {
        let latest = self.clock.now().plus(TURN_MAX);
        let until = wake.map_or(latest, |wake| wake.min(latest));
        tokio::select! {
            biased;
            _ = self.inbox.stop.changed() => {}
            () = elector::changed(&mut self.inbox.standings) => {}
            Some(reply) = self.inbox.replies.recv() => self.observe(Event::Reply(reply)),
            Some(delivery) = self.inbox.deliveries.recv() => { self.accept(delivery); }
            () = self.clock.sleep_until(until) => {}
        }
    }

    /// Tells the core what has happened, answers first.
    fn take_in(&mut self, events_max: usize) {
        let mut events = 0;
        while events < events_max {
            if let Ok(reply) = self.inbox.replies.try_recv() {
                self.observe(Event::Reply(reply));
                events += 1;
            } else if let Ok(delivery) = self.inbox.deliveries.try_recv() {
                events += self.accept(delivery);
            } else {
                return;
            }
        }
    }

    /// Returns how many events it was.
    fn accept(&mut self, delivery: Delivery) -> usize {
        let events = delivery.events.len();
        for event in delivery.events {
            self.observe(event);
        }
        if delivery.synced && self.synced.insert(delivery.kind) {
            self.health.synced(delivery.kind);
            if self.health.all_synced() {
                tracing::info!("All kinds are synced.");
                self.observe(Event::Synced);
            }
        }
        if delivery.confirmed && self.confirmed.insert(delivery.kind) && self.is_confirmed() {
            tracing::info!("All kinds are as new as the lease.");
        }
        events
    }

    fn is_confirmed(&self) -> bool {
        self.confirmed.len() == Kind::ALL.len()
    }

    /// Tells the core of a term, once all that happened before it has reached the core, and of
    /// every renewal.
    fn take_standing(&mut self) -> Option<Standing> {
        let standing = *self.inbox.standings.as_mut()?.borrow_and_update();
        if let Standing::Leading(term) = standing
            && self.is_confirmed()
            && self.term != Some(term)
        {
            self.term = Some(term);
            self.observe(Event::Lease(Some(term)));
        }
        Some(standing)
    }

    fn observe(&mut self, event: Event) {
        let at = self.clock.now();
        if let Some(recorder) = &mut self.recorder {
            recorder.observe(at, &event);
        }
        if let (Some(shadow), Event::Pod(change)) = (&mut self.shadow, &event) {
            shadow.see(change);
        }
        self.scheduler.observe(at, event);
    }

    /// Lets the core decide, and has done what it wants.
    fn advance(&mut self) -> Option<Instant> {
        let now = self.clock.now();
        let credit = match &self.shadow {
            _ if !self.health.may_bind(now) => Credit { binds: 0 },
            Some(shadow) => shadow.credit(),
            None => self.outbox.calls.credit(),
        };
        let mut effects = Vec::new();
        let wake = self.scheduler.advance(now, credit, &mut effects);
        if let Some(recorder) = &mut self.recorder {
            recorder.advance(now, credit, &effects);
        }
        for effect in effects {
            self.carry_out(effect, now);
        }
        let due = self.shadow.as_ref().and_then(Shadow::next_due);
        wake.into_iter().chain(due).min()
    }

    fn carry_out(&mut self, effect: Effect, now: Instant) {
        match &mut self.shadow {
            Some(shadow) => shadow.take(effect, now),
            None => self.outbox.send(effect),
        }
    }

    /// Tells the core the answers that nobody but the shadow gives.
    fn take_in_shadow(&mut self) {
        let now = self.clock.now();
        while let Some(reply) = self.shadow.as_mut().and_then(|shadow| shadow.answer(now)) {
            self.observe(Event::Reply(reply));
        }
    }

    /// Has statuses of policies written that have changed, while this process leads.
    fn report_policies(&mut self) {
        let now = self.clock.now();
        let leads = match &self.inbox.standings {
            Some(_) => self.term.is_some_and(|term| !term.is_over(now)),
            None => true,
        };
        if leads && self.shadow.is_none() && self.health.all_synced() {
            // Times of conditions are written in whole seconds.
            let wall = jiff::Timestamp::now();
            let wall = jiff::Timestamp::from_second(wall.as_second()).unwrap_or(wall);
            for patch in self.statuses.due(&self.scheduler, now, wall) {
                self.outbox.reports.add_policy(patch);
            }
        }
    }

    /// Decides nothing more. Waits for the answers to open calls, so that no binding is left in
    /// doubt, and for the reports. Returns whether everything is settled.
    async fn end(&mut self) -> bool {
        let deadline = self.clock.now().plus(ANSWERS_WAIT_MAX);
        while self.outbox.calls.open() > 0 && self.clock.now() < deadline {
            tokio::select! {
                Some(reply) = self.inbox.replies.recv() => self.observe(Event::Reply(reply)),
                () = self.clock.sleep_until(deadline) => {}
            }
        }
        while let Ok(reply) = self.inbox.replies.try_recv() {
            self.observe(Event::Reply(reply));
        }
        self.advance_without_credit();
        self.finish_recording();
        if let Some(shadow) = &self.shadow {
            let (tally, pending) = (shadow.tally(), shadow.pending());
            let (agreed, differed) = (tally.agreed, tally.differed);
            let (refused, undecided) = (tally.refused, tally.undecided);
            tracing::info!(agreed, differed, refused, undecided, pending, "The shadow ends.");
        }
        let open = self.outbox.calls.open();
        if open > 0 {
            tracing::warn!(open, "Calls were left without an answer.");
        }
        let reports = self.outbox.reports.drained();
        _ = tokio::time::timeout(REPORTS_WAIT_MAX, reports).await;
        open == 0 && self.scheduler.in_doubt() == 0
    }

    fn finish_recording(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.finish();
        }
    }

    /// Has the reports of the last answers written. Without credit nothing is decided.
    fn advance_without_credit(&mut self) {
        let (now, credit) = (self.clock.now(), Credit { binds: 0 });
        let mut effects = Vec::new();
        self.scheduler.advance(now, credit, &mut effects);
        if let Some(recorder) = &mut self.recorder {
            recorder.advance(now, credit, &effects);
        }
        let reports = effects
            .into_iter()
            .filter(|effect| matches!(effect.op, Op::Record { .. } | Op::PatchCondition { .. }));
        for effect in reports {
            self.carry_out(effect, now);
        }
    }
}

impl Outbox {
    fn send(&self, effect: Effect) {
        let call = |what, written| self.calls.send(what, &effect, written);
        match &effect.op {
            Op::Bind { pod, uid, resource_version, node } => {
                call("bind", requests::bind(pod, uid, resource_version, node))
            }
            Op::Fence { pod, uid, resource_version, value } => {
                call("fence", requests::fence(pod, uid, resource_version, value))
            }
            Op::Nominate { pod, uid, node } => call("nominate", requests::nominate(pod, uid, node)),
            Op::Write { write } => call("write", requests::claim(write)),
            Op::GetPod { pod } => call("get", requests::get(pod)),
            Op::PatchCondition { pod, uid, condition } => {
                let Effect { id, epoch, not_after, .. } = effect;
                let (pod, uid, condition) = (pod.clone(), uid.clone(), condition.clone());
                let statement = Statement { id, epoch, not_after, pod, uid, condition };
                self.reports.add_condition(statement)
            }
            Op::Record { note } => self.reports.add_event(note.clone()),
        }
    }
}
