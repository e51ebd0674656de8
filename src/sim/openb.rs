//! The Alibaba GPU trace of 2023 (openb): its nodes and pods as Kubernetes objects.
//!
//! GPUs are counted in thousandths, because pods share them: a pod with `num_gpu` 1 and `gpu_milli`
//! 460 takes 460, one with `num_gpu` 4 takes 4000. The trace knows no racks, zones or owners.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use csv::StringRecord;

use crate::api::{
    self, Container, NodeStatus, ObjectMeta, PodSpec, PodStatus, ResourceList, ResourceRequirements,
};
use crate::model::{
    CPU, MEMORY, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PODS, Quantity, Str,
    quoted,
};

/// Thousandths of a GPU.
pub const GPU_RESOURCE: &str = "alibabacloud.com/gpu-milli";
/// The GPU model of a node.
pub const GPU_MODEL_LABEL: &str = "alibabacloud.com/gpu-card-model";

const NODE_COLUMNS: [&str; 4] = ["sn", "cpu_milli", "memory_mib", "gpu"];
const POD_COLUMNS: [&str; 6] =
    ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "creation_time"];

/// Nodes of the trace take as many pods as a kubelet does unless told otherwise.
const PODS_PER_NODE: i64 = 110;
const BYTES_PER_MIB: i64 = 1 << 20;
const MILLI_PER_GPU: i64 = 1000;

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("failed to read {path}: {source}", path = .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{path}: {source}", path = .path.display())]
    Table { path: PathBuf, source: TableError },
}

/// What is wrong with the text of a file.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error("line 1: {column}: missing, expected a column of this name")]
    Column { column: &'static str },
    #[error("line {line}: {column}: {}: expected {expected}", quoted(.value))]
    Value { line: u64, column: &'static str, value: String, expected: &'static str },
}

struct NodeRow {
    sn: String,
    cpu_milli: u32,
    memory_mib: u32,
    gpu: u32,
    model: String,
}

struct PodRow {
    name: String,
    cpu_milli: u32,
    memory_mib: u32,
    num_gpu: u32,
    gpu_milli: u32,
    /// The GPU models that will do, separated by `|`; empty where any will.
    gpu_spec: String,
    creation_time: u64,
}

/// One line of a file, by column.
struct Row<'a> {
    columns: &'a HashMap<String, usize>,
    record: &'a StringRecord,
}

/// The nodes of the trace.
pub fn read_nodes(path: &Path) -> Result<Vec<api::Node>, TraceError> {
    nodes(open(path)?).map_err(|source| TraceError::Table { path: path.to_owned(), source })
}

/// The pods of the trace, in the order in which they were created.
pub fn read_pods(path: &Path) -> Result<Vec<api::Pod>, TraceError> {
    pods(open(path)?).map_err(|source| TraceError::Table { path: path.to_owned(), source })
}

/// The nodes of a text.
pub fn nodes(text: impl Read) -> Result<Vec<api::Node>, TableError> {
    let rows = rows(text, &NODE_COLUMNS, |row| {
        Ok(NodeRow {
            sn: row.name("sn")?,
            cpu_milli: row.number("cpu_milli")?,
            memory_mib: row.number("memory_mib")?,
            gpu: row.number("gpu")?,
            model: row.text("model").to_owned(),
        })
    })?;
    Ok(rows.into_iter().map(node).collect())
}

/// The pods of a text, in the order in which they were created.
pub fn pods(text: impl Read) -> Result<Vec<api::Pod>, TableError> {
    let mut rows = rows(text, &POD_COLUMNS, |row| {
        Ok(PodRow {
            name: row.name("name")?,
            cpu_milli: row.number("cpu_milli")?,
            memory_mib: row.number("memory_mib")?,
            num_gpu: row.number("num_gpu")?,
            gpu_milli: row.number("gpu_milli")?,
            gpu_spec: row.text("gpu_spec").to_owned(),
            creation_time: row.number("creation_time")?,
        })
    })?;
    rows.sort_by_key(|row| row.creation_time);
    Ok(rows.into_iter().map(pod).collect())
}

fn open(path: &Path) -> Result<File, TraceError> {
    File::open(path).map_err(|source| TraceError::Open { path: path.to_owned(), source })
}

