//! One kind's list and watch: which request comes next, and what its answers mean.

use std::time::Duration;

use super::audit::Reached;
use super::backoff::{Backoff, DELAY_MAX, UNREACHABLE_DELAY_MAX};
use super::ledger::{Ledger, is_newer};
use super::{Batch, Change, Failure};
use crate::api::Object;
use crate::model::{Instant, PodKey, Str};
use crate::planted::{Bug, planted};

/// Objects per page of a list, as client-go's.
pub const PAGE_LIMIT: u32 = 500;
/// A watch that says nothing for so long is opened again. The API server sends a bookmark about
/// every minute, so a silent one is broken.
pub const SILENCE_MAX: Duration = Duration::from_secs(90);
/// After so long without an event or a bookmark everything is listed again.
pub const RELIST_AFTER: Duration = Duration::from_secs(180);
/// A watch that ends sooner than this counts as a failure, so that it is not reopened in a loop.
const WATCH_LIFE_MIN: Duration = Duration::from_secs(1);
/// How long the API server keeps a watch open, before up to [`WATCH_TIMEOUT_JITTER_SECONDS`] more.
const WATCH_TIMEOUT_SECONDS: u32 = 200;
const WATCH_TIMEOUT_JITTER_SECONDS: u64 = 90;
/// A `Retry-After` beyond this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long a watch is given to reach a version by itself before everything is listed again. Busy
/// kinds reach it with their next event; the API server would tell an idle one within a minute.
const REACH_WAIT: Duration = Duration::from_millis(250);
/// How soon a kind that the API server does not know is looked for again: well before its absence
/// would count as stale.
const ABSENT_RETRY: Duration = Duration::from_secs(30);
/// After so many streaming lists in a row that broke off, one list is asked for in pages.
const BROKEN_STREAMS_MAX: u32 = 3;

/// What to ask of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// GET a page of a consistent list: resourceVersion unset.
    List { limit: Option<u32>, continue_token: Option<Str> },
    /// A watch with sendInitialEvents and resourceVersionMatch=NotOlderThan, resourceVersion unset:
    /// a consistent list, a bookmark at its end, and then the watch.
    StreamingList { timeout_seconds: u32 },
    /// A watch with bookmarks.
    Watch { resource_version: Str, timeout_seconds: u32 },
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drop what is open, and send this.
    Send(Request),
    /// Ask again then.
    Wait(Instant),
    /// Read from the open stream, and ask again then at the latest.
    Listen(Instant),
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Objects of the page that could not be decoded. They are not taken for deleted.
    pub unreadable: Vec<PodKey>,
    pub resource_version: Str,
    /// Empty on the last page.
    pub continue_token: Str,
}

/// One line of a watch.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent<T> {
    /// ADDED or MODIFIED.
    Upsert(T),
    Deleted(T),
    Bookmark {
        resource_version: Str,
        /// It ends the list part of a streaming list.
        ends_list: bool,
    },
    Error(Failure),
}

/// The list/watch protocol for one kind.
///
/// ```text
///           ┌───────────── expired, or silent for RELIST_AFTER ──────────────┐
///           ▼                                                                │
///  ┌──── Due(at) ◀── failed ── Paging ── last page ──▶ Resume(at) ──▶ Watching
///  │        ▲  └──── refused the other way ──▲            ▲              │ ▲
///  │        └ failed ┐                                    └ ended, failed┘ │
///  └──────────▶ Streaming ───────────── end of the list ───────────────────┘
/// ```
#[derive(Debug)]
pub struct Watch<T> {
    phase: Phase,
    ledger: Ledger,
    changes: Batch<T>,
    /// Where the next watch starts: the version of the newest list, event or bookmark.
    version: Str,
    backoff: Backoff,
    /// The API server refuses streaming lists.
    pages_only: bool,
    /// A list in pages outlived its versions, so the next one asks for everything at once.
    whole: bool,
    /// Streaming lists in a row that broke off.
    broken_streams: u32,
    /// Lists that were completed.
    lists: u64,
    /// When the picture was last known to be current.
    heard: Option<Instant>,
    goal: Option<Goal>,
    /// The API server need not know the kind. While it does not, there are no objects of it.
    optional: bool,
    absent: bool,
}

