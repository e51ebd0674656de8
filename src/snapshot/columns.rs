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
    /// The column of a resource; none if no node offers it. What pods ask for of such a resource is
    /// not counted: there is none of it, whoever asks.
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
        for (name, amount) in &offered.scalar {
            // Of a resource that nobody knows, nothing is not worth a column.
            if *amount != 0 {
                self.make_scalar(name);
            }
        }
        for (resource, amount) in self.amounts(offered) {
            self.allocatable[resource.0][node] = amount;
        }
    }

    /// How many resources there are. A new one comes after all others.
    pub(super) fn resources_len(&self) -> usize {
        self.requested.len()
    }

    /// Adds what a pod takes of the resources from the one at `first` on, as [`Self::add`] does.
    pub(super) fn add_from(&mut self, first: usize, node: NodeIndex, usage: &Usage) -> bool {
        let mut exact = true;
        for (resource, amount) in self.amounts(&usage.requested) {
            if resource.0 >= first {
                let sum = &mut self.requested[resource.0][node.index()];
                exact &= sum.checked_add(amount).is_some();
                *sum = sum.saturating_add(amount);
            }
        }
        exact
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

    /// The amounts by column.
    fn amounts(&self, resources: &Resources) -> Vec<(ResourceId, i64)> {
        let mut amounts = vec![
            (ResourceId::CPU, resources.milli_cpu),
            (ResourceId::MEMORY, resources.memory),
            (ResourceId::EPHEMERAL_STORAGE, resources.ephemeral_storage),
        ];
        let scalars = resources.scalar.iter();
        amounts.extend(
            scalars.filter_map(|(name, amount)| Some((self.scalars.get(name).copied()?, *amount))),
        );
        amounts
    }

    fn make_scalar(&mut self, name: &Str) {
        if !self.scalars.contains_key(name) {
            self.scalars.insert(name.clone(), ResourceId(self.allocatable.len()));
            self.allocatable.push(vec![0; self.nodes]);
            self.requested.push(vec![0; self.nodes]);
        }
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

#[cfg(test)]
mod tests {
    use crate::snapshot::{NodeInfo, PodInfo, Snapshot};
    use crate::testing::{NodeBuilder, PodBuilder, node, pod};

    fn set_node(cluster: &mut Snapshot, node: NodeBuilder) {
        cluster.set_node(NodeInfo::new(&node.build()));
    }

    fn place(cluster: &mut Snapshot, pod: PodBuilder) {
        cluster.place(PodInfo::new(&pod.on("n").build()).into(), &"n".into());
    }

    fn requested(cluster: &Snapshot, resource: &str) -> Option<i64> {
        let columns = cluster.nodes().columns();
        let node = cluster.nodes().find("n")?;
        Some(columns.requested(columns.resource(resource)?)[node.index()])
    }

    #[test]
    fn what_pods_ask_for_makes_no_column_until_a_node_offers_it_and_is_counted_then() {
        let mut cluster = Snapshot::default();
        set_node(&mut cluster, node("n"));
        place(&mut cluster, pod("a").requests(&[("a.b/gpu", "3"), ("a.b/none", "0")]));
        place(&mut cluster, pod("b").requests(&[("a.b/gpu", "4")]));
        assert_eq!(requested(&cluster, "a.b/gpu"), None);

        set_node(&mut cluster, node("n").allocatable(&[("a.b/gpu", "8"), ("a.b/none", "0")]));
        assert_eq!(requested(&cluster, "a.b/gpu"), Some(7));
        assert_eq!(requested(&cluster, "a.b/none"), None);
        cluster.remove_pod(&pod("a").build().metadata.uid);
        assert_eq!(requested(&cluster, "a.b/gpu"), Some(4));
        // Once counted it stays, offered or not.
        set_node(&mut cluster, node("n"));
        place(&mut cluster, pod("c").requests(&[("a.b/gpu", "1")]));
        assert_eq!(requested(&cluster, "a.b/gpu"), Some(5));
    }

    #[test]
    fn a_new_resource_whose_sum_leaves_its_range_is_summed_anew_later() {
        let mut cluster = Snapshot::default();
        for name in ["a", "b"] {
            place(&mut cluster, pod(name).requests(&[("a.b/gpu", "9223372036854775807")]));
        }
        set_node(&mut cluster, node("n").allocatable(&[("a.b/gpu", "8")]));
        assert_eq!(requested(&cluster, "a.b/gpu"), Some(i64::MAX));
        place(&mut cluster, pod("c").requests(&[("a.b/gpu", "5")]));
        cluster.remove_pod(&pod("a").build().metadata.uid);
        cluster.remove_pod(&pod("b").build().metadata.uid);
        assert_eq!(requested(&cluster, "a.b/gpu"), Some(5));
    }
}
