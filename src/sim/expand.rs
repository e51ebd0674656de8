//! Controllers of pods, as far as a simulation needs them: they create the pods that are missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::decode::Objects;
use crate::api::{self, Object, ObjectMeta, OwnerReference, PodTemplate};
use crate::model::{
    NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodKey, Str, Toleration,
};

/// A workload may ask for this many pods. More is a misprint, or more than a simulation serves.
const REPLICAS_MAX: i32 = 200_000;
/// All workloads together may ask for this many pods: several times what Kubernetes supports.
const PODS_MAX: i64 = 1_000_000;

/// A workload that asks for a number of pods that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    #[error("{workload}: {field}: {value}: expected a number from 0 to {REPLICAS_MAX}")]
    Replicas { workload: String, field: &'static str, value: i32 },
    #[error(
        "{workload}: with its {value} pods the workloads ask for more than {PODS_MAX} pods together"
    )]
    TooMany { workload: String, value: i32 },
}

/// The pods that the controllers of a cluster would still create, in the order of the objects.
///
/// A Deployment whose ReplicaSets are known leaves the work to them.
pub fn missing_pods(objects: &Objects) -> Result<Vec<api::Pod>, ExpandError> {
    check_numbers(objects)?;
    let existing = Existing::new(&objects.pods);
    let mut pods = Vec::new();
    for set in &objects.stateful_sets {
        pods.extend(existing.stateful_set(set));
    }
    for set in &objects.replica_sets {
        let owner = owner("apps/v1", "ReplicaSet", &set.metadata);
        pods.extend(existing.replicas(&owner, &set.metadata, &set.spec, set.spec.replicas));
    }
    for deployment in &objects.deployments {
        let has_sets = objects.replica_sets.iter().any(|set| {
            let owner = set.metadata.controller();
            set.metadata.namespace == deployment.metadata.namespace
                && owner
                    .is_some_and(|o| &*o.kind == "Deployment" && o.name == deployment.metadata.name)
        });
        if !has_sets {
            let meta = &deployment.metadata;
            let owner = owner("apps/v1", "Deployment", meta);
            pods.extend(existing.replicas(
                &owner,
                meta,
                &deployment.spec,
                deployment.spec.replicas,
            ));
        }
    }
    for job in &objects.jobs {
        pods.extend(existing.job(job));
    }
    for set in &objects.daemon_sets {
        pods.extend(existing.daemon_set(set, &objects.nodes));
    }
    give_priorities(&mut pods, objects);
    Ok(pods)
}

/// Refuses impossible numbers before a single pod is made.
fn check_numbers(objects: &Objects) -> Result<(), ExpandError> {
    let mut total = 0;
    for set in &objects.stateful_sets {
        check(objects, set, "spec.replicas", set.spec.replicas, &mut total)?;
    }
    for set in &objects.replica_sets {
        check(objects, set, "spec.replicas", set.spec.replicas, &mut total)?;
    }
    for deployment in &objects.deployments {
        check(objects, deployment, "spec.replicas", deployment.spec.replicas, &mut total)?;
    }
    for job in &objects.jobs {
        check(objects, job, "spec.completions", job.spec.completions, &mut 0)?;
        check(objects, job, "spec.parallelism", job.spec.parallelism, &mut total)?;
    }
    Ok(())
}

fn check<T: Object>(
    objects: &Objects,
    workload: &T,
    field: &'static str,
    wanted: Option<i32>,
    total: &mut i64,
) -> Result<(), ExpandError> {
    let value = wanted.unwrap_or(1);
    let name = || {
        let place = objects.place_of(workload).map(|place| format!("{place}: "));
        format!("{}{} {}", place.unwrap_or_default(), T::KIND, workload.key())
    };
    if !(0..=REPLICAS_MAX).contains(&value) {
        return Err(ExpandError::Replicas { workload: name(), field, value });
    }
    *total += i64::from(value);
    if *total > PODS_MAX {
        return Err(ExpandError::TooMany { workload: name(), value });
    }
    Ok(())
}

