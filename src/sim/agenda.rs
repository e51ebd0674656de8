//! What is going to happen, in the order in which it will.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Instant;

/// Entries by their time. Those of one instant come in the order in which they were entered.
pub struct Agenda<T> {
    entries: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

struct Entry<T> {
    at: Instant,
    sequence: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub fn push(&mut self, at: Instant, what: T) {
        self.sequence += 1;
        self.entries.push(Reverse(Entry { at, sequence: self.sequence, what }));
    }

    /// When the next entry is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse(next)| next.at)
    }

    /// Takes the next entry, if it is due by then.
    pub fn pop_due(&mut self, by: Instant) -> Option<(Instant, T)> {
        if self.next_at()? > by {
            return None;
        }
        self.entries.pop().map(|Reverse(next)| (next.at, next.what))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: BinaryHeap::new(), sequence: 0 }
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_those_of_one_instant_in_their_order() {
        let mut agenda = Agenda::default();
        for (at, what) in [(7, "late"), (3, "first"), (3, "second"), (5, "then")] {
            agenda.push(Instant(at), what);
        }
        assert_eq!((agenda.next_at(), agenda.pop_due(Instant(2))), (Some(Instant(3)), None));
        let due = std::iter::from_fn(|| agenda.pop_due(Instant(5)));
        let due: Vec<_> = due.map(|(at, what)| (at.0, what)).collect();
        assert_eq!(due, [(3, "first"), (3, "second"), (5, "then")]);
        assert!(!agenda.is_empty());
        assert_eq!(agenda.pop_due(Instant(9)), Some((Instant(7), "late")));
        assert!(agenda.is_empty());
    }
}
