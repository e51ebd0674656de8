//! The control plane itself, tested: what the tests of Quorate take for granted.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{WatchEvent, WatchParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::cluster::block_on;
use super::*;

const SOON: Duration = Duration::from_secs(30);

#[test]
fn kube_scheduler_binds_a_pod_and_the_audit_log_says_who_did_it() {
    let plane = borrow();
    let cluster = plane.cluster();
    let _scheduler = plane.start_scheduler();
    cluster.create_namespace("bound");
    cluster.create_namespace("foreign");
    let nodes = ["n1", "n2"].map(|name| node(name).resource("cpu", "1").build());
    cluster.create_all(&nodes);
    let tainted = json!([{"key": "keep-out", "effect": "NoSchedule"}]);
    cluster.create(&node("n3").label("size", "huge").spec("taints", tainted).build());
    let pods = ["a", "b"].map(|name| pod("bound", name).request("cpu", "600m").build());
    cluster.create(&pod("foreign", "c").scheduler("nobody").build());
    cluster.create_all(&pods);
    cluster.wait_until_all_bound("bound", 2, SOON);

    let node_of = |name: &str| cluster.wait_until_bound("bound", name, SOON);
    let mut taken = [node_of("a"), node_of("b")];
    taken.sort();
    assert_eq!(taken, ["n1", "n2"]);
    let bindings = plane.wait_for_audit(2, SOON, AuditEntry::is_binding);
    assert_eq!(bindings.len(), 2);
    for binding in bindings {
        assert_eq!(binding.user, "system:kube-scheduler");
        let agent = format!("kube-scheduler/{KUBERNETES_VERSION} ");
        assert!(binding.user_agent.starts_with(&agent), "{binding:?}");
        assert_eq!((binding.namespace.as_str(), binding.code), ("bound", 201));
        assert_eq!(binding.stage, "ResponseComplete");
        assert!(binding.uri.ends_with(&format!("/pods/{}/binding", binding.name)), "{binding:?}");
        assert!(binding.received <= binding.reached);
        let target = &binding.request.as_ref().unwrap()["target"]["name"];
        assert_eq!(target, &json!(node_of(&binding.name)));
        assert_eq!(binding.response.as_ref().unwrap()["status"], json!("Success"));
    }
    let scheduled = wait_for("two events", SOON, || {
        let events = cluster.list::<Event>("bound");
        (events.len() >= 2).then_some(events)
    });
    assert!(scheduled.iter().all(|event| event.reason.as_deref() == Some("Scheduled")));
}

