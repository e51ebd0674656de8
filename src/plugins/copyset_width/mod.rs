//! CopysetWidth: members go to hosts that already share groups, so that fewer pairs of hosts take
//! a quorum together. A host shares groups with no more others than the policy allows.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::config::{Base, Point};
use crate::framework::{
    Instance, Normalize, Prepared, Registration, Score, SetPlugin, decode_args,
};
use crate::snapshot::{NodeIndex, PodInfo, View};

pub const NAME: &str = "CopysetWidth";

/// With how many others a host shares groups where no policy says it. Fewer make losses rarer, and
/// the load on the others greater when one is lost.
const SCATTER_WIDTH_DEFAULT: u32 = 4;

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "prefers hosts that already share groups, down to the wanted scatter width",
    points: &[Point::Score],
    weight: 3,
    base: Base::Database,
    build: |args| {
        decode_args::<serde_json::Map<String, serde_json::Value>>(args)?;
        Ok(Instance::of_set(CopysetWidth))
    },
};

#[derive(Debug)]
pub struct CopysetWidth;

/// What a node would add to the pairs of hosts that share groups.
struct NewPairs<'a> {
    view: &'a View<'a>,
    hosts: BTreeSet<NodeIndex>,
    width: usize,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for CopysetWidth {
    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let memberships = view.memberships(pod);
        let Some(membership) = memberships.first() else {
            return Prepared::Skip;
        };
        let group = view.group(&membership.key);
        let others = group.members.values().filter(|member| member.pod.uid != pod.uid);
        let hosts: BTreeSet<NodeIndex> = others.map(|member| member.node).collect();
        if hosts.is_empty() {
            return Prepared::Skip;
        }
        let width = membership.definition.scatter_width.unwrap_or(SCATTER_WIDTH_DEFAULT);
        Prepared::Ready(Box::new(NewPairs { view, hosts, width: width as usize, nodes }))
    }
}

impl Score for NewPairs<'_> {
    fn score(&self, scores: &mut [i64]) {
        let groups = self.view.snapshot().groups();
        for (node, score) in self.nodes.iter().zip(scores) {
            let new = |other: &&NodeIndex| *other != node && !groups.share(*node, **other);
            let pairs = self.hosts.iter().filter(new).count();
            // A host that shares with as many as it may takes no new pair if that can be helped.
            let too_wide = |host: NodeIndex, more: usize| {
                usize::from(more > 0 && groups.scatter_width(host) + more > self.width)
            };
            let wide = self.hosts.iter().filter(new).map(|other| too_wide(*other, 1));
            let wide = wide.sum::<usize>() + too_wide(*node, pairs);
            *score = i64::try_from(pairs + 2 * wide).unwrap_or(i64::MAX);
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::Reverse.apply(scores);
    }
}
