//! Which pods controllers would create: manifests in, names out.

use super::*;
use crate::api::{Format, decode};

fn read(text: &str) -> Objects {
    decode(text, Format::Yaml).unwrap()
}

/// The missing pods of these documents.
fn missing(text: &str) -> Vec<api::Pod> {
    missing_pods(&mut read(text)).unwrap()
}

fn names(pods: &[api::Pod]) -> Vec<&str> {
    pods.iter().map(|pod| &*pod.metadata.name).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(names(&missing(text)), expected, "{text}");
}

/// A workload of the namespace db with a container and these fields of its spec.
fn workload(kind: &str, name: &str, spec: &str) -> String {
    let group = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    format!(
        "---
apiVersion: {group}
kind: {kind}
metadata: {{ name: {name}, namespace: db, uid: {name}-uid }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec: {{ containers: [{{ name: main }}] }}
{spec}
"
    )
}

/// A pod of the namespace db that belongs to a workload, with these other fields of its metadata,
/// and then of its top level.
fn pod_of(kind: &str, owner: &str, name: &str, metadata: &str, rest: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: db
  ownerReferences: [{{ kind: {kind}, name: {owner}, controller: true }}]
{metadata}
{rest}
"
    )
}

fn running(kind: &str, owner: &str, name: &str) -> String {
    pod_of(kind, owner, name, "", "spec: { nodeName: n1 }\nstatus: { phase: Running }")
}

fn ended(kind: &str, owner: &str, name: &str, phase: &str) -> String {
    let rest = format!("spec: {{ nodeName: n1 }}\nstatus: {{ phase: {phase} }}");
    pod_of(kind, owner, name, "", &rest)
}

fn leaving(kind: &str, owner: &str, name: &str) -> String {
    let metadata = "  deletionTimestamp: 2026-01-01T00:00:00Z";
    pod_of(kind, owner, name, metadata, "spec: { nodeName: n1 }\nstatus: { phase: Running }")
}

#[test]
fn a_stateful_set_gets_the_ordinals_that_are_missing() {
    let set = |spec: &str| workload("StatefulSet", "ledger", spec);
    let of = |name: &str| running("StatefulSet", "ledger", name);
    check(&set(""), &["ledger-0"]);
    check(&set("  replicas: 0"), &[]);
    check(&set("  replicas: 3"), &["ledger-0", "ledger-1", "ledger-2"]);
    check(&(set("  replicas: 3") + &of("ledger-1")), &["ledger-0", "ledger-2"]);
    check(&set("  replicas: 2\n  ordinals: { start: 5 }"), &["ledger-5", "ledger-6"]);
    // A pod that is being deleted holds its name; one that has ended does not.
    check(&(set("  replicas: 1") + &leaving("StatefulSet", "ledger", "ledger-0")), &[]);
    check(
        &(set("  replicas: 1") + &ended("StatefulSet", "ledger", "ledger-0", "Failed")),
        &["ledger-0"],
    );
}

#[test]
fn pods_of_a_stateful_set_have_labels_an_owner_and_a_claim_each() {
    let claims = "  volumeClaimTemplates: [{ metadata: { name: data } }]";
    let pods = missing(&workload("StatefulSet", "ledger", claims));
    let meta = &pods[0].metadata;
    let label = |key: &str| meta.labels.get(key).unwrap().to_string();
    assert_eq!(label("app"), "ledger");
    assert_eq!(label("apps.kubernetes.io/pod-index"), "0");
    assert_eq!(label("statefulset.kubernetes.io/pod-name"), "ledger-0");
    let owner = meta.controller().unwrap();
    assert_eq!((&*owner.kind, &*owner.name, &*owner.uid), ("StatefulSet", "ledger", "ledger-uid"));
    let volume = &pods[0].spec.volumes[0];
    let claim = volume.persistent_volume_claim.as_ref().unwrap();
    assert_eq!((&*volume.name, &*claim.claim_name), ("data", "data-ledger-0"));
}

/// The claims of the namespace db after the controllers have been there.
fn claims(text: &str) -> Vec<api::PersistentVolumeClaim> {
    let mut objects = read(text);
    missing_pods(&mut objects).unwrap();
    objects.persistent_volume_claims
}

