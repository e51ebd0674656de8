//! A real kube-scheduler binds to the same, nearly full nodes: who overcommits, and why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::daemon::Daemon;
use super::judge::{self, Rejection};
use super::kubelet::{Fill, Kubelets};
use super::stage::{HEALED_MAX, NAMESPACE, Stage};
use crate::control_plane::{AuditEntry, Change, QUORATE, State, pod};

const NODES: u32 = 20;
/// 8 pods of 500m fill the 4 CPUs of a node.
const CPU: &str = "500m";
const FULL: usize = 8 * NODES as usize;
/// As many pods end at once, and both schedulers rush to their places.
const FREED_AT_ONCE: usize = 8;
/// So many pods are created together, by turns for each of the schedulers.
const BURST: u32 = 8;
/// A binding that another scheduler has seen carried out longer ago than this is none that it
/// could not know of: a watch on a busy machine lags by less.
const RACE_MAX: Duration = Duration::from_secs(1);
const RIVAL: &str = "default-scheduler";
const OURS: &str = "quorate";

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many pods there are, half of them for each scheduler.
    #[arg(long, default_value_t = 2000)]
    pub pods: u32,
    /// How many pods come each second.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub per_second: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub pods: u32,
    pub quorate: Side,
    pub kube_scheduler: Side,
    /// Rejections for which no binding of the other one was under way.
    pub unexplained: usize,
    /// Rejections that Quorate has counted itself.
    pub noticed: f64,
    pub double: usize,
    /// Pods that are still without a node after everything has calmed down.
    pub lost: usize,
    pub broken: Vec<String>,
}

/// What one scheduler did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    pub bound: usize,
    /// Pods that their kubelet did not admit.
    pub rejected: usize,
    pub share: f64,
    /// The longest time between the other one's binding and the one that came too late.
    pub lag_seconds_max: f64,
}

pub fn run(args: &Args) -> Report {
    let Stage { plane, cluster, history } = Stage::set(NODES);
    let history = Arc::new(history);
    let mut daemon = Daemon::start(&plane, &plane.kubeconfig(QUORATE), &[]);
    daemon.wait_until_it_leads();
    let _kube_scheduler = plane.start_scheduler();
    let fill = Fill { pods_max: FULL - FREED_AT_ONCE, at_once: FREED_AT_ONCE };
    let kubelets = Kubelets::start(&cluster, history.clone(), fill);
    let pause = Duration::from_secs(1) * BURST / args.per_second;
    for first in (0..args.pods).step_by(BURST as usize) {
        let last = args.pods.min(first + BURST);
        let burst: Vec<Pod> = (first..last).map(of_either).collect();
        cluster.create_all(&burst);
        thread::sleep(pause);
    }
    let start = Instant::now();
    let waiting = || {
        let pods = cluster.list::<Pod>(NAMESPACE).into_iter();
        pods.filter(|pod| pod.spec.as_ref().unwrap().node_name.is_none()).count()
    };
    while waiting() > 0 && start.elapsed() < HEALED_MAX {
        thread::sleep(Duration::from_millis(200));
    }
    let lost = waiting();
    thread::sleep(RACE_MAX);
    kubelets.end();
    let noticed = daemon.metric("quorate_kubelet_rejections_total", "");
    report(args.pods, &history.so_far(&cluster), &plane.audit(), lost, noticed)
}

/// Pods of both schedulers by turns.
fn of_either(number: u32) -> Pod {
    let scheduler = if number.is_multiple_of(2) { OURS } else { RIVAL };
    pod(NAMESPACE, &format!("p{number}")).request("cpu", CPU).scheduler(scheduler).build()
}

fn report(
    pods: u32,
    history: &[Change],
    audit: &[AuditEntry],
    lost: usize,
    noticed: f64,
) -> Report {
    let bindings: Vec<&AuditEntry> = audit.iter().filter(|entry| entry.is_binding()).collect();
    let carried_out = bindings.iter().filter(|entry| entry.code == 201);
    let times: BTreeMap<String, Timestamp> =
        carried_out.map(|entry| (judge::target(entry), entry.received)).collect();
    let rejections = judge::rejections(history);
    let lags: Vec<Option<Duration>> = rejections.iter().map(|r| lag(r, &times)).collect();
    let judged: Vec<(&Rejection, Option<Duration>)> = rejections.iter().zip(lags).collect();
    let unexplained: Vec<&Rejection> = judged
        .iter()
        .filter(|(_, lag)| lag.is_none_or(|lag| lag > RACE_MAX))
        .map(|(rejection, _)| *rejection)
        .collect();
    let mut broken: Vec<String> =
        unexplained.iter().map(|rejection| format!("no race explains {rejection:?}")).collect();
    let quorate = side(OURS, history, &judged);
    if (noticed - quorate.rejected as f64).abs() > 0.5 {
        broken.push(format!("Quorate noticed {noticed} of {} rejections", quorate.rejected));
    }
    if lost > 0 {
        broken.push(format!("{lost} pods have no node"));
    }
    let verdict = judge::verdict(audit, history, Default::default());
    if verdict.double > 0 {
        broken.push(format!("{} pods were bound twice", verdict.double));
    }
    Report {
        pods,
        kube_scheduler: side(RIVAL, history, &judged),
        quorate,
        unexplained: unexplained.len(),
        noticed,
        double: verdict.double,
        lost,
        broken,
    }
}

/// How long before the binding that was rejected the other scheduler had bound a pod to the same
/// node, at last. Without that pod there would have been room: all pods are of one size.
fn lag(rejection: &Rejection, times: &BTreeMap<String, Timestamp>) -> Option<Duration> {
    let own = times.get(&rejection.uid)?;
    let others = rejection.beside.iter().filter(|(_, who)| *who != rejection.scheduler);
    let last = others.filter_map(|(uid, _)| times.get(uid)).max()?;
    Some(Duration::try_from(own.duration_since(*last)).unwrap_or_default())
}

fn side(scheduler: &str, history: &[Change], judged: &[(&Rejection, Option<Duration>)]) -> Side {
    let of_it: std::collections::BTreeSet<&str> = history
        .iter()
        .filter_map(|change| match &change.state {
            State::Pod(pod) if pod.scheduler == scheduler && !pod.node.is_empty() => {
                Some(pod.uid.as_str())
            }
            _ => None,
        })
        .collect();
    let rejected = judged.iter().filter(|(rejection, _)| rejection.scheduler == scheduler);
    let lags = rejected.clone().filter_map(|(_, lag)| *lag);
    let count = rejected.count();
    Side {
        bound: of_it.len(),
        rejected: count,
        share: count as f64 / of_it.len().max(1) as f64,
        lag_seconds_max: lags.max().unwrap_or_default().as_secs_f64(),
    }
}
