//! The rules of this room, as tables of input and expected answer.

use proptest::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::*;
use crate::api::{
    Affinity, Container, ContainerImage, Node, NodeSpec, NodeStatus, ObjectMeta, Pod, PodAffinity,
    PodAffinityTerm, PodSpec, ResourceList, ResourceRequirements, TopologySpreadConstraint,
    WeightedPodAffinityTerm,
};
use crate::model::{LabelSelector, LabelSelectorRequirement, Quantity, Str, Taint, Toleration};

const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;

fn names<T: crate::api::Object>(objects: &[T]) -> Vec<String> {
    objects.iter().map(|object| object.key().to_string()).collect()
}

fn json(text: &str) -> Objects {
    decode(text, Format::Json).unwrap()
}

fn yaml(text: &str) -> Objects {
    decode(text, Format::Yaml).unwrap()
}

fn error(text: &str, format: Format) -> String {
    decode(text, format).unwrap_err().to_string()
}

/// A pod with this spec, as JSON.
fn pod_with(spec: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a"}},"spec":{spec}}}"#)
}

/// Cuts away sentences of libraries that may change their words.
fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text:?} does not contain {part:?}");
    }
}

#[test]
fn every_kind_comes_into_its_own_list() {
    let check = |api_version: &str, kind: &str, count: fn(&Objects) -> usize, key: &str| {
        let document = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        let objects = json(&document.to_string());
        assert_eq!(count(&objects), 1, "{kind}");
        assert!(objects.other.is_empty(), "{kind}");
        let again = decode(&format!("{document}{document}"), Format::Json).unwrap_err();
        let expected = format!("document 2: {kind} {key} was already defined in document 1");
        assert_eq!(again.to_string(), expected);
    };
    check("v1", "Node", |objects| objects.nodes.len(), "a");
    check("v1", "Pod", |objects| objects.pods.len(), "default/a");
    check("v1", "Namespace", |objects| objects.namespaces.len(), "a");
    check("v1", "Service", |objects| objects.services.len(), "default/a");
    let controllers: fn(&Objects) -> usize = |objects| objects.replication_controllers.len();
    check("v1", "ReplicationController", controllers, "default/a");
    check("apps/v1", "ReplicaSet", |objects| objects.replica_sets.len(), "default/a");
    check("apps/v1", "StatefulSet", |objects| objects.stateful_sets.len(), "default/a");
    check("apps/v1", "Deployment", |objects| objects.deployments.len(), "default/a");
    check("apps/v1", "DaemonSet", |objects| objects.daemon_sets.len(), "default/a");
    check("extensions/v1beta1", "DaemonSet", |objects| objects.daemon_sets.len(), "default/a");
    check("batch/v1", "Job", |objects| objects.jobs.len(), "default/a");
    let classes: fn(&Objects) -> usize = |objects| objects.priority_classes.len();
    check("scheduling.k8s.io/v1", "PriorityClass", classes, "a");
}

#[test]
fn other_kinds_are_counted_and_names_of_ours_in_foreign_groups_too() {
    let objects = yaml(
        "{apiVersion: v1, kind: Secret}\n---\n{apiVersion: v1, kind: Secret}\n---\n\
         {apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: a}}\n---\n\
         {apiVersion: batch.volcano.sh/v1alpha1, kind: Job, spec: {tasks: 5}}\n---\n\
         {apiVersion: db.example/v1, kind: AllowList, spec: {}}\n",
    );
    let counted: Vec<_> = objects.other.iter().map(|(kind, count)| (&**kind, *count)).collect();
    assert_eq!(counted, [("AllowList", 1), ("Job", 1), ("Secret", 2), ("Service", 1)]);
    assert!(objects.services.is_empty() && objects.jobs.is_empty());
    assert!(!objects.is_empty());
}