#[test]
fn pods_of_a_stateful_set_without_a_node_get_the_claims_of_its_templates() {
    let set = |replicas: u32| {
        let template = "metadata: { name: data, labels: { app: x, tier: disk } }, \
                        spec: { storageClassName: fast, accessModes: [ReadWriteOnce], \
                        resources: { requests: { storage: 3Gi } } }";
        let spec = format!("  replicas: {replicas}\n  volumeClaimTemplates: [{{ {template} }}]");
        workload("StatefulSet", "ledger", &spec)
    };
    let made = claims(&set(2));
    let names: Vec<String> = made.iter().map(|claim| claim.key().to_string()).collect();
    assert_eq!(names, ["db/data-ledger-0", "db/data-ledger-1"]);
    let (meta, spec) = (&made[0].metadata, &made[0].spec);
    let labels = ["app", "tier"].map(|key| &**meta.labels.get(key).unwrap());
    assert_eq!(labels, ["ledger", "disk"], "the set's own labels win");
    assert_eq!(spec.storage_class_name.as_deref(), Some("fast"));
    assert_eq!(spec.resources.requests["storage"].to_string(), "3Gi");
    assert!(meta.owner_references.is_empty(), "claims outlive the set");

    let old = "---
kind: PersistentVolumeClaim
metadata: { name: data-ledger-0, namespace: db, uid: old }
";
    let kept = claims(&(set(2) + old));
    assert_eq!(kept.iter().map(|c| &*c.metadata.uid).collect::<Vec<_>>(), ["old", ""]);
    let of_placed = claims(&(set(1) + &running("StatefulSet", "ledger", "ledger-0")));
    assert!(of_placed.is_empty(), "{of_placed:?}");
    let waiting = pod_of("StatefulSet", "ledger", "ledger-0", "", "status: { phase: Pending }");
    assert_eq!(claims(&(set(1) + &waiting)).len(), 1);
}

#[test]
fn a_volume_of_a_pod_alone_gets_a_claim_that_the_pod_owns() {
    let text = "---
kind: Pod
metadata: { name: sort, namespace: db, uid: u }
spec:
  containers: [{ name: c }]
  volumes:
    - name: scratch
      ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: b } }, spec: {
        storageClassName: fast, resources: { requests: { storage: 1Gi } } } } }
    - { name: cache, emptyDir: {} }
";
    let made = ephemeral_claims(&read(text).pods[0]);
    let [claim] = &made[..] else { panic!("{made:?}") };
    assert_eq!(claim.key(), PodKey::new("db", "sort-scratch"));
    let owner = claim.metadata.controller().unwrap();
    assert_eq!((&*owner.kind, &*owner.name, &*owner.uid), ("Pod", "sort", "u"));
    assert_eq!(claim.spec.storage_class_name.as_deref(), Some("fast"));
    assert_eq!(&**claim.metadata.labels.get("a").unwrap(), "b");
}

#[test]
fn a_replica_set_gets_as_many_pods_as_are_missing_under_free_names() {
    let set = |spec: &str| workload("ReplicaSet", "web", spec);
    let of = |name: &str| running("ReplicaSet", "web", name);
    check(&set("  replicas: 2"), &["web-0", "web-1"]);
    check(&(set("  replicas: 3") + &of("web-x7k2p") + &of("web-0")), &["web-1"]);
    check(&(set("  replicas: 1") + &of("web-a") + &of("web-b")), &[]);
    check(&(set("  replicas: 1") + &ended("ReplicaSet", "web", "web-a", "Failed")), &["web-0"]);
    // One that is being deleted has a successor already.
    check(&(set("  replicas: 1") + &leaving("ReplicaSet", "web", "web-a")), &["web-0"]);
    // Pods of others do not count, whatever they are called.
    check(&(set("  replicas: 1") + &running("StatefulSet", "web", "web-9")), &["web-0"]);
}

