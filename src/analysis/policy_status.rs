//! What a policy's owner is told: how its groups stand, and whether the policy is in force.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::api::policy::{DegradedLevel, PolicyCondition, WorstGroup};
use crate::api::{ObjectMeta, PlacementPolicyStatus};
use crate::groups::{PolicyError, Source};
use crate::model::{PodKey, Str};
use crate::placement::{FailureDomains, GroupStanding, Topology};
use crate::snapshot::View;

/// A status names so many levels that were given up; an object has to stay small.
pub const DEGRADED_MAX: usize = 100;
/// A status names so many groups at risk, as many as a person reads.
pub const WORST_MAX: usize = 20;
/// A group at risk names so many domains.
pub const LOST_BY_MAX: usize = 8;

/// The level of domains that were declared and are no label's.
const DECLARED: &str = "declared domain";

/// What the groups of one policy come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    groups: u32,
    members: u32,
    at_risk: u32,
    degraded: Vec<DegradedLevel>,
    worst: Vec<Risk>,
}

/// A group at risk, with what orders it among its like.
#[derive(Clone, Debug, PartialEq)]
struct Risk {
    /// Whether nothing but its size is at fault.
    untolerant: bool,
    /// The place of the level, the widest first.
    rank: usize,
    lost_by: usize,
    group: WorstGroup,
}

/// Why a policy is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInForce<'a> {
    Invalid(&'a PolicyError),
    /// No profile has the base `database`.
    Unused,
}

/// The figures of all policies that have groups, by namespace and name; the namespace of a
/// ClusterPlacementPolicy is empty.
pub fn figures(view: &View<'_>, topology: &Topology) -> BTreeMap<PodKey, Figures> {
    let domains = FailureDomains::of(view, topology);
    let mut figures: BTreeMap<PodKey, Figures> = BTreeMap::new();
    for (standing, group, definition) in GroupStanding::all(view, &domains) {
        let policy = match &definition.source {
            Source::Policy(name) => PodKey::new(standing.key.namespace.clone(), name.clone()),
            Source::ClusterPolicy(name) => PodKey::new("", name.clone()),
            Source::Preset(_) | Source::StatefulSet => continue,
        };
        figures.entry(policy).or_default().count(&standing, group.members.len());
    }
    for found in figures.values_mut() {
        found.degraded.sort();
        found.degraded.truncate(DEGRADED_MAX);
        found.worst.sort_by(|one, other| one.order().cmp(&other.order()));
        found.worst.truncate(WORST_MAX);
    }
    figures
}

/// The status of a policy. A condition that goes on keeps the time at which it began.
pub fn status(
    meta: &ObjectMeta,
    before: &PlacementPolicyStatus,
    figures: &Figures,
    not_in_force: Option<NotInForce<'_>>,
    now: jiff::Timestamp,
) -> PlacementPolicyStatus {
    let condition = |type_: &str, holds: bool, reason: &str, message: String| {
        let status = if holds { "True" } else { "False" };
        let old = before.conditions.iter().find(|old| &*old.type_ == type_);
        let since = old.filter(|old| &*old.status == status).and_then(|o| o.last_transition_time);
        PolicyCondition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: meta.generation,
            last_transition_time: Some(since.unwrap_or(now)),
        }
    };
    let ready = match not_in_force {
        None => condition("Ready", true, "InForce", "the policy is in force".to_owned()),
        Some(NotInForce::Invalid(error)) => condition("Ready", false, "Invalid", error.to_string()),
        Some(NotInForce::Unused) => {
            let message = "no profile of the scheduler has the base database";
            condition("Ready", false, "Unused", message.to_owned())
        }
    };
    let degraded = match figures.degraded.first() {
        None => condition("Degraded", false, "AsWanted", "no level was given up".to_owned()),
        Some(DegradedLevel { group, level }) => {
            let message = format!("{level} was given up for {group}; status.degraded has all");
            condition("Degraded", true, "LevelsGivenUp", message)
        }
    };
    PlacementPolicyStatus {
        observed_generation: meta.generation,
        groups: figures.groups,
        members: figures.members,
        tolerant: figures.groups.saturating_sub(figures.at_risk),
        at_risk: figures.at_risk,
        degraded: figures.degraded.clone(),
        worst: figures.worst.iter().map(|risk| risk.group.clone()).collect(),
        conditions: vec![ready, degraded],
    }
}

