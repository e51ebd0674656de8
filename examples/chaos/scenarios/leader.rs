//! Several replicas over one lease: one schedules, and another takes over when it is paused,
//! killed, or asked to end.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use serde::Serialize;

use super::churn::Stream;
use super::judge::Verdict;
use super::stage::{ROLES, Stage};
use crate::control_plane::{AuditEntry, Options, Process, Signal, User, wait_for};

const SOON: Duration = Duration::from_secs(60);
/// Each replica has a user of its own, so that the audit log tells them apart.
const REPLICAS: [&str; 3] = ["replica-0", "replica-1", "replica-2"];
/// The other replicas wait for 15 s, and a little more to notice and to look around.
const TAKE_OVER_MAX: Duration = Duration::from_secs(18);
/// A lease that was released is taken at the next attempt.
const HAND_OVER_MAX: Duration = Duration::from_secs(4);
/// Longer than the lease holds.
const PAUSE: Duration = Duration::from_secs(20);
/// How long a new leader is left alone.
const CALM: Duration = Duration::from_secs(3);
const PODS_PER_SECOND: u32 = 20;
const CPU: &str = "10m";

#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub paused: Paused,
    pub replaced: Replaced,
    pub broken: Vec<String>,
}

/// The leader was paused for longer than its lease.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    pub take_over_seconds: f64,
    /// Writes of the old leader after the new one's first.
    pub late_writes: usize,
    /// How the old leader ended once it went on.
    pub exit_code: Option<i32>,
    #[serde(flatten)]
    pub verdict: Verdict,
    #[serde(skip)]
    pub broken: Vec<String>,
}

/// The leader was asked to end, and the next one killed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    pub hand_over_seconds: f64,
    pub take_over_seconds: f64,
    /// Writes of replicas that stood by.
    pub idle_writes: usize,
    /// How often the lease changed hands by the time of the first leader's end.
    pub transitions: Option<i32>,
    #[serde(flatten)]
    pub verdict: Verdict,
    #[serde(skip)]
    pub broken: Vec<String>,
}

pub fn run(_: &Args) -> Report {
    let (paused, replaced) = (paused(), replaced());
    let broken = [&paused.broken[..], &replaced.broken].concat();
    Report { paused, replaced, broken }
}

/// A control plane with three replicas and a stream of new pods.
struct Replicas {
    stage: Stage,
    processes: BTreeMap<&'static str, Process>,
    stream: Stream,
}

impl Replicas {
    fn start() -> Self {
        let options = REPLICAS.iter().fold(Options::default(), |options, name| {
            options.user(User::service_account("quorate-system", name))
        });
        let stage = Stage::set_with(options, 20);
        // The shipped roles, for each of the accounts.
        let account =
            "  - kind: ServiceAccount\n    name: quorate\n    namespace: quorate-system\n";
        let accounts = REPLICAS
            .map(|name| account.replace("quorate\n    namesp", &format!("{name}\n    namesp")));
        stage.cluster.apply(&ROLES.replace(account, &accounts.concat()));
        let stream = Stream::start(&stage.cluster, PODS_PER_SECOND, CPU);
        let mut replicas = Self { stage, processes: BTreeMap::new(), stream };
        for name in REPLICAS {
            replicas.start_replica(name);
        }
        replicas
    }

    fn start_replica(&mut self, name: &'static str) {
        let kubeconfig = self.stage.plane.kubeconfig(name);
        let arguments = ["run", "--kubeconfig", kubeconfig.to_str().unwrap(), "--http-port", "0"];
        let mut process = self.stage.plane.start_quorate(&arguments);
        process.wait_for_line("All kinds are synced.", SOON);
        self.processes.insert(name, process);
    }

