//! The lease: what the API server makes of a candidate's calls, and how they travel.

use std::time::Duration;

use super::fault::Fault;
use super::world::{Happening, Who, World};
use crate::lease::{Answer, Call, Draft, Lease, Record, Request, Settings};
use crate::model::{Instant, Str};

/// The times that the daemon has by default.
const LEASE_DURATION: Duration = Duration::from_secs(15);
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// The lease as the API server has it.
#[derive(Debug, Default)]
pub struct LeaseObject {
    version: u64,
    record: Option<Record>,
}

/// Who stands for election.
pub fn candidacy(who: Who) -> Settings {
    Settings {
        identity: format!("process-{}.{}", who.seat, who.incarnation).into(),
        lease_duration: LEASE_DURATION,
        renew_deadline: RENEW_DEADLINE,
        retry_period: RETRY_PERIOD,
    }
}

impl LeaseObject {
    /// Carries out a call.
    pub fn call(&mut self, request: &Request, now: Instant) -> Answer {
        match request {
            Request::Get => self.found().unwrap_or(Answer::Missing),
            Request::Create(_) if self.record.is_some() => Answer::Conflict,
            Request::Create(draft) => self.write(draft, now),
            Request::Update { resource_version, draft } => {
                // A lease that is gone is made by its update, whatever version that names.
                let gone = self.record.is_none();
                if gone || **resource_version == *self.version.to_string() {
                    self.write(draft, now)
                } else {
                    Answer::Conflict
                }
            }
        }
    }

    fn found(&self) -> Option<Answer> {
        let record = self.record.clone()?;
        Some(Answer::Found(Lease { resource_version: self.version.to_string().into(), record }))
    }

    fn write(&mut self, draft: &Draft, now: Instant) -> Answer {
        self.version += 1;
        let time: Str = now.0.to_string().into();
        self.record = Some(Record {
            holder: draft.holder.clone(),
            duration_seconds: draft.duration_seconds,
            transitions: draft.transitions,
            acquire_time: draft.acquire_time.clone().unwrap_or_else(|| time.clone()),
            renew_time: time,
        });
        self.found().unwrap_or(Answer::Missing)
    }
}

impl World<'_> {
    /// A candidate sends a call.
    pub(super) fn stand(&mut self, who: Who, call: Call) {
        if self.strikes(Fault::LostRequest) {
            return self.inject(Fault::LostRequest, || format!("lease: {:?}", call.request));
        }
        let at = self.arrival();
        self.push(at, Happening::Stand(who, Box::new(call)));
    }

    /// A call about the lease reaches the API server.
    pub(super) fn stood(&mut self, who: Who, call: &Call) {
        let fails = self.strikes(Fault::Unavailable);
        let answer = if fails {
            self.inject(Fault::Unavailable, || format!("lease: {:?}", call.request));
            Answer::Failed
        } else {
            self.lease.call(&call.request, self.now)
        };
        self.tell(|| format!("process {} about the lease: {:?}", who.seat, call.request));
        if self.strikes(Fault::LostReply) {
            return self.inject(Fault::LostReply, || "lease".to_owned());
        }
        let at = self.arrival();
        self.push(at, Happening::Elect(who, call.number, Box::new(answer)));
    }

    /// An answer about the lease reaches its candidate.
    pub(super) fn elected(&mut self, who: Who, number: u64, answer: Answer) {
        let now = self.now;
        let Some(process) = self.process(who) else { return };
        let own = process.clock.read(now);
        process.elected(own, number, answer.clone());
        self.checker.elected(who.seat, number, &answer);
        self.turn_by(who.seat, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_is_written_at_one_version_only() {
        let mut lease = LeaseObject::default();
        let draft = |holder: &str| Draft {
            holder: holder.into(),
            duration_seconds: 15,
            transitions: 0,
            acquire_time: None,
        };
        let update =
            |version: &str| Request::Update { resource_version: version.into(), draft: draft("b") };
        let now = Instant(7);
        assert_eq!(lease.call(&Request::Get, now), Answer::Missing);
        let made = LeaseObject::default().call(&update("1"), now);
        assert!(matches!(made, Answer::Found(lease) if &*lease.record.holder == "b"));
        let created = lease.call(&Request::Create(draft("a")), now);
        assert!(matches!(created, Answer::Found(lease) if &*lease.record.holder == "a"));
        assert_eq!(lease.call(&Request::Create(draft("b")), now), Answer::Conflict);
        assert_eq!(lease.call(&update("7"), now), Answer::Conflict);
        let updated = lease.call(&update("1"), now);
        assert!(matches!(updated, Answer::Found(lease) if &*lease.resource_version == "2"));
    }
}
