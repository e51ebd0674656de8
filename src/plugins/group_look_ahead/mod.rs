//! GroupLookAhead: a member goes nowhere from where the rest of its group could not follow.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::reach::reachable;
use super::rungs::{has_racks, voters, wakes};
use super::topology_memo::TopologyMemo;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status,
};
use crate::groups::{Membership, Mode, ordinal};
use crate::model::PodKey;
use crate::placement::{Completion, LevelDomains, MEMBERS_MAX, Quota, Room, levels_of};
use crate::snapshot::{DomainSums, NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "GroupLookAhead";

const REASON: &str = "node(s) from where the rest of the group could not be placed, because its \
     volumes are where this member would be";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "leaves room for the members of a group whose volumes say where they must go",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Database,
    build: |args| Ok(Instance::of_set(GroupLookAhead { memo: TopologyMemo::of_args(args)? })),
};

#[derive(Debug, Default)]
pub struct GroupLookAhead {
    memo: TopologyMemo,
}

/// The rest of a group, and what it could use.
struct Rest {
    completion: Completion,
    /// The rest that cannot go anywhere, by the nodes that each can use.
    pinned: Vec<NodeSet>,
}

/// What makes two nodes the same to the rest of a group.
type Class = (Option<u32>, Vec<Option<usize>>, Vec<bool>);

impl SetPlugin for GroupLookAhead {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let memberships = view.memberships(pod);
        let mut counted = memberships.iter().filter(|one| one.voter && !has_racks(one, view));
        let rest = counted.next().and_then(|membership| self.rest(pod, membership, view));
        match rest {
            Some(rest) => Prepared::Ready(ReadyFilter { filter: Box::new(rest), narrowed: None }),
            None => Prepared::Skip,
        }
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        match event {
            ClusterEvent::Storage(_) => Hint::Queue,
            other => wakes(other),
        }
    }
}

impl GroupLookAhead {
    /// The rest of the pod's group; nothing where all of it could go anywhere.
    fn rest(&self, pod: &PodInfo, membership: &Membership, view: &View<'_>) -> Option<Rest> {
        let usable = reachable(pod, view);
        let siblings = absent_siblings(pod, membership, view);
        let allowed: Vec<Option<NodeSet>> =
            siblings.iter().map(|sibling| pinned_to(pod, sibling, &usable, view)).collect();
        let pinned: Vec<NodeSet> = allowed.iter().flatten().cloned().collect();
        if pinned.is_empty() {
            return None;
        }
        let domains = self.memo.domains(view);
        let units = voters(membership, &view.group(&membership.key), &pod.uid);
        let placed: Vec<NodeIndex> = units.placed.iter().map(|(node, _)| *node).collect();
        let mut levels: Vec<(Room, Mode)> = Vec::new();
        for (level, mode) in levels_of(&membership.definition, &domains) {
            let quota = Quota::new(units.size, units.tolerance, level.count(&usable));
            let quota = quota.at_most(membership.definition.max_members);
            levels.push((room(level, quota.members_max, &placed, &usable), mode));
        }
        levels.reverse();
        let every = some_of_each_class(&levels, &pinned, &usable, siblings.len() + 1);
        let rest = allowed.into_iter().map(|own| own.unwrap_or_else(|| every.clone())).collect();
        let completion = Completion { levels: Vec::new(), rest };
        keep_what_can_be_kept(completion, levels).map(|completion| Rest { completion, pinned })
    }
}

/// The names of the members that are to be and are not placed. Only StatefulSets say them.
fn absent_siblings(pod: &PodInfo, membership: &Membership, view: &View<'_>) -> Vec<String> {
    let owner = pod.owner.as_ref().filter(|owner| &*owner.kind == "StatefulSet");
    let (Some(owner), Some(own)) = (owner, ordinal(&pod.key.name)) else {
        return Vec::new();
    };
    let group = view.group(&membership.key);
    let placed: BTreeSet<&str> =
        group.members.values().map(|member| &*member.pod.key.name).collect();
    let size = group.size(&membership.definition).0;
    let others = (0..size).filter(|number| *number != own).map(|n| format!("{}-{n}", owner.name));
    others.filter(|name| !placed.contains(&**name)).take(MEMBERS_MAX).collect()
}

