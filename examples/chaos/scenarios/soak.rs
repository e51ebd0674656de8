//! Pods come and go for a long time, with a fault every minute: memory stays flat, and nothing is
//! left over.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::churn::{Life, Stream};
use super::daemon::Daemon;
use super::judge::Verdict;
use super::proxy::{Call, Fault, Proxy, Rule};
use super::stage::Stage;
use crate::control_plane::{Signal, wait_for};

const CPU: &str = "100m";
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
/// Restarts of the servers shall not cost the lease: nobody would start the scheduler again.
const PATIENCE: [&str; 2] =
    ["--leader-elect-lease-duration=3m", "--leader-elect-renew-deadline=2m"];
/// How long the API server is stopped, as a disk or a network might stop it.
const STOPPED: Duration = Duration::from_secs(8);

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub minutes: u32,
    /// Minutes at the beginning whose memory does not count.
    #[arg(long, default_value_t = 2)]
    pub warm_up: u32,
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: u32,
    /// How many pods come, and as many go, each second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub churn: u32,
    /// How many pods there are at a time.
    #[arg(long, default_value_t = 1000)]
    pub population: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub minutes: u32,
    pub nodes: u32,
    pub pods: u32,
    /// What was done to it, in order.
    pub faults: Vec<&'static str>,
    /// Resident memory in MiB after the warm-up, with the second of each sample.
    pub samples: Vec<(u64, f64)>,
    /// The line through them.
    pub slope_mib_per_hour: f64,
    /// The largest resident memory that there ever was.
    pub peak_mib: f64,
    /// Pods that wait in the queues of the scheduler after the end.
    pub queue: f64,
    /// The metric `quorate_bind_unknown_total`.
    pub unknown: f64,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub broken: Vec<String>,
}

pub fn run(args: &Args) -> Report {
    let mut stage = Stage::set(args.nodes);
    let proxy = Proxy::start(&stage.plane);
    let mut daemon = Daemon::start(&stage.plane, &stage.kubeconfig_through(&proxy), &PATIENCE);
    daemon.wait_until_it_leads();
    let life = Life { population: args.population };
    let stream = Stream::start_with(&stage.cluster, args.churn, CPU, Some(life));
    let start = Instant::now();
    let (mut faults, mut samples) = (Vec::new(), Vec::new());
    while start.elapsed() < MINUTE * args.minutes {
        let minute = usize::try_from(start.elapsed().as_secs() / 60).unwrap();
        if minute > faults.len() {
            faults.push(strike(&mut stage, &proxy, faults.len()));
        }
        if start.elapsed() >= MINUTE * args.warm_up {
            samples.push((start.elapsed().as_secs(), memory_mib(&daemon, "VmRSS:")));
        }
        thread::sleep(SAMPLE_EVERY);
    }
    proxy.set(&[]);
    let pods = stream.end();
    report(args, &stage, &mut daemon, pods, faults, samples)
}

/// One fault after the other. Returns its name.
fn strike(stage: &mut Stage, proxy: &Proxy, number: usize) -> &'static str {
    let bind = |fault: Fault, left: u32| {
        proxy.set(&[Rule { call: Call::Bind, fault, every: 3, left }]);
    };
    match number % 9 {
        0 => {
            bind(Fault::LoseReply, 20);
            "lost replies"
        }
        1 => {
            stage.restart_apiserver();
            "kube-apiserver killed"
        }
        2 => {
            bind(Fault::Throttle, 5);
            "429"
        }
        3 => {
            stage.plane.signal_apiserver(Signal::Stop);
            thread::sleep(STOPPED);
            stage.plane.signal_apiserver(Signal::Continue);
            "kube-apiserver stopped for a while"
        }
        4 => {
            bind(Fault::LoseRequest, 20);
            "lost requests"
        }
        5 => {
            stage.restart_etcd();
            "etcd killed"
        }
        6 => {
            bind(Fault::FailAfter(504), 20);
            "504 after the deed"
        }
        7 => {
            proxy.freeze_watches();
            "watches that hang"
        }
        _ => {
            bind(Fault::ResetBefore, 20);
            "resets"
        }
    }
}

fn report(
    args: &Args,
    stage: &Stage,
    daemon: &mut Daemon,
    pods: u32,
    faults: Vec<&'static str>,
    samples: Vec<(u64, f64)>,
) -> Report {
    let verdict = stage.verdict();
    let mut broken = verdict.broken.clone();
    if let Some(status) = daemon.process.exit_status() {
        broken.push(format!("the scheduler ended with {status}"));
    }
    let queue = || daemon.metric("scheduler_pending_pods", "");
    if verdict.lost == 0 {
        wait_for("empty queues", MINUTE, || (queue() < 0.5).then_some(()));
    }
    Report {
        minutes: args.minutes,
        nodes: args.nodes,
        pods,
        faults,
        slope_mib_per_hour: slope(&samples) * 3600.0,
        samples,
        peak_mib: memory_mib(daemon, "VmHWM:"),
        queue: queue(),
        unknown: daemon.metric("quorate_bind_unknown_total", ""),
        verdict,
        broken,
    }
}

/// A line of the kernel's account of the scheduler's memory.
fn memory_mib(daemon: &Daemon, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

/// How much the second value grows for each step of the first, by least squares.
fn slope(samples: &[(u64, f64)]) -> f64 {
    let count = samples.len().max(1) as f64;
    let mean_x = samples.iter().map(|(x, _)| *x as f64).sum::<f64>() / count;
    let mean_y = samples.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = samples.iter().map(|(x, y)| (*x as f64 - mean_x) * (y - mean_y)).sum();
    let variance: f64 = samples.iter().map(|(x, _)| (*x as f64 - mean_x).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_the_samples() {
        let check = |samples: &[(u64, f64)], expected: f64| {
            assert!((slope(samples) - expected).abs() < 1e-9, "{samples:?}");
        };
        check(&[(0, 5.0), (10, 7.0), (20, 9.0)], 0.2);
        check(&[(0, 1.0), (10, 2.0), (20, 1.0)], 0.0);
        check(&[(3, 5.0)], 0.0);
        check(&[], 0.0);
    }
}
