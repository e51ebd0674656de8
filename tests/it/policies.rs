//! PlacementPolicy and ClusterPlacementPolicy on a real API server: what it refuses, what the
//! daemon makes of the others, and what it tells their owners.

use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::control_plane::{Cluster, borrow, node, pod, wait_for};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "db";
const OWN: &str = "/apis/quorate.dev/v1alpha1/namespaces/db/placementpolicies";
const CLUSTER: &str = "/apis/quorate.dev/v1alpha1/clusterplacementpolicies";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");
const ZONE: &str = "topology.kubernetes.io/zone";

/// Installs what `quorate crds` prints.
fn install(cluster: &Cluster) {
    let output = Command::new(env!("CARGO_BIN_EXE_quorate")).arg("crds").output().unwrap();
    assert!(output.status.success());
    cluster.apply(&String::from_utf8(output.stdout).unwrap());
    cluster.wait_until_served(OWN);
    cluster.wait_until_served(CLUSTER);
}

fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "quorate.dev/v1alpha1", "metadata": {"name": name}, "spec": spec})
}

fn post(cluster: &Cluster, path: &str, name: &str, spec: Value) -> kube::Result<Value> {
    let mut policy = policy(name, spec);
    let kind = if path == OWN { "PlacementPolicy" } else { "ClusterPlacementPolicy" };
    policy["kind"] = json!(kind);
    cluster.post(path, &policy)
}

#[test]
fn bad_policies_are_refused_with_a_clear_message() {
    let plane = borrow();
    let cluster = plane.cluster();
    cluster.create_namespace(NAMESPACE);
    install(&cluster);
    let check = |path: &str, change: Value, expected: &str| {
        let mut spec = json!({"selector": {"matchLabels": {"app": "db"}}});
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let error = post(&cluster, path, "bad", spec).expect_err(expected).to_string();
        assert!(error.contains(expected), "{change}: {error}");
    };
    for path in [OWN, CLUSTER] {
        check(path, json!({"selector": {}}), "name at least one label that the members have");
        check(path, json!({"selector": null}), "spec.selector");
        let factor = json!({"rule": "replicationFactor", "replicationFactor": 3, "needed": 4});
        check(path, factor, "needed is at most replicationFactor");
        let alone = json!({"rule": "replicationFactor", "replicationFactor": 3});
        check(path, alone, "replicationFactor and needed stand together");
        let other = json!({"rule": "majority", "replicationFactor": 3, "needed": 2});
        check(path, other, "belong to rule replicationFactor");
        check(path, json!({"needed": 2}), "belong to rule replicationFactor");
        let twice = json!({"levels": [{"key": ZONE}, {"key": ZONE, "mode": "Required"}]});
        check(path, twice, "each level may stand here once");
        check(path, json!({"levels": [{"key": "no key!"}]}), "spec.levels[0].key");
        check(path, json!({"levels": [{"key": ZONE, "mode": "Maybe"}]}), "spec.levels[0].mode");
        check(path, json!({"rule": "most"}), "spec.rule");
        check(path, json!({"desiredSize": 0}), "spec.desiredSize");
        check(path, json!({"maxMembers": 1025}), "spec.maxMembers");
        check(path, json!({"initialPrimary": "label"}), "initialPrimaryLabel belongs to");
        check(path, json!({"role": {"key": "role", "primary": []}}), "spec.role.primary");
        let requirement = json!({"key": "app", "operator": "In"});
        let selector = json!({"selector": {"matchExpressions": [requirement]}});
        check(path, selector, "In and NotIn need values");
    }
    let namespaces = json!({"namespaceSelector": {"matchLabels": {"tier": "data"}}});
    check(OWN, namespaces.clone(), "namespaceSelector is for a ClusterPlacementPolicy");
    let mut spec = namespaces;
    spec["selector"] = json!({"matchLabels": {"app": "db"}});
    post(&cluster, CLUSTER, "good", spec).unwrap();
}

#[test]
fn good_policies_are_admitted_and_shown_in_columns() {
    let plane = borrow();
    let cluster = plane.cluster();
    cluster.create_namespace(NAMESPACE);
    install(&cluster);
    let spec = json!({
        "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]},
        "keys": {"cluster": "app", "part": ["shard"], "member": "member", "rack": "rack"},
        "role": {"key": "role", "primary": ["leader"]},
        "initialPrimary": "label", "initialPrimaryLabel": {"key": "first", "value": "yes"},
        "voters": {"matchLabels": {"votes": "yes"}},
        "rule": "replicationFactor", "replicationFactor": 3, "needed": 2, "desiredSize": 5,
        "levels": [{"key": ZONE, "mode": "Required"}, {"key": "kubernetes.io/hostname"}],
        "maxMembers": 2, "primaries": "Ignore", "scatterWidth": 8,
    });
    for path in [OWN, CLUSTER] {
        let made = post(&cluster, path, "full", spec.clone()).unwrap();
        let mut expected = spec.clone();
        expected["levels"][1]["mode"] = json!("Preferred");
        assert_eq!(made["spec"], expected, "nothing is dropped, and the mode has a default");
        let table = http::Request::get(path)
            .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Vec::new())
            .unwrap();
        let table = cluster.send(table).unwrap();
        let columns = table["columnDefinitions"].as_array().unwrap().iter();
        let names: Vec<&str> = columns.map(|column| column["name"].as_str().unwrap()).collect();
        let expected = [
            "Name", "Groups", "Members", "Tolerant", "At Risk", "Degraded", "Ready", "Rule", "Age",
        ];
        assert_eq!(names, expected);
    }
    let kinds = cluster.get_path("/apis/quorate.dev/v1alpha1").unwrap();
    let kinds = kinds["resources"].as_array().unwrap();
    let short = |name: &str| {
        let kind = kinds.iter().find(|kind| kind["name"] == name).unwrap();
        kind["shortNames"].clone()
    };
    assert_eq!(short("placementpolicies"), json!(["pp"]));
    assert_eq!(short("clusterplacementpolicies"), json!(["cpp"]));
    assert!(kinds.iter().any(|kind| kind["name"] == "placementpolicies/status"));
}

