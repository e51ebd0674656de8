//! What a placement risks: how many quorums the loss of hosts and domains takes.
//!
//! Groups that tolerate nothing are lost with every host of theirs, wherever it is, so that they
//! say nothing of a placement; they are left out.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use crate::snapshot::NodeIndex;

/// Draws for figures that are sampled: an error of about one in a hundred at most.
const SAMPLES: u32 = 10_000;

/// Of a normal distribution, 95 of 100 lie within so many standard deviations.
const Z_95: f64 = 1.96;

/// The voters of one group, host by host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupHosts {
    pub members: BTreeMap<NodeIndex, u32>,
    /// How many voters may be gone; more than none.
    pub tolerance: u32,
}

/// The figures of one placement.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Risk {
    /// How many hosts there are, and how many groups that tolerate something.
    pub hosts: usize,
    pub groups: usize,
    /// How many quorums are lost on average when one, two or three hosts are, drawn at random.
    pub expected_lost_one_host: f64,
    pub expected_lost_two_hosts: f64,
    pub expected_lost_three_hosts: f64,
    /// How likely it is that any quorum is lost.
    pub p_any_lost_one_host: f64,
    pub p_any_lost_two_hosts: f64,
    pub p_any_lost_three_hosts: Sampled,
    /// How many pairs of hosts take a quorum together.
    pub copysets: usize,
    /// With how many other hosts a host shares groups.
    pub scatter_width_mean: f64,
    pub scatter_width_max: usize,
}

/// A figure that was sampled, with the bounds within which it lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampled {
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub samples: u32,
}

impl Risk {
    /// The figures of these groups on so many hosts.
    pub fn of(groups: &[GroupHosts], hosts: &[NodeIndex], seed: u64) -> Self {
        let expected = |lost| groups.iter().map(|group| lost_with(group, lost, hosts.len())).sum();
        let pairs = killing_pairs(groups, hosts);
        let widths = scatter_widths(groups);
        let alone = groups.iter().flat_map(killers).collect::<BTreeSet<_>>();
        Self {
            hosts: hosts.len(),
            groups: groups.len(),
            expected_lost_one_host: expected(1),
            expected_lost_two_hosts: expected(2),
            expected_lost_three_hosts: expected(3),
            p_any_lost_one_host: ratio(alone.len() as f64, hosts.len() as f64),
            p_any_lost_two_hosts: ratio(pairs as f64, choose(hosts.len(), 2)),
            p_any_lost_three_hosts: any_lost_with_three(groups, hosts, seed),
            copysets: pairs,
            scatter_width_mean: ratio(widths.values().sum::<usize>() as f64, hosts.len() as f64),
            scatter_width_max: widths.values().copied().max().unwrap_or(0),
        }
    }
}

/// How likely a group is lost when `lost` of `hosts` hosts are, drawn at random. Exact.
pub fn lost_with(group: &GroupHosts, lost: usize, hosts: usize) -> f64 {
    if lost > hosts {
        return 0.0;
    }
    // ways[j][x]: how many choices of j hosts of the group take x members.
    let members: usize = group.members.values().map(|count| *count as usize).sum();
    let mut ways = vec![vec![0.0; members + 1]; lost + 1];
    ways[0][0] = 1.0;
    for count in group.members.values().map(|count| *count as usize) {
        for chosen in (0..lost).rev() {
            for taken in (0..=members - count).rev() {
                let more = ways[chosen][taken];
                ways[chosen + 1][taken + count] += more;
            }
        }
    }
    let others = hosts - group.members.len();
    let deadly = ways.iter().enumerate().map(|(chosen, by_taken)| {
        let killing: f64 = by_taken.iter().skip(group.tolerance as usize + 1).sum();
        killing * choose(others, lost - chosen)
    });
    ratio(deadly.sum(), choose(hosts, lost))
}

/// The hosts that take the quorum of a group alone.
fn killers(group: &GroupHosts) -> impl Iterator<Item = NodeIndex> + '_ {
    let all = group.members.iter();
    all.filter(|(_, count)| **count > group.tolerance).map(|(host, _)| *host)
}

/// How many pairs of hosts take a quorum, those of which one host would do included.
fn killing_pairs(groups: &[GroupHosts], hosts: &[NodeIndex]) -> usize {
    let alone: BTreeSet<NodeIndex> = groups.iter().flat_map(killers).collect();
    let mut together = BTreeSet::new();
    for group in groups {
        let members: Vec<(NodeIndex, u32)> =
            group.members.iter().map(|(host, count)| (*host, *count)).collect();
        for (place, (one, own)) in members.iter().enumerate() {
            for (other, more) in &members[place + 1..] {
                let deadly = own + more > group.tolerance;
                if deadly && !alone.contains(one) && !alone.contains(other) {
                    together.insert((*one, *other));
                }
            }
        }
    }
    let rest = hosts.len().saturating_sub(alone.len());
    let with_killers = alone.len() * rest + alone.len() * alone.len().saturating_sub(1) / 2;
    together.len() + with_killers
}

/// With how many others each host shares groups.
pub fn scatter_widths(groups: &[GroupHosts]) -> BTreeMap<NodeIndex, usize> {
    let mut peers: BTreeMap<NodeIndex, BTreeSet<NodeIndex>> = BTreeMap::new();
    for group in groups {
        for host in group.members.keys() {
            let others = group.members.keys().filter(|other| *other != host);
            peers.entry(*host).or_default().extend(others);
        }
    }
    peers.into_iter().map(|(host, peers)| (host, peers.len())).collect()
}

fn any_lost_with_three(groups: &[GroupHosts], hosts: &[NodeIndex], seed: u64) -> Sampled {
    let mut on_host: BTreeMap<NodeIndex, Vec<(usize, u32)>> = BTreeMap::new();
    for (place, group) in groups.iter().enumerate() {
        for (host, count) in &group.members {
            on_host.entry(*host).or_default().push((place, *count));
        }
    }
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut lost = 0;
    for _ in 0..SAMPLES {
        let drawn = sample(&mut chance, hosts.len(), hosts.len().min(3));
        let mut taken: BTreeMap<usize, u32> = BTreeMap::new();
        for host in drawn.iter().filter_map(|place| on_host.get(&hosts[place])) {
            host.iter().for_each(|(group, count)| *taken.entry(*group).or_default() += count);
        }
        lost += u32::from(taken.iter().any(|(group, taken)| *taken > groups[*group].tolerance));
    }
    Sampled::wilson(lost, SAMPLES)
}

impl Sampled {
    /// Wilson's interval, which holds for shares near 0 and 1, too.
    fn wilson(hits: u32, samples: u32) -> Self {
        let (hits, n) = (f64::from(hits), f64::from(samples));
        let value = hits / n;
        let z2 = Z_95 * Z_95;
        let middle = (value + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let spread =
            Z_95 / (1.0 + z2 / n) * (value * (1.0 - value) / n + z2 / (4.0 * n * n)).sqrt();
        Self { value, low: (middle - spread).max(0.0), high: (middle + spread).min(1.0), samples }
    }
}

/// How many choices there are of so many out of all.
fn choose(all: usize, chosen: usize) -> f64 {
    if chosen > all {
        return 0.0;
    }
    (0..chosen).map(|i| (all - i) as f64 / (i + 1) as f64).product()
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
