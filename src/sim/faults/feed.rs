//! One kind's watch in a simulated process: drives the protocol as the daemon's feed does.

use std::time::Duration;

use super::dice::Dice;
use super::history::{Kind, Object};
use super::replica::Line;
use crate::api;
use crate::model::{Instant, Str};
use crate::scheduler::{Audit, Change, Event};
use crate::watch::{AuditStep, Auditor, Failure, Page, Request, Step, StreamEvent, Watch};

/// How long a page of a list may take, and how long the API server may take to open a watch.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// How often the cache is compared with a list: often enough to meet every fault.
const AUDIT_EVERY: Duration = Duration::from_secs(50);

/// How long the API server may take to say which version is the newest, as the daemon's.
const NEWEST_DEADLINE: Duration = Duration::from_secs(2);

/// A kind that a feed can read.
pub trait Watched: api::Object + Clone + 'static {
    const FEED: Kind;

    fn of(object: &Object) -> Option<&Self>;

    fn event(change: Change<Self>) -> Event;

    fn audit(audit: Audit<Self>) -> Event;
}

/// What a feed asks of the API server. Answers carry the ticket back.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub kind: Kind,
    pub ticket: u64,
    pub request: Request,
    pub purpose: Purpose,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It carries the feed on.
    Feed,
    /// Only the version of the answer is of interest, and the feed goes on meanwhile.
    Newest,
    /// The cache is compared with the answer, and the feed goes on meanwhile.
    Audit,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Refused(Failure),
    Page(Listed),
    Opened,
    Line(Line),
    /// The newest version there is.
    Newest(u64),
    /// A page of the list for an audit; none if it was refused.
    Audited(Option<Listed>),
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub objects: Vec<Object>,
    pub revision: u64,
    /// Empty on the last page.
    pub token: Str,
}

/// Changes of one kind, oldest first.
#[derive(Debug)]
pub struct Delivery {
    pub kind: Kind,
    pub events: Vec<Event>,
    /// With these changes the kind has been listed once.
    pub synced: bool,
    /// With these changes the kind is as new as it was when this process began to lead.
    pub confirmed: bool,
}

/// The watch of one kind.
#[derive(Debug)]
pub struct Feed<T> {
    watch: Watch<T>,
    connection: Connection,
    /// Counts the requests; what comes for an older one is not read any more.
    ticket: u64,
    told_synced: bool,
    /// This process leads, and the newest version is or was asked for, until then at most.
    leads: Option<Instant>,
    /// The newest version is not known yet.
    wonders: bool,
    told_confirmed: bool,
    auditor: Auditor,
    /// Counts the requests for audits.
    audit_ticket: u64,
    /// The request for an audit whose answer is awaited, until then.
    audit_asked: Option<(u64, Instant)>,
    /// An audit begins with the next delivery.
    audit_begins: bool,
    audits: Vec<Audit<T>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Closed,
    /// A request waits for its answer until then.
    Asking(Instant),
    Open,
}

impl<T: Watched> Feed<T> {
    pub fn new() -> Self {
        Self {
            watch: Watch::new(),
            connection: Connection::Closed,
            ticket: 0,
            told_synced: false,
            leads: None,
            wonders: false,
            told_confirmed: false,
            auditor: Auditor::new(Some(AUDIT_EVERY)),
            audit_ticket: 0,
            audit_asked: None,
            audit_begins: false,
            audits: Vec::new(),
        }
    }

    /// This process leads: what its predecessor wrote last must be in the picture before anything
    /// is decided on it.
    pub fn lead(&mut self, now: Instant, asks: &mut Vec<Ask>) {
        if self.leads.is_some() {
            return;
        }
        self.leads = Some(now.plus(NEWEST_DEADLINE));
        self.wonders = true;
        let request = Request::List { limit: Some(1), continue_token: None };
        asks.push(Ask { kind: T::FEED, ticket: 0, request, purpose: Purpose::Newest });
    }

    /// Does what the protocol wants done now; returns when to call again at the latest.
    pub fn drive(&mut self, now: Instant, dice: &mut Dice, asks: &mut Vec<Ask>) -> Instant {
        let mut by = self.drive_audit(now, asks);
        if let Some(deadline) = self.leads.filter(|_| self.wonders) {
            if now < deadline {
                by = by.min(deadline);
            } else {
                self.wonders = false;
                self.watch.reach(now, None);
            }
        }
        by.min(self.drive_watch(now, dice, asks))
    }

    fn drive_audit(&mut self, now: Instant, asks: &mut Vec<Ask>) -> Instant {
        if self.audit_asked.is_some_and(|(_, deadline)| deadline <= now) {
            self.audit_asked = None;
            self.auditor.failed(now);
        }
        loop {
            match self.auditor.next(now, self.watch.reached()) {
                AuditStep::Wait(until) => return until,
                AuditStep::Hold => {
                    let deadline = self.audit_asked.map(|(_, deadline)| deadline);
                    return deadline.unwrap_or(Instant(u64::MAX));
                }
                AuditStep::Begin => {
                    self.audits.clear();
                    self.audit_asked = None;
                    self.audit_begins = true;
                }
                AuditStep::List(request) => {
                    self.audit_ticket += 1;
                    let (ticket, purpose) = (self.audit_ticket, Purpose::Audit);
                    self.audit_asked = Some((ticket, now.plus(ANSWER_DEADLINE)));
                    asks.push(Ask { kind: T::FEED, ticket, request, purpose });
                }
                AuditStep::End => self.audits.push(Audit::End),
            }
        }
    }

