//! DeclaredRack: databases that were told racks lose nothing as long as no domain holds too many
//! of those racks. Members of one rack may share a domain, those of different racks may not.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::reach::reachable;
use super::rungs::{Ladder, Unit, Units, has_racks, wakes};
use super::topology_memo::TopologyMemo;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Hint, Instance, Normalize, Prepared, ReadyFilter, Registration, Score, SetPlugin,
};
use crate::groups::Membership;
use crate::model::Str;
use crate::placement::{HOST, LevelDomains};
use crate::snapshot::{DomainSums, Group, NodeIndex, PodInfo, View};

pub const NAME: &str = "DeclaredRack";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps the declared racks of a database in failure domains of their own",
    points: &[Point::Filter, Point::Score],
    weight: 10,
    base: Base::Database,
    build: |args| Ok(Instance::of_set(DeclaredRack { memo: TopologyMemo::of_args(args)? })),
};

#[derive(Debug, Default)]
pub struct DeclaredRack {
    memo: TopologyMemo,
}

/// Prefers the domains where the rack is already, and hosts with few of its members.
struct Together<'a> {
    rack: Vec<DomainSums>,
    hosts: Option<DomainSums>,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for DeclaredRack {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let memberships = view.memberships(pod);
        let Some((membership, rack)) = declared(&memberships, view) else {
            return Prepared::Skip;
        };
        let units = racks(membership, rack, &view.group(&membership.key), &pod.uid);
        let usable = reachable(pod, view);
        let ladder = Ladder::of(membership, &units, &self.memo.domains(view), &usable);
        if ladder.refuses_nothing() {
            return Prepared::Skip;
        }
        Prepared::Ready(ReadyFilter { filter: Box::new(ladder), narrowed: None })
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let memberships = view.memberships(pod);
        let Some((membership, rack)) = declared(&memberships, view) else {
            return Prepared::Skip;
        };
        let group = view.group(&membership.key);
        let own = group.members.values().filter(|member| {
            member.pod.uid != pod.uid && member.membership.rack.as_ref() == Some(rack)
        });
        let own: Vec<NodeIndex> = own.map(|member| member.node).collect();
        if own.is_empty() {
            return Prepared::Skip;
        }
        let domains = self.memo.domains(view);
        let count = |level: &LevelDomains| {
            let mut sums = DomainSums::new(level.column.clone());
            own.iter().for_each(|node| sums.add(*node, 1));
            sums
        };
        let wide = domains.levels.iter().filter(|level| &*level.key != HOST);
        Prepared::Ready(Box::new(Together {
            rack: wide.map(count).collect(),
            hosts: domains.level(HOST).map(count),
            nodes,
        }))
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        wakes(event)
    }
}

/// The membership with a declared rack; a pod has at most one.
fn declared<'a>(
    memberships: &'a [Membership],
    view: &View<'_>,
) -> Option<(&'a Membership, &'a Str)> {
    let mut declared = memberships.iter().filter(|membership| has_racks(membership, view));
    declared.find_map(|membership| Some((membership, membership.rack.as_ref()?)))
}

/// The racks of a group. How many may be gone is the rule's for as many racks as there are.
fn racks(membership: &Membership, rack: &Str, group: &Group, own: &Str) -> Units {
    let others = group.members.values().filter(|member| member.pod.uid != *own);
    let placed: Vec<(NodeIndex, Unit)> =
        others.filter_map(|member| Some((member.node, member.membership.rack.clone()?))).collect();
    let mut known: BTreeSet<&Unit> = placed.iter().map(|(_, rack)| rack).collect();
    known.insert(rack);
    let size = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let tolerance = membership.definition.rule_for(size).tolerance(size);
    Units { size, tolerance, own: rack.clone(), placed, name: "racks" }
}

impl Score for Together<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (node, score) in self.nodes.iter().zip(scores) {
            let shared: i64 = self.rack.iter().map(|sums| i64::from(sums.at(*node) > 0)).sum();
            let beside = self.hosts.as_ref().map_or(0, |hosts| hosts.at(*node));
            // To be with the rack counts twice as much as to have a host for itself.
            *score = 4 * shared - 2 * beside.min(1);
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::MinMax.apply(scores);
    }
}
