//! What stands in a file of recorded scheduling decisions: one case a line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api;
use crate::framework::Code;
use crate::model::Str;
use crate::snapshot::volumes::{
    AttachmentInfo, CapacityInfo, ClaimInfo, ClassInfo, DriverInfo, NodeDrivers, VolumeInfo,
};
use crate::snapshot::{NodeInfo, PodInfo, Snapshot, Volumes};

/// Why some nodes are refused: the code, the reasons, and their positions.
pub type RefusedNodes = (Code, BTreeSet<Str>, Vec<usize>);

/// A cluster, and pods of which each is decided alone.
#[derive(Debug, Deserialize)]
pub struct Case {
    pub id: Str,
    pub topic: Str,
    pub objects: Objects,
    pub pending: Vec<Pending>,
}

/// The objects on which our decisions depend; others are recorded, too.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Objects {
    nodes: Vec<api::Node>,
    pods: Vec<api::Pod>,
    namespaces: Vec<api::Namespace>,
    services: Vec<api::Service>,
    replication_controllers: Vec<api::ReplicationController>,
    replica_sets: Vec<api::ReplicaSet>,
    stateful_sets: Vec<api::StatefulSet>,
    persistent_volume_claims: Vec<api::PersistentVolumeClaim>,
    persistent_volumes: Vec<api::PersistentVolume>,
    storage_classes: Vec<api::StorageClass>,
    csi_drivers: Vec<api::CsiDriver>,
    csi_nodes: Vec<api::CsiNode>,
    csi_storage_capacities: Vec<api::CsiStorageCapacity>,
    volume_attachments: Vec<api::VolumeAttachment>,
}

/// A pod with the recorded decision.
#[derive(Debug, Deserialize)]
pub struct Pending {
    pub pod: api::Pod,
    pub expect: Expect,
}

/// A recorded decision. Nodes are positions among the objects; absent means empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expect {
    pub pre_enqueue: Option<Rejection>,
    pub pre_filter: Option<Rejection>,
    pub narrowed: Option<BTreeSet<Str>>,
    pub refused: BTreeMap<Str, Vec<RefusedNodes>>,
    pub with_nominated: Vec<(usize, Str, Code, BTreeSet<Str>)>,
    pub feasible: Vec<usize>,
    pub scores: BTreeMap<Str, Scores>,
    pub total: Option<Column>,
    pub host: Option<usize>,
    pub message: Option<String>,
    pub unschedulable_plugins: BTreeSet<Str>,
    pub error: Option<String>,
    pub score_error: Option<String>,
    /// What preemption answers, which is not compared yet.
    pub post_filter: Option<IgnoredAny>,
    /// What kube-scheduler saved itself; an answer that did not is compared all the same.
    #[serde(rename = "skipFilter")]
    _skip_filter: IgnoredAny,
    #[serde(rename = "skipScore")]
    _skip_score: IgnoredAny,
}

/// A plugin rejects the whole pod.
#[derive(Debug, Deserialize)]
pub struct Rejection {
    /// Empty where several do together.
    #[serde(default)]
    pub plugin: Str,
    pub code: Code,
    #[serde(default)]
    pub reasons: BTreeSet<Str>,
}

/// The scores of one plugin over the feasible nodes.
#[derive(Debug, Deserialize)]
pub struct Scores {
    pub raw: Column,
    /// Absent where equal to `raw`.
    pub normalized: Option<Column>,
}

/// One number a node, or one for all of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Column {
    Same(i64),
    Each(Vec<i64>),
}

impl Objects {
    /// The cluster that the objects describe. Nodes get their positions as indexes.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for node in &self.nodes {
            snapshot.set_node(NodeInfo::new(node));
        }
        for namespace in &self.namespaces {
            snapshot.set_namespace(namespace);
        }
        self.set_storage(&mut snapshot.volumes);
        for pod in self.pods.iter().filter(|pod| !pod.is_terminal()) {
            let info = Arc::new(PodInfo::new(pod));
            let (node, nominated) = (&pod.spec.node_name, &pod.status.nominated_node_name);
            if !node.is_empty() {
                snapshot.place(info, node);
            } else if !nominated.is_empty() {
                snapshot.nominate(info, nominated);
            }
        }
        let owners = &mut snapshot.owners;
        owners.services = keyed(&self.services, |service| service.spec.selector.clone());
        owners.replication_controllers =
            keyed(&self.replication_controllers, |controller| controller.spec.selector.clone());
        owners.replica_sets = keyed(&self.replica_sets, |set| set.spec.selector.clone());
        owners.stateful_sets = keyed(&self.stateful_sets, |set| set.spec.selector.clone());
        snapshot
    }

    fn set_storage(&self, volumes: &mut Volumes) {
        for class in &self.storage_classes {
            volumes.set_class(ClassInfo::new(class));
        }
        for driver in &self.csi_drivers {
            volumes.set_driver(DriverInfo::new(driver));
        }
        for node in &self.csi_nodes {
            volumes.set_node(NodeDrivers::new(node));
        }
        for capacity in &self.csi_storage_capacities {
            volumes.set_capacity(CapacityInfo::new(capacity));
        }
        for volume in &self.persistent_volumes {
            volumes.set_volume(VolumeInfo::new(volume));
        }
        for claim in &self.persistent_volume_claims {
            volumes.set_claim(ClaimInfo::new(claim));
        }
        for attachment in &self.volume_attachments {
            let name = &attachment.metadata.name;
            volumes.set_attachment(name, AttachmentInfo::new(attachment));
        }
    }
}

impl Column {
    pub fn expand(&self, nodes: usize) -> Vec<i64> {
        match self {
            Self::Same(number) => vec![*number; nodes],
            Self::Each(numbers) => numbers.clone(),
        }
    }
}

fn keyed<T: api::Object, S>(
    objects: &[T],
    selector: impl Fn(&T) -> S,
) -> BTreeMap<crate::model::PodKey, S> {
    objects.iter().map(|object| (object.key(), selector(object))).collect()
}
