//! Topology columns: for one label key, the domain of every node, and the nodes of every domain.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::node_set::{NodeIndex, NodeSet};
use crate::model::Str;

/// A domain: one value of a topology key, numbered from 0 within its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(u32);

/// Which domain of one topology key each node lies in.
#[derive(Clone, Debug, Default)]
pub struct TopologyColumn {
    of_node: Vec<u32>,
    values: Vec<Str>,
    holders: NodeSet,
    /// The nodes that have the key, domain by domain; those of each begin at its `starts`.
    nodes: Vec<NodeIndex>,
    starts: Vec<usize>,
    /// The nodes of a large domain once more, as a set.
    sets: FxHashMap<Domain, NodeSet>,
}

/// A number for each domain of a column: 0, until something is added.
#[derive(Clone, Debug)]
pub struct DomainSums {
    column: Arc<TopologyColumn>,
    sums: Vec<i64>,
    touched: Vec<Domain>,
    nonzero: usize,
}

/// Marks a node that lacks the key.
const NO_DOMAIN: u32 = u32::MAX;

/// A domain with at least this share of all nodes is kept as a set too. Joining it to another then
/// takes a word for 64 nodes, and all such sets of a column together take less than 8 bytes a node.
const LARGE_DOMAIN_SHARE: usize = 64;

impl Domain {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl TopologyColumn {
    /// Builds the column from the label value of each node, in the order of the nodes.
    pub(super) fn new<'a>(values_of_nodes: impl Iterator<Item = Option<&'a Str>>) -> Self {
        let mut numbers: FxHashMap<&Str, u32> = FxHashMap::default();
        let mut column = Self::default();
        for (node, value) in values_of_nodes.enumerate() {
            column.of_node.push(value.map_or(NO_DOMAIN, |value| {
                column.holders.insert(NodeIndex::from_usize(node));
                *numbers.entry(value).or_insert_with(|| {
                    column.values.push(value.clone());
                    u32::try_from(column.values.len() - 1).unwrap_or(NO_DOMAIN)
                })
            }));
        }
        column.list_nodes();
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

    /// All domains, in the order of their numbers.
    pub fn domains(&self) -> impl Iterator<Item = Domain> + use<> {
        (0..self.values.len()).map(|number| Domain(u32::try_from(number).unwrap_or(NO_DOMAIN)))
    }

    pub fn value(&self, domain: Domain) -> Option<&Str> {
        self.values.get(domain.index())
    }

    /// The domain of this value, if a node has it.
    pub fn find(&self, value: &str) -> Option<Domain> {
        self.domains().find(|domain| self.values[domain.index()].as_ref() == value)
    }

    /// The nodes that have the key.
    pub fn holders(&self) -> &NodeSet {
        &self.holders
    }

    /// The nodes of a domain, ascending.
    pub fn nodes(&self, domain: Domain) -> &[NodeIndex] {
        let bounds = self.starts.get(domain.index()..domain.index() + 2);
        match bounds {
            Some([from, to]) => self.nodes.get(*from..*to).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Puts the nodes of a domain into a set.
    pub fn add_nodes(&self, domain: Domain, into: &mut NodeSet) {
        match self.sets.get(&domain) {
            Some(nodes) => into.union_with(nodes),
            None => self.nodes(domain).iter().for_each(|node| into.insert(*node)),
        }
    }

    fn list_nodes(&mut self) {
        let mut lists: Vec<Vec<NodeIndex>> = vec![Vec::new(); self.values.len()];
        for node in self.holders.iter() {
            lists[self.of_node[node.index()] as usize].push(node);
        }
        self.starts.push(0);
        for (domain, list) in self.domains().zip(lists) {
            if list.len() * LARGE_DOMAIN_SHARE >= self.of_node.len() {
                self.sets.insert(domain, list.iter().copied().collect());
            }
            self.nodes.extend(list);
            self.starts.push(self.nodes.len());
        }
    }
}

impl DomainSums {
    pub fn new(column: Arc<TopologyColumn>) -> Self {
        Self { sums: vec![0; column.len()], touched: Vec::new(), nonzero: 0, column }
    }

    pub fn column(&self) -> &TopologyColumn {
        &self.column
    }

    /// Adds to the domain of a node; nothing happens if the node lacks the key.
    pub fn add(&mut self, node: NodeIndex, amount: i64) {
        let Some(domain) = self.column.domain(node) else {
            return;
        };
        let sum = &mut self.sums[domain.index()];
        let before = *sum;
        *sum = before.saturating_add(amount);
        match (before, *sum) {
            (0, 0) => self.touched.push(domain),
            (0, _) => {
                self.touched.push(domain);
                self.nonzero += 1;
            }
            (_, 0) => self.nonzero -= 1,
            _ => {}
        }
    }

    pub fn get(&self, domain: Domain) -> i64 {
        self.sums.get(domain.index()).copied().unwrap_or(0)
    }

    /// The number of a node's domain; 0 if the node lacks the key.
    pub fn at(&self, node: NodeIndex) -> i64 {
        self.column.domain(node).map_or(0, |domain| self.get(domain))
    }

    /// The domains to which something was added, in that order. One whose number came back to 0
    /// may stand here twice.
    pub fn touched(&self) -> &[Domain] {
        &self.touched
    }

    /// How many domains have another number than 0.
    pub fn nonzero(&self) -> usize {
        self.nonzero
    }

    /// Puts the nodes of all domains above `limit` into a set.
    pub fn add_nodes_above(&self, limit: i64, into: &mut NodeSet) {
        let add = |domain: Domain| {
            if self.get(domain) > limit {
                self.column.add_nodes(domain, into);
            }
        };
        // Domains at 0 are above a negative limit.
        if limit < 0 {
            self.column.domains().for_each(add);
        } else {
            self.touched.iter().copied().for_each(add);
        }
    }
}