#[test]
fn a_deployment_gets_the_replica_set_that_it_would_create() {
    let mut objects = read(&workload("Deployment", "web", "  replicas: 2"));
    let pods = missing_pods(&mut objects).unwrap();
    let set = &objects.replica_sets[0];
    let hash = set.metadata.name.strip_prefix("web-").unwrap();
    assert_eq!(hash.len(), 8, "{hash}");
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        assert_eq!(pod.metadata.labels.get("pod-template-hash").map(|hash| &**hash), Some(hash));
        let owner = pod.metadata.controller().unwrap();
        assert_eq!((&*owner.kind, &owner.name), ("ReplicaSet", &set.metadata.name));
        let selector = set.spec.selector.as_ref().unwrap().compile().unwrap();
        assert!(selector.matches(&pod.metadata.labels), "{selector}");
    }
    let owner = set.metadata.controller().unwrap();
    assert_eq!((&*owner.kind, &*owner.name), ("Deployment", "web"));
    // The same template has the same hash, and another one another.
    let names = |spec: &str| {
        let mut others = read(&workload("Deployment", "web", spec));
        missing_pods(&mut others).unwrap();
        others.replica_sets[0].metadata.name.clone()
    };
    assert_eq!(names("  replicas: 5"), set.metadata.name);
}

#[test]
fn a_deployment_with_known_replica_sets_leaves_the_work_to_them() {
    let deployment = workload("Deployment", "web", "  replicas: 3");
    let owner = "  ownerReferences: [{ kind: Deployment, name: web, controller: true }]\nspec:";
    let set = workload("ReplicaSet", "web-1", "  replicas: 1");
    let set = set.replacen("uid: web-1-uid }", "uid: s }", 1);
    let owned = set.replacen(
        "metadata: { name: web-1, namespace: db, uid: s }\nspec:",
        &format!("metadata:\n  name: web-1\n  namespace: db\n{owner}"),
        1,
    );
    assert_ne!(set, owned);
    check(&(deployment.clone() + &owned), &["web-1-0"]);
    // A set of that name that belongs to nobody is none of its own.
    assert_eq!(missing(&(deployment + &set)).len(), 4);
}

#[test]
fn pods_of_a_deployment_count_where_its_replica_sets_are_not_in_the_dump() {
    let deployment = workload("Deployment", "web", "  replicas: 3");
    let of = |set: &str, name: &str| {
        let labels = format!("  labels: {{ app: web, pod-template-hash: {set} }}");
        let rest = "spec: { nodeName: n1 }\nstatus: { phase: Running }";
        pod_of("ReplicaSet", &format!("web-{set}"), name, &labels, rest)
    };
    check(&(deployment.clone() + &of("5d4f", "web-5d4f-a")), &["web-5d4f-0", "web-5d4f-1"]);
    // In the middle of a roll-out the pods of both sets count.
    let both = of("5d4f", "web-5d4f-a") + &of("77c9", "web-77c9-b");
    let pods = missing(&(deployment + &both));
    assert_eq!(names(&pods), ["web-5d4f-0"]);
    let label = pods[0].metadata.labels.get("pod-template-hash").unwrap();
    assert_eq!(&**label, "5d4f");
}

#[test]
fn a_job_gets_what_parallelism_and_completions_leave() {
    let job = |spec: &str| workload("Job", "backup", spec);
    check(&job(""), &["backup-0"]);
    check(&job("  parallelism: 2"), &["backup-0", "backup-1"]);
    check(&job("  parallelism: 0"), &[]);
    check(&job("  parallelism: 5\n  completions: 2"), &["backup-0", "backup-1"]);
    check(&job("  parallelism: 2\n  completions: 5"), &["backup-0", "backup-1"]);
    check(&job("  suspend: true"), &[]);
    let of = |name: &str| running("Job", "backup", name);
    let done = |name: &str| ended("Job", "backup", name, "Succeeded");
    check(&(job("  parallelism: 2") + &of("backup-a")), &["backup-0"]);
    let five = job("  parallelism: 3\n  completions: 5");
    let three = done("backup-a") + &done("backup-b") + &done("backup-c");
    check(&(five + &three + &of("backup-d")), &["backup-0"]);
    // A failed pod is tried again.
    check(&(job("") + &ended("Job", "backup", "backup-a", "Failed")), &["backup-0"]);
    // With the first success of a job without completions nothing new starts.
    check(&(job("  parallelism: 2") + &done("backup-a")), &[]);
}

#[test]
fn a_job_that_has_ended_gets_nothing() {
    let job = |status: &str| workload("Job", "backup", "  completions: 2") + status;
    check(&job("status: { succeeded: 2 }"), &[]);
    check(&job("status: { succeeded: 1 }"), &["backup-0"]);
    let condition = |type_: &str, status: &str| {
        format!("status: {{ conditions: [{{ type: {type_}, status: \"{status}\" }}] }}")
    };
    check(&job(&condition("Complete", "True")), &[]);
    check(&job(&condition("Failed", "True")), &[]);
    check(&job(&condition("Failed", "False")), &["backup-0"]);
    check(&job(&condition("Suspended", "True")), &["backup-0"]);
}

