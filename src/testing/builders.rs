//! Objects in one line: `pod("a").labels(&[("app", "db")]).requests(&[("cpu", "1")]).build()`.
//!
//! A builder panics on text that is no quantity, because that is a mistake in the test itself.
#![expect(clippy::expect_used, reason = "a wrong constant in a test")]

use crate::api::volume::PersistentVolumeClaimSource;
use crate::api::{self, ResourceList};
use crate::model::{
    LabelSelector, Labels, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PreferredSchedulingTerm, Quantity, Str, Taint, Toleration,
};

/// Builds a pod. Its uid is namespace and name, unless said otherwise.
#[derive(Clone, Debug)]
pub struct PodBuilder(api::Pod);

/// Builds a node. It has a hostname label; without `allocatable` there is room for 110 pods only.
#[derive(Clone, Debug)]
pub struct NodeBuilder(api::Node);

/// A pod in the namespace `default`, without containers.
pub fn pod(name: &str) -> PodBuilder {
    let mut pod = api::Pod::default();
    pod.metadata.name = name.into();
    pod.metadata.namespace = "default".into();
    PodBuilder(pod)
}

pub fn node(name: &str) -> NodeBuilder {
    let mut node = api::Node::default();
    node.metadata.name = name.into();
    node.metadata.labels = Labels::from_iter([("kubernetes.io/hostname", name)]);
    NodeBuilder(node).allocatable(&[("pods", "110")])
}

pub fn namespace(name: &str, labels: &[(&str, &str)]) -> api::Namespace {
    let mut namespace = api::Namespace::default();
    namespace.metadata.name = name.into();
    namespace.metadata.labels = Labels::from_iter(labels.iter().copied());
    namespace
}

/// A selector that demands these labels.
pub fn selector(labels: &[(&str, &str)]) -> LabelSelector {
    LabelSelector { match_labels: texts(labels).collect(), ..LabelSelector::default() }
}

/// One condition of a node selector term.
pub fn requirement(key: &str, operator: &str, values: &[&str]) -> NodeSelectorRequirement {
    NodeSelectorRequirement {
        key: key.into(),
        operator: operator.into(),
        values: values.iter().map(|value| Str::from(*value)).collect(),
    }
}

/// A term of conditions on labels.
pub fn node_term(expressions: impl Into<Vec<NodeSelectorRequirement>>) -> NodeSelectorTerm {
    NodeSelectorTerm { match_expressions: expressions.into(), ..NodeSelectorTerm::default() }
}

impl PodBuilder {
    pub fn namespace(self, namespace: &str) -> Self {
        self.with(|pod| pod.metadata.namespace = namespace.into())
    }

    pub fn uid(self, uid: &str) -> Self {
        self.with(|pod| pod.metadata.uid = uid.into())
    }

    pub fn labels(self, labels: &[(&str, &str)]) -> Self {
        self.with(|pod| pod.metadata.labels = Labels::from_iter(labels.iter().copied()))
    }

    pub fn priority(self, priority: i32) -> Self {
        self.with(|pod| pod.spec.priority = Some(priority))
    }

    pub fn scheduler_name(self, name: &str) -> Self {
        self.with(|pod| pod.spec.scheduler_name = name.into())
    }

    /// The node that the pod is bound to.
    pub fn on(self, node: &str) -> Self {
        self.with(|pod| pod.spec.node_name = node.into())
    }

    /// The node that was set aside for the pod.
    pub fn nominated(self, node: &str) -> Self {
        self.with(|pod| pod.status.nominated_node_name = node.into())
    }

    pub fn phase(self, phase: &str) -> Self {
        self.with(|pod| pod.status.phase = phase.into())
    }

