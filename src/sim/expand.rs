//! Controllers of pods, as far as a simulation needs them: they create the pods that are missing.

mod claims;
mod numbers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

pub use self::claims::ephemeral_claims;
use self::claims::mount_claims;
pub use self::numbers::ExpandError;
use crate::api::decode::Objects;
use crate::api::workload::{JobStatus, WorkloadSpec};
use crate::api::{self, Object, ObjectMeta, OwnerReference, PodTemplate};
use crate::model::{
    Labels, NO_EXECUTE, NO_SCHEDULE, NODE_NAME_FIELD, NodeSelector, NodeSelectorRequirement,
    NodeSelectorTerm, PodKey, Str, Toleration, first_untolerated,
};

/// By which a Deployment tells the pods of its ReplicaSets apart.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The pods that the controllers of a cluster would still create, in the order of the objects.
///
/// The ReplicaSets that its Deployments lack become part of the cluster, as do the claims of those
/// pods of StatefulSets that have no node yet.
pub fn missing_pods(objects: &mut Objects) -> Result<Vec<api::Pod>, ExpandError> {
    numbers::check(objects)?;
    for deployment in &objects.deployments {
        if !has_sets(deployment, &objects.replica_sets) {
            let set = replica_set(deployment, &objects.pods);
            objects.replica_sets.push(set);
        }
    }
    let existing = Existing::new(&objects.pods);
    let mut pods = Vec::new();
    for set in &objects.stateful_sets {
        pods.extend(existing.stateful_set(set));
    }
    for set in &objects.replica_sets {
        pods.extend(existing.replica_set(set));
    }
    for job in &objects.jobs {
        pods.extend(existing.job(job));
    }
    for set in &objects.daemon_sets {
        pods.extend(existing.daemon_set(set, &objects.nodes));
    }
    let claims = claims::missing(objects);
    objects.persistent_volume_claims.extend(claims);
    Ok(pods)
}

/// The pods that are there already.
#[derive(Default)]
struct Existing {
    names: BTreeSet<PodKey>,
    owned: BTreeMap<Owner, Owned>,
}

/// The namespace, kind and name of an owner.
type Owner = (Str, Str, Str);

/// The pods of one owner.
#[derive(Default)]
struct Owned {
    /// How many run or wait to; one that is being deleted has a successor already.
    active: i32,
    succeeded: i32,
    /// The nodes that they are on or are meant for.
    nodes: BTreeSet<Str>,
}

impl Existing {
    fn new(pods: &[api::Pod]) -> Self {
        let mut existing = Self::default();
        for pod in pods {
            // The name of a pod that has ended is free: its controller deletes it first.
            if !pod.is_terminal() {
                existing.names.insert(pod.key());
            }
            let Some(owner) = pod.metadata.controller() else {
                continue;
            };
            let key = (pod.metadata.namespace.clone(), owner.kind.clone(), owner.name.clone());
            let owned = existing.owned.entry(key).or_default();
            owned.succeeded += i32::from(&*pod.status.phase == "Succeeded");
            if !pod.is_terminal() {
                owned.active += i32::from(pod.metadata.deletion_timestamp.is_none());
                owned.nodes.extend(target_node(&pod.spec));
            }
        }
        existing
    }

    fn of(&self, meta: &ObjectMeta, owner: &OwnerReference) -> Option<&Owned> {
        self.owned.get(&(meta.namespace.clone(), owner.kind.clone(), owner.name.clone()))
    }

    fn stateful_set(&self, set: &api::StatefulSet) -> Vec<api::Pod> {
        let Some(template) = &set.spec.template else {
            return Vec::new();
        };
        let owner = owner("apps/v1", set);
        let pods = ordinals(set).map(|ordinal| {
            let name = format!("{}-{ordinal}", set.metadata.name);
            let mut pod = pod(template, &set.metadata, &name, &owner);
            let labels = [
                ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                ("statefulset.kubernetes.io/pod-name", name),
            ];
            add_labels(&mut pod.metadata, &labels);
            mount_claims(&mut pod, &set.spec.volume_claim_templates);
            pod
        });
        pods.filter(|pod| !self.names.contains(&pod.key())).collect()
    }

    fn replica_set(&self, set: &api::ReplicaSet) -> Vec<api::Pod> {
        let Some(template) = &set.spec.template else {
            return Vec::new();
        };
        let owner = owner("apps/v1", set);
        let wanted = replicas(set.spec.replicas);
        let active = self.of(&set.metadata, &owner).map_or(0, |owned| owned.active);
        self.numbered(&owner, &set.metadata, template, wanted - active)
    }