#[test]
fn lists_give_their_kind_to_items_that_have_none() {
    let nodes = json(
        r#"{"apiVersion": "v1", "items": [{"metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "b"}}],
            "kind": "NodeList"}"#,
    );
    assert_eq!(names(&nodes.nodes), ["/a", "/b"]);
    let sets = json(
        r#"{"kind": "StatefulSetList", "apiVersion": "apps/v1",
            "items": [{"metadata": {"name": "a", "namespace": "x"}}]}"#,
    );
    assert_eq!(names(&sets.stateful_sets), ["x/a"]);
    let foreign = json(r#"{"kind": "PodList", "apiVersion": "example/v1", "items": [{}, {}]}"#);
    assert_eq!(foreign.other.get("Pod"), Some(&2));
}

#[test]
fn a_list_holds_objects_of_many_kinds_and_may_be_null() {
    let mixed = json(&format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{POD},
            {{"apiVersion": "v1", "kind": "Node", "metadata": {{"name": "n"}}}}]}}"#,
    ));
    assert_eq!((mixed.pods.len(), mixed.nodes.len()), (1, 1));
    for empty in [
        r#"{"kind": "PodList", "apiVersion": "v1", "items": null}"#,
        r#"{"kind": "PodList", "apiVersion": "v1", "items": []}"#,
        r#"{"kind": "List", "apiVersion": "v1"}"#,
    ] {
        assert!(json(empty).is_empty(), "{empty}");
    }
}

#[test]
fn an_export_of_kube_scheduler_simulator_is_read() {
    let export = r#"{
        "pods": [{"metadata": {"name": "p", "namespace": "x"}, "spec": {"nodeName": "n"}}],
        "nodes": [{"metadata": {"name": "n"}}], "pvs": [{"metadata": {"name": "v"}}],
        "pvcs": [{"metadata": {"name": "d", "namespace": "x"}}],
        "storageClasses": null, "priorityClasses": [{"metadata": {"name": "c"}, "value": 7}],
        "schedulerConfig": {"kind": "KubeSchedulerConfiguration"},
        "namespaces": [{"metadata": {"name": "x"}}]}"#;
    for objects in [json(export), yaml(export)] {
        assert_eq!(names(&objects.pods), ["x/p"]);
        assert_eq!(names(&objects.nodes), ["/n"]);
        assert_eq!(names(&objects.namespaces), ["/x"]);
        assert_eq!(objects.priority_classes[0].value, 7);
        assert_eq!(names(&objects.persistent_volume_claims), ["x/d"]);
        assert_eq!(names(&objects.persistent_volumes), ["/v"]);
    }
    let wrong = r#"{"nodes": [], "pods": [{"metadata": {"name": "p"}}, {"spec": 1}]}"#;
    let problem = "document 1, pods[1]: Pod: spec: invalid type: integer `1`";
    assert_contains(&error(wrong, Format::Json), &[problem]);
}

