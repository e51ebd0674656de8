//! The scheduler is killed again and again while it binds.

use std::collections::BTreeSet;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::daemon::Daemon;
use super::judge::{self, Verdict};
use super::proxy::{Call, Exchange, Fault, Proxy, Rule};
use super::stage::{Stage, pods};
use crate::control_plane::{Change, Signal, State, wait_for};

const SOON: Duration = Duration::from_secs(60);
/// 20 nodes take 26 pods of 150m each: 500 pods leave little to spare.
const NODES: u32 = 20;
const CPU: &str = "150m";
/// The lease of a killed scheduler has to expire before the next one may bind. These are a third
/// of the defaults or less, so that twenty kills take minutes and not a quarter of an hour.
const LEASE: [&str; 3] = [
    "--leader-elect-lease-duration=5s",
    "--leader-elect-renew-deadline=4s",
    "--leader-elect-retry-period=500ms",
];
/// A random moment lies within this time after the first binding of a life.
const RANDOM_MAX: Duration = Duration::from_millis(120);
/// As many answers as are held back at most before a kill.
const HELD_MAX: u32 = 8;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How often the scheduler is killed.
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// How many pods there are in all.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=520))]
    pub pods: u32,
    /// Chooses the moments.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub pods: u32,
    pub kills: u32,
    /// Kills that came when a binding had been carried out and its answer was still on its way.
    pub mid_post: usize,
    /// The bindings whose answer never arrived by that.
    pub unanswered: usize,
    #[serde(flatten)]
    pub verdict: Verdict,
    pub broken: Vec<String>,
}

/// The end of one life of the scheduler.
struct Kill {
    before: Timestamp,
    after: Timestamp,
}

pub fn run(args: &Args) -> Report {
    let stage = Stage::set(NODES);
    let proxy = Proxy::start(&stage.plane);
    let kubeconfig = stage.kubeconfig_through(&proxy);
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let mut kills = Vec::new();
    for life in 0..args.kills {
        let mut daemon = Daemon::start(&stage.plane, &kubeconfig, &LEASE);
        daemon.wait_until_it_leads();
        let pods = share(args, life);
        // Every other kill waits for answers that the proxy holds back.
        let kill = match life % 2 {
            0 => kill_with_held_answers(&stage, &proxy, &mut daemon, pods, &mut random),
            _ => kill_at_random(&stage, &proxy, &mut daemon, pods, &mut random),
        };
        kills.push(kill);
        proxy.set(&[]);
    }
    let _daemon = Daemon::start(&stage.plane, &kubeconfig, &LEASE);
    stage.cluster.create_all(&pods("p", share(args, args.kills), CPU));
    report(args, &stage, &proxy, &kills)
}

/// The pods of one life; the last life gets the rest.
fn share(args: &Args, life: u32) -> Range<u32> {
    let lives = args.kills + 1;
    let at = |life: u32| args.pods * life / lives;
    at(life)..at(life + 1)
}

fn kill_with_held_answers(
    stage: &Stage,
    proxy: &Proxy,
    daemon: &mut Daemon,
    numbers: Range<u32>,
    random: &mut ChaCha8Rng,
) -> Kill {
    let count = u32::try_from(numbers.len()).unwrap();
    let held = random.random_range(1..=HELD_MAX.min(count));
    let skipped = random.random_range(1..=3.min(count / held).max(1));
    proxy.set(&[Rule { call: Call::Bind, fault: Fault::HoldReply, every: skipped, left: held }]);
    let before = waiting(proxy);
    stage.cluster.create_all(&pods("p", numbers, CPU));
    wait_for("bindings whose answers are held", SOON, || {
        (waiting(proxy) >= before + held as usize).then_some(())
    });
    kill(daemon)
}

/// How many answers were ever held back.
fn waiting(proxy: &Proxy) -> usize {
    let held = |exchange: &&Exchange| {
        exchange.fault == Some(Fault::HoldReply) && exchange.answered.is_some()
    };
    proxy.exchanges().iter().filter(held).count()
}

fn kill_at_random(
    stage: &Stage,
    proxy: &Proxy,
    daemon: &mut Daemon,
    numbers: Range<u32>,
    random: &mut ChaCha8Rng,
) -> Kill {
    let before = proxy.bindings();
    let cluster = stage.cluster.clone();
    let creator = thread::spawn(move || cluster.create_all(&pods("p", numbers, CPU)));
    wait_for("a binding", SOON, || (proxy.bindings() > before).then_some(()));
    thread::sleep(random.random_range(Duration::ZERO..RANDOM_MAX));
    let kill = kill(daemon);
    creator.join().unwrap();
    kill
}

fn kill(daemon: &mut Daemon) -> Kill {
    let before = Timestamp::now();
    daemon.process.end(Signal::Kill);
    Kill { before, after: Timestamp::now() }
}

fn report(args: &Args, stage: &Stage, proxy: &Proxy, kills: &[Kill]) -> Report {
    let verdict = stage.verdict();
    let history = stage.history.so_far(&stage.cluster);
    let landed = landed(&history);
    let exchanges = proxy.exchanges();
    let unanswered: Vec<(usize, &Exchange)> = exchanges
        .iter()
        .filter(|exchange| landed.contains(&*exchange.pod))
        .filter_map(|exchange| {
            Some((kills.iter().position(|kill| is_between(exchange, kill))?, exchange))
        })
        .collect();
    // The API server must have seen them, too.
    let audit = stage.plane.audit();
    let logged: BTreeSet<String> = audit
        .iter()
        .filter(|entry| entry.is_binding() && judge::is_ours(entry))
        .map(|entry| format!("{}/{}", entry.namespace, entry.name))
        .collect();
    let hit: BTreeSet<usize> = unanswered.iter().map(|(kill, _)| *kill).collect();
    let mut broken = verdict.broken.clone();
    if hit.is_empty() && !kills.is_empty() {
        broken.push("no kill came between a binding and its answer".to_owned());
    }
    let unseen = unanswered.iter().filter(|(_, exchange)| !logged.contains(&exchange.pod));
    broken.extend(unseen.map(|(_, exchange)| format!("no audit of a binding of {}", exchange.pod)));
    Report {
        pods: args.pods,
        kills: u32::try_from(kills.len()).unwrap(),
        mid_post: hit.len(),
        unanswered: unanswered.len(),
        verdict,
        broken,
    }
}

/// The binding was carried out, and its answer could not arrive before the kill.
fn is_between(exchange: &Exchange, kill: &Kill) -> bool {
    let carried_out = exchange.answered.is_some_and(|(_, code)| code == 201);
    let told = exchange.told.is_some_and(|(at, _)| at < kill.after);
    exchange.call == Call::Bind && carried_out && !told && exchange.asked < kill.before
}

/// The pods that have been bound.
fn landed(history: &[Change]) -> BTreeSet<&str> {
    let bound = history.iter().filter(|change| match &change.state {
        State::Pod(pod) => !pod.node.is_empty(),
        _ => false,
    });
    bound.map(|change| change.name.as_str()).collect()
}
