//! The oracle's own arithmetic: whether a node may take a pod, told from plain objects. It shares
//! no code with the core and knows only what plans contain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api;
use crate::model::{LabelSelector, Labels, PodKey, Str};

/// Nodes, and pods on them.
pub struct Scene<'a> {
    pub nodes: &'a BTreeMap<PodKey, Arc<api::Node>>,
    pub placed: Vec<Placed<'a>>,
}

#[derive(Clone, Copy)]
pub struct Placed<'a> {
    pub pod: &'a api::Pod,
    pub node: &'a Str,
    /// The pod may or may not count.
    pub doubtful: bool,
}

/// What pods take and nodes offer: CPU in milli, memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub cpu: i64,
    pub memory: i64,
    pub pods: i64,
}

/// So many doubtful pods are tried both ways; beyond that nothing is said about spread.
const DOUBTFUL_MAX: usize = 4;

impl Room {
    pub fn of_pod(pod: &api::Pod) -> Self {
        let mut room = Self { pods: 1, ..Self::default() };
        for container in &pod.spec.containers {
            room.cpu += milli(container.resources.requests.get("cpu"));
            room.memory += milli(container.resources.requests.get("memory")) / 1000;
        }
        room
    }

    pub fn of_node(node: &api::Node) -> Self {
        let offered = &node.status.allocatable;
        Self {
            cpu: milli(offered.get("cpu")),
            memory: milli(offered.get("memory")) / 1000,
            pods: milli(offered.get("pods")) / 1000,
        }
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
            pods: self.pods + other.pods,
        }
    }

    /// Of each the larger.
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            pods: self.pods.max(other.pods),
        }
    }

    pub fn fits(self, offered: Self) -> bool {
        self.cpu <= offered.cpu && self.memory <= offered.memory && self.pods <= offered.pods
    }
}