impl Figures {
    fn count(&mut self, standing: &GroupStanding, members: usize) {
        let name: Str = standing.key.to_string().into();
        self.groups = self.groups.saturating_add(1);
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        self.members = self.members.saturating_add(members);
        let degraded = standing.degraded();
        self.degraded.extend(degraded.map(|level| {
            let (group, level) = (name.clone(), level.key.clone());
            DegradedLevel { group, level }
        }));
        if let Some(risk) = Risk::of(standing, name) {
            self.at_risk = self.at_risk.saturating_add(1);
            self.worst.push(risk);
        }
    }
}

impl Risk {
    /// The widest domains that take the quorum alone; none if no domain does.
    fn of(standing: &GroupStanding, group: Str) -> Option<Self> {
        let levels = standing.levels.iter().map(|level| (&level.key, &level.lost_by));
        let declared: Str = DECLARED.into();
        let all = levels.chain([(&declared, &standing.lost_by_declared)]);
        let (rank, (level, lost_by)) = all.enumerate().find(|(_, (_, lost))| !lost.is_empty())?;
        Some(Self {
            untolerant: standing.tolerance == 0,
            rank,
            lost_by: lost_by.len(),
            group: WorstGroup {
                group,
                size: standing.size,
                tolerance: standing.tolerance,
                level: level.clone(),
                lost_by: lost_by.iter().take(LOST_BY_MAX).cloned().collect(),
            },
        })
    }

