//! Bindings through a proxy that loses, delays, breaks and forges: in doubt a fence decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde::Serialize;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::judge::{self, Verdict};
use super::proxy::{Call, Exchange, Fault, Proxy, Rule};
use super::stage::{HEALED_MAX, NAMESPACE, Stage, pods};
use crate::control_plane::{AuditEntry, Cluster, wait_for};

const NODES: u32 = 30;
const CPU: &str = "100m";
/// No call of the binding machine waits longer for its answer.
const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// So many nodes become unusable under the eyes of each phase, so that a pod has to go elsewhere.
const CORDONED_MAX: usize = 4;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How many pods meet each fault.
    #[arg(long, default_value_t = 12)]
    pub pods: u32,
    /// Leaves out the watch that hangs, which takes two minutes.
    #[arg(long)]
    pub quick: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub phases: Vec<Phase>,
    /// How long after all watches hung a new pod was bound.
    pub half_open_seconds: Option<f64>,
    /// The metric `quorate_bind_unknown_total`.
    pub unknown: f64,
    /// Bindings whose outcome the scheduler could not know, by the proxy's account.
    pub in_doubt: usize,
    /// Fences that the API server carried out, and that it refused because the pod had moved on.
    pub fences: usize,
    pub fences_refused: usize,
    /// Bindings that the API server refused because of their preconditions.
    pub bindings_refused: usize,
    /// Pods that were posted to another node after a binding in doubt.
    pub second_nodes: usize,
    /// Those of them for which there is no fence in between.
    pub unfenced: usize,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub broken: Vec<String>,
}

/// What one fault did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    pub fault: String,
    /// How often it struck.
    pub struck: usize,
    /// How long it took until all of its pods were bound.
    pub seconds: f64,
}

pub fn run(args: &Args) -> Report {
    let stage = Stage::set(NODES);
    let proxy = Proxy::start(&stage.plane);
    let mut daemon = Daemon::start(&stage.plane, &stage.kubeconfig_through(&proxy), &[]);
    daemon.wait_until_it_leads();
    let mut phases = Vec::new();
    for (number, (name, rules)) in faults(args.pods).into_iter().enumerate() {
        phases.push(meet(&stage, &proxy, number, name, &rules, args.pods));
    }
    let half_open_seconds = (!args.quick).then(|| hang(&stage, &proxy));
    report(&stage, &proxy, &daemon, phases, half_open_seconds)
}

/// Every fault of bindings, and some of the calls that settle them.
fn faults(pods: u32) -> Vec<(&'static str, Vec<Rule>)> {
    let half = |call: Call, fault: Fault| Rule { call, fault, every: 2, left: pods / 2 };
    let bind = |fault: Fault| vec![half(Call::Bind, fault)];
    let late = CALL_DEADLINE + Duration::from_millis(500);
    let soon = CALL_DEADLINE / 2;
    let both = |bind: Fault, fence: Fault| vec![half(Call::Bind, bind), half(Call::Fence, fence)];
    vec![
        ("lost reply", bind(Fault::LoseReply)),
        ("no reply in time", bind(Fault::HoldReply)),
        ("lost request", bind(Fault::LoseRequest)),
        ("late reply", bind(Fault::DelayReply(soon))),
        ("late request", bind(Fault::DelayRequest(late))),
        ("reset before", bind(Fault::ResetBefore)),
        ("reset after", bind(Fault::ResetAfter)),
        ("cut reply", bind(Fault::CutReply)),
        ("slow reply", bind(Fault::SlowReply(Duration::from_millis(3)))),
        ("very slow reply", bind(Fault::SlowReply(Duration::from_millis(15)))),
        ("429", bind(Fault::Throttle)),
        ("503 before", bind(Fault::FailBefore(503))),
        ("500 after", bind(Fault::FailAfter(500))),
        ("504 after", bind(Fault::FailAfter(504))),
        ("lost reply, lost fence reply", both(Fault::LoseReply, Fault::LoseReply)),
        ("lost request, reset fence", both(Fault::LoseRequest, Fault::ResetBefore)),
        ("late request, 503 after fence", {
            both(Fault::DelayRequest(late), Fault::FailAfter(503))
        }),
    ]
}

fn meet(
    stage: &Stage,
    proxy: &Proxy,
    number: usize,
    name: &str,
    rules: &[Rule],
    count: u32,
) -> Phase {
    let before = proxy.exchanges().len();
    proxy.set(rules);
    let start = Instant::now();
    let cordoner = Cordoner::start(&stage.cluster, proxy, before);
    stage.cluster.create_all(&pods(&format!("f{number}-"), 0..count, CPU));
    wait_for(name, HEALED_MAX, || {
        let pods = stage.cluster.list::<k8s_openapi::api::core::v1::Pod>(NAMESPACE);
        pods.iter().all(|pod| pod.spec.as_ref().unwrap().node_name.is_some()).then_some(())
    });
    let seconds = start.elapsed().as_secs_f64();
    proxy.set(&[]);
    cordoner.end();
    // What arrives late shall do so before the next fault.
    thread::sleep(Duration::from_secs(1));
    let exchanges = proxy.exchanges();
    let struck = exchanges[before..].iter().filter(|exchange| exchange.fault.is_some()).count();
    Phase { fault: name.to_owned(), struck, seconds }
}

