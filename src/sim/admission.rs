//! What the API server writes into pods and claims when they are created, as far as placement
//! depends on it.
//!
//! Manifests leave it out, pods of a real cluster have it already, and writing it twice changes
//! nothing.

use crate::api::pod::{PodAffinity, PodAffinityTerm};
use crate::api::{self, Container, PriorityClass, StorageClass};
use crate::model::{CPU, Labels, MEMORY, Str};
use crate::model::{LabelSelector, LabelSelectorRequirement};
use crate::snapshot::volumes::ClaimInfo;

/// The classes that every cluster has.
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The annotations of a class for claims that name none. The second is of old.
const DEFAULT_CLASS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

/// Completes a claim: without a class it gets the default one, of several the newest.
pub fn admit_claim(claim: &mut api::PersistentVolumeClaim, classes: &[StorageClass]) {
    if claim.status.phase.is_empty() {
        claim.status.phase = "Pending".into();
    }
    let named = !ClaimInfo::new(claim).class.is_empty() || claim.spec.storage_class_name.is_some();
    let default = classes.iter().filter(|class| is_default(class)).min_by_key(|class| {
        let meta = &class.metadata;
        (std::cmp::Reverse(meta.creation_timestamp), &meta.name)
    });
    if let Some(class) = default.filter(|_| !named) {
        claim.spec.storage_class_name = Some(class.metadata.name.clone());
    }
}

fn is_default(class: &StorageClass) -> bool {
    let annotations = &class.metadata.annotations;
    DEFAULT_CLASS.iter().any(|key| annotations.get(*key).is_some_and(|value| &**value == "true"))
}

/// Completes a pod.
pub fn admit(pod: &mut api::Pod, classes: &[PriorityClass]) {
    let spec = &mut pod.spec;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        request_limits(container);
        if spec.host_network {
            take_host_ports(container);
        }
    }
    request_pod_limits(spec);
    if let Some(affinity) = &mut spec.affinity {
        let both = [&mut affinity.pod_affinity, &mut affinity.pod_anti_affinity];
        both.into_iter().flatten().for_each(|terms| merge_label_keys(terms, &pod.metadata.labels));
    }
    if spec.priority.is_none() {
        spec.priority = priority(&spec.priority_class_name, classes);
    }
}

