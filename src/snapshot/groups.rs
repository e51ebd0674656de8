//! The replica groups of a cluster, kept up to date with every pod that comes or goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::node_set::NodeIndex;
use super::per_node::PerNode;
use super::pod_info::PodInfo;
use crate::api;
use crate::groups::{
    Candidate, Catalogue, Definition, GroupKey, MEMBERS_MAX, Membership, Primaries, Primary, Rule,
    ordinal,
};
use crate::model::{Labels, PodKey, Str};

/// All groups; none without a catalogue.
#[derive(Debug, Default)]
pub struct Groups {
    catalogue: Option<Catalogue>,
    by_key: BTreeMap<GroupKey, Group>,
    of_pod: FxHashMap<Str, Arc<[Membership]>>,
    primaries: PerNode<u32>,
    /// For each host, the others with which it shares groups, and how many.
    peers: Peers,
    /// StatefulSets, and what each adds to the wanted sizes of groups.
    sets: BTreeMap<PodKey, Set>,
}

/// What groups need to know of a StatefulSet.
#[derive(Clone, Debug)]
struct Set {
    /// The labels of its pods.
    labels: Labels,
    replicas: u32,
    wanted: Vec<GroupKey>,
}

/// One group as it stands.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The members that stand on nodes, by their uid.
    pub members: BTreeMap<Str, Member>,
    /// How many members its StatefulSets ask for.
    pub wanted: u32,
    /// What the templates of those make of members to come.
    planned: Option<Arc<Definition>>,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub pod: Arc<PodInfo>,
    pub node: NodeIndex,
    pub membership: Membership,
}

/// Where the size of a group comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SizeSource {
    Policy,
    StatefulSet,
    /// The members that were seen, and the ordinals in their names.
    Ordinals,
}

impl Group {
    /// The definition of most members; all have the same but while a policy changes.
    pub fn definition(&self) -> Option<&Arc<Definition>> {
        let member = self.members.values().next();
        member.map(|member| &member.membership.definition).or(self.planned.as_ref())
    }

    /// The members that vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.membership.voter)
    }

    /// How many voters stand on each host.
    pub fn voters_by_host(&self) -> BTreeMap<NodeIndex, u32> {
        let mut hosts = BTreeMap::new();
        self.voters().for_each(|voter| *hosts.entry(voter.node).or_default() += 1);
        hosts
    }

    /// The primary: a live one if there is one, else the one that is foreseen.
    pub fn primaries(&self) -> impl Iterator<Item = &Member> {
        let live = |member: &&Member| member.membership.primary == Primary::Live;
        let is_live = self.members.values().any(|member| live(&member));
        self.members.values().filter(move |member| match is_live {
            true => live(member),
            false => member.membership.primary.is_one(),
        })
    }

    /// How many voters there are to be, and who says so.
    pub fn size(&self, definition: &Definition) -> (u32, SizeSource) {
        if let Some(size) = definition.desired_size {
            return (size, SizeSource::Policy);
        }
        if self.wanted > 0 && definition.rule != Rule::MastersMajority {
            return (self.wanted, SizeSource::StatefulSet);
        }
        let seen = u32::try_from(self.voters().count()).unwrap_or(u32::MAX);
        let of_sets = self
            .voters()
            .map(|member| &member.pod)
            .filter(|pod| pod.owner.as_ref().is_some_and(|owner| &*owner.kind == "StatefulSet"));
        let last = of_sets.filter_map(|pod| ordinal(&pod.key.name)).max();
        let named = last.map_or(0, |last| last.saturating_add(1));
        (seen.max(named.min(MEMBERS_MAX)), SizeSource::Ordinals)
    }
}

impl Groups {
    /// The groups of a pod, whether it stands on a node or not.
    pub fn memberships(&self, pod: &PodInfo, namespace_labels: &Labels) -> Vec<Membership> {
        let Some(catalogue) = &self.catalogue else {
            return Vec::new();
        };
        catalogue.memberships(Candidate {
            namespace: &pod.key.namespace,
            namespace_labels,
            name: &pod.key.name,
            labels: &pod.labels,
            owner: pod.owner.as_ref(),
        })
    }

    /// The groups of a pod that stands on a node.
    pub fn of_placed(&self, uid: &str) -> &[Membership] {
        self.of_pod.get(uid).map_or(&[], |memberships| memberships)
    }