    /// The worst first: what placement could mend, at the widest level, by the most domains.
    fn order(&self) -> (bool, usize, Reverse<usize>, &Str) {
        (self.untolerant, self.rank, Reverse(self.lost_by), &self.group.group)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{LevelRule, PlacementPolicy};
    use crate::groups::Catalogue;
    use crate::placement::{HOST, ZONE};
    use crate::snapshot::{NodeInfo, PodInfo, Snapshot};
    use crate::testing::{node, pod, selector};

    fn policy(name: &str, app: &str) -> PlacementPolicy {
        let mut policy = PlacementPolicy::default();
        policy.metadata.name = name.into();
        policy.metadata.namespace = "default".into();
        policy.metadata.generation = 3;
        policy.spec.selector = selector(&[("app", app)]);
        policy.spec.keys.cluster = Some("app".into());
        policy.spec.rule = Some("majority".into());
        let level = |key: &str| LevelRule { key: key.into(), ..LevelRule::default() };
        policy.spec.levels = vec![level(ZONE), level(HOST)];
        policy
    }

    /// Nodes n0 to n5 in so many zones, and members of databases by their nodes.
    fn cluster(zones: usize, databases: &[(&str, &[usize])]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for number in 0..6 {
            let zone = format!("zone-{}", number % zones);
            let node = node(&format!("n{number}")).labels(&[(ZONE, &zone)]).build();
            snapshot.set_node(NodeInfo::new(&node));
        }
        let policies = [policy("db", "db"), policy("queue", "queue")];
        let (catalogue, refused) = Catalogue::default().with_policies(&policies, []);
        assert!(refused.is_empty(), "{refused:?}");
        snapshot.set_catalogue(Some(catalogue));
        for (app, nodes) in databases {
            for (member, number) in nodes.iter().enumerate() {
                let name = format!("{app}-{member}");
                let pod = pod(&name).labels(&[("app", app)]).build();
                let node = format!("n{number}");
                snapshot.place(Arc::new(PodInfo::new(&pod)), &node.as_str().into());
            }
        }
        snapshot
    }

    fn of(snapshot: &Snapshot, name: &str) -> PlacementPolicyStatus {
        let figures = figures(&snapshot.view(), &Topology::default());
        let own = figures.get(&PodKey::new("default", name)).cloned().unwrap_or_default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        status(&policy(name, name).metadata, &PlacementPolicyStatus::default(), &own, None, now)
    }

    fn degraded(status: &PlacementPolicyStatus) -> Vec<String> {
        status.degraded.iter().map(|one| format!("{} {}", one.group, one.level)).collect()
    }

    #[test]
    fn a_group_over_three_zones_is_tolerant_and_nothing_is_given_up() {
        let status = of(&cluster(3, &[("db", &[0, 1, 2]), ("other", &[0, 0])]), "db");
        assert_eq!((status.groups, status.members), (1, 3));
        assert_eq!((status.tolerant, status.at_risk), (1, 0));
        assert_eq!((degraded(&status).len(), status.worst.len()), (0, 0));
        assert_eq!(status.observed_generation, 3);
        let conditions: Vec<_> =
            status.conditions.iter().map(|one| (&*one.type_, &*one.status)).collect();
        assert_eq!(conditions, [("Ready", "True"), ("Degraded", "False")]);
    }

    #[test]
    fn two_zones_are_given_up_and_the_domain_that_takes_the_quorum_is_named() {
        let status = of(&cluster(2, &[("db", &[0, 1, 2])]), "db");
        assert_eq!((status.tolerant, status.at_risk), (0, 1));
        assert_eq!(degraded(&status), [format!("default/db {ZONE}")]);
        let worst = &status.worst[0];
        assert_eq!((worst.size, worst.tolerance, &*worst.level), (3, 1, ZONE));
        assert_eq!((&*worst.group, &*worst.lost_by[0]), ("default/db", "zone-0"));
        assert_eq!((worst.lost_by.len(), &*status.conditions[1].status), (1, "True"));
        let message = &*status.conditions[1].message;
        assert!(message.starts_with(&format!("{ZONE} was given up for default/db")), "{message}");
    }

    #[test]
    fn each_policy_counts_its_own_groups_and_the_worst_come_first() {
        let snapshot = cluster(3, &[("db", &[0, 3, 1]), ("queue", &[0, 0, 1])]);
        assert_eq!(of(&snapshot, "db").worst[0].lost_by, ["zone-0".into()]);
        assert_eq!(of(&snapshot, "queue").members, 3);
        assert_eq!(of(&snapshot, "none"), of(&cluster(3, &[]), "none"));
        let risk = |untolerant, rank, lost_by, group: &str| Risk {
            untolerant,
            rank,
            lost_by,
            group: WorstGroup { group: group.into(), ..WorstGroup::default() },
        };
        let mut risks = [
            risk(true, 0, 3, "single"),
            risk(false, 2, 1, "host"),
            risk(false, 0, 1, "zone"),
            risk(false, 0, 2, "zones"),
        ];
        risks.sort_by(|one, other| one.order().cmp(&other.order()));
        let names: Vec<&str> = risks.iter().map(|risk| &*risk.group.group).collect();
        assert_eq!(names, ["zones", "zone", "host", "single"]);
    }

    #[test]
    fn a_condition_that_goes_on_keeps_its_time_and_one_that_turns_gets_a_new_one() {
        let (meta, figures) = (ObjectMeta::default(), Figures::default());
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let first = status(&meta, &PlacementPolicyStatus::default(), &figures, None, at(1));
        let second = status(&meta, &first, &figures, None, at(2));
        assert_eq!(first, second);
        let unused = Some(NotInForce::Unused);
        let third = status(&meta, &second, &figures, unused, at(3));
        let times: Vec<_> =
            third.conditions.iter().map(|one| one.last_transition_time.unwrap()).collect();
        assert_eq!(times, [at(3), at(1)]);
        assert_eq!(
            (&*third.conditions[0].status, &*third.conditions[0].reason),
            ("False", "Unused")
        );
    }
}
