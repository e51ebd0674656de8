//! Compares recorded answers of kube-scheduler's small functions with ours, a line at a time.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Pod;
use crate::api::requests::{self, Counting, Usage};
use crate::model::{
    LabelSelector, Labels, NO_EXECUTE, NO_SCHEDULE, NodeSelector, Quantity, Resources, Str, Taint,
    Toleration, compile_optional, first_untolerated,
};

/// The topics that [`check`] knows.
pub const TOPICS: [&str; 6] = [
    "quantities",
    "quantity_pairs",
    "label_selectors",
    "node_selectors",
    "tolerations",
    "pod_requests",
];

/// Answers one recorded question and says what differs, if anything does.
pub fn check(topic: &str, line: &Value) -> Result<(), String> {
    match topic {
        "quantities" => quantity(line),
        "quantity_pairs" => quantity_pair(line),
        "label_selectors" => label_selector(line),
        "node_selectors" => node_selector(line),
        "tolerations" => tolerations(line),
        "pod_requests" => pod_requests(line),
        _ => Err(format!("there is no topic {topic:?}")),
    }
}

fn quantity(line: &Value) -> Result<(), String> {
    let text: String = field(line, "in")?;
    let quantity = match (Quantity::parse(&text), line.get("error")) {
        (Ok(quantity), None) => quantity,
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(error)) => return Err(format!("{text:?} is accepted, recorded: {error}")),
        (Err(error), None) => return Err(format!("{text:?} is refused: {error}")),
    };
    equal(line, "canonical", quantity.canonical())?;
    equal(line, "string", quantity.to_string())?;
    equal(line, "format", format!("{:?}", quantity.format()))?;
    equal(line, "sign", quantity.sign())?;
    equal(line, "decimal", quantity.clone())?;
    let rounded = [
        ("value", quantity.value()),
        ("milliValue", quantity.milli_value()),
        ("nanoValue", quantity.nano_value()),
    ];
    // Upstream has no answer for amounts that 64 bits do not hold.
    rounded
        .into_iter()
        .filter(|(name, _)| line.get(*name).is_some())
        .try_for_each(|(name, amount)| equal(line, name, amount))
}

fn quantity_pair(line: &Value) -> Result<(), String> {
    let [a, b]: [Quantity; 2] = [field(line, "a")?, field(line, "b")?];
    equal(line, "cmp", a.cmp(&b) as i32)?;
    equal(line, "sum", a.add(&b).to_string())?;
    equal(line, "difference", a.sub(&b).to_string())
}

fn label_selector(line: &Value) -> Result<(), String> {
    let written: Option<LabelSelector> = field(line, "selector")?;
    let selector = match (compile_optional(written.as_ref()), line.get("error")) {
        (Ok(selector), None) => selector,
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(error)) => return Err(format!("selector accepted, recorded: {error}")),
        (Err(error), None) => return Err(format!("selector refused: {error}")),
    };
    equal(line, "string", selector.to_string())?;
    equal(line, "everything", selector.is_everything())?;
    equal(line, "nothing", selector.is_nothing())?;
    let matches: Vec<(Labels, bool)> = field(line, "matches")?;
    for (labels, recorded) in matches {
        same(&format!("match of {labels:?}"), &selector.matches(&labels), &recorded)?;
    }
    Ok(())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RecordedNode {
    name: String,
    labels: Labels,
}

fn node_selector(line: &Value) -> Result<(), String> {
    let selector: NodeSelector = field(line, "nodeSelector")?;
    let nodes: Vec<RecordedNode> = field(line, "nodes")?;
    let recorded: Vec<Value> = field(line, "match")?;
    same("number of nodes", &nodes.len(), &recorded.len())?;
    let terms = selector.compile();
    for (node, recorded) in nodes.iter().zip(recorded) {
        // The text of an error is the parser's; only that there is one can be compared.
        let ours = terms.matches(&node.name, &node.labels).ok();
        same(&format!("match of node {}", node.name), &ours, &recorded.as_bool())?;
    }
    Ok(())
}

fn tolerations(line: &Value) -> Result<(), String> {
    let taints: Vec<Taint> = field(line, "taints")?;
    let tolerations: Vec<Toleration> = field(line, "tolerations")?;
    let of = |toleration: &Toleration| -> Vec<bool> {
        taints.iter().map(|taint| toleration.tolerates(taint)).collect()
    };
    equal(line, "tolerates", tolerations.iter().map(of).collect::<Vec<_>>())?;
    let hard = |effect: &str| effect == NO_SCHEDULE || effect == NO_EXECUTE;
    equal(line, "untolerated", first_untolerated(&taints, &tolerations, hard).cloned())
}

fn pod_requests(line: &Value) -> Result<(), String> {
    let pod: Pod = field(line, "pod")?;
    let spec = Counting::default();
    let pod_level = Counting { pod_level: true, ..spec };
    let running = Counting { status: true, ..pod_level };
    let non_missing = Counting { default_cpu: true, default_memory: true, ..pod_level };
    let sums = [
        ("requests", requests::amounts(&pod, pod_level)),
        ("running", requests::amounts(&pod, running)),
        ("nonMissing", requests::amounts(&pod, non_missing)),
        ("withoutPodLevel", requests::amounts(&pod, spec)),
        ("limits", requests::limit_amounts(&pod)),
    ];
    for (name, amounts) in sums {
        let written = amounts.iter().map(|(name, amount)| (name.clone(), amount.to_string()));
        equal(line, name, written.collect::<BTreeMap<Str, String>>())?;
    }
    let recorded: RecordedUsage = field(line, "onNode")?;
    same("onNode", &requests::usage(&pod), &recorded.into())
}

/// What a pod adds to the sums of its node, as it stands in a recorded line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedUsage {
    #[serde(rename = "milliCPU")]
    milli_cpu: i64,
    memory: i64,
    ephemeral_storage: i64,
    #[serde(default)]
    scalar: BTreeMap<Str, i64>,
    #[serde(rename = "nonZeroMilliCPU")]
    non_zero_milli_cpu: i64,
    non_zero_memory: i64,
}

impl From<RecordedUsage> for Usage {
    fn from(recorded: RecordedUsage) -> Self {
        Self {
            requested: Resources {
                milli_cpu: recorded.milli_cpu,
                memory: recorded.memory,
                ephemeral_storage: recorded.ephemeral_storage,
                scalar: recorded.scalar,
            },
            non_zero_milli_cpu: recorded.non_zero_milli_cpu,
            non_zero_memory: recorded.non_zero_memory,
        }
    }
}

/// Compares our answer with the recorded field of that name.
fn equal<T: DeserializeOwned + PartialEq + Debug>(
    line: &Value,
    name: &str,
    ours: T,
) -> Result<(), String> {
    same(name, &ours, &field(line, name)?)
}

fn same<T: PartialEq + Debug>(what: &str, ours: &T, recorded: &T) -> Result<(), String> {
    if ours == recorded {
        return Ok(());
    }
    Err(format!("{what}: ours {ours:?}, recorded {recorded:?}"))
}

/// A field of a recorded line. An absent one reads as null.
fn field<T: DeserializeOwned>(line: &Value, name: &str) -> Result<T, String> {
    T::deserialize(line.get(name).unwrap_or(&Value::Null))
        .map_err(|error| format!("field {name:?} is unreadable: {error}"))
}
