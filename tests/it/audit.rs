//! `quorate audit` and `quorate explain` as an outsider runs them on a dump.

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
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn node(name: &str, zone: &str, rack: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n  labels:\n    \
         kubernetes.io/hostname: {name}\n    topology.kubernetes.io/zone: {zone}\n    \
         topology.kubernetes.io/rack: {rack}\n\
         status: {{ allocatable: {{ cpu: '4', memory: 8Gi, pods: '110' }} }}\n"
    )
}

/// The members of a StatefulSet of three on these nodes; one without a node waits.
fn members(hosts: &[&str]) -> String {
    let pods = hosts.iter().enumerate().map(|(ordinal, host)| {
        let node = if host.is_empty() { String::new() } else { format!("nodeName: {host}, ") };
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd-{ordinal}\n  namespace: db\n  \
             labels: {{ store: etcd }}\n  ownerReferences: [{{ apiVersion: apps/v1, kind: \
             StatefulSet, name: etcd, uid: u, controller: true }}]\nspec: {{ {node}containers: \
             [{{ name: c, resources: {{ requests: {{ cpu: '3' }} }} }}] }}\n"
        )
    });
    let set = "---\napiVersion: apps/v1\nkind: StatefulSet\n\
               metadata: { name: etcd, namespace: db }\n\
        spec:\n  replicas: 3\n  selector: { matchLabels: { store: etcd } }\n  template:\n    \
        metadata: { labels: { store: etcd } }\n    spec: { containers: [{ name: c }] }\n";
    pods.collect::<String>() + set
}

fn three_zones() -> String {
    ["a", "b", "c"].iter().map(|zone| node(&format!("{zone}1"), zone, "rack-1")).collect()
}

#[test]
fn two_zones_that_both_have_a_rack_1_lose_their_quorums_by_zone() {
    let nodes = node("a1", "zone-a", "rack-1")
        + &node("a2", "zone-a", "rack-2")
        + &node("b1", "zone-b", "rack-1");
    let dump = file("audit-two-zones.yaml", &(nodes + &members(&["a1", "a2", "b1"])));
    let output = quorate(&["audit", "--snapshot", &dump, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["schema"], "quorate.dev/audit/v1");
    let group = &report["groups"][0];
    assert_eq!((&group["namespace"], &group["cluster"]), (&"db".into(), &"etcd".into()));
    assert_eq!((&group["size"], &group["sizeSource"]), (&3.into(), &"statefulSet".into()));
    assert_eq!((&group["rule"], &group["tolerance"]), (&"majority".into(), &1.into()));
    let level = |key: &str| {
        let levels = group["levels"].as_array().unwrap();
        levels.iter().find(|level| level["key"] == key).unwrap()
    };
    let zone = level("topology.kubernetes.io/zone");
    assert_eq!((&zone["maxMembers"], &zone["feasible"]), (&2.into(), &false.into()));
    assert_eq!(zone["lostBy"], serde_json::json!(["zone-a"]));
    let rack = level("topology.kubernetes.io/rack");
    let domains: Vec<_> =
        rack["members"].as_array().unwrap().iter().map(|m| &m["domain"]).collect();
    assert_eq!(domains, ["zone-a/rack-1", "zone-a/rack-2", "zone-b/rack-1"]);
    let finding = &report["findings"][0];
    assert_eq!((&finding["severity"], &finding["group"]), (&"medium".into(), &"db/etcd".into()));
    assert!(finding["text"].as_str().unwrap().contains("zone zone-a takes the quorum"));
    assert!(!finding["remedy"].as_str().unwrap().is_empty());
}

#[test]
fn two_redundant_feeds_kill_nobody_alone_and_somebody_together() {
    let dump = file("audit-feeds.yaml", &(three_zones() + &members(&["a1", "b1", "c1"])));
    let feeds = file(
        "feeds.yaml",
        "apiVersion: quorate.dev/v1alpha1\nkind: Infrastructure\n\
         domains: [{ name: feed-a }, { name: feed-b }]\n\
         hosts: [{ nodes: [a1, b1], requires: any, on: [feed-a, feed-b] }]\n",
    );
    let arguments = ["audit", "--snapshot", &dump, "--infrastructure", &feeds];
    let output = quorate(&[&arguments[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let report = json(&output);
    assert_eq!(report["domains"]["feed-a"]["hosts"], 0);
    assert_eq!(report["pairs"]["feed-a,feed-b"]["hosts"], 2);
    let lost = ["--if-lost", "feed-a,feed-b", "--output", "json"];
    let report = json(&quorate(&[&arguments[..], &lost].concat()));
    assert_eq!(report["ifLost"]["groups"][0]["group"], "db/etcd");
}

#[test]
fn the_text_fits_a_terminal_of_100_columns() {
    let dump = file("audit-text.yaml", &(three_zones() + &members(&["a1", "a1", "c1"])));
    let output = quorate(&["audit", "--snapshot", &dump, "--if-lost", "node=a1"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("critical"), "{text}");
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert_eq!(long, [""; 0]);
}

#[test]
fn bad_input_to_the_audit_exits_with_2_and_names_what_is_wrong() {
    let dump = file("audit-bad.yaml", &three_zones());
    let check = |more: &[&str], expected: &[&str]| {
        let output = quorate(&[&["audit", "--snapshot", &dump], more].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{more:?}: {error}");
        expected.iter().for_each(|part| assert!(error.contains(part), "{error} lacks {part}"));
    };
    check(&["--if-lost", "zone=x"], &["--if-lost", "zone=x", "expected a zone"]);
    let wrong = file("infrastructure.yaml", "apiVersion: v1\nkind: Infrastructure\n");
    check(&["--infrastructure", &wrong], &["infrastructure.yaml", "apiVersion", "\"v1\""]);
}

#[test]
fn a_pending_pod_is_explained_stage_by_stage_with_what_unblocks_it() {
    let dump = file("explain.yaml", &(node("a1", "a", "r") + &members(&["a1", ""])));
    let output = quorate(&["explain", "etcd-1", "--snapshot", &dump, "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = json(&output);
    let fit = report["stages"].as_array().unwrap().iter();
    let fit = fit.clone().find(|stage| stage["plugin"] == "NodeResourcesFit").unwrap();
    assert_eq!(
        (&fit["refused"], &fit["reasons"][0]["reason"]),
        (&1.into(), &"Insufficient cpu".into())
    );
    let changes = report["unblock"].as_array().unwrap();
    assert!(changes.iter().any(|one| one["change"] == "free 2 cpu on node a1"), "{report:#}");
    let report = json(&quorate(&["explain", "db/etcd-0", "--snapshot", &dump, "--output", "json"]));
    assert_eq!((&report["node"], &report["best"][0]["node"]), (&"a1".into(), &"a1".into()));
    let output = quorate(&["explain", "nobody", "--snapshot", &dump]);
    assert_eq!(output.status.code(), Some(2));
}