/// The nodes that the volumes of a sibling leave it; nothing where they leave it all.
fn pinned_to(pod: &PodInfo, sibling: &str, usable: &NodeSet, view: &View<'_>) -> Option<NodeSet> {
    let mut left = usable.clone();
    let mut pinned = false;
    for claim in pod.named_claims() {
        let Some(template) = claim.strip_suffix(&*pod.key.name) else {
            continue;
        };
        let name = format!("{template}{sibling}");
        let key = PodKey::new(pod.key.namespace.clone(), name);
        let volumes = view.volumes();
        let Some(volume) =
            volumes.claim(&key).and_then(|claim| volumes.shown().volume(&claim.volume))
        else {
            continue;
        };
        let reaches = |node: &NodeIndex| volume.is_reached_from(&view.nodes().info(*node).labels);
        let reached: NodeSet = left.iter().filter(reaches).collect();
        pinned |= reached.len() < left.len();
        left = reached;
    }
    pinned.then_some(left)
}

/// What a level has left for the rest of the group.
fn room(level: &LevelDomains, limit: u32, placed: &[NodeIndex], usable: &NodeSet) -> Room {
    let mut sums = DomainSums::new(level.column.clone());
    placed.iter().for_each(|node| sums.add(*node, 1));
    let found = usable.iter().filter_map(|node| Some((node, level.domain(node)?.index())));
    let left = level.column.domains().map(|domain| {
        let taken = u32::try_from(sums.get(domain)).unwrap_or(u32::MAX);
        (domain.index(), limit.saturating_sub(taken))
    });
    Room { domain: found.collect(), left: left.collect() }
}

/// For the members that can go anywhere as many nodes of each class as there are members will do.
fn some_of_each_class(
    levels: &[(Room, Mode)],
    pinned: &[NodeSet],
    usable: &NodeSet,
    members: usize,
) -> NodeSet {
    let mut found: BTreeMap<Class, usize> = BTreeMap::new();
    let rooms: Vec<&Room> = levels.iter().map(|(room, _)| room).collect();
    let nodes = usable.iter().filter(|node| {
        let count = found.entry(class_of(*node, &rooms, pinned)).or_default();
        *count += 1;
        *count <= members
    });
    nodes.collect()
}

/// The class of a node: how many more members its host may have, its wider domains, and who of the
/// rest could use it.
fn class_of(node: NodeIndex, rooms: &[&Room], pinned: &[NodeSet]) -> Class {
    let host = rooms.first().and_then(|hosts| hosts.left.get(hosts.domain.get(&node)?).copied());
    let wide = rooms.iter().skip(1).map(|room| room.domain.get(&node).copied());
    (host, wide.collect(), pinned.iter().map(|nodes| nodes.contains(node)).collect())
}

/// Gives up the widest levels, as far as it must, until the rest can be placed at all.
fn keep_what_can_be_kept(
    mut completion: Completion,
    mut levels: Vec<(Room, Mode)>,
) -> Option<Completion> {
    loop {
        completion.levels = levels.iter().map(|(room, _)| room.clone()).collect();
        if completion.exists_after(None) {
            return Some(completion);
        }
        let widest = levels.iter().rposition(|(_, mode)| *mode == Mode::Preferred)?;
        levels.remove(widest);
    }
}

impl Filter for Rest {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let rooms: Vec<&Room> = self.completion.levels.iter().collect();
        let mut known: BTreeMap<Class, bool> = BTreeMap::new();
        let mut dead = NodeSet::default();
        for node in nodes.iter() {
            let class = class_of(node, &rooms, &self.pinned);
            let live =
                known.entry(class).or_insert_with(|| self.completion.exists_after(Some(node)));
            if !*live {
                dead.insert(node);
            }
        }
        // Where no node leaves a way, this member has to go somewhere all the same.
        if dead.len() < nodes.len() {
            refusals.refuse_set(&dead, Status::unschedulable(REASON));
        }
    }
}
