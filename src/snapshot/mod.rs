//! The picture of a cluster that decisions are made on: nodes as columns, pods as compact records,
//! and counters that are corrected with every change instead of being counted anew.

mod columns;
mod from_objects;
pub mod groups;
mod matches;
mod node_info;
mod node_set;
mod node_table;
mod overlay;
mod owners;
mod per_node;
mod pod_index;
mod pod_info;
mod term_index;
mod terms;
mod topology;
mod view;
pub mod volumes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

pub use columns::{Columns, ResourceId};
pub use groups::{Group, Groups, Member, SizeSource};
pub use matches::{Count, Namespaces, NodeCounts, PodQuery};
pub use node_info::NodeInfo;
pub use node_set::{NodeIndex, NodeSet};
pub use node_table::{NodeTable, TaintGroup};
pub use overlay::Overlay;
pub use owners::{MapSelector, Owners};
pub use per_node::PerNode;
pub use pod_info::{HostPort, PodInfo};
pub use term_index::{Carriers, TermKind};
pub use terms::{AffinityTerm, NamespaceScope, PodTerms, WeightedTerm};
pub use topology::{Domain, DomainSums, TopologyColumn};
pub use view::{NodeRef, View};
pub use volumes::{ClaimDecision, PodVolume, Volumes, VolumesView};

use self::matches::MatchCounts;
use self::term_index::TermIndex;
use crate::api;
use crate::groups::Catalogue;
use crate::model::{Labels, PodKey, Str};

/// A cluster, as far as placement depends on it.
///
/// Questions about topology and matching pods are answered from memory where they were asked
/// before; the answers sit behind a `RefCell`, because asking does not change the cluster.
#[derive(Debug, Default)]
pub struct Snapshot {
    nodes: NodeTable,
    pods: Pods,
    terms: TermIndex,
    namespaces: Namespaces,
    pub owners: Owners,
    groups: Groups,
    pub volumes: Volumes,
    topology: RefCell<Topology>,
    /// Columns of domains that are named with the domains they lie in.
    paths: RefCell<FxHashMap<Vec<Str>, Arc<TopologyColumn>>>,
    matches: RefCell<MatchCounts>,
    /// The pods for which nodes were set aside, by the node's name.
    nominated: BTreeMap<Str, BTreeMap<Str, Arc<PodInfo>>>,
    /// Nodes that are to get no pods for a while, whatever fits.
    resting: BTreeSet<Str>,
    /// The pods that wait for a node and have claims, by the uid of who manages them.
    waiting: FxHashMap<Str, BTreeMap<Str, Arc<PodInfo>>>,
    /// For each protocol and port that is taken: on which nodes, under which address.
    ports: FxHashMap<(Str, i32), Vec<(NodeIndex, Str)>>,
}

/// The pods that stand on nodes.
#[derive(Debug, Default)]
struct Pods {
    placed: Vec<Option<Placed>>,
    free: Vec<usize>,
    by_uid: FxHashMap<Str, usize>,
    /// The pods that carry a label.
    by_label: FxHashMap<(Str, Str), FxHashSet<usize>>,
    by_namespace: FxHashMap<Str, FxHashSet<usize>>,
}

/// How many topology keys are kept as columns. Clusters have a handful; what is above comes of pods
/// that name keys at random.
const TOPOLOGY_KEYS_MAX: usize = 64;

/// What is known of topology, until a node's labels change.
#[derive(Debug, Default)]
struct Topology {
    columns: FxHashMap<Str, Arc<TopologyColumn>>,
    /// The label keys of all nodes. Pods may name any others, which all have this one column.
    keys: Option<FxHashSet<Str>>,
    nowhere: Arc<TopologyColumn>,
}

#[derive(Debug)]
struct Placed {
    pod: Arc<PodInfo>,
    node: NodeIndex,
}

impl Snapshot {
    pub fn nodes(&self) -> &NodeTable {
        &self.nodes
    }

    /// Adds or changes a node; returns what it was before.
    pub fn set_node(&mut self, node: NodeInfo) -> Option<Arc<NodeInfo>> {
        let place = self.nodes.place_of(&node.name);
        let labels = node.labels.clone();
        let resources = self.nodes.columns.resources_len();
        let old = self.nodes.set(place, node);
        self.count_resources_from(resources);
        if old.as_ref().is_none_or(|old| old.labels != labels) {
            self.forget_topology();
        }
        old
    }

