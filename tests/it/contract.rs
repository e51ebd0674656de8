//! The commands and JSON fields that others rely on, run as they would run them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn quorate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("{e}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    })
}

/// Writes a file that the test can name.
fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const CLUSTER: &str = r#"
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Node
    metadata: { name: n1, labels: { kubernetes.io/hostname: n1 } }
    status: { allocatable: { cpu: "2", memory: 4Gi, pods: "10" } }
  - apiVersion: v1
    kind: Pod
    metadata: { name: running, namespace: db, uid: u1 }
    spec:
      nodeName: n1
      containers: [{ name: c, resources: { requests: { cpu: "1" } } }]
    status: { phase: Running }
  - apiVersion: v1
    kind: Pod
    metadata: { name: fits, namespace: db, uid: u2 }
    spec:
      schedulerName: somebody-else
      containers: [{ name: c, resources: { requests: { cpu: "1" } } }]
    status: { phase: Pending }
  - apiVersion: v1
    kind: Pod
    metadata: { name: large, namespace: db, uid: u3 }
    spec:
      containers: [{ name: c, resources: { requests: { cpu: "4" } } }]
    status: { phase: Pending }
  - apiVersion: v1
    kind: Pod
    metadata: { name: claiming, namespace: db, uid: u4 }
    spec:
      containers: [{ name: c }]
      volumes: [{ name: data, persistentVolumeClaim: { claimName: data-0 } }]
    status: { phase: Pending }
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: { name: ledger, namespace: db }
    spec:
      replicas: 2
      selector: { matchLabels: { app: ledger } }
      template:
        metadata: { labels: { app: ledger } }
        spec: { containers: [{ name: c, resources: { requests: { memory: 1Gi } } }] }
"#;

#[test]
fn the_quickstart_gives_the_same_bytes_twice() {
    let run = || quorate(&["simulate", "simulations/quickstart", "--output", "json"]);
    let (first, second) = (run(), run());
    assert_eq!(first.status.code(), Some(0));
    assert_eq!(first.stdout, second.stdout);
    let report = json(&first);
    assert_eq!(report["schema"], "quorate.dev/simulate/v1");
    assert_eq!((&report["placed"], &report["pending"]), (&18.into(), &0.into()));
    assert_eq!(report["decisionsHash"].as_str().unwrap().len(), 16);
    let spread = report["runs"][0]["spread"].as_array().unwrap();
    let influxdb = spread.iter().find(|row| row["workload"] == "StatefulSet/influxdb").unwrap();
    assert_eq!((&influxdb["placed"], &influxdb["levels"]["host"]["max"]), (&4.into(), &1.into()));
}

/// The pods of a report, by namespace in the order in which namespaces first come, each as its name
/// with its node.
fn nodes_by_namespace(report: &Value) -> Vec<(String, BTreeMap<String, String>)> {
    let mut namespaces: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for pod in report["pods"].as_array().unwrap() {
        let text = |field: &str| pod[field].as_str().unwrap().to_owned();
        if namespaces.last().is_none_or(|(namespace, _)| *namespace != text("namespace")) {
            namespaces.push((text("namespace"), BTreeMap::new()));
        }
        namespaces.last_mut().unwrap().1.insert(text("name"), text("node"));
    }
    namespaces
}

