//! Topology columns: for one label key, the domain of every node.

use rustc_hash::FxHashMap;

use super::node_set::NodeIndex;
use crate::model::Str;

/// A domain: one value of a topology key, numbered from 0 within its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(u32);

/// Which domain of one topology key each node lies in.
#[derive(Clone, Debug, Default)]
pub struct TopologyColumn {
    of_node: Vec<u32>,
    values: Vec<Str>,
}

/// Marks a node that lacks the key.
const NO_DOMAIN: u32 = u32::MAX;

impl Domain {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl TopologyColumn {
    /// Builds the column from the label value of each node, in the order of the nodes.
    pub(super) fn new<'a>(values_of_nodes: impl Iterator<Item = Option<&'a Str>>) -> Self {
        let mut numbers: FxHashMap<Str, u32> = FxHashMap::default();
        let mut column = Self::default();
        for value in values_of_nodes {
            column.of_node.push(value.map_or(NO_DOMAIN, |value| {
                *numbers.entry(value.clone()).or_insert_with(|| {
                    column.values.push(value.clone());
                    u32::try_from(column.values.len() - 1).unwrap_or(NO_DOMAIN)
                })
            }));
        }
        column
    }

    /// The node's domain; none if it lacks the key.
    pub fn domain(&self, node: NodeIndex) -> Option<Domain> {
        let number = self.of_node.get(node.index()).copied().unwrap_or(NO_DOMAIN);
        (number != NO_DOMAIN).then_some(Domain(number))
    }

    /// How many domains there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn value(&self, domain: Domain) -> Option<&Str> {
        self.values.get(domain.index())
    }
}
