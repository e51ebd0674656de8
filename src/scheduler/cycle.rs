//! One scheduling cycle: a pod and a view in, a verdict out.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::framework::{CycleError, Diagnosis, Framework};
use crate::metrics;
use crate::model::Str;
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
pub fn schedule(framework: &Framework, pod: &PodInfo, view: &View<'_>, seed: u64) -> Verdict {
    let _timer = metrics::time_algorithm();
    let filtered = match framework.filter(pod, view) {
        Ok(filtered) => filtered,
        Err(error) => return Verdict::Failed(error),
    };
    let node = match filtered.feasible.as_slice() {
        [] => return Verdict::Unschedulable(filtered.diagnosis),
        [only] => *only,
        nodes => match framework.score(pod, view, nodes, None) {
            Ok(totals) => best(nodes, &totals, view, pod, seed),
            Err(error) => return Verdict::Failed(error),
        },
    };
    match framework.reserve(pod, view, node) {
        Ok(claims) => Verdict::Node(view.nodes().name(node).clone(), claims),
        Err(error) => Verdict::Failed(error),
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
    let highest = totals.iter().copied().max().unwrap_or(0);
    let pod_seed = xxh3_64_with_seed(pod.uid.as_bytes(), seed);
    let tied = nodes.iter().zip(totals).filter(|(_, total)| **total == highest);
    let rank = |node: NodeIndex| {
        let name = view.nodes().name(node);
        (xxh3_64_with_seed(name.as_bytes(), pod_seed), name)
    };
    let winner = tied.map(|(node, _)| *node).min_by(|a, b| rank(*a).cmp(&rank(*b)));
    winner.unwrap_or(nodes[0])
}
