//! The daemon on a real API server, beside the real kube-scheduler, with exactly the shipped roles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use serde_json::{Value, json};

use crate::control_plane::{
    ADMIN, AuditEntry, Cluster, ControlPlane, Options, Process, QUORATE, Signal, borrow, node, pod,
    wait_for,
};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "db";
/// The user as which the API server knows the daemon.
const ACCOUNT: &str = "system:serviceaccount:quorate-system:quorate";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");

/// A running daemon and where it records.
pub struct Daemon {
    pub process: Process,
    recording: PathBuf,
}

/// Gives the daemon its roles and lets it run.
pub fn start_daemon(plane: &ControlPlane) -> Daemon {
    plane.cluster().apply(ROLES);
    start_daemon_again(plane, "first")
}

fn start_daemon_again(plane: &ControlPlane, name: &str) -> Daemon {
    start_daemon_with(plane, name, &[])
}

fn start_daemon_with(plane: &ControlPlane, name: &str, more: &[&str]) -> Daemon {
    let recording = plane.file(&format!("{name}.recording"));
    let kubeconfig = plane.kubeconfig(QUORATE);
    let arguments = [
        "run",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--http-port",
        "0",
        "--record",
        recording.to_str().unwrap(),
    ];
    let arguments = [&arguments[..], more].concat();
    Daemon { process: plane.start_quorate(&arguments), recording }
}

fn cluster_with_nodes(plane: &ControlPlane, count: usize) -> Cluster {
    let cluster = plane.cluster();
    cluster.create_namespace("quorate-system");
    cluster.create_namespace(NAMESPACE);
    let nodes: Vec<_> = (0..count).map(|number| node(&format!("n{number}")).build()).collect();
    cluster.create_all(&nodes);
    cluster
}

fn ours(name: &str) -> Pod {
    pod(NAMESPACE, name).request("cpu", "100m").scheduler("quorate").build()
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap()
}

/// Every binding that kube-apiserver carried out, as (user, pod).
fn bindings(plane: &ControlPlane) -> Vec<(String, String)> {
    let mut bindings = plane.audit();
    bindings.retain(|entry| entry.is_binding() && entry.code == 201);
    bindings.into_iter().map(|entry| (entry.user, entry.name)).collect()
}

/// What the daemon asked for and was not allowed to do.
fn forbidden(plane: &ControlPlane) -> Vec<AuditEntry> {
    let mut entries = plane.audit();
    entries.retain(|entry| entry.user == ACCOUNT && matches!(entry.code, 401 | 403));
    entries
}

/// No node has more milli-CPU asked of it than it offers.
fn assert_no_overcommit(cluster: &Cluster, milli_cpu_per_pod: u64, milli_cpu_per_node: u64) {
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for pod in cluster.list::<Pod>("") {
        if let Some(node) = pod.spec.and_then(|spec| spec.node_name) {
            *taken.entry(node).or_default() += milli_cpu_per_pod;
        }
    }
    let over: Vec<_> = taken.iter().filter(|(_, taken)| **taken > milli_cpu_per_node).collect();
    assert!(over.is_empty(), "overcommitted: {over:?}");
}

fn quorate(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quorate")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn replay(daemon: &Daemon) -> Value {
    let file = daemon.recording.to_str().unwrap();
    let (code, text) = quorate(&["replay", file, "--output", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(code, Some(0), "{text}");
    report
}

#[test]
fn our_pods_are_bound_by_us_beside_kube_scheduler_and_the_recording_replays() {
    let plane = borrow();
    let cluster = cluster_with_nodes(&plane, 3);
    let mut daemon = start_daemon(&plane);
    let _kube_scheduler = plane.start_scheduler();
    let pods: Vec<Pod> = (0..60_u32)
        .map(|number| {
            let pod = pod(NAMESPACE, &format!("p{number}")).request("cpu", "200m");
            if number.is_multiple_of(2) { pod.scheduler("quorate").build() } else { pod.build() }
        })
        .collect();
    cluster.create_all(&pods);
    cluster.wait_until_all_bound(NAMESPACE, 60, SOON);

    for (user, name) in bindings(&plane) {
        let number: u32 = name.trim_start_matches('p').parse().unwrap();
        let expected = if number.is_multiple_of(2) { ACCOUNT } else { "system:kube-scheduler" };
        assert_eq!(user, expected, "{name}");
    }
    assert_no_overcommit(&cluster, 200, 4000);
    let scheduled = wait_for("30 events of ours", SOON, || {
        let mut events = cluster.list::<Event>(NAMESPACE);
        events.retain(|event| event.reporting_controller.as_deref() == Some("quorate"));
        (events.len() >= 30).then_some(events)
    });
    assert!(scheduled.iter().all(|event| {
        event.reason.as_deref() == Some("Scheduled")
            && event.note.as_deref().unwrap().starts_with("Successfully assigned db/p")
    }));
    let agent = format!("quorate/{}", env!("CARGO_PKG_VERSION"));
    let mut requests = plane.audit();
    requests.retain(|entry| entry.user == ACCOUNT);
    assert!(requests.iter().all(|entry| entry.user_agent == agent));
    assert_eq!(forbidden(&plane).len(), 0, "{:?}", forbidden(&plane));

    let status = daemon.process.end(Signal::Term);
    assert_eq!(status.code(), Some(0));
    let stopped = daemon.process.wait_for_line("decisionsHash", SOON);
    let report = replay(&daemon);
    assert_eq!(report["divergence"], Value::Null, "{report}");
    let hash = report["decisionsHash"].as_str().unwrap();
    assert!(stopped.contains(hash), "{stopped} against {hash}");
}

#[test]
fn a_pod_with_a_claim_is_told_why_and_never_bound() {
    let plane = borrow();
    let cluster = cluster_with_nodes(&plane, 1);
    let _daemon = start_daemon(&plane);
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]);
    let claiming = pod(NAMESPACE, "claiming").scheduler("quorate").spec("volumes", volumes).build();
    cluster.create_all(&[claiming, ours("plain")]);
    cluster.wait_until_bound(NAMESPACE, "plain", SOON);

    let note = wait_for("an event about the claim", SOON, || {
        let events = cluster.list::<Event>(NAMESPACE).into_iter();
        let mut notes = events.filter(|event| event.reason.as_deref() == Some("FailedScheduling"));
        notes.next().and_then(|event| event.note)
    });
    assert!(note.contains("persistentvolumeclaim \"data-0\" not found"), "{note}");
    let condition = wait_for("the condition PodScheduled", SOON, || {
        let pod = cluster.get::<Pod>(NAMESPACE, "claiming")?;
        let conditions = pod.status?.conditions?;
        conditions.into_iter().find(|condition| condition.type_ == "PodScheduled")
    });
    assert_eq!((&*condition.status, condition.reason.as_deref()), ("False", Some("Unschedulable")));
    assert!(bindings(&plane).iter().all(|(_, name)| name != "claiming"));
}

