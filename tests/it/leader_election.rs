//! Several daemons over one lease on a real API server: one schedules, and another takes over when
//! it is paused, killed, or asked to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;

use crate::control_plane::{
    AuditEntry, Cluster, ControlPlane, Options, Process, Signal, User, node, pod, wait_for,
};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "db";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");
/// Each replica has a user of its own, so that the audit log tells them apart.
const REPLICAS: [&str; 3] = ["replica-0", "replica-1", "replica-2"];
/// The other replicas wait for 15 s, and a little more to notice and to look around.
const TAKE_OVER_MAX: Duration = Duration::from_secs(18);
/// A lease that was released is taken at the next attempt.
const HAND_OVER_MAX: Duration = Duration::from_secs(4);
const POD_EVERY: Duration = Duration::from_millis(50);

/// A control plane with three replicas and a stream of new pods.
struct Replicas {
    plane: ControlPlane,
    cluster: Cluster,
    processes: BTreeMap<&'static str, Process>,
    load: Option<JoinHandle<usize>>,
    enough: Arc<AtomicBool>,
}

impl Replicas {
    fn start() -> Self {
        let options = REPLICAS.iter().fold(Options::default(), |options, name| {
            options.user(User::service_account("quorate-system", name))
        });
        let plane = ControlPlane::start(options);
        let cluster = plane.cluster();
        cluster.create_namespace("quorate-system");
        cluster.create_namespace(NAMESPACE);
        let nodes: Vec<_> = (0..20).map(|number| node(&format!("n{number}")).build()).collect();
        cluster.create_all(&nodes);
        // The shipped roles, for each of the accounts.
        let account =
            "  - kind: ServiceAccount\n    name: quorate\n    namespace: quorate-system\n";
        let accounts = REPLICAS
            .map(|name| account.replace("quorate\n    namesp", &format!("{name}\n    namesp")));
        cluster.apply(&ROLES.replace(account, &accounts.concat()));
        let enough = Arc::new(AtomicBool::new(false));
        let load = Some(create_pods(cluster.clone(), enough.clone()));
        let mut replicas = Self { plane, cluster, processes: BTreeMap::new(), load, enough };
        for name in REPLICAS {
            replicas.start_replica(name);
        }
        replicas
    }

    fn start_replica(&mut self, name: &'static str) {
        let kubeconfig = self.plane.kubeconfig(name);
        let arguments = ["run", "--kubeconfig", kubeconfig.to_str().unwrap(), "--http-port", "0"];
        let mut process = self.plane.start_quorate(&arguments);
        process.wait_for_line("All kinds are synced.", SOON);
        self.processes.insert(name, process);
    }

    /// The replica that binds pods at present, none of those that did before.
    fn leader(&self, before: &[&str]) -> &'static str {
        wait_for("a leader that binds", SOON, || {
            let entries = self.plane.audit();
            let mut binders = entries.iter().filter(|e| e.is_binding() && e.code == 201);
            binders.find_map(|entry| {
                REPLICAS.into_iter().find(|name| is_by(entry, name) && !before.contains(name))
            })
        })
    }

    fn process(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(name).unwrap()
    }

    /// How long after `from` another replica than `old` bound a pod first.
    fn take_over(&self, from: Timestamp, old: &str) -> Duration {
        let entries = self.plane.wait_for_audit(1, SOON, |entry| {
            entry.is_binding() && entry.code == 201 && !is_by(entry, old) && entry.received > from
        });
        Duration::try_from(entries[0].received - from).unwrap()
    }

    /// Ends the stream of pods, and checks that each was bound exactly once.
    fn finish(mut self) {
        self.enough.store(true, Ordering::Relaxed);
        let created = self.load.take().unwrap().join().unwrap();
        self.cluster.wait_until_all_bound(NAMESPACE, created, SOON);
        let entries = self.plane.audit();
        let bound: Vec<&str> = entries
            .iter()
            .filter(|entry| entry.is_binding() && entry.code == 201)
            .map(|entry| entry.name.as_str())
            .collect();
        let names: BTreeSet<&str> = bound.iter().copied().collect();
        assert_eq!(bound.len(), names.len(), "bound twice");
        let forbidden: Vec<_> = entries.iter().filter(|e| matches!(e.code, 401 | 403)).collect();
        assert!(forbidden.is_empty(), "{forbidden:?}");
        assert_eq!(self.cluster.list::<Pod>(NAMESPACE).len(), created);
    }
}