/// Makes the nodes of bindings in doubt unusable while they are in doubt.
struct Cordoner {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Cordoner {
    fn start(cluster: &Cluster, proxy: &Proxy, skip: usize) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (cluster, proxy, ended) = (cluster.clone(), proxy.clone(), enough.clone());
        let thread = thread::spawn(move || {
            let mut cordoned = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                for exchange in proxy.exchanges().split_off(skip) {
                    let in_doubt = exchange.call == Call::Bind && exchange.fault.is_some();
                    if in_doubt
                        && cordoned.len() < CORDONED_MAX
                        && cordoned.insert(exchange.node.clone())
                    {
                        set_unschedulable(&cluster, &exchange.node, true);
                    }
                }
                thread::sleep(Duration::from_millis(10));
            }
            for node in cordoned {
                set_unschedulable(&cluster, &node, false);
            }
        });
        Self { enough, thread }
    }

    fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn set_unschedulable(cluster: &Cluster, node: &str, value: bool) {
    cluster.patch::<Node>("", node, &json!({"spec": {"unschedulable": value}}));
}

/// All watches hang, and pods come; returns how long the first of them waited.
fn hang(stage: &Stage, proxy: &Proxy) -> f64 {
    /// A silent watch is opened again after 90 s.
    const HANGING_MAX: Duration = Duration::from_secs(120);
    proxy.freeze_watches();
    let start = Instant::now();
    stage.cluster.create_all(&pods("hung-", 0..5, CPU));
    stage.cluster.wait_until_bound(NAMESPACE, "hung-0", HANGING_MAX);
    start.elapsed().as_secs_f64()
}

fn report(
    stage: &Stage,
    proxy: &Proxy,
    daemon: &Daemon,
    phases: Vec<Phase>,
    half_open_seconds: Option<f64>,
) -> Report {
    let verdict = stage.verdict();
    let (audit, exchanges) = (stage.plane.audit(), proxy.exchanges());
    let fences: Vec<&AuditEntry> = audit.iter().filter(|entry| is_fence(entry)).collect();
    let (second_nodes, unfenced) = second_nodes(&exchanges, &fences);
    let unknown = daemon.metric("quorate_bind_unknown_total", "");
    let mut broken = verdict.broken.clone();
    broken.extend(unfenced.iter().map(|pod| format!("{pod} went elsewhere without a fence")));
    if unknown < 1.0 {
        broken.push("no binding was in doubt".to_owned());
    }
    if second_nodes == 0 {
        broken.push("no pod had to go to another node".to_owned());
    }
    let idle = phases.iter().filter(|phase| phase.struck == 0);
    broken.extend(idle.map(|phase| format!("{} never struck", phase.fault)));
    let refused = audit.iter().filter(|entry| entry.is_binding() && entry.code == 409).count();
    let with_code = |code: u16| fences.iter().filter(|fence| fence.code == code).count();
    Report {
        phases,
        half_open_seconds,
        unknown,
        in_doubt: exchanges.iter().filter(|exchange| is_in_doubt(exchange)).count(),
        fences: with_code(200),
        fences_refused: with_code(409),
        bindings_refused: refused,
        second_nodes,
        unfenced: unfenced.len(),
        verdict,
        broken,
    }
}

fn is_fence(entry: &AuditEntry) -> bool {
    let nominated = |body: &Value| body.pointer("/status/nominatedNodeName").is_some();
    entry.verb == "patch"
        && entry.subresource == "status"
        && judge::is_ours(entry)
        && entry.request.as_ref().is_some_and(nominated)
}

/// A binding that had no answer, or one that does not tell what became of it.
fn is_in_doubt(exchange: &Exchange) -> bool {
    exchange.call == Call::Bind && exchange.told.is_none_or(|(_, code)| code >= 500)
}

/// The number of pods that were posted to another node after a binding in doubt, and those for
/// which the API server carried out no fence in between.
fn second_nodes(exchanges: &[Exchange], fences: &[&AuditEntry]) -> (usize, BTreeSet<String>) {
    let mut of_pod: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.call == Call::Bind) {
        of_pod.entry(&exchange.pod).or_default().push(exchange);
    }
    let fenced = |pod: &str, from: Timestamp, to: Timestamp| {
        fences.iter().any(|fence| {
            let same = format!("{}/{}", fence.namespace, fence.name) == pod;
            same && fence.code == 200 && fence.received > from && fence.received < to
        })
    };
    let (mut moved, mut unfenced) = (BTreeSet::new(), BTreeSet::new());
    for (pod, posts) in of_pod {
        for (index, doubtful) in posts.iter().enumerate().filter(|(_, post)| is_in_doubt(post)) {
            for next in posts[index + 1..].iter().filter(|next| next.node != doubtful.node) {
                moved.insert(pod);
                if !fenced(pod, doubtful.asked, next.asked) {
                    unfenced.insert(pod.to_owned());
                }
            }
        }
    }
    (moved.len(), unfenced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(second: i64, node: &str, told: Option<u16>) -> Exchange {
        let at = |second| Timestamp::from_second(second).unwrap();
        Exchange {
            call: Call::Bind,
            pod: "db/a".into(),
            node: node.into(),
            fault: None,
            asked: at(second),
            answered: None,
            told: told.map(|code| (at(second + 1), code)),
        }
    }

    #[test]
    fn another_node_after_a_doubt_needs_a_fence_in_between() {
        let check = |posts: &[Exchange], expected: (usize, usize)| {
            let (moved, unfenced) = second_nodes(posts, &[]);
            assert_eq!((moved, unfenced.len()), expected);
        };
        check(&[post(1, "n1", None), post(9, "n2", Some(201))], (1, 1));
        check(&[post(1, "n1", Some(503)), post(9, "n2", Some(201))], (1, 1));
        check(&[post(1, "n1", None), post(9, "n1", Some(201))], (0, 0));
        check(&[post(1, "n1", Some(409)), post(9, "n2", Some(201))], (0, 0));
    }
}
