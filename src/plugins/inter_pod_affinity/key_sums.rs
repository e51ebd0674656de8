//! Numbers by topology key and domain.

use crate::model::Str;
use crate::snapshot::{DomainSums, NodeIndex, NodeSet, View};

/// Sums for the domains of several topology keys. Terms with the same key share theirs.
pub struct KeySums<'a> {
    view: &'a View<'a>,
    keys: Vec<(Str, DomainSums)>,
}

impl<'a> KeySums<'a> {
    pub fn new(view: &'a View<'a>) -> Self {
        Self { view, keys: Vec::new() }
    }

    /// Adds to the domains in which these nodes lie under a key.
    pub fn add(&mut self, key: &Str, amounts: impl Iterator<Item = (NodeIndex, i64)>) {
        let known = self.keys.iter().position(|(own, _)| own == key);
        let position = known.unwrap_or_else(|| {
            let sums = DomainSums::new(self.view.topology(key));
            self.keys.push((key.clone(), sums));
            self.keys.len() - 1
        });
        let (_, sums) = &mut self.keys[position];
        amounts.for_each(|(node, amount)| sums.add(node, amount));
    }

    pub fn iter(&self) -> impl Iterator<Item = &DomainSums> {
        self.keys.iter().map(|(_, sums)| sums)
    }

    /// Whether every sum is 0.
    pub fn is_zero(&self) -> bool {
        self.iter().all(|sums| sums.nonzero() == 0)
    }

    /// The nodes that lie in a domain above 0 under some key.
    pub fn above_zero(&self) -> NodeSet {
        let mut nodes = NodeSet::default();
        self.iter().for_each(|sums| sums.add_nodes_above(0, &mut nodes));
        nodes
    }
}
