//! Numbers by topology key and domain.

use rustc_hash::FxHashMap;

use crate::model::Str;
use crate::snapshot::{DomainSums, NodeIndex, NodeSet, View};

/// Sums for the domains of several topology keys. Terms with the same key share theirs.
pub struct KeySums<'a> {
    view: &'a View<'a>,
    keys: Vec<DomainSums>,
    places: FxHashMap<Str, usize>,
}

impl<'a> KeySums<'a> {
    pub fn new(view: &'a View<'a>) -> Self {
        Self { view, keys: Vec::new(), places: FxHashMap::default() }
    }

    /// Adds to the domains in which these nodes lie under a key.
    pub fn add(&mut self, key: &Str, amounts: impl Iterator<Item = (NodeIndex, i64)>) {
        let known = self.places.get(key).copied();
        let place = known.unwrap_or_else(|| {
            self.keys.push(DomainSums::new(self.view.topology(key)));
            self.places.insert(key.clone(), self.keys.len() - 1);
            self.keys.len() - 1
        });
        let sums = &mut self.keys[place];
        amounts.for_each(|(node, amount)| sums.add(node, amount));
    }

    pub fn iter(&self) -> impl Iterator<Item = &DomainSums> {
        self.keys.iter()
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