    /// The pod is being deleted.
    pub fn terminating(self) -> Self {
        self.with(|pod| pod.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH))
    }

    /// One more container, with these requests.
    pub fn requests(self, requests: &[(&str, &str)]) -> Self {
        let mut container = api::Container::default();
        container.resources.requests = amounts(requests);
        self.container(container)
    }

    /// One more container.
    pub fn container(self, container: api::Container) -> Self {
        self.with(|pod| pod.spec.containers.push(named(container, "main")))
    }

    /// One more init container.
    pub fn init_container(self, container: api::Container) -> Self {
        self.with(|pod| pod.spec.init_containers.push(named(container, "init")))
    }

    /// One more container, of this image.
    pub fn image(self, image: &str) -> Self {
        self.container(api::Container { image: image.into(), ..api::Container::default() })
    }

    /// One more container, with a port of the node. An empty address stands for all of them.
    pub fn host_port(self, ip: &str, protocol: &str, port: i32) -> Self {
        self.container(api::Container {
            ports: vec![api::ContainerPort {
                container_port: port,
                host_port: port,
                host_ip: ip.into(),
                protocol: protocol.into(),
            }],
            ..api::Container::default()
        })
    }

    pub fn toleration(self, key: &str, operator: &str, value: &str, effect: &str) -> Self {
        self.with(|pod| {
            pod.spec.tolerations.push(Toleration {
                key: key.into(),
                operator: operator.into(),
                value: value.into(),
                effect: effect.into(),
                toleration_seconds: None,
            });
        })
    }

    pub fn node_selector(self, labels: &[(&str, &str)]) -> Self {
        self.with(|pod| pod.spec.node_selector = texts(labels).collect())
    }

    /// Terms of required node affinity, of which one must hold.
    pub fn required_node_terms(self, terms: impl Into<Vec<NodeSelectorTerm>>) -> Self {
        self.with(|pod| {
            node_affinity(pod).required = Some(NodeSelector { node_selector_terms: terms.into() });
        })
    }

    /// One more term of preferred node affinity.
    pub fn preferred_node_term(self, weight: i32, preference: NodeSelectorTerm) -> Self {
        let term = PreferredSchedulingTerm { weight, preference };
        self.with(|pod| node_affinity(pod).preferred.push(term))
    }

    /// One more required term towards the pods with these labels.
    pub fn affinity(self, topology_key: &str, labels: &[(&str, &str)]) -> Self {
        let term = pod_term(topology_key, labels);
        self.with(|pod| pod_affinity(pod).required.push(term))
    }

    /// One more required term away from the pods with these labels.
    pub fn anti_affinity(self, topology_key: &str, labels: &[(&str, &str)]) -> Self {
        let term = pod_term(topology_key, labels);
        self.with(|pod| pod_anti_affinity(pod).required.push(term))
    }

    /// One more preferred term towards the pods with these labels.
    pub fn preferred_affinity(
        self,
        weight: i32,
        topology_key: &str,
        labels: &[(&str, &str)],
    ) -> Self {
        let term = weighted_pod_term(weight, topology_key, labels);
        self.with(|pod| pod_affinity(pod).preferred.push(term))
    }

    /// One more preferred term away from the pods with these labels.
    pub fn preferred_anti_affinity(
        self,
        weight: i32,
        topology_key: &str,
        labels: &[(&str, &str)],
    ) -> Self {
        let term = weighted_pod_term(weight, topology_key, labels);
        self.with(|pod| pod_anti_affinity(pod).preferred.push(term))
    }

    /// One more spread constraint over the pods with these labels.
    pub fn spread(
        self,
        max_skew: i32,
        topology_key: &str,
        when_unsatisfiable: &str,
        labels: &[(&str, &str)],
    ) -> Self {
        let constraint = api::TopologySpreadConstraint {
            max_skew,
            topology_key: topology_key.into(),
            when_unsatisfiable: when_unsatisfiable.into(),
            label_selector: Some(selector(labels)),
            ..api::TopologySpreadConstraint::default()
        };
        self.with(|pod| pod.spec.topology_spread_constraints.push(constraint))
    }

    /// One more scheduling gate.
    pub fn gate(self, name: &str) -> Self {
        let gate = api::SchedulingGate { name: name.into() };
        self.with(|pod| pod.spec.scheduling_gates.push(gate))
    }

    /// One more volume.
    pub fn volume(self, volume: api::Volume) -> Self {
        self.with(|pod| pod.spec.volumes.push(volume))
    }

    /// One more volume, which is a claim's and called like it.
    pub fn claim(self, name: &str) -> Self {
        let claim = PersistentVolumeClaimSource { claim_name: name.into() };
        self.volume(api::Volume {
            name: name.into(),
            persistent_volume_claim: Some(claim),
            ..api::Volume::default()
        })
    }

    /// The owner that manages the pod.
    pub fn owner(self, kind: &str, name: &str) -> Self {
        let owner = api::OwnerReference {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            name: name.into(),
            uid: name.into(),
            controller: Some(true),
        };
        self.with(|pod| pod.metadata.owner_references.push(owner))
    }

    /// Any other change.
    pub fn with(mut self, change: impl FnOnce(&mut api::Pod)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> api::Pod {
        let mut pod = self.0;
        if pod.metadata.uid.is_empty() {
            let uid = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
            pod.metadata.uid = uid.into();
        }
        pod
    }
}

