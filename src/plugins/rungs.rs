//! A ladder of levels: each refuses the nodes whose domain would have too much of a group. Where
//! nothing is left, the widest level that is not required is given up first.

use std::collections::{BTreeMap, BTreeSet};

use crate::framework::{ClusterEvent, Filter, Hint, Refusals, Status};
use crate::groups::{Definition, Membership, Mode, Source};
use crate::model::Str;
use crate::placement::{FailureDomains, HOST, LevelDomains, Quota, levels_of};
use crate::snapshot::{Domain, Group, NodeIndex, NodeSet, View};

/// So many domains a refusal names.
const NAMED_MAX: usize = 5;

/// What is counted in a domain: a member for itself, or its declared rack.
pub type Unit = Str;

/// Members of a group with their nodes, and what each counts as.
pub struct Units {
    /// How many of them there are to be.
    pub size: u32,
    /// How many may be gone.
    pub tolerance: u32,
    pub placed: Vec<(NodeIndex, Unit)>,
    /// What the pod that is placed counts as.
    pub own: Unit,
    /// What people call them: voters, or racks.
    pub name: &'static str,
}

/// The levels of one group, the widest first.
pub struct Ladder {
    rungs: Vec<Rung>,
}

struct Rung {
    required: bool,
    refused: NodeSet,
    reason: Str,
}

impl Ladder {
    /// The ladder of a group. `usable` are the nodes on which the pod could run at all.
    pub fn of(
        membership: &Membership,
        units: &Units,
        domains: &FailureDomains,
        usable: &NodeSet,
    ) -> Self {
        let definition = &membership.definition;
        let mut rungs = Vec::new();
        for (level, mode) in levels_of(definition, domains) {
            let quota = Quota::new(units.size, units.tolerance, level.count(usable));
            let required = is_required(definition, level, mode, quota);
            // What is required holds as it is, whether it can be had or not.
            let limit = match mode {
                Mode::Required => units.tolerance.max(1),
                Mode::Preferred => quota.members_max,
            };
            let limit = definition.max_members.map_or(limit, |max| limit.min(max));
            rungs.extend(rung_of_level(membership, units, level, limit, required));
        }
        rungs.extend(declared_rungs(membership, units, domains));
        Self { rungs }
    }

    pub fn refuses_nothing(&self) -> bool {
        self.rungs.is_empty()
    }
}

impl Filter for Ladder {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let mut kept: Vec<&Rung> = self.rungs.iter().collect();
        while !leaves_any(&kept, nodes) {
            // Where even the required ones leave nothing, all others are beside the point.
            match kept.iter().position(|rung| !rung.required) {
                Some(widest) => _ = kept.remove(widest),
                None => break,
            }
        }
        let mut asked = nodes.clone();
        for rung in kept {
            let mut refused = rung.refused.clone();
            refused.intersect_with(&asked);
            refusals.refuse_set(&refused, Status::unschedulable(rung.reason.clone()));
            asked.difference_with(&refused);
        }
    }
}

fn leaves_any(rungs: &[&Rung], nodes: &NodeSet) -> bool {
    let mut left = nodes.clone();
    rungs.iter().for_each(|rung| left.difference_with(&rung.refused));
    !left.is_empty()
}

/// A policy may require a level. Two members of a known database on one host are never a way out
/// where there are hosts enough: the operators ask for as much themselves.
fn is_required(definition: &Definition, level: &LevelDomains, mode: Mode, quota: Quota) -> bool {
    let known = definition.source != Source::StatefulSet && definition.levels.is_empty();
    mode == Mode::Required || (known && quota.feasible && &*level.key == HOST)
}

fn rung_of_level(
    membership: &Membership,
    units: &Units,
    level: &LevelDomains,
    limit: u32,
    required: bool,
) -> Option<Rung> {
    let mut by_domain: BTreeMap<Domain, BTreeSet<&Unit>> = BTreeMap::new();
    for (node, unit) in &units.placed {
        if let Some(domain) = level.domain(*node) {
            by_domain.entry(domain).or_default().insert(unit);
        }
    }
    let full = by_domain.into_iter().filter(|(_, found)| is_full(found, units, limit));
    let full: Vec<Domain> = full.map(|(domain, _)| domain).collect();
    let mut refused = NodeSet::default();
    full.iter().for_each(|domain| level.column.add_nodes(*domain, &mut refused));
    let names: Vec<Str> = full.iter().map(|domain| level.name(*domain)).collect();
    let reason = reason(membership, units, &level.key, &names, limit);
    (!full.is_empty()).then_some(Rung { required, refused, reason })
}

/// Declared domains, which may share hosts: each is looked at by itself.
fn declared_rungs(
    membership: &Membership,
    units: &Units,
    domains: &FailureDomains,
) -> impl Iterator<Item = Rung> {
    let limit = units.tolerance.max(1);
    domains.declared.iter().filter_map(move |domain| {
        let inside = units.placed.iter().filter(|(node, _)| domain.hosts.contains(*node));
        let found: BTreeSet<&Unit> = inside.map(|(_, unit)| unit).collect();
        let names = std::slice::from_ref(&domain.name);
        (!domain.hosts.is_empty() && is_full(&found, units, limit)).then(|| Rung {
            required: false,
            refused: domain.hosts.clone(),
            reason: reason(membership, units, "declared domain", names, limit),
        })
    })
}

fn is_full(found: &BTreeSet<&Unit>, units: &Units, limit: u32) -> bool {
    let more = usize::from(!found.contains(&units.own));
    more > 0 && found.len() + more > limit as usize
}

fn reason(membership: &Membership, units: &Units, level: &str, names: &[Str], limit: u32) -> Str {
    let Units { size, tolerance, name, .. } = units;
    let shown: Vec<&str> = names.iter().take(NAMED_MAX).map(|name| &**name).collect();
    let more = match names.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let level = level.rsplit('/').next().unwrap_or(level);
    format!(
        "node(s) whose {level} would then have more than {limit} of the {size} {name} of {} ({} \
         may be gone): {}{more}",
        membership.key,
        tolerance,
        shown.join(", "),
    )
    .into()
}

/// What may change how a group stands, or give it room elsewhere.
pub fn wakes(event: &ClusterEvent<'_>) -> Hint {
    match event {
        ClusterEvent::NodeUpdated { old, new } => {
            Hint::queue_if(old.labels != new.labels || old.taints != new.taints)
        }
        ClusterEvent::Storage(_) | ClusterEvent::PodPlaced(_) => Hint::Skip,
        _ => Hint::Queue,
    }
}

/// Whether the group has declared racks. Some operators write the same rack on all pods where none
/// was declared, so that one alone says nothing.
pub fn has_racks(membership: &Membership, view: &View<'_>) -> bool {
    let Some(own) = &membership.rack else {
        return false;
    };
    let group = view.group(&membership.key);
    let mut racks = group.members.values().filter_map(|member| member.membership.rack.as_ref());
    racks.any(|rack| rack != own)
}

/// The voters of a group, each for itself.
pub fn voters(membership: &Membership, group: &Group, own: &Str) -> Units {
    let definition = &membership.definition;
    let others = group.voters().filter(|member| member.pod.uid != *own);
    let placed: Vec<(NodeIndex, Unit)> =
        others.map(|member| (member.node, member.pod.uid.clone())).collect();
    let with_own = u32::try_from(placed.len() + 1).unwrap_or(u32::MAX);
    let size = group.size(definition).0.max(with_own);
    let tolerance = definition.rule_for(size).tolerance(size);
    Units { size, tolerance, placed, own: own.clone(), name: "voters" }
}
