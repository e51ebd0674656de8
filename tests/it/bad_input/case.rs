//! One case of `tests/bad-input`: what is odd, and what is expected of it.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::generate;

pub const GROUPS: [&str; 9] = [
    "quantities",
    "resources",
    "labels",
    "affinity",
    "topology",
    "groups",
    "cluster",
    "pods",
    "volumes",
];

/// A case as it is written. Most fields change the pod `odd`, which is fine without them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub expect: Expected,
    /// What is expected where a watch shows it, if that is something else: of files the defaults
    /// are filled in, as an API server does before anybody watches.
    watched: Option<Expected>,
    /// Requests of its container.
    #[serde(default, deserialize_with = "given")]
    requests: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    metadata: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    spec: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    status: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    pod: Option<Value>,
    /// The conditions of its one required node affinity term.
    required: Option<Value>,
    fields: Option<Value>,
    /// Its required pod affinity and anti-affinity terms.
    affinity: Option<Value>,
    anti_affinity: Option<Value>,
    spread: Option<Value>,
    /// Changes of a node that is added.
    node: Option<Value>,
    /// The kind and the spec of a workload that is added.
    workload: Option<Value>,
    /// Objects that are added.
    objects: Option<Vec<Value>>,
    /// A cluster other than the usual one.
    pub cluster: Option<String>,
    /// A file in the place of the objects above.
    text: Option<String>,
    /// A configuration after its head, or a whole one.
    config: Option<String>,
    raw_config: Option<String>,
    /// An experiment after its head.
    experiment: Option<String>,
    /// What is too large to be written down.
    generate: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    Schedules,
    /// It is none of the pods that wait.
    Ignored,
    /// It waits, without a reason that could be foreseen.
    Waits,
    /// With a reason that contains this.
    Unschedulable(String),
    /// Reading it fails with an error that names the file, and contains these.
    Refused {
        field: String,
        value: String,
    },
}

/// A case made out.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub pod: Value,
    pub objects: Vec<Value>,
    pub text: Option<Vec<u8>>,
    pub config: Option<String>,
    pub experiment: Option<String>,
    /// Nodes that are gone again before anything is decided.
    pub vanishing: usize,
}

pub fn cases(group: &str) -> Vec<Case> {
    read(group)
}

/// The cases of a file of `tests/bad-input`.
pub fn read<T: DeserializeOwned>(group: &str) -> Vec<T> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/bad-input/{group}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

impl Case {
    /// A pod with which nothing is wrong.
    pub fn plain(name: &str, expect: Expected) -> Self {
        let case = json!({"name": name, "expect": "schedules"});
        Self { expect, ..serde_json::from_value(case).unwrap() }
    }

    /// What is expected where a watch shows it.
    pub fn watched(&self) -> &Expected {
        self.watched.as_ref().unwrap_or(&self.expect)
    }

    pub fn input(&self) -> Input {
        let mut input = Input { pod: odd_pod(), ..Input::default() };
        let pod = &mut input.pod;
        let container = &mut pod["spec"]["containers"][0]["resources"]["requests"];
        set(container, &self.requests);
        let affinity = "requiredDuringSchedulingIgnoredDuringExecution";
        let list = |list: &Value| json!({affinity: list});
        let term =
            |field: &str, list: &Value| json!({affinity: {"nodeSelectorTerms": [{field: list}]}});
        let of = |field: &str, value: Option<Value>| {
            value.map(|value| json!({"affinity": {field: value}}))
        };
        let spec = &mut pod["spec"];
        set(spec, &of("nodeAffinity", self.required.as_ref().map(|l| term("matchExpressions", l))));
        set(spec, &of("nodeAffinity", self.fields.as_ref().map(|l| term("matchFields", l))));
        set(spec, &of("podAffinity", self.affinity.as_ref().map(list)));
        set(spec, &of("podAntiAffinity", self.anti_affinity.as_ref().map(list)));
        let spread = self.spread.as_ref();
        set(spec, &spread.map(|spread| json!({"topologySpreadConstraints": spread})));
        set(spec, &self.spec);
        set(&mut pod["metadata"], &self.metadata);
        set(&mut pod["status"], &self.status);
        set(pod, &self.pod);
        input.objects = self.objects.clone().unwrap_or_default();
        input.objects.extend(self.node.as_ref().map(odd_node));
        input.objects.extend(self.workload.as_ref().map(workload));
        input.text = self.text.clone().map(String::into_bytes);
        let config = "apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\n";
        input.config = self.config.as_ref().map(|text| format!("{config}{text}\n"));
        input.config = self.raw_config.clone().or(input.config);
        let experiment = "apiVersion: quorate.dev/v1alpha1\nkind: Experiment\n";
        input.experiment = self.experiment.as_ref().map(|text| format!("{experiment}{text}\n"));
        if let Some(name) = &self.generate {
            generate::apply(name, &mut input);
        }
        input
    }

