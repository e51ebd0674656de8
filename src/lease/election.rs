//! One candidate: from standing by over leading to the end.
//!
//! Time is only what passes on our own clock. A lease of somebody else has expired when we have not
//! seen it change for as long as it says. So clocks that disagree do no harm, nor do clocks of
//! different speed, as long as none runs faster than another by more than leaseDuration divided by
//! renewDeadline (1.5 with the defaults).
//!
//! Differences from client-go, each of them on the safe side:
//! - The right to write ends a renew deadline after the last renewal was *sent*, not after the next
//!   one failed for so long.
//! - A leader that sees another holder has lost at once, and one that was paused until its time was
//!   over has lost without asking.
//! - A lease that is gone while its holder may still write is not created anew before it would have
//!   expired, and its transitions are counted on.
//! - Only the holder that the lease names at that moment releases it, and a lost lease is not
//!   released.
//! - A candidate that waits asks again at the very time at which the lease expires, and its retry
//!   period varies by a fifth, where client-go more than doubles it.

use std::time::Duration;

use super::record::{Draft, Lease, Record, Term};
use crate::model::{Instant, Str};

/// How much longer than the retry period a candidate may wait, so that several of them do not ask
/// at the same time.
pub const JITTER_PERCENT_MAX: u32 = 20;
/// What a released lease says, as client-go writes it.
const RELEASED_SECONDS: i32 = 1;
/// The shortest time that a call is given, as client-go's.
const CALL_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Who stands for election, and how patient everybody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Unlike that of any other process, at any time.
    pub identity: Str,
    /// How long others wait for a renewal before they take the lease.
    pub lease_duration: Duration,
    /// How long the leader tries to renew the lease.
    pub renew_deadline: Duration,
    /// How long everybody waits between two attempts.
    pub retry_period: Duration,
}

/// What to ask of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A consistent read.
    Get,
    Create(Draft),
    /// A write that succeeds at exactly this version.
    Update {
        resource_version: Str,
        draft: Draft,
    },
}

/// A request with the number that its answer carries back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub number: u64,
    pub request: Request,
    /// An answer from then on is not waited for.
    pub deadline: Instant,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lease as it was read or has been written.
    Found(Lease),
    /// There is no such lease.
    Missing,
    /// Another write came first, and this one was not carried out.
    Conflict,
    /// Refused otherwise, or nobody knows.
    Failed,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Call),
    /// Ask again then, or after an answer.
    Wait(Instant),
    /// We led and do not any more. There is no way back.
    Lost,
    /// We were asked to end, and have; whether the lease is free.
    Ended {
        released: bool,
    },
}

/// One candidate.
///
/// ```text
///             ┌── held by another, or failed ──┐
///             ▼                                │
///  ──▶ Standby ── Get ── Create or Update ─────┤
///         │                                    │ written
///         │         ┌── Update, or Get and ────▼────┐
///         │         │   Update: written          Leading ── not in time, or another's ─▶ Lost
///         │         └───────────────────────────▶   │
///         │ resign                                  │ resign
///         ▼                                         ▼
///       Ended ◀────────── written, failed ── Releasing: Get, Update
/// ```
#[derive(Debug)]
pub struct Election {
    settings: Settings,
    role: Role,
    observed: Option<Observed>,
    open: Option<Open>,
    /// What follows the last answer within the same attempt.
    follow_up: Option<(Kind, Request)>,
    /// When the next attempt starts.
    due: Instant,
    /// When the present attempt started.
    started: Instant,
    /// A write of ours was sent, so that we may be the holder without knowing.
    wrote: bool,
    calls: u64,
}

/// The lease as last seen.
#[derive(Debug)]
struct Observed {
    resource_version: Str,
    record: Record,
    /// When the record was first seen as it is.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Standby,
    Leading {
        /// When the last renewal that succeeded was sent.
        renewed: Instant,
        /// The next renewal is not tried any longer than this.
        give_up: Instant,
    },
    Releasing {
        give_up: Instant,
    },
    Lost,
    Ended {
        released: bool,
    },
}

/// A request whose answer is waited for.
#[derive(Clone, Copy, Debug)]
struct Open {
    number: u64,
    kind: Kind,
    sent: Instant,
    deadline: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    /// Makes us the holder or keeps us that, on what a Get has just shown.
    Write,
    /// Keeps us the holder, if the lease is as we wrote it last: saves the Get.
    Renew,
    Release,
}