    fn job(&self, job: &api::Job) -> Vec<api::Pod> {
        let spec = &job.spec;
        let parallelism = replicas(spec.parallelism);
        let rests = spec.suspend == Some(true) || job.status.has_ended();
        let Some(template) = spec.template.as_ref().filter(|_| !rests) else {
            return Vec::new();
        };
        let owner = owner("batch/v1", job);
        let (active, seen) =
            self.of(&job.metadata, &owner).map_or((0, 0), |owned| (owned.active, owned.succeeded));
        // Pods that succeeded may be gone already.
        let succeeded = job.status.succeeded.unwrap_or(0).max(seen);
        let wanted = match spec.completions {
            Some(completions) => parallelism.min(completions - succeeded),
            // With the first success the others are only seen to their end.
            None if succeeded > 0 => 0,
            None => parallelism,
        };
        let mut pods = self.numbered(&owner, &job.metadata, template, wanted - active);
        for pod in &mut pods {
            let name = job.metadata.name.to_string();
            let labels = [("batch.kubernetes.io/job-name", name.clone()), ("job-name", name)];
            add_labels(&mut pod.metadata, &labels);
        }
        pods
    }

    /// So many pods, whose names mean nothing.
    fn numbered(
        &self,
        owner: &OwnerReference,
        meta: &ObjectMeta,
        template: &PodTemplate,
        missing: i32,
    ) -> Vec<api::Pod> {
        let names = (0_u32..).map(|number| format!("{}-{number}", meta.name));
        let pods = names.map(|name| pod(template, meta, &name, owner));
        let free = pods.filter(|pod| !self.names.contains(&pod.key()));
        free.take(usize::try_from(missing).unwrap_or(0)).collect()
    }

    /// One pod for each node that the set wants one on, kept to it by its name, as the DaemonSet
    /// controller does.
    fn daemon_set(&self, set: &api::DaemonSet, nodes: &[api::Node]) -> Vec<api::Pod> {
        let Some(template) = &set.spec.template else {
            return Vec::new();
        };
        let mut template = template.clone();
        tolerate_troubles(&mut template.spec);
        let owner = owner("apps/v1", set);
        let taken = self.of(&set.metadata, &owner).map(|owned| &owned.nodes);
        let free = |node: &&api::Node| !taken.is_some_and(|on| on.contains(&node.metadata.name));
        let nodes = nodes.iter().filter(|node| takes_daemons(&template.spec, node)).filter(free);
        let pods = nodes.map(|node| {
            let name = format!("{}-{}", set.metadata.name, node.metadata.name);
            let mut pod = pod(&template, &set.metadata, &name, &owner);
            pin_to_node(&mut pod.spec, &node.metadata.name);
            pod
        });
        pods.collect()
    }
}

fn replicas(wanted: Option<i32>) -> i32 {
    wanted.unwrap_or(1)
}

/// The numbers of a set's pods.
fn ordinals(set: &api::StatefulSet) -> impl Iterator<Item = i64> {
    let first = set.spec.ordinals.as_ref().map_or(0, |ordinals| ordinals.start);
    (0..replicas(set.spec.replicas)).map(move |index| i64::from(first) + i64::from(index))
}

/// Whether ReplicaSets of the Deployment are known, which then know how many pods there shall be.
fn has_sets(deployment: &api::Deployment, sets: &[api::ReplicaSet]) -> bool {
    let meta = &deployment.metadata;
    sets.iter().any(|set| {
        let owner = set.metadata.controller();
        set.metadata.namespace == meta.namespace
            && owner.is_some_and(|o| &*o.kind == "Deployment" && o.name == meta.name)
    })
}

/// The ReplicaSet that a Deployment has, or would create. Where pods of it are there and the set is
/// not, the first pod says what it is called.
fn replica_set(deployment: &api::Deployment, pods: &[api::Pod]) -> api::ReplicaSet {
    let meta = &deployment.metadata;
    let wanted = replicas(deployment.spec.replicas);
    let selector = deployment.spec.selector.as_ref().and_then(|selector| selector.compile().ok());
    let active = pods.iter().filter(|pod| {
        !pod.is_terminal()
            && pod.metadata.deletion_timestamp.is_none()
            && pod.metadata.namespace == meta.namespace
            && selector.as_ref().is_some_and(|selector| selector.matches(&pod.metadata.labels))
    });
    let owned = active.filter_map(|pod| {
        let owner = pod.metadata.controller().filter(|owner| &*owner.kind == "ReplicaSet")?;
        Some((pod, owner))
    });
    let owned: Vec<_> = owned.collect();
    let known = owned
        .first()
        .map(|(pod, owner)| (owner.name.clone(), pod.metadata.labels.get(TEMPLATE_HASH).cloned()));
    let (name, hash) = known.unwrap_or_else(|| {
        let hash = template_hash(deployment);
        (format!("{}-{hash}", meta.name).into(), Some(hash))
    });
    let others = owned.iter().filter(|(_, owner)| owner.name != name).count();
    let others = i32::try_from(others).unwrap_or(i32::MAX);
    let mut spec = WorkloadSpec {
        replicas: Some(wanted.saturating_sub(others).max(0)),
        ..deployment.spec.clone()
    };
    if let Some(hash) = hash {
        let label = [(TEMPLATE_HASH, hash.to_string())];
        spec.template.iter_mut().for_each(|template| add_labels(&mut template.metadata, &label));
        let selector = spec.selector.get_or_insert_default();
        selector.match_labels.insert(TEMPLATE_HASH.into(), hash);
    }
    api::ReplicaSet {
        metadata: ObjectMeta {
            name,
            namespace: meta.namespace.clone(),
            labels: meta.labels.clone(),
            owner_references: vec![owner("apps/v1", deployment)],
            ..ObjectMeta::default()
        },
        spec,
    }
}

