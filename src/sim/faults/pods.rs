//! The nodes and pods of a plan: database groups that keep apart, single pods, and those of others.

use super::dice::Dice;
use crate::api;
use crate::config::SCHEDULER_NAME;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

/// The schedulerName of our pods, and of those of the other scheduler.
pub const OURS: &str = SCHEDULER_NAME;
pub const FOREIGN: &str = "default-scheduler";

pub const HOST: &str = "kubernetes.io/hostname";
pub const ZONE: &str = "topology.kubernetes.io/zone";
const DISK: &str = "disk";
const NODES: (u64, u64) = (3, 50);
const PODS: (u64, u64) = (20, 200);
const MEMBERS: (u64, u64) = (3, 9);

/// Pods that belong together.
#[derive(Clone, Debug)]
pub struct Members {
    pub name: String,
    pub foreign: bool,
    pub pods: Vec<api::Pod>,
}

/// What a pod asks for.
#[derive(Clone, Copy, Debug)]
struct Size {
    milli_cpu: u64,
    mebibytes: u64,
}

/// Small clusters are more frequent: there pods get in each other's way.
pub fn nodes(dice: &mut Dice) -> Vec<api::Node> {
    let count = skewed(dice, NODES);
    let zones = dice.range(1, 5);
    (0..count).map(|number| new_node(number, zones, dice).build()).collect()
}

/// The pods that come, up to so many that some find no room.
pub fn pods(dice: &mut Dice, nodes: &[api::Node]) -> Vec<Members> {
    let amounts = nodes.iter().filter_map(|node| node.status.allocatable.get("cpu"));
    let offered: i64 = amounts.map(|amount| amount.milli_value()).sum();
    let mut room = u64::try_from(offered).unwrap_or(0) * dice.range(40, 130) / 100;
    let most = skewed(dice, PODS);
    let (mut all, mut count) = (Vec::new(), 0);
    while count < most && room > 0 {
        let group = match dice.range(0, 9) {
            0..4 => database(all.len(), dice),
            4..8 => single(all.len(), dice),
            _ => foreign(all.len(), dice),
        };
        count += group.1.pods.len() as u64;
        room = room.saturating_sub(group.0);
        all.push(group.1);
    }
    all
}

/// A pod of another scheduler that stands on a node from the start.
pub fn placed(number: usize, node: &api::Node, dice: &mut Dice) -> api::Pod {
    let size = Size { milli_cpu: dice.range(1, 8) * 100, mebibytes: dice.range(1, 4) * 256 };
    let pod = new_pod(&format!("placed-{number}"), size).scheduler_name(FOREIGN);
    pod.on(&node.metadata.name).phase("Running").build()
}

/// The next state of a node to which something happens, or none if it is deleted.
pub fn flapped(node: &api::Node, dice: &mut Dice) -> Option<api::Node> {
    let mut node = node.clone();
    match dice.range(0, 5) {
        0 => return None,
        1 => node.spec.unschedulable = !node.spec.unschedulable,
        2 if node.spec.taints.is_empty() => node = tainted(node, "flap"),
        2 => node.spec.taints.clear(),
        3 => node = relabelled(node, ZONE, &format!("zone-{}", dice.range(0, 2))),
        4 => {
            let disk = if dice.permille(500) { "ssd" } else { "hdd" };
            node = relabelled(node, DISK, disk);
        }
        _ => {
            let cpu = format!("{}m", dice.range(5, 80) * 100);
            let room = crate::model::Quantity::parse(&cpu).ok()?;
            node.status.allocatable.insert("cpu".into(), room);
        }
    }
    Some(node)
}

fn new_node(number: u64, zones: u64, dice: &mut Dice) -> NodeBuilder {
    let name = format!("node-{number}");
    let cpu = dice.pick(&["2", "4", "8"]).copied().unwrap_or("4");
    let memory = dice.pick(&["4Gi", "8Gi", "16Gi"]).copied().unwrap_or("8Gi");
    let zone = format!("zone-{}", number % zones);
    let disk = if dice.permille(400) { "ssd" } else { "hdd" };
    let pods = dice.range(5, 30).to_string();
    let mut node = node(&name)
        .labels(&[(ZONE, &zone), (DISK, disk)])
        .allocatable(&[("cpu", cpu), ("memory", memory), ("pods", &pods)])
        .with(|node| node.metadata.uid = format!("{name}-0").into());
    if dice.permille(120) {
        node = node.taint("dedicated", "db", "NoSchedule");
    }
    node
}

