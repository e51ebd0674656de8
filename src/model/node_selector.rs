//! Node selector terms and preferred terms: as they are written, and compiled.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::decode::null_as_default;
use super::selector::check_names;
use super::{Labels, Operator, Requirement, SelectorError, Str, quoted};

/// The only field of a node that terms can name.
pub const NODE_NAME_FIELD: &str = "metadata.name";

/// Terms of which one must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelector {
    #[serde(deserialize_with = "null_as_default")]
    pub node_selector_terms: Vec<NodeSelectorTerm>,
}

/// Conditions that must all hold. A term without any matches no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<NodeSelectorRequirement>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_fields: Vec<NodeSelectorRequirement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorRequirement {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub operator: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Str>,
}

/// A term that adds `weight` to the score of the nodes it matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreferredSchedulingTerm {
    #[serde(deserialize_with = "null_as_default")]
    pub weight: i32,
    #[serde(deserialize_with = "null_as_default")]
    pub preference: NodeSelectorTerm,
}

/// A node selector ready to match. Terms that do not parse keep their error: it counts only for
/// nodes that no other term matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTerms(Vec<Result<Term, NodeSelectorError>>);

/// Preferred terms ready to score.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreferredTerms(Vec<(i64, Term)>);

/// Why a term is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeSelectorError {
    #[error(transparent)]
    Requirement(#[from] SelectorError),
    #[error("{} is not a valid node selector operator", quoted(.0))]
    Operator(Str),
    #[error("operator {operator:?} for key {} needs exactly one integer", quoted(.key))]
    Integer { key: Str, operator: Str },
    #[error("{} is not a valid operator for a node field", quoted(.0))]
    FieldOperator(Str),
    #[error("field {} needs exactly one value", quoted(.0))]
    FieldValues(Str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    labels: Vec<LabelCondition>,
    fields: Vec<FieldCondition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelCondition {
    Set(Requirement),
    Greater(Str, i64),
    Less(Str, i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldCondition {
    field: Str,
    value: Str,
    wanted: bool,
}

impl NodeSelector {
    /// Keeps the errors of single terms, as required affinity does.
    pub fn compile(&self) -> NodeTerms {
        let terms = self.node_selector_terms.iter().filter(|term| !term.is_empty());
        NodeTerms(terms.map(NodeSelectorTerm::compile).collect())
    }

    /// Refuses the whole selector for one term that does not parse, as added affinity does.
    pub fn compile_strict(&self) -> Result<NodeTerms, NodeSelectorError> {
        let terms = self.compile();
        match terms.0.iter().find_map(|term| term.as_ref().err()) {
            Some(error) => Err(error.clone()),
            None => Ok(terms),
        }
    }

    /// The only nodes that can match, where every term names nodes. An empty set says that the
    /// terms contradict themselves; nothing, that the terms leave the names open.
    pub fn node_names(&self) -> Option<BTreeSet<Str>> {
        if self.node_selector_terms.is_empty() {
            return None;
        }
        let mut all = BTreeSet::new();
        for term in &self.node_selector_terms {
            all.append(&mut term.node_names()?);
        }
        Some(all)
    }
}

impl NodeSelectorTerm {
    fn is_empty(&self) -> bool {
        self.match_expressions.is_empty() && self.match_fields.is_empty()
    }

    fn compile(&self) -> Result<Term, NodeSelectorError> {
        let labels = self.match_expressions.iter().map(NodeSelectorRequirement::label_condition);
        let fields = self.match_fields.iter().map(NodeSelectorRequirement::field_condition);
        Ok(Term {
            labels: labels.collect::<Result<_, _>>()?,
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// The names that all `metadata.name In` conditions have in common.
    fn node_names(&self) -> Option<BTreeSet<Str>> {
        let named = self.match_fields.iter();
        named
            .filter(|one| &*one.key == NODE_NAME_FIELD && &*one.operator == "In")
            .map(|one| one.values.iter().cloned().collect::<BTreeSet<Str>>())
            .reduce(|one, other| &one & &other)
    }
}

impl NodeSelectorRequirement {
    fn label_condition(&self) -> Result<LabelCondition, NodeSelectorError> {
        let operator = match &*self.operator {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => return Ok(LabelCondition::Greater(self.key.clone(), self.bound()?)),
            "Lt" => return Ok(LabelCondition::Less(self.key.clone(), self.bound()?)),
            _ => return Err(NodeSelectorError::Operator(self.operator.clone())),
        };
        Ok(LabelCondition::Set(Requirement::checked(&self.key, operator, &self.values)?))
    }

    /// The number of Gt and Lt. It must be a label value too, so it cannot be negative.
    fn bound(&self) -> Result<i64, NodeSelectorError> {
        check_names(&self.key, &self.values)?;
        match self.values.as_slice() {
            [value] => value.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| NodeSelectorError::Integer {
            key: self.key.clone(),
            operator: self.operator.clone(),
        })
    }

    fn field_condition(&self) -> Result<FieldCondition, NodeSelectorError> {
        let wanted = match &*self.operator {
            "In" => true,
            "NotIn" => false,
            _ => return Err(NodeSelectorError::FieldOperator(self.operator.clone())),
        };
        match self.values.as_slice() {
            [value] => Ok(FieldCondition { field: self.key.clone(), value: value.clone(), wanted }),
            _ => Err(NodeSelectorError::FieldValues(self.key.clone())),
        }
    }
}

impl NodeTerms {
    /// Whether a term matches. The first error surfaces if none does.
    pub fn matches(&self, node_name: &str, labels: &Labels) -> Result<bool, NodeSelectorError> {
        let mut error = None;
        for term in &self.0 {
            match term {
                Ok(term) if term.matches(node_name, labels) => return Ok(true),
                Ok(_) => {}
                Err(refused) => error = error.or(Some(refused)),
            }
        }
        error.map_or(Ok(false), |error| Err(error.clone()))
    }
}

impl NodeTerms {
    /// A label without which no node matches, with the values of which it must have one. Of
    /// several the one with the fewest values. None where no label is demanded by every term.
    pub fn demanded_label(&self) -> Option<(&Str, &[Str])> {
        let [Ok(only)] = self.0.as_slice() else {
            return None;
        };
        let demanded = only.labels.iter().filter_map(|condition| match condition {
            LabelCondition::Set(Requirement { key, operator: Operator::In, values }) => {
                Some((key, values.as_slice()))
            }
            _ => None,
        });
        demanded.min_by_key(|(_, values)| values.len())
    }
}

impl PreferredTerms {
    /// Terms of weight 0 and empty terms say nothing and are not even checked.
    pub fn compile(terms: &[PreferredSchedulingTerm]) -> Result<Self, NodeSelectorError> {
        let terms = terms.iter().filter(|term| term.weight != 0 && !term.preference.is_empty());
        let terms = terms.map(|term| Ok((i64::from(term.weight), term.preference.compile()?)));
        Ok(Self(terms.collect::<Result<_, NodeSelectorError>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of the weights of the terms that match.
    pub fn score(&self, node_name: &str, labels: &Labels) -> i64 {
        let matching = self.0.iter().filter(|(_, term)| term.matches(node_name, labels));
        matching.fold(0, |sum: i64, (weight, _)| sum.saturating_add(*weight))
    }
}

impl Term {
    fn matches(&self, node_name: &str, labels: &Labels) -> bool {
        self.labels.iter().all(|condition| condition.matches(labels))
            && (node_name.is_empty()
                || self.fields.iter().all(|condition| condition.matches(node_name)))
    }
}

impl LabelCondition {
    fn matches(&self, labels: &Labels) -> bool {
        let number = |key: &Str| labels.get(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Set(requirement) => requirement.matches(labels),
            Self::Greater(key, bound) => number(key).is_some_and(|number| number > *bound),
            Self::Less(key, bound) => number(key).is_some_and(|number| number < *bound),
        }
    }
}

impl FieldCondition {
    /// Fields that a node does not have read as the empty text.
    fn matches(&self, node_name: &str) -> bool {
        let actual = if &*self.field == NODE_NAME_FIELD { node_name } else { "" };
        (actual == &*self.value) == self.wanted
    }
}

#[cfg(test)]
mod tests;
