//! Which nodes a filter refused, and why.

use rustc_hash::FxHashMap;

use super::status::Status;
use crate::snapshot::{NodeIndex, NodeSet};

/// Names one status among those of one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusId(u32);

/// The refusals of one filter. Equal statuses are stored once, each with the set of its nodes, so
/// that refusing half of a large cluster costs no more than refusing one node.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    statuses: Vec<(Status, NodeSet)>,
    ids: FxHashMap<Status, StatusId>,
}

impl Refusals {
    /// The id of a status, for [`Self::refuse`].
    pub fn status(&mut self, status: Status) -> StatusId {
        if let Some(id) = self.ids.get(&status) {
            return *id;
        }
        let id = StatusId(u32::try_from(self.statuses.len()).unwrap_or(u32::MAX));
        self.statuses.push((status.clone(), NodeSet::default()));
        self.ids.insert(status, id);
        id
    }

    pub fn refuse(&mut self, node: NodeIndex, status: StatusId) {
        if let Some((_, nodes)) = self.statuses.get_mut(status.0 as usize) {
            nodes.insert(node);
        }
    }

    /// Refuses all these nodes for the same reason.
    pub fn refuse_all(&mut self, nodes: impl Iterator<Item = NodeIndex>, status: Status) {
        let mut nodes = nodes.peekable();
        if nodes.peek().is_some() {
            let id = self.status(status);
            nodes.for_each(|node| self.refuse(node, id));
        }
    }

    /// Refuses a whole set for the same reason.
    pub fn refuse_set(&mut self, nodes: &NodeSet, status: Status) {
        if nodes.is_empty() {
            return;
        }
        let id = self.status(status);
        if let Some((_, refused)) = self.statuses.get_mut(id.0 as usize) {
            refused.union_with(nodes);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.statuses.iter().all(|(_, nodes)| nodes.is_empty())
    }

    /// The refused nodes with their status: status by status, the nodes of each ascending.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIndex, &Status)> {
        self.statuses
            .iter()
            .flat_map(|(status, nodes)| nodes.iter().map(move |node| (node, status)))
    }

    /// How many nodes each status was given to.
    pub fn counts(&self) -> impl Iterator<Item = (&Status, usize)> {
        self.statuses.iter().map(|(status, nodes)| (status, nodes.len()))
    }

    /// Adds the refusals of another run of the same filter.
    pub(super) fn append(&mut self, other: &Refusals) {
        for (status, nodes) in &other.statuses {
            self.refuse_set(nodes, status.clone());
        }
    }

    pub(super) fn take_from(&self, alive: &mut NodeSet) {
        for (_, nodes) in &self.statuses {
            alive.difference_with(nodes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(positions: &[usize]) -> NodeSet {
        positions.iter().map(|node| NodeIndex::from_usize(*node)).collect()
    }

    #[test]
    fn equal_statuses_are_one_and_every_refused_node_leaves_the_set() {
        let (full, tainted) = (Status::unschedulable("full"), Status::unresolvable("taint"));
        let mut refusals = Refusals::default();
        refusals.refuse_all(nodes(&[]).iter(), full.clone());
        refusals.refuse_set(&nodes(&[]), full.clone());
        assert!(refusals.is_empty());
        refusals.refuse_set(&nodes(&[1, 900]), full.clone());
        let id = refusals.status(tainted.clone());
        refusals.refuse(NodeIndex::from_usize(7), id);
        refusals.refuse_all(nodes(&[3]).iter(), full.clone());

        let mut both = Refusals::default();
        both.append(&refusals);
        both.append(&refusals);
        let counts: Vec<_> = both.counts().collect();
        assert_eq!(counts, [(&full, 3), (&tainted, 1)]);

        let mut alive = nodes(&[0, 1, 3, 7, 900]);
        both.take_from(&mut alive);
        assert_eq!(alive.iter().collect::<Vec<_>>(), [NodeIndex::from_usize(0)]);
    }
}
