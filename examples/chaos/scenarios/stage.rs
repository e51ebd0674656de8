//! A control plane with nodes, roles and a namespace, on which a scenario plays.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};

use super::judge::{self, Verdict};
use super::proxy::Proxy;
use crate::control_plane::{
    Cluster, ControlPlane, History, Options, QUORATE, Signal, node, pod, wait_for,
};

pub const NAMESPACE: &str = "db";
/// Exactly what the daemon may do in a cluster.
pub const ROLES: &str = include_str!("../../../deploy/rbac.yaml");
/// The user as which the API server knows the daemon.
pub const ACCOUNT: &str = "system:serviceaccount:quorate-system:quorate";
/// The namespace of the daemon's ServiceAccount.
pub const OWN_NAMESPACE: &str = "quorate-system";
/// How long the last pods may take once nothing is broken any more: the longest back-off of the
/// watches, a lease that has to expire, and the longest pause of the binding machine.
pub const HEALED_MAX: Duration = Duration::from_secs(120);

/// How long etcd is away.
const ETCD_GONE: Duration = Duration::from_secs(2);

pub struct Stage {
    pub plane: ControlPlane,
    pub cluster: Cluster,
    pub history: History,
}

impl Stage {
    /// Nodes of 4 CPUs each.
    pub fn set(nodes: u32) -> Self {
        Self::set_with(Options::default(), nodes)
    }

    pub fn set_with(options: Options, nodes: u32) -> Self {
        let plane = ControlPlane::start(options.readable_history());
        let history = plane.history();
        let cluster = plane.cluster();
        cluster.create_namespace(OWN_NAMESPACE);
        cluster.create_namespace(NAMESPACE);
        cluster.apply(ROLES);
        let nodes: Vec<Node> =
            (0..nodes).map(|number| node(&format!("n{number}")).build()).collect();
        cluster.create_all(&nodes);
        Self { plane, cluster, history }
    }

    /// kube-apiserver is killed and comes back.
    pub fn restart_apiserver(&mut self) {
        self.plane.stop_apiserver(Signal::Kill);
        self.plane.start_apiserver();
        // The connections of the old client have ended.
        self.cluster = self.plane.cluster();
    }

    /// etcd is killed and comes back after a while.
    pub fn restart_etcd(&mut self) {
        self.plane.kill_etcd();
        std::thread::sleep(ETCD_GONE);
        self.plane.start_etcd();
        let cluster = self.plane.cluster();
        wait_for("kube-apiserver", HEALED_MAX, || cluster.is_ready().then_some(()));
    }

    /// A kubeconfig of the daemon that leads through the proxy.
    pub fn kubeconfig_through(&self, proxy: &Proxy) -> std::path::PathBuf {
        self.plane.kubeconfig_through(QUORATE, proxy.port())
    }

    /// Waits until all pods are bound or have ended, and returns the names of those that are not.
    pub fn lost(&self) -> BTreeSet<String> {
        let start = Instant::now();
        loop {
            let lost = unbound(&self.cluster);
            if lost.is_empty() || start.elapsed() > HEALED_MAX {
                return lost;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for the last pods, and judges all that has happened.
    pub fn verdict(&self) -> Verdict {
        let lost = self.lost();
        judge::verdict(&self.plane.audit(), &self.history.so_far(&self.cluster), lost)
    }
}

/// The pods that have no node.
fn unbound(cluster: &Cluster) -> BTreeSet<String> {
    let pods = cluster.list::<Pod>(NAMESPACE).into_iter();
    let pods = pods.filter(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none()));
    pods.filter_map(|pod| pod.metadata.name).collect()
}

/// Pods of ours with these numbers in their names, each of which asks for so much CPU.
pub fn pods(prefix: &str, numbers: std::ops::Range<u32>, cpu: &str) -> Vec<Pod> {
    let ours = |number: u32| {
        let pod = pod(NAMESPACE, &format!("{prefix}{number}")).request("cpu", cpu);
        pod.scheduler("quorate").build()
    };
    numbers.map(ours).collect()
}
