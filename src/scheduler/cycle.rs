//! One scheduling cycle: a pod and a view in, a verdict out.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::framework::{CycleError, Diagnosis, Framework};
use crate::metrics;
use crate::model::Str;
use crate::queue::QueuedPod;
use crate::snapshot::{ClaimDecision, NodeIndex, PodInfo, View};

/// What a cycle decides.
#[derive(Debug)]
pub enum Verdict {
    /// The best node, and what becomes of the pod's claims there.
    Node(Str, Vec<ClaimDecision>),
    /// No node will do.
    Unschedulable(Diagnosis),
    /// A plugin failed.
    Failed(CycleError),
}

/// Decides where a pod goes: filter, score, take the best.
pub fn schedule(framework: &Framework, queued: &QueuedPod, view: &View<'_>, seed: u64) -> Verdict {
    let pod = &*queued.pod;
    let _timer = metrics::time_algorithm();
    let filtered = match framework.filter(pod, view) {
        Ok(filtered) => filtered,
        Err(error) => return Verdict::Failed(error),
    };
    let node = match filtered.feasible.as_slice() {
        [] => return Verdict::Unschedulable(filtered.diagnosis),
        [only] => *only,
        nodes => match framework.score(pod, view, nodes, None) {
            Ok(totals) if queued.failed_on.is_empty() => best(nodes, &totals, view, pod, seed),
            Ok(totals) => best_again(nodes, &totals, view, queued, seed),
            Err(error) => return Verdict::Failed(error),
        },
    };
    match framework.reserve(pod, view, node) {
        Ok(claims) => Verdict::Node(view.nodes().name(node).clone(), claims),
        Err(error) => Verdict::Failed(error),
    }
}

/// The best node for a pod that came to nothing on some: the best of the others, if there are any.
/// Among equals it is another one each time: what was missing may be missing in a whole zone.
fn best_again(
    nodes: &[NodeIndex],
    totals: &[i64],
    view: &View<'_>,
    queued: &QueuedPod,
    seed: u64,
) -> NodeIndex {
    let is_fresh = |node: NodeIndex| !queued.failed_on.contains(view.nodes().name(node));
    let all = nodes.iter().copied().zip(totals.iter().copied());
    let (others, their_totals): (Vec<_>, Vec<_>) = all.filter(|(node, _)| is_fresh(*node)).unzip();
    let seed = seed.wrapping_add(queued.attempts.into());
    match others.is_empty() {
        true => best(nodes, totals, view, &queued.pod, seed),
        false => best(&others, &their_totals, view, &queued.pod, seed),
    }
}

/// The node of the highest total. Among equals a hash of seed, pod and node decides, so that the
/// order in which nodes were seen never does.
fn best(
    nodes: &[NodeIndex],
    totals: &[i64],
    view: &View<'_>,
    pod: &PodInfo,
    seed: u64,
) -> NodeIndex {
    let tied = highest(nodes, totals);
    if let [only] = *tied {
        return only;
    }
    let pod_seed = xxh3_64_with_seed(pod.uid.as_bytes(), seed);
    let rank = |node: &NodeIndex| {
        let name = view.nodes().name(*node);
        (xxh3_64_with_seed(name.as_bytes(), pod_seed), name)
    };
    tied.into_iter().min_by_key(rank).unwrap_or(nodes[0])
}

/// The nodes of the highest total.
fn highest(nodes: &[NodeIndex], totals: &[i64]) -> Vec<NodeIndex> {
    let highest = totals.iter().copied().max().unwrap_or(0);
    // Every node is written down and all but the tied ones are written over, because whether the
    // next one is tied is as good as random, and a branch on it would be foretold wrongly.
    let mut tied = nodes.to_vec();
    let mut count = 0;
    for (node, total) in nodes.iter().zip(totals) {
        tied[count] = *node;
        count += usize::from(*total == highest);
    }
    tied.truncate(count);
    tied
}