fn rows<T>(
    text: impl Read,
    needed: &[&'static str],
    read: impl Fn(Row<'_>) -> Result<T, TableError>,
) -> Result<Vec<T>, TableError> {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers()?.iter().enumerate();
    let columns: HashMap<_, _> = header.map(|(index, name)| (name.to_owned(), index)).collect();
    if let Some(column) = needed.iter().copied().find(|column| !columns.contains_key(*column)) {
        return Err(TableError::Column { column });
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        rows.push(read(Row { columns: &columns, record: &record? })?);
    }
    Ok(rows)
}

impl Row<'_> {
    fn name(&self, column: &'static str) -> Result<String, TableError> {
        let name = self.text(column);
        if name.is_empty() {
            return Err(self.invalid(column, name, "a name"));
        }
        Ok(name.to_owned())
    }

    fn number<T: FromStr>(&self, column: &'static str) -> Result<T, TableError> {
        let text = self.text(column);
        text.parse().map_err(|_| self.invalid(column, text, "a whole number"))
    }

    /// Empty where there is no such column.
    fn text(&self, column: &str) -> &str {
        let index = self.columns.get(column);
        index.and_then(|index| self.record.get(*index)).unwrap_or_default()
    }

    fn invalid(&self, column: &'static str, value: &str, expected: &'static str) -> TableError {
        let line = self.record.position().map_or(0, csv::Position::line);
        TableError::Value { line, column, value: value.to_owned(), expected }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\n";
    const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time\n";

    fn texts(amounts: &ResourceList) -> Vec<String> {
        amounts.iter().map(|(name, amount)| format!("{name} {amount}")).collect()
    }

    #[test]
    fn nodes_offer_thousandths_of_their_gpus() {
        let rows = "n0,32000,1024,0,\nn1,64000,2048,2,V100M16\n";
        let nodes = nodes(format!("{NODES}{rows}").as_bytes()).unwrap();
        let label = |node: &api::Node, key: &str| node.metadata.labels.get(key).cloned();
        let amounts = |node: &api::Node| texts(&node.status.allocatable);
        assert_eq!(amounts(&nodes[0]), ["cpu 32", "memory 1073741824", "pods 110"]);
        assert_eq!(label(&nodes[0], GPU_MODEL_LABEL), None);
        assert_eq!(label(&nodes[0], "kubernetes.io/hostname").as_deref(), Some("n0"));
        let gpus = "alibabacloud.com/gpu-milli 2k";
        assert_eq!(amounts(&nodes[1]), [gpus, "cpu 64", "memory 2147483648", "pods 110"]);
        assert_eq!(label(&nodes[1], GPU_MODEL_LABEL).as_deref(), Some("V100M16"));
    }

    #[test]
    fn pods_take_parts_of_one_gpu_or_several_whole_ones() {
        let check = |gpus: &str, expected: Option<&str>| {
            let pods = pods(format!("{PODS}p,500,512,{gpus},,0\n").as_bytes()).unwrap();
            let requests = texts(&pods[0].spec.containers[0].resources.requests);
            let gpus = requests.iter().find_map(|text| text.strip_prefix(GPU_RESOURCE));
            assert_eq!(gpus.map(str::trim), expected, "{requests:?}");
            assert!(requests.contains(&"cpu 500m".to_owned()), "{requests:?}");
            assert!(requests.contains(&"memory 536870912".to_owned()), "{requests:?}");
        };
        check("0,0", None);
        check("0,460", None);
        check("1,460", Some("460"));
        check("4,1000", Some("4k"));
    }

    #[test]
    fn pods_come_in_the_order_of_their_creation_and_only_to_the_models_they_name() {
        let rows = "late,1,1,1,500,V100M16|V100M32,9\nearly,1,1,0,0,,3\nalso,1,1,0,0,,3\n";
        let pods = pods(format!("{PODS}{rows}").as_bytes()).unwrap();
        let names: Vec<&str> = pods.iter().map(|pod| &*pod.metadata.name).collect();
        assert_eq!(names, ["early", "also", "late"]);
        assert_eq!(pods[0].spec.affinity, None);
        let affinity = pods[2].spec.affinity.as_ref().unwrap().node_affinity.as_ref().unwrap();
        let terms = &affinity.required.as_ref().unwrap().node_selector_terms;
        let models = &terms[0].match_expressions[0];
        assert_eq!((&*models.key, &*models.operator), (GPU_MODEL_LABEL, "In"));
        assert_eq!(models.values, [Str::from("V100M16"), Str::from("V100M32")]);
    }

    #[test]
    fn errors_name_file_line_column_value_and_what_was_expected() {
        let read = |text: &str| {
            let read = nodes(text.as_bytes()).map(|nodes| nodes.len());
            let path = Path::new("FILE").to_owned();
            read.map_err(|source| TraceError::Table { path, source }.to_string())
        };
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text), Err(expected.to_owned()), "{text}");
        };
        check(
            &format!("{NODES}a,1,1,0,\nb,1x,1,0,\n"),
            "FILE: line 3: cpu_milli: \"1x\": expected a whole number",
        );
        check(
            &format!("{NODES}a,1,-1,0,\n"),
            "FILE: line 2: memory_mib: \"-1\": expected a whole number",
        );
        check(&format!("{NODES},1,1,0,\n"), "FILE: line 2: sn: \"\": expected a name");
        check(
            "sn,cpu_milli,gpu,model\na,1,0,\n",
            "FILE: line 1: memory_mib: missing, expected a column of this name",
        );
        let short = read(&format!("{NODES}a,1\n")).unwrap_err();
        assert!(short.starts_with("FILE: CSV error: record 1 (line: 2, "), "{short}");
        let missing = read_nodes(Path::new("nowhere.csv")).unwrap_err().to_string();
        assert!(missing.starts_with("failed to read nowhere.csv: "), "{missing}");
        assert!(read("").unwrap_err().starts_with("FILE: line 1: sn: missing"));
        assert_eq!(read(NODES), Ok(0));
    }
}