#[test]
fn every_golden_database_gets_its_hosts_and_disks_in_the_zones_of_its_pods() {
    let output = quorate(&["simulate", "simulations/golden-databases", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_eq!((&report["placed"], &report["pending"]), (&510.into(), &0.into()));
    let made = serde_json::json!({"bound": 409, "provisioned": 409, "pending": 0, "failures": 0});
    assert_eq!(report["runs"][0]["claims"], made);

    // One namespace for each file, in the order of the files.
    let namespaces = nodes_by_namespace(&report);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("simulations/golden-databases");
    let files = ["psmdb", "pxc"].map(|name| std::fs::read_dir(folder.join(name)).unwrap());
    let mut files: Vec<_> = files.into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert_eq!((namespaces.len(), files.len()), (193, 193));
    let mut apart = 0;
    for (file, (namespace, nodes)) in files.iter().zip(&namespaces) {
        let text = std::fs::read_to_string(file).unwrap();
        if text.contains("requiredDuringSchedulingIgnoredDuringExecution") {
            apart += 1;
            let hosts: BTreeSet<&String> = nodes.values().collect();
            assert_eq!(hosts.len(), nodes.len(), "{namespace}: each asks for a host of its own");
        }
    }
    assert_eq!(apart, 87);

    let namespaces: BTreeMap<_, _> = namespaces.into_iter().collect();
    for claim in report["claims"].as_array().unwrap() {
        assert_eq!((&claim["class"], &claim["reason"]), (&"zonal".into(), &"".into()));
        let (name, nodes) = (&claim["name"], &namespaces[claim["namespace"].as_str().unwrap()]);
        let own = |pod: &&String| name.as_str().unwrap().ends_with(&format!("-{pod}"));
        let node = &nodes[nodes.keys().find(own).unwrap()];
        let (zone, _) = node.split_once("-node-").unwrap();
        let reached_from = serde_json::json!({"topology.kubernetes.io/zone": [zone]});
        assert_eq!(claim["reachedFrom"], reached_from, "{name}");
    }
}

/// Two nodes, each with a disk of its own.
const DISKS: &str = r#"
apiVersion: v1
kind: List
items:
  - kind: Node
    metadata: { name: n1, labels: { kubernetes.io/hostname: n1 } }
    status: { allocatable: { cpu: "8", memory: 16Gi, pods: "10" } }
  - kind: Node
    metadata: { name: n2, labels: { kubernetes.io/hostname: n2 } }
    status: { allocatable: { cpu: "8", memory: 16Gi, pods: "10" } }
  - apiVersion: storage.k8s.io/v1
    kind: CSINode
    metadata: { name: n1 }
    spec: { drivers: [{ name: lvm, nodeID: n1, topologyKeys: [kubernetes.io/hostname] }] }
  - apiVersion: storage.k8s.io/v1
    kind: CSINode
    metadata: { name: n2 }
    spec: { drivers: [{ name: lvm, nodeID: n2, topologyKeys: [kubernetes.io/hostname] }] }
  - apiVersion: storage.k8s.io/v1
    kind: StorageClass
    metadata: { name: lvm }
    provisioner: lvm
    volumeBindingMode: WaitForFirstConsumer
  - apiVersion: storage.k8s.io/v1
    kind: CSIStorageCapacity
    metadata: { name: n1, namespace: db }
    storageClassName: lvm
    nodeTopology: { matchLabels: { kubernetes.io/hostname: n1 } }
    capacity: 5Gi
  - apiVersion: storage.k8s.io/v1
    kind: CSIStorageCapacity
    metadata: { name: n2, namespace: db }
    storageClassName: lvm
    nodeTopology: { matchLabels: { kubernetes.io/hostname: n2 } }
    capacity: 5Gi
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: { name: ledger, namespace: db }
    spec:
      replicas: 3
      selector: { matchLabels: { app: ledger } }
      template:
        metadata: { labels: { app: ledger } }
        spec: { containers: [{ name: c }] }
      volumeClaimTemplates:
        - metadata: { name: data }
          spec:
            storageClassName: lvm
            accessModes: [ReadWriteOnce]
            resources: { requests: { storage: 3Gi } }
"#;

#[test]
fn disks_that_are_full_take_no_more_pods_whether_or_not_their_driver_says_so() {
    let driver = "  - apiVersion: storage.k8s.io/v1\n    kind: CSIDriver\n    \
                  metadata: { name: lvm }\n    spec: { storageCapacity: true }\n";
    let run = |name: &str, text: &str| {
        let dump = file(name, text);
        let report = json(&quorate(&["simulate", "--snapshot", &dump, "--output", "json"]));
        assert_eq!((&report["placed"], &report["pending"]), (&2.into(), &1.into()), "{report:#}");
        let mut nodes: Vec<_> = report["pods"].as_array().unwrap().iter().collect();
        nodes.retain(|pod| pod["node"] != "");
        assert_ne!(nodes[0]["node"], nodes[1]["node"]);
        let claims = &report["runs"][0]["claims"];
        assert_eq!((&claims["bound"], &claims["pending"]), (&2.into(), &1.into()));
        report
    };
    let said = run("disks-said.yaml", &(DISKS.to_owned() + driver));
    let pod = said["pods"].as_array().unwrap().iter().find(|pod| pod["node"] == "").unwrap();
    let reason = "node(s) did not have enough free storage";
    assert_eq!(pod["refusals"][0]["reason"], reason, "{pod:#}");
    assert_eq!(said["runs"][0]["claims"]["failures"], 0, "nobody tried");

    let unsaid = run("disks-unsaid.yaml", DISKS);
    assert!(unsaid["runs"][0]["claims"]["failures"].as_u64().unwrap() > 1, "tried again and again");
    let claims = unsaid["claims"].as_array().unwrap();
    let reason = claims.iter().find(|claim| claim["reason"] != "").unwrap()["reason"].as_str();
    assert!(reason.unwrap().starts_with("driver \"lvm\" has no room for 3221225472 bytes"));
}

#[test]
fn volumes_that_are_there_and_volumes_of_one_pod_alone_are_bound_too() {
    let local = |name: &str, node: &str| {
        format!(
            "  - kind: PersistentVolume\n    metadata: {{ name: {name} }}\n    spec:\n      \
             capacity: {{ storage: 4Gi }}\n      accessModes: [ReadWriteOnce]\n      \
             storageClassName: local\n      local: {{ path: /disk }}\n      nodeAffinity:\n        \
             required: {{ nodeSelectorTerms: [{{ matchExpressions: [{{ key: \
             kubernetes.io/hostname, operator: In, values: [{node}] }}] }}] }}\n"
        )
    };
    let class = "  - apiVersion: storage.k8s.io/v1\n    kind: StorageClass\n    \
                 metadata: { name: local }\n    provisioner: kubernetes.io/no-provisioner\n    \
                 volumeBindingMode: WaitForFirstConsumer\n";
    let scratch = "  - kind: Pod\n    metadata: { name: sort, namespace: db }\n    spec:\n      \
                   containers: [{ name: c }]\n      volumes: [{ name: scratch, ephemeral: { \
                   volumeClaimTemplate: { spec: { storageClassName: lvm, accessModes: \
                   [ReadWriteOnce], resources: { requests: { storage: 1Gi } } } } } }]\n";
    let sets = DISKS.replace(
        "storageClassName: lvm\n            access",
        "storageClassName: local\n            access",
    );
    let text = [&sets, &*local("a", "n1"), &local("b", "n2"), &local("c", "n2"), class, scratch];
    let dump = file("disks-local.yaml", &text.concat());
    let report = json(&quorate(&["simulate", "--snapshot", &dump, "--output", "json"]));
    assert_eq!((&report["placed"], &report["pending"]), (&4.into(), &0.into()), "{report:#}");
    let claims = report["claims"].as_array().unwrap();
    let mut rows: Vec<_> = claims
        .iter()
        .map(|claim| {
            let volume = claim["volume"].as_str().unwrap();
            let made = claim["provisioned"].as_bool().unwrap();
            (claim["name"].as_str().unwrap(), made, if made { "" } else { volume })
        })
        .collect();
    rows.sort_unstable();
    assert_eq!(rows[3], ("sort-scratch", true, ""));
    let mut volumes: Vec<_> = rows[..3].iter().map(|(_, _, volume)| *volume).collect();
    volumes.sort_unstable();
    assert_eq!(volumes, ["a", "b", "c"]);
}

#[test]
fn a_dump_is_scheduled_whatever_its_schedulers_and_says_what_stands_in_the_way() {
    let dump = file("cluster.yaml", CLUSTER);
    let output = quorate(&["simulate", "--snapshot", &dump, "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    assert_eq!((&report["placed"], &report["pending"]), (&3.into(), &2.into()), "{report:#}");
    let pods = report["pods"].as_array().unwrap();
    let pod = |name: &str| pods.iter().find(|pod| pod["name"] == name).unwrap();
    for placed in ["fits", "ledger-0", "ledger-1"] {
        assert_eq!(pod(placed)["node"], "n1", "{placed}");
        assert_eq!(pod(placed)["refusals"], Value::Array(Vec::new()), "{placed}");
    }
    let refusal = &pod("large")["refusals"][0];
    assert_eq!(refusal["plugin"], "NodeResourcesFit");
    assert_eq!((&refusal["nodes"], &refusal["reason"]), (&1.into(), &"Insufficient cpu".into()));
    let reason = pod("claiming")["refusals"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "persistentvolumeclaim \"data-0\" not found");
    assert_eq!(pod("claiming")["namespace"], "db");

    let fail = quorate(&["simulate", "--snapshot", &dump, "--fail-on", "pending"]);
    assert_eq!(fail.status.code(), Some(1));
}

#[test]
fn a_pod_that_no_plugin_refused_says_why_it_waits_too() {
    let refusal = |name: &str, text: &str| {
        let dump = file(name, text);
        let report = json(&quorate(&["simulate", "--snapshot", &dump, "--output", "json"]));
        assert_eq!(report["pending"], 1, "{report:#}");
        report["pods"][0]["refusals"].as_array().unwrap().clone()
    };
    let pod = "kind: Pod\nmetadata: { name: p, uid: u }\nspec: { containers: [{ name: c }] }\n";
    let reason = "no nodes available to schedule pods";
    let expected = serde_json::json!([{"plugin": "", "nodes": 0, "reason": reason}]);
    assert_eq!(Value::Array(refusal("no-nodes.yaml", pod)), expected);
    let gated = pod.replace("spec: {", "spec: { schedulingGates: [{ name: data }],");
    let node = "---\nkind: Node\nmetadata: { name: n1 }\n";
    let reason = "waiting for scheduling gates: [data]";
    let expected = serde_json::json!([{"plugin": "SchedulingGates", "nodes": 1, "reason": reason}]);
    assert_eq!(Value::Array(refusal("gated.yaml", &(gated + node))), expected);
}

#[test]
fn a_deployment_is_spread_by_default_and_reported_under_its_name() {
    let nodes = (0..4).map(|number| {
        format!(
            "---\nkind: Node\nmetadata:\n  name: n{number}\n  labels:\n    \
             kubernetes.io/hostname: n{number}\n    topology.kubernetes.io/zone: z{}\n\
             status: {{ allocatable: {{ cpu: 8, memory: 8Gi, pods: 10 }} }}\n",
            number / 2
        )
    });
    let deployment = "---\nkind: Deployment\nmetadata: { name: web, namespace: shop }\nspec:\n  \
        replicas: 4\n  selector: { matchLabels: { app: web } }\n  template:\n    \
        metadata: { labels: { app: web } }\n    spec: { containers: [{ name: c }] }\n";
    let dump = file("deployment.yaml", &(nodes.collect::<String>() + deployment));
    let report = json(&quorate(&["simulate", "--snapshot", &dump, "--output", "json"]));
    let spread = &report["runs"][0]["spread"][0];
    assert_eq!((&spread["workload"], &spread["placed"]), (&"Deployment/web".into(), &4.into()));
    assert_eq!(spread["levels"]["host"], serde_json::json!({"domains": 4, "max": 1}));
    assert_eq!(spread["levels"]["zone"], serde_json::json!({"domains": 2, "max": 2}));
}

#[test]
fn bad_input_exits_with_2_and_one_line_that_names_file_field_and_value() {
    let check = |arguments: &[&str], expected: &[&str]| {
        let output = quorate(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        for part in expected {
            assert!(error.contains(part), "{arguments:?}: {error} lacks {part}");
            let once = part.len() < 4 || part.starts_with("--") || error.matches(part).count() == 1;
            assert!(once, "{arguments:?}: {error} says {part} twice");
        }
        assert!(output.stdout.is_empty(), "{arguments:?}");
    };
    check(&["simulate", "no-such-folder"], &["no-such-folder"]);
    let experiment = |name: &str, text: &str| {
        let head = "apiVersion: quorate.dev/v1alpha1\nkind: Experiment\n";
        file(name, &format!("{head}{text}"))
    };
    let field = experiment("field.yaml", "nodse: []\n");
    check(&["simulate", &field], &["field.yaml", "nodse"]);
    let count =
        experiment("count.yaml", "nodes: [{ name: a, count: 0, allocatable: { cpu: '1' } }]\n");
    check(&["simulate", &count], &["count.yaml", "nodes[0].count", "0", "expected"]);
    let quantity = file(
        "quantity.yaml",
        "kind: Node\nmetadata: { name: n1 }\nstatus: { allocatable: { cpu: 1x } }\n",
    );
    check(&["simulate", "--snapshot", &quantity], &["quantity.yaml", "allocatable.cpu", "1x"]);
    check(&["simulate"], &["--snapshot"]);
}

#[test]
fn a_core_bench_reports_its_figures_and_decides_alike() {
    let run = || {
        let size = ["--nodes", "60", "--pods", "30", "--placed", "90"];
        let shape = ["bench", "core", "--shape", "group", "--output", "json"];
        json(&quorate(&[&shape[..], &size[..]].concat()))
    };
    let (first, second) = (run(), run());
    assert_eq!(first["bound"], 30, "{first:#}");
    assert_eq!(first["distinctLabelSets"], 10);
    assert!(first["podsPerSecond"].as_f64().unwrap() > 0.0);
    assert_eq!(first["decisionsHash"], second["decisionsHash"]);
}

#[test]
fn recorded_decisions_of_kube_scheduler_are_ours_too() {
    let output = quorate(&["conformance", "tests/conformance", "--output", "json"]);
    let report = json(&output);
    assert_eq!(report["mismatches"], 0, "{:#}", report["differences"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(report["compared"].as_u64().unwrap() > 10_000, "{report:#}");
    let because = report["skippedBecause"].as_object().unwrap();
    assert_eq!(because.keys().collect::<Vec<_>>(), ["resourceClaims"]);
    assert_eq!(because["resourceClaims"], report["skipped"]);
    assert!(report["notCompared"]["postFilter"].as_u64().unwrap() > 0);
    assert_eq!(report["byTopic"].as_object().unwrap().len(), 27);
}

#[test]
fn the_core_builds_without_kube_and_tokio() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--no-default-features", "-e", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.starts_with("quorate "), "{}", String::from_utf8_lossy(&output.stderr));
    for line in tree.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(!["kube", "k8s-openapi", "tokio"].contains(&name), "{line}");
    }
}

#[test]
fn a_plugin_from_outside_stands_among_the_refusals() {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "custom_plugin"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("ServiceWindow refuses 2: node(s) are due for service"), "{text}");
}
