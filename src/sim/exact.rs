//! The least that any placement can do: a search over all placements that the filters leave, for
//! one in which fewest quorums hang on one domain.
//!
//! It counts domains and quorums by itself, so that it can be held against those who place.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::framework::{CycleError, Framework};
use crate::groups::{GroupKey, Membership};
use crate::model::{Labels, Str};
use crate::snapshot::{NodeIndex, PodInfo, Snapshot};

/// More cannot be searched in a time that anybody would wait.
pub const NODES_MAX: usize = 32;
pub const PODS_MAX: usize = 160;
/// A search gives up after so many placements of a pod: some seconds.
const STEPS_MAX: u32 = 100_000;

/// The labels that name domains, the widest first, and whether a value is one domain wherever it
/// stands. Others are named with the next wider domain.
const LEVELS: [(&str, bool); 4] = [
    ("topology.kubernetes.io/region", true),
    ("topology.kubernetes.io/zone", true),
    ("topology.kubernetes.io/rack", false),
    ("kubernetes.io/hostname", true),
];

#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    #[error(
        "compare: exact: {pods} pods on {nodes} nodes are too many to search; expected at most \
         {PODS_MAX} on {NODES_MAX}"
    )]
    TooLarge { pods: usize, nodes: usize },
    #[error("compare: exact: nothing was proven the best within {STEPS_MAX} steps")]
    TooHard,
    #[error("compare: exact: it knows the well-known labels only, and none of infrastructure")]
    Infrastructure,
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

/// Places the pods on the nodes of the picture, so that as many as possible are placed and then
/// as few quorums as possible hang on one domain. Returns how many found no place.
pub fn place(
    framework: &Framework,
    picture: &mut Snapshot,
    pods: &[Arc<PodInfo>],
) -> Result<usize, ExactError> {
    let nodes = picture.nodes().present().len();
    if pods.len() > PODS_MAX || nodes > NODES_MAX {
        return Err(ExactError::TooLarge { pods: pods.len(), nodes });
    }
    let mut search = Search::new(framework, picture, pods);
    search.from(0, 0)?;
    let best = search.best.map(|(_, _, nodes)| nodes).unwrap_or_default();
    for (pod, node) in pods.iter().zip(&best) {
        if let Some(name) = node {
            picture.place(pod.clone(), name);
        }
    }
    Ok(pods.len() - best.iter().flatten().count())
}

/// A group that tolerates something.
struct Counted {
    tolerance: u32,
    /// How many members each domain has.
    members: BTreeMap<usize, u32>,
    /// How many domains of each level take the quorum now, and in any placement.
    lost: [u32; LEVELS.len()],
    least: [u32; LEVELS.len()],
}

struct Search<'a> {
    framework: &'a Framework,
    picture: &'a mut Snapshot,
    pods: &'a [Arc<PodInfo>],
    /// For each node its domains with their levels, as numbers, the widest first.
    domains: BTreeMap<NodeIndex, Vec<(usize, usize)>>,
    groups: Vec<Counted>,
    /// The groups in which each pod counts.
    of_pod: Vec<Vec<usize>>,
    chosen: Vec<Option<Str>>,
    /// How many found no place, how many quorums hang on one domain, and where all are.
    best: Option<(usize, u32, Vec<Option<Str>>)>,
    steps: u32,
}

impl<'a> Search<'a> {
    fn new(framework: &'a Framework, picture: &'a mut Snapshot, pods: &'a [Arc<PodInfo>]) -> Self {
        let domains = domains(picture);
        let mut voters: BTreeMap<GroupKey, (Membership, u32)> = BTreeMap::new();
        let mut placed: BTreeMap<GroupKey, Vec<NodeIndex>> = BTreeMap::new();
        for (key, group) in picture.groups().iter() {
            placed.insert(key.clone(), group.voters().map(|voter| voter.node).collect());
        }
        let memberships: Vec<Vec<Membership>> = pods.iter().map(|p| voting(picture, p)).collect();
        for membership in memberships.iter().flatten() {
            let known = placed.get(&membership.key).map_or(0, Vec::len);
            let start = u32::try_from(known).unwrap_or(u32::MAX);
            let entry = voters.entry(membership.key.clone());
            entry.or_insert_with(|| (membership.clone(), start)).1 += 1;
        }
        let mut numbers: BTreeMap<GroupKey, usize> = BTreeMap::new();
        let mut groups = Vec::new();
        for (key, (membership, voters)) in voters {
            let definition = &membership.definition;
            let size = definition.desired_size.unwrap_or(voters).max(voters);
            let tolerance = definition.rule_for(size).tolerance(size);
            if tolerance > 0 {
                let mut group = Counted::new(size, tolerance, &domains);
                for node in placed.get(&key).into_iter().flatten() {
                    group.add(&domains[node]);
                }
                numbers.insert(key, groups.len());
                groups.push(group);
            }
        }
        let of_pod = memberships.iter().map(|own| {
            own.iter().filter_map(|membership| numbers.get(&membership.key).copied()).collect()
        });
        let of_pod = of_pod.collect();
        let chosen = vec![None; pods.len()];
        Self { framework, picture, pods, domains, groups, of_pod, chosen, best: None, steps: 0 }
    }

