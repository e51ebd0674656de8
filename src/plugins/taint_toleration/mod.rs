//! TaintToleration: pods keep away from nodes whose taints they do not tolerate.

#[cfg(test)]
mod tests;

use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Normalize, Prepared, ReadyFilter, Refusals, Registration,
    SCORE_MAX, Score, SetPlugin, Status, decode_args,
};
use crate::model::{
    NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, Taint, Toleration, first_untolerated,
};
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, View};

pub const NAME: &str = "TaintToleration";

const REASON: &str = "node(s) had untolerated taint(s)";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes with taints that the pod does not tolerate; prefers few soft ones",
    points: &[Point::Filter, Point::Score],
    weight: 3,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(TaintToleration))
    },
};

#[derive(Debug)]
pub struct TaintToleration;

/// Refuses the nodes of these sets, which share no node.
struct Tainted<'a>(Vec<&'a NodeSet>);

/// Counts soft taints: for each set of nodes, how many of theirs the pod does not tolerate.
struct SoftTaints<'a> {
    counts: Vec<(&'a NodeSet, i64)>,
    nodes: &'a [NodeIndex],
}

impl SetPlugin for TaintToleration {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let groups = view.nodes().taint_groups().iter();
        let untolerated = groups.filter(|group| is_untolerated(&group.taints, pod));
        let refused: Vec<&NodeSet> = untolerated.map(|group| &group.nodes).collect();
        if refused.is_empty() {
            return Prepared::Skip;
        }
        Prepared::Ready(ReadyFilter { filter: Box::new(Tainted(refused)), narrowed: None })
    }

    /// Never skips, because a node without soft taints gets the full score.
    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let tolerations: Vec<&Toleration> = pod
            .spec
            .tolerations
            .iter()
            .filter(|toleration| matches!(&*toleration.effect, "" | PREFER_NO_SCHEDULE))
            .collect();
        let groups = view.nodes().taint_groups().iter();
        let counts = groups
            .map(|group| (&group.nodes, untolerated_soft(&group.taints, &tolerations)))
            .filter(|(_, count)| *count > 0)
            .collect();
        Prepared::Ready(Box::new(SoftTaints { counts, nodes }))
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(node) => !is_untolerated(&node.taints, pod),
            ClusterEvent::NodeUpdated { old, new } => {
                is_untolerated(&old.taints, pod) && !is_untolerated(&new.taints, pod)
            }
            ClusterEvent::WaitingPodUpdated { old, new } => {
                old.spec.tolerations != new.spec.tolerations
            }
            _ => false,
        })
    }
}

impl Filter for Tainted<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let sets = self.0.iter();
        let refused = sets.flat_map(|tainted| nodes.intersection(tainted));
        refusals.refuse_all(refused, Status::unresolvable(REASON));
    }
}

impl Score for SoftTaints<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (tainted, count) in &self.counts {
            let nodes = scores.iter_mut().zip(self.nodes);
            let tainted = nodes.filter(|(_, node)| tainted.contains(**node));
            tainted.for_each(|(score, _)| *score = *count);
        }
    }

    fn normalize(&self, scores: &mut [i64]) {
        Normalize::Reverse.apply(scores);
    }

    fn same_for_all(&self) -> Option<i64> {
        self.counts.is_empty().then_some(SCORE_MAX)
    }
}

/// Whether one of the taints that keep pods away is not tolerated.
fn is_untolerated(taints: &[Taint], pod: &PodInfo) -> bool {
    let hard = |effect: &str| matches!(effect, NO_SCHEDULE | NO_EXECUTE);
    first_untolerated(taints, &pod.spec.tolerations, hard).is_some()
}

fn untolerated_soft(taints: &[Taint], tolerations: &[&Toleration]) -> i64 {
    let soft = taints.iter().filter(|taint| &*taint.effect == PREFER_NO_SCHEDULE);
    let untolerated = soft.filter(|taint| !tolerations.iter().any(|one| one.tolerates(taint)));
    i64::try_from(untolerated.count()).unwrap_or(i64::MAX)
}