impl Election {
    /// A candidate that tries at once.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            role: Role::Standby,
            observed: None,
            open: None,
            follow_up: None,
            due: Instant::default(),
            started: Instant::default(),
            wrote: false,
            calls: 0,
        }
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant, random: u64) -> Step {
        if let Some(open) = self.open.take_if(|open| now >= open.deadline) {
            self.on_answer(now, open, Answer::Failed, random);
        }
        self.give_up(now);
        match self.role {
            Role::Lost => return Step::Lost,
            Role::Ended { released } => return Step::Ended { released },
            Role::Standby | Role::Leading { .. } | Role::Releasing { .. } => {}
        }
        if let Some(open) = self.open {
            return Step::Wait(open.deadline);
        }
        if let Some((kind, request)) = self.follow_up.take() {
            return self.send(now, kind, request);
        }
        if now < self.due {
            return Step::Wait(self.due);
        }
        self.attempt(now)
    }

    /// The answer to a call came. One that comes too late means nothing.
    pub fn answered(&mut self, now: Instant, number: u64, answer: Answer, random: u64) {
        let Some(open) = self.open.filter(|open| open.number == number) else { return };
        self.open = None;
        let in_time = now < open.deadline;
        self.on_answer(now, open, if in_time { answer } else { Answer::Failed }, random);
    }

    /// Asks to end: everything that may only be done while the lease is held must be done already.
    pub fn resign(&mut self, now: Instant) {
        let may_hold = match self.role {
            Role::Leading { .. } => true,
            Role::Standby => self.wrote,
            Role::Releasing { .. } | Role::Lost | Role::Ended { .. } => return,
        };
        if !may_hold {
            self.role = Role::Ended { released: false };
            return;
        }
        self.role = Role::Releasing { give_up: now.plus(self.settings.renew_deadline) };
        self.follow_up = Some((Kind::Get, Request::Get));
    }

    /// The right to write, if there is one: for a renew deadline after the last renewal was sent.
    pub fn term(&self) -> Option<Term> {
        let Role::Leading { renewed, .. } = self.role else { return None };
        let epoch = self.observed.as_ref()?.record.epoch();
        Some(Term { epoch, not_after: renewed.plus(self.settings.renew_deadline) })
    }

    /// Who holds the lease as far as we know; empty if nobody does.
    pub fn holder(&self) -> &str {
        self.observed.as_ref().map_or("", |observed| &*observed.record.holder)
    }

    /// Ends what has been tried for long enough.
    fn give_up(&mut self, now: Instant) {
        match self.role {
            Role::Leading { give_up, .. } if now >= give_up => self.role = Role::Lost,
            Role::Releasing { give_up } if now >= give_up => {
                self.role = Role::Ended { released: false };
            }
            _ => {}
        }
    }

    fn attempt(&mut self, now: Instant) -> Step {
        self.started = now;
        match &self.observed {
            Some(observed) if self.is_leading() && observed.is_valid(now) => {
                let request = self.update(observed, self.renewal(&observed.record));
                self.send(now, Kind::Renew, request)
            }
            _ => self.send(now, Kind::Get, Request::Get),
        }
    }

    fn send(&mut self, now: Instant, kind: Kind, request: Request) -> Step {
        self.calls += 1;
        let timeout = (self.settings.renew_deadline / 2).max(CALL_TIMEOUT_MIN);
        let deadline = match self.role {
            Role::Leading { give_up, .. } | Role::Releasing { give_up } => {
                now.plus(timeout).min(give_up)
            }
            _ => now.plus(timeout),
        };
        let number = self.calls;
        self.open = Some(Open { number, kind, sent: now, deadline });
        self.wrote |= kind == Kind::Write;
        Step::Send(Call { number, request, deadline })
    }

    fn on_answer(&mut self, now: Instant, open: Open, answer: Answer, random: u64) {
        if let Role::Releasing { .. } = self.role {
            return self.on_release_answer(open.kind, answer);
        }
        match (open.kind, answer) {
            (Kind::Get, Answer::Found(lease)) => {
                self.observe(now, lease);
                self.on_seen(now, random);
            }
            (Kind::Get, Answer::Missing) => self.on_missing(now, random),
            (Kind::Write | Kind::Renew, Answer::Found(lease)) => {
                self.observe(now, lease);
                self.on_written(now, open.sent);
            }
            // The lease is not as we wrote it last, or nobody knows: look at it.
            (Kind::Renew, _) => self.follow_up = Some((Kind::Get, Request::Get)),
            _ => self.try_later(now, random),
        }
    }

    /// What a Get showed decides who may write.
    fn on_seen(&mut self, now: Instant, random: u64) {
        let Some(observed) = &self.observed else { return };
        let ours = observed.record.is_held_by(&self.settings.identity);
        if self.is_leading() && !ours {
            self.role = Role::Lost;
            return;
        }
        let held = !observed.record.holder.is_empty() && observed.is_valid(self.started);
        if held && !ours {
            return self.try_later(now, random);
        }
        let draft = if ours {
            self.renewal(&observed.record)
        } else {
            self.acquisition(Some(&observed.record))
        };
        self.follow_up = Some((Kind::Write, self.update(observed, draft)));
    }

    /// There is no lease. Whoever held it may still believe in it.
    fn on_missing(&mut self, now: Instant, random: u64) {
        let observed = self.observed.as_ref();
        let record = observed.map(|observed| &observed.record);
        let draft = match (self.role, record) {
            (Role::Leading { .. }, Some(record)) => {
                Draft { acquire_time: None, ..self.renewal(record) }
            }
            _ => self.acquisition(record),
        };
        let held = observed.is_some_and(|observed| {
            let ours = observed.record.is_held_by(&self.settings.identity);
            !observed.record.holder.is_empty() && !ours && observed.is_valid(self.started)
        });
        if held {
            return self.try_later(now, random);
        }
        self.follow_up = Some((Kind::Write, Request::Create(draft)));
    }

    /// The lease is ours, counted from when the request was sent.
    fn on_written(&mut self, now: Instant, sent: Instant) {
        self.due = now.plus(self.settings.retry_period);
        let give_up = self.due.plus(self.settings.renew_deadline);
        self.role = Role::Leading { renewed: sent, give_up };
    }

    /// The release is a Get, and an Update of what it shows if that is still ours.
    fn on_release_answer(&mut self, kind: Kind, answer: Answer) {
        let over = |released| Role::Ended { released };
        match (kind, answer) {
            (Kind::Get, Answer::Found(lease)) => {
                if !lease.record.is_held_by(&self.settings.identity) {
                    self.role = over(false);
                    return;
                }
                let draft = Draft {
                    holder: Str::default(),
                    duration_seconds: RELEASED_SECONDS,
                    transitions: lease.record.transitions,
                    acquire_time: None,
                };
                let resource_version = lease.resource_version;
                self.follow_up = Some((Kind::Release, Request::Update { resource_version, draft }));
            }
            (Kind::Get, _) => self.role = over(false),
            (Kind::Release, Answer::Found(_)) => self.role = over(true),
            (Kind::Release, Answer::Missing | Answer::Failed) => self.role = over(false),
            // A renewal was still on its way when we were asked to end.
            (Kind::Release, Answer::Conflict) | (Kind::Write | Kind::Renew, _) => {
                self.follow_up = Some((Kind::Get, Request::Get));
            }
        }
    }

    fn try_later(&mut self, now: Instant, random: u64) {
        let period = self.settings.retry_period;
        if self.is_leading() {
            self.due = self.started.plus(period).max(now);
            return;
        }
        let percent = u32::try_from(random % u64::from(JITTER_PERCENT_MAX + 1)).unwrap_or(0);
        self.due = now.plus(period + period * percent / 100);
        // The lease may be free before that.
        if let Some(expiry) = self.observed.as_ref().map(Observed::expiry)
            && expiry > now
        {
            self.due = self.due.min(expiry);
        }
    }

    fn observe(&mut self, now: Instant, lease: Lease) {
        let since = match &self.observed {
            Some(observed) if observed.record == lease.record => observed.since,
            _ => now,
        };
        let Lease { resource_version, record } = lease;
        self.observed = Some(Observed { resource_version, record, since });
    }

    fn update(&self, observed: &Observed, draft: Draft) -> Request {
        Request::Update { resource_version: observed.resource_version.clone(), draft }
    }

    /// The same holder as before.
    fn renewal(&self, record: &Record) -> Draft {
        Draft { acquire_time: Some(record.acquire_time.clone()), ..self.draft(record.transitions) }
    }

    /// A new holder.
    fn acquisition(&self, record: Option<&Record>) -> Draft {
        self.draft(record.map_or(0, |record| record.transitions.saturating_add(1)))
    }

    /// A lease says whole seconds. Rounded up they are never less than what others wait for us.
    fn draft(&self, transitions: i32) -> Draft {
        let duration = self.settings.lease_duration;
        let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
        Draft {
            holder: self.settings.identity.clone(),
            duration_seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
            transitions,
            acquire_time: None,
        }
    }

    fn is_leading(&self) -> bool {
        matches!(self.role, Role::Leading { .. })
    }
}

impl Observed {
    fn expiry(&self) -> Instant {
        self.since.plus(self.record.duration())
    }

    fn is_valid(&self, now: Instant) -> bool {
        self.expiry() > now
    }
}