/// A limit without a request is a request, too.
fn request_limits(container: &mut Container) {
    let resources = &mut container.resources;
    for (name, limit) in &resources.limits {
        resources.requests.entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

/// In the network of the node every port is a port of the node.
fn take_host_ports(container: &mut Container) {
    for port in container.ports.iter_mut().filter(|port| port.host_port == 0) {
        port.host_port = port.container_port;
    }
}

/// A limit of the whole pod is its request, unless its containers ask for CPU or memory themselves.
fn request_pod_limits(spec: &mut api::PodSpec) {
    let Some(resources) = &mut spec.resources else {
        return;
    };
    for (name, limit) in &resources.limits {
        let mut containers = spec.containers.iter().chain(&spec.init_containers);
        let divided = [CPU, MEMORY].contains(&&**name);
        if !divided || !containers.any(|one| one.resources.requests.contains_key(name)) {
            resources.requests.entry(name.clone()).or_insert_with(|| limit.clone());
        }
    }
}

fn merge_label_keys(affinity: &mut PodAffinity, labels: &Labels) {
    let preferred = affinity.preferred.iter_mut().map(|term| &mut term.pod_affinity_term);
    for term in affinity.required.iter_mut().chain(preferred) {
        let PodAffinityTerm { label_selector, match_label_keys, mismatch_label_keys, .. } = term;
        // A term without a selector selects nothing, whatever its keys.
        if let Some(selector) = label_selector {
            merge(selector, match_label_keys, "In", labels);
            merge(selector, mismatch_label_keys, "NotIn", labels);
        }
    }
}

/// Adds a requirement for each key that the pod's labels have.
fn merge(selector: &mut LabelSelector, keys: &[Str], operator: &str, labels: &Labels) {
    for key in keys {
        let Some(value) = labels.get(key) else {
            continue;
        };
        let (operator, values) = (operator.into(), vec![value.clone()]);
        let requirement = LabelSelectorRequirement { key: key.clone(), operator, values };
        if !selector.match_expressions.contains(&requirement) {
            selector.match_expressions.push(requirement);
        }
    }
}

/// The number behind the name of a class; without a name that of the default class.
fn priority(name: &Str, classes: &[PriorityClass]) -> Option<i32> {
    let system = SYSTEM_CLASSES.iter().find(|(class, _)| *class == &**name);
    let named = || classes.iter().find(|class| class.metadata.name == *name);
    let default = || classes.iter().find(|class| class.global_default && name.is_empty());
    system.map(|(_, value)| *value).or_else(|| named().or_else(default).map(|class| class.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PodBuilder, pod};

    fn admitted(pod: PodBuilder) -> api::Pod {
        let mut pod = pod.build();
        let class = |name: &str, value, global_default| PriorityClass {
            metadata: api::ObjectMeta { name: name.into(), ..Default::default() },
            value,
            global_default,
            preemption_policy: None,
        };
        let classes = [class("usual", 7, true), class("high", 1000, false)];
        admit(&mut pod, &classes);
        let once = pod.clone();
        admit(&mut pod, &classes);
        assert_eq!(pod, once, "the second time changes nothing");
        pod
    }

    #[test]
    fn a_claim_that_names_no_class_gets_the_newest_of_the_default_ones() {
        use crate::testing::storage::{ClaimBuilder, claim, class};
        let default = |name: &str, created: &str, key: &str, value: &str| {
            class(name, "d").with(|class| {
                class.metadata.creation_timestamp = Some(created.parse().unwrap());
                class.metadata.annotations = [(key.into(), value.into())].into();
            })
        };
        let [own, old] = DEFAULT_CLASS;
        let classes = [
            default("late", "2026-03-01T00:00:00Z", own, "false"),
            default("second", "2026-02-01T00:00:00Z", own, "true"),
            default("first", "2026-02-01T00:00:00Z", old, "true"),
            default("before", "2026-01-01T00:00:00Z", own, "true"),
        ];
        let classes = classes.map(|class| class.build());
        let check = |claim: ClaimBuilder, expected: Option<&str>| {
            let mut claim = claim.build();
            admit_claim(&mut claim, &classes);
            assert_eq!(claim.spec.storage_class_name.as_deref(), expected);
            assert_eq!(&*claim.status.phase, "Pending");
        };
        check(claim("a"), Some("first"));
        check(claim("a").class("fast"), Some("fast"));
        check(claim("a").class(""), Some(""));
        let beta = "volume.beta.kubernetes.io/storage-class";
        check(
            claim("a").with(|c| _ = c.metadata.annotations.insert(beta.into(), "b".into())),
            None,
        );
        let mut alone = claim("a").build();
        admit_claim(&mut alone, &[]);
        assert_eq!(alone.spec.storage_class_name, None);
    }

    #[test]
    fn a_limit_without_a_request_becomes_one() {
        let limited = pod("a").requests(&[("cpu", "1")]).with(|pod| {
            let limits = [("cpu", "2"), ("memory", "4Gi")];
            let limits = limits.map(|(name, text)| (name.into(), text.parse().unwrap()));
            pod.spec.containers[0].resources.limits = limits.into_iter().collect();
        });
        let requests = admitted(limited).spec.containers[0].resources.requests.clone();
        let texts: Vec<String> =
            requests.iter().map(|(name, amount)| format!("{name} {amount}")).collect();
        assert_eq!(texts, ["cpu 1", "memory 4Gi"]);
    }

    #[test]
    fn a_limit_of_the_pod_is_its_request_unless_a_container_asks() {
        let check = |container: &[(&str, &str)], expected: &[&str]| {
            let pod = pod("a").requests(container).with(|pod| {
                let limits = [("cpu", "2"), ("memory", "4Gi")];
                let limits = limits.map(|(name, text)| (name.into(), text.parse().unwrap()));
                pod.spec.resources = Some(api::ResourceRequirements {
                    limits: limits.into_iter().collect(),
                    ..api::ResourceRequirements::default()
                });
            });
            let requests = admitted(pod).spec.resources.unwrap().requests;
            let texts: Vec<String> =
                requests.iter().map(|(name, amount)| format!("{name} {amount}")).collect();
            assert_eq!(texts, expected, "{container:?}");
        };
        check(&[], &["cpu 2", "memory 4Gi"]);
        check(&[("cpu", "1")], &["memory 4Gi"]);
    }

    #[test]
    fn ports_in_the_network_of_the_node_are_ports_of_the_node() {
        let check = |host_network: bool, expected: [i32; 2]| {
            let pod = pod("a").host_port("", "TCP", 0).host_port("", "TCP", 9000);
            let pod = admitted(pod.with(|pod| {
                pod.spec.host_network = host_network;
                pod.spec.containers[0].ports[0].container_port = 80;
            }));
            let ports = pod.spec.containers.iter().map(|container| container.ports[0].host_port);
            assert_eq!(ports.collect::<Vec<_>>(), expected);
        };
        check(true, [80, 9000]);
        check(false, [0, 9000]);
    }

    #[test]
    fn label_keys_of_affinity_become_part_of_its_selector() {
        let keyed = |keys: &[&str], mismatch: &[&str]| {
            let pod = pod("a").labels(&[("app", "x"), ("version", "2")]);
            let pod = pod.anti_affinity("kubernetes.io/hostname", &[("app", "x")]);
            let pod = admitted(pod.with(|pod| {
                let affinity = pod.spec.affinity.as_mut().unwrap();
                let term = &mut affinity.pod_anti_affinity.as_mut().unwrap().required[0];
                term.match_label_keys = keys.iter().map(|key| (*key).into()).collect();
                term.mismatch_label_keys = mismatch.iter().map(|key| (*key).into()).collect();
            }));
            let term = &pod.spec.affinity.unwrap().pod_anti_affinity.unwrap().required[0];
            term.label_selector.as_ref().unwrap().compile().unwrap().to_string()
        };
        assert_eq!(keyed(&[], &[]), "app=x");
        assert_eq!(keyed(&["version"], &[]), "app=x,version in (2)");
        assert_eq!(keyed(&["missing"], &["version"]), "app=x,version notin (2)");
    }

    #[test]
    fn names_of_classes_become_priorities() {
        let check = |class: &str, written: Option<i32>, expected: Option<i32>| {
            let pod = pod("a").with(|pod| {
                pod.spec.priority_class_name = class.into();
                pod.spec.priority = written;
            });
            assert_eq!(admitted(pod).spec.priority, expected, "{class}");
        };
        check("", None, Some(7));
        check("", Some(3), Some(3));
        check("high", None, Some(1000));
        check("system-node-critical", None, Some(2_000_001_000));
        check("unknown", None, None);
    }
}
