//! QuorumSpread: no failure domain may take the quorum of a replica group.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::reach::reachable;
use super::rungs::{Ladder, has_racks, voters, wakes};
use super::topology_memo::TopologyMemo;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Normalize, Prepared, ReadyFilter, Refusals, Registration,
    SCORE_MAX, Score, SetPlugin,
};
use crate::placement::FailureDomains;
use crate::snapshot::{DomainSums, NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "QuorumSpread";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps quorums from hanging on one failure domain; spreads members widely",
    points: &[Point::Filter, Point::Score],
    weight: 10,
    base: Base::Database,
    build: |args| Ok(Instance::of_set(QuorumSpread { memo: TopologyMemo::of_args(args)? })),
};

#[derive(Debug, Default)]
pub struct QuorumSpread {
    memo: TopologyMemo,
}

/// The ladders of all groups of the pod.
struct Ladders(Vec<Ladder>);

/// Counts the members that share domains with a node, those of wide domains more than others.
struct Crowding<'a> {
    levels: Vec<(DomainSums, i64)>,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for QuorumSpread {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let memberships = view.memberships(pod);
        // Members of declared racks are for DeclaredRack.
        let counted: Vec<_> = memberships
            .iter()
            .filter(|membership| membership.voter && !has_racks(membership, view))
            .collect();
        if counted.is_empty() {
            return Prepared::Skip;
        }
        let (domains, usable) = (self.memo.domains(view), reachable(pod, view));
        let ladders = counted.into_iter().map(|membership| {
            let units = voters(membership, &view.group(&membership.key), &pod.uid);
            Ladder::of(membership, &units, &domains, &usable)
        });
        let ladders: Vec<Ladder> = ladders.filter(|ladder| !ladder.refuses_nothing()).collect();
        if ladders.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready(ReadyFilter { filter: Box::new(Ladders(ladders)), narrowed: None })
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let memberships = view.memberships(pod);
        let others: Vec<NodeIndex> = memberships
            .iter()
            .filter(|membership| !has_racks(membership, view))
            .flat_map(|membership| {
                let group = view.group(&membership.key);
                let members = group.members.values().filter(|member| member.pod.uid != pod.uid);
                members.map(|member| member.node).collect::<Vec<_>>()
            })
            .collect();
        if others.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready(Box::new(Crowding::of(&self.memo.domains(view), &others, nodes)))
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        wakes(event)
    }
}

impl Filter for Ladders {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        self.0.iter().for_each(|ladder| ladder.filter(nodes, refusals));
    }
}

impl<'a> Crowding<'a> {
    fn of(domains: &Arc<FailureDomains>, others: &[NodeIndex], nodes: &'a [NodeIndex]) -> Self {
        // Each level weighs more than all narrower ones together.
        let levels = domains.levels.iter().rev().enumerate().map(|(place, level)| {
            let mut sums = DomainSums::new(level.column.clone());
            others.iter().for_each(|node| sums.add(*node, 1));
            (sums, 1_i64 << place)
        });
        Self { levels: levels.collect(), nodes }
    }
}

impl Score for Crowding<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (sums, weight) in &self.levels {
            let most = sums.touched().iter().map(|domain| sums.get(*domain)).max().unwrap_or(1);
            for (node, score) in self.nodes.iter().zip(&mut *scores) {
                *score += weight * SCORE_MAX * sums.at(*node) / most.max(1);
            }
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::Reverse.apply(scores);
    }
}