#[test]
fn a_service_account_may_do_what_its_role_says_and_no_more() {
    let plane = borrow();
    let account = plane.cluster_as(QUORATE);
    let code = |answer: kube::Result<Vec<Node>>| match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(code(account.try_list("")), 403);
    plane.cluster().apply(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: node-reader}
rules: [{apiGroups: [''], resources: [nodes], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: node-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: node-reader}
subjects: [{kind: ServiceAccount, name: quorate, namespace: quorate-system}]
",
    );
    // Roles reach the authorizer by a watch, a moment after they were written.
    wait_for("the role", SOON, || (code(account.try_list("")) == 200).then_some(()));
    let forbidden = account.try_create(&node("n1").build()).unwrap_err();
    assert!(matches!(forbidden, kube::Error::Api(status) if status.is_forbidden()));

    let ours = "system:serviceaccount:quorate-system:quorate";
    let refused = |verb: &str| {
        let wanted =
            |entry: &AuditEntry| entry.user == ours && entry.verb == verb && entry.code == 403;
        let entry = plane.wait_for_audit(1, SOON, wanted).remove(0);
        format!("{:?}/{}", entry.group, entry.resource)
    };
    assert_eq!(refused("list"), r#"""/nodes"#);
    assert_eq!(refused("create"), r#"""/nodes"#);
}

#[test]
fn kube_apiserver_comes_back_with_its_objects_and_its_audit_log() {
    let mut plane = borrow();
    let cluster = plane.cluster();
    cluster.create_namespace("kept");
    for (name, signal) in [("killed", Signal::Kill), ("asked", Signal::Term)] {
        cluster.create(&pod("kept", name).build());
        plane.stop_apiserver(signal);
        assert!(cluster.try_get::<Pod>("kept", name).is_err(), "it must be gone");
        plane.start_apiserver();
        assert!(cluster.get::<Pod>("kept", name).is_some());
    }
    plane.signal_apiserver(Signal::Stop);
    let answer = block_on(async {
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        let client = cluster.kube();
        tokio::time::timeout(Duration::from_millis(300), client.request_text(request)).await
    });
    plane.signal_apiserver(Signal::Continue);
    assert!(answer.is_err(), "a paused server must not answer");
    wait_for("an answer", SOON, || cluster.is_ready().then_some(()));
    let created = |entry: &AuditEntry| entry.verb == "create" && entry.resource == "pods";
    let created = plane.wait_for_audit(2, SOON, created);
    assert_eq!(created.iter().map(|entry| entry.code).collect::<Vec<_>>(), [201, 201]);
}

#[test]
fn compaction_expires_watches_from_before_it() {
    let options = Options::default()
        .apiserver_flag("--watch-cache=false")
        .user(User::service_account("elsewhere", "other"));
    let plane = ControlPlane::start(options);
    assert!(plane.cluster_as("other").try_list::<Pod>("").is_err(), "a user without a role");
    let cluster = plane.cluster();
    let before = cluster.create(&node("n1").build()).metadata.resource_version.unwrap();
    let revision: i64 = before.parse().unwrap();
    assert!(plane.etcd.count_at(revision).is_ok());
    let allocatable = json!({"status": {"allocatable": {"cpu": "2"}}});
    let patched: Node = cluster.patch_status("", "n1", &allocatable);
    assert_eq!(patched.status.unwrap().allocatable.unwrap()["cpu"].0, "2");
    let cordoned: Node = cluster.patch("", "n1", &json!({"spec": {"unschedulable": true}}));
    assert_eq!(cordoned.spec.unwrap().unschedulable, Some(true));
    let first_event = || {
        let watch = Request::new("/api/v1/nodes").watch(&WatchParams::default(), &before).unwrap();
        block_on(async {
            let events = cluster.kube().request_events::<Value>(watch).await?;
            std::pin::pin!(events).try_next().await
        })
    };
    assert!(matches!(first_event(), Ok(Some(WatchEvent::Modified(_)))));

    assert!(plane.compact() > revision);
    let compacted = plane.etcd.count_at(revision).unwrap_err();
    assert!(compacted.contains("has been compacted"), "{compacted}");
    let expired = first_event();
    assert!(matches!(&expired, Ok(Some(WatchEvent::Error(e))) if e.code == 410), "{expired:?}");
}

#[test]
fn nothing_of_one_test_is_left_for_the_next() {
    let mut plane = borrow();
    let cluster = plane.cluster();
    let nodes: Vec<Node> = (0..200).map(|i| node(&format!("n{i}")).build()).collect();
    cluster.create_all(&nodes);
    cluster.create_namespace("left-over");
    cluster.create(&pod("left-over", "p").spec("nodeName", json!("n0")).build());
    assert!(cluster.delete::<Node>("", "n199"));
    assert!(!cluster.delete::<Node>("", "n199"));
    assert!(plane.wait_for_audit(200, SOON, |entry| entry.resource == "nodes").len() >= 200);
    plane.reset();
    assert!(cluster.is_empty());
    assert!(plane.audit().iter().all(|entry| entry.resource != "nodes"));
    cluster.create_namespace("left-over");
    cluster.create(&pod("left-over", "p").label("made", "again").build());
    assert_eq!(cluster.list::<Pod>("left-over").len(), 1);
}

#[test]
fn quorate_runs_as_a_child_with_a_kubeconfig() {
    let plane = borrow();
    let mut quorate = plane.start_quorate(&["--version"]);
    assert!(quorate.wait_for_exit(SOON).success());
}