/// What the picture has to reach.
#[derive(Debug)]
struct Goal {
    /// None if nothing less than a new list will do.
    version: Option<Str>,
    /// From then on it is listed again.
    by: Instant,
    /// A list has begun since the goal was set, which reaches it.
    listing: bool,
}

#[derive(Debug)]
enum Phase {
    /// A list is due.
    Due { at: Instant },
    /// A page has been asked for, or is the next thing to ask for.
    Paging { token: Option<Str> },
    /// A streaming list is open, its end not yet seen.
    Streaming { active: Instant, begun: bool },
    /// A watch is due.
    Resume { at: Instant },
    /// A watch is open.
    Watching { opened: Instant, active: Instant },
}

impl<T: Object> Watch<T> {
    /// Starts with a list at once.
    pub fn new() -> Self {
        Self {
            phase: Phase::Due { at: Instant(0) },
            ledger: Ledger::default(),
            changes: Batch::new(),
            version: Str::default(),
            backoff: Backoff::default(),
            pages_only: false,
            whole: false,
            broken_streams: 0,
            lists: 0,
            heard: None,
            goal: None,
            optional: false,
            absent: false,
        }
    }

    /// The same for a kind that the API server may not know, such as one of a
    /// CustomResourceDefinition.
    pub fn optional() -> Self {
        Self { optional: true, ..Self::new() }
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant, random: u64) -> Step {
        match &mut self.phase {
            Phase::Due { at } | Phase::Resume { at } if now < *at => Step::Wait(*at),
            Phase::Due { .. } => self.list(now, random),
            Phase::Resume { .. } => self.watch(now, random),
            Phase::Paging { token } => Step::Send(Request::List {
                limit: (!self.whole).then_some(PAGE_LIMIT),
                continue_token: token.clone(),
            }),
            Phase::Streaming { active, .. } => {
                let deadline = active.plus(SILENCE_MAX);
                if now < deadline {
                    return Step::Listen(deadline);
                }
                self.failed(now, &Failure::unreachable(), random);
                self.next(now, random)
            }
            Phase::Watching { active, .. } => {
                let silence = active.plus(SILENCE_MAX);
                let goal = self.goal.as_ref().map(|goal| goal.by);
                let deadline = goal.map_or(silence, |by| by.min(silence));
                if now < deadline {
                    return Step::Listen(deadline);
                }
                if goal.is_some_and(|by| by <= now) || self.is_stale(now, RELIST_AFTER) {
                    self.list(now, random)
                } else {
                    self.watch(now, random)
                }
            }
        }
    }

    /// A page arrived.
    pub fn page(&mut self, now: Instant, page: Page<T>) {
        if !matches!(self.phase, Phase::Paging { .. }) {
            return;
        }
        for object in page.items {
            self.ledger.upsert(object, &mut self.changes);
        }
        for key in &page.unreadable {
            self.ledger.keep(key);
        }
        if page.continue_token.is_empty() || planted(Bug::FirstPageIsAll) {
            self.listed(now, page.resource_version);
            self.phase = Phase::Resume { at: now };
        } else {
            self.phase = Phase::Paging { token: Some(page.continue_token) };
        }
    }

