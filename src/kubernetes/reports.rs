//! Writes conditions, statuses of policies and events, beside the bindings and after them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant as Point;

use super::answer::{Answer, ask};
use super::backlog::{Backlog, EVENTS_MAX, Happening, Job, Statement, Written};
use super::clock::Clock;
use super::permit::{Permit, Tenure};
use super::requests::{self, RequestError};
use super::series::{Action, Series};
use super::statuses::PolicyPatch;
use crate::metrics;
use crate::scheduler::{EffectId, Note, Outcome, Reply};

/// Reports under way at the same time; fewer than bindings, so that those go first.
const WRITERS: usize = 8;
/// While bindings are under way events take one writer, and another for so many that wait: a pod
/// runs sooner, and the backlog still has all writers before it is full.
const EVENTS_PER_WRITER: usize = EVENTS_MAX / WRITERS;
/// How long one report may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often an event is tried before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// How long to leave the API server alone after it did not answer well.
const REST: Duration = Duration::from_secs(1);
/// How often running series are looked through.
const SERIES_EVERY: Duration = Duration::from_secs(15);
/// At most one warning in so long, however many reports are refused.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Takes reports at once and writes them when it can.
pub(super) struct Reports {
    client: Client,
    clock: Clock,
    tenure: Arc<Tenure>,
    replies: UnboundedSender<Reply>,
    /// This process, as events name it.
    instance: String,
    state: Mutex<State>,
    news: Notify,
    busy: AtomicUsize,
    /// Calls of the binding machine that are under way.
    calls: Arc<AtomicU32>,
}

#[derive(Default)]
struct State {
    backlog: Backlog,
    series: Series,
    /// The number of the last event.
    events: u64,
    warned: Option<Point>,
}

impl Reports {
    pub(super) fn new(
        client: Client,
        clock: Clock,
        tenure: Arc<Tenure>,
        replies: UnboundedSender<Reply>,
        instance: String,
        calls: Arc<AtomicU32>,
    ) -> Self {
        Self {
            client,
            clock,
            tenure,
            replies,
            instance,
            state: Mutex::default(),
            news: Notify::new(),
            busy: AtomicUsize::new(0),
            calls,
        }
    }

    /// Starts the writers.
    pub(super) fn start(self: &Arc<Self>) {
        for _ in 0..WRITERS {
            tokio::spawn(self.clone().write());
        }
        tokio::spawn(self.clone().continue_series());
    }

    pub(super) fn add_condition(&self, statement: Statement) {
        let given_up = self.state().backlog.add_condition(statement);
        if let Some(id) = given_up {
            metrics::report("condition", "superseded");
            self.reply(id, Outcome::NotSent, None);
        }
        self.news.notify_one();
    }

    pub(super) fn add_event(&self, note: Note) {
        let (now, wall) = (self.clock.now(), Timestamp::now());
        let mut state = self.state();
        // The time makes the number new among processes, the step among events.
        let time = u64::try_from(wall.as_nanosecond()).unwrap_or(0);
        state.events = time.max(state.events + 1);
        let name = requests::event_name(&note.pod, state.events);
        let what = match state.series.happened(&note, &name, now, wall) {
            Action::Nothing => return,
            Action::Write(update) => Written::Series(update),
            Action::Create => Written::Event { note, name, at: wall },
        };
        self.put(&mut state, Happening { what, attempts: 0 });
    }

    pub(super) fn add_policy(&self, patch: PolicyPatch) {
        self.state().backlog.add_policy(patch);
        self.news.notify_one();
    }