/// Members that keep apart from each other. With what they ask for altogether.
fn database(number: usize, dice: &mut Dice) -> (u64, Members) {
    let name = format!("db-{number}");
    let count = dice.range(MEMBERS.0, MEMBERS.1);
    let size = size(dice);
    let labels = [("app", name.as_str())];
    let (hosts, zones) = (dice.permille(700), dice.permille(150));
    let (spread, skew) = (dice.permille(500), i32::try_from(dice.range(1, 2)).unwrap_or(1));
    let (tolerates, ssd, priority) = (dice.permille(400), dice.permille(150), priority(dice));
    let member = |number: u64| {
        let mut pod = new_pod(&format!("{name}-{number}"), size).labels(&labels);
        if hosts {
            pod = pod.anti_affinity(HOST, &labels);
        }
        if zones {
            pod = pod.anti_affinity(ZONE, &labels);
        }
        if spread {
            pod = pod.spread(skew, ZONE, "DoNotSchedule", &labels);
        }
        if tolerates {
            pod = pod.toleration("dedicated", "Equal", "db", "NoSchedule");
        }
        if ssd {
            pod = pod.node_selector(&[(DISK, "ssd")]);
        }
        pod.priority(priority).build()
    };
    let pods = (0..count).map(member).collect();
    (size.milli_cpu * count, Members { name, foreign: false, pods })
}

fn single(number: usize, dice: &mut Dice) -> (u64, Members) {
    let name = format!("app-{number}");
    let size = size(dice);
    let mut pod = new_pod(&name, size).labels(&[("app", "single")]).priority(priority(dice));
    if dice.permille(150) {
        let port = i32::try_from(dice.range(7000, 7003)).unwrap_or(7000);
        pod = pod.host_port("", "TCP", port);
    }
    if dice.permille(200) {
        // Away from the members of some database.
        let other = format!("db-{}", dice.range(0, 8));
        pod = pod.anti_affinity(HOST, &[("app", &other)]);
    }
    if dice.permille(150) {
        pod = pod.node_selector(&[(DISK, "ssd")]);
    }
    (size.milli_cpu, Members { name, foreign: false, pods: vec![pod.build()] })
}

fn foreign(number: usize, dice: &mut Dice) -> (u64, Members) {
    let name = format!("other-{number}");
    let size = size(dice);
    let one = |number: u64| {
        let pod = new_pod(&format!("{name}-{number}"), size).labels(&[("app", "other")]);
        pod.scheduler_name(FOREIGN).build()
    };
    let count = dice.range(1, 4);
    let pods = (0..count).map(one).collect();
    (size.milli_cpu * count, Members { name, foreign: true, pods })
}

fn new_pod(name: &str, size: Size) -> PodBuilder {
    let cpu = format!("{}m", size.milli_cpu);
    let memory = format!("{}Mi", size.mebibytes);
    pod(name)
        .scheduler_name(OURS)
        .requests(&[("cpu", &cpu), ("memory", &memory)])
        .phase("Pending")
        .with(|pod| pod.metadata.uid = format!("{name}.0").into())
}

fn size(dice: &mut Dice) -> Size {
    let milli_cpu = dice.pick(&[100, 250, 500, 1000, 1800]).copied().unwrap_or(500);
    let mebibytes = dice.pick(&[128, 256, 512, 1024, 3000]).copied().unwrap_or(512);
    Size { milli_cpu, mebibytes }
}

fn priority(dice: &mut Dice) -> i32 {
    dice.pick(&[0, 0, 0, 100, 1000]).copied().unwrap_or(0)
}

fn tainted(mut node: api::Node, key: &str) -> api::Node {
    let effect = "NoSchedule".into();
    node.spec.taints.push(crate::model::Taint { key: key.into(), value: "".into(), effect });
    node
}

fn relabelled(mut node: api::Node, key: &str, value: &str) -> api::Node {
    let old = node.metadata.labels.clone();
    let kept = old.iter().filter(|(other, _)| ***other != *key);
    let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
    node.metadata.labels = kept.chain([(key.into(), value.into())]).collect();
    node
}

/// Between the two, the smaller the more often.
fn skewed(dice: &mut Dice, (least, most): (u64, u64)) -> u64 {
    let part = dice.range(0, 1000);
    least + (most - least) * part * part / 1_000_000
}
