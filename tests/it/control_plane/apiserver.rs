//! A real kube-apiserver: its flags, its users, its restarts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::audit;
use super::cluster::Cluster;
use super::process::Process;
use super::programs::Programs;
use super::{ADMIN, Options, Ports, User, wait_for};

const READY_SECONDS_MAX: u64 = 120;

#[derive(Debug)]
pub struct ApiServer {
    process: Process,
    flags: Vec<String>,
    starts: u32,
}

impl ApiServer {
    /// Writes the files that kube-apiserver and its clients need, starts it, and waits until it
    /// is ready.
    pub fn start(directory: &Path, ports: Ports, options: &Options) -> Self {
        let users = options.all_users();
        write_tokens(directory, &users);
        for user in &users {
            write_kubeconfig(directory, user, ports.apiserver);
        }
        fs::write(directory.join("audit-policy.json"), audit::POLICY).unwrap();
        let mut flags = flags(directory, ports);
        flags.extend(options.apiserver_flags.iter().cloned());
        let process = run(directory, &flags, 0);
        let mut server = Self { process, flags, starts: 1 };
        server.wait_until_ready(directory);
        server
    }

    /// Starts kube-apiserver again after its process has ended.
    pub fn start_again(&mut self, directory: &Path) {
        assert!(self.process.exit_status().is_some(), "kube-apiserver still runs");
        self.process = run(directory, &self.flags, self.starts);
        self.starts += 1;
        self.wait_until_ready(directory);
    }

    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }

    fn wait_until_ready(&mut self, directory: &Path) {
        let timeout = Duration::from_secs(READY_SECONDS_MAX);
        let process = &mut self.process;
        // The key is written after the certificate: when there is a key, the certificate is whole.
        let key = certificates(directory).join("apiserver.key");
        let mut check_alive = || {
            let ended = process.exit_status();
            assert!(ended.is_none(), "kube-apiserver ended: {ended:?}");
        };
        wait_for("the certificate of kube-apiserver", timeout, || {
            check_alive();
            key.is_file().then_some(())
        });
        let cluster = Cluster::connect(&kubeconfig_path(directory, ADMIN));
        wait_for("kube-apiserver to be ready", timeout, || {
            check_alive();
            cluster.is_ready().then_some(())
        });
    }
}

pub fn kubeconfig_path(directory: &Path, user: &str) -> PathBuf {
    directory.join(format!("{user}.kubeconfig"))
}

pub fn audit_log_path(directory: &Path) -> PathBuf {
    directory.join("audit.log")
}

pub fn certificates(directory: &Path) -> PathBuf {
    directory.join("certificates")
}

fn run(directory: &Path, flags: &[String], starts: u32) -> Process {
    let mut command = Programs::get().command("kube-apiserver");
    command.args(flags);
    let log = directory.join(format!("kube-apiserver-{starts}.log"));
    Process::start("kube-apiserver", command, log)
}

fn flags(directory: &Path, ports: Ports) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let certificates = certificates(directory);
    // kube-apiserver makes this key itself, before it looks for a key of service accounts.
    let key = certificates.join("apiserver.key").display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        format!("--secure-port={}", ports.apiserver),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", certificates.display()),
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={key}"),
        format!("--service-account-signing-key-file={key}"),
        "--authorization-mode=RBAC".to_owned(),
        format!("--token-auth-file={}", file("tokens.csv")),
        format!("--audit-policy-file={}", file("audit-policy.json")),
        format!("--audit-log-path={}", audit_log_path(directory).display()),
        // One file for everything, and each entry on disk before kube-apiserver goes on.
        "--audit-log-maxsize=0".to_owned(),
        "--audit-log-mode=blocking".to_owned(),
        // No controllers run here: nobody makes default ServiceAccounts for pods, and nobody
        // would take the not-ready taint off new nodes.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
        "--max-requests-inflight=3000".to_owned(),
        "--max-mutating-requests-inflight=1000".to_owned(),
    ]
}

fn write_tokens(directory: &Path, users: &[User]) {
    let line = |user: &User| {
        let groups = user.groups.join(",");
        format!("{},{},{},\"{groups}\"\n", token(user), user.username, user.name)
    };
    let lines: String = users.iter().map(line).collect();
    fs::write(directory.join("tokens.csv"), lines).unwrap();
}

fn token(user: &User) -> String {
    format!("token-of-{}", user.name)
}

/// Writes the file as JSON, which is YAML too.
fn write_kubeconfig(directory: &Path, user: &User, port: u16) {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": certificates(directory).join("apiserver.crt"),
        }}],
        "users": [{"name": user.name, "user": {"token": token(user)}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user.name}}],
        "current-context": "test",
    });
    let text = serde_json::to_string_pretty(&kubeconfig).unwrap();
    fs::write(kubeconfig_path(directory, &user.name), text).unwrap();
}