    pub fn get(&self, key: &GroupKey) -> Option<&Group> {
        self.by_key.get(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.by_key.iter()
    }

    /// The nodes with primaries, and how many each has.
    pub fn primaries(&self) -> &[(NodeIndex, u32)] {
        self.primaries.as_slice()
    }

    /// Whether two hosts have members of one group.
    pub fn share(&self, one: NodeIndex, other: NodeIndex) -> bool {
        self.peers.get(&one).is_some_and(|peers| peers.contains_key(&other))
    }

    /// With how many others a host shares groups.
    pub fn scatter_width(&self, host: NodeIndex) -> usize {
        self.peers.get(&host).map_or(0, FxHashMap::len)
    }

    pub(super) fn catalogue(&self) -> Option<&Catalogue> {
        self.catalogue.as_ref()
    }

    /// Starts anew with another catalogue. The pods have to be placed again.
    pub(super) fn set_catalogue(
        &mut self,
        catalogue: Option<Catalogue>,
        namespace_labels: impl Fn(&Str) -> Labels,
    ) {
        let sets = std::mem::take(&mut self.sets);
        *self = Self { catalogue, ..Self::default() };
        for (key, set) in sets {
            let labels = namespace_labels(&key.namespace);
            self.add_set(key, set, &labels);
        }
    }

    pub(super) fn place(&mut self, pod: &Arc<PodInfo>, node: NodeIndex, labels: &Labels) {
        if pod.terminal {
            return;
        }
        let memberships = self.memberships(pod, labels);
        if memberships.is_empty() {
            return;
        }
        for membership in &memberships {
            let group = self.by_key.entry(membership.key.clone()).or_default();
            for other in group.members.values().map(|member| member.node) {
                meet(&mut self.peers, node, other);
            }
            let member = Member { pod: pod.clone(), node, membership: membership.clone() };
            group.members.insert(pod.uid.clone(), member);
        }
        if memberships.iter().any(counts_as_primary) {
            self.primaries.change(node, |count| *count += 1);
        }
        self.of_pod.insert(pod.uid.clone(), memberships.into());
    }

    pub(super) fn remove(&mut self, uid: &str, node: NodeIndex) {
        let Some(memberships) = self.of_pod.remove(uid) else {
            return;
        };
        if memberships.iter().any(counts_as_primary) {
            self.primaries.change(node, |count| *count = count.saturating_sub(1));
        }
        for membership in memberships.iter() {
            if let Some(group) = self.by_key.get_mut(&membership.key) {
                group.members.remove(uid);
                for other in group.members.values().map(|member| member.node) {
                    part(&mut self.peers, node, other);
                }
            }
            self.drop_if_empty(&membership.key);
        }
    }

    /// Takes in how many members a StatefulSet asks for.
    pub(super) fn set_stateful_set(&mut self, set: &api::StatefulSet, namespace_labels: &Labels) {
        let key = api::Object::key(set);
        self.remove_stateful_set(&key);
        if let Some(template) = &set.spec.template {
            let labels = template.metadata.labels.clone();
            let replicas = u32::try_from(set.spec.replicas.unwrap_or(1)).unwrap_or(0);
            let set = Set { labels, replicas, wanted: Vec::new() };
            self.add_set(key, set, namespace_labels);
        }
    }

    pub(super) fn remove_stateful_set(&mut self, key: &PodKey) {
        let Some(set) = self.sets.remove(key) else {
            return;
        };
        for key in &set.wanted {
            if let Some(group) = self.by_key.get_mut(key) {
                group.wanted = group.wanted.saturating_sub(set.replicas);
            }
            self.drop_if_empty(key);
        }
    }

    fn add_set(&mut self, key: PodKey, mut set: Set, namespace_labels: &Labels) {
        let owner = api::OwnerReference {
            kind: "StatefulSet".into(),
            name: key.name.clone(),
            controller: Some(true),
            ..api::OwnerReference::default()
        };
        let memberships = self.catalogue.as_ref().map(|catalogue| {
            catalogue.memberships(Candidate {
                namespace: &key.namespace,
                namespace_labels,
                name: &key.name,
                labels: &set.labels,
                owner: Some(&owner),
            })
        });
        let voting = memberships.into_iter().flatten().filter(|membership| membership.voter);
        for membership in voting {
            let group = self.by_key.entry(membership.key.clone()).or_default();
            group.wanted = group.wanted.saturating_add(set.replicas);
            group.planned = Some(membership.definition);
            set.wanted.push(membership.key);
        }
        self.sets.insert(key, set);
    }

    fn drop_if_empty(&mut self, key: &GroupKey) {
        if self.by_key.get(key).is_some_and(|group| group.members.is_empty() && group.wanted == 0) {
            self.by_key.remove(key);
        }
    }
}

type Peers = FxHashMap<NodeIndex, FxHashMap<NodeIndex, u32>>;

/// Two members of one group stand on these hosts.
fn meet(peers: &mut Peers, one: NodeIndex, other: NodeIndex) {
    if one != other {
        *peers.entry(one).or_default().entry(other).or_default() += 1;
        *peers.entry(other).or_default().entry(one).or_default() += 1;
    }
}

/// One of two members of one group has left its host.
fn part(peers: &mut Peers, one: NodeIndex, other: NodeIndex) {
    for (host, peer) in [(one, other), (other, one)] {
        let Some(counts) = peers.get_mut(&host) else {
            continue;
        };
        if let Some(count) = counts.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&peer);
            }
        }
        if counts.is_empty() {
            peers.remove(&host);
        }
    }
}

fn counts_as_primary(membership: &Membership) -> bool {
    membership.primary.is_one() && membership.definition.primaries == Primaries::Balance
}
