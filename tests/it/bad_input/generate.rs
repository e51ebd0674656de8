//! Input that is too large to be written down, by name.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::case::{Input, node, set};

const MEGABYTE: usize = 1 << 20;
const MANY: usize = 10_000;
const VERY_MANY: usize = 100_000;
/// What the framework allows.
const TERMS_MAX: usize = 128;
const CONSTRAINTS_MAX: usize = 32;
const TOLERATIONS_MAX: usize = 1024;

/// Makes the input out.
pub fn apply(name: &str, input: &mut Input) {
    let known = pod_metadata(name, input)
        || pod_spec(name, input)
        || pod_terms(name, input)
        || objects(name, input)
        || texts(name, input);
    assert!(known, "nobody can generate {name}");
}

fn pod_metadata(name: &str, input: &mut Input) -> bool {
    let long = "x".repeat(MEGABYTE);
    let many = || numbered(VERY_MANY, |_| json!("v"));
    let change = match name {
        "long-label" => json!({"labels": {"app": long}}),
        "many-labels" => json!({"labels": many()}),
        "long-label-key" => json!({"labels": {long: "v"}}),
        "long-annotation" => json!({"annotations": {"a": long}}),
        "many-annotations" => json!({"annotations": many()}),
        "deep-annotation" => json!({"annotations": {"a": "[".repeat(MEGABYTE)}}),
        "long-name" => json!({"name": long}),
        "many-owners" => {
            let owner = |n| json!({"kind": "ReplicaSet", "name": format!("r{n}"), "uid": "x"});
            json!({"ownerReferences": list(MANY, owner)})
        }
        _ => return false,
    };
    set(&mut input.pod["metadata"], &Some(change));
    true
}

fn pod_spec(name: &str, input: &mut Input) -> bool {
    let requests = |requests: Value| {
        let container = json!({"name": "c", "resources": {"requests": requests}});
        json!({"containers": [container]})
    };
    let container = |n| json!({"name": format!("c{n}"), "resources": {"requests": {"cpu": "1m"}}});
    let change = match name {
        "digits" => requests(json!({"cpu": "9".repeat(VERY_MANY)})),
        "long-resource" => requests(json!({format!("example.com/{}", "x".repeat(MEGABYTE)): "1"})),
        "many-resources" => {
            let names = (0..MANY).map(|n| (format!("example.com/r{n}"), json!("1")));
            requests(Value::Object(names.collect()))
        }
        "many-zero-resources" => {
            let names = (0..250).map(|n| (format!("example.com/r{n}"), json!("0")));
            requests(Value::Object(names.collect()))
        }
        "many-containers" => json!({"containers": list(1000, container)}),
        "many-statuses" => {
            let status = |n| json!({"name": format!("c{n}"), "allocatedResources": {"cpu": "1m"}});
            input.pod["status"]["containerStatuses"] = list(1000, status);
            json!({"containers": list(1000, container)})
        }
        "many-ports" => {
            let ports = list(MANY, |n| json!({"hostPort": n + 1}));
            json!({"containers": [{"name": "c", "ports": ports}]})
        }
        "many-tolerations" => json!({"tolerations": list(MANY, toleration)}),
        "allowed-tolerations" => json!({"tolerations": list(TOLERATIONS_MAX, toleration)}),
        "many-gates" => json!({"schedulingGates": list(MANY, |n| json!({"name": n.to_string()}))}),
        "many-claims" => {
            let claim = |n: usize| json!({"claimName": format!("absent-{n}")});
            let volume = |n| json!({"name": format!("v{n}"), "persistentVolumeClaim": claim(n)});
            json!({"volumes": list(MANY, volume)})
        }
        "many-volumes" => {
            json!({"volumes": list(MANY, |n| json!({"name": format!("v{n}"), "emptyDir": {}}))})
        }
        "many-pod-conditions" => {
            let condition = |n| json!({"type": format!("T{n}"), "status": "False"});
            input.pod["status"]["conditions"] = list(MANY, condition);
            json!({})
        }
        "deep-spec" => json!({"affinity": "DEEP"}),
        _ => return false,
    };
    set(&mut input.pod["spec"], &Some(change));
    if name == "deep-spec" {
        let deep = format!("{}{}", "{\"podAffinity\":", "[".repeat(MANY));
        let text = input.pod.to_string().replace("\"DEEP\"", &(deep + &"]".repeat(MANY) + "}"));
        input.text = Some(text.into_bytes());
    }
    true
}

