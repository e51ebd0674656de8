//! What makes a group: which pods belong to it, how it counts, and how it is to be placed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rule::Rule;
use crate::api::{LevelRule, Primaries};
use crate::model::{Operator, Requirement, Selector, Str};

/// One kind of group, from a preset, a policy or a StatefulSet.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub source: Source,
    /// The name of the kind, such as `mongod`; the group's part where no label gives one.
    pub part: Str,
    pub selector: Selector,
    /// The label that names the cluster. Without it the name of the owner does.
    pub cluster: Option<Str>,
    /// The labels that tell one group of a cluster from another, such as the shard.
    pub parts: Vec<Str>,
    /// The label that names the member. Without it the name of the pod does.
    pub member: Option<Str>,
    /// The label with the rack that the database was told. Members of one rack may share a domain,
    /// those of different racks may not.
    pub rack: Option<Str>,
    pub role: Option<Role>,
    pub initial_primary: InitialPrimary,
    /// Which members vote; all where there is none.
    pub voters: Option<Selector>,
    pub rule: Rule,
    /// Why this rule, in a sentence.
    pub why: Str,
    pub remedy: Remedy,
    /// How many members there are to be, where a policy says so.
    pub desired_size: Option<u32>,
    /// The levels to spread over, the widest first; all known ones, preferred, where there is none.
    pub levels: Vec<LevelRule>,
    /// At most so many members in a domain, whatever the rule would allow.
    pub max_members: Option<u32>,
    pub primaries: Primaries,
    /// How many other hosts a host shares groups with, at most, where that can be had.
    pub scatter_width: Option<u32>,
}

impl Definition {
    /// A label without which no pod belongs to the group.
    pub(super) fn demanded_label(&self) -> Option<&Str> {
        let demands = |requirement: &&Requirement| {
            matches!(requirement.operator, Operator::Equals | Operator::In | Operator::Exists)
        };
        self.selector.requirements().iter().find(demands).map(|requirement| &requirement.key)
    }

    /// The rule for so many voters; a guess from their number where nobody has stated one.
    pub fn rule_for(&self, size: u32) -> Rule {
        let guess = self.source == Source::StatefulSet;
        if guess && size == 2 { Rule::NMinusOne } else { self.rule }
    }
}

/// Who says that these pods are a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Preset(Str),
    /// A PlacementPolicy, by its name in the group's namespace.
    Policy(Str),
    ClusterPolicy(Str),
    /// Nobody: pods of one StatefulSet are taken for a group, and the rule is a guess.
    StatefulSet,
}

impl Source {
    /// The name of the preset or of the policy.
    pub fn name(&self) -> Option<&Str> {
        match self {
            Self::Preset(name) | Self::Policy(name) | Self::ClusterPolicy(name) => Some(name),
            Self::StatefulSet => None,
        }
    }
}

/// The label with a pod's role as its operator last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    pub key: Str,
    /// The values that make a pod a primary.
    pub primary: Vec<Str>,
}

/// Who will be the primary, as far as that can be said before the pods run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum InitialPrimary {
    /// Nobody knows, or there are no primaries.
    #[default]
    None,
    /// The member of the lowest ordinal.
    Ordinal0,
    /// The member with this label.
    Label { key: Str, value: Str },
}

/// The fields of the operator's custom resource that set things right, by what they are for.
pub type Remedy = BTreeMap<Str, Str>;