    /// Whether the pods beside the odd one have a place to go.
    pub fn neighbours_fit(&self) -> bool {
        let cluster = self.cluster.as_deref();
        !cluster.is_some_and(|cluster| ["none", "cordoned", "tainted", "full"].contains(&cluster))
    }
}

impl Input {
    /// The odd pod and what was added.
    pub fn odd_objects(&self) -> Vec<Value> {
        std::iter::once(&self.pod).chain(&self.objects).cloned().collect()
    }

    pub fn odd_name(&self) -> String {
        self.pod["metadata"]["name"].as_str().unwrap_or("odd").to_owned()
    }
}

/// The cluster around the odd pod: nodes, a pod on the first of them, and two pods that wait.
pub fn cluster(kind: Option<&str>, nodes: usize) -> Vec<Value> {
    let count = match kind {
        Some("none") => 0,
        Some("one") => 1,
        _ => nodes,
    };
    let mut objects: Vec<Value> = (0..count).map(|number| node(&format!("n{number}"))).collect();
    for (number, node) in objects.iter_mut().enumerate() {
        match kind {
            Some("cordoned") => node["spec"]["unschedulable"] = json!(true),
            Some("tainted") => {
                node["spec"]["taints"] = json!([{"key": "full", "effect": "NoSchedule"}]);
            }
            Some("unlabelled") => node["metadata"]["labels"] = Value::Null,
            _ => {
                let labels = &mut node["metadata"]["labels"];
                labels["zone"] = json!(format!("z{}", number % 2));
                labels["everywhere"] = json!("yes");
                labels["size"] = json!(number.to_string());
                if number.is_multiple_of(2) {
                    labels["half"] = json!("yes");
                }
            }
        }
    }
    let full = kind == Some("full");
    let takers = (0..count).filter(|number| full || *number == 0).map(|number| {
        let name = if full { format!("taker-{number}") } else { "placed".to_owned() };
        let mut taker = pod(&name, "placed", if full { "4" } else { "100m" });
        taker["spec"]["nodeName"] = json!(format!("n{number}"));
        taker["status"]["phase"] = json!("Running");
        taker
    });
    let takers: Vec<Value> = takers.collect();
    objects.extend(takers);
    objects.extend(["before", "after"].map(|name| pod(name, "neighbour", "100m")));
    objects
}

/// Replaces what the change names. A null is written, not taken for absent.
pub fn set(value: &mut Value, change: &Option<Value>) {
    let Some(change) = change else { return };
    match (value, change) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                set(fields.entry(name.clone()).or_insert(Value::Null), &Some(change.clone()));
            }
        }
        (value, change) => *value = change.clone(),
    }
}

pub fn node(name: &str) -> Value {
    let offer = json!({"cpu": "4", "memory": "8Gi", "ephemeral-storage": "10Gi", "pods": "20"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("u-{name}"),
            "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"capacity": offer, "allocatable": offer},
    })
}

pub fn pod(name: &str, app: &str, cpu: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "db", "uid": format!("u-{name}"),
            "labels": {"app": app}},
        "spec": {"schedulerName": "quorate",
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Pending"},
    })
}

fn odd_pod() -> Value {
    pod("odd", "odd", "100m")
}

fn odd_node(change: &Value) -> Value {
    let mut node = node("odd-node");
    node["metadata"]["labels"]["odd"] = json!("node");
    set(&mut node, &Some(change.clone()));
    node
}

fn workload(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let kind = spec.as_object_mut().unwrap().remove("kind").unwrap();
    let group = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let mut object = json!({
        "apiVersion": group, "kind": kind, "metadata": {"name": "work", "namespace": "db"},
        "spec": {"selector": {"matchLabels": {"app": "work"}}, "template": {
            "metadata": {"labels": {"app": "work"}},
            "spec": {"containers": [{"name": "c"}]},
        }},
    });
    set(&mut object["spec"], &Some(spec));
    object
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