    /// A line of the stream arrived.
    pub fn event(&mut self, now: Instant, event: StreamEvent<T>, random: u64) {
        let in_list = match &mut self.phase {
            Phase::Streaming { active, begun } => {
                *active = now;
                *begun = true;
                true
            }
            Phase::Watching { active, .. } => {
                *active = now;
                false
            }
            _ => return,
        };
        match event {
            StreamEvent::Error(failure) => return self.failed(now, &failure, random),
            StreamEvent::Bookmark { resource_version, ends_list } => {
                if in_list && ends_list {
                    self.listed(now, resource_version);
                    self.phase = Phase::Watching { opened: now, active: now };
                } else if planted(Bug::IgnoreBookmark) {
                    return;
                } else if !in_list && is_newer(&resource_version, &self.version) {
                    self.version = resource_version;
                }
            }
            StreamEvent::Upsert(object) if in_list => {
                self.ledger.upsert(object, &mut self.changes);
            }
            StreamEvent::Upsert(object) => self.upserted(object),
            StreamEvent::Deleted(object) => self.deleted(&object, in_list),
        }
        if matches!(self.phase, Phase::Watching { .. }) {
            self.heard = Some(now);
            self.note_progress(false);
        }
    }

    /// A line of the stream arrived that could not be decoded.
    pub fn unreadable(&mut self, now: Instant) {
        if let Phase::Streaming { active, .. } | Phase::Watching { active, .. } = &mut self.phase {
            *active = now;
        }
    }

    /// The stream ended without an error.
    pub fn ended(&mut self, now: Instant, random: u64) {
        match self.phase {
            Phase::Watching { opened, .. } if now.since(opened) >= WATCH_LIFE_MIN => {
                self.phase = Phase::Resume { at: now };
            }
            _ => self.failed(now, &Failure::unreachable(), random),
        }
    }

    /// The request was refused, or the connection broke.
    pub fn failed(&mut self, now: Instant, failure: &Failure, random: u64) {
        if self.optional && failure.is_not_found() {
            return self.not_known(now);
        }
        let relist = match &self.phase {
            Phase::Due { .. } => true,
            Phase::Paging { .. } => {
                self.whole |= failure.is_expired();
                true
            }
            Phase::Streaming { .. } if failure.is_invalid() => {
                self.pages_only = true;
                self.phase = Phase::Due { at: now };
                return;
            }
            Phase::Streaming { begun, .. } => {
                if *begun || failure.code >= 500 {
                    self.broken_streams = self.broken_streams.saturating_add(1);
                }
                true
            }
            Phase::Resume { .. } | Phase::Watching { .. } => {
                let expired = failure.is_expired() && !planted(Bug::ResumeExpired);
                expired || failure.is_invalid() || self.is_stale(now, RELIST_AFTER)
            }
        };
        let at = now.plus(self.delay(now, failure, random));
        self.phase = if relist { Phase::Due { at } } else { Phase::Resume { at } };
    }