impl Scene<'_> {
    /// Why the node must not take the pod: the invariant and the reason. The pod itself must not be
    /// among those placed.
    pub fn refuses(&self, pod: &api::Pod, node_name: &str) -> Option<(&'static str, String)> {
        let s3 = |reason: String| Some(("S3", reason));
        let Some(node) = self.nodes.get(&PodKey::new("", node_name)) else {
            return s3(format!("there is no node {node_name}"));
        };
        if node.spec.unschedulable {
            return s3("the node is cordoned".into());
        }
        if let Some(taint) = node.spec.taints.iter().find(|taint| !tolerates(pod, taint)) {
            return s3(format!("nothing tolerates the taint {}", taint.key));
        }
        if !selects(pod, node) {
            return s3(format!("the nodeSelector asks for {:?}", pod.spec.node_selector));
        }
        if let Some(other) = self.repelled(pod, node) {
            return s3(format!("required anti-affinity between it and {other}"));
        }
        if let Some(reason) = self.skewed(pod, node) {
            return s3(reason);
        }
        self.crowded(pod, node).map(|reason| ("S2", reason))
    }

    /// What the pods on a node take for sure.
    pub fn taken(&self, node: &str) -> Room {
        let on = self.placed.iter().filter(|placed| **placed.node == *node && !placed.doubtful);
        on.fold(Room::default(), |sum, placed| sum.plus(Room::of_pod(placed.pod)))
    }

    fn crowded(&self, pod: &api::Pod, node: &api::Node) -> Option<String> {
        let name = &*node.metadata.name;
        let offered = Room::of_node(node);
        let taken = self.taken(name);
        if !taken.plus(Room::of_pod(pod)).fits(offered) {
            let asked = Room::of_pod(pod);
            return Some(format!("{taken:?} are taken of {offered:?}, and {asked:?} come"));
        }
        let on = self.placed.iter().filter(|placed| **placed.node == *name && !placed.doubtful);
        let taken: BTreeSet<i32> = on.flat_map(|placed| ports(placed.pod)).collect();
        let port = ports(pod).find(|port| taken.contains(port))?;
        Some(format!("the host port {port} is taken"))
    }

    /// A pod in the same domain which the pod, or which the pod does not bear.
    fn repelled(&self, pod: &api::Pod, node: &api::Node) -> Option<String> {
        let sure = self.placed.iter().filter(|placed| !placed.doubtful);
        for Placed { pod: other, node: other_node, .. } in sure {
            let Some(other_node) = self.nodes.get(&PodKey::new("", (*other_node).clone())) else {
                continue;
            };
            let together = |key: &str| {
                let (own, others) = (&node.metadata.labels, &other_node.metadata.labels);
                own.get(key).is_some_and(|value| others.get(key) == Some(value))
            };
            let bears = |from: &api::Pod, to: &api::Pod| {
                !anti_terms(from).any(|term| {
                    together(&term.topology_key)
                        && from.metadata.namespace == to.metadata.namespace
                        && matches(term.label_selector.as_ref(), &to.metadata.labels)
                })
            };
            if !bears(pod, other) || !bears(other, pod) {
                return Some(other.metadata.name.to_string());
            }
        }
        None
    }

    /// A spread constraint that fails however the doubtful pods count.
    fn skewed(&self, pod: &api::Pod, node: &api::Node) -> Option<String> {
        let constraints = &pod.spec.topology_spread_constraints;
        let hard = constraints.iter().filter(|c| &*c.when_unsatisfiable == "DoNotSchedule");
        for constraint in hard {
            let counts = |placed: &&Placed<'_>| {
                placed.pod.metadata.namespace == pod.metadata.namespace
                    && placed.pod.metadata.deletion_timestamp.is_none()
                    && matches(constraint.label_selector.as_ref(), &placed.pod.metadata.labels)
            };
            let counted: Vec<&Placed<'_>> = self.placed.iter().filter(counts).collect();
            let (doubtful, sure): (Vec<_>, Vec<_>) =
                counted.into_iter().partition(|placed| placed.doubtful);
            if doubtful.len() > DOUBTFUL_MAX {
                continue;
            }
            let fails = |subset: usize| {
                let some = doubtful.iter().enumerate().filter(|(at, _)| subset & (1 << at) != 0);
                let pods = sure.iter().copied().chain(some.map(|(_, placed)| *placed));
                self.skew(pod, node, constraint, pods) > i64::from(constraint.max_skew)
            };
            if (0..1 << doubtful.len()).all(fails) {
                return Some(format!("hard spread over {}", constraint.topology_key));
            }
        }
        None
    }

    fn skew<'b>(
        &self,
        pod: &api::Pod,
        node: &api::Node,
        constraint: &api::TopologySpreadConstraint,
        pods: impl Iterator<Item = &'b Placed<'b>>,
    ) -> i64 {
        let key = &constraint.topology_key;
        let Some(own) = node.metadata.labels.get(key) else {
            return i64::MAX;
        };
        let mut domains: BTreeMap<&Str, i64> = BTreeMap::new();
        for node in self.nodes.values().filter(|node| selects(pod, node)) {
            if let Some(domain) = node.metadata.labels.get(key) {
                domains.insert(domain, 0);
            }
        }
        for placed in pods {
            let node = self.nodes.get(&PodKey::new("", placed.node.clone()));
            let node = node.filter(|node| selects(pod, node));
            let domain = node.and_then(|node| node.metadata.labels.get(key));
            if let Some(count) = domain.and_then(|domain| domains.get_mut(domain)) {
                *count += 1;
            }
        }
        let least = domains.values().min().copied().unwrap_or(0);
        let itself = matches(constraint.label_selector.as_ref(), &pod.metadata.labels);
        domains.get(own).copied().unwrap_or(0) + i64::from(itself) - least
    }
}

/// Thousandths of an amount, read from its text.
fn milli(amount: Option<&crate::model::Quantity>) -> i64 {
    let Some(text) = amount.map(ToString::to_string) else {
        return 0;
    };
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: i64 = digits.parse().unwrap_or(0);
    let factor = match &text[digits.len()..] {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        _ => 0,
    };
    number * factor
}

fn ports(pod: &api::Pod) -> impl Iterator<Item = i32> {
    let ports = pod.spec.containers.iter().flat_map(|container| &container.ports);
    ports.map(|port| port.host_port).filter(|port| *port > 0)
}

fn anti_terms(pod: &api::Pod) -> impl Iterator<Item = &api::PodAffinityTerm> {
    let affinity = pod.spec.affinity.as_ref().and_then(|a| a.pod_anti_affinity.as_ref());
    affinity.into_iter().flat_map(|affinity| &affinity.required)
}

