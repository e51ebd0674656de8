//! A real control plane for tests: etcd, kube-apiserver, kube-scheduler and some controllers as
//! child processes on free loopback ports, with RBAC and an audit log.
//!
//! ```text
//!  borrow() ──▶ Borrowed ─┐              ┌─▶ etcd ◀── kube-apiserver ◀─┬─ Cluster (typed client)
//!                         ├▶ ControlPlane┤                             ├─ kube-scheduler
//!  ControlPlane::start() ─┘              └─▶ audit(), kubeconfig(user) ├─ controllers
//!                                                                      └─ quorate
//! ```
//!
//! Most tests `borrow` a control plane: it is theirs alone until they end, and is emptied for the
//! next test. Tests that need other flags, or that fear to leave it broken, `start` their own.

mod apiserver;
mod audit;
pub mod cluster;
mod endpoints;
mod etcd;
mod history;

mod objects;
mod pool;
mod process;
mod programs;
#[cfg(test)]
mod tests;
mod workspace;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use audit::AuditEntry;
pub use cluster::{Cluster, block_on};
pub use endpoints::{free_port, get};
pub use history::{Change, History, NodeState, PodState, State};

pub use objects::{PodBuilder, node, pod};
pub use pool::borrow;
pub use process::{Process, Signal};
pub use programs::KUBERNETES_VERSION;

use apiserver::ApiServer;
use etcd::Etcd;
use programs::Programs;
use workspace::{Ports, Workspace};

/// The user of all test code that plays the rest of the world; may do everything.
pub const ADMIN: &str = "admin";
/// The user of the real kube-scheduler.
pub const KUBE_SCHEDULER: &str = "kube-scheduler";
/// The user of the controllers that make claims and bind volumes; may do everything.
pub const CONTROLLERS: &str = "controllers";
/// The ServiceAccount of Quorate's deployment; may do nothing until a test applies its roles.
pub const QUORATE: &str = "quorate";

/// Someone whom kube-apiserver knows by a token.
#[derive(Clone, Debug)]
pub struct User {
    /// The name by which tests ask for the kubeconfig.
    name: String,
    username: String,
    groups: Vec<String>,
}

impl User {
    fn new(name: &str, username: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Self { name: name.to_owned(), username: username.to_owned(), groups }
    }

    /// Returns a user that RBAC takes for the ServiceAccount `namespace`/`name`.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let username = format!("system:serviceaccount:{namespace}:{name}");
        let own = format!("system:serviceaccounts:{namespace}");
        Self::new(name, &username, &["system:serviceaccounts", &own, "system:authenticated"])
    }
}

/// What a control plane shall have beyond the ordinary.
#[derive(Clone, Debug, Default)]
pub struct Options {
    users: Vec<User>,
    apiserver_flags: Vec<String>,
}

impl Options {
    /// Adds a user to those that every control plane has.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Lets kube-apiserver keep objects in etcd as JSON, so that their history can be read there.
    pub fn readable_history(self) -> Self {
        self.apiserver_flag("--storage-media-type=application/json")
    }

    /// Adds a flag of kube-apiserver, such as `--watch-cache=false`.
    pub fn apiserver_flag(mut self, flag: &str) -> Self {
        self.apiserver_flags.push(flag.to_owned());
        self
    }

    fn all_users(&self) -> Vec<User> {
        let everyone = ["system:authenticated"];
        let mut users = vec![
            User::new(ADMIN, "admin", &["system:masters", "system:authenticated"]),
            User::new(KUBE_SCHEDULER, "system:kube-scheduler", &everyone),
            User::new(CONTROLLERS, "controllers", &["system:masters", "system:authenticated"]),
            User::service_account("quorate-system", QUORATE),
        ];
        users.extend(self.users.iter().cloned());
        users
    }
}