#[test]
fn pods_of_a_job_carry_its_name() {
    let pods = missing(&workload("Job", "backup", ""));
    for key in ["batch.kubernetes.io/job-name", "job-name"] {
        assert_eq!(pods[0].metadata.labels.get(key).map(|name| &**name), Some("backup"), "{key}");
    }
}

const NODES: &str = "
---
apiVersion: v1
kind: Node
metadata: { name: n1, labels: { disk: ssd } }
---
apiVersion: v1
kind: Node
metadata: { name: n2, labels: { disk: hdd } }
spec: { taints: [{ key: gpu, effect: NoSchedule }] }
---
apiVersion: v1
kind: Node
metadata: { name: n3, labels: { disk: ssd } }
spec:
  unschedulable: true
  taints:
    - { key: node.kubernetes.io/unschedulable, effect: NoSchedule }
    - { key: old, effect: PreferNoSchedule }
";

/// A DaemonSet with these other fields of its pods' spec.
fn daemons(spec: &str) -> String {
    let set = workload("DaemonSet", "agent", "");
    NODES.to_owned() + &set.replace("[{ name: main }] }", &format!("[{{ name: main }}]{spec} }}"))
}

#[test]
fn a_daemon_set_gets_a_pod_on_each_node_that_it_selects_and_tolerates() {
    // A cordoned node gets one, too.
    check(&daemons(""), &["agent-n1", "agent-n3"]);
    let tolerant = ", tolerations: [{ operator: Exists }]";
    check(&daemons(tolerant), &["agent-n1", "agent-n2", "agent-n3"]);
    check(&daemons(", nodeSelector: { disk: hdd }"), &[]);
    check(&daemons(&(", nodeSelector: { disk: hdd }".to_owned() + tolerant)), &["agent-n2"]);
    let affinity = ", affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: \
        { nodeSelectorTerms: [{ matchExpressions: [{ key: disk, operator: NotIn, values: [hdd] }] \
        }] } } }";
    check(&daemons(&(affinity.to_owned() + tolerant)), &["agent-n1", "agent-n3"]);
    check(&daemons(", nodeName: n3"), &["agent-n3"]);
}

#[test]
fn a_daemon_has_its_node_for_its_only_affinity_and_tolerates_troubles() {
    let affinity = ", hostNetwork: true, affinity: { nodeAffinity: { \
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: \
        [{ key: disk, operator: Exists }] }] } } }";
    let pods = missing(&daemons(affinity));
    let spec = &pods[0].spec;
    let affinity = spec.affinity.as_ref().unwrap().node_affinity.as_ref().unwrap();
    let required = affinity.required.as_ref().unwrap();
    assert_eq!(required.node_names().unwrap().into_iter().collect::<Vec<_>>(), ["n1".into()]);
    assert_eq!(required.node_selector_terms[0].match_expressions, []);
    let keys = spec
        .tolerations
        .iter()
        .map(|toleration| toleration.key.strip_prefix("node.kubernetes.io/").unwrap().to_owned());
    let troubles = [
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
        "network-unavailable",
    ];
    assert_eq!(keys.collect::<Vec<_>>(), troubles);
    assert_eq!(missing(&daemons(""))[0].spec.tolerations.len(), troubles.len() - 1);
}

#[test]
fn a_daemon_counts_on_its_node_also_while_it_waits() {
    let of = |rest: &str| pod_of("DaemonSet", "agent", "agent-x", "", rest);
    check(&(daemons("") + &of("spec: { nodeName: n1 }")), &["agent-n3"]);
    let pinned = "spec: { affinity: { nodeAffinity: { \
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: \
        [{ key: metadata.name, operator: In, values: [n3] }] }] } } } }";
    check(&(daemons("") + &of(pinned)), &["agent-n1"]);
    let failed = "spec: { nodeName: n1 }\nstatus: { phase: Failed }";
    check(&(daemons("") + &of(failed)), &["agent-n1", "agent-n3"]);
}
