//! Quorate, the real kube-scheduler and the raw ceiling on one real API server, in turn.
//!
//! The ceiling is a client that knows all answers: it posts one Binding and one Event a pod and
//! decides nothing. All pods exist before a contender starts; the clock runs from the first to the
//! last binding that kube-apiserver carried out, by its audit log.

// The lints that keep panics out of the product do not suit a measurement.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/it/control_plane/mod.rs"]
mod control_plane;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use control_plane::{
    ADMIN, AuditEntry, Cluster, ControlPlane, Process, QUORATE, borrow, node, pod,
};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::core::Request;
use kube::core::request::PostParams;
use serde_json::json;

const ROUNDS: usize = 3;
const NODES: usize = 1000;
const NAMESPACE: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(600);
/// How many bindings the ceiling has under way. More did not make it faster.
const CEILING_UNDER_WAY: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Basic,
    Group,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Contender {
    Quorate,
    KubeScheduler,
    Ceiling,
}

/// One run of one contender.
#[derive(Clone, Copy, Debug)]
struct Run {
    pods_per_second: f64,
    cpu_seconds: f64,
    peak_mib: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, kubeconfig] = arguments.as_slice() {
        if role == "ceiling" {
            return ceiling(Path::new(kubeconfig));
        }
    }
    println!(
        "{NODES} nodes, {ROUNDS} rounds, medians; kube-scheduler 1.37.2 without a client limit"
    );
    println!("| shape | contender | pods/s | CPU s | peak MiB |");
    println!("|---|---|--:|--:|--:|");
    for shape in [Shape::Basic, Shape::Group] {
        let contenders = [Contender::Quorate, Contender::KubeScheduler, Contender::Ceiling];
        let mut runs: Vec<(Contender, Run)> = Vec::new();
        for _ in 0..ROUNDS {
            for contender in contenders {
                let run = measure(shape, contender);
                eprintln!("{shape:?} {contender:?} {run:?}");
                runs.push((contender, run));
            }
        }
        let medians = contenders.map(|contender| median(&runs, contender));
        for (contender, run) in contenders.iter().zip(medians) {
            println!(
                "| {shape:?} | {contender:?} | {:.0} | {:.2} | {:.0} |",
                run.pods_per_second, run.cpu_seconds, run.peak_mib
            );
        }
        let [ours, theirs, ceiling] = medians;
        println!(
            "| {shape:?} | Quorate / kube-scheduler | {:.2} | {:.2} | {:.2} |",
            ours.pods_per_second / theirs.pods_per_second,
            ours.cpu_seconds / theirs.cpu_seconds,
            ours.peak_mib / theirs.peak_mib
        );
        println!(
            "| {shape:?} | Quorate / ceiling | {:.2} | | |",
            ours.pods_per_second / ceiling.pods_per_second
        );
    }
}

fn measure(shape: Shape, contender: Contender) -> Run {
    let plane = borrow();
    let cluster = plane.cluster();
    cluster.create_namespace("quorate-system");
    cluster.create_namespace(NAMESPACE);
    cluster.apply(include_str!("../deploy/rbac.yaml"));
    let nodes: Vec<_> = (0..NODES)
        .map(|number| {
            let zone = format!("zone-{}", number % 3);
            node(&format!("n{number}")).label("topology.kubernetes.io/zone", &zone).build()
        })
        .collect();
    cluster.create_all(&nodes);
    let pods: Vec<Pod> = (0..shape.pods()).map(|number| shape.pod(number, contender)).collect();
    cluster.create_all(&pods);
    let process = contender.start(&plane);
    let bound = plane.wait_for_audit(pods.len(), PATIENCE, |e| e.is_binding() && e.code == 201);
    let (cpu_seconds, peak_mib) = usage(process.id());
    Run { pods_per_second: rate(&bound), cpu_seconds, peak_mib }
}

/// Bindings a second between the first and the last.
fn rate(bound: &[AuditEntry]) -> f64 {
    let first = bound.iter().map(|entry| entry.reached).min().unwrap();
    let last = bound.iter().map(|entry| entry.reached).max().unwrap();
    (bound.len() - 1) as f64 / last.duration_since(first).as_secs_f64()
}