/// A running control plane. Dropping it ends its processes and, unless the test panics, removes
/// its files.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: clients before servers, the files last.
    apiserver: ApiServer,
    etcd: Etcd,
    /// The keys that kube-apiserver made by itself, to which `reset` returns.
    original: BTreeSet<String>,
    audit_start: usize,
    ports: Ports,
    workspace: Workspace,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until kube-apiserver is ready.
    pub fn start(options: Options) -> Self {
        let workspace = Workspace::create();
        let ports = Ports::pick();
        let etcd = Etcd::start(workspace.path(), ports);
        let apiserver = ApiServer::start(workspace.path(), ports, &options);
        let original = etcd.keys();
        Self { apiserver, etcd, original, audit_start: 0, ports, workspace }
    }

    /// Returns a typed client for `ADMIN`.
    pub fn cluster(&self) -> Cluster {
        self.cluster_as(ADMIN)
    }

    /// Returns a typed client for a user.
    pub fn cluster_as(&self, user: &str) -> Cluster {
        Cluster::connect(&self.kubeconfig(user))
    }

    /// Returns the kubeconfig file of a user.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        let path = apiserver::kubeconfig_path(self.workspace.path(), user);
        assert!(path.is_file(), "the control plane has no user {user}");
        path
    }

    /// Returns the kubeconfig file of a user that speaks plain HTTP to a port of a proxy.
    pub fn kubeconfig_through(&self, user: &str, port: u16) -> PathBuf {
        let direct = fs::read_to_string(self.kubeconfig(user)).unwrap();
        let direct: Value = serde_json::from_str(&direct).unwrap();
        let path = self.file(&format!("{user}-through-{port}.kubeconfig"));
        let mut through = direct;
        through["clusters"][0]["cluster"] = json!({"server": format!("http://127.0.0.1:{port}")});
        fs::write(&path, through.to_string()).unwrap();
        path
    }

    /// Returns the port of kube-apiserver and the file with the certificate that it shows.
    pub fn apiserver_address(&self) -> (u16, PathBuf) {
        let certificate = apiserver::certificates(self.workspace.path()).join("apiserver.crt");
        (self.ports.apiserver, certificate)
    }

    /// Follows the history of pods and nodes from its beginning. kube-apiserver has to keep
    /// objects as JSON: `Options::readable_history`.
    pub fn history(&self) -> History {
        History::follow(self.ports.etcd)
    }

    /// Returns a path for a file that lives as long as the control plane.
    pub fn file(&self, name: &str) -> PathBuf {
        self.workspace.path().join(name)
    }

    /// Starts the real kube-scheduler, with its default profile and without a rate limit that
    /// tests could notice. It runs until the returned process is dropped.
    pub fn start_scheduler(&self) -> Process {
        let config = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection":
                {"kubeconfig": self.kubeconfig(KUBE_SCHEDULER), "qps": 5000, "burst": 5000},
            "leaderElection": {"leaderElect": false},
        });
        let path = self.file("kube-scheduler.json");
        fs::write(&path, config.to_string()).unwrap();
        let mut command = Programs::get().command("kube-scheduler");
        command.arg(format!("--config={}", path.display())).arg("--secure-port=0");
        let log = self.workspace.new_log("kube-scheduler");
        Process::start("kube-scheduler", command, log)
    }

    /// Starts the real controllers of StatefulSets, claims and volumes, beside stand-ins for
    /// kubelets and for the provisioner `stand-in.quorate.dev`; see `standins.go` for what its
    /// classes can ask of it. They run until the returned process is dropped.
    pub fn start_controllers(&self) -> Process {
        let mut command = Programs::get().command("controllers");
        command.arg(format!("--kubeconfig={}", self.kubeconfig(CONTROLLERS).display()));
        let log = self.workspace.new_log("controllers");
        let mut process = Process::start("controllers", command, log);
        process.wait_for_line("The controllers run.", Duration::from_secs(30));
        process
    }

    /// Runs the `quorate` binary with `arguments`, and with the kubeconfig of `QUORATE` in the
    /// environment variable KUBECONFIG.
    pub fn start_quorate(&self, arguments: &[&str]) -> Process {
        let mut command = programs::quorate();
        command.args(arguments).env("KUBECONFIG", self.kubeconfig(QUORATE));
        Process::start("quorate", command, self.workspace.new_log("quorate"))
    }

    /// Ends kube-apiserver with a signal and waits until its process is gone.
    pub fn stop_apiserver(&mut self, signal: Signal) -> ExitStatus {
        self.apiserver.process_mut().end(signal)
    }

    /// Starts kube-apiserver again on the same port and waits until it is ready.
    pub fn start_apiserver(&mut self) {
        self.apiserver.start_again(self.workspace.path());
    }

    /// Ends etcd at once and waits until its process is gone.
    pub fn kill_etcd(&mut self) {
        self.etcd.kill();
    }

    /// Starts etcd again with its data and waits until it serves.
    pub fn start_etcd(&mut self) {
        self.etcd.start_again(self.workspace.path(), self.ports);
    }

    /// Sends kube-apiserver a signal that does not end it, such as `Signal::Stop`.
    pub fn signal_apiserver(&mut self, signal: Signal) {
        self.apiserver.process_mut().signal(signal);
    }

    /// Makes etcd forget all history before now, and returns the revision of now. Watches of
    /// kube-apiserver expire by it once kube-apiserver has lost its own memory of the past, that
    /// is after a restart or with `--watch-cache=false`.
    pub fn compact(&self) -> i64 {
        let now = self.etcd.revision();
        self.etcd.compact(now);
        now
    }

    /// Returns the requests since the start of the control plane, or since it was borrowed, in
    /// the order in which kube-apiserver answered them. An entry follows its answer by moments.
    pub fn audit(&self) -> Vec<AuditEntry> {
        audit::read(&apiserver::audit_log_path(self.workspace.path()), self.audit_start)
    }

    /// Waits until the audit log holds `count` entries of a kind and returns those.
    pub fn wait_for_audit(
        &self,
        count: usize,
        timeout: Duration,
        wanted: impl Fn(&AuditEntry) -> bool,
    ) -> Vec<AuditEntry> {
        wait_for(&format!("{count} entries in the audit log"), timeout, || {
            let mut found = self.audit();
            found.retain(&wanted);
            (found.len() >= count).then_some(found)
        })
    }

    /// Takes the control plane back to the state in which it started, for the next user.
    pub fn reset(&mut self) {
        self.etcd.delete_all_but(&self.original);
        let cluster = self.cluster();
        wait_for("the emptied cluster", Duration::from_secs(30), || {
            cluster.is_empty().then_some(())
        });
        let log = fs::metadata(apiserver::audit_log_path(self.workspace.path()));
        self.audit_start = usize::try_from(log.map_or(0, |log| log.len())).unwrap();
    }

    fn is_running(&mut self) -> bool {
        self.apiserver.process_mut().exit_status().is_none()
    }
}

/// Asks again and again until there is an answer; panics when time is up.
pub fn wait_for<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        let waited = start.elapsed();
        assert!(waited < timeout, "waited {timeout:?} in vain for {what}");
        // Long waits ask seldom: the question costs time that the answer may need.
        let pause = waited / 10;
        thread::sleep(pause.clamp(Duration::from_millis(10), Duration::from_millis(200)));
    }
}
