//! Claims, volumes and classes for tests on a real control plane, and what to ask about them.

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};

use crate::control_plane::{AuditEntry, Cluster, ControlPlane, node};

pub const ZONE: &str = "topology.kubernetes.io/zone";
pub const HOST: &str = "kubernetes.io/hostname";
pub const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// Makes volumes as their class says.
pub const STAND_IN: &str = "stand-in.quorate.dev";
/// Nobody makes volumes of such a class.
pub const BY_HAND: &str = "kubernetes.io/no-provisioner";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// So many nodes in each of three zones: `zone-a-0` and so on.
pub fn create_zones(cluster: &Cluster, nodes_per_zone: usize) {
    let node_of = |zone: &str, number| node(&format!("{zone}-{number}")).label(ZONE, zone).build();
    let nodes: Vec<Node> =
        ZONES.iter().flat_map(|zone| (0..nodes_per_zone).map(|n| node_of(zone, n))).collect();
    cluster.create_all(&nodes);
}

/// The zone of a node that `create_zones` made.
pub fn zone_of(node: &str) -> &str {
    node.rsplit_once('-').unwrap().0
}

/// A class whose claims wait for their pods.
pub fn create_class(cluster: &Cluster, name: &str, provisioner: &str, parameters: &Value) {
    create_class_that(cluster, name, "WaitForFirstConsumer", provisioner, parameters);
}

pub fn create_class_that(
    cluster: &Cluster,
    name: &str,
    binds: &str,
    provisioner: &str,
    parameters: &Value,
) {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner, "parameters": parameters, "volumeBindingMode": binds,
    });
    cluster.apply(&class.to_string());
}

/// The spec of a claim of one gibibyte.
pub fn claim_spec(class: &str) -> Value {
    json!({
        "storageClassName": class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    })
}

pub fn create_claim(cluster: &Cluster, namespace: &str, name: &str, class: &str) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": claim_spec(class),
    });
    cluster.apply(&claim.to_string());
}

/// A volume that only nodes with this label reach.
pub fn create_volume(cluster: &Cluster, name: &str, class: &str, key: &str, value: &str) {
    let expression = json!({"key": key, "operator": "In", "values": [value]});
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": class,
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "local": {"path": "/data"},
            "nodeAffinity":
                {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}},
        },
    });
    cluster.apply(&volume.to_string());
}

/// A volume of a pod that stands for a claim.
pub fn from_claim(claim: &str) -> Value {
    json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})
}

/// The node for which a volume was asked for, if the request did that: (claim, node).
pub fn selected_node(entry: &AuditEntry) -> Option<(&str, &str)> {
    let annotations = &entry.request.as_ref()?["metadata"]["annotations"];
    let is_done = entry.resource == "persistentvolumeclaims" && entry.code == 200;
    Some((&*entry.name, annotations[SELECTED_NODE].as_str()?)).filter(|_| is_done)
}

/// Panics unless all claims of the pod are bound, to volumes that its node reaches.
pub fn assert_reached(cluster: &Cluster, pod: &Pod) {
    let spec = pod.spec.as_ref().unwrap();
    let node = cluster.get::<Node>("", spec.node_name.as_ref().unwrap()).unwrap();
    let labels = node.metadata.labels.unwrap();
    let (pod_name, namespace) = (pod.metadata.name.as_ref(), pod.metadata.namespace.as_ref());
    let (pod_name, namespace) = (pod_name.unwrap(), namespace.unwrap());
    for volume in spec.volumes.iter().flatten() {
        let claim = match (&volume.persistent_volume_claim, &volume.ephemeral) {
            (Some(source), _) => source.claim_name.clone(),
            (None, Some(_)) => format!("{pod_name}-{}", volume.name),
            (None, None) => continue,
        };
        let claim = cluster.get::<PersistentVolumeClaim>(namespace, &claim).unwrap();
        assert_eq!(claim.status.unwrap().phase.as_deref(), Some("Bound"), "{pod_name}");
        let volume = claim.spec.unwrap().volume_name.unwrap();
        let volume = cluster.get::<PersistentVolume>("", &volume).unwrap().spec.unwrap();
        let Some(affinity) = volume.node_affinity else { continue };
        let reached = affinity.required.unwrap().node_selector_terms.iter().any(|term| {
            term.match_expressions.iter().flatten().all(|expression| {
                expression.values.as_ref().unwrap().contains(&labels[&expression.key])
            })
        });
        assert!(reached, "{pod_name} cannot reach its volume");
    }
}

/// Panics if a pod was bound twice, or a request of the daemon was forbidden.
pub fn assert_sound(plane: &ControlPlane) {
    let entries = plane.audit();
    let bound = entries.iter().filter(|entry| entry.is_binding() && entry.code == 201);
    let mut names: Vec<&str> = bound.map(|entry| entry.name.as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "bound twice");
    let forbidden: Vec<_> = entries.iter().filter(|e| matches!(e.code, 401 | 403)).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}