    /// The replica that binds pods at present, none of those that did before.
    fn leader(&self, before: &[&str]) -> &'static str {
        wait_for("a leader that binds", SOON, || {
            let entries = self.stage.plane.audit();
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
        let entries = self.stage.plane.wait_for_audit(1, SOON, |entry| {
            entry.is_binding() && entry.code == 201 && !is_by(entry, old) && entry.received > from
        });
        Duration::try_from(entries[0].received - from).unwrap()
    }

    /// Ends the stream of pods and judges.
    fn finish(self) -> Verdict {
        self.stream.end();
        let mut verdict = self.stage.verdict();
        if verdict.forbidden > 0 {
            verdict.broken.push(format!("{} requests were forbidden", verdict.forbidden));
        }
        verdict
    }
}

fn is_by(entry: &AuditEntry, replica: &str) -> bool {
    entry.user == format!("system:serviceaccount:quorate-system:{replica}")
}

/// Whether the request writes something other than the lease.
fn writes(entry: &AuditEntry) -> bool {
    !matches!(entry.verb.as_str(), "get" | "list" | "watch") && entry.resource != "leases"
}

/// Pauses the leader beyond its lease and lets it go on.
pub fn paused() -> Paused {
    let mut replicas = Replicas::start();
    let old = replicas.leader(&[]);
    thread::sleep(CALM);
    let (paused, start) = (Timestamp::now(), Instant::now());
    replicas.process(old).signal(Signal::Stop);
    let taken_over = replicas.take_over(paused, old);
    thread::sleep(PAUSE.saturating_sub(start.elapsed()));
    replicas.process(old).signal(Signal::Continue);
    let status = replicas.process(old).wait_for_exit(SOON);
    thread::sleep(Duration::from_secs(2));
    let late = late_writes(&replicas.stage.plane.audit(), old, paused);

    let verdict = replicas.finish();
    let mut broken = verdict.broken.clone();
    broken.extend(late.iter().map(|entry| format!("the old leader wrote: {entry:?}")));
    in_time(&mut broken, "the pause", taken_over, TAKE_OVER_MAX);
    if status.code() != Some(1) {
        broken.push(format!("the old leader ended with {status} after it had lost its lease"));
    }
    Paused {
        take_over_seconds: taken_over.as_secs_f64(),
        late_writes: late.len(),
        exit_code: status.code(),
        verdict,
        broken,
    }
}

/// What the old leader wrote after the first write of another one, the lease included.
fn late_writes(audit: &[AuditEntry], old: &str, paused: Timestamp) -> Vec<AuditEntry> {
    let by_others = audit.iter().filter(|entry| !is_by(entry, old) && entry.received > paused);
    let of_replicas = by_others.filter(|e| REPLICAS.iter().any(|name| is_by(e, name)));
    let first = of_replicas.filter(|entry| writes(entry)).map(|entry| entry.received).min();
    let first = first.expect("another one has taken over");
    let late = audit.iter().filter(|entry| is_by(entry, old) && entry.received >= first);
    late.filter(|entry| {
        let took_lease = entry.resource == "leases" && entry.verb != "get" && entry.code < 300;
        writes(entry) || took_lease
    })
    .cloned()
    .collect()
}

/// Asks the leader to end, and kills the next one.
pub fn replaced() -> Replaced {
    let mut replicas = Replicas::start();
    let first = replicas.leader(&[]);
    thread::sleep(CALM);
    let mut broken = Vec::new();
    let idle_writes = idle_writes(&replicas, first, &mut broken);

    let asked = Timestamp::now();
    let status = replicas.process(first).end(Signal::Term);
    if status.code() != Some(0) {
        broken.push(format!("the leader ended with {status} when asked to"));
    }
    let handed_over = replicas.take_over(asked, first);
    in_time(&mut broken, "SIGTERM", handed_over, HAND_OVER_MAX);
    let second = replicas.leader(&[first]);
    let lease = replicas.stage.cluster.get::<Lease>("kube-system", "quorate").unwrap();
    let lease = lease.spec.unwrap();

    thread::sleep(CALM);
    let killed = Timestamp::now();
    replicas.process(second).end(Signal::Kill);
    let taken_over = replicas.take_over(killed, second);
    in_time(&mut broken, "SIGKILL", taken_over, TAKE_OVER_MAX);
    replicas.leader(&[first, second]);
    let verdict = replicas.finish();
    broken.extend(verdict.broken.iter().cloned());
    Replaced {
        hand_over_seconds: handed_over.as_secs_f64(),
        take_over_seconds: taken_over.as_secs_f64(),
        idle_writes,
        transitions: lease.lease_transitions,
        verdict,
        broken,
    }
}

/// Those who stand by write nothing, and look at the lease.
fn idle_writes(replicas: &Replicas, leader: &str, broken: &mut Vec<String>) -> usize {
    let entries = replicas.stage.plane.audit();
    let mut idle = 0;
    for name in REPLICAS.into_iter().filter(|name| *name != leader) {
        let written = entries.iter().filter(|entry| is_by(entry, name) && writes(entry)).count();
        if written > 0 {
            broken.push(format!("{name} wrote {written} times while it stood by"));
        }
        if !entries.iter().any(|entry| is_by(entry, name) && entry.resource == "leases") {
            broken.push(format!("{name} does not look at the lease"));
        }
        idle += written;
    }
    idle
}

fn in_time(broken: &mut Vec<String>, after: &str, taken: Duration, limit: Duration) {
    if taken >= limit {
        broken.push(format!("taken over {taken:?} after {after}, later than {limit:?}"));
    }
}
