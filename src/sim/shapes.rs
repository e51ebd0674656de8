//! Clusters and pods of standard shapes, for measuring the core.

use crate::api::{
    self, Affinity, Container, NodeStatus, ObjectMeta, PodAffinity, PodAffinityTerm, PodSpec,
    PodStatus, ResourceList, ResourceRequirements, TopologySpreadConstraint,
};
use crate::model::{CPU, LabelSelector, Labels, MEMORY, PODS, Quantity, Str};

/// What a measured pod asks for besides 100m of CPU and 500Mi of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Basic,
    /// A host of its own within its group, and the group spread evenly over zones.
    Group,
    /// A host of its own within its group.
    Anti,
    /// The group spread evenly over zones.
    Spread,
    /// The whole group in one zone.
    Affinity,
}

/// Pods of one group share a label that no other pod has.
pub const GROUP_SIZE: usize = 3;

const ZONES: usize = 3;
const RACKS_PER_ZONE: usize = 10;
const POD_MILLI_CPU: i64 = 100;
const POD_MEMORY: i64 = 500 << 20;
const HOST: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const RACK: &str = "topology.kubernetes.io/rack";
const GROUP_LABEL: &str = "app";

/// `count` equal nodes over three zones, with room for twice as many pods as will come.
pub fn nodes(count: usize, pods: usize) -> Vec<api::Node> {
    let pods_each = i64::try_from(2 * pods.div_ceil(count.max(1))).unwrap_or(i64::MAX).max(110);
    let room = |least: i64, each: i64| least.max(pods_each.saturating_mul(each));
    let amounts: ResourceList = [
        (CPU.into(), Quantity::from_milli(room(4000, POD_MILLI_CPU))),
        (MEMORY.into(), Quantity::from_units(room(32 << 30, POD_MEMORY))),
        (PODS.into(), Quantity::from_units(pods_each)),
    ]
    .into_iter()
    .collect();
    (0..count).map(|number| node(number, &amounts)).collect()
}

/// The `number`-th pod of a shape. Three in a row make a group.
pub fn pod(shape: Shape, number: usize) -> api::Pod {
    let group: Str = format!("group-{}", number / GROUP_SIZE).into();
    let name: Str = format!("pod-{number}").into();
    let selector = LabelSelector {
        match_labels: [(Str::from(GROUP_LABEL), group.clone())].into_iter().collect(),
        ..LabelSelector::default()
    };
    let labels: Labels = [(Str::from(GROUP_LABEL), group)].into_iter().collect();
    api::Pod {
        metadata: ObjectMeta {
            uid: format!("uid-{number}").into(),
            name,
            namespace: "default".into(),
            resource_version: "1".into(),
            labels,
            ..ObjectMeta::default()
        },
        spec: PodSpec {
            containers: vec![container()],
            affinity: affinity(shape, &selector),
            topology_spread_constraints: spread(shape, &selector),
            ..PodSpec::default()
        },
        status: PodStatus { phase: "Pending".into(), ..PodStatus::default() },
    }
}

fn node(number: usize, amounts: &ResourceList) -> api::Node {
    let name: Str = format!("node-{number}").into();
    let zone = format!("zone-{}", number % ZONES);
    let rack = format!("{zone}-rack-{}", number / ZONES % RACKS_PER_ZONE);
    let labels = [(HOST, &*name), (ZONE, &*zone), (RACK, &*rack)];
    let labels = labels.iter().map(|(key, value)| (Str::from(*key), Str::from(*value)));
    api::Node {
        metadata: ObjectMeta {
            labels: labels.collect(),
            uid: format!("node/{name}").into(),
            name,
            ..ObjectMeta::default()
        },
        status: NodeStatus {
            capacity: amounts.clone(),
            allocatable: amounts.clone(),
            ..NodeStatus::default()
        },
        ..api::Node::default()
    }
}

fn container() -> Container {
    let requests = [
        (CPU.into(), Quantity::from_milli(POD_MILLI_CPU)),
        (MEMORY.into(), Quantity::from_units(POD_MEMORY)),
    ];
    Container {
        name: "main".into(),
        image: "database:1".into(),
        resources: ResourceRequirements {
            requests: requests.into_iter().collect(),
            ..ResourceRequirements::default()
        },
        ..Container::default()
    }
}

fn affinity(shape: Shape, selector: &LabelSelector) -> Option<Affinity> {
    let of = |key: &str| {
        let term = PodAffinityTerm {
            label_selector: Some(selector.clone()),
            topology_key: key.into(),
            ..PodAffinityTerm::default()
        };
        Some(PodAffinity { required: vec![term], preferred: Vec::new() })
    };
    match shape {
        Shape::Group | Shape::Anti => {
            Some(Affinity { pod_anti_affinity: of(HOST), ..Affinity::default() })
        }
        Shape::Affinity => Some(Affinity { pod_affinity: of(ZONE), ..Affinity::default() }),
        Shape::Basic | Shape::Spread => None,
    }
}

fn spread(shape: Shape, selector: &LabelSelector) -> Vec<TopologySpreadConstraint> {
    if !matches!(shape, Shape::Group | Shape::Spread) {
        return Vec::new();
    }
    vec![TopologySpreadConstraint {
        max_skew: 1,
        topology_key: ZONE.into(),
        when_unsatisfiable: "DoNotSchedule".into(),
        label_selector: Some(selector.clone()),
        ..TopologySpreadConstraint::default()
    }]
}