/// Creates a pod every few milliseconds until there are enough; gives their number.
fn create_pods(cluster: Cluster, enough: Arc<AtomicBool>) -> JoinHandle<usize> {
    thread::spawn(move || {
        let mut created = 0;
        while !enough.load(Ordering::Relaxed) {
            let pod = pod(NAMESPACE, &format!("p{created}")).request("cpu", "10m");
            cluster.create(&pod.scheduler("quorate").build());
            created += 1;
            thread::sleep(POD_EVERY);
        }
        created
    })
}

fn is_by(entry: &AuditEntry, replica: &str) -> bool {
    entry.user == format!("system:serviceaccount:quorate-system:{replica}")
}

/// Whether the request writes something other than the lease.
fn writes(entry: &AuditEntry) -> bool {
    !matches!(entry.verb.as_str(), "get" | "list" | "watch") && entry.resource != "leases"
}

#[test]
fn a_leader_that_was_paused_writes_nothing_once_another_one_leads() {
    let mut replicas = Replicas::start();
    let old = replicas.leader(&[]);
    thread::sleep(Duration::from_secs(3));
    let (paused, start) = (Timestamp::now(), Instant::now());
    replicas.process(old).signal(Signal::Stop);
    let taken_over = replicas.take_over(paused, old);
    thread::sleep(Duration::from_secs(20).saturating_sub(start.elapsed()));
    replicas.process(old).signal(Signal::Continue);
    let status = replicas.process(old).wait_for_exit(SOON);
    assert_eq!(status.code(), Some(1), "a lost lease");
    thread::sleep(Duration::from_secs(2));

    let entries = replicas.plane.audit();
    let by_others = entries.iter().filter(|entry| !is_by(entry, old) && entry.received > paused);
    let of_replicas = by_others.filter(|e| REPLICAS.iter().any(|name| is_by(e, name)));
    let first = of_replicas.filter(|entry| writes(entry)).map(|entry| entry.received).min();
    let late: Vec<_> = entries
        .iter()
        .filter(|entry| is_by(entry, old) && writes(entry) && entry.received >= first.unwrap())
        .collect();
    assert!(late.is_empty(), "the old leader wrote: {late:?}");
    let stolen: Vec<_> = entries
        .iter()
        .filter(|entry| is_by(entry, old) && entry.resource == "leases" && entry.code < 300)
        .filter(|entry| entry.verb != "get" && entry.received >= first.unwrap())
        .collect();
    assert!(stolen.is_empty(), "the old leader took the lease back: {stolen:?}");
    println!("taken over after a pause: {taken_over:?}");
    assert!(taken_over < TAKE_OVER_MAX, "{taken_over:?}");
    replicas.finish();
}

#[test]
fn a_leader_that_ends_hands_over_at_once_and_one_that_is_killed_is_replaced() {
    let mut replicas = Replicas::start();
    let first = replicas.leader(&[]);
    // Those who stand by write nothing.
    thread::sleep(Duration::from_secs(3));
    let entries = replicas.plane.audit();
    let idle: Vec<_> = REPLICAS.into_iter().filter(|name| *name != first).collect();
    for name in &idle {
        assert!(!entries.iter().any(|entry| is_by(entry, name) && writes(entry)), "{name}");
        let read = entries.iter().any(|e| is_by(e, name) && e.resource == "leases");
        assert!(read, "{name} does not look at the lease");
    }

    let asked = Timestamp::now();
    let status = replicas.process(first).end(Signal::Term);
    assert_eq!(status.code(), Some(0));
    let handed_over = replicas.take_over(asked, first);
    println!("handed over after SIGTERM: {handed_over:?}");
    assert!(handed_over < HAND_OVER_MAX, "{handed_over:?}");
    let second = replicas.leader(&[first]);
    let lease = replicas.cluster.get::<Lease>("kube-system", "quorate").unwrap().spec.unwrap();
    assert_eq!((lease.lease_transitions, lease.lease_duration_seconds), (Some(1), Some(15)));

    thread::sleep(Duration::from_secs(3));
    let killed = Timestamp::now();
    replicas.process(second).end(Signal::Kill);
    let taken_over = replicas.take_over(killed, second);
    println!("taken over after SIGKILL: {taken_over:?}");
    assert!(taken_over < TAKE_OVER_MAX, "{taken_over:?}");
    assert_ne!(replicas.leader(&[first, second]), second);
    replicas.finish();
}
