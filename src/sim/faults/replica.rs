//! One API server: a watch cache that lags behind the history and remembers only so much of it.

use super::history::{History, Kind, Object, Write};
use crate::model::Instant;

/// One API server.
#[derive(Debug, Default)]
pub struct Replica {
    /// How far its watch cache has come.
    pub applied: u64,
    /// No watch can start before this version.
    pub floor: u64,
    /// It is cut off from etcd until then.
    pub cut_off_until: Instant,
    /// Nobody can connect to it until then.
    pub down_until: Instant,
}

/// One line of a watch, as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Upsert(Object),
    Deleted(Object),
    Bookmark {
        revision: u64,
        ends_list: bool,
    },
    /// An ERROR event: 410 Expired.
    Expired,
    /// A line that is cut short; the stream breaks behind it.
    CutShort,
    /// The stream ends as it should.
    End,
    /// The connection breaks.
    Break,
}

impl Replica {
    /// A watch from a version can be served.
    pub fn remembers(&self, revision: u64) -> bool {
        revision >= self.floor
    }

    /// The API server starts anew: its watch cache begins with what is there now.
    pub fn restart(&mut self, history: &History) {
        self.applied = history.revision();
        self.floor = self.applied;
    }

    /// Forgets all but the newest `kept` writes.
    pub fn forget(&mut self, kept: u64) {
        self.floor = self.floor.max(self.applied.saturating_sub(kept));
    }

    /// What a watch that has shown everything up to `position` shows next.
    pub fn lines(&self, history: &History, kind: Kind, position: u64) -> Vec<Line> {
        let fresh = self.applied.saturating_sub(position);
        let writes = history.after(position).iter().take(usize::try_from(fresh).unwrap_or(0));
        writes.filter(|write| write.kind == kind).filter_map(shown).collect()
    }
}

/// How a watch with the daemon's field selectors shows a write: an object that is no longer
/// selected looks deleted.
fn shown(write: &Write) -> Option<Line> {
    let new = write.new.as_ref().filter(|object| object.is_shown());
    if let Some(object) = new {
        return Some(Line::Upsert(object.clone()));
    }
    let old = write.old.as_ref().filter(|object| object.is_shown())?;
    Some(Line::Deleted(old.clone().at_revision(write.revision)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::PodKey;
    use crate::sim::faults::history::Writer;
    use crate::testing::pod;

    #[test]
    fn a_watch_shows_what_its_replica_has_applied() {
        let mut history = History::default();
        for phase in ["Pending", "Running", "Succeeded", "Succeeded"] {
            let pod = pod("a").phase(phase).build();
            history.put(Writer::Other, Object::Pod(Arc::new(pod)));
        }
        history.remove(Writer::Other, Kind::Pods, &PodKey::new("default", "a"));
        let check = |applied: u64, position: u64, expected: &[&str]| {
            let replica = Replica { applied, ..Replica::default() };
            let lines = replica.lines(&history, Kind::Pods, position);
            let texts = lines.iter().map(|line| match line {
                Line::Upsert(object) => format!("upsert@{}", object.revision()),
                Line::Deleted(object) => format!("deleted@{}", object.revision()),
                other => format!("{other:?}"),
            });
            assert_eq!(texts.collect::<Vec<_>>(), expected);
        };
        check(0, 0, &[]);
        check(1, 0, &["upsert@1"]);
        // A pod that has ended is no longer selected, and later is not shown at all.
        check(5, 0, &["upsert@1", "upsert@2", "deleted@3"]);
        check(5, 2, &["deleted@3"]);
        check(5, 7, &[]);
    }

    #[test]
    fn a_replica_that_restarts_remembers_nothing() {
        let mut history = History::default();
        for _ in 0..5 {
            history.put(Writer::Other, Object::Pod(Arc::new(pod("a").build())));
        }
        let mut replica = Replica { applied: 5, ..Replica::default() };
        assert!(replica.remembers(0));
        replica.forget(2);
        assert!(replica.remembers(3) && !replica.remembers(2));
        replica.restart(&history);
        assert!(replica.remembers(5) && !replica.remembers(4));
    }
}
