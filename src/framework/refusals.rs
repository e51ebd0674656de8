//! Which nodes a filter refused, and why.

use rustc_hash::FxHashMap;

use super::status::Status;
use crate::snapshot::{NodeIndex, NodeSet};

/// Names one status among those of one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusId(u32);

/// The refusals of one filter. Equal statuses are stored once, so that refusing a node is cheap.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    statuses: Vec<Status>,
    ids: FxHashMap<Status, StatusId>,
    nodes: Vec<(NodeIndex, StatusId)>,
}

impl Refusals {
    /// The id of a status, for [`Self::refuse`].
    pub fn status(&mut self, status: Status) -> StatusId {
        if let Some(id) = self.ids.get(&status) {
            return *id;
        }
        let id = StatusId(u32::try_from(self.statuses.len()).unwrap_or(u32::MAX));
        self.statuses.push(status.clone());
        self.ids.insert(status, id);
        id
    }

    pub fn refuse(&mut self, node: NodeIndex, status: StatusId) {
        self.nodes.push((node, status));
    }

    /// Refuses all these nodes for the same reason.
    pub fn refuse_all(&mut self, nodes: impl Iterator<Item = NodeIndex>, status: Status) {
        let mut nodes = nodes.peekable();
        if nodes.peek().is_some() {
            let id = self.status(status);
            self.nodes.extend(nodes.map(|node| (node, id)));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The refused nodes with their status, in the order in which they were refused.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIndex, &Status)> {
        self.nodes.iter().filter_map(|(node, id)| {
            self.statuses
                .get(id.0 as usize)
                .map(|status| (*node, status))
        })
    }

    /// How many nodes each status was given to.
    pub fn counts(&self) -> impl Iterator<Item = (&Status, usize)> {
        let mut counts = vec![0; self.statuses.len()];
        for (_, id) in &self.nodes {
            if let Some(count) = counts.get_mut(id.0 as usize) {
                *count += 1;
            }
        }
        self.statuses.iter().zip(counts)
    }

    /// Adds the refusals of another run of the same filter.
    pub(super) fn append(&mut self, other: &Refusals) {
        let ids: Vec<StatusId> = other
            .statuses
            .iter()
            .map(|status| self.status(status.clone()))
            .collect();
        let known = other
            .nodes
            .iter()
            .filter_map(|(node, id)| Some((*node, *ids.get(id.0 as usize)?)));
        self.nodes.extend(known);
    }

    pub(super) fn take_from(&self, alive: &mut NodeSet) {
        self.nodes.iter().for_each(|(node, _)| alive.remove(*node));
    }
}