fn matches(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let wanted = selector.into_iter().flat_map(|selector| &selector.match_labels);
    selector.is_some() && wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn selects(pod: &api::Pod, node: &api::Node) -> bool {
    let wanted = pod.spec.node_selector.iter();
    wanted.into_iter().all(|(key, value)| node.metadata.labels.get(key) == Some(value))
}

fn tolerates(pod: &api::Pod, taint: &crate::model::Taint) -> bool {
    let tolerations = pod.spec.tolerations.iter();
    tolerations.into_iter().any(|toleration| {
        toleration.key == taint.key
            && toleration.value == taint.value
            && toleration.effect == taint.effect
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PodBuilder, node, pod};

    fn zoned(name: &str, zone: &str) -> api::Node {
        node(name).labels(&[("zone", zone)]).allocatable(&[("cpu", "1"), ("memory", "1Gi")]).build()
    }

    fn check(
        placed: &[(PodBuilder, &str)],
        doubtful: bool,
        pod: PodBuilder,
        node: &str,
        expected: Option<&str>,
    ) {
        let nodes = [zoned("a", "x"), zoned("b", "x"), zoned("c", "y")];
        let nodes = nodes.map(|n| (PodKey::new("", n.metadata.name.clone()), Arc::new(n))).into();
        let placed: Vec<(api::Pod, Str)> =
            placed.iter().map(|(pod, node)| (pod.clone().build(), (*node).into())).collect();
        let placed = placed.iter().map(|(pod, node)| Placed { pod, node, doubtful }).collect();
        let scene = Scene { nodes: &nodes, placed };
        let refused = scene.refuses(&pod.build(), node).map(|(invariant, _)| invariant);
        assert_eq!(refused, expected);
    }

    #[test]
    fn amounts_are_read() {
        let check = |text: &str, expected: i64| {
            let amount = crate::model::Quantity::parse(text).unwrap();
            assert_eq!(milli(Some(&amount)), expected, "{text}");
        };
        check("250m", 250);
        check("2", 2000);
        check("512Mi", (512 << 20) * 1000);
        check("16Gi", (16 << 30) * 1000);
        check("0", 0);
        check("1500m", 1500);
    }

    #[test]
    fn room_is_added_up() {
        let sized = |name: &str, cpu: &str| pod(name).requests(&[("cpu", cpu)]);
        check(&[], false, sized("p", "1"), "a", None);
        check(&[], false, sized("p", "1001m"), "a", Some("S2"));
        check(&[(sized("q", "600m"), "a")], false, sized("p", "400m"), "a", None);
        check(&[(sized("q", "600m"), "a")], false, sized("p", "401m"), "a", Some("S2"));
        check(&[(sized("q", "600m"), "b")], false, sized("p", "401m"), "a", None);
        check(&[(sized("q", "600m"), "a")], true, sized("p", "401m"), "a", None);
        let port = |name: &str| pod(name).host_port("", "TCP", 80);
        check(&[(port("q"), "a")], false, port("p"), "a", Some("S2"));
        check(&[(port("q"), "a")], false, port("p"), "b", None);
    }

    #[test]
    fn anti_affinity_holds_in_both_directions() {
        let labels = &[("app", "db")];
        let db = |name: &str| pod(name).labels(labels);
        let shy = |name: &str| pod(name).anti_affinity("zone", labels);
        check(&[(db("q"), "a")], false, shy("p"), "b", Some("S3"));
        check(&[(db("q"), "a")], false, shy("p"), "c", None);
        check(&[(shy("q"), "a")], false, db("p"), "b", Some("S3"));
        check(&[(shy("q"), "a")], false, pod("p"), "b", None);
    }

    #[test]
    fn spread_is_counted_over_the_nodes_that_the_pod_may_use() {
        let labels = &[("app", "db")];
        let db = |name: &str| pod(name).labels(labels).spread(1, "zone", "DoNotSchedule", labels);
        check(&[(db("q"), "a")], false, db("p"), "b", Some("S3"));
        check(&[(db("q"), "a")], false, db("p"), "c", None);
        check(&[(db("q"), "a")], true, db("p"), "b", None);
        let only_x = db("p").node_selector(&[("zone", "x")]);
        check(&[(db("q"), "a")], false, only_x, "b", None);
    }

    #[test]
    fn nodes_are_refused_for_what_they_are() {
        check(&[], false, pod("p"), "z", Some("S3"));
        check(&[], false, pod("p").node_selector(&[("zone", "y")]), "a", Some("S3"));
        check(&[], false, pod("p").node_selector(&[("zone", "y")]), "c", None);
    }
}
