//! `experiment.yaml`: a cluster, what runs on it, and in which order it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::placer::Placer;
use super::scaling::Scaling;
use super::workloads::{COUNT_MAX, Workload};
use crate::api::storage::{CsiNodeDriver, CsiNodeSpec};
use crate::api::{self, NodeSpec, NodeStatus, ObjectMeta, ResourceList};
use crate::config::{self, ConfigError, FieldPath};
use crate::model::{Str, Taint, plain, quoted};

pub const API_VERSION: &str = "quorate.dev/v1alpha1";
pub const KIND: &str = "Experiment";

/// A group may have this many nodes: several times the largest clusters that Kubernetes supports.
const GROUP_NODES_MAX: u32 = 50_000;
/// All groups together may have this many nodes.
const NODES_MAX: u64 = 200_000;
/// An experiment names its clusters and does not write them out, so that it is short.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One experiment, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Experiment {
    pub api_version: String,
    pub kind: String,
    /// One sentence on what the experiment shows.
    #[serde(default)]
    pub description: String,
    /// Where all chance comes from.
    #[serde(default)]
    pub seed: u64,
    /// A SchedulerConfiguration, relative to the experiment; without one, the shipped profile.
    #[serde(default)]
    pub configuration: Option<PathBuf>,
    #[serde(default)]
    pub nodes: Vec<NodeGroup>,
    /// Files of plain Kubernetes objects, relative to the experiment.
    #[serde(default)]
    pub manifests: Vec<PathBuf>,
    /// The same, and what each file has gets a namespace of its own, called after the file's path.
    #[serde(default)]
    pub isolated_manifests: Vec<PathBuf>,
    #[serde(default)]
    pub trace: Option<Trace>,
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Who else places the same pods, to be compared.
    #[serde(default)]
    pub compare: Vec<Placer>,
    /// Many workloads that differ by their number only.
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// StatefulSets that are scaled out and in once all pods have been placed.
    #[serde(default)]
    pub scale: Vec<Scaling>,
    /// The same experiment at several densities; without any, once as it is.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// Nodes that differ by their number only. They are called `<name>-<number>`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeGroup {
    pub name: String,
    pub count: u32,
    #[serde(default)]
    pub labels: BTreeMap<Str, Str>,
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// What each node offers.
    #[serde(deserialize_with = "api::amounts")]
    pub allocatable: ResourceList,
    /// The CSI drivers that are installed on each, as a CSINode has them.
    #[serde(default)]
    pub drivers: Vec<CsiNodeDriver>,
}

/// A recorded cluster in files of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trace {
    pub format: TraceFormat,
    pub nodes: PathBuf,
    pub pods: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TraceFormat {
    /// The Alibaba GPU cluster of 2023.
    Openb,
}

/// When the pods come.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arrivals {
    /// The time between two pods, in milliseconds; 0 lets all come at once.
    #[serde(default)]
    pub interval_milliseconds: u64,
}

/// One density.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    pub name: String,
    /// How many of the nodes take part, in percent. They are taken evenly from the whole list.
    pub nodes_percent: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    #[error("failed to read {path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: larger than {bytes_max} bytes", path = .path.display())]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("{path}: {reason}", path = .path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("{path}: {source}", path = .path.display())]
    Field { path: PathBuf, source: ConfigError },
    #[error("{path}: {field}: {value}: expected {expected}", path = .path.display())]
    Invalid { path: PathBuf, field: String, value: String, expected: String },
}

impl Experiment {
    /// Reads `experiment.yaml` of a folder, or the file itself.
    pub fn read(path: &Path) -> Result<(Self, PathBuf), ExperimentError> {
        let file = if path.is_dir() { path.join("experiment.yaml") } else { path.to_owned() };
        let mut text = String::new();
        File::open(&file)
            .and_then(|source| source.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|source| ExperimentError::Read { path: file.clone(), source })?;
        let experiment = Self::parse(&text, &file)?;
        Ok((experiment, file.parent().map(Path::to_owned).unwrap_or_default()))
    }