fn pod_terms(name: &str, input: &mut Input) -> bool {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    let away = |terms: Value| json!({"affinity": {"podAntiAffinity": {required: terms}}});
    let term = |key: String, app: String| {
        let selector = json!({"matchLabels": {"app": app}});
        json!({"topologyKey": key, "labelSelector": selector})
    };
    let node_term = |n| json!({"matchExpressions": [expression(n)]});
    let spread = |key: String| {
        json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {}})
    };
    let change = match name {
        "many-node-terms" => {
            json!({"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms":
                list(MANY, node_term)}}}})
        }
        "many-preferred-terms" => {
            let term = |n| json!({"weight": 1, "preference": node_term(n)});
            json!({"affinity": {"nodeAffinity": {preferred: list(MANY, term)}}})
        }
        "many-values" => {
            let values = list(VERY_MANY, |n| json!(format!("v{n}")));
            let condition = json!({"key": "zone", "operator": "In", "values": values});
            json!({"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms":
                [{"matchExpressions": [condition]}]}}}})
        }
        "long-selector-value" => away(json!([term("zone".into(), "x".repeat(MEGABYTE))])),
        "many-terms" => away(list(MANY, |n| term("zone".into(), format!("a{n}")))),
        "many-topology-keys" => away(list(MANY, |n| term(format!("k{n}"), "placed".into()))),
        "allowed-topology-keys" => {
            away(list(TERMS_MAX, |n| term(format!("k{n}"), "placed".into())))
        }
        "broad-terms" => {
            // None of them can be looked up by a label, and each speaks of all namespaces.
            let broad = |n| {
                json!({"topologyKey": "zone", "namespaceSelector": {}, "labelSelector":
                    {"matchExpressions": [{"key": format!("k{n}"), "operator": "Exists"}]}})
            };
            away(list(TERMS_MAX, broad))
        }
        "many-namespaces" => {
            let mut term = term("zone".into(), "nobody".into());
            term["namespaces"] = list(VERY_MANY, |n| json!(format!("n{n}")));
            away(json!([term]))
        }
        "many-conditions" => {
            let selector = json!({"matchExpressions": list(MANY, expression)});
            away(json!([{"topologyKey": "zone", "labelSelector": selector}]))
        }
        "many-match-label-keys" => {
            input.pod["metadata"]["labels"] = numbered(MANY, |_| json!("v"));
            let mut constraint = spread("zone".into());
            constraint["matchLabelKeys"] = list(MANY, |n| json!(format!("k{n}")));
            json!({"topologySpreadConstraints": [constraint]})
        }
        "many-constraints" => {
            json!({"topologySpreadConstraints": list(MANY, |n| spread(format!("k{n}")))})
        }
        "allowed-constraints" => {
            let constraints = list(CONSTRAINTS_MAX, |n| spread(format!("k{n}")));
            json!({"topologySpreadConstraints": constraints})
        }
        _ => return false,
    };
    set(&mut input.pod["spec"], &Some(change));
    true
}