/// Six nodes in three zones, and members of a database that wait for the daemon.
fn create_members(cluster: &Cluster, apps: &[(&str, usize)]) {
    cluster.create_namespace("quorate-system");
    cluster.create_namespace(NAMESPACE);
    let nodes: Vec<_> = (0..6)
        .map(|number| {
            let zone = format!("zone-{}", number % 3);
            node(&format!("n{number}")).label(ZONE, &zone).build()
        })
        .collect();
    cluster.create_all(&nodes);
    for (app, members) in apps {
        let pods: Vec<Pod> = (0..*members)
            .map(|member| {
                let pod = pod(NAMESPACE, &format!("{app}-{member}")).request("cpu", "100m");
                pod.label("app", app).scheduler("quorate").build()
            })
            .collect();
        cluster.create_all(&pods);
    }
}

fn spec(app: &str) -> Value {
    json!({"selector": {"matchLabels": {"app": app}}, "keys": {"cluster": "app"},
        "rule": "majority",
        "levels": [{"key": ZONE}, {"key": "kubernetes.io/hostname"}]})
}

/// Waits until a policy has a status of which this is true.
fn wait_for_status(cluster: &Cluster, path: &str, name: &str, is: fn(&Value) -> bool) -> Value {
    let path = format!("{path}/{name}");
    wait_for("the status", SOON, || {
        let status = cluster.get_path(&path).unwrap()["status"].clone();
        (status.is_object() && is(&status)).then_some(status)
    })
}

fn conditions(status: &Value) -> Vec<String> {
    let conditions = status["conditions"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    conditions.map(|one| format!("{}={}", text(&one["type"]), text(&one["status"]))).collect()
}

#[test]
fn members_are_spread_as_policies_say_and_the_owners_are_told_how_they_stand() {
    let plane = borrow();
    let cluster = plane.cluster();
    create_members(&cluster, &[("ledger", 3), ("queue", 4)]);
    install(&cluster);
    cluster.apply(ROLES);
    post(&cluster, OWN, "ledger", spec("ledger")).unwrap();
    post(&cluster, CLUSTER, "queue", spec("queue")).unwrap();
    // The schema cannot check the keys of a map.
    let bad = json!({"selector": {"matchLabels": {"no key!": "x"}}});
    post(&cluster, OWN, "bad", bad).unwrap();
    let _daemon = plane.start_quorate(&["run", "--http-port=0"]);
    cluster.wait_until_all_bound(NAMESPACE, 7, SOON);

    let status = wait_for_status(&cluster, OWN, "ledger", |status| status["members"] == 3);
    let totals = ["observedGeneration", "groups", "tolerant", "atRisk"].map(|key| &status[key]);
    assert_eq!(totals, [1, 1, 1, 0], "{status}");
    assert_eq!((&status["degraded"], &status["worst"]), (&json!([]), &json!([])), "{status}");
    assert_eq!(conditions(&status), ["Ready=True", "Degraded=False"]);

    // Of four members over three zones two share one, and two gone are too many.
    let status = wait_for_status(&cluster, CLUSTER, "queue", |status| status["members"] == 4);
    assert_eq!((&status["tolerant"], &status["atRisk"]), (&json!(0), &json!(1)), "{status}");
    assert_eq!(status["degraded"], json!([{"group": "db/queue", "level": ZONE}]));
    let worst = &status["worst"][0];
    assert_eq!((&worst["group"], &worst["level"]), (&json!("db/queue"), &json!(ZONE)));
    assert_eq!(worst["lostBy"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(conditions(&status), ["Ready=True", "Degraded=True"]);

    let status = wait_for_status(&cluster, OWN, "bad", |_| true);
    let ready = &status["conditions"][0];
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("Invalid")));
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("\"no key!\" is not a valid label key"), "{message}");

    // Nothing has changed since, so nothing is written again.
    std::thread::sleep(Duration::from_secs(12));
    let mut patches = plane.audit();
    patches.retain(|entry| entry.verb == "patch" && entry.resource.ends_with("placementpolicies"));
    patches.retain(|entry| entry.user.ends_with(":quorate"));
    assert!(patches.iter().all(|entry| entry.subresource == "status" && entry.code == 200));
    let names: Vec<&str> = patches.iter().map(|entry| &*entry.name).collect();
    assert!(names.len() >= 3 && names.len() <= 6, "{names:?}");
}

#[test]
fn a_daemon_schedules_without_the_kinds_and_finds_them_when_they_come() {
    let plane = borrow();
    let cluster = plane.cluster();
    create_members(&cluster, &[("ledger", 3)]);
    cluster.apply(ROLES);
    let mut daemon = plane.start_quorate(&["run", "--http-port=0"]);
    cluster.wait_until_all_bound(NAMESPACE, 3, SOON);
    let absent = daemon.wait_for_line("The API server does not know the kind", SOON);
    assert!(absent.contains("policies"), "{absent}");
    install(&cluster);
    post(&cluster, OWN, "ledger", spec("ledger")).unwrap();
    let status = wait_for_status(&cluster, OWN, "ledger", |status| status["members"] == 3);
    assert_eq!(status["groups"], 1, "{status}");
}
