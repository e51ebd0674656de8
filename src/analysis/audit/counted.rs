//! All groups, counted once for everything that is asked of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::groups::Definition;
use crate::placement::risk::GroupHosts;
use crate::placement::{FailureDomains, GroupStanding, eligible};
use crate::snapshot::{Group, Member, NodeIndex, NodeSet, View};

/// One group with all that is known of it.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub standing: GroupStanding,
    pub group: Cow<'a, Group>,
    pub definition: Arc<Definition>,
    /// The nodes that its members could run on.
    pub eligible: NodeSet,
}

/// The voters of all groups, host by host.
#[derive(Debug)]
pub(super) struct Voters {
    /// For each node the groups that have voters there, by their place, and how many.
    on_node: BTreeMap<NodeIndex, Vec<(usize, u32)>>,
    tolerances: Vec<u32>,
}

/// A group that loses its quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub group: usize,
    /// How many of its voters are gone.
    pub voters: u32,
}

impl<'a> Counted<'a> {
    pub(super) fn all(view: &'a View<'a>, domains: &FailureDomains) -> Vec<Self> {
        let keys = view.snapshot().groups().iter().map(|(key, _)| key);
        let counted = keys.filter_map(|key| {
            let group = view.group(key);
            let definition = group.definition()?.clone();
            let eligible = eligible(view, &group);
            let standing = GroupStanding::of(key, &group, &definition, domains, &eligible);
            Some(Self { standing, group, definition, eligible })
        });
        counted.collect()
    }

    /// How many voters may be gone once all are there.
    pub(super) fn tolerance_full(&self) -> u32 {
        self.standing.rule.tolerance(self.standing.size)
    }

    /// How many voters have to be there.
    pub(super) fn needed(&self) -> u32 {
        self.standing.size - self.tolerance_full().min(self.standing.size)
    }

    /// The voters, by the names of their pods.
    pub(super) fn voters(&self) -> Vec<&Member> {
        let mut voters: Vec<&Member> = self.group.voters().collect();
        voters.sort_by(|one, other| one.pod.key.cmp(&other.pod.key));
        voters
    }
}

impl Voters {
    pub(super) fn of(counted: &[Counted<'_>]) -> Self {
        let mut on_node: BTreeMap<NodeIndex, Vec<(usize, u32)>> = BTreeMap::new();
        for (place, one) in counted.iter().enumerate() {
            for (node, count) in one.group.voters_by_host() {
                on_node.entry(node).or_default().push((place, count));
            }
        }
        let tolerances = counted.iter().map(|counted| counted.standing.tolerance).collect();
        Self { on_node, tolerances }
    }

    /// The groups that lose their quorum with these hosts.
    pub(super) fn taken_with(&self, hosts: &NodeSet) -> Vec<Taken> {
        let mut gone: BTreeMap<usize, u32> = BTreeMap::new();
        for (group, count) in hosts.iter().filter_map(|host| self.on_node.get(&host)).flatten() {
            *gone.entry(*group).or_default() += count;
        }
        let taken = gone.into_iter().filter(|(group, voters)| *voters > self.tolerances[*group]);
        taken.map(|(group, voters)| Taken { group, voters }).collect()
    }
}

/// What risk figures are made of: groups that tolerate nothing say nothing of a placement.
pub(super) fn hosts_of(counted: &[Counted<'_>]) -> Vec<GroupHosts> {
    let tolerant = counted.iter().filter(|counted| counted.standing.tolerance > 0);
    let hosts = tolerant.map(|counted| GroupHosts {
        members: counted.group.voters_by_host(),
        tolerance: counted.standing.tolerance,
    });
    hosts.collect()
}
