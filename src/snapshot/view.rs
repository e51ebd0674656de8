//! What plugins see: a snapshot with an overlay on top.

use std::borrow::Cow;
use std::sync::Arc;

use super::columns::{ResourceId, patched};
use super::node_info::NodeInfo;
use super::term_index::weighted;
use super::{
    AffinityTerm, Carriers, Columns, Group, HostPort, Member, Namespaces, NodeCounts, NodeIndex,
    NodeTable, Overlay, Owners, PodInfo, PodQuery, Snapshot, TermKind, TopologyColumn, VolumesView,
};
use crate::api::requests::Usage;
use crate::groups::{GroupKey, Membership};
use crate::model::{Labels, Resources, Str};

/// A cluster to decide on. Every question that an overlay may bear on takes it into account.
#[derive(Debug)]
pub struct View<'a> {
    snapshot: &'a Snapshot,
    overlay: Overlay,
    /// The overlay's pods with their nodes; those that come count up, those that go count down.
    changes: Vec<(Arc<PodInfo>, NodeIndex, bool)>,
}

/// One node of a view.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a> {
    view: &'a View<'a>,
    index: NodeIndex,
}

impl<'a> View<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, overlay: Overlay) -> Self {
        let gone = overlay.removed.iter().filter_map(|uid| {
            let node = snapshot.node_of(uid)?;
            Some((snapshot.pod(uid)?.clone(), node, false))
        });
        let come = overlay.added.iter().map(|(pod, node)| (pod.clone(), *node, true));
        let changes = gone.chain(come).collect();
        Self { snapshot, overlay, changes }
    }

    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    pub fn nodes(&self) -> &'a NodeTable {
        &self.snapshot.nodes
    }

    pub fn node(&self, index: NodeIndex) -> NodeRef<'_> {
        NodeRef { view: self, index }
    }

    pub fn owners(&self) -> &'a Owners {
        &self.snapshot.owners
    }

    pub fn namespaces(&self) -> &'a Namespaces {
        &self.snapshot.namespaces
    }

    /// Claims and volumes.
    pub fn volumes(&self) -> VolumesView<'_> {
        VolumesView::new(&self.snapshot.volumes, &self.overlay.removed, &self.overlay.claims)
    }

    /// The domains of the last key, each named with those of the other keys that it lies in.
    pub fn topology_path(&self, keys: &[Str]) -> Arc<TopologyColumn> {
        self.snapshot.topology_path(keys)
    }

    /// The replica groups that a pod belongs to.
    pub fn memberships(&self, pod: &PodInfo) -> Vec<Membership> {
        let groups = &self.snapshot.groups;
        match groups.of_placed(&pod.uid) {
            [] => groups.memberships(pod, &self.namespace_labels(&pod.key.namespace)),
            known => known.to_vec(),
        }
    }

    /// The nodes with primaries, and how many each has. The overlay is left aside.
    pub fn primaries(&self) -> Vec<(NodeIndex, i64)> {
        let placed = self.snapshot.groups.primaries().iter();
        placed.map(|(node, count)| (*node, i64::from(*count))).collect()
    }

    /// A group as it stands in this view; nothing if it has no member and nobody wants any.
    pub fn group(&self, key: &GroupKey) -> Cow<'a, Group> {
        let mut group = match self.snapshot.groups.get(key) {
            Some(group) => Cow::Borrowed(group),
            None => Cow::Owned(Group::default()),
        };
        for (pod, node, comes) in &self.changes {
            if !comes {
                if group.members.contains_key(&pod.uid) {
                    group.to_mut().members.remove(&pod.uid);
                }
                continue;
            }
            let memberships = self.memberships(pod).into_iter();
            for membership in memberships.filter(|membership| membership.key == *key) {
                let member = Member { pod: pod.clone(), node: *node, membership };
                group.to_mut().members.insert(pod.uid.clone(), member);
            }
        }
        group
    }

    /// The labels of a namespace; none for one that is not known.
    pub fn namespace_labels(&self, name: &str) -> Labels {
        self.snapshot.namespace_labels(name)
    }

    /// This view with more changes on top.
    pub fn with(&self, more: Overlay) -> View<'a> {
        let mut overlay = self.overlay.clone();
        overlay.added.extend(more.added);
        overlay.removed.extend(more.removed);
        overlay.claims.extend(more.claims);
        View::new(self.snapshot, overlay)
    }

    /// The nodes set aside for pods that this one has to yield to, with those pods.
    pub fn nominated(&self, pod: &PodInfo) -> Vec<(NodeIndex, Vec<Arc<PodInfo>>)> {
        let nodes = self.snapshot.nominated.iter().filter_map(|(name, others)| {
            let node = self.nodes().find(name)?;
            let before = others
                .values()
                .filter(|other| other.priority >= pod.priority && other.uid != pod.uid);
            let before: Vec<_> = before.cloned().collect();
            (!before.is_empty()).then_some((node, before))
        });
        nodes.collect()
    }

    /// The pods with claims that wait for a node and are managed by whoever manages this one.
    pub fn waiting_siblings(&self, pod: &PodInfo) -> Vec<&'a Arc<PodInfo>> {
        let owner = pod.owner.as_ref().and_then(|owner| self.snapshot.waiting.get(&owner.uid));
        let others = owner.into_iter().flat_map(|pods| pods.values());
        let waits = |other: &&Arc<PodInfo>| {
            let placed = self.overlay.added.iter().any(|(added, _)| added.uid == other.uid);
            other.uid != pod.uid && !placed && !self.overlay.removed.contains(&other.uid)
        };
        others.filter(waits).collect()
    }

    /// What nodes offer.
    pub fn columns(&self) -> &'a Columns {
        self.snapshot.nodes.columns()
    }

    /// What pods take of a resource, node by node.
    pub fn requested(&self, resource: ResourceId) -> Cow<'a, [i64]> {
        let columns = self.columns();
        self.patched(columns.requested(resource), |usage| amount(columns, usage, resource))
    }

    /// How many pods each node has.
    pub fn pods(&self) -> Cow<'a, [i64]> {
        self.patched(self.columns().pods(), |_| 1)
    }

    /// The CPU that pods take in the eyes of scoring.
    pub fn non_zero_milli_cpu(&self) -> Cow<'a, [i64]> {
        self.patched(self.columns().non_zero_milli_cpu(), |usage| usage.non_zero_milli_cpu)
    }

    /// The memory that pods take in the eyes of scoring.
    pub fn non_zero_memory(&self) -> Cow<'a, [i64]> {
        self.patched(self.columns().non_zero_memory(), |usage| usage.non_zero_memory)
    }

    /// The domain of every node under a topology key.
    pub fn topology(&self, key: &Str) -> Arc<TopologyColumn> {
        self.snapshot.topology(key)
    }

    /// The overlay's pods with their nodes, and whether they come or go.
    pub fn changes(&self) -> impl Iterator<Item = (&PodInfo, NodeIndex, bool)> {
        self.changes.iter().map(|(pod, node, comes)| (&**pod, *node, *comes))
    }

    /// How many pods match, node by node.
    pub fn matching(&self, query: &PodQuery) -> Arc<NodeCounts> {
        let mut counts = self.matching_placed(query);
        for (pod, node, comes) in self.changes() {
            if query.matches(pod, self.namespaces()) {
                Arc::make_mut(&mut counts).change(node, |count| count.change(pod, comes));
            }
        }
        counts
    }

    /// How many pods match, node by node, the overlay left aside.
    pub fn matching_placed(&self, query: &PodQuery) -> Arc<NodeCounts> {
        self.snapshot.matching(query)
    }

    /// Calls `visit` with every term of one kind that a placed pod has towards this pod, and with
    /// its carriers, node by node. A term may come several times; what is told of it adds up.
    pub fn terms_towards(
        &self,
        kind: TermKind,
        pod: &PodInfo,
        mut visit: impl FnMut(&AffinityTerm, &[(NodeIndex, Carriers)]),
    ) {
        let labels = self.namespace_labels(&pod.key.namespace);
        self.snapshot.terms.towards(kind, pod, &labels, &mut visit);
        for (other, node, comes) in self.changes() {
            for (other_kind, weight, term) in weighted(&other.terms) {
                if other_kind == kind && term.matches(&pod.key.namespace, &labels, &pod.labels) {
                    visit(term, &[(node, Carriers::one(weight, comes))]);
                }
            }
        }
    }

    /// The nodes on which a claim to a port meets another.
    pub fn port_conflicts(&self, port: &HostPort) -> Vec<NodeIndex> {
        let key = (port.protocol.clone(), port.port);
        let holders = self.snapshot.ports.get(&key).into_iter().flatten();
        let mut claims: Vec<(NodeIndex, &Str)> =
            holders.filter(|(_, ip)| port.meets(ip)).map(|(node, ip)| (*node, ip)).collect();
        for (pod, node, comes) in &self.changes {
            for claim in pod.host_ports.iter().filter(|c| c.conflicts_with(port)) {
                let claim = (*node, &claim.ip);
                if *comes {
                    claims.push(claim);
                } else if let Some(at) = claims.iter().position(|other| *other == claim) {
                    claims.swap_remove(at);
                }
            }
        }
        claims.into_iter().map(|(node, _)| node).collect()
    }

    /// The pods of one node, in no particular order.
    pub fn pods_on(&self, node: NodeIndex) -> impl Iterator<Item = &Arc<PodInfo>> {
        let places = self.snapshot.nodes.pods.get(node.index());
        let placed = places.into_iter().flatten().filter_map(|place| {
            self.snapshot.pods.placed.get(*place)?.as_ref().map(|placed| &placed.pod)
        });
        let stay = placed.filter(|pod| !self.overlay.removed.contains(&pod.uid));
        let come = self.overlay.added.iter().filter(move |(_, at)| *at == node);
        stay.chain(come.map(|(pod, _)| pod))
    }

    fn patched(&self, column: &'a [i64], amount: impl Fn(&Usage) -> i64) -> Cow<'a, [i64]> {
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|(pod, node, comes)| {
                let amount = amount(&pod.usage);
                (*node, if *comes { amount } else { amount.saturating_neg() })
            })
            .collect();
        patched(column, &changes)
    }
}