fn objects(name: &str, input: &mut Input) -> bool {
    let set_of = |n: usize, replicas: i32| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": format!("s{n}"), "namespace": "db"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": []}}}})
    };
    let mut odd_node = node("odd-node");
    let added = match name {
        "many-node-labels" => {
            odd_node["metadata"]["labels"] = numbered(VERY_MANY, |_| json!("v"));
            vec![odd_node]
        }
        "many-images" => {
            let image = |n| json!({"names": [format!("i{n}"), format!("j{n}")], "sizeBytes": n});
            odd_node["status"]["images"] = list(MANY, image);
            vec![odd_node]
        }
        "many-taints" | "allowed-tolerations" => {
            let taint = |n| json!({"key": format!("t{n}"), "effect": "NoSchedule"});
            odd_node["spec"]["taints"] = list(1000, taint);
            vec![odd_node]
        }
        "many-workloads" => (0..1000).map(|n| set_of(n, 200_000)).collect(),
        "many-set-conditions" => {
            let mut set = set_of(0, 1);
            set["spec"]["selector"] = json!({"matchExpressions": list(MANY, expression)});
            let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s0",
                "uid": "x", "controller": true});
            input.pod["metadata"]["ownerReferences"] = json!([owner]);
            vec![set]
        }
        "many-services" => {
            let service = |n: usize| {
                json!({"apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": format!("s{n}"), "namespace": "db"},
                    "spec": {"selector": {"app": format!("a{n}")}}})
            };
            (0..MANY).map(service).collect()
        }
        "many-topologies" => {
            let key = |n: usize| json!([{"key": n.to_string(), "values": []}]);
            let term = |n| json!({"matchLabelExpressions": key(n)});
            vec![json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": "s"}, "provisioner": "p",
                "allowedTopologies": list(MANY, term)})]
        }
        "many-attachments" => {
            let attachment = |n: usize| {
                json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment",
                    "metadata": {"name": format!("a{n}")}, "spec": {"attacher": "d",
                    "nodeName": "n0", "source": {"persistentVolumeName": format!("v{n}")}}})
            };
            (0..MANY).map(attachment).collect()
        }
        "vanishing-nodes" => {
            input.vanishing = 5000;
            Vec::new()
        }
        _ => return false,
    };
    input.objects.extend(added);
    true
}

fn texts(name: &str, input: &mut Input) -> bool {
    let text = match name {
        "not-utf8" => b"kind: Pod\nmetadata: { name: \xff\xfe }\n".to_vec(),
        "deep-json" => "[".repeat(MEGABYTE).into_bytes(),
        "deep-yaml" => format!("kind: {}", "[".repeat(VERY_MANY)).into_bytes(),
        "billion-laughs" => laughs().into_bytes(),
        "huge-config" => {
            input.config = Some("#".repeat(100 * MEGABYTE));
            return true;
        }
        "deep-config" => {
            input.config = Some(format!("profiles: {}", "[".repeat(VERY_MANY)));
            return true;
        }
        "laughing-config" => {
            input.config = Some(laughs());
            return true;
        }
        "many-groups" => {
            let head = "apiVersion: quorate.dev/v1alpha1\nkind: Experiment\nnodes:\n";
            let groups = (0..1000).fold(head.to_owned(), |mut text, n| {
                let line = format!("- {{ name: g{n}, count: 50000, allocatable: {{ cpu: 1 }} }}");
                writeln!(text, "{line}").unwrap();
                text
            });
            input.experiment = Some(groups);
            return true;
        }
        _ => return false,
    };
    input.text = Some(text);
    true
}

/// Ten levels, each ten times the one before.
fn laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{before}]").unwrap();
    }
    text
}

fn expression(n: usize) -> Value {
    json!({"key": "zone", "operator": "NotIn", "values": [format!("v{n}")]})
}

fn toleration(n: usize) -> Value {
    json!({"key": format!("t{n}"), "operator": "Exists"})
}

fn list(count: usize, item: impl Fn(usize) -> Value) -> Value {
    (0..count).map(item).collect()
}

fn numbered(count: usize, value: impl Fn(usize) -> Value) -> Value {
    let fields: Map<_, _> = (0..count).map(|n| (format!("k{n}"), value(n))).collect();
    Value::Object(fields)
}