    /// Waits until everything is written.
    pub(super) async fn drained(&self) {
        while !self.state().backlog.is_empty() || self.busy.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn write(self: Arc<Self>) {
        loop {
            let Some(job) = self.take() else {
                self.news.notified().await;
                continue;
            };
            let rest = match job {
                Job::Condition(statement) => self.write_condition(statement).await,
                Job::Policy(patch) => self.write_policy(&patch).await,
                Job::Event(happening) => self.write_event(happening).await,
            };
            self.busy.fetch_sub(1, Ordering::AcqRel);
            if rest {
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// The next job, while somebody counts as busy with it. Where jobs stay, either another writer
    /// may take one, and is woken, or those that are busy come back for them.
    fn take(&self) -> Option<Job> {
        let mut state = self.state();
        let calling = self.calls.load(Ordering::Acquire) > 0;
        if self.busy.load(Ordering::Acquire) >= writers_max(&state.backlog, calling) {
            return None;
        }
        let job = state.backlog.next()?;
        let busy = self.busy.fetch_add(1, Ordering::AcqRel) + 1;
        if !state.backlog.is_empty() && busy < writers_max(&state.backlog, calling) {
            self.news.notify_one();
        }
        Some(job)
    }

    /// Returns whether the API server needs a rest.
    async fn write_condition(&self, statement: Statement) -> bool {
        let deadline = self.clock.point(statement.not_after);
        let not_after = statement.not_after;
        let permit = Permit::new(self.clock, &self.tenure, statement.epoch, not_after);
        let (pod, uid) = (&statement.pod, &statement.uid);
        let written = requests::condition(pod, uid, &statement.condition, Timestamp::now());
        let answer = self.ask("condition", written, &permit, deadline).await;
        self.reply(statement.id, answer.outcome(), answer.pod());
        answer.is_transient()
    }

    /// Returns whether the API server needs a rest. What is not taken now comes again with the next
    /// look.
    async fn write_policy(&self, patch: &PolicyPatch) -> bool {
        let written = requests::policy_status(patch);
        let not_after = self.clock.now().plus(DEADLINE);
        let permit = Permit::in_any_term(self.clock, &self.tenure, not_after);
        let answer = self.ask("policy_status", written, &permit, Point::now() + DEADLINE).await;
        answer.is_transient()
    }

    /// Returns whether the API server needs a rest. An event tells what has happened and stays
    /// true, so it may be written late, as long as this process leads.
    async fn write_event(&self, mut happening: Happening) -> bool {
        let written = match &happening.what {
            Written::Event { note, name, at } => requests::event(note, name, &self.instance, *at),
            Written::Series(update) => {
                requests::series(&update.pod, &update.name, update.count, update.last)
            }
        };
        let not_after = self.clock.now().plus(DEADLINE);
        let permit = Permit::in_any_term(self.clock, &self.tenure, not_after);
        let answer = self.ask("event", written, &permit, Point::now() + DEADLINE).await;
        if !answer.is_transient() {
            return false;
        }
        happening.attempts += 1;
        if happening.attempts < ATTEMPTS_MAX {
            let mut state = self.state();
            self.put(&mut state, happening);
        }
        true
    }

    async fn ask(
        &self,
        what: &'static str,
        written: Result<Request<Vec<u8>>, RequestError>,
        permit: &Permit,
        deadline: Point,
    ) -> Answer {
        let answer = match written {
            Ok(request) => ask(&self.client, request, Some(permit), deadline).await,
            Err(error) => {
                tracing::error!(what, %error, "A report could not be written.");
                Answer::NotSent
            }
        };
        metrics::report(what, answer.label());
        if !matches!(answer.label(), "done" | "gone" | "conflict") {
            self.warn(what, &answer);
        }
        answer
    }

    fn warn(&self, what: &str, answer: &Answer) {
        let now = Point::now();
        let mut state = self.state();
        if state.warned.is_none_or(|last| now - last >= WARN_EVERY) {
            state.warned = Some(now);
            let outcome = answer.outcome();
            tracing::warn!(what, ?outcome, "A report was not taken; more may follow.");
        }
    }

    async fn continue_series(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SERIES_EVERY).await;
            let mut state = self.state();
            for update in state.series.due(self.clock.now()) {
                let what = Written::Series(update);
                self.put(&mut state, Happening { what, attempts: 0 });
            }
        }
    }

    fn put(&self, state: &mut State, happening: Happening) {
        if state.backlog.add_event(happening) {
            metrics::report("event", "dropped");
        }
        self.news.notify_one();
    }

    fn reply(&self, id: EffectId, outcome: Outcome, pod: Option<Box<crate::api::Pod>>) {
        // Without a reader the daemon is ending.
        _ = self.replies.send(Reply { id, outcome, pod });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many may write now. Conditions never wait for bindings: autoscalers act on them.
fn writers_max(backlog: &Backlog, calling: bool) -> usize {
    if !calling || backlog.has_conditions() {
        return WRITERS;
    }
    WRITERS.min(1 + backlog.events() / EVENTS_PER_WRITER)
}

#[cfg(test)]
mod tests {
    use super::super::series::Update;
    use super::*;
    use crate::model::{Instant, PodKey};
    use crate::scheduler::Condition;
    use crate::scheduler::LeaseEpoch;

    fn backlog(events: usize) -> Backlog {
        let mut backlog = Backlog::default();
        for number in 0..events {
            let update = Update {
                pod: PodKey::new("shop", "db-0"),
                name: number.to_string(),
                count: 2,
                last: Timestamp::UNIX_EPOCH,
            };
            backlog.add_event(Happening { what: Written::Series(update), attempts: 0 });
        }
        backlog
    }

    #[test]
    fn events_leave_room_to_bindings_until_too_many_wait() {
        let check = |events: usize, calling: bool, expected: usize| {
            assert_eq!(writers_max(&backlog(events), calling), expected, "{events} {calling}");
        };
        check(1, false, WRITERS);
        check(1, true, 1);
        check(EVENTS_PER_WRITER - 1, true, 1);
        check(EVENTS_PER_WRITER, true, 2);
        check(EVENTS_MAX - EVENTS_PER_WRITER, true, WRITERS);
        check(EVENTS_MAX, true, WRITERS);
    }

    #[test]
    fn a_condition_waits_for_no_binding() {
        let mut backlog = backlog(1);
        backlog.add_condition(Statement {
            epoch: LeaseEpoch::default(),
            id: EffectId(1),
            not_after: Instant(0),
            pod: PodKey::new("shop", "db-0"),
            uid: "u1".into(),
            condition: Condition {
                reason: "Unschedulable".into(),
                message: "0/1 nodes are available".into(),
                observed_generation: 1,
                transition: true,
            },
        });
        assert_eq!(writers_max(&backlog, true), WRITERS);
    }
}
