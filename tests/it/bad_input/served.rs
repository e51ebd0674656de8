//! The second door in earnest: what a real API server takes of the odd pods reaches the daemon.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};

use super::case::{Expected, GROUPS, cases, pod};
use crate::control_plane::cluster::block_on;
use crate::control_plane::{Cluster, borrow, node, wait_for};
use crate::end_to_end::start_daemon;

const SOON: Duration = Duration::from_secs(120);
/// Of the cases that are nothing but a pod, so many are taken. A few more or less may come with
/// another version of Kubernetes.
const ADMITTED_MIN: usize = 80;

#[test]
fn odd_pods_that_an_api_server_takes_are_bound_or_told_why_and_hurt_nobody() {
    let plane = borrow();
    let cluster = plane.cluster();
    for name in ["quorate-system", "db", "nowhere"] {
        cluster.create_namespace(name);
    }
    let nodes: Vec<_> = (0..6)
        .map(|number| {
            let zone = format!("z{}", number % 2);
            let node = node(&format!("n{number}")).label("zone", &zone).resource("cpu", "64");
            node.label("everywhere", "yes").label("size", &number.to_string()).build()
        })
        .collect();
    cluster.create_all(&nodes);
    let mut daemon = start_daemon(&plane);
    create(&cluster, ready(pod("before", "neighbour", "100m"))).unwrap();
    let admitted = create_odd_pods(&cluster);
    create(&cluster, ready(pod("after", "neighbour", "100m"))).unwrap();
    for name in ["before", "after"] {
        cluster.wait_until_bound("db", name, SOON);
    }
    assert!(admitted.len() >= ADMITTED_MIN, "only {} were taken", admitted.len());
    wait_for("a word about every pod", SOON, || {
        let told = told(&cluster);
        admitted.iter().all(|name| told.contains_key(name)).then_some(())
    });
    let lines = daemon.process.lines();
    let panics: Vec<_> = lines.iter().filter(|line| line.contains("panicked")).collect();
    assert!(panics.is_empty() && daemon.process.exit_status().is_none(), "{panics:?}");
}

/// Offers every case that is nothing but a pod; returns the names of those that were taken.
fn create_odd_pods(cluster: &Cluster) -> Vec<String> {
    let mut admitted = Vec::new();
    let mut wrong = Vec::new();
    for group in GROUPS {
        for (number, case) in cases(group).iter().enumerate() {
            let input = case.input();
            if input.text.is_some() || !input.objects.is_empty() || case.cluster.is_some() {
                continue;
            }
            let has_own_identity = input.pod["metadata"]["uid"] != "u-odd";
            let is_about_status = input.pod["status"].is_object();
            let mut pod = ready(input.pod);
            if pod["metadata"]["name"] != "odd" {
                continue;
            }
            let name = format!("{group}-{number}");
            pod["metadata"]["name"] = json!(name);
            match (create(cluster, pod), &case.expect) {
                // An API server leaves uid and status of a new pod out.
                (Ok(()), Expected::Refused { .. }) if has_own_identity || is_about_status => {}
                (Ok(()), Expected::Refused { .. }) => wrong.push(case.name.clone()),
                (Ok(()), _) => admitted.push(name),
                (Err(_), _) => {}
            }
        }
    }
    // What an API server takes must not be refused by us for its form.
    assert!(wrong.is_empty(), "taken by the API server and refused by us: {wrong:#?}");
    admitted
}

/// The pods of all namespaces that have a node, or a condition that says why not.
fn told(cluster: &Cluster) -> BTreeMap<String, String> {
    let pods = cluster.list::<Pod>("").into_iter();
    let told = pods.filter_map(|pod| {
        let name = pod.metadata.name?;
        if let Some(node) = pod.spec.and_then(|spec| spec.node_name) {
            return Some((name, node));
        }
        let mut conditions = pod.status?.conditions?.into_iter();
        let condition = conditions.find(|condition| condition.type_ == "PodScheduled")?;
        Some((name, condition.message?))
    });
    told.collect()
}

/// The pod with what an API server demands of every pod.
fn ready(mut pod: Value) -> Value {
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    let containers = containers.into_iter().flatten();
    for container in containers.filter(|container| container.is_object()) {
        container["image"] = json!("none");
    }
    pod
}

fn create(cluster: &Cluster, pod: Value) -> kube::Result<()> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or("db").to_owned();
    let request = Request::new(format!("/api/v1/namespaces/{namespace}/pods"));
    let request = request.create(&PostParams::default(), pod.to_string().into_bytes()).unwrap();
    block_on(cluster.kube().request::<Value>(request)).map(|_| ())
}
