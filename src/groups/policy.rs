//! Policies checked, and laid over what presets say.

use super::definition::{Definition, InitialPrimary, Role, Source};
use super::rule::{Rule, RuleError, RuleName};
use crate::api::{ClusterPlacementPolicy, PlacementPolicy, PlacementPolicySpec};
use crate::model::{LabelSelector, Selector, SelectorError, Str};

/// A policy may name this many levels; there are not as many kinds of failure domains.
pub const LEVELS_MAX: usize = 8;

/// A group may have this many members.
pub const MEMBERS_MAX: u32 = 1024;

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
    role: Option<Role>,
    initial_primary: Option<InitialPrimary>,
    voters: Option<Selector>,
    spec: PlacementPolicySpec,
}

/// What can be checked.
pub(super) trait Check {
    fn check(&self) -> Result<Policy, PolicyError>;
}

impl Check for PlacementPolicy {
    fn check(&self) -> Result<Policy, PolicyError> {
        if self.spec.namespace_selector.is_some() {
            let expected = "none: a PlacementPolicy is about its own namespace";
            return Err(invalid("namespaceSelector", "a selector".to_owned(), expected));
        }
        let mut policy = Policy::new(&self.spec, Source::Policy(self.metadata.name.clone()))?;
        policy.namespace = Some(self.metadata.namespace.clone());
        Ok(policy)
    }
}

impl Check for ClusterPlacementPolicy {
    fn check(&self) -> Result<Policy, PolicyError> {
        Policy::new(&self.spec, Source::ClusterPolicy(self.metadata.name.clone()))
    }
}

impl Policy {
    fn new(spec: &PlacementPolicySpec, source: Source) -> Result<Self, PolicyError> {
        let compile = |field, selector: &LabelSelector| {
            selector.compile().map_err(|source| PolicyError::Selector { field, source })
        };
        let selector = compile("selector", &spec.selector)?;
        if selector.is_everything() {
            let expected = "a label that the members have and other pods have not";
            return Err(invalid("selector", "{}".to_owned(), expected));
        }
        let namespaces = match &spec.namespace_selector {
            Some(selector) => compile("namespaceSelector", selector)?,
            None => Selector::everything(),
        };
        let voters = spec.voters.as_ref().map(|voters| compile("voters", voters)).transpose()?;
        check_numbers(spec)?;
        check_levels(spec)?;
        Ok(Self {
            source,
            namespace: None,
            selector,
            namespaces,
            rule: rule(spec)?,
            role: role(spec)?,
            initial_primary: initial_primary(spec)?,
            voters,
            spec: spec.clone(),
        })
    }

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
            role: self.role.clone().or_else(|| base.role.clone()),
            initial_primary: match &self.initial_primary {
                Some(own) => own.clone(),
                None => base.initial_primary.clone(),
            },
            voters: self.voters.clone().or_else(|| base.voters.clone()),
            rule: self.rule.unwrap_or(base.rule),
            why: match self.rule {
                Some(_) => "the policy says so".into(),
                None => base.why.clone(),
            },
            desired_size: spec.desired_size.or(base.desired_size),
            levels: levels.clone(),
            max_members: spec.max_members.or(base.max_members),
            primaries: spec.primaries.unwrap_or(base.primaries),
            scatter_width: spec.scatter_width.or(base.scatter_width),
            ..base.clone()
        }
    }
}

/// The rule, where the policy states one.
fn rule(spec: &PlacementPolicySpec) -> Result<Option<Rule>, PolicyError> {
    let known = match spec.rule.as_deref() {
        None if spec.replication_factor.is_some() || spec.needed.is_some() => {
            return Err(RuleError::UnwantedFactor.into());
        }
        None => return Ok(None),
        Some("majority") => RuleName::Majority,
        Some("nMinusOne") => RuleName::NMinusOne,
        Some("replicationFactor") => RuleName::ReplicationFactor,
        Some("mastersMajority") => RuleName::MastersMajority,
        Some("untolerant") => RuleName::Untolerant,
        Some(name) => {
            let expected = "majority, nMinusOne, replicationFactor, mastersMajority or untolerant";
            return Err(invalid("rule", format!("{name:?}"), expected));
        }
    };
    Ok(Some(Rule::from_parts(known, spec.replication_factor, spec.needed)?))
}

fn role(spec: &PlacementPolicySpec) -> Result<Option<Role>, PolicyError> {
    let Some(role) = &spec.role else { return Ok(None) };
    if role.key.is_empty() {
        return Err(invalid("role.key", "\"\"".to_owned(), "the label with the role"));
    }
    if role.primary.is_empty() {
        return Err(invalid("role.primary", "[]".to_owned(), "the values of a primary"));
    }
    Ok(Some(Role { key: role.key.clone(), primary: role.primary.clone() }))
}

fn initial_primary(spec: &PlacementPolicySpec) -> Result<Option<InitialPrimary>, PolicyError> {
    let label = spec.initial_primary_label.as_ref();
    match (spec.initial_primary.as_deref(), label) {
        (None, None) => Ok(None),
        (Some("none"), None) => Ok(Some(InitialPrimary::None)),
        (Some("ordinal0"), None) => Ok(Some(InitialPrimary::Ordinal0)),
        (Some("label"), Some(label)) if !label.key.is_empty() => {
            let (key, value) = (label.key.clone(), label.value.clone());
            Ok(Some(InitialPrimary::Label { key, value }))
        }
        (Some("none" | "ordinal0" | "label") | None, _) => {
            let expected = "a label with initialPrimary: label, and none otherwise";
            let value = label.map_or("none".to_owned(), |label| format!("{:?}", label.key));
            Err(invalid("initialPrimaryLabel", value, expected))
        }
        (Some(name), _) => {
            let expected = "none, ordinal0 or label";
            Err(invalid("initialPrimary", format!("{name:?}"), expected))
        }
    }
}

fn check_numbers(spec: &PlacementPolicySpec) -> Result<(), PolicyError> {
    let numbers = [
        ("desiredSize", spec.desired_size),
        ("maxMembers", spec.max_members),
        ("scatterWidth", spec.scatter_width),
    ];
    for (field, number) in numbers {
        if let Some(number) = number.filter(|number| !(1..=MEMBERS_MAX).contains(number)) {
            let expected = format!("a number from 1 to {MEMBERS_MAX}");
            return Err(invalid(field, number.to_string(), &expected));
        }
    }
    Ok(())
}

fn check_levels(spec: &PlacementPolicySpec) -> Result<(), PolicyError> {
    if spec.levels.len() > LEVELS_MAX {
        let expected = format!("at most {LEVELS_MAX} levels");
        return Err(invalid("levels", spec.levels.len().to_string(), &expected));
    }
    for (index, level) in spec.levels.iter().enumerate() {
        let twice = spec.levels[..index].iter().any(|other| other.key == level.key);
        if level.key.is_empty() || twice {
            let field = format!("levels[{index}].key");
            return Err(invalid(&field, format!("{:?}", level.key), "a key of its own"));
        }
    }
    Ok(())
}

fn invalid(field: &str, value: String, expected: &str) -> PolicyError {
    PolicyError::Invalid { field: field.to_owned(), value, expected: expected.to_owned() }
}
