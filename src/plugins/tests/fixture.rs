//! What the tests of plugins share: a small cluster, and one plugin asked about a pod.

use std::sync::Arc;

use crate::framework::ClusterEvent;
use crate::framework::{Hint, Prepared, Refusals, SetPlugin, Status};
use crate::model::Str;
use crate::snapshot::volumes::{ClaimInfo, ClassInfo, VolumeInfo};
use crate::snapshot::{NodeIndex, NodeInfo, PodInfo, Snapshot};
use crate::testing::storage::{ClaimBuilder, ClassBuilder, VolumeBuilder};
use crate::testing::{NodeBuilder, PodBuilder};

/// What a filter says of a pod.
#[derive(Debug, Default, PartialEq)]
pub struct Filtered {
    pub skipped: bool,
    pub rejected: Option<Status>,
    pub narrowed: Option<Vec<String>>,
    /// The refused nodes with the reason, in the order of the nodes.
    pub refused: Vec<(String, Status)>,
}

/// What a score says of all nodes.
#[derive(Debug, PartialEq)]
pub enum Scored {
    Skipped,
    Failed(Status),
    Scores { raw: Vec<i64>, normalized: Vec<i64> },
}

/// A cluster of these nodes and placed pods.
pub fn cluster(
    nodes: impl IntoIterator<Item = NodeBuilder>,
    pods: impl IntoIterator<Item = PodBuilder>,
) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for node in nodes {
        snapshot.set_node(NodeInfo::new(&node.build()));
    }
    for pod in pods {
        let pod = pod.build();
        snapshot.place(Arc::new(PodInfo::new(&pod)), &pod.spec.node_name);
    }
    snapshot
}

/// Asks a filter about a pod and every node.
pub fn filter(plugin: &dyn SetPlugin, pod: PodBuilder, snapshot: &Snapshot) -> Filtered {
    let pod = PodInfo::new(&pod.build());
    let view = snapshot.view();
    let mut filtered = Filtered::default();
    match plugin.prepare_filter(&pod, &view) {
        Prepared::Skip => filtered.skipped = true,
        Prepared::Reject(status) => filtered.rejected = Some(status),
        Prepared::Ready(ready) => {
            let text = |names: std::collections::BTreeSet<Str>| {
                names.iter().map(|name| name.to_string()).collect()
            };
            filtered.narrowed = ready.narrowed.map(text);
            let mut refusals = Refusals::default();
            ready.filter.filter(snapshot.nodes().present(), &mut refusals);
            let mut refused: Vec<_> = refusals.iter().collect();
            refused.sort();
            let named = refused.into_iter().map(|(node, status)| {
                let name = snapshot.nodes().name(node).to_string();
                (name, status.clone())
            });
            filtered.refused = named.collect();
        }
    }
    filtered
}

/// Asks a score about a pod and all nodes.
pub fn score(plugin: &dyn SetPlugin, pod: PodBuilder, snapshot: &Snapshot) -> Scored {
    let pod = PodInfo::new(&pod.build());
    let view = snapshot.view();
    let nodes: Vec<NodeIndex> = snapshot.nodes().present().iter().collect();
    match plugin.prepare_score(&pod, &view, &nodes) {
        Prepared::Skip => Scored::Skipped,
        Prepared::Reject(status) => Scored::Failed(status),
        Prepared::Ready(stage) => {
            let mut raw = vec![0; nodes.len()];
            stage.score(&mut raw);
            let mut normalized = raw.clone();
            stage.normalize(&mut normalized);
            if let Some(same) = stage.same_for_all() {
                assert!(normalized.iter().all(|score| *score == same), "{normalized:?}");
            }
            Scored::Scores { raw, normalized }
        }
    }
}

/// Asks whether a new node may help a pod that the plugin has refused.
pub fn hint_on_new_node(plugin: &dyn SetPlugin, pod: PodBuilder, node: NodeBuilder) -> Hint {
    let node = NodeInfo::new(&node.build());
    plugin.hint(&PodInfo::new(&pod.build()), &ClusterEvent::NodeAdded(&node))
}

/// Asks whether a change of a node may help a pod that the plugin has refused.
pub fn hint_on_changed_node(
    plugin: &dyn SetPlugin,
    pod: PodBuilder,
    old: NodeBuilder,
    new: NodeBuilder,
) -> Hint {
    let (old, new) = (NodeInfo::new(&old.build()), NodeInfo::new(&new.build()));
    let event = ClusterEvent::NodeUpdated { old: &old, new: &new };
    plugin.hint(&PodInfo::new(&pod.build()), &event)
}

/// Asks whether a change of the waiting pod itself may help it.
pub fn hint_on_changed_pod(plugin: &dyn SetPlugin, old: PodBuilder, new: PodBuilder) -> Hint {
    let (old, new) = (PodInfo::new(&old.build()), PodInfo::new(&new.build()));
    let event = ClusterEvent::WaitingPodUpdated { old: &old, new: &new };
    plugin.hint(&new, &event)
}

/// Adds storage to a cluster.
pub fn store(
    snapshot: &mut Snapshot,
    classes: impl IntoIterator<Item = ClassBuilder>,
    volumes: impl IntoIterator<Item = VolumeBuilder>,
    claims: impl IntoIterator<Item = ClaimBuilder>,
) {
    let storage = &mut snapshot.volumes;
    for class in classes {
        storage.set_class(ClassInfo::new(&class.build()));
    }
    for volume in volumes {
        storage.set_volume(VolumeInfo::new(&volume.build()));
    }
    for claim in claims {
        storage.set_claim(ClaimInfo::new(&claim.build()));
    }
}