impl<'a> NodeRef<'a> {
    pub fn index(&self) -> NodeIndex {
        self.index
    }

    pub fn info(&self) -> &'a NodeInfo {
        self.view.nodes().info(self.index)
    }

    pub fn name(&self) -> &'a Str {
        &self.info().name
    }

    pub fn labels(&self) -> &'a Labels {
        &self.info().labels
    }

    /// What the node offers to pods.
    pub fn allocatable(&self) -> &'a Resources {
        &self.info().allocatable
    }

    /// What its pods ask for, added up.
    pub fn requested(&self) -> Resources {
        let mut sum = Resources::default();
        self.pods().for_each(|pod| sum.add(&pod.usage.requested));
        sum
    }

    pub fn pods(&self) -> impl Iterator<Item = &'a Arc<PodInfo>> + use<'a> {
        self.view.pods_on(self.index)
    }
}

fn amount(columns: &Columns, usage: &Usage, resource: ResourceId) -> i64 {
    let requested = &usage.requested;
    match resource {
        ResourceId::CPU => requested.milli_cpu,
        ResourceId::MEMORY => requested.memory,
        ResourceId::EPHEMERAL_STORAGE => requested.ephemeral_storage,
        scalar => {
            let mut amounts = requested.scalar.iter();
            let found = amounts.find(|(name, _)| columns.resource(name) == Some(scalar));
            found.map_or(0, |(_, amount)| *amount)
        }
    }
}
