//! The owner of the core: one thread that tells it what happened and has done what it wants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::watch;

use super::backlog::Statement;
use super::calls::Calls;
use super::clock::Clock;
use super::feed::Delivery;
use super::health::{Health, Kind, TURN_MAX};
use super::recorder::Recorder;
use super::reports::Reports;
use super::requests;
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
}

impl Owner {
    /// Runs until it is told to stop. Returns the hash of all decisions.
    pub(super) async fn run(mut self) -> String {
        let mut wake = None;
        while !*self.inbox.stop.borrow() {
            self.wait(wake).await;
            self.take_in(EVENTS_MAX);
            wake = self.advance();
            self.health.turned(self.clock.now());
        }
        self.end().await;
        self.scheduler.decisions_hash()
    }

    /// Waits for something to happen, or for the time that the core asked for.
    async fn wait(&mut self, wake: Option<Instant>) {
        let latest = self.clock.now().plus(TURN_MAX);
        let until = wake.map_or(latest, |wake| wake.min(latest));
        tokio::select! {
            biased;
            _ = self.inbox.stop.changed() => {}
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
        events
    }

    fn observe(&mut self, event: Event) {
        let at = self.clock.now();
        if let Some(recorder) = &mut self.recorder {
            recorder.observe(at, &event);
        }
        self.scheduler.observe(at, event);
    }

    /// Lets the core decide, and has done what it wants.
    fn advance(&mut self) -> Option<Instant> {
        let now = self.clock.now();
        let credit = if self.health.may_bind(now) {
            self.outbox.calls.credit()
        } else {
            Credit { binds: 0 }
        };
        let mut effects = Vec::new();
        let wake = self.scheduler.advance(now, credit, &mut effects);
        if let Some(recorder) = &mut self.recorder {
            recorder.advance(now, credit, &effects);
        }
        for effect in effects {
            self.outbox.send(effect);
        }
        wake
    }

    /// Decides nothing more. Waits for the answers to open calls, so that no binding is left in
    /// doubt, and for the reports.
    async fn end(&mut self) {
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
        if let Some(recorder) = &mut self.recorder {
            recorder.finish();
        }
        let open = self.outbox.calls.open();
        if open > 0 {
            tracing::warn!(open, "Calls were left without an answer.");
        }
        let reports = self.outbox.reports.drained();
        _ = tokio::time::timeout(REPORTS_WAIT_MAX, reports).await;
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
            self.outbox.send(effect);
        }
    }
}

impl Outbox {
    fn send(&self, effect: Effect) {
        let (id, not_after) = (effect.id, effect.not_after);
        let call = |what, written| self.calls.send(what, id, not_after, written);
        match effect.op {
            Op::Bind { pod, uid, resource_version, node } => {
                call("bind", requests::bind(&pod, &uid, &resource_version, &node))
            }
            Op::Fence { pod, uid, resource_version, value } => {
                call("fence", requests::fence(&pod, &uid, &resource_version, &value))
            }
            Op::Nominate { pod, uid, node } => {
                call("nominate", requests::nominate(&pod, &uid, &node))
            }
            Op::Write { write } => call("write", requests::write(&write)),
            Op::GetPod { pod } => call("get", requests::get(&pod)),
            Op::PatchCondition { pod, uid, condition } => {
                self.reports.add_condition(Statement { id, not_after, pod, uid, condition })
            }
            Op::Record { note } => self.reports.add_event(note),
        }
    }
}