/// The pods that are there already, by name and by owner.
struct Existing {
    names: BTreeSet<PodKey>,
    /// How many pods each owner has, by namespace, kind and name.
    owned: BTreeMap<(Str, Str, Str), i32>,
    /// On which nodes each owner has pods.
    nodes: BTreeSet<(Str, Str, Str, Str)>,
}

impl Existing {
    fn new(pods: &[api::Pod]) -> Self {
        let mut existing =
            Self { names: BTreeSet::new(), owned: BTreeMap::new(), nodes: BTreeSet::new() };
        for pod in pods {
            existing.names.insert(pod.key());
            if let Some(owner) = pod.metadata.controller().filter(|_| !pod.is_terminal()) {
                let namespace = pod.metadata.namespace.clone();
                let key = (namespace.clone(), owner.kind.clone(), owner.name.clone());
                *existing.owned.entry(key).or_default() += 1;
                let node = pod.spec.node_name.clone();
                existing.nodes.insert((namespace, owner.kind.clone(), owner.name.clone(), node));
            }
        }
        existing
    }

    fn stateful_set(&self, set: &api::StatefulSet) -> Vec<api::Pod> {
        let Some(template) = &set.spec.template else {
            return Vec::new();
        };
        let owner = owner("apps/v1", "StatefulSet", &set.metadata);
        let first = set.spec.ordinals.as_ref().map_or(0, |ordinals| ordinals.start);
        let count = replicas(set.spec.replicas);
        let ordinals = (0..count).map(|index| i64::from(first) + i64::from(index));
        let pods = ordinals.map(|ordinal| {
            let name = format!("{}-{ordinal}", set.metadata.name);
            let mut pod = pod(template, &set.metadata, &name, &owner);
            let labels = [
                ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                ("statefulset.kubernetes.io/pod-name", name),
            ];
            add_labels(&mut pod, &labels);
            mount_claims(&mut pod, &set.spec.volume_claim_templates);
            pod
        });
        pods.filter(|pod| !self.names.contains(&pod.key())).collect()
    }

    fn replicas(
        &self,
        owner: &OwnerReference,
        meta: &ObjectMeta,
        spec: &api::workload::WorkloadSpec,
        wanted: Option<i32>,
    ) -> Vec<api::Pod> {
        let Some(template) = &spec.template else {
            return Vec::new();
        };
        self.numbered(owner, meta, template, replicas(wanted))
    }

    fn job(&self, job: &api::Job) -> Vec<api::Pod> {
        let spec = &job.spec;
        let Some(template) = spec.template.as_ref().filter(|_| spec.suspend != Some(true)) else {
            return Vec::new();
        };
        let at_once = replicas(spec.parallelism);
        let wanted = spec.completions.map_or(at_once, |completions| at_once.min(completions));
        let owner = owner("batch/v1", "Job", &job.metadata);
        self.numbered(&owner, &job.metadata, template, wanted)
    }

    /// Pods whose names mean nothing: as many as are missing.
    fn numbered(
        &self,
        owner: &OwnerReference,
        meta: &ObjectMeta,
        template: &PodTemplate,
        wanted: i32,
    ) -> Vec<api::Pod> {
        let key = (meta.namespace.clone(), owner.kind.clone(), owner.name.clone());
        let missing = wanted - self.owned.get(&key).copied().unwrap_or(0);
        let names = (0_u32..).map(|number| format!("{}-{number}", meta.name));
        let pods = names.map(|name| pod(template, meta, &name, owner));
        let free = pods.filter(|pod| !self.names.contains(&pod.key()));
        free.take(usize::try_from(missing).unwrap_or(0)).collect()
    }