    /// Places the pods from this one on, in every way that could still be the best.
    fn from(&mut self, place: usize, left_out: usize) -> Result<(), ExactError> {
        let cost = self.groups.iter().map(Counted::cost).sum::<u32>();
        if self.best.as_ref().is_some_and(|(out, best, _)| (*out, *best) <= (left_out, cost)) {
            return Ok(());
        }
        let Some(pod) = self.pods.get(place) else {
            self.best = Some((left_out, cost, self.chosen.clone()));
            return Ok(());
        };
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(ExactError::TooHard);
        }
        let pod = pod.clone();
        let mut nodes = self.framework.filter(&pod, &self.picture.view())?.feasible;
        nodes.sort_by_cached_key(|node| self.promise(place, *node));
        for node in nodes {
            let name = self.picture.nodes().name(node).clone();
            self.count(place, node, Counted::add);
            self.picture.place(pod.clone(), &name);
            self.chosen[place] = Some(name);
            let found = self.from(place + 1, left_out);
            self.chosen[place] = None;
            self.picture.remove_pod(&pod.uid);
            self.count(place, node, Counted::remove);
            found?;
        }
        self.from(place + 1, left_out + 1)
    }

    /// Nodes that promise more come first: those whose domains have few of the group, then those
    /// with much room.
    fn promise(&self, place: usize, node: NodeIndex) -> (Vec<u32>, Reverse<i64>, NodeIndex) {
        let groups = self.of_pod[place].iter().map(|group| &self.groups[*group]);
        let crowd = groups.flat_map(|group| {
            let domains = self.domains[&node].iter();
            domains.map(|(_, domain)| group.members.get(domain).copied().unwrap_or(0))
        });
        let columns = self.picture.nodes().columns();
        let free = columns.resource(crate::model::CPU).map_or(0, |cpu| {
            columns.allocatable(cpu)[node.index()] - columns.requested(cpu)[node.index()]
        });
        (crowd.collect(), Reverse(free), node)
    }

    fn count(
        &mut self,
        place: usize,
        node: NodeIndex,
        change: fn(&mut Counted, &[(usize, usize)]),
    ) {
        for group in &self.of_pod[place] {
            change(&mut self.groups[*group], &self.domains[&node]);
        }
    }
}

impl Counted {
    fn new(size: u32, tolerance: u32, domains: &BTreeMap<NodeIndex, Vec<(usize, usize)>>) -> Self {
        let all: BTreeSet<(usize, usize)> = domains.values().flatten().copied().collect();
        let least = std::array::from_fn(|level| {
            let count = all.iter().filter(|(own, _)| *own == level).count();
            let held = u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(tolerance);
            u32::from(count > 0 && held < size)
        });
        Self { tolerance, members: BTreeMap::new(), lost: [0; LEVELS.len()], least }
    }

    fn add(&mut self, domains: &[(usize, usize)]) {
        for (level, domain) in domains {
            let members = self.members.entry(*domain).or_default();
            *members += 1;
            self.lost[*level] += u32::from(*members == self.tolerance + 1);
        }
    }

    fn remove(&mut self, domains: &[(usize, usize)]) {
        for (level, domain) in domains {
            let members = self.members.entry(*domain).or_default();
            self.lost[*level] -= u32::from(*members == self.tolerance + 1);
            *members = members.saturating_sub(1);
        }
    }

    /// What it comes to at least, whatever follows.
    fn cost(&self) -> u32 {
        self.lost.iter().zip(&self.least).map(|(lost, least)| lost.max(least)).sum()
    }
}

/// The groups in which a pod votes.
fn voting(picture: &Snapshot, pod: &PodInfo) -> Vec<Membership> {
    let memberships = picture.view().memberships(pod).into_iter();
    memberships.filter(|membership| membership.voter).collect()
}

/// The domains of each node. Levels with one domain only are left out: nothing can be done.
fn domains(picture: &Snapshot) -> BTreeMap<NodeIndex, Vec<(usize, usize)>> {
    let nodes: Vec<NodeIndex> = picture.nodes().present().iter().collect();
    let mut numbers: BTreeMap<(usize, Vec<Str>), usize> = BTreeMap::new();
    let mut found: BTreeMap<NodeIndex, Vec<(usize, usize)>> = BTreeMap::new();
    for level in 0..LEVELS.len() {
        let named = nodes
            .iter()
            .filter_map(|node| Some((*node, domain(&picture.nodes().info(*node).labels, level)?)));
        let named: Vec<(NodeIndex, Vec<Str>)> = named.collect();
        let several = named.iter().any(|(_, name)| *name != named[0].1);
        for (node, name) in named.into_iter().filter(|_| several) {
            let next = numbers.len();
            let number = *numbers.entry((level, name)).or_insert(next);
            found.entry(node).or_default().push((level, number));
        }
    }
    nodes.into_iter().for_each(|node| _ = found.entry(node).or_default());
    found
}

/// The name of a domain, with those that it lies in where that is needed.
fn domain(labels: &Labels, level: usize) -> Option<Vec<Str>> {
    let own = labels.get(LEVELS[level].0)?.clone();
    let mut name = vec![own];
    let mut level = level;
    while !LEVELS[level].1 {
        level -= 1;
        name.push(labels.get(LEVELS[level].0).cloned().unwrap_or_default());
    }
    Some(name)
}
