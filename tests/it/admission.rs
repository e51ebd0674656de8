//! `quorate presets admission` on a real API server: which pods are stamped, and which are not.

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use quorate::groups::Preset;
use quorate::groups::admission::{Stamp, manifests};
use serde_json::{Value, json};

use crate::control_plane::{Cluster, PodBuilder, borrow, pod, wait_for};

const SOON: Duration = Duration::from_secs(60);
const ZONE: &str = "topology.kubernetes.io/zone";

const PRESET: &str = "
name: tablets
title: An operator that cannot set schedulerName
parts:
- name: shard
  match:
    matchLabels: {component: tablet}
    matchExpressions:
    - {key: shard, operator: Exists}
    - {key: pool, operator: NotIn, values: [backup]}
  cluster: cluster
  part: [shard]
  rule: majority
  why: its members vote
scheduler: {none: true}
defaultPlacement: none
verified: {by: none}
";

fn namespace(cluster: &Cluster, name: &str, labels: Value) {
    let namespace = json!({"metadata": {"name": name, "labels": labels}});
    cluster.create::<Namespace>(&serde_json::from_value(namespace).unwrap());
}

fn apply(cluster: &Cluster, spread: &[&str]) {
    let spread = spread.iter().map(|key| (*key).into()).collect();
    let stamp = Stamp { scheduler_name: "quorate".into(), spread };
    for manifest in manifests(&Preset::parse("tablets", PRESET).unwrap(), &stamp) {
        cluster.apply(&manifest.to_string());
    }
}

fn tablet(namespace: &str, name: &str) -> PodBuilder {
    let pod = pod(namespace, name).label("component", "tablet");
    pod.label("cluster", "shop").label("shard", "0-80")
}

fn scheduler(pod: &Pod) -> String {
    pod.spec.as_ref().unwrap().scheduler_name.clone().unwrap()
}

/// Creates tablets until one is stamped: policies take hold a moment after they were written.
fn wait_until_in_force(cluster: &Cluster) {
    let mut number = 0;
    wait_for("the policy to take hold", SOON, || {
        number += 1;
        let probe = tablet("shop", &format!("probe-{number}")).build();
        let made = cluster.try_create(&probe).ok()?;
        (scheduler(&made) == "quorate").then_some(())
    });
}

#[test]
fn pods_of_the_operator_are_stamped_in_labelled_namespaces_and_no_others() {
    let plane = borrow();
    let cluster = plane.cluster();
    namespace(&cluster, "shop", json!({"quorate.dev/schedule": "enabled"}));
    namespace(&cluster, "elsewhere", json!({"quorate.dev/schedule": "disabled"}));
    apply(&cluster, &[]);
    wait_until_in_force(&cluster);
    let check = |pod: PodBuilder, expected: &str| {
        let made = cluster.create(&pod.build());
        assert_eq!(scheduler(&made), expected, "{:?}", made.metadata);
        let constraints = made.spec.unwrap().topology_spread_constraints;
        assert!(constraints.is_none_or(|constraints| constraints.is_empty()));
    };
    check(tablet("shop", "member"), "quorate");
    check(tablet("shop", "named").scheduler("default-scheduler"), "quorate");
    check(tablet("shop", "broken").label("quorate.dev/break-glass", ""), "default-scheduler");
    check(tablet("elsewhere", "member"), "default-scheduler");
    check(tablet("shop", "other").scheduler("somebody-else"), "somebody-else");
    check(tablet("shop", "backup").label("pool", "backup"), "default-scheduler");
    check(pod("shop", "web").label("component", "web"), "default-scheduler");
}

#[test]
fn a_spread_constraint_is_stamped_among_the_pods_of_one_group() {
    let plane = borrow();
    let cluster = plane.cluster();
    namespace(&cluster, "shop", json!({"quorate.dev/schedule": "enabled"}));
    apply(&cluster, &[ZONE, "kubernetes.io/hostname"]);
    wait_until_in_force(&cluster);
    let constraints = |pod: PodBuilder| {
        let made = cluster.create(&pod.build());
        serde_json::to_value(made.spec.unwrap().topology_spread_constraints).unwrap()
    };
    let stamped = constraints(tablet("shop", "member"));
    let of = |constraints: &Value, key: &str| {
        let all = constraints.as_array().unwrap().iter();
        let found: Vec<&Value> = all.filter(|one| one["topologyKey"] == key).collect();
        assert_eq!(found.len(), 1, "{constraints}");
        found[0].clone()
    };
    let zone = of(&stamped, ZONE);
    assert_eq!(
        (&zone["maxSkew"], &zone["whenUnsatisfiable"]),
        (&json!(1), &json!("DoNotSchedule"))
    );
    assert_eq!(zone["matchLabelKeys"], json!(["cluster", "shard"]));
    let selector = zone["labelSelector"].to_string();
    for part in ["\"component\":\"tablet\"", "\"shop\"", "\"0-80\"", "\"backup\""] {
        assert!(selector.contains(part), "{part}: {selector}");
    }
    of(&stamped, "kubernetes.io/hostname");
    // What the operator says of zones itself stays as it is.
    let own = json!([{"maxSkew": 2, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"component": "tablet"}}}]);
    let kept = constraints(tablet("shop", "own").spec("topologySpreadConstraints", own));
    assert_eq!(of(&kept, ZONE)["maxSkew"], 2);
    of(&kept, "kubernetes.io/hostname");
    let alone = constraints(tablet("shop", "broken").label("quorate.dev/break-glass", "yes"));
    assert!(alone.is_null(), "{alone}");
}

#[test]
fn the_api_server_takes_the_policies_of_all_presets() {
    let plane = borrow();
    for arguments in [&["presets", "admission"][..], &["presets", "admission", "--with-spread"]] {
        let quorate = Command::new(env!("CARGO_BIN_EXE_quorate")).args(arguments).output().unwrap();
        assert!(quorate.status.success());
        plane.cluster().apply(&String::from_utf8(quorate.stdout).unwrap());
    }
}