#[test]
fn texts_hold_many_documents() {
    let two = format!("{POD}\n{}", POD.replace(r#""a""#, r#""b""#));
    assert_eq!(names(&json(&two).pods), ["default/a", "default/b"]);
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(names(&yaml(text).pods), expected, "{text:?}");
    };
    let pod = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n");
    let (a, b) = (pod("a"), pod("b"));
    check("", &[]);
    check("# nothing\n---\n---\n\n# here\n...\n", &[]);
    check(&format!("---\n{a}---\n{b}"), &["default/a", "default/b"]);
    check(&format!("{a}--- # next\n# more\n{b}...\n"), &["default/a", "default/b"]);
    check(&format!("{a}...\n{b}"), &["default/a", "default/b"]);
    check(&format!("%YAML 1.1\n---\n{a}"), &["default/a"]);
    check(&format!("\u{feff}{a}---\r\n{b}---"), &["default/a", "default/b"]);
    check(&format!("--- {POD}\n"), &["default/a"]);
    let block = format!("{a}  annotations:\n    text: |\n      ---\n      ...\n");
    check(&block, &["default/a"]);
    assert_eq!(&*yaml(&block).pods[0].metadata.annotations["text"], "---\n...\n");
}

#[test]
fn json_is_told_from_yaml_by_its_first_character() {
    let check = |text: &str, expected| assert_eq!(Format::guess(text), expected, "{text:?}");
    check("\u{feff} \n{}", Format::Json);
    check("apiVersion: v1", Format::Yaml);
    check("", Format::Yaml);
    check("# {}", Format::Yaml);
}

#[test]
fn objects_without_a_namespace_are_in_the_default_one() {
    let objects = yaml(
        "{kind: Pod, metadata: {name: a}}\n---\n{kind: Pod, metadata: {name: a, namespace: b}}\n\
         ---\n{kind: Node, metadata: {name: a, namespace: x}}\n",
    );
    assert_eq!(names(&objects.pods), ["default/a", "b/a"]);
    assert_eq!(names(&objects.nodes), ["/a"]);
}

#[test]
fn yaml_means_what_kubernetes_takes_it_for() {
    let check = |value: &str, expected: serde_json::Value| {
        let text = format!("key: {value}\n");
        let documents = yaml::documents(&text);
        let read = documents[0].to_json().map_err(|error| error.at(Place::of_document(1)));
        let read: serde_json::Value = serde_json::from_slice(&read.unwrap()).unwrap();
        assert_eq!(read, json!({ "key": expected }), "{value}");
    };
    check("on", json!(true));
    check("No", json!(false));
    check("n", json!(false));
    check("'on'", json!("on"));
    check("~", json!(null));
    check("", json!(null));
    check("0644", json!(420));
    check("08", json!(8));
    check("0x1f", json!(31));
    check("1_000", json!(1000));
    check("1e3", json!(1000));
    check("-2.0", json!(-2));
    check("0.10", json!(0.1));
    check("18446744073709551615", json!(u64::MAX));
    check("-9223372036854775808", json!(i64::MIN));
    check("100m", json!("100m"));
    check("1:30", json!("1:30"));
    check("2020-01-01", json!("2020-01-01"));
    check("2020-01-01T00:00:00Z", json!("2020-01-01T00:00:00Z"));
    check("!!str 1", json!("1"));
    check("!local text", json!("text"));
    check("[a, 1, [], {}]", json!(["a", 1, [], {}]));
    check("{1: a, true: b}", json!({"1": "a", "true": "b"}));
    check("{<<: {a: 1, b: 2}, b: 3}", json!({"a": 1, "b": 3}));
    check("[&x {a: 1}, *x]", json!([{"a": 1}, {"a": 1}]));
    check("\"a\\tb\\u00e9\"", json!("a\tbé"));
    check(">-\n  a\n  b\n", json!("a b"));
}

#[test]
fn quantities_may_be_numbers() {
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    let spec =
        r#"{"overhead": {"cpu": 0.5, "memory": 1073741824, "x": 1e3, "y": "1e3", "z": null}}"#;
    for objects in [json(&pod_with(spec)), yaml(&pod_with(spec))] {
        let overhead = &objects.pods[0].spec.overhead;
        assert_eq!(overhead["cpu"], quantity("500m"));
        assert_eq!(overhead["memory"], quantity("1Gi"));
        assert_eq!(overhead["x"], quantity("1k"));
        assert_eq!(overhead["y"], quantity("1k"));
        assert_eq!(overhead["z"], quantity("0"));
    }
}

#[test]
fn null_is_the_same_as_absent() {
    let check = |nulls: &str, absent: &str| {
        for format in [Format::Json, Format::Yaml] {
            let one = decode(nulls, format).map_err(|error| error.to_string()).unwrap();
            let other = decode(absent, format).unwrap();
            assert_eq!(one.pods, other.pods, "{nulls}");
            assert_eq!(one.nodes, other.nodes, "{nulls}");
            assert_eq!(one.services, other.services, "{nulls}");
        }
    };
    let pod = |fields: &str| format!(r#"{{"kind": "Pod", "metadata": {{"name": "a"}}{fields}}}"#);
    check(&pod(r#", "apiVersion": null, "spec": null, "status": null"#), &pod(""));
    let spec = |fields: &str| pod(&format!(r#", "spec": {{{fields}}}"#));
    check(
        &spec(r#""nodeName": null, "containers": null, "affinity": null, "priority": null"#),
        &spec(""),
    );
    check(
        &spec(r#""containers": [{"name": null, "resources": null, "ports": null}]"#),
        &spec(r#""containers": [{}]"#),
    );
    check(
        &spec(r#""nodeSelector": {"a": null}, "volumes": [{"emptyDir": null, "csi": null}]"#),
        &spec(r#""nodeSelector": {"a": ""}, "volumes": [{}]"#),
    );
    let named = |fields: &str| format!(r#"{{"kind": "Pod", "metadata": {{"name": "a"{fields}}}}}"#);
    check(
        &named(r#", "creationTimestamp": null, "labels": {"a": null}, "annotations": {"b": null}"#),
        &named(r#", "labels": {"a": ""}, "annotations": {"b": ""}"#),
    );
    let service = |selector: &str| {
        format!(r#"{{"kind": "Service", "metadata": {{"name": "a"}}, "spec": {selector}}}"#)
    };
    check(&service(r#"{"selector": null}"#), &service("null"));
}

#[test]
fn wrong_fields_are_named_with_their_object_path_and_value() {
    let check = |spec: &str, expected: &str| {
        let expected = format!("document 1: Pod default/a: {expected}");
        for format in [Format::Json, Format::Yaml] {
            assert_eq!(error(&pod_with(spec), format), expected);
        }
    };
    check("7", "spec: invalid type: integer `7`, expected struct PodSpec");
    check(
        r#"{"containers": [{}, {"resources": {"requests": {"cpu": "1x"}}}]}"#,
        "spec.containers[1].resources.requests.cpu: \"1x\": a quantity is a signed decimal \
         number with an optional suffix, such as 1500m or 2Gi",
    );
    check(
        r#"{"priority": 3000000000}"#,
        "spec.priority: invalid value: integer `3000000000`, expected i32",
    );
    check(
        r#"{"hostNetwork": "yes"}"#,
        "spec.hostNetwork: invalid type: string \"yes\", expected a boolean",
    );
    check(
        r#"{"nodeSelector": {"a.b/c": 5}}"#,
        "spec.nodeSelector[a.b/c]: invalid type: integer `5`, expected a string",
    );
    check(
        r#"{"containers": [{"resources": {"requests": {"cpu": "-1500m"}}}]}"#,
        "spec.containers[0].resources.requests.cpu: \"-1500m\": an amount is never negative",
    );
    // Not field by field: the first one is nodeName.
    check(r#"["n1"]"#, "spec: invalid type: sequence, expected struct PodSpec");
    check(
        r#"{"containers": [["c"]]}"#,
        "spec.containers[0]: invalid type: sequence, expected struct Container",
    );
    check(
        r#"{"tolerations": {"key": "a"}}"#,
        "spec.tolerations: invalid type: map, expected a sequence",
    );
}

#[test]
fn wrong_documents_are_told_where_and_why() {
    let check = |text: &str, expected: &str| assert_eq!(error(text, Format::Json), expected);
    check(&format!("{POD} []"), "document 2: expected a Kubernetes object, found a list");
    check("null", "document 1: expected a Kubernetes object, found null");
    check("-1", "document 1: expected a Kubernetes object, found a number");
    check("{}", "document 1: kind is missing");
    check(r#"{"apiVersion": "v1", "items": []}"#, "document 1: kind is missing");
    check(r#"{"kind": 5}"#, "document 1: kind: invalid type: integer `5`, expected a string");
    check(r#"{"kind": "Pod"}"#, "document 1: metadata.name is missing in this Pod");
    check(
        r#"{"kind": "Pod", "metadata": {"name": ""}}"#,
        "document 1: metadata.name is missing in this Pod",
    );
    check(
        r#"{"kind": "List", "items": {"a": 1}}"#,
        "document 1: items: invalid type: map, expected a sequence",
    );
    check(
        r#"{"kind": "List", "items": [{"kind": "Secret"}, {"metadata": {}}]}"#,
        "document 1, items[1]: kind is missing",
    );
    check(
        r#"{"kind": "List", "items": ["a"]}"#,
        "document 1, items[0]: expected a Kubernetes object, found a text",
    );
    check(
        r#"{"kind": "List", "items": [{"kind": "PodList", "items": []}]}"#,
        "document 1, items[0]: a PodList within a list is not supported",
    );
    check(
        r#"{"kind": "Node", "metadata": {"name": "a", "creationTimestamp": "soon"}}"#,
        &error(
            r#"{"kind": "Node", "metadata": {"creationTimestamp": "soon", "name": "a"}}"#,
            Format::Yaml,
        ),
    );
    let time = r#"{"kind": "Node", "metadata": {"name": "a", "creationTimestamp": "soon"}}"#;
    let parts = ["document 1: Node a: metadata.creationTimestamp: \"soon\" is no time"];
    assert_contains(&error(time, Format::Json), &parts);
    let twice = r#"{"kind": "Pod", "kind": "Node"}"#;
    assert_eq!(error(twice, Format::Json), "document 1: duplicate field `kind`");
}

#[test]
fn syntax_errors_are_told_with_line_and_column() {
    let check = |text: &str, format, parts: &[&str]| assert_contains(&error(text, format), parts);
    check(&format!("{POD}\n{{\"a\": }}"), Format::Json, &["document 2, line 2, column 7: "]);
    check("{", Format::Json, &["document 1, line 1, column 1: EOF"]);
    check("kind: Pod", Format::Json, &["document 1, line 1, column 1: "]);
    let fine = "kind: Secret\n---\n";
    check(&format!("{fine}a: b: c"), Format::Yaml, &["document 2, line 3, column 5: mapping"]);
    check(&format!("{fine}a: .nan"), Format::Yaml, &["document 2, line 3, column 4: ", ".nan"]);
    check(&format!("{fine}\na: 'x"), Format::Yaml, &["document 2, line 4, column 4: unclosed"]);
    check("a: *x", Format::Yaml, &["document 1, line 1, column 4: "]);
    check("a: &x [*x]", Format::Yaml, &["document 1, line 1, column 8: "]);
}

#[test]
fn keys_of_yaml_are_unique() {
    let text = "kind: Pod\nmetadata:\n  name: a\n  labels: {b: c}\n  name: d\n";
    let parts = ["document 1, line 5, column 3: duplicate", "name"];
    assert_contains(&error(text, Format::Yaml), &parts);
    let labels = "kind: Pod\nmetadata:\n  name: a\n  labels: {b: c, b: d}\n";
    assert_contains(&error(labels, Format::Yaml), &["document 1, line 4, column 18: duplicate"]);
}

#[test]
fn an_object_is_defined_once_over_all_texts() {
    let text = |name: &str| POD.replace(r#""a""#, &format!("{name:?}"));
    let read = |names: &[&str], source: &str| {
        let texts: Vec<_> = names.iter().map(|name| text(name)).collect();
        let mut objects = json(&texts.join("\n"));
        objects.set_source(source);
        objects
    };
    let mut all = Objects::default();
    all.extend(read(&["a", "b"], "one.json")).unwrap();
    all.extend(read(&["c"], "two.json")).unwrap();
    assert_eq!(names(&all.pods), ["default/a", "default/b", "default/c"]);
    let again = all.extend(read(&["d", "b"], "three.json")).unwrap_err();
    assert_eq!(
        again.to_string(),
        "three.json: document 2: Pod default/b was already defined in one.json: document 2",
    );
    let with_uid = |name: &str| {
        let uid = r#""metadata": {"uid": "u", "#;
        json(&text(name).replace(r#""metadata": {"#, uid))
    };
    let mut all = with_uid("a");
    let same_uid = all.extend(with_uid("b")).unwrap_err();
    assert_eq!(
        same_uid.to_string(),
        "document 1: Pod default/b: metadata.uid: \"u\" is the uid of Pod default/a, too",
    );
    let other = json(r#"{"kind": "Secret"}"#);
    let mut all = Objects::default();
    all.extend(other.clone()).unwrap();
    all.extend(other).unwrap();
    assert_eq!(all.other["Secret"], 2);
}

#[test]
fn deep_and_swollen_texts_are_refused_in_bounded_memory() {
    let deep = "[".repeat(200_000);
    assert_contains(&error(&deep, Format::Json), &["line 1"]);
    assert_contains(&error(&deep, Format::Yaml), &["document 1, line 1"]);
    let nested = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    assert_contains(&error(&nested, Format::Yaml), &["document 1, line 1"]);
    let blocks: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_contains(&error(&blocks, Format::Yaml), &["document 1, line"]);
    // What nobody reads may be as deep as it likes.
    let skipped = format!(r#"{{"kind": "Pod", "metadata": {{"name": "a"}}, "x": {nested}}}"#);
    assert_eq!(json(&skipped).pods.len(), 1);

    let long = "x".repeat(100_000);
    let aliases = "*a, ".repeat(20_000);
    let bomb = format!("a: &a {long}\nb: [{aliases}]\n");
    assert_contains(&error(&bomb, Format::Yaml), &["document 1, line 2", "too large"]);
    let laughs = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n\
                  c: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c]\n\
                  e: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e]\n\
                  g: &g [*f, *f, *f, *f, *f, *f, *f, *f]\nh: [*g, *g, *g, *g, *g, *g, *g, *g]\n";
    assert_contains(&error(laughs, Format::Yaml), &["document 1"]);
    let value = error(&pod_with(&format!("{{\"priority\": \"{long}\"}}")), Format::Json);
    assert!(value.len() < 500, "{} bytes of message", value.len());
    let number = pod_with(r#"{"overhead": {"cpu": 1e999999999}, "priority": 1}"#);
    assert_contains(&error(&number, Format::Json), &["spec.overhead.cpu: number out of range"]);
}

#[test]
fn long_lists_are_no_attack() {
    let items: String = (0..30_000)
        .map(|index| format!("- metadata: {{name: pod-{index}, labels: {{app: a}}}}\n"))
        .collect();
    let objects = yaml(&format!("apiVersion: v1\nkind: PodList\nitems:\n{items}"));
    assert_eq!(objects.pods.len(), 30_000);
    let comments = "# a comment\n".repeat(500);
    assert_eq!(yaml(&format!("kind: Pod\n{comments}metadata: {{name: a}}\n")).pods.len(), 1);
}

/// Pods with what placement reads of them, as the API server might have written them.
fn any_pod() -> impl Strategy<Value = Pod> {
    let meta = (any_text(), any_texts(), any_texts(), proptest::option::of(any_time()));
    let meta = meta.prop_map(|(name, labels, annotations, deletion_timestamp)| ObjectMeta {
        name,
        namespace: "x".into(),
        labels: labels.into(),
        annotations,
        deletion_timestamp,
        ..ObjectMeta::default()
    });
    let spec = (any_amounts(), any_amounts(), any_texts(), any_text(), any::<Option<i32>>());
    let spec = spec.prop_map(|(requests, limits, node_selector, node_name, priority)| PodSpec {
        node_name,
        priority,
        node_selector,
        overhead: limits.clone(),
        containers: vec![Container {
            resources: ResourceRequirements { requests, limits },
            ..Container::default()
        }],
        ..PodSpec::default()
    });
    let terms = (any_affinity(), proptest::collection::vec(any_toleration(), 0..3));
    (meta, spec, terms, any_spread(), any::<bool>(), any::<Option<bool>>()).prop_map(
        |(metadata, spec, (affinity, tolerations), spread, host_network, host_users)| Pod {
            metadata,
            spec: PodSpec {
                affinity: Some(affinity),
                tolerations,
                topology_spread_constraints: vec![spread],
                host_network,
                host_users,
                ..spec
            },
            ..Pod::default()
        },
    )
}

fn any_node() -> impl Strategy<Value = Node> {
    let taint = (any_text(), any_text(), any_text());
    let taint = taint.prop_map(|(key, value, effect)| Taint { key, value, effect });
    let image = (proptest::collection::vec(any_text(), 0..3), any::<i64>());
    let image = image.prop_map(|(names, size_bytes)| ContainerImage { names, size_bytes });
    let spec = (any::<bool>(), proptest::collection::vec(taint, 0..3));
    let spec = spec.prop_map(|(unschedulable, taints)| NodeSpec { unschedulable, taints });
    let status = (any_amounts(), any_amounts(), proptest::collection::vec(image, 0..3));
    let status = status.prop_map(|(capacity, allocatable, images)| NodeStatus {
        capacity,
        allocatable,
        images,
        ..NodeStatus::default()
    });
    (any_text(), any_texts(), spec, status).prop_map(|(name, labels, spec, status)| Node {
        metadata: ObjectMeta { name, labels: labels.into(), ..ObjectMeta::default() },
        spec,
        status,
    })
}

/// Texts that YAML could mistake for something else, among others.
fn any_text() -> impl Strategy<Value = Str> {
    let tricky = proptest::sample::select(vec![
        "~",
        "null",
        "yes",
        "n",
        "1",
        "0x1f",
        "1e3",
        ".inf",
        "-",
        "---",
        "...",
        "a: b",
        "#a",
        "*a",
        "&a",
        "!a",
        "<<",
        "=",
        "a\nb\n",
        " a ",
        "\t",
        "2020-01-01",
        "{",
        "[",
        "'",
        "\"",
        "é\u{feff}",
    ]);
    prop_oneof![tricky.prop_map(str::to_owned), "\\PC{1,12}"].prop_map(Str::from)
}

fn any_texts() -> impl Strategy<Value = BTreeMap<Str, Str>> {
    proptest::collection::btree_map(any_text(), any_text(), 0..4)
}

fn any_amounts() -> impl Strategy<Value = ResourceList> {
    let suffix = proptest::sample::select(vec!["", "m", "k", "Ki", "Gi", "e3", "n"]);
    let amount = (0_i64..5_000_000, suffix)
        .prop_map(|(number, suffix)| Quantity::parse(&format!("{number}{suffix}")).unwrap());
    proptest::collection::btree_map(any_text(), amount, 0..4)
}

fn any_time() -> impl Strategy<Value = jiff::Timestamp> {
    (0_i64..4_000_000_000).prop_map(|second| jiff::Timestamp::from_second(second).unwrap())
}

fn any_selector() -> impl Strategy<Value = LabelSelector> {
    let values = proptest::collection::vec(any_text(), 0..3);
    let requirement = (any_text(), any_text(), values);
    let requirement = requirement.prop_map(|(key, operator, values)| LabelSelectorRequirement {
        key,
        operator,
        values,
    });
    (any_texts(), proptest::collection::vec(requirement, 0..3)).prop_map(
        |(match_labels, match_expressions)| LabelSelector { match_labels, match_expressions },
    )
}

fn any_affinity() -> impl Strategy<Value = Affinity> {
    let required = proptest::collection::vec(any_term(), 0..2);
    let both = (required, any::<i32>(), any_term());
    both.prop_map(|(required, weight, pod_affinity_term)| {
        let preferred = vec![WeightedPodAffinityTerm { weight, pod_affinity_term }];
        let both = PodAffinity { required, preferred };
        let pod_affinity = Some(both.clone());
        Affinity { pod_affinity, pod_anti_affinity: Some(both), ..Affinity::default() }
    })
}

fn any_term() -> impl Strategy<Value = PodAffinityTerm> {
    let texts = || proptest::collection::vec(any_text(), 0..3);
    let selector = || proptest::option::of(any_selector());
    let term = (selector(), selector(), any_text(), texts(), texts(), texts());
    term.prop_map(|(label_selector, namespace_selector, topology_key, a, b, c)| PodAffinityTerm {
        label_selector,
        namespace_selector,
        topology_key,
        namespaces: a,
        match_label_keys: b,
        mismatch_label_keys: c,
    })
}

fn any_toleration() -> impl Strategy<Value = Toleration> {
    (any_text(), any_text(), any_text(), any_text(), any::<Option<i64>>()).prop_map(
        |(key, operator, value, effect, toleration_seconds)| Toleration {
            key,
            operator,
            value,
            effect,
            toleration_seconds,
        },
    )
}

fn any_spread() -> impl Strategy<Value = TopologySpreadConstraint> {
    let policy = || proptest::option::of(any_text());
    (any::<i32>(), any_text(), any_text(), proptest::option::of(any_selector()), policy()).prop_map(
        |(max_skew, topology_key, when_unsatisfiable, label_selector, node_taints_policy)| {
            TopologySpreadConstraint {
                max_skew,
                topology_key,
                when_unsatisfiable,
                label_selector,
                node_taints_policy,
                ..TopologySpreadConstraint::default()
            }
        },
    )
}

/// An object as a document that says what it is.
fn document(kind: &str, object: &impl Serialize) -> serde_json::Value {
    let mut document = serde_json::to_value(object).unwrap();
    document["apiVersion"] = json!("v1");
    document["kind"] = json!(kind);
    document
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(pod in any_pod(), node in any_node()) {
        let (pod_document, node_document) = (document("Pod", &pod), document("Node", &node));
        let in_json = format!("{pod_document}{node_document}");
        let in_yaml = [&pod_document, &node_document]
            .map(|document| serde_saphyr::to_string(document).unwrap())
            .join("---\n");
        for (text, format) in [(in_json, Format::Json), (in_yaml, Format::Yaml)] {
            let objects = decode(&text, format).map_err(|error| format!("{error}: {text}"));
            let objects = objects.unwrap();
            prop_assert_eq!(&objects.pods, std::slice::from_ref(&pod));
            prop_assert_eq!(&objects.nodes, std::slice::from_ref(&node));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|[\\-:{}\\[\\],&*!|>'\"%#\n \t]){0,80}") {
        let _ = decode(&text, Format::Json);
        let _ = decode(&text, Format::Yaml);
    }

    #[test]
    fn no_damaged_document_makes_it_panic(
        pod in any_pod(),
        at in any::<proptest::sample::Index>(),
        length in 0_usize..20,
        damage in "[\\-:{}\\[\\],&*!'\"0-9a\n \u{0}]{0,6}",
    ) {
        let pod = document("Pod", &pod);
        let in_yaml = serde_saphyr::to_string(&pod).unwrap();
        for (text, format) in [(pod.to_string(), Format::Json), (in_yaml, Format::Yaml)] {
            let characters: Vec<char> = text.chars().collect();
            let (start, end) = (at.index(characters.len()), at.index(characters.len()) + length);
            let before = characters.iter().copied().take(start);
            let after = characters.iter().copied().skip(end);
            let text: String = before.chain(damage.chars()).chain(after).collect();
            let _ = decode(&text, format);
        }
    }
}
