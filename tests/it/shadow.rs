//! The shadow beside the real kube-scheduler: it decides, compares, and writes nothing.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::control_plane::{ControlPlane, Process, QUORATE, Signal, borrow, node, pod};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "db";
const ACCOUNT: &str = "system:serviceaccount:quorate-system:quorate";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");

/// A pod of kube-scheduler's that only one node will do for.
fn pinned(name: &str, node: &str) -> Pod {
    let selector = json!({"kubernetes.io/hostname": node});
    pod(NAMESPACE, name).request("cpu", "100m").spec("nodeSelector", selector).build()
}

fn start_shadow(plane: &ControlPlane) -> Process {
    let cluster = plane.cluster();
    cluster.create_namespace("quorate-system");
    cluster.create_namespace(NAMESPACE);
    cluster.apply(ROLES);
    for name in ["n0", "n1", "n2"] {
        cluster.create(&node(name).label("kubernetes.io/hostname", name).build());
    }
    let kubeconfig = plane.kubeconfig(QUORATE);
    plane.start_quorate(&[
        "run",
        "--shadow=default-scheduler",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--http-port",
        "0",
        "--cache-audit-interval",
        "1s",
        "--log-level",
        "quorate=debug",
    ])
}

/// Waits until the shadow has decided for a pod.
fn wait_decided(shadow: &mut Process, name: &str) {
    shadow.wait_for_line(&format!("The shadow has decided. pod={NAMESPACE}/{name} "), SOON);
}

#[test]
fn the_shadow_says_how_often_it_agrees_and_writes_nothing() {
    let plane = borrow();
    let mut shadow = start_shadow(&plane);
    let cluster = plane.cluster();
    for number in 0..6 {
        cluster.create(&pinned(&format!("p{number}"), &format!("n{}", number % 3)));
    }
    cluster.create(&pinned("nowhere", "n9"));
    let ours = pod(NAMESPACE, "ours").scheduler("quorate").build();
    cluster.create(&ours);
    for number in 0..6 {
        wait_decided(&mut shadow, &format!("p{number}"));
    }
    wait_decided(&mut shadow, "nowhere");

    let kube_scheduler = plane.start_scheduler();
    for number in 0..6 {
        let bound = cluster.wait_until_bound(NAMESPACE, &format!("p{number}"), SOON);
        assert_eq!(bound, format!("n{}", number % 3));
    }
    drop(kube_scheduler);
    cluster.create(&pinned("moved", "n0"));
    wait_decided(&mut shadow, "moved");
    bind(&plane, "moved", "n1");
    bind(&plane, "nowhere", "n2");
    cluster.create(&pinned("left", "n1"));
    wait_decided(&mut shadow, "left");
    let differed = shadow.wait_for_line("result=\"differed\"", SOON);
    assert!(
        differed.contains("pod=db/moved") && differed.contains("node=n1 ours=n0"),
        "{differed}"
    );
    let refused = shadow.wait_for_line("result=\"refused\"", SOON);
    assert!(refused.contains("pod=db/nowhere") && refused.contains("ours=none"), "{refused}");

    assert_eq!(shadow.end(Signal::Term).code(), Some(0));
    let summary = shadow.wait_for_line("The shadow ends.", SOON);
    assert!(summary.contains("agreed=6 differed=1 refused=1 undecided=0 pending=1"), "{summary}");
    let lines = shadow.lines();
    assert!(!lines.iter().any(|line| line.contains("The cache differed")), "{lines:#?}");
    let mut written = plane.audit();
    written
        .retain(|entry| entry.user == ACCOUNT && !["get", "list", "watch"].contains(&&*entry.verb));
    assert_eq!(written.len(), 0, "{written:#?}");
}

/// Binds a pod as a scheduler would that wants it elsewhere.
fn bind(plane: &ControlPlane, name: &str, node: &str) {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}/binding");
    let request = http::Request::post(path).header("Content-Type", "application/json");
    let request = request.body(binding.to_string().into_bytes()).unwrap();
    crate::control_plane::block_on(plane.cluster().kube().request_text(request)).unwrap();
}
