//! `PlacementPolicy` and `ClusterPlacementPolicy`: what the owners of a cluster say themselves.

use serde::{Deserialize, Serialize};

use super::definition::{Definition, LevelRule, Primaries, Source};
use super::rule::{Rule, RuleError, RuleName};
use crate::api::{Object, ObjectMeta};
use crate::model::{LabelSelector, Selector, SelectorError, Str};

/// A policy may name this many levels; there are not as many kinds of failure domains.
pub const LEVELS_MAX: usize = 8;

/// A group may have this many members.
pub const MEMBERS_MAX: u32 = 1024;

/// Placement of the groups of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementPolicy {
    pub metadata: ObjectMeta,
    pub spec: PlacementPolicySpec,
}

/// Placement of the groups of all namespaces, or of those that are selected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterPlacementPolicy {
    pub metadata: ObjectMeta,
    pub spec: PlacementPolicySpec,
}

/// What a policy says. What it leaves out stays as the preset has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlacementPolicySpec {
    /// The pods.
    pub selector: LabelSelector,
    /// Their namespaces, for a ClusterPlacementPolicy; without it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    pub keys: PolicyKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_size: Option<u32>,
    /// The levels to spread over. They are given up from the first to the last, except for those
    /// that are required.
    pub levels: Vec<LevelRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_members: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primaries: Option<Primaries>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scatter_width: Option<u32>,
}

/// The labels of the pods that say what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub part: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<Str>,
}

/// Why a policy cannot be used. It is left out as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("spec.{field}: {source}")]
    Selector { field: &'static str, source: SelectorError },
    #[error("spec.{0}")]
    Rule(#[from] RuleError),
    #[error("spec.{field}: {value}: expected {expected}")]
    Invalid { field: String, value: String, expected: String },
}

/// A policy that has been checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Policy {
    pub source: Source,
    /// The namespace; none for a ClusterPlacementPolicy.
    pub namespace: Option<Str>,
    pub selector: Selector,
    pub namespaces: Selector,
    rule: Option<Rule>,
    spec: PlacementPolicySpec,
}

impl PlacementPolicy {
    pub(super) fn check(&self) -> Result<Policy, PolicyError> {
        let mut policy = self.spec.check(Source::Policy(self.metadata.name.clone()))?;
        policy.namespace = Some(self.metadata.namespace.clone());
        Ok(policy)
    }
}

impl ClusterPlacementPolicy {
    pub(super) fn check(&self) -> Result<Policy, PolicyError> {
        self.spec.check(Source::ClusterPolicy(self.metadata.name.clone()))
    }
}

impl PlacementPolicySpec {
    fn check(&self, source: Source) -> Result<Policy, PolicyError> {
        let compile = |field, selector: &LabelSelector| {
            selector.compile().map_err(|source| PolicyError::Selector { field, source })
        };
        let namespaces = match &self.namespace_selector {
            Some(selector) => compile("namespaceSelector", selector)?,
            None => Selector::everything(),
        };
        let rule = self.rule.as_ref().map(|name| self.rule(name)).transpose()?;
        if rule.is_none() && (self.replication_factor.is_some() || self.needed.is_some()) {
            return Err(RuleError::UnwantedFactor.into());
        }
        self.check_numbers()?;
        Ok(Policy {
            source,
            namespace: None,
            selector: compile("selector", &self.selector)?,
            namespaces,
            rule,
            spec: self.clone(),
        })
    }

    fn rule(&self, name: &Str) -> Result<Rule, PolicyError> {
        let known = match &**name {
            "majority" => RuleName::Majority,
            "nMinusOne" => RuleName::NMinusOne,
            "replicationFactor" => RuleName::ReplicationFactor,
            "mastersMajority" => RuleName::MastersMajority,
            "untolerant" => RuleName::Untolerant,
            _ => {
                let expected = "majority, nMinusOne, replicationFactor, mastersMajority or \
                                untolerant";
                return Err(invalid("rule", format!("{name:?}"), expected));
            }
        };
        Ok(Rule::from_parts(known, self.replication_factor, self.needed)?)
    }

    fn check_numbers(&self) -> Result<(), PolicyError> {
        let numbers = [
            ("desiredSize", self.desired_size),
            ("maxMembers", self.max_members),
            ("scatterWidth", self.scatter_width),
        ];
        for (field, number) in numbers {
            if let Some(number) = number.filter(|number| !(1..=MEMBERS_MAX).contains(number)) {
                let expected = format!("a number from 1 to {MEMBERS_MAX}");
                return Err(invalid(field, number.to_string(), &expected));
            }
        }
        if self.levels.len() > LEVELS_MAX {
            let expected = format!("at most {LEVELS_MAX} levels");
            return Err(invalid("levels", self.levels.len().to_string(), &expected));
        }
        for (index, level) in self.levels.iter().enumerate() {
            let twice = self.levels[..index].iter().any(|other| other.key == level.key);
            if level.key.is_empty() || twice {
                let field = format!("levels[{index}].key");
                return Err(invalid(&field, format!("{:?}", level.key), "a key of its own"));
            }
        }
        Ok(())
    }
}

impl Policy {
    /// Whether the policy is about pods of this namespace.
    pub fn covers(&self, namespace: &Str, labels: &crate::model::Labels) -> bool {
        match &self.namespace {
            Some(own) => own == namespace,
            None => self.namespaces.matches(labels),
        }
    }

    /// The definition of pods that no preset knows.
    pub fn definition(&self) -> Definition {
        self.over(&Definition {
            source: self.source.clone(),
            part: "".into(),
            selector: self.selector.clone(),
            ..Definition::of_stateful_set()
        })
    }

    /// A definition with what the policy says instead.
    pub fn over(&self, base: &Definition) -> Definition {
        let spec = &self.spec;
        let or = |own: &Option<Str>, base: &Option<Str>| own.clone().or_else(|| base.clone());
        let levels = if spec.levels.is_empty() { &base.levels } else { &spec.levels };
        Definition {
            source: self.source.clone(),
            cluster: or(&spec.keys.cluster, &base.cluster),
            parts: match spec.keys.part.is_empty() {
                true => base.parts.clone(),
                false => spec.keys.part.clone(),
            },
            member: or(&spec.keys.member, &base.member),
            rack: or(&spec.keys.rack, &base.rack),
            rule: self.rule.unwrap_or(base.rule),
            desired_size: spec.desired_size.or(base.desired_size),
            levels: levels.clone(),
            max_members: spec.max_members.or(base.max_members),
            primaries: spec.primaries.unwrap_or(base.primaries),
            scatter_width: spec.scatter_width.or(base.scatter_width),
            ..base.clone()
        }
    }
}

fn invalid(field: &str, value: String, expected: &str) -> PolicyError {
    PolicyError::Invalid { field: field.to_owned(), value, expected: expected.to_owned() }
}

impl Object for PlacementPolicy {
    const KIND: &'static str = "PlacementPolicy";
    const GROUP: &'static str = "quorate.dev";
    const NAMESPACED: bool = true;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Object for ClusterPlacementPolicy {
    const KIND: &'static str = "ClusterPlacementPolicy";
    const GROUP: &'static str = "quorate.dev";
    const NAMESPACED: bool = false;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
