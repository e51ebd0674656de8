//! kube-apiserver and etcd are killed and come back, at last without the history that the
//! scheduler would need.

use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Serialize;

use super::churn::Stream;
use super::daemon::Daemon;
use super::judge::Verdict;
use super::stage::{NAMESPACE, Stage, pods};
use crate::control_plane::{QUORATE, Signal, node};

const SOON: Duration = Duration::from_secs(60);
const NODES: u32 = 20;
const PODS_PER_SECOND: u32 = 20;
const CPU: &str = "10m";
/// A server that starts takes some seconds. It shall cost nobody the lease, because nobody would
/// start the scheduler again.
const PATIENCE: [&str; 2] =
    ["--leader-elect-lease-duration=3m", "--leader-elect-renew-deadline=2m"];
/// How long pods are bound in peace between two kills.
const CALM: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How often the server is killed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub kills: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub kills: u32,
    /// After each kill, how long it took from the server's return to the next binding.
    pub binding_again_seconds: Vec<f64>,
    /// After a pause in which history was compacted and nodes and pods went, how long it took from
    /// the end of the pause to the next binding.
    pub after_compaction_seconds: f64,
    /// Pods that were bound to nodes that had been deleted.
    pub ghosts: usize,
    pub pods: u32,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub broken: Vec<String>,
}

pub fn run_apiserver(args: &Args) -> Report {
    run(args, Stage::restart_apiserver)
}

pub fn run_etcd(args: &Args) -> Report {
    run(args, Stage::restart_etcd)
}

fn run(args: &Args, kill: impl Fn(&mut Stage)) -> Report {
    let mut stage = Stage::set(NODES);
    let kubeconfig = stage.plane.kubeconfig(QUORATE);
    let mut daemon = Daemon::start(&stage.plane, &kubeconfig, &PATIENCE);
    daemon.wait_until_it_leads();
    let stream = Stream::start(&stage.cluster, PODS_PER_SECOND, CPU);
    let mut binding_again_seconds = Vec::new();
    for _ in 0..args.kills {
        thread::sleep(CALM);
        kill(&mut stage);
        binding_again_seconds.push(until_bound(&stage, Timestamp::now()));
    }
    let pods = stream.end();
    let (after_compaction_seconds, gone) = pause_over_compaction(&mut stage, &mut daemon);
    let ghosts = bound_to(&stage, &gone);
    let verdict = stage.verdict();
    let mut broken = verdict.broken.clone();
    if ghosts > 0 {
        broken.push(format!("{ghosts} pods were bound to nodes that were gone"));
    }
    if let Some(status) = daemon.process.exit_status() {
        broken.push(format!("the scheduler ended with {status}"));
    }
    let kills = args.kills;
    Report { kills, binding_again_seconds, after_compaction_seconds, ghosts, pods, verdict, broken }
}

/// How long after `from` the API server carried out a binding first.
fn until_bound(stage: &Stage, from: Timestamp) -> f64 {
    let entries = stage.plane.wait_for_audit(1, SOON, |entry| {
        entry.is_binding() && entry.code == 201 && entry.received > from
    });
    Duration::try_from(entries[0].received - from).unwrap().as_secs_f64()
}

/// While the scheduler is paused nodes and pods go, others come, and all of that is forgotten:
/// history is compacted, and kube-apiserver starts again with an empty memory.
fn pause_over_compaction(stage: &mut Stage, daemon: &mut Daemon) -> (f64, Vec<String>) {
    daemon.process.signal(Signal::Stop);
    let gone: Vec<String> = (0..NODES / 2).map(|number| format!("n{number}")).collect();
    for pod in stage.cluster.list::<Pod>(NAMESPACE) {
        let on = pod.spec.and_then(|spec| spec.node_name);
        if on.is_some_and(|node| gone.contains(&node)) {
            stage.cluster.delete::<Pod>(NAMESPACE, &pod.metadata.name.unwrap());
        }
    }
    for name in &gone {
        stage.cluster.delete::<Node>("", name);
    }
    stage.cluster.create(&node("new").build());
    // Nothing of the history may be lost to us.
    stage.history.so_far(&stage.cluster);
    stage.plane.compact();
    stage.restart_apiserver();
    stage.cluster.create_all(&pods("after-", 0..100, "100m"));
    let (start, from) = (Instant::now(), Timestamp::now());
    daemon.process.signal(Signal::Continue);
    until_bound(stage, from);
    (start.elapsed().as_secs_f64(), gone)
}

/// The pods of after the pause that are on one of these nodes.
fn bound_to(stage: &Stage, nodes: &[String]) -> usize {
    stage.lost();
    let pods = stage.cluster.list::<Pod>(NAMESPACE).into_iter();
    let after = pods.filter(|pod| pod.metadata.name.as_ref().unwrap().starts_with("after-"));
    let on = after.filter_map(|pod| pod.spec?.node_name);
    on.filter(|node| nodes.contains(node)).count()
}
