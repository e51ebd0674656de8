//! Sets of nodes, one bit a node.

use fixedbitset::FixedBitSet;

/// The dense position of a node in the columns of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(u32);

/// A set of nodes. Operations treat a shorter set as filled up with absent nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    bits: FixedBitSet,
}

impl NodeIndex {
    pub(crate) fn from_usize(position: usize) -> Self {
        // A cluster of four thousand million nodes is none that we serve.
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl NodeSet {
    /// How many nodes a word of the set stands for.
    pub const WORD_BITS: usize = usize::BITS as usize;

    pub fn contains(&self, node: NodeIndex) -> bool {
        self.bits.contains(node.index())
    }

    pub fn insert(&mut self, node: NodeIndex) {
        self.bits.grow(node.index() + 1);
        self.bits.insert(node.index());
    }

    pub fn remove(&mut self, node: NodeIndex) {
        if node.index() < self.bits.len() {
            self.bits.remove(node.index());
        }
    }

    pub fn len(&self) -> usize {
        self.bits.count_ones(..)
    }

    pub fn is_empty(&self) -> bool {
        self.bits.is_clear()
    }

    /// The set as words of [`Self::WORD_BITS`] nodes, the first node in the lowest bit.
    pub fn words(&self) -> &[usize] {
        self.bits.as_slice()
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.bits.ones().map(NodeIndex::from_usize)
    }

    /// The members, ascending, as a list.
    pub fn to_vec(&self) -> Vec<NodeIndex> {
        let mut members = Vec::with_capacity(self.len());
        for (position, word) in self.words().iter().enumerate() {
            let first = NodeIndex::from_usize(position * Self::WORD_BITS).0;
            let mut left = *word;
            if left == usize::MAX {
                members.extend((first..first + usize::BITS).map(NodeIndex));
                continue;
            }
            while left != 0 {
                members.push(NodeIndex(first + left.trailing_zeros()));
                left &= left - 1;
            }
        }
        members
    }

    pub fn intersect_with(&mut self, other: &NodeSet) {
        self.bits.intersect_with(&other.bits);
    }

    pub fn difference_with(&mut self, other: &NodeSet) {
        self.bits.difference_with(&other.bits);
    }

    pub fn union_with(&mut self, other: &NodeSet) {
        self.bits.union_with(&other.bits);
    }

    pub fn is_subset(&self, other: &NodeSet) -> bool {
        self.bits.is_subset(&other.bits)
    }

    pub fn intersection<'a>(&'a self, other: &'a NodeSet) -> impl Iterator<Item = NodeIndex> + 'a {
        self.bits.intersection(&other.bits).map(NodeIndex::from_usize)
    }
}

impl FromIterator<NodeIndex> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeIndex>>(nodes: I) -> Self {
        let mut set = Self::default();
        for node in nodes {
            set.insert(node);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_lists_its_members_in_order() {
        let check = |members: &[usize]| {
            let members: Vec<_> = members.iter().map(|at| NodeIndex::from_usize(*at)).collect();
            let set: NodeSet = members.iter().rev().copied().collect();
            assert_eq!(set.to_vec(), members);
            assert_eq!(set.iter().collect::<Vec<_>>(), members);
        };
        check(&[]);
        check(&[0]);
        check(&[63, 64, 200]);
        check(&(0..64).collect::<Vec<_>>());
        check(&(3..300).collect::<Vec<_>>());
    }
}
