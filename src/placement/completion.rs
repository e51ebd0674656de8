//! Look-ahead: may the rest of a group still be placed, if this member goes here?
//!
//! Members that could go anywhere never stand in each other's way: what domains allow is a laminar
//! matroid, in which every allowed choice can be completed to a largest one. Members whose volumes
//! pin them to some hosts can. So this asks for a flow: from the members, through the hosts that
//! each could use, through the domains around these, with what each has left.

use std::collections::BTreeMap;

use petgraph::algo::maximum_flow::ford_fulkerson;
use petgraph::graph::{DiGraph, NodeIndex as Vertex};

use crate::snapshot::{NodeIndex, NodeSet};

/// A group has fewer members than this that are looked at; beyond them nothing is foreseen.
pub const MEMBERS_MAX: usize = 64;

/// What the domains of one level have left.
#[derive(Clone, Debug)]
pub struct Room {
    /// The domain of each node, as any number of its own; none for nodes without one.
    pub domain: BTreeMap<NodeIndex, usize>,
    /// How many more members each domain may take.
    pub left: BTreeMap<usize, u32>,
}

/// A question about the rest of a group.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The levels, the narrowest first. Each domain lies in one of the next level, or in none.
    pub levels: Vec<Room>,
    /// For each member that is still to be placed, the nodes that it could use.
    pub rest: Vec<NodeSet>,
}

impl Completion {
    /// Whether all of the rest can be placed, after one member has gone to `taken`.
    pub fn exists_after(&self, taken: Option<NodeIndex>) -> bool {
        let mut graph: DiGraph<(), u32> = DiGraph::new();
        let (source, sink) = (graph.add_node(()), graph.add_node(()));
        let mut domains: BTreeMap<(usize, usize), Vertex> = BTreeMap::new();
        let mut entries: BTreeMap<NodeIndex, Vertex> = BTreeMap::new();
        for nodes in &self.rest {
            let member = graph.add_node(());
            graph.add_edge(source, member, 1);
            for node in nodes.iter() {
                let entry = *entries
                    .entry(node)
                    .or_insert_with(|| self.add_node(&mut graph, &mut domains, node, sink, taken));
                graph.add_edge(member, entry, 1);
            }
        }
        let (flow, _) = ford_fulkerson(&graph, source, sink);
        flow as usize == self.rest.len()
    }

    /// A node, with the way through its domains to the sink.
    fn add_node(
        &self,
        graph: &mut DiGraph<(), u32>,
        domains: &mut BTreeMap<(usize, usize), Vertex>,
        node: NodeIndex,
        sink: Vertex,
        taken: Option<NodeIndex>,
    ) -> Vertex {
        let entry = graph.add_node(());
        let mut from = entry;
        let mut width = u32::MAX;
        for (place, level) in self.levels.iter().enumerate() {
            let Some(domain) = level.domain.get(&node).copied() else {
                continue;
            };
            let known = domains.get(&(place, domain)).copied();
            let vertex = known.unwrap_or_else(|| graph.add_node(()));
            graph.update_edge(from, vertex, width);
            domains.insert((place, domain), vertex);
            let inside = taken.and_then(|taken| level.domain.get(&taken)) == Some(&domain);
            let left = level.left.get(&domain).copied().unwrap_or(u32::MAX);
            width = left.saturating_sub(u32::from(inside));
            from = vertex;
        }
        graph.update_edge(from, sink, width);
        entry
    }
}
