//! How the replica groups of a finished run stand: what one loss takes, and what it risks.
//!
//! Whoever placed the pods, their groups are counted in a picture of its own, so that all are
//! counted alike.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::api;
use crate::api::decode::Objects;
use crate::groups;
use crate::model::Str;
use crate::placement::risk::{GroupHosts, Risk};
use crate::placement::{FailureDomains, GroupStanding, Topology};
use crate::snapshot::{NodeIndex, NodeInfo, PodInfo, Snapshot};

/// The databases of a cluster, counted.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Databases {
    /// How many pairs there are of a group and a domain that takes its quorum. Levels count at
    /// which there is more than one domain, and groups that tolerate something.
    pub quorums_lost_by_one_domain: usize,
    /// These pairs.
    pub lost: Vec<Lost>,
    /// Groups that a level cannot hold as their rule wants it.
    pub degraded: Vec<Degraded>,
    pub risk: Risk,
    pub primaries: Primaries,
}

/// A quorum that hangs on one domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    pub group: Str,
    pub level: Str,
    pub domain: Str,
}

/// A group at a level at which its rule is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Degraded {
    /// The namespace, the cluster and the part.
    pub group: Str,
    /// The label of the nodes.
    pub level: Str,
    /// Whether any placement could keep it.
    pub feasible: bool,
}

/// How the primaries are spread over the hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Primaries {
    pub total: u32,
    /// The most on one host.
    pub max: u32,
    /// The most on one host if they were spread evenly.
    pub ideal: u32,
}

impl Databases {
    /// Counts the groups of a picture.
    pub fn of(picture: &Snapshot, topology: &Topology, seed: u64) -> Self {
        let view = picture.view();
        let domains = FailureDomains::of(&view, topology);
        let (mut lost, mut degraded, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
        for (standing, group, _) in GroupStanding::all(&view, &domains) {
            let name: Str = standing.key.to_string().into();
            degraded.extend(standing.degraded().map(|level| Degraded {
                group: name.clone(),
                level: level.key.clone(),
                feasible: level.quota.feasible,
            }));
            if standing.rule.tolerance(standing.size) > 0 {
                lost.extend(lost_of(&name, &standing));
            }
            if standing.tolerance > 0 {
                let (members, tolerance) = (group.voters_by_host(), standing.tolerance);
                hosts.push(GroupHosts { members, tolerance });
            }
        }
        let all: Vec<NodeIndex> = picture.nodes().present().iter().collect();
        Self {
            quorums_lost_by_one_domain: lost.len(),
            lost,
            degraded,
            risk: Risk::of(&hosts, &all, seed),
            primaries: Primaries::of(picture.groups().primaries(), all.len()),
        }
    }

    /// Of several runs all that hangs on one domain, and the worst figures.
    pub fn worst_of<'a>(runs: impl IntoIterator<Item = &'a Self>) -> Self {
        runs.into_iter().fold(Self::default(), |mut worst, run| {
            worst.quorums_lost_by_one_domain += run.quorums_lost_by_one_domain;
            worst.lost = union(&worst.lost, &run.lost);
            worst.degraded = union(&worst.degraded, &run.degraded);
            if run.risk.p_any_lost_two_hosts >= worst.risk.p_any_lost_two_hosts {
                worst.risk = run.risk.clone();
            }
            if run.primaries.max >= worst.primaries.max {
                worst.primaries = run.primaries;
            }
            worst
        })
    }
}

impl Primaries {
    fn of(by_host: &[(NodeIndex, u32)], hosts: usize) -> Self {
        let counts = || by_host.iter().map(|(_, count)| *count);
        let total: u32 = counts().sum();
        let hosts = u32::try_from(hosts).unwrap_or(u32::MAX).max(1);
        Self { total, max: counts().max().unwrap_or(0), ideal: total.div_ceil(hosts) }
    }
}

/// A picture of the cluster with its groups, and with these pods on their nodes.
pub fn picture<'a>(objects: &Objects, pods: impl Iterator<Item = &'a api::Pod>) -> Snapshot {
    let mut picture = Snapshot::default();
    let policies = (&objects.placement_policies, &objects.cluster_placement_policies);
    let (catalogue, _) = groups::built_in_catalogue().with_policies(policies.0, policies.1);
    picture.set_catalogue(Some(catalogue));
    objects.nodes.iter().for_each(|node| _ = picture.set_node(NodeInfo::new(node)));
    objects.namespaces.iter().for_each(|namespace| picture.set_namespace(namespace));
    objects.stateful_sets.iter().for_each(|set| picture.set_stateful_set(set));
    for pod in pods.filter(|pod| !pod.spec.node_name.is_empty()) {
        picture.place(Arc::new(PodInfo::new(pod)), &pod.spec.node_name);
    }
    picture
}

fn lost_of(name: &Str, standing: &GroupStanding) -> Vec<Lost> {
    let levels = standing.levels.iter().filter(|level| level.domains > 1);
    let lost = levels.flat_map(|level| {
        level.lost_by.iter().map(|domain| Lost {
            group: name.clone(),
            level: level.key.clone(),
            domain: domain.clone(),
        })
    });
    lost.collect()
}

fn union<T: Ord + Clone>(one: &[T], other: &[T]) -> Vec<T> {
    let all: BTreeSet<&T> = one.iter().chain(other).collect();
    all.into_iter().cloned().collect()
}
