//! Resources of all nodes, one column of integers per resource.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::node_set::NodeIndex;
use crate::api::requests::Usage;
use crate::model::{CPU, EPHEMERAL_STORAGE, MEMORY, Resources, Str};

/// The position of a resource among the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(usize);

impl ResourceId {
    pub const CPU: Self = Self(0);
    pub const MEMORY: Self = Self(1);
    pub const EPHEMERAL_STORAGE: Self = Self(2);
}

/// What nodes offer and what their pods take. CPU is in milli, everything else in units.
#[derive(Clone, Debug)]
pub struct Columns {
    scalars: BTreeMap<Str, ResourceId>,
    allocatable: Vec<Vec<i64>>,
    requested: Vec<Vec<i64>>,
    pods_allocatable: Vec<i64>,
    pods: Vec<i64>,
    non_zero_milli_cpu: Vec<i64>,
    non_zero_memory: Vec<i64>,
    nodes: usize,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            scalars: BTreeMap::new(),
            allocatable: vec![Vec::new(); 3],
            requested: vec![Vec::new(); 3],
            pods_allocatable: Vec::new(),
            pods: Vec::new(),
            non_zero_milli_cpu: Vec::new(),
            non_zero_memory: Vec::new(),
            nodes: 0,
        }
    }
}

impl Columns {
    /// The column of a resource; none if no node offers it and no pod takes it.
    pub fn resource(&self, name: &str) -> Option<ResourceId> {
        match name {
            CPU => Some(ResourceId::CPU),
            MEMORY => Some(ResourceId::MEMORY),
            EPHEMERAL_STORAGE => Some(ResourceId::EPHEMERAL_STORAGE),
            _ => self.scalars.get(name).copied(),
        }
    }

    pub fn allocatable(&self, resource: ResourceId) -> &[i64] {
        self.allocatable.get(resource.0).map_or(&[], Vec::as_slice)
    }

    pub fn requested(&self, resource: ResourceId) -> &[i64] {
        self.requested.get(resource.0).map_or(&[], Vec::as_slice)
    }

    pub fn pods_allocatable(&self) -> &[i64] {
        &self.pods_allocatable
    }

    pub fn pods(&self) -> &[i64] {
        &self.pods
    }

    pub fn non_zero_milli_cpu(&self) -> &[i64] {
        &self.non_zero_milli_cpu
    }

    pub fn non_zero_memory(&self) -> &[i64] {
        &self.non_zero_memory
    }

    /// Makes room for `nodes` nodes.
    pub(super) fn grow(&mut self, nodes: usize) {
        self.nodes = self.nodes.max(nodes);
        let nodes = self.nodes;
        let resources = self.allocatable.iter_mut().chain(&mut self.requested);
        let sums = [
            &mut self.pods_allocatable,
            &mut self.pods,
            &mut self.non_zero_milli_cpu,
            &mut self.non_zero_memory,
        ];
        resources.chain(sums).for_each(|column| column.resize(nodes, 0));
    }

    /// Writes what a node offers.
    pub(super) fn set_allocatable(&mut self, node: NodeIndex, offered: &Resources, pods: i64) {
        let node = node.index();
        self.pods_allocatable[node] = pods;
        for column in &mut self.allocatable {
            column[node] = 0;
        }
        for (resource, amount) in self.amounts(offered) {
            self.allocatable[resource.0][node] = amount;
        }
    }

    /// Adds what a pod takes. False if a sum left the range of an i64 and stands at its limit:
    /// then nothing can be taken off it again, and the node has to be summed anew.
    pub(super) fn add(&mut self, node: NodeIndex, usage: &Usage) -> bool {
        self.apply(node, usage, i64::checked_add, i64::MAX, 1)
    }

    /// Takes off what a pod took.
    pub(super) fn subtract(&mut self, node: NodeIndex, usage: &Usage) -> bool {
        self.apply(node, usage, i64::checked_sub, i64::MIN, -1)
    }

    /// Forgets what the pods of a node take.
    pub(super) fn clear_requested(&mut self, node: NodeIndex) {
        let node = node.index();
        let sums = [&mut self.pods, &mut self.non_zero_milli_cpu, &mut self.non_zero_memory];
        self.requested.iter_mut().chain(sums).for_each(|column| column[node] = 0);
    }

    fn apply(
        &mut self,
        node: NodeIndex,
        usage: &Usage,
        combine: fn(i64, i64) -> Option<i64>,
        limit: i64,
        pods: i64,
    ) -> bool {
        let mut exact = true;
        let mut apply = |sum: &mut i64, amount: i64| {
            *sum = combine(*sum, amount).unwrap_or_else(|| {
                exact = false;
                limit
            });
        };
        let amounts = self.amounts(&usage.requested);
        let node = node.index();
        for (resource, amount) in amounts {
            apply(&mut self.requested[resource.0][node], amount);
        }
        apply(&mut self.non_zero_milli_cpu[node], usage.non_zero_milli_cpu);
        apply(&mut self.non_zero_memory[node], usage.non_zero_memory);
        self.pods[node] += pods;
        exact
    }

    /// The amounts by column; makes a column for a resource not seen before.
    fn amounts(&mut self, resources: &Resources) -> Vec<(ResourceId, i64)> {
        let mut amounts = vec![
            (ResourceId::CPU, resources.milli_cpu),
            (ResourceId::MEMORY, resources.memory),
            (ResourceId::EPHEMERAL_STORAGE, resources.ephemeral_storage),
        ];
        for (name, amount) in &resources.scalar {
            amounts.push((self.scalar(name), *amount));
        }
        amounts
    }

    fn scalar(&mut self, name: &Str) -> ResourceId {
        if let Some(id) = self.scalars.get(name) {
            return *id;
        }
        let id = ResourceId(self.allocatable.len());
        self.allocatable.push(vec![0; self.nodes]);
        self.requested.push(vec![0; self.nodes]);
        self.scalars.insert(name.clone(), id);
        id
    }
}

/// A column with changes of an overlay on top.
pub(super) fn patched<'a>(column: &'a [i64], changes: &[(NodeIndex, i64)]) -> Cow<'a, [i64]> {
    if changes.is_empty() {
        return Cow::Borrowed(column);
    }
    let mut column = column.to_vec();
    for (node, change) in changes {
        if let Some(value) = column.get_mut(node.index()) {
            *value = value.saturating_add(*change);
        }
    }
    Cow::Owned(column)
}
