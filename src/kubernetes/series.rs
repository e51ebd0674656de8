//! Repeated events: the second time an event happens it becomes a series, which is then brought up
//! to date now and then, as client-go does.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Instant, PodKey, Str};
use crate::scheduler::Note;

/// Series that are remembered.
const SERIES_MAX: usize = 4096;
/// An event that happens again within this time continues its series, as client-go's.
const SERIES_GAP_MAX: Duration = Duration::from_secs(6 * 60);
/// How often a running series is written.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// The events that may happen again.
#[derive(Debug, Default)]
pub(super) struct Series {
    running: FxHashMap<Key, Run>,
    /// The keys by age, so that the oldest can make room.
    order: VecDeque<Key>,
}

/// What makes two events the same: pod, reason and text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: Str,
    reason: Str,
    text: u64,
}

#[derive(Debug)]
struct Run {
    pod: PodKey,
    name: String,
    count: u32,
    last: Timestamp,
    seen: Instant,
    written: Instant,
    written_count: u32,
}

/// What to do about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Write(Update),
    /// It has been counted, and is written later.
    Nothing,
}

/// A series to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) pod: PodKey,
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Series {
    /// An event happened. If it is new, `name` is what it will be called.
    pub(super) fn happened(
        &mut self,
        note: &Note,
        name: &str,
        now: Instant,
        wall: Timestamp,
    ) -> Action {
        // A success happens once.
        if &*note.type_ != "Warning" {
            return Action::Create;
        }
        let key = Key {
            uid: note.uid.clone(),
            reason: note.reason.clone(),
            text: xxh3_64(note.text.as_bytes()),
        };
        if let Some(run) = self.running.get_mut(&key)
            && now.since(run.seen) <= SERIES_GAP_MAX
        {
            run.count = run.count.saturating_add(1);
            run.last = wall;
            run.seen = now;
            return if run.written_count == 1 {
                Action::Write(run.write(now))
            } else {
                Action::Nothing
            };
        }
        self.start(key, note, name, now, wall);
        Action::Create
    }

    /// The series that have grown and were not written for a while. Forgets those that ended.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Update> {
        let mut due = Vec::new();
        for key in &self.order {
            let Some(run) = self.running.get_mut(key) else {
                continue;
            };
            if run.count > run.written_count && now.since(run.written) >= WRITE_EVERY {
                due.push(run.write(now));
            }
        }
        self.running.retain(|_, run| now.since(run.seen) <= SERIES_GAP_MAX);
        let running = &self.running;
        self.order.retain(|key| running.contains_key(key));
        due
    }

    fn start(&mut self, key: Key, note: &Note, name: &str, now: Instant, wall: Timestamp) {
        let run = Run {
            pod: note.pod.clone(),
            name: name.to_owned(),
            count: 1,
            last: wall,
            seen: now,
            written: now,
            written_count: 1,
        };
        if self.running.insert(key.clone(), run).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > SERIES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.running.remove(&oldest);
            }
        }
    }
}

impl Run {
    fn write(&mut self, now: Instant) -> Update {
        self.written = now;
        self.written_count = self.count;
        Update {
            pod: self.pod.clone(),
            name: self.name.clone(),
            count: self.count,
            last: self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(uid: &str, type_: &str, text: &str) -> Note {
        Note {
            pod: PodKey::new("x", uid),
            uid: uid.into(),
            resource_version: "1".into(),
            type_: type_.into(),
            reason: "FailedScheduling".into(),
            action: "Scheduling".into(),
            text: text.into(),
            reporting_controller: "quorate".into(),
        }
    }

    /// The count that is written, 0 for a new event, -1 for nothing.
    fn told(series: &mut Series, note: &Note, second: u64) -> i64 {
        let wall = Timestamp::from_second(i64::try_from(second).unwrap()).unwrap();
        match series.happened(note, "n", at(second), wall) {
            Action::Create => 0,
            Action::Write(update) => {
                assert_eq!((&*update.name, update.last), ("n", wall));
                update.count.into()
            }
            Action::Nothing => -1,
        }
    }

    fn at(second: u64) -> Instant {
        Instant(second * 1_000_000_000)
    }

    #[test]
    fn the_second_time_an_event_becomes_a_series() {
        let mut series = Series::default();
        let failed = note("u1", "Warning", "0/3 nodes");
        assert_eq!(told(&mut series, &failed, 0), 0);
        assert_eq!(told(&mut series, &failed, 10), 2);
        assert_eq!(told(&mut series, &failed, 20), -1);
        assert_eq!(told(&mut series, &note("u2", "Warning", "0/3 nodes"), 20), 0);
        assert_eq!(told(&mut series, &note("u1", "Warning", "0/4 nodes"), 20), 0);
        assert_eq!(told(&mut series, &note("u1", "Normal", "0/3 nodes"), 20), 0);
        assert_eq!(told(&mut series, &note("u1", "Normal", "0/3 nodes"), 20), 0);
    }

    #[test]
    fn a_series_is_written_every_minute_while_it_grows() {
        let mut series = Series::default();
        let failed = note("u1", "Warning", "0/3 nodes");
        for second in [0, 10, 20, 30] {
            told(&mut series, &failed, second);
        }
        assert_eq!(series.due(at(69)), []);
        let counts = |updates: Vec<Update>| updates.iter().map(|u| u.count).collect::<Vec<_>>();
        assert_eq!(counts(series.due(at(70))), [4]);
        assert_eq!(series.due(at(140)), []);
        told(&mut series, &failed, 141);
        assert_eq!(counts(series.due(at(142))), [5]);
    }

    #[test]
    fn after_six_quiet_minutes_an_event_is_new() {
        let mut series = Series::default();
        let failed = note("u1", "Warning", "0/3 nodes");
        told(&mut series, &failed, 0);
        assert_eq!(told(&mut series, &failed, 360), 2);
        assert_eq!(told(&mut series, &failed, 721), 0);
        assert_eq!(told(&mut series, &failed, 722), 2);
        assert_eq!(series.due(at(2000)), []);
        assert!(series.running.is_empty() && series.order.is_empty());
    }

    #[test]
    fn only_so_many_series_are_remembered() {
        let mut series = Series::default();
        for n in 0..=SERIES_MAX {
            told(&mut series, &note(&n.to_string(), "Warning", "x"), 0);
        }
        assert_eq!(series.running.len(), SERIES_MAX);
        assert_eq!(told(&mut series, &note("0", "Warning", "x"), 1), 0);
        assert_eq!(told(&mut series, &note("4000", "Warning", "x"), 1), 2);
    }
}