/// CPU seconds so far and peak resident MiB of a process.
fn usage(pid: u32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // Linux counts in hundredths of a second.
    (ticks / 100.0, peak_kib / 1024.0)
}

fn median(runs: &[(Contender, Run)], contender: Contender) -> Run {
    let of = |figure: fn(&Run) -> f64| {
        let own = runs.iter().filter(|(other, _)| *other == contender);
        let mut figures: Vec<f64> = own.map(|(_, run)| figure(run)).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Run {
        pods_per_second: of(|run| run.pods_per_second),
        cpu_seconds: of(|run| run.cpu_seconds),
        peak_mib: of(|run| run.peak_mib),
    }
}

impl Shape {
    fn pods(self) -> usize {
        match self {
            Self::Basic => 3000,
            Self::Group => 1500,
        }
    }

    /// Group pods come in threes, apart by host and spread over zones.
    fn pod(self, number: usize, contender: Contender) -> Pod {
        let pod = pod(NAMESPACE, &format!("p{number}"));
        let pod = pod.request("cpu", "100m").request("memory", "500Mi");
        let pod = pod.scheduler(match contender {
            Contender::Quorate => "quorate",
            Contender::KubeScheduler => "default-scheduler",
            Contender::Ceiling => "ceiling",
        });
        if self == Self::Basic {
            return pod.build();
        }
        let group = format!("group-{}", number / 3);
        let selector = json!({"matchLabels": {"app": group}});
        let apart = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}]}});
        let spread = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]);
        let pod = pod.label("app", &group).spec("affinity", apart);
        pod.spec("topologySpreadConstraints", spread).build()
    }
}

impl Contender {
    fn start(self, plane: &ControlPlane) -> Process {
        let kubeconfig = plane.kubeconfig(QUORATE);
        let kubeconfig = kubeconfig.to_str().unwrap();
        match self {
            Self::Quorate => {
                plane.start_quorate(&["run", "--kubeconfig", kubeconfig, "--http-port", "0"])
            }
            Self::KubeScheduler => plane.start_scheduler(),
            Self::Ceiling => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg("ceiling").arg(plane.kubeconfig(ADMIN));
                Process::start("ceiling", command, plane.file("ceiling.log"))
            }
        }
    }
}

/// Binds every pod of the namespace to some node and writes an event about each.
fn ceiling(kubeconfig: &Path) {
    let cluster = Cluster::connect(kubeconfig);
    let client = cluster.kube();
    let pods = cluster.list::<Pod>(NAMESPACE);
    let work = pods.iter().enumerate().map(|(number, pod)| {
        let client = client.clone();
        let name = pod.metadata.name.clone().unwrap();
        let uid = pod.metadata.uid.clone().unwrap();
        async move {
            let node = format!("n{}", number % NODES);
            let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}");
            let binding = json!({"apiVersion": "v1", "kind": "Binding",
                "metadata": {"name": name, "uid": uid}, "target": {"kind": "Node", "name": node}});
            post(&client, &path, "binding", &binding).await;
            let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
                "metadata": {"generateName": name, "namespace": NAMESPACE},
                "eventTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
                "type": "Normal", "reason": "Scheduled", "action": "Binding",
                "reportingController": "ceiling", "reportingInstance": "ceiling",
                "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE,
                    "name": name, "uid": uid}});
            let path = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}");
            post(&client, &path, "events", &event).await;
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(
        futures::stream::iter(work).buffer_unordered(CEILING_UNDER_WAY).for_each(async |()| ()),
    );
    // Stays until it is measured.
    std::thread::sleep(PATIENCE);
}

async fn post(client: &kube::Client, path: &str, resource: &str, body: &serde_json::Value) {
    let mut request = Request::new(path).create(&PostParams::default(), Vec::new()).unwrap();
    *request.uri_mut() = format!("{path}/{resource}").parse().unwrap();
    *request.body_mut() = serde_json::to_vec(body).unwrap();
    client.request_text(request).await.unwrap();
}