impl NodeBuilder {
    /// These labels beside those that the node has.
    pub fn labels(self, labels: &[(&str, &str)]) -> Self {
        self.with(|node| {
            let all = node.metadata.labels.clone();
            let all = all.iter().map(|(key, value)| (key.clone(), value.clone()));
            node.metadata.labels = all.chain(texts(labels)).collect();
        })
    }

    /// These amounts beside those that the node has.
    pub fn allocatable(self, resources: &[(&str, &str)]) -> Self {
        self.with(|node| {
            node.status.allocatable.extend(amounts(resources));
            node.status.capacity.extend(amounts(resources));
        })
    }

    /// One more taint.
    pub fn taint(self, key: &str, value: &str, effect: &str) -> Self {
        let taint = Taint { key: key.into(), value: value.into(), effect: effect.into() };
        self.with(|node| node.spec.taints.push(taint))
    }

    pub fn unschedulable(self) -> Self {
        self.with(|node| node.spec.unschedulable = true)
    }

    /// One more image on the node.
    pub fn image(self, names: &[&str], size_bytes: i64) -> Self {
        let image = api::ContainerImage {
            names: names.iter().map(|name| Str::from(*name)).collect(),
            size_bytes,
        };
        self.with(|node| node.status.images.push(image))
    }

    pub fn declared_features(self, features: &[&str]) -> Self {
        let features = features.iter().map(|feature| Str::from(*feature));
        self.with(|node| node.status.declared_features = features.collect())
    }

    /// Any other change.
    pub fn with(mut self, change: impl FnOnce(&mut api::Node)) -> Self {
        change(&mut self.0);
        self
    }

    pub fn build(self) -> api::Node {
        self.0
    }
}

fn amounts(resources: &[(&str, &str)]) -> ResourceList {
    let parsed = resources.iter().map(|(name, amount)| {
        let quantity = Quantity::parse(amount).expect("a quantity");
        (Str::from(*name), quantity)
    });
    parsed.collect()
}

fn texts(pairs: &[(&str, &str)]) -> impl Iterator<Item = (Str, Str)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into()))
}

fn named(mut container: api::Container, name: &str) -> api::Container {
    if container.name.is_empty() {
        container.name = name.into();
    }
    container
}

fn pod_term(topology_key: &str, labels: &[(&str, &str)]) -> api::PodAffinityTerm {
    api::PodAffinityTerm {
        label_selector: Some(selector(labels)),
        topology_key: topology_key.into(),
        ..api::PodAffinityTerm::default()
    }
}

fn weighted_pod_term(
    weight: i32,
    topology_key: &str,
    labels: &[(&str, &str)],
) -> api::WeightedPodAffinityTerm {
    api::WeightedPodAffinityTerm { weight, pod_affinity_term: pod_term(topology_key, labels) }
}

fn node_affinity(pod: &mut api::Pod) -> &mut api::NodeAffinity {
    let affinity = pod.spec.affinity.get_or_insert_default();
    affinity.node_affinity.get_or_insert_default()
}

fn pod_affinity(pod: &mut api::Pod) -> &mut api::PodAffinity {
    let affinity = pod.spec.affinity.get_or_insert_default();
    affinity.pod_affinity.get_or_insert_default()
}

fn pod_anti_affinity(pod: &mut api::Pod) -> &mut api::PodAffinity {
    let affinity = pod.spec.affinity.get_or_insert_default();
    affinity.pod_anti_affinity.get_or_insert_default()
}
