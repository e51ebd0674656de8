//! Values of some of the nodes, in the order of the nodes.

use super::node_set::NodeIndex;

/// A value for each of some nodes; all others have the default, which is not stored.
///
/// Mostly a handful of nodes, at worst all of them, and read far more often than changed: hence a
/// sorted column, which is walked at the speed of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerNode<T> {
    entries: Vec<(NodeIndex, T)>,
}

impl<T: Copy + Default + PartialEq> PerNode<T> {
    pub fn get(&self, node: NodeIndex) -> T {
        match self.find(node) {
            Ok(position) => self.entries[position].1,
            Err(_) => T::default(),
        }
    }

    /// The nodes that have a value, ascending.
    pub fn as_slice(&self) -> &[(NodeIndex, T)] {
        &self.entries
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Changes the value of one node.
    pub(super) fn change(&mut self, node: NodeIndex, change: impl FnOnce(&mut T)) {
        let position = self.find(node).unwrap_or_else(|position| {
            self.entries.insert(position, (node, T::default()));
            position
        });
        let (_, value) = &mut self.entries[position];
        change(value);
        if *value == T::default() {
            self.entries.remove(position);
        }
    }

    /// Puts together values that come in any order, several for one node among them.
    pub(super) fn gather(mut found: Vec<(NodeIndex, T)>, add: impl Fn(&mut T, T)) -> Self {
        found.sort_unstable_by_key(|(node, _)| *node);
        found.dedup_by(|(later, more), (earlier, sum)| {
            let same = later == earlier;
            if same {
                add(sum, *more);
            }
            same
        });
        Self { entries: found }
    }

    fn find(&self, node: NodeIndex) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&node, |(own, _)| *own)
    }
}
