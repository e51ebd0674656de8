//! How a group stands: what each level allows it, what it has there, and whose loss it survives.

use std::collections::BTreeSet;

use super::domains::{FailureDomains, LevelDomains};
use super::quota::Quota;
use crate::groups::{Definition, GroupKey, Mode, Rule};
use crate::model::{Str, Taint};
use crate::snapshot::{DomainSums, Group, NodeIndex, NodeSet, SizeSource, View};

/// A group, counted.
#[derive(Clone, Debug)]
pub struct GroupStanding {
    pub key: GroupKey,
    /// How many voters there are to be.
    pub size: u32,
    pub size_source: SizeSource,
    /// How many voters stand on nodes.
    pub placed: u32,
    pub rule: Rule,
    /// How many voters may be gone: of those there are to be or of those there are, whichever
    /// bears less.
    pub tolerance: u32,
    pub levels: Vec<LevelStanding>,
    /// Declared domains that take more voters than may be gone.
    pub lost_by_declared: Vec<Str>,
}

/// One group at one level.
#[derive(Clone, Debug)]
pub struct LevelStanding {
    pub key: Str,
    pub mode: Mode,
    pub quota: Quota,
    /// How many domains the group could use.
    pub domains: u32,
    /// The most voters in one domain.
    pub members_max: u32,
    /// The domains with voters, and how many each has.
    pub members: Vec<(Str, u32)>,
    /// The domains whose loss takes more voters than may be gone.
    pub lost_by: Vec<Str>,
}

impl GroupStanding {
    /// All groups that somebody has or wants members of, counted.
    pub fn all<'a>(
        view: &View<'a>,
        domains: &FailureDomains,
    ) -> impl Iterator<Item = (Self, &'a Group, &'a Definition)> {
        view.snapshot().groups().iter().filter_map(move |(key, group)| {
            let definition = group.definition()?;
            let usable = eligible(view, group);
            let standing = Self::of(key, group, definition, domains, &usable);
            Some((standing, group, &**definition))
        })
    }

    /// Counts a group. `usable` are the nodes that its members could run on.
    pub fn of(
        key: &GroupKey,
        group: &Group,
        definition: &Definition,
        domains: &FailureDomains,
        usable: &NodeSet,
    ) -> Self {
        let (size, size_source) = group.size(definition);
        let rule = definition.rule_for(size);
        let voters: Vec<NodeIndex> = group.voters().map(|member| member.node).collect();
        let placed = u32::try_from(voters.len()).unwrap_or(u32::MAX);
        let tolerance = rule.tolerance(size).min(rule.tolerance(placed));
        let levels = levels_of(definition, domains).into_iter().map(|(level, mode)| {
            let count = level.count(usable);
            let quota = Quota::new(size, rule.tolerance(size), count);
            LevelStanding::of(level, mode, quota.at_most(definition.max_members), count, &voters)
                .with_losses(tolerance)
        });
        let levels = levels.collect();
        let takes = |hosts: &NodeSet| {
            let taken = voters.iter().filter(|node| hosts.contains(**node)).count();
            u32::try_from(taken).unwrap_or(u32::MAX) > tolerance
        };
        let declared = domains.declared.iter().filter(|domain| takes(&domain.hosts));
        Self {
            key: key.clone(),
            size,
            size_source,
            placed,
            rule,
            tolerance,
            levels,
            lost_by_declared: declared.map(|domain| domain.name.clone()).collect(),
        }
    }

    /// The levels at which the group is not as the rule wants it: where that cannot be had, or
    /// where more members share a domain than the level allows. A level of one domain is none to
    /// spread over.
    pub fn degraded(&self) -> impl Iterator<Item = &LevelStanding> {
        let tolerant = self.rule.tolerance(self.size) > 0;
        self.levels.iter().filter(move |level| {
            tolerant
                && level.domains > 1
                && (!level.quota.feasible || level.members_max > level.quota.members_max)
        })
    }
}

impl LevelStanding {
    fn of(
        level: &LevelDomains,
        mode: Mode,
        quota: Quota,
        domains: u32,
        voters: &[NodeIndex],
    ) -> Self {
        let mut sums = DomainSums::new(level.column.clone());
        voters.iter().for_each(|node| sums.add(*node, 1));
        let used: BTreeSet<_> = sums.touched().iter().copied().collect();
        let members: Vec<(Str, u32)> = used
            .into_iter()
            .map(|domain| (level.name(domain), u32::try_from(sums.get(domain)).unwrap_or(0)))
            .collect();
        let members_max = members.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let key = level.key.clone();
        Self { key, mode, quota, domains, members_max, members, lost_by: Vec::new() }
    }

    fn with_losses(mut self, tolerance: u32) -> Self {
        let lost = self.members.iter().filter(|(_, count)| *count > tolerance);
        self.lost_by = lost.map(|(name, _)| name.clone()).collect();
        self
    }
}

/// The levels that a group is spread over, the widest first, with what happens where one cannot
/// be kept.
pub fn levels_of<'a>(
    definition: &Definition,
    domains: &'a FailureDomains,
) -> Vec<(&'a LevelDomains, Mode)> {
    if definition.levels.is_empty() {
        return domains.levels.iter().map(|level| (level, Mode::Preferred)).collect();
    }
    let rules = definition.levels.iter();
    rules.filter_map(|rule| Some((domains.level(&rule.key)?, rule.mode))).collect()
}

/// The nodes that members of a group could run on, as far as taints tell: those without taints
/// that keep pods away, and those with no other such taints than nodes that members stand on.
pub fn eligible(view: &View<'_>, group: &Group) -> NodeSet {
    let nodes = view.nodes();
    let borne: BTreeSet<(&Str, &Str)> = group
        .members
        .values()
        .flat_map(|member| hard(&nodes.info(member.node).taints))
        .map(|taint| (&taint.key, &taint.value))
        .collect();
    let mut eligible = nodes.present().clone();
    for same in nodes.taint_groups() {
        if hard(&same.taints).any(|taint| !borne.contains(&(&taint.key, &taint.value))) {
            eligible.difference_with(&same.nodes);
        }
    }
    eligible
}

/// The taints that keep pods away for good.
fn hard(taints: &[Taint]) -> impl Iterator<Item = &Taint> {
    taints.iter().filter(|taint| !is_passing(&taint.key) && is_hard(&taint.effect))
}

fn is_hard(effect: &str) -> bool {
    effect == crate::model::NO_SCHEDULE || effect == crate::model::NO_EXECUTE
}

/// Taints that come and go with a node's condition say nothing of where a group belongs.
fn is_passing(key: &str) -> bool {
    key.starts_with("node.kubernetes.io/") || key.starts_with("node.cloudprovider.kubernetes.io/")
}
