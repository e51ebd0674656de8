//! PrimaryBalance: the primaries of all databases are spread over hosts and domains, so that no
//! loss makes many of them fail over at once.

#[cfg(test)]
mod tests;

use super::topology_memo::TopologyMemo;
use crate::config::{Base, Point};
use crate::framework::{Instance, Normalize, Prepared, Registration, SCORE_MAX, Score, SetPlugin};
use crate::groups::Primaries;
use crate::snapshot::{DomainSums, NodeIndex, PodInfo, View};

pub const NAME: &str = "PrimaryBalance";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "spreads the primaries of all databases over hosts and domains",
    points: &[Point::Score],
    weight: 5,
    base: Base::Database,
    build: |args| Ok(Instance::of_set(PrimaryBalance { memo: TopologyMemo::of_args(args)? })),
};

#[derive(Debug, Default)]
pub struct PrimaryBalance {
    memo: TopologyMemo,
}

/// How many primaries share a node's domains.
struct Primariness<'a> {
    levels: Vec<(DomainSums, i64)>,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for PrimaryBalance {
    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let memberships = view.memberships(pod);
        let is_primary = memberships.iter().any(|membership| {
            membership.primary.is_one() && membership.definition.primaries == Primaries::Balance
        });
        if !is_primary {
            return Prepared::Skip;
        }
        let domains = self.memo.domains(view);
        let primaries = view.primaries();
        // Hosts fail most often: a host weighs more than all domains around it together.
        let levels = domains.levels.iter().enumerate().map(|(place, level)| {
            let mut sums = DomainSums::new(level.column.clone());
            primaries.iter().for_each(|(node, count)| sums.add(*node, *count));
            (sums, 1_i64 << place)
        });
        Prepared::Ready(Box::new(Primariness { levels: levels.collect(), nodes }))
    }
}

impl Score for Primariness<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (sums, weight) in &self.levels {
            let at = self.nodes.iter().map(|node| sums.at(*node));
            let (least, most) = at.fold((i64::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
            if most > least {
                for (node, score) in self.nodes.iter().zip(&mut *scores) {
                    *score += weight * SCORE_MAX * (sums.at(*node) - least) / (most - least);
                }
            }
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::Reverse.apply(scores);
    }
}
