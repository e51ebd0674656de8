//! Lists and watches at the API servers.

use std::time::Duration;

use super::fault::Fault;
use super::feed::{Ask, Heard, Listed, Purpose};
use super::history::{History, Kind, Object};
use super::replica::Line;
use super::world::{Happening, Who, World};
use crate::model::Instant;
use crate::watch::{Failure, Request};

/// A watch is told about every minute how far the API server has come.
const BOOKMARK_EVERY_MS: (u64, u64) = (50_000, 65_000);
/// So many pages in a thousand find their version compacted.
const COMPACTED_PERMILLE: u64 = 250;
/// How long an API server waits for its watch cache before it gives a consistent list up.
const FRESH_WITHIN: Duration = Duration::from_secs(3);

/// An open watch.
#[derive(Debug)]
pub struct Stream {
    pub who: Who,
    pub kind: Kind,
    pub ticket: u64,
    pub replica: usize,
    /// Everything up to here has been shown.
    pub position: u64,
    /// A streaming list that waits for the watch cache to come so far, and no longer than until.
    waits_for: Option<(u64, Instant)>,
    ends_at: Instant,
    /// Lines do not overtake each other.
    last_arrival: Instant,
    /// Nothing is shown any more, and the connection stays.
    pub silent: bool,
}

impl World<'_> {
    /// A feed sends a request.
    pub(super) fn ask(&mut self, who: Who, ask: Ask) {
        if ask.purpose != Purpose::Feed {
            let at = self.arrival();
            return self.push(at, Happening::Ask(who, ask));
        }
        if let Some(mirror) = self.checker.mirrors.get_mut(&who.seat) {
            mirror.asks(ask.kind, &ask.request);
        }
        self.tell(|| {
            format!("process {} asks for {}: {:?}", who.seat, ask.kind.name(), ask.request)
        });
        // The feed has let go of what it read before.
        self.streams.retain(|_, stream| stream.who != who || stream.kind != ask.kind);
        if self.strikes(Fault::LostRequest) {
            self.inject(Fault::LostRequest, || format!("{:?}", ask.request));
            return;
        }
        let at = self.arrival();
        self.push(at, Happening::Ask(who, ask));
    }

    /// A list or watch reaches one of the API servers.
    pub(super) fn asked(&mut self, who: Who, ask: Ask) {
        if self.process(who).is_none() {
            return;
        }
        let replica = self.dice.network.range(0, self.replicas.len() as u64 - 1) as usize;
        let failure = if self.now < self.replicas[replica].down_until {
            Some(Failure::unreachable())
        } else {
            self.list_fails(&ask)
        };
        if ask.purpose == Purpose::Audit {
            return self.audited(who, &ask, replica, failure.is_some());
        }
        if ask.purpose == Purpose::Newest {
            let cut_off = self.now < self.replicas[replica].cut_off_until;
            if failure.is_none() && !cut_off {
                let newest = Heard::Newest(self.history.revision());
                self.say(who, ask.kind, ask.ticket, newest);
            }
            return;
        }
        if let Some(failure) = failure {
            return self.say(who, ask.kind, ask.ticket, Heard::Refused(failure));
        }
        match &ask.request {
            Request::List { limit, continue_token } => {
                let token = continue_token.clone();
                let heard = self.page(ask.kind, *limit, token, replica);
                self.say(who, ask.kind, ask.ticket, heard);
            }
            Request::StreamingList { .. } if !self.plan.streaming => {
                let failure = Failure::with_code(422, "Invalid");
                self.say(who, ask.kind, ask.ticket, Heard::Refused(failure));
            }
            Request::StreamingList { timeout_seconds } => {
                let fresh = (self.history.revision(), self.now.plus(FRESH_WITHIN));
                self.open(who, &ask, replica, 0, *timeout_seconds, Some(fresh));
            }
            Request::Watch { resource_version, timeout_seconds } => {
                let version = resource_version.parse().unwrap_or(0);
                self.open(who, &ask, replica, version, *timeout_seconds, None);
            }
        }
    }

    /// A list is asked for to compare the cache with.
    fn audited(&mut self, who: Who, ask: &Ask, replica: usize, fails: bool) {
        let Request::List { limit, continue_token } = &ask.request else { return };
        let page = match fails {
            true => None,
            false => match self.page(ask.kind, *limit, continue_token.clone(), replica) {
                Heard::Page(page) => Some(page),
                _ => None,
            },
        };
        self.say(who, ask.kind, ask.ticket, Heard::Audited(page));
    }

    /// What strikes a list or the start of a watch.
    fn list_fails(&mut self, ask: &Ask) -> Option<Failure> {
        let watch = matches!(ask.request, Request::Watch { .. });
        if watch && self.refused_starts > 0 && !self.healed {
            self.refused_starts -= 1;
            self.inject(Fault::ExpiredStart, || ask.kind.name().to_owned());
            return Some(Failure::with_code(410, "Expired"));
        }
        let struck =
            [Fault::Throttled, Fault::ServerError, Fault::Unavailable, Fault::CorruptAnswer]
                .into_iter()
                .find(|fault| self.strikes(*fault))?;
        self.inject(struck, || format!("{:?}", ask.request));
        Some(match struck {
            Fault::Throttled => Failure {
                retry_after: Some(Duration::from_secs(1)),
                ..Failure::with_code(429, "TooManyRequests")
            },
            Fault::ServerError => Failure::with_code(500, "InternalError"),
            Fault::Unavailable => Failure::with_code(503, "ServiceUnavailable"),
            _ => Failure::unreachable(),
        })
    }

    /// A page of a consistent list.
    fn page(
        &mut self,
        kind: Kind,
        limit: Option<u32>,
        token: Option<crate::model::Str>,
        replica: usize,
    ) -> Heard {
        let (revision, mut objects) = match &token {
            Some(token) => {
                let compacts = !self.healed && self.plan.faults.contains(Fault::Compaction);
                if compacts && self.fault_dice(Fault::Compaction).permille(COMPACTED_PERMILLE) {
                    self.inject(Fault::Compaction, || format!("a list of {}", kind.name()));
                    self.lists.clear();
                }
                match self.lists.remove(token) {
                    Some(rest) => rest,
                    None => return Heard::Refused(Failure::with_code(410, "Expired")),
                }
            }
            // An API server that is cut off cannot tell what is new.
            None if self.now < self.replicas[replica].cut_off_until => {
                return Heard::Refused(Failure::with_code(504, "Timeout"));
            }
            None => {
                let revision = self.history.revision();
                (revision, self.history.shown_at(kind, revision))
            }
        };
        let page = limit.map_or(usize::MAX, |limit| self.plan.page.min(limit as usize));
        let mut token = "".into();
        if objects.len() > page {
            let rest = objects.split_off(page);
            self.uids += 1;
            token = format!("{revision}.{}", self.uids).into();
            self.lists.insert(std::sync::Arc::clone(&token), (revision, rest));
        }
        Heard::Page(Listed { objects, revision, token })
    }

    fn open(
        &mut self,
        who: Who,
        ask: &Ask,
        replica: usize,
        position: u64,
        timeout_seconds: u32,
        waits_for: Option<(u64, Instant)>,
    ) {
        let (kind, ticket) = (ask.kind, ask.ticket);
        self.uids += 1;
        let id = self.uids;
        let last_arrival = self.now;
        let ends_at = self.now.plus(Duration::from_secs(timeout_seconds.into()));
        let stream = Stream {
            who,
            kind,
            ticket,
            replica,
            position,
            waits_for,
            ends_at,
            last_arrival,
            silent: false,
        };
        self.streams.insert(id, stream);
        self.show(id, Heard::Opened);
        if waits_for.is_none() && !self.replicas[replica].remembers(position) {
            self.show(id, Heard::Line(Line::Expired));
            self.end(id, Line::End);
            return;
        }
        self.push(ends_at, Happening::Close(id));
        if let Some((_, until)) = waits_for {
            self.push(until, Happening::Close(id));
        }
        self.schedule_bookmark(id);
        self.pump(id);
    }

    /// The watch cache of a replica takes in what was written up to a revision.
    pub(super) fn apply(&mut self, replica: usize, revision: u64) {
        let cut_off_until = self.replicas[replica].cut_off_until;
        if self.now < cut_off_until {
            return self.push(cut_off_until, Happening::Apply(replica, revision));
        }
        let remembered = self.plan.remembered;
        let state = &mut self.replicas[replica];
        if state.applied >= revision {
            return;
        }
        state.applied = revision;
        state.forget(remembered);
        let streams = self.streams.iter().filter(|(_, stream)| stream.replica == replica);
        let streams: Vec<u64> = streams.map(|(id, _)| *id).collect();
        streams.into_iter().for_each(|id| self.pump(id));
    }

    /// Shows what there is to show.
    pub(super) fn pump(&mut self, id: u64) {
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.silent) else {
            return;
        };
        let replica = &self.replicas[stream.replica];
        let applied = replica.applied;
        let lines = match stream.waits_for {
            Some((revision, _)) if applied < revision => return,
            Some(_) => whole_list(&self.history, stream.kind, applied),
            None => replica.lines(&self.history, stream.kind, stream.position),
        };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.waits_for = None;
            stream.position = stream.position.max(applied);
        }
        for line in lines {
            self.show(id, Heard::Line(line));
        }
    }

    pub(super) fn bookmark(&mut self, id: u64) {
        self.pump(id);
        let Some(stream) = self.streams.get(&id) else { return };
        if !stream.silent && stream.waits_for.is_none() {
            let revision = self.replicas[stream.replica].applied;
            self.show(id, Heard::Line(Line::Bookmark { revision, ends_list: false }));
        }
        self.schedule_bookmark(id);
    }

    fn schedule_bookmark(&mut self, id: u64) {
        let wait = self.dice.network.millis(BOOKMARK_EVERY_MS.0, BOOKMARK_EVERY_MS.1);
        self.push(self.now.plus(wait), Happening::Bookmark(id));
    }

    /// The time of a watch is over, or that of a list which waited for a fresh watch cache.
    pub(super) fn close(&mut self, id: u64) {
        let Some(stream) = self.streams.get(&id) else { return };
        match stream.waits_for {
            Some((_, until)) if self.now >= until => {
                let failure = Failure::with_code(504, "Timeout");
                self.show(id, Heard::Refused(failure));
                self.streams.remove(&id);
            }
            Some(_) => {}
            // Nothing gets through, not even the end.
            None if stream.silent => {}
            // The end of a wait is not that of the watch which followed it.
            None if self.now < stream.ends_at => {}
            None => self.end(id, Line::End),
        }
    }

    /// Ends a stream with a last line.
    pub(super) fn end(&mut self, id: u64, line: Line) {
        self.show(id, Heard::Line(line));
        self.streams.remove(&id);
    }

    pub(super) fn show(&mut self, id: u64, heard: Heard) {
        let mut at = self.arrival();
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some((until, late)) = self.late.get(&stream.kind)
            && now < *until
            && !self.healed
        {
            at = at.plus(*late);
        }
        at = at.max(stream.last_arrival);
        stream.last_arrival = at;
        let (who, kind, ticket) = (stream.who, stream.kind, stream.ticket);
        self.push(at, Happening::Hear(who, kind, ticket, heard));
    }

    fn say(&mut self, who: Who, kind: Kind, ticket: u64, heard: Heard) {
        let at = self.arrival();
        self.push(at, Happening::Hear(who, kind, ticket, heard));
    }

    /// Something reaches a feed.
    pub(super) fn hear(&mut self, who: Who, kind: Kind, ticket: u64, heard: &Heard) {
        let now = self.now;
        let Some(process) = self.process(who) else { return };
        let own = process.clock.read(now);
        if !process.hear(own, kind, ticket, heard) {
            return;
        }
        if let Some(mirror) = self.checker.mirrors.get_mut(&who.seat) {
            mirror.hears(own, kind, heard);
        }
        self.turn_by(who.seat, now);
    }
}

/// What a streaming list shows: everything, and a bookmark behind it.
fn whole_list(history: &History, kind: Kind, revision: u64) -> Vec<Line> {
    let objects: Vec<Object> = history.shown_at(kind, revision);
    let end = Line::Bookmark { revision, ends_list: true };
    objects.into_iter().map(Line::Upsert).chain([end]).collect()
}