    /// The changes since the last call, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change<T>> {
        self.changes.take()
    }

    /// How many changes wait to be taken.
    pub fn pending(&self) -> usize {
        self.changes.len()
    }

    /// Whether everything has been listed once.
    pub fn is_synced(&self) -> bool {
        self.lists > 0 || self.absent
    }

    /// Whether the API server does not know the kind.
    pub fn is_absent(&self) -> bool {
        self.absent
    }

    /// Up to where everything is among the changes; none before the first list.
    pub fn reached(&self) -> Option<Reached<'_>> {
        self.is_synced().then_some(Reached { version: &self.version, lists: self.lists })
    }

    /// Sets a goal: a picture that is at least as new as this version, which a consistent read gave
    /// just now; or, where it gave none, one that is listed from now on.
    pub fn reach(&mut self, now: Instant, version: Option<Str>) {
        let by = if version.is_some() { now.plus(REACH_WAIT) } else { now };
        self.goal = Some(Goal { version, by, listing: false });
        if self.absent {
            // It may be known by now.
            self.phase = Phase::Due { at: now };
        }
        self.note_progress(false);
    }

    /// Whether the last goal was reached.
    pub fn has_reached(&self) -> bool {
        self.goal.is_none()
    }

    /// How many lists have been completed.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// When the picture was last known to be current: the last event, bookmark or finished list.
    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    fn list(&mut self, now: Instant, random: u64) -> Step {
        self.ledger.begin_listing();
        if let Some(goal) = &mut self.goal {
            goal.listing = true;
        }
        if self.pages_only || self.whole || self.broken_streams >= BROKEN_STREAMS_MAX {
            self.phase = Phase::Paging { token: None };
            return self.next(now, random);
        }
        self.phase = Phase::Streaming { active: now, begun: false };
        Step::Send(Request::StreamingList { timeout_seconds: watch_timeout(random) })
    }

    fn watch(&mut self, now: Instant, random: u64) -> Step {
        self.phase = Phase::Watching { opened: now, active: now };
        Step::Send(Request::Watch {
            resource_version: self.version.clone(),
            timeout_seconds: watch_timeout(random),
        })
    }

    /// The API server does not know the kind: all that was shown of it is gone.
    fn not_known(&mut self, now: Instant) {
        let lists = self.lists;
        self.ledger.begin_listing();
        self.listed(now, Str::default());
        self.lists = lists;
        self.absent = true;
        // What is still to be reached needs the answer to a question that was asked after it.
        let pause = if self.goal.is_some() { Duration::ZERO } else { ABSENT_RETRY };
        self.phase = Phase::Due { at: now.plus(pause) };
    }

    /// The list is complete: what it did not show is gone.
    fn listed(&mut self, now: Instant, resource_version: Str) {
        self.absent = false;
        self.ledger.end_listing(&mut self.changes);
        self.version = resource_version;
        self.whole = false;
        self.broken_streams = 0;
        self.lists += 1;
        self.heard = Some(now);
        self.note_progress(true);
        // The list had begun before; the watch that follows has not had its chance yet.
        if let Some(goal) = self.goal.as_mut().filter(|goal| goal.version.is_some()) {
            goal.by = now.plus(REACH_WAIT);
        }
    }

    /// The picture has become newer, perhaps new enough.
    fn note_progress(&mut self, listed: bool) {
        let reached = |goal: &Goal| {
            let version = goal.version.as_ref();
            let shown = version.is_some_and(|version| !is_newer(version, &self.version));
            (listed && goal.listing) || (self.is_synced() && shown)
        };
        if self.goal.as_ref().is_some_and(reached) {
            self.goal = None;
        }
    }

    /// An open watch shows each version once and in order, so an old one is a repetition.
    fn upserted(&mut self, object: T) {
        let version = object.meta().resource_version.clone();
        if !is_newer(&version, &self.version) {
            return;
        }
        self.version = version;
        self.ledger.upsert(object, &mut self.changes);
    }

    fn deleted(&mut self, object: &T, in_list: bool) {
        let meta = object.meta();
        if !in_list {
            if !is_newer(&meta.resource_version, &self.version) {
                return;
            }
            self.version = meta.resource_version.clone();
        }
        if planted(Bug::DropDelete) {
            return;
        }
        self.ledger.delete(object, &mut self.changes);
    }

    fn is_stale(&self, now: Instant, longest: Duration) -> bool {
        self.heard.is_none_or(|heard| now.since(heard) >= longest)
    }

    fn delay(&mut self, now: Instant, failure: &Failure, random: u64) -> Duration {
        let longest = match failure.code {
            0 => UNREACHABLE_DELAY_MAX,
            _ => DELAY_MAX,
        };
        let asked = failure.retry_after.unwrap_or_default();
        self.backoff.delay(now, random, longest).max(asked.min(RETRY_AFTER_MAX))
    }
}

impl<T: Object> Default for Watch<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Watches of one process end at different times.
fn watch_timeout(random: u64) -> u32 {
    let jitter = (random >> 10) % WATCH_TIMEOUT_JITTER_SECONDS;
    WATCH_TIMEOUT_SECONDS + u32::try_from(jitter).unwrap_or(0)
}
