//! Parallel members that must not share a host or a zone, with claims that bind late, while the
//! scheduler is killed again and again: none of them may lock another out (kubernetes#122257,
//! kubernetes#126499).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::control_plane::{AuditEntry, Cluster, ControlPlane, Process, Signal, borrow};
use crate::storage::{
    HOST, STAND_IN, ZONE, ZONES, assert_reached, assert_sound, claim_spec, create_class,
    create_zones, selected_node, zone_of,
};

const SOON: Duration = Duration::from_secs(120);
const NAMESPACE: &str = "db";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");
/// How often the scheduler is killed, unless the environment says otherwise.
const RESTARTS: usize = 3;
const RESTARTS_VARIABLE: &str = "QUORATE_TEST_RESTARTS";
/// The kill comes within this time after two sets are created: they are bound by then, mostly.
const KILL_WITHIN_MS: u64 = 1500;
/// As many members as may be apart by host and by zone.
const HOST_MEMBERS: usize = 5;
const ZONE_MEMBERS: usize = ZONES.len();

/// A set whose members must not share a value of any of these labels.
fn create_set(cluster: &Cluster, name: &str, members: usize, apart: &[&str], class: &str) {
    let labels = json!({"app": name});
    let terms: Vec<Value> = apart
        .iter()
        .map(|key| json!({"topologyKey": key, "labelSelector": {"matchLabels": labels}}))
        .collect();
    let claims = ["data", "log"]
        .map(|claim| json!({"metadata": {"name": claim}, "spec": claim_spec(class)}));
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": members,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "schedulerName": "quorate",
                    "containers": [{
                        "name": "main", "image": "none",
                        "resources": {"requests": {"cpu": "10m"}},
                    }],
                    "affinity": {"podAntiAffinity":
                        {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
                },
            },
            "volumeClaimTemplates": claims,
        },
    });
    cluster.apply(&set.to_string());
}

fn start_daemon(plane: &ControlPlane) -> Process {
    plane.start_quorate(&["run", "--http-port=0", "--leader-elect=false"])
}

fn restarts() -> usize {
    let asked = std::env::var(RESTARTS_VARIABLE).ok();
    asked.map_or(RESTARTS, |number| number.parse().unwrap())
}

/// The members of each set.
fn sets(pods: &[Pod]) -> BTreeMap<&str, Vec<&Pod>> {
    let mut sets: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in pods {
        let labels = pod.metadata.labels.as_ref().unwrap();
        sets.entry(labels["app"].as_str()).or_default().push(pod);
    }
    sets
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().unwrap().node_name.as_ref().unwrap()
}

/// How many of the kills came while a pod was between the first write about its claims and its
/// binding.
fn kills_in_the_middle(entries: &[AuditEntry], kills: &[Timestamp]) -> usize {
    let mut begun: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for entry in entries {
        // Claims are called after their pods.
        let pod = selected_node(entry).and_then(|(claim, _)| Some(claim.split_once('-')?.1));
        if let Some(pod) = pod {
            begun.entry(pod).or_insert(entry.received);
        }
    }
    let bound = entries.iter().filter(|entry| entry.is_binding() && entry.code == 201);
    let spans: Vec<(Timestamp, Timestamp)> =
        bound.filter_map(|e| Some((*begun.get(&*e.name)?, e.reached))).collect();
    let in_the_middle = |kill: &&Timestamp| spans.iter().any(|(a, b)| a <= kill && kill <= &b);
    kills.iter().filter(in_the_middle).count()
}

#[test]
fn parallel_members_are_all_bound_however_often_the_scheduler_is_killed() {
    let restarts = restarts();
    let plane = borrow();
    let cluster = plane.cluster();
    for namespace in ["quorate-system", NAMESPACE] {
        cluster.create_namespace(namespace);
    }
    cluster.apply(ROLES);
    create_zones(&cluster, 3);
    create_class(&cluster, "local", STAND_IN, &json!({"topology": HOST, "delay": "200ms"}));
    create_class(&cluster, "zonal", STAND_IN, &json!({"topology": ZONE, "delay": "400ms"}));
    let _controllers = plane.start_controllers();

    let (start, mut kills) = (Instant::now(), Vec::new());
    let mut daemon = start_daemon(&plane);
    for number in 0..restarts {
        create_set(&cluster, &format!("hosts{number}"), HOST_MEMBERS, &[HOST], "local");
        create_set(&cluster, &format!("zones{number}"), ZONE_MEMBERS, &[HOST, ZONE], "zonal");
        std::thread::sleep(Duration::from_millis(rand::random::<u64>() % KILL_WITHIN_MS));
        kills.push(Timestamp::now());
        daemon.end(Signal::Kill);
        daemon = start_daemon(&plane);
    }
    let all = restarts * (HOST_MEMBERS + ZONE_MEMBERS);
    let last = Instant::now();
    let pods = cluster.wait_until_all_bound(NAMESPACE, all, SOON);
    let in_the_middle = kills_in_the_middle(&plane.audit(), &kills);
    println!(
        "{restarts} restarts, {in_the_middle} of them between a claim and its binding; {all} pods \
         bound after {:.1?}, {:.1?} after the last restart",
        start.elapsed(),
        last.elapsed()
    );

    assert_eq!(pods.len(), all);
    for (name, members) in sets(&pods) {
        let hosts: BTreeSet<&str> = members.iter().map(|pod| node_of(pod)).collect();
        assert_eq!(hosts.len(), members.len(), "{name} shares a host");
        let zones: BTreeSet<&str> = hosts.iter().map(|host| zone_of(host)).collect();
        assert!(name.starts_with("hosts") || zones.len() == members.len(), "{name}: a zone");
    }
    for pod in &pods {
        assert_reached(&cluster, pod);
    }
    assert_sound(&plane);
}