    /// Reads the text of a file, which errors name.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ExperimentError> {
        let path = file.to_owned();
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(ExperimentError::TooLarge { path, bytes_max: FILE_BYTES_MAX });
        }
        let document: Value = serde_saphyr::from_str(text).map_err(|error| {
            let reason = plain(&error.without_snippet().to_string());
            ExperimentError::Syntax { path: path.clone(), reason }
        })?;
        let experiment: Self = config::decode(&document, &FieldPath::root())
            .map_err(|source| ExperimentError::Field { path, source })?;
        experiment.validate(file)?;
        Ok(experiment)
    }

    /// The densities to run at.
    pub fn runs(&self) -> Vec<Run> {
        if self.runs.is_empty() {
            return vec![Run { name: "all".to_owned(), nodes_percent: 100 }];
        }
        self.runs.clone()
    }

    pub fn nodes(&self) -> Vec<api::Node> {
        self.nodes.iter().flat_map(NodeGroup::nodes).collect()
    }

    /// What the nodes say of their drivers, of those that have any.
    pub fn csi_nodes(&self) -> Vec<api::CsiNode> {
        self.nodes.iter().flat_map(NodeGroup::csi_nodes).collect()
    }

    fn validate(&self, file: &Path) -> Result<(), ExperimentError> {
        let invalid = |field: String, value: String, expected: &str| {
            let (path, expected) = (file.to_owned(), expected.to_owned());
            Err(ExperimentError::Invalid { path, field, value, expected })
        };
        if self.api_version != API_VERSION {
            return invalid("apiVersion".into(), quoted(&self.api_version), API_VERSION);
        }
        if self.kind != KIND {
            return invalid("kind".into(), quoted(&self.kind), KIND);
        }
        let (mut names, mut nodes) = (BTreeSet::new(), 0);
        for (index, group) in self.nodes.iter().enumerate() {
            if !(1..=GROUP_NODES_MAX).contains(&group.count) {
                let expected = format!("a number from 1 to {GROUP_NODES_MAX}");
                let value = group.count.to_string();
                return invalid(format!("nodes[{index}].count"), value, &expected);
            }
            if group.name.is_empty() || !names.insert(&group.name) {
                let field = format!("nodes[{index}].name");
                return invalid(field, quoted(&group.name), "a name of its own");
            }
            nodes += u64::from(group.count);
            if nodes > NODES_MAX {
                let expected = format!("at most {NODES_MAX} nodes in all groups");
                let value = group.count.to_string();
                return invalid(format!("nodes[{index}].count"), value, &expected);
            }
        }
        for (index, run) in self.runs.iter().enumerate() {
            if !(1..=100).contains(&run.nodes_percent) {
                let field = format!("runs[{index}].nodesPercent");
                return invalid(field, run.nodes_percent.to_string(), "a number from 1 to 100");
            }
        }
        for (index, workload) in self.workloads.iter().enumerate() {
            if !(1..=COUNT_MAX).contains(&workload.count) {
                let expected = format!("a number from 1 to {COUNT_MAX}");
                let field = format!("workloads[{index}].count");
                return invalid(field, workload.count.to_string(), &expected);
            }
        }
        let no_manifests = self.manifests.is_empty() && self.isolated_manifests.is_empty();
        if self.nodes.is_empty() && self.trace.is_none() && no_manifests {
            return invalid("nodes".into(), "none".into(), "node groups, manifests or a trace");
        }
        Ok(())
    }
}

impl NodeGroup {
    fn names(&self) -> impl Iterator<Item = Str> + '_ {
        (0..self.count).map(|number| format!("{}-{number}", self.name).into())
    }

    fn csi_nodes(&self) -> impl Iterator<Item = api::CsiNode> + '_ {
        self.names().filter(|_| !self.drivers.is_empty()).map(|name| api::CsiNode {
            metadata: ObjectMeta { name, ..ObjectMeta::default() },
            spec: CsiNodeSpec { drivers: self.drivers.clone() },
        })
    }

    fn nodes(&self) -> impl Iterator<Item = api::Node> + '_ {
        self.names().map(|name| {
            let hostname = (Str::from("kubernetes.io/hostname"), name.clone());
            let own = self.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
            api::Node {
                metadata: ObjectMeta {
                    labels: std::iter::once(hostname).chain(own).collect(),
                    uid: format!("node/{name}").into(),
                    name,
                    ..ObjectMeta::default()
                },
                spec: NodeSpec { taints: self.taints.clone(), ..NodeSpec::default() },
                status: NodeStatus {
                    capacity: self.allocatable.clone(),
                    allocatable: self.allocatable.clone(),
                    ..NodeStatus::default()
                },
            }
        })
    }
}

impl Arrivals {
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_milliseconds)
    }
}