    /// What is known of a node that the API server shows.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        let node = self.nodes.find(name)?;
        self.nodes.present().contains(node).then(|| self.nodes.info(node))
    }

    /// Removes a node. Its pods keep counting until they are gone themselves.
    pub fn remove_node(&mut self, name: &str) -> Option<Arc<NodeInfo>> {
        let old = self.nodes.unset(self.nodes.find(name)?);
        self.forget_topology();
        old
    }

    /// Puts a pod on a node. A pod of the same uid leaves its place first.
    pub fn place(&mut self, pod: Arc<PodInfo>, node_name: &Str) {
        self.remove_pod(&pod.uid);
        // A node that is not known yet has no labels, so that the topology stays as it is.
        let node = self.nodes.place_of(node_name);
        if !self.nodes.columns.add(node, &pod.usage) {
            self.nodes.inexact.insert(node);
        }
        self.count(&pod, node, true);
        if self.groups.catalogue().is_some() {
            let labels = self.namespace_labels(&pod.key.namespace);
            self.groups.place(&pod, node, &labels);
        }
        let place = self.pods.insert(pod, node);
        self.nodes.pods[node.index()].insert(place);
    }

    /// Takes a pod off its node.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let (place, Placed { pod, node }) = self.pods.remove(uid)?;
        self.nodes.pods[node.index()].remove(&place);
        let exact = self.nodes.columns.subtract(node, &pod.usage);
        if !exact || self.nodes.inexact.contains(node) {
            self.sum_anew(node);
        }
        self.count(&pod, node, false);
        self.groups.remove(&pod.uid, node);
        self.nodes.release_if_empty(node);
        Some(pod)
    }

    /// The pod of this uid, if it stands on a node.
    pub fn pod(&self, uid: &str) -> Option<&Arc<PodInfo>> {
        self.pods.get(uid).map(|placed| &placed.pod)
    }

    /// The node that the pod of this uid stands on.
    pub fn node_of(&self, uid: &str) -> Option<NodeIndex> {
        self.pods.get(uid).map(|placed| placed.node)
    }

    /// How many pods stand on nodes.
    pub fn pods_len(&self) -> usize {
        self.pods.by_uid.len()
    }

    /// All pods that stand on nodes, with their node, in no particular order.
    pub fn pods(&self) -> impl Iterator<Item = (&Arc<PodInfo>, NodeIndex)> {
        self.pods.placed.iter().flatten().map(|placed| (&placed.pod, placed.node))
    }

    pub fn set_namespace(&mut self, namespace: &api::Namespace) {
        let meta = &namespace.metadata;
        let old = self.namespaces.insert(meta.name.clone(), meta.labels.clone());
        if old.as_ref() != Some(&meta.labels) {
            self.matches.get_mut().forget_namespaces();
            if self.groups.catalogue().is_some_and(Catalogue::reads_namespace_labels) {
                self.set_catalogue(self.groups.catalogue().cloned());
            }
        }
    }

    pub fn remove_namespace(&mut self, name: &str) {
        if self.namespaces.remove(name).is_some() {
            self.matches.get_mut().forget_namespaces();
        }
    }

    /// The replica groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Finds replica groups from now on by this catalogue; none without one.
    pub fn set_catalogue(&mut self, catalogue: Option<Catalogue>) {
        let namespaces = &self.namespaces;
        self.groups.set_catalogue(catalogue, |name| labels_of(namespaces, name));
        for Placed { pod, node } in self.pods.placed.iter().flatten() {
            self.groups.place(pod, *node, &labels_of(namespaces, &pod.key.namespace));
        }
    }

    pub fn set_stateful_set(&mut self, set: &api::StatefulSet) {
        self.owners.stateful_sets.insert(api::Object::key(set), set.spec.selector.clone());
        self.groups.set_stateful_set(set, &labels_of(&self.namespaces, &set.metadata.namespace));
    }

    pub fn remove_stateful_set(&mut self, key: &PodKey) {
        self.owners.stateful_sets.remove(key);
        self.groups.remove_stateful_set(key);
    }

    /// The labels of a namespace; none for one that is not known.
    pub fn namespace_labels(&self, name: &str) -> Labels {
        labels_of(&self.namespaces, name)
    }

    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// Sets a node aside for a pod that waits.
    pub fn nominate(&mut self, pod: Arc<PodInfo>, node: &Str) {
        self.nominated.entry(node.clone()).or_default().insert(pod.uid.clone(), pod);
    }

    /// Gives up what was set aside for a pod.
    pub fn withdraw_nomination(&mut self, uid: &str) {
        self.nominated.retain(|_, pods| {
            pods.remove(uid);
            !pods.is_empty()
        });
    }

    /// Lets a node rest, or ends its rest.
    pub fn set_resting(&mut self, node: &Str, rests: bool) {
        if rests {
            self.resting.insert(node.clone());
        } else {
            self.resting.remove(node);
        }
    }

    /// The nodes that are to get no pods for a while.
    pub fn resting(&self) -> NodeSet {
        self.resting.iter().filter_map(|name| self.nodes.find(name)).collect()
    }

    /// A pod waits for a node. Its claims may tell its siblings where it will have to go.
    pub fn set_waiting(&mut self, pod: &Arc<PodInfo>) {
        if let Some(owner) = pod.owner.as_ref().filter(|_| !pod.volumes.is_empty()) {
            let siblings = self.waiting.entry(owner.uid.clone()).or_default();
            siblings.insert(pod.uid.clone(), pod.clone());
        }
    }

    /// A pod does not wait any more.
    pub fn unset_waiting(&mut self, pod: &PodInfo) {
        let Some(owner) = &pod.owner else { return };
        if let Some(siblings) = self.waiting.get_mut(&owner.uid) {
            siblings.remove(&pod.uid);
            if siblings.is_empty() {
                self.waiting.remove(&owner.uid);
            }
        }
    }

    /// Takes what has been decided for a pod's claims for granted: other pods see the volumes as
    /// taken, the claims as belonging to the node, and the room as used.
    pub fn assume_claims(&mut self, uid: &Str, decisions: &[ClaimDecision]) {
        self.volumes.assume(uid, decisions);
    }

    /// Nothing came of what was decided for a pod's claims.
    pub fn forget_claims(&mut self, uid: &str) {
        self.volumes.forget(uid);
    }

    /// The pod is on its node, and so its claims are what was decided.
    pub fn settle_claims(&mut self, uid: &str) {
        self.volumes.settle(uid);
    }

    /// A view of the cluster as it is.
    pub fn view(&self) -> View<'_> {
        View::new(self, Overlay::default())
    }

    /// A view of the cluster as it would be.
    pub fn view_with(&self, overlay: Overlay) -> View<'_> {
        View::new(self, overlay)
    }

    fn count(&mut self, pod: &PodInfo, node: NodeIndex, comes: bool) {
        self.matches.get_mut().update(pod, &self.namespaces, node, comes);
        if comes {
            self.terms.add(&pod.terms, node);
        } else {
            self.terms.remove(&pod.terms, node);
        }
        let name = self.nodes.name(node).clone();
        self.volumes.count(pod, (node, &name), comes);
        for port in &pod.host_ports {
            let holders = self.ports.entry((port.protocol.clone(), port.port)).or_default();
            if comes {
                holders.push((node, port.ip.clone()));
            } else if let Some(at) = holders.iter().position(|(n, ip)| *n == node && *ip == port.ip)
            {
                holders.swap_remove(at);
            }
        }
        if !comes && !pod.host_ports.is_empty() {
            self.ports.retain(|_, holders| !holders.is_empty());
        }
    }

    /// Counts what pods take of resources that no node offered before.
    fn count_resources_from(&mut self, first: usize) {
        if self.nodes.columns.resources_len() == first {
            return;
        }
        for Placed { pod, node } in self.pods.placed.iter().flatten() {
            if !self.nodes.columns.add_from(first, *node, &pod.usage) {
                self.nodes.inexact.insert(*node);
            }
        }
    }

    /// Adds up the pods of a node of which a sum had left its range.
    fn sum_anew(&mut self, node: NodeIndex) {
        self.nodes.columns.clear_requested(node);
        let mut exact = true;
        for place in &self.nodes.pods[node.index()] {
            if let Some(placed) = self.pods.placed.get(*place).and_then(Option::as_ref) {
                exact &= self.nodes.columns.add(node, &placed.pod.usage);
            }
        }
        if exact {
            self.nodes.inexact.remove(node);
        } else {
            self.nodes.inexact.insert(node);
        }
    }

    fn forget_topology(&mut self) {
        *self.topology.get_mut() = Topology::default();
        self.paths.get_mut().clear();
    }

    /// The domains of the last key, each named with those of the other keys that it lies in.
    fn topology_path(&self, keys: &[Str]) -> Arc<TopologyColumn> {
        let mut paths = self.paths.borrow_mut();
        if let Some(column) = paths.get(keys) {
            return column.clone();
        }
        if paths.len() >= TOPOLOGY_KEYS_MAX {
            paths.clear();
        }
        let places = (0..self.nodes.places()).map(NodeIndex::from_usize);
        let names: Vec<Option<Str>> =
            places.map(|node| path_name(&self.nodes.info(node).labels, keys)).collect();
        let column = Arc::new(TopologyColumn::new(names.iter().map(Option::as_ref)));
        paths.insert(keys.to_vec(), column.clone());
        column
    }

    fn topology(&self, key: &Str) -> Arc<TopologyColumn> {
        let mut topology = self.topology.borrow_mut();
        let Topology { columns, keys, nowhere } = &mut *topology;
        if let Some(column) = columns.get(key) {
            return column.clone();
        }
        let places = (0..self.nodes.places()).map(NodeIndex::from_usize);
        let labels = places.map(|node| &self.nodes.info(node).labels);
        let keys = keys.get_or_insert_with(|| {
            labels.clone().flat_map(Labels::iter).map(|(key, _)| key.clone()).collect()
        });
        if !keys.contains(key) {
            return nowhere.clone();
        }
        if columns.len() >= TOPOLOGY_KEYS_MAX {
            columns.clear();
        }
        let column = Arc::new(TopologyColumn::new(labels.map(|labels| labels.get(key))));
        columns.insert(key.clone(), column.clone());
        column
    }

    fn matching(&self, query: &PodQuery) -> Arc<NodeCounts> {
        self.matches.borrow_mut().get(query, || self.count_matching(query))
    }

    /// Counts from the smallest known set of pods among which all matching ones are.
    fn count_matching(&self, query: &PodQuery) -> NodeCounts {
        let mut found = Vec::new();
        let mut count = |placed: &Placed| {
            if query.matches(&placed.pod, &self.namespaces) {
                found.push((placed.node, Count::of(&placed.pod)));
            }
        };
        let carriers = query
            .equalities()
            .map(|(key, value)| self.pods.by_label.get(&(key.clone(), value.clone())));
        let inhabitants = query.namespace().map(|namespace| self.pods.by_namespace.get(namespace));
        let smallest =
            carriers.chain(inhabitants).min_by_key(|pods| pods.map_or(0, FxHashSet::len));
        match smallest {
            Some(None) => {}
            Some(Some(places)) => {
                places
                    .iter()
                    .filter_map(|place| self.pods.placed.get(*place)?.as_ref())
                    .for_each(count);
            }
            None => self.pods.placed.iter().flatten().for_each(&mut count),
        }
        NodeCounts::gather(found, Count::add)
    }
}

