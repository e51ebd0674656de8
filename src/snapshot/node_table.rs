//! All nodes: dense positions, and what stands at each.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::columns::Columns;
use super::node_info::NodeInfo;
use super::node_set::{NodeIndex, NodeSet};
use crate::model::{Str, Taint};

/// The nodes of a snapshot.
///
/// A place may be held by a node that the API server has not shown yet, or no longer shows, as long
/// as pods are bound to it. Such a node is not `present`: it is no candidate, but its pods count.
#[derive(Debug, Default)]
pub struct NodeTable {
    by_name: FxHashMap<Str, NodeIndex>,
    free: Vec<NodeIndex>,
    infos: Vec<Arc<NodeInfo>>,
    /// The names once more: ties are broken by them, and then most of them are read.
    names: Vec<Str>,
    present: NodeSet,
    unschedulable: NodeSet,
    taints: Vec<TaintGroup>,
    pub(super) columns: Columns,
    /// The pods of each node, by their place among the pods.
    pub(super) pods: Vec<FxHashSet<usize>>,
    /// Nodes of which a sum has left its range.
    pub(super) inexact: NodeSet,
    /// For each image, the nodes that have it, with its size.
    pub(super) images: FxHashMap<Str, Vec<(NodeIndex, i64)>>,
}

/// The nodes that carry the same taints.
#[derive(Debug)]
pub struct TaintGroup {
    pub taints: Arc<[Taint]>,
    pub nodes: NodeSet,
}

impl NodeTable {
    /// The nodes that the API server shows.
    pub fn present(&self) -> &NodeSet {
        &self.present
    }

    pub fn unschedulable(&self) -> &NodeSet {
        &self.unschedulable
    }

    /// Nodes that carry taints, together with those that carry the same.
    pub fn taint_groups(&self) -> &[TaintGroup] {
        &self.taints
    }

    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        self.by_name.get(name).copied()
    }

    pub fn info(&self, node: NodeIndex) -> &NodeInfo {
        &self.infos[node.index()]
    }

    pub fn name(&self, node: NodeIndex) -> &Str {
        &self.names[node.index()]
    }

    /// How many places there are; every index is below.
    pub fn places(&self) -> usize {
        self.infos.len()
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The nodes that have an image, with its size in bytes there.
    pub fn with_image(&self, image: &str) -> &[(NodeIndex, i64)] {
        self.images.get(image).map_or(&[], Vec::as_slice)
    }

    /// The node's place, made if there is none.
    pub(super) fn place_of(&mut self, name: &Str) -> NodeIndex {
        if let Some(node) = self.find(name) {
            return node;
        }
        let info = Arc::new(NodeInfo { name: name.clone(), ..NodeInfo::default() });
        let node = self.free.pop().unwrap_or_else(|| {
            self.infos.push(Arc::default());
            self.names.push(Str::default());
            self.pods.push(FxHashSet::default());
            self.columns.grow(self.infos.len());
            NodeIndex::from_usize(self.infos.len() - 1)
        });
        self.infos[node.index()] = info;
        self.names[node.index()] = name.clone();
        self.by_name.insert(name.clone(), node);
        node
    }

    /// Writes what the API server shows of a node; returns what it showed before.
    pub(super) fn set(&mut self, node: NodeIndex, info: NodeInfo) -> Option<Arc<NodeInfo>> {
        let old = self.take_down(node);
        self.columns.set_allocatable(node, &info.allocatable, info.pods_allocatable);
        self.present.insert(node);
        if info.unschedulable {
            self.unschedulable.insert(node);
        }
        self.join_taint_group(node, &info.taints);
        for (image, size) in info.images.iter() {
            let nodes = self.images.entry(image.clone()).or_default();
            if nodes.last().is_none_or(|(last, _)| *last != node) {
                nodes.push((node, *size));
            }
        }
        self.infos[node.index()] = Arc::new(info);
        old
    }

    /// The API server shows the node no longer. Its place stays while pods are bound to it.
    pub(super) fn unset(&mut self, node: NodeIndex) -> Option<Arc<NodeInfo>> {
        let old = self.take_down(node)?;
        self.infos[node.index()] =
            Arc::new(NodeInfo { name: old.name.clone(), ..NodeInfo::default() });
        self.columns.set_allocatable(node, &NodeInfo::default().allocatable, 0);
        self.release_if_empty(node);
        Some(old)
    }

    /// Frees the place of a node that is not shown and has no pods.
    pub(super) fn release_if_empty(&mut self, node: NodeIndex) {
        if self.present.contains(node) || !self.pods[node.index()].is_empty() {
            return;
        }
        if self.by_name.remove(&self.names[node.index()]).is_some() {
            self.free.push(node);
            self.names[node.index()] = Str::default();
            self.infos[node.index()] = Arc::default();
            self.columns.clear_requested(node);
            self.inexact.remove(node);
        }
    }

    fn take_down(&mut self, node: NodeIndex) -> Option<Arc<NodeInfo>> {
        if !self.present.contains(node) {
            return None;
        }
        let old = self.infos[node.index()].clone();
        self.present.remove(node);
        self.unschedulable.remove(node);
        self.taints.iter_mut().for_each(|group| group.nodes.remove(node));
        self.taints.retain(|group| !group.nodes.is_empty());
        for (image, _) in old.images.iter() {
            if let Some(nodes) = self.images.get_mut(image) {
                nodes.retain(|(other, _)| *other != node);
                if nodes.is_empty() {
                    self.images.remove(image);
                }
            }
        }
        Some(old)
    }

    fn join_taint_group(&mut self, node: NodeIndex, taints: &Arc<[Taint]>) {
        if taints.is_empty() {
            return;
        }
        if let Some(group) = self.taints.iter_mut().find(|group| group.taints == *taints) {
            group.nodes.insert(node);
        } else {
            let nodes = [node].into_iter().collect();
            self.taints.push(TaintGroup { taints: taints.clone(), nodes });
        }
    }
}