#[test]
fn recreated_and_deleted_pods_are_bound_once_each_or_not_at_all() {
    let plane = borrow();
    let cluster = cluster_with_nodes(&plane, 2);
    let _daemon = start_daemon(&plane);
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        seen.insert(uid(&cluster.create(&ours("again"))));
        cluster.wait_until_bound(NAMESPACE, "again", SOON);
        cluster.delete::<Pod>(NAMESPACE, "again");
    }
    assert_eq!(seen.len(), 5);
    // Deleted while they may be in any stage.
    let fleeting: Vec<Pod> = (0..40).map(|number| ours(&format!("f{number}"))).collect();
    cluster.create_all(&fleeting);
    for number in 0..40 {
        cluster.delete::<Pod>(NAMESPACE, &format!("f{number}"));
    }
    cluster.create(&ours("last"));
    cluster.wait_until_bound(NAMESPACE, "last", SOON);
    let again = bindings(&plane).iter().filter(|(_, name)| name == "again").count();
    assert_eq!(again, 5);
    assert_eq!(forbidden(&plane).len(), 0, "{:?}", forbidden(&plane));
}

#[test]
fn a_restart_of_the_api_server_and_expired_watches_lose_nothing() {
    let mut plane = ControlPlane::start(Options::default());
    let cluster = cluster_with_nodes(&plane, 2);
    cluster.apply(ROLES);
    // No restart of the API server shall cost the lease: nobody would start the daemon again.
    let patience = ["--leader-elect-lease-duration=3m", "--leader-elect-renew-deadline=2m"];
    let _daemon = start_daemon_with(&plane, "patient", &patience);
    cluster.create(&ours("before"));
    cluster.wait_until_bound(NAMESPACE, "before", SOON);

    plane.stop_apiserver(Signal::Kill);
    plane.start_apiserver();
    // What happens now is history when the watches come back, and compacted history.
    let cluster = plane.cluster_as(ADMIN);
    cluster.delete::<Pod>(NAMESPACE, "before");
    let after: Vec<Pod> = (0..20).map(|number| ours(&format!("a{number}"))).collect();
    cluster.create_all(&after);
    plane.compact();
    plane.stop_apiserver(Signal::Kill);
    plane.start_apiserver();
    let cluster = plane.cluster_as(ADMIN);
    cluster.create(&ours("later"));
    cluster.wait_until_all_bound(NAMESPACE, 21, SOON);
    // A kube-apiserver that has just started forbids everything until it has read its roles.
}

#[test]
fn a_daemon_killed_between_bindings_leaves_each_pod_bound_once() {
    const PODS: usize = 500;
    let plane = borrow();
    // 20 nodes of 4 CPUs take 25 pods of 150m each with little to spare.
    let cluster = cluster_with_nodes(&plane, 20);
    let mut daemon = start_daemon(&plane);
    cluster.create(&ours("warm"));
    cluster.wait_until_bound(NAMESPACE, "warm", SOON);
    let pods: Vec<Pod> = (0..PODS)
        .map(|number| {
            let pod = pod(NAMESPACE, &format!("p{number}")).request("cpu", "150m");
            pod.scheduler("quorate").build()
        })
        .collect();
    // Half of them are there when it dies; it dies while it binds them.
    let creator = std::thread::spawn({
        let cluster = cluster.clone();
        move || cluster.create_all(&pods)
    });
    plane.wait_for_audit(40, SOON, AuditEntry::is_binding);
    daemon.process.end(Signal::Kill);
    let before = bindings(&plane).len();
    creator.join().unwrap();
    // It waits until the lease of the killed one has expired.
    let again = start_daemon_again(&plane, "second");
    cluster.wait_until_all_bound(NAMESPACE, PODS + 1, SOON);

    let all = bindings(&plane);
    let names: BTreeSet<&String> = all.iter().map(|(_, name)| name).collect();
    assert!(before > 1 && before < PODS, "the kill came after {before} bindings");
    // The answers to POSTs of the killed daemon went nowhere, so some have no code of success.
    assert_eq!(all.len(), names.len(), "bound twice");
    assert!(all.len() > before, "nothing was bound after the restart");
    assert_no_overcommit(&cluster, 150, 4000);
    assert_eq!(forbidden(&plane).len(), 0, "{:?}", forbidden(&plane));
    drop(again);
    // The first recording ends in the middle of whatever was being written.
    assert_eq!(replay(&daemon)["divergence"], Value::Null);
}
