//! Changes that wait for their reader, at most one state of each object.

use rustc_hash::FxHashMap;

use super::Change;
use crate::api::Object;
use crate::model::Str;

/// Changes in the order of the API server. A newer state of an object takes the place of an older
/// one that nobody has read yet; a delete always stays, even of an object that nobody has seen.
#[derive(Debug)]
pub struct Batch<T> {
    slots: Vec<Option<Change<T>>>,
    /// Where the unread state of an object stands, by uid.
    unread: FxHashMap<Str, usize>,
    length: usize,
}

impl<T: Object> Batch<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), unread: FxHashMap::default(), length: 0 }
    }

    pub fn push(&mut self, change: Change<T>) {
        let older = match &change {
            Change::Upsert(object) if object.meta().uid.is_empty() => None,
            Change::Upsert(object) => {
                let uid = object.meta().uid.clone();
                self.unread.insert(uid, self.slots.len())
            }
            Change::Delete { uid, .. } => self.unread.remove(uid),
        };
        if let Some(slot) = older.and_then(|position| self.slots.get_mut(position)) {
            *slot = None;
            self.length -= 1;
        }
        self.slots.push(Some(change));
        self.length += 1;
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All changes so far, oldest first.
    pub fn take(&mut self) -> Vec<Change<T>> {
        self.unread.clear();
        self.length = 0;
        std::mem::take(&mut self.slots).into_iter().flatten().collect()
    }
}

impl<T: Object> Default for Batch<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Node;
    use crate::model::PodKey;

    fn upsert(name: &str, uid: &str, version: &str) -> Change<Node> {
        let mut node = Node::default();
        node.metadata.name = name.into();
        node.metadata.uid = uid.into();
        node.metadata.resource_version = version.into();
        Change::Upsert(Box::new(node))
    }

    fn delete(name: &str, uid: &str) -> Change<Node> {
        Change::Delete { key: PodKey::new("", name), uid: uid.into() }
    }

    #[test]
    fn only_the_newest_state_of_an_object_waits() {
        let check = |pushed: Vec<Change<Node>>, expected: Vec<Change<Node>>| {
            let mut batch = Batch::new();
            for change in pushed {
                batch.push(change);
            }
            assert_eq!(batch.len(), expected.len());
            assert_eq!(batch.take(), expected);
            assert!(batch.is_empty());
        };
        check(vec![], vec![]);
        check(
            vec![upsert("a", "1", "1"), upsert("b", "2", "2"), upsert("a", "1", "3")],
            vec![upsert("b", "2", "2"), upsert("a", "1", "3")],
        );
        check(vec![upsert("a", "1", "1"), delete("a", "1")], vec![delete("a", "1")]);
        check(
            vec![delete("a", "1"), upsert("a", "2", "3"), upsert("a", "2", "4")],
            vec![delete("a", "1"), upsert("a", "2", "4")],
        );
        check(
            vec![upsert("a", "", "1"), upsert("b", "", "2")],
            vec![upsert("a", "", "1"), upsert("b", "", "2")],
        );
    }

    #[test]
    fn a_state_that_was_read_is_not_taken_back() {
        let mut batch = Batch::new();
        batch.push(upsert("a", "1", "1"));
        assert_eq!(batch.take(), vec![upsert("a", "1", "1")]);
        batch.push(upsert("a", "1", "2"));
        assert_eq!(batch.take(), vec![upsert("a", "1", "2")]);
    }
}
