//! The cluster and the pods of a measurement, and whether pods ended up where they may.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::json;

use crate::control_plane::{Cluster, node, pod};

pub const NAMESPACE: &str = "live";
const ZONES: u32 = 3;
const GROUP_SIZE: u32 = 3;
const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const GROUP: &str = "app";
/// What a pod asks for, and how many such pods the 4 CPUs of a node can take.
const CPU: &str = "100m";
const MEMORY: &str = "500Mi";
const PODS_PER_NODE_MAX: u32 = 40;

/// What a pod asks for besides 100m of CPU and 500Mi of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Nothing.
    Basic,
    /// Three pods to a group: a host of its own for each, and the group spread evenly over zones.
    Group,
}

impl Shape {
    pub fn label(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Group => "group",
        }
    }
}

/// One cluster with pods that wait.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub shape: Shape,
    pub nodes: u32,
    pub pods: u32,
}

impl Load {
    /// Creates nodes and pods; nobody schedules yet.
    pub fn create(&self, cluster: &Cluster, scheduler: &str) {
        cluster.create_namespace(NAMESPACE);
        let nodes: Vec<Node> = (0..self.nodes).map(node_of).collect();
        cluster.create_all(&nodes);
        let pods: Vec<Pod> = (0..self.pods).map(|number| self.pod(number, scheduler)).collect();
        cluster.create_all(&pods);
    }

    /// Panics unless every pod has a node that may take it.
    pub fn check(&self, cluster: &Cluster) {
        let pods = cluster.list::<Pod>(NAMESPACE);
        assert_eq!(pods.len(), self.pods as usize, "pods are missing");
        let mut on_node: BTreeMap<u32, u32> = BTreeMap::new();
        let mut in_group: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for pod in pods {
            let node = pod.spec.and_then(|spec| spec.node_name).expect("a bound pod");
            let node: u32 = node.trim_start_matches("node-").parse().unwrap();
            *on_node.entry(node).or_default() += 1;
            let group = pod.metadata.labels.and_then(|mut labels| labels.remove(GROUP));
            in_group.entry(group.expect("a group")).or_default().push(node);
        }
        let fullest = on_node.values().copied().max().unwrap_or(0);
        assert!(fullest <= PODS_PER_NODE_MAX, "a node has {fullest} pods");
        if self.shape == Shape::Group {
            for (group, nodes) in in_group {
                // With one pod to a zone no two of three share a host either.
                let zones: BTreeSet<u32> = nodes.iter().map(|node| node % ZONES).collect();
                assert_eq!(zones.len(), nodes.len(), "{group} is on {nodes:?}");
            }
        }
    }

    fn pod(&self, number: u32, scheduler: &str) -> Pod {
        let group = format!("group-{}", number / GROUP_SIZE);
        let pod = pod(NAMESPACE, &pod_name(number))
            .label(GROUP, &group)
            .request("cpu", CPU)
            .request("memory", MEMORY)
            .scheduler(scheduler);
        if self.shape == Shape::Basic {
            return pod.build();
        }
        let selector = json!({"matchLabels": {GROUP: group}});
        let apart = json!({"labelSelector": selector, "topologyKey": HOST});
        let affinity = json!({
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]},
        });
        let spread = json!([{
            "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": selector,
        }]);
        pod.spec("affinity", affinity).spec("topologySpreadConstraints", spread).build()
    }
}

pub fn pod_name(number: u32) -> String {
    format!("pod-{number}")
}

pub fn node_name(number: u32) -> String {
    format!("node-{number}")
}

fn node_of(number: u32) -> Node {
    node(&node_name(number)).label(ZONE, &format!("zone-{}", number % ZONES)).build()
}