    fn drive_watch(&mut self, now: Instant, dice: &mut Dice, asks: &mut Vec<Ask>) -> Instant {
        if let Connection::Asking(deadline) = self.connection {
            if now < deadline {
                return deadline;
            }
            self.connection = Connection::Closed;
            self.watch.failed(now, &Failure::unreachable(), dice.number());
        }
        match self.watch.next(now, dice.number()) {
            Step::Wait(until) | Step::Listen(until) => until,
            Step::Send(request) => {
                self.ticket += 1;
                let (ticket, purpose) = (self.ticket, Purpose::Feed);
                let deadline = now.plus(ANSWER_DEADLINE);
                self.connection = Connection::Asking(deadline);
                asks.push(Ask { kind: T::FEED, ticket, request, purpose });
                deadline
            }
        }
    }

    /// Reads what has come. Returns whether it belongs to the last request.
    pub fn hear(&mut self, now: Instant, ticket: u64, heard: &Heard, random: u64) -> bool {
        if let Heard::Newest(version) = heard {
            if std::mem::take(&mut self.wonders) {
                self.watch.reach(now, Some(version.to_string().into()));
            }
            return true;
        }
        if let Heard::Audited(page) = heard {
            if self.audit_asked.is_some_and(|(asked, _)| asked == ticket) {
                self.audit_asked = None;
                match page {
                    Some(page) => self.audits.push(self.auditor.page(read_page(page))),
                    None => self.auditor.failed(now),
                }
            }
            return true;
        }
        if ticket != self.ticket || self.connection == Connection::Closed {
            return false;
        }
        match heard {
            Heard::Opened => self.connection = Connection::Open,
            Heard::Refused(failure) => {
                self.connection = Connection::Closed;
                self.watch.failed(now, failure, random);
            }
            Heard::Page(page) => {
                self.connection = Connection::Closed;
                self.watch.page(now, read_page(page));
            }
            Heard::Line(line) => self.hear_line(now, line, random),
            Heard::Newest(_) | Heard::Audited(_) => {}
        }
        true
    }

    /// The changes that wait, if there are any.
    pub fn deliver(&mut self) -> Option<Delivery> {
        let confirmed = self.leads.is_some() && !self.wonders && self.watch.has_reached();
        let same = self.watch.is_synced() == self.told_synced && confirmed == self.told_confirmed;
        let audits = self.audit_begins || !self.audits.is_empty();
        if self.watch.pending() == 0 && same && !audits {
            return None;
        }
        self.told_synced = self.watch.is_synced();
        self.told_confirmed = confirmed;
        // All that has come since an audit was asked for has come while it runs.
        let begin = std::mem::take(&mut self.audit_begins).then_some(Audit::Begin);
        let changes = self.watch.take_changes().into_iter().map(T::event);
        let audits = self.audits.drain(..).map(T::audit);
        let events = begin.map(T::audit).into_iter().chain(changes).chain(audits).collect();
        let synced = self.told_synced;
        Some(Delivery { kind: T::FEED, events, synced, confirmed })
    }

    /// When the picture was last known to be current.
    pub fn last_heard(&self) -> Option<Instant> {
        self.watch.heard()
    }

    fn hear_line(&mut self, now: Instant, line: &Line, random: u64) {
        let event = match line {
            Line::Upsert(object) => T::of(object).cloned().map(StreamEvent::Upsert),
            Line::Deleted(object) => T::of(object).cloned().map(StreamEvent::Deleted),
            Line::Bookmark { revision, ends_list } => Some(StreamEvent::Bookmark {
                resource_version: revision.to_string().into(),
                ends_list: *ends_list,
            }),
            Line::Expired => Some(StreamEvent::Error(Failure::with_code(410, "Expired"))),
            Line::CutShort => {
                self.watch.unreadable(now);
                return;
            }
            Line::End => {
                self.connection = Connection::Closed;
                self.watch.ended(now, random);
                return;
            }
            Line::Break => {
                self.connection = Connection::Closed;
                self.watch.failed(now, &Failure::unreachable(), random);
                return;
            }
        };
        if let Some(event) = event {
            self.watch.event(now, event, random);
        }
    }
}

impl<T: Watched> Default for Feed<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn read_page<T: Watched>(page: &Listed) -> Page<T> {
    Page {
        items: page.objects.iter().filter_map(T::of).cloned().collect(),
        unreadable: Vec::new(),
        resource_version: page.revision.to_string().into(),
        continue_token: page.token.clone(),
    }
}

impl Watched for api::Pod {
    const FEED: Kind = Kind::Pods;

    fn of(object: &Object) -> Option<&Self> {
        match object {
            Object::Pod(pod) => Some(pod),
            Object::Node(_) => None,
        }
    }

    fn event(change: Change<Self>) -> Event {
        Event::Pod(change)
    }

    fn audit(audit: Audit<Self>) -> Event {
        Event::PodAudit(audit)
    }
}

impl Watched for api::Node {
    const FEED: Kind = Kind::Nodes;

    fn of(object: &Object) -> Option<&Self> {
        match object {
            Object::Node(node) => Some(node),
            Object::Pod(_) => None,
        }
    }

    fn event(change: Change<Self>) -> Event {
        Event::Node(change)
    }

    fn audit(audit: Audit<Self>) -> Event {
        Event::NodeAudit(audit)
    }
}
