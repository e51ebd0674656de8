//! Label selectors: as they are written in an object, and compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::decode::null_as_default;
use super::names::{is_label_key, is_label_value};
use super::{Labels, Str, quoted};

/// A selector as it stands in an object: all parts must hold, none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<Str, Str>,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelectorRequirement {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub operator: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Str>,
}

/// A selector ready to match: requirements sorted by key, or the selector of nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(Option<Arc<[Requirement]>>);

/// One condition on the labels. `values` are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    pub key: Str,
    pub operator: Operator,
    pub values: Vec<Str>,
}

/// `Equals` comes of `matchLabels`. It means `In` with one value and is printed differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    Equals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// Why a selector is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectorError {
    #[error("{} is not a valid label key", quoted(.0))]
    Key(Str),
    #[error("{} is not a valid label value for key {key:?}", quoted(.value))]
    Value { key: Str, value: Str },
    #[error("{} is not a valid label selector operator", quoted(.0))]
    Operator(Str),
    #[error("operator {operator:?} for key {key:?} needs at least one value")]
    NoValues { key: Str, operator: Str },
    #[error("operator {operator:?} for key {key:?} takes no values")]
    UnwantedValues { key: Str, operator: Str },
}

/// Compiles a selector that may be absent. Absent selects nothing; empty selects everything.
pub fn compile_optional(selector: Option<&LabelSelector>) -> Result<Selector, SelectorError> {
    selector.map_or_else(|| Ok(Selector::nothing()), LabelSelector::compile)
}

impl LabelSelector {
    /// Checks keys, values and operators as the API server does.
    pub fn compile(&self) -> Result<Selector, SelectorError> {
        let labels = self.match_labels.iter().map(|(key, value)| {
            check_names(key, std::slice::from_ref(value))?;
            Ok(Requirement::equals(key.clone(), value.clone()))
        });
        let expressions = self.match_expressions.iter().map(LabelSelectorRequirement::compile);
        Ok(Selector::of(labels.chain(expressions).collect::<Result<_, _>>()?))
    }
}

impl LabelSelectorRequirement {
    fn compile(&self) -> Result<Requirement, SelectorError> {
        let operator = match &*self.operator {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => return Err(SelectorError::Operator(self.operator.clone())),
        };
        Requirement::checked(&self.key, operator, &self.values)
    }
}

impl Selector {
    pub fn everything() -> Self {
        Self(Some(Arc::new([])))
    }

    pub fn nothing() -> Self {
        Self(None)
    }

    /// Demands every one of the labels, without checking them. No labels select everything.
    pub fn from_map(labels: &Labels) -> Self {
        let equals = labels.iter();
        let equals = equals.map(|(key, value)| Requirement::equals(key.clone(), value.clone()));
        Self(Some(equals.collect()))
    }

    pub fn is_everything(&self) -> bool {
        self.0.as_ref().is_some_and(|requirements| requirements.is_empty())
    }

    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        match &self.0 {
            None => false,
            Some(requirements) => requirements.iter().all(|one| one.matches(labels)),
        }
    }

    /// The conditions, sorted by key. The selector of nothing has none.
    pub fn requirements(&self) -> &[Requirement] {
        self.0.as_deref().unwrap_or_default()
    }

    /// This selector with more conditions, each of them once. Nothing stays nothing.
    pub fn and(&self, more: impl IntoIterator<Item = Requirement>) -> Self {
        let Some(requirements) = &self.0 else {
            return Self(None);
        };
        let mut known: BTreeSet<Requirement> = requirements.iter().cloned().collect();
        let more = more.into_iter().filter(|one| known.insert(one.clone()));
        let new: Vec<_> = more.collect();
        if new.is_empty() {
            return self.clone();
        }
        Self::of(requirements.iter().cloned().chain(new).collect())
    }

    /// The labels that every match must carry, for looking candidates up by one of them.
    pub fn equalities(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.requirements().iter().filter_map(|requirement| match requirement.operator {
            Operator::Equals | Operator::In => {
                let (first, last) = (requirement.values.first()?, requirement.values.last()?);
                (first == last).then_some((&requirement.key, first))
            }
            _ => None,
        })
    }

    fn of(mut requirements: Vec<Requirement>) -> Self {
        // The sort is stable: of one key, labels stand before expressions.
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Self(Some(requirements.into()))
    }
}

impl Requirement {
    /// A condition whose key and values are taken as they are.
    pub fn new(key: impl Into<Str>, operator: Operator, mut values: Vec<Str>) -> Self {
        values.sort();
        Self { key: key.into(), operator, values }
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::Equals | Operator::In => value.is_some_and(|value| self.has(value)),
            Operator::NotIn => value.is_none_or(|value| !self.has(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }

    /// A condition after the checks that both label and node selectors make.
    pub(super) fn checked(
        key: &Str,
        operator: Operator,
        values: &[Str],
    ) -> Result<Self, SelectorError> {
        check_names(key, values)?;
        let takes_values = matches!(operator, Operator::Equals | Operator::In | Operator::NotIn);
        if takes_values && values.is_empty() {
            let operator = operator.name().into();
            return Err(SelectorError::NoValues { key: key.clone(), operator });
        }
        if !takes_values && !values.is_empty() {
            let operator = operator.name().into();
            return Err(SelectorError::UnwantedValues { key: key.clone(), operator });
        }
        Ok(Self::new(key.clone(), operator, values.to_vec()))
    }

    fn equals(key: Str, value: Str) -> Self {
        Self { key, operator: Operator::Equals, values: vec![value] }
    }

    fn has(&self, value: &Str) -> bool {
        self.values.binary_search(value).is_ok()
    }
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::Equals => "Equals",
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

pub(super) fn check_names(key: &Str, values: &[Str]) -> Result<(), SelectorError> {
    if !is_label_key(key) {
        return Err(SelectorError::Key(key.clone()));
    }
    match values.iter().find(|value| !is_label_value(value)) {
        Some(value) => Err(SelectorError::Value { key: key.clone(), value: value.clone() }),
        None => Ok(()),
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = || self.values.join(",");
        match self.operator {
            Operator::Equals => write!(f, "{key}={}", values()),
            Operator::In => write!(f, "{key} in ({})", values()),
            Operator::NotIn => write!(f, "{key} notin ({})", values()),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests;