fn labels_of(namespaces: &Namespaces, name: &str) -> Labels {
    namespaces.get(name).cloned().unwrap_or_default()
}

/// A node's domain of the last key, after those of the keys before that the node has.
fn path_name(labels: &Labels, keys: &[Str]) -> Option<Str> {
    labels.get(keys.last()?)?;
    let parts: Vec<&str> = keys.iter().filter_map(|key| labels.get(key)).map(|v| &**v).collect();
    Some(parts.join("/").into())
}

impl Pods {
    fn get(&self, uid: &str) -> Option<&Placed> {
        self.placed.get(*self.by_uid.get(uid)?)?.as_ref()
    }

    fn insert(&mut self, pod: Arc<PodInfo>, node: NodeIndex) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.placed.push(None);
            self.placed.len() - 1
        });
        for (key, value) in pod.labels.iter() {
            self.by_label.entry((key.clone(), value.clone())).or_default().insert(place);
        }
        self.by_namespace.entry(pod.key.namespace.clone()).or_default().insert(place);
        self.by_uid.insert(pod.uid.clone(), place);
        self.placed[place] = Some(Placed { pod, node });
        place
    }

    fn remove(&mut self, uid: &str) -> Option<(usize, Placed)> {
        let place = self.by_uid.remove(uid)?;
        let placed = self.placed.get_mut(place)?.take()?;
        self.free.push(place);
        for (key, value) in placed.pod.labels.iter() {
            take_out(&mut self.by_label, &(key.clone(), value.clone()), place);
        }
        take_out(&mut self.by_namespace, &placed.pod.key.namespace, place);
        Some((place, placed))
    }
}

fn take_out<K: Eq + Hash>(lists: &mut FxHashMap<K, FxHashSet<usize>>, key: &K, place: usize) {
    if let Some(places) = lists.get_mut(key) {
        places.remove(&place);
        if places.is_empty() {
            lists.remove(key);
        }
    }
}