    /// One pod for each node that the set's own node selector and affinity would take, bound to it
    /// by name as the DaemonSet controller does.
    fn daemon_set(&self, set: &api::DaemonSet, nodes: &[api::Node]) -> Vec<api::Pod> {
        let Some(template) = &set.spec.template else {
            return Vec::new();
        };
        let owner = owner("apps/v1", "DaemonSet", &set.metadata);
        let meta = &set.metadata;
        let wanted = nodes.iter().filter(|node| {
            let node = node.metadata.name.clone();
            let here = (meta.namespace.clone(), owner.kind.clone(), owner.name.clone(), node);
            !self.nodes.contains(&here)
        });
        let pods = wanted.map(|node| {
            let name = format!("{}-{}", meta.name, node.metadata.name);
            let mut pod = pod(template, meta, &name, &owner);
            pin_to_node(&mut pod.spec, &node.metadata.name);
            pod.spec.tolerations.extend(daemon_tolerations());
            (pod, node)
        });
        pods.filter(|(_, node)| takes_daemons(&template.spec, node)).map(|(pod, _)| pod).collect()
    }
}

/// Writes the numbers that priority classes stand for, as admission does.
fn give_priorities(pods: &mut [api::Pod], objects: &Objects) {
    let default = objects.priority_classes.iter().find(|class| class.global_default);
    for pod in pods.iter_mut().filter(|pod| pod.spec.priority.is_none()) {
        let name = &pod.spec.priority_class_name;
        let named = objects.priority_classes.iter().find(|class| class.metadata.name == *name);
        pod.spec.priority = match &**name {
            "system-cluster-critical" => Some(2_000_000_000),
            "system-node-critical" => Some(2_000_001_000),
            _ => named.or(default).map(|class| class.value),
        };
    }
}

fn replicas(wanted: Option<i32>) -> i32 {
    wanted.unwrap_or(1)
}

fn owner(api_version: &str, kind: &str, meta: &ObjectMeta) -> OwnerReference {
    OwnerReference {
        api_version: api_version.into(),
        kind: kind.into(),
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

fn add_labels(pod: &mut api::Pod, labels: &[(&str, String)]) {
    let old = pod.metadata.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    let new = labels.iter().map(|(key, value)| (Str::from(*key), Str::from(value.as_str())));
    pod.metadata.labels = old.chain(new).collect();
}

/// Each claim template becomes a claim of the pod, under a volume of the template's name.
fn mount_claims(pod: &mut api::Pod, templates: &[api::workload::ClaimTemplate]) {
    for template in templates {
        let name = template.metadata.name.clone();
        pod.spec.volumes.retain(|volume| volume.name != name);
        let claim_name = format!("{name}-{}", pod.metadata.name).into();
        pod.spec.volumes.push(api::Volume {
            name,
            persistent_volume_claim: Some(api::volume::PersistentVolumeClaimSource { claim_name }),
            ..api::Volume::default()
        });
    }
}

fn pin_to_node(spec: &mut api::PodSpec, node: &Str) {
    let field = NodeSelectorRequirement {
        key: "metadata.name".into(),
        operator: "In".into(),
        values: vec![node.clone()],
    };
    let affinity = spec.affinity.get_or_insert_default();
    let required = affinity.node_affinity.get_or_insert_default();
    let terms = &mut required.required.get_or_insert_default().node_selector_terms;
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    terms.iter_mut().for_each(|term| term.match_fields.push(field.clone()));
}

/// Whether the set wants a pod on the node, whatever the node's taints and room.
fn takes_daemons(spec: &api::PodSpec, node: &api::Node) -> bool {
    let labels = &node.metadata.labels;
    let selected = spec.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let required = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref()?.required.as_ref());
    let wanted = |terms: &NodeSelector| {
        terms.compile().matches(&node.metadata.name, labels).unwrap_or(false)
    };
    selected && required.is_none_or(wanted)
}

/// What the DaemonSet controller lets its pods tolerate.
fn daemon_tolerations() -> impl Iterator<Item = Toleration> {
    let taints = [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    taints.into_iter().map(|(key, effect)| Toleration {
        key: key.into(),
        operator: "Exists".into(),
        effect: effect.into(),
        ..Toleration::default()
    })
}
