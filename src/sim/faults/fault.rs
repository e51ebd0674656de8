//! The faults: what can go wrong between a scheduler and its cluster.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Fault {
    LostReply,
    LostRequest,
    LateLanding,
    Duplicate,
    Conflict,
    Gone,
    Throttled,
    ServerError,
    Unavailable,
    CorruptAnswer,
    WatchDrop,
    ExpiredEvent,
    ExpiredStart,
    Compaction,
    SkippedEvents,
    StaleReplica,
    ReorderedKinds,
    Silence,
    Crash,
    Pause,
    Clock,
    Rival,
    NodeFlap,
    PodChurn,
}

/// Every fault with its name and what it does, in the order of F1 to F24.
pub const FAULTS: [(Fault, &str, &str); 24] = [
    (Fault::LostReply, "lost_reply", "a call is carried out and its answer is lost"),
    (Fault::LostRequest, "lost_request", "a call, a list or a watch never arrives"),
    (Fault::LateLanding, "late_landing", "a call arrives up to a minute late"),
    (Fault::Duplicate, "duplicate", "a call arrives twice"),
    (Fault::Conflict, "conflict", "just before a call somebody changes, deletes or binds its pod"),
    (Fault::Gone, "gone", "just before a call somebody removes its pod"),
    (Fault::Throttled, "throttled", "429, with a Retry-After of none, 0, 1, 3600 or nonsense"),
    (Fault::ServerError, "server_error", "500, carried out or not"),
    (Fault::Unavailable, "unavailable", "503, or 504 carried out or not"),
    (Fault::CorruptAnswer, "corrupt_answer", "an answer or the last line of a watch is cut short"),
    (Fault::WatchDrop, "watch_drop", "a watch ends or breaks, or an API server restarts"),
    (Fault::ExpiredEvent, "expired_event", "410 as an event of a watch"),
    (Fault::ExpiredStart, "expired_start", "410 as the HTTP status of a watch"),
    (Fault::Compaction, "compaction", "the version of a list is compacted between two pages"),
    (Fault::SkippedEvents, "skipped_events", "a watch breaks and what happens then is not kept"),
    (Fault::StaleReplica, "stale_replica", "an API server shows an old state for up to 100 s"),
    (Fault::ReorderedKinds, "reordered_kinds", "one kind is shown seconds later than the other"),
    (Fault::Silence, "silence", "a watch stays open and shows nothing, not even bookmarks"),
    (Fault::Crash, "crash", "the scheduler dies after any effect and starts from nothing"),
    (Fault::Pause, "pause", "the scheduler stands still for up to two minutes"),
    (Fault::Clock, "clock", "the scheduler's clock starts elsewhere, runs at 0.5 to 2, or jumps"),
    (Fault::Rival, "rival", "another scheduler binds its pods to the same nodes"),
    (Fault::NodeFlap, "node_flap", "a node shrinks, is relabelled, tainted, deleted or made anew"),
    (Fault::PodChurn, "pod_churn", "a pod is made anew, relabelled, or loses its gate"),
];

/// Some of the faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSet(u32);

/// How often each fault happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected([u64; FAULTS.len()]);

/// A name that no fault has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fault; faults are all, none, F1 to F24, and {names}", names = names())]
pub struct UnknownFault(String);

impl Fault {
    pub fn name(self) -> &'static str {
        FAULTS[self as usize].1
    }
}

impl FaultSet {
    pub const NONE: Self = Self(0);

    pub fn all() -> Self {
        FAULTS.iter().fold(Self::NONE, |set, (fault, _, _)| set.with(*fault))
    }

    pub fn contains(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }

    pub fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u8)
    }

    pub fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u8))
    }

    pub fn iter(self) -> impl Iterator<Item = Fault> {
        FAULTS.into_iter().map(|(fault, _, _)| fault).filter(move |fault| self.contains(*fault))
    }
}

impl FromStr for FaultSet {
    type Err = UnknownFault;

    /// Reads `all`, `none`, or names and numbers with commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let mut set = Self::NONE;
        if text == "none" {
            return Ok(set);
        }
        for name in text.split(',').map(str::trim) {
            if name == "all" {
                return Ok(Self::all());
            }
            let number = name.strip_prefix(['F', 'f']).and_then(|n| n.parse::<usize>().ok());
            let mut faults = FAULTS.iter().enumerate();
            let found = faults.find(|(at, (_, own, _))| *own == name || number == Some(at + 1));
            let (_, (fault, _, _)) = found.ok_or_else(|| UnknownFault(name.to_owned()))?;
            set = set.with(*fault);
        }
        Ok(set)
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all");
        }
        if *self == Self::NONE {
            return f.write_str("none");
        }
        let names: Vec<&str> = self.iter().map(Fault::name).collect();
        f.write_str(&names.join(","))
    }
}

impl Injected {
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAULTS.iter().zip(self.0).map(|((_, name, _), count)| (*name, count))
    }
}

impl Serialize for Injected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn names() -> String {
    let names: Vec<&str> = FAULTS.iter().map(|(_, name, _)| *name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_faults() {
        for (position, (fault, name, _)) in FAULTS.iter().enumerate() {
            assert_eq!(*fault as usize, position, "{name}");
        }
    }

    #[test]
    fn lists_of_faults_are_read() {
        let check = |text: &str, expected: Option<&[Fault]>| {
            let read: Result<FaultSet, _> = text.parse();
            let read = read.ok().map(|set| set.iter().collect::<Vec<_>>());
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("lost_reply", Some(&[Fault::LostReply]));
        check("crash, F2", Some(&[Fault::LostRequest, Fault::Crash]));
        check("F24", Some(&[Fault::PodChurn]));
        check("F25", None);
        check("F0", None);
        check("", None);
        assert_eq!("all".parse(), Ok(FaultSet::all()));
        assert_eq!("none".parse(), Ok(FaultSet::NONE));
        assert_eq!(FaultSet::NONE.to_string(), "none");
        assert_eq!(FaultSet::all().to_string(), "all");
        assert_eq!(FaultSet::all().without(Fault::Crash).iter().count(), 23);
        assert_eq!(FaultSet::NONE.with(Fault::Gone).with(Fault::Clock).to_string(), "gone,clock");
    }
}