/// Differs where templates do, and else stays the same.
fn template_hash(deployment: &api::Deployment) -> Str {
    let template = serde_json::to_vec(&deployment.spec.template).unwrap_or_default();
    format!("{:08x}", xxh3_64(&template) as u32).into()
}

fn owner<T: Object>(api_version: &str, workload: &T) -> OwnerReference {
    let meta = workload.meta();
    OwnerReference {
        api_version: api_version.into(),
        kind: T::KIND.into(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        controller: Some(true),
    }
}

fn pod(template: &PodTemplate, meta: &ObjectMeta, name: &str, owner: &OwnerReference) -> api::Pod {
    api::Pod {
        metadata: ObjectMeta {
            name: name.into(),
            namespace: meta.namespace.clone(),
            uid: format!("{}/{name}", meta.namespace).into(),
            labels: template.metadata.labels.clone(),
            annotations: template.metadata.annotations.clone(),
            owner_references: vec![owner.clone()],
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: api::PodStatus { phase: "Pending".into(), ..api::PodStatus::default() },
    }
}

fn add_labels(meta: &mut ObjectMeta, labels: &[(&str, String)]) {
    let old = meta.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    let new = labels.iter().map(|(key, value)| (Str::from(*key), Str::from(value.as_str())));
    meta.labels = old.chain(new).collect::<Labels>();
}

/// In the place of the terms that led to the node, as the DaemonSet controller does.
fn pin_to_node(spec: &mut api::PodSpec, node: &Str) {
    let field = NodeSelectorRequirement {
        key: NODE_NAME_FIELD.into(),
        operator: "In".into(),
        values: vec![node.clone()],
    };
    let term = NodeSelectorTerm { match_fields: vec![field], ..NodeSelectorTerm::default() };
    let affinity = spec.affinity.get_or_insert_default();
    affinity.node_affinity.get_or_insert_default().required =
        Some(NodeSelector { node_selector_terms: vec![term] });
}

/// The node that a pod is on, or that it is pinned to.
fn target_node(spec: &api::PodSpec) -> Option<Str> {
    if !spec.node_name.is_empty() {
        return Some(spec.node_name.clone());
    }
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let names = affinity.required.as_ref()?.node_names()?;
    names.into_iter().next()
}

/// Whether the set wants a pod on the node, whatever room there is.
fn takes_daemons(spec: &api::PodSpec, node: &api::Node) -> bool {
    let (name, labels) = (&node.metadata.name, &node.metadata.labels);
    let named = spec.node_name.is_empty() || spec.node_name == *name;
    let selected = spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let required = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref()?.required.as_ref());
    let wanted = |terms: &NodeSelector| terms.compile().matches(name, labels).unwrap_or(false);
    let keeps_away = |effect: &str| matches!(effect, NO_SCHEDULE | NO_EXECUTE);
    named
        && selected
        && required.is_none_or(wanted)
        && first_untolerated(&node.spec.taints, &spec.tolerations, keeps_away).is_none()
}

/// What the DaemonSet controller lets its pods tolerate.
fn tolerate_troubles(spec: &mut api::PodSpec) {
    let mut taints = vec![
        ("node.kubernetes.io/not-ready", NO_EXECUTE),
        ("node.kubernetes.io/unreachable", NO_EXECUTE),
        ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
        ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
        ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
        ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
    ];
    if spec.host_network {
        taints.push(("node.kubernetes.io/network-unavailable", NO_SCHEDULE));
    }
    spec.tolerations.extend(taints.into_iter().map(|(key, effect)| Toleration {
        key: key.into(),
        operator: "Exists".into(),
        effect: effect.into(),
        ..Toleration::default()
    }));
}

impl JobStatus {
    /// Whether the job is through, well or not.
    fn has_ended(&self) -> bool {
        let ends = ["Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"];
        let mut conditions = self.conditions.iter();
        conditions
            .any(|condition| &*condition.status == "True" && ends.contains(&&*condition.type_))
    }
}
