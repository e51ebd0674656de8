//! The Alibaba GPU trace of 2023 (openb): its nodes and pods as Kubernetes objects.
//!
//! GPUs are counted in thousandths, because pods share them: a pod with `num_gpu` 1 and `gpu_milli`
//! 460 takes 460, one with `num_gpu` 4 takes 4000. The trace knows no racks, zones or owners.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::api::{
    self, Container, NodeStatus, ObjectMeta, PodSpec, PodStatus, ResourceList, ResourceRequirements,
};
use crate::model::{
    CPU, MEMORY, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PODS, Quantity, Str,
};

/// Thousandths of a GPU.
pub const GPU_RESOURCE: &str = "alibabacloud.com/gpu-milli";
/// The GPU model of a node.
pub const GPU_MODEL_LABEL: &str = "alibabacloud.com/gpu-card-model";

/// Nodes of the trace take as many pods as a kubelet does unless told otherwise.
const PODS_PER_NODE: i64 = 110;
const BYTES_PER_MIB: i64 = 1 << 20;
const MILLI_PER_GPU: i64 = 1000;

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("failed to read {path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: csv::Error },
}

#[derive(Deserialize)]
struct NodeRow {
    sn: String,
    cpu_milli: u32,
    memory_mib: u32,
    gpu: u32,
    #[serde(default)]
    model: String,
}

#[derive(Deserialize)]
struct PodRow {
    name: String,
    cpu_milli: u32,
    memory_mib: u32,
    num_gpu: u32,
    gpu_milli: u32,
    /// The GPU models that will do, separated by `|`; empty where any will.
    #[serde(default)]
    gpu_spec: String,
    creation_time: u64,
}

/// The nodes of the trace.
pub fn read_nodes(path: &Path) -> Result<Vec<api::Node>, TraceError> {
    open(path).and_then(nodes).map_err(|source| TraceError::Read { path: path.to_owned(), source })
}

/// The pods of the trace, in the order in which they were created.
pub fn read_pods(path: &Path) -> Result<Vec<api::Pod>, TraceError> {
    open(path).and_then(pods).map_err(|source| TraceError::Read { path: path.to_owned(), source })
}

/// The nodes of a text.
pub fn nodes(text: impl Read) -> Result<Vec<api::Node>, csv::Error> {
    Ok(rows::<NodeRow>(text)?.into_iter().map(node).collect())
}

/// The pods of a text, in the order in which they were created.
pub fn pods(text: impl Read) -> Result<Vec<api::Pod>, csv::Error> {
    let mut rows = rows::<PodRow>(text)?;
    rows.sort_by_key(|row| row.creation_time);
    Ok(rows.into_iter().map(pod).collect())
}

fn open(path: &Path) -> Result<File, csv::Error> {
    Ok(File::open(path)?)
}

fn rows<T: DeserializeOwned>(text: impl Read) -> Result<Vec<T>, csv::Error> {
    csv::Reader::from_reader(text).deserialize().collect()
}

fn node(row: NodeRow) -> api::Node {
    let mut amounts = amounts(row.cpu_milli, row.memory_mib);
    amounts.insert(PODS.into(), Quantity::from_units(PODS_PER_NODE));
    let mut labels = vec![(Str::from("kubernetes.io/hostname"), Str::from(&*row.sn))];
    if row.gpu > 0 {
        let milli = i64::from(row.gpu) * MILLI_PER_GPU;
        amounts.insert(GPU_RESOURCE.into(), Quantity::from_units(milli));
        labels.push((GPU_MODEL_LABEL.into(), row.model.into()));
    }
    api::Node {
        metadata: ObjectMeta {
            uid: format!("node/{}", row.sn).into(),
            name: row.sn.into(),
            labels: labels.into_iter().collect(),
            ..ObjectMeta::default()
        },
        status: NodeStatus {
            capacity: amounts.clone(),
            allocatable: amounts,
            ..NodeStatus::default()
        },
        ..api::Node::default()
    }
}

fn pod(row: PodRow) -> api::Pod {
    let mut requests = amounts(row.cpu_milli, row.memory_mib);
    // A pod with several GPUs takes them whole.
    let gpu = match row.num_gpu {
        0 => 0,
        1 => i64::from(row.gpu_milli),
        whole => i64::from(whole) * MILLI_PER_GPU,
    };
    if gpu > 0 {
        requests.insert(GPU_RESOURCE.into(), Quantity::from_units(gpu));
    }
    let container = Container {
        name: "main".into(),
        resources: ResourceRequirements { requests, ..ResourceRequirements::default() },
        ..Container::default()
    };
    api::Pod {
        metadata: ObjectMeta {
            namespace: "openb".into(),
            uid: format!("openb/{}", row.name).into(),
            name: row.name.into(),
            ..ObjectMeta::default()
        },
        spec: PodSpec {
            containers: vec![container],
            affinity: gpu_models(&row.gpu_spec),
            ..PodSpec::default()
        },
        status: PodStatus { phase: "Pending".into(), ..PodStatus::default() },
    }
}

/// Only nodes with one of these GPU models.
fn gpu_models(spec: &str) -> Option<api::Affinity> {
    let values: Vec<Str> = spec.split('|').filter(|m| !m.is_empty()).map(Str::from).collect();
    if values.is_empty() {
        return None;
    }
    let requirement =
        NodeSelectorRequirement { key: GPU_MODEL_LABEL.into(), operator: "In".into(), values };
    let term = NodeSelectorTerm { match_expressions: vec![requirement], ..Default::default() };
    Some(api::Affinity {
        node_affinity: Some(api::NodeAffinity {
            required: Some(NodeSelector { node_selector_terms: vec![term] }),
            preferred: Vec::new(),
        }),
        ..api::Affinity::default()
    })
}

fn amounts(cpu_milli: u32, memory_mib: u32) -> ResourceList {
    [
        (CPU.into(), Quantity::from_milli(i64::from(cpu_milli))),
        (MEMORY.into(), Quantity::from_units(i64::from(memory_mib) * BYTES_PER_MIB)),
    ]
    .into_iter()
    .collect()
}
