//! The arguments of NodeAffinity, read strictly: a misspelt field is an error and not ignored.

use serde::Deserialize;

use crate::framework::ArgsError;
use crate::model::{
    NodeSelector, NodeSelectorError, NodeSelectorRequirement, NodeSelectorTerm, NodeTerms,
    PreferredSchedulingTerm, PreferredTerms, Str,
};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct NodeAffinityArgs {
    /// Affinity that every pod of the profile has in addition to its own.
    added_affinity: Option<AddedAffinity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AddedAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<Selector>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    preferred: Option<Vec<Preferred>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selector {
    node_selector_terms: Vec<Term>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preferred {
    weight: i32,
    preference: Term,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Term {
    match_expressions: Vec<Requirement>,
    match_fields: Vec<Requirement>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    key: Str,
    operator: Str,
    #[serde(default)]
    values: Vec<Str>,
}

/// Added affinity, ready to match.
#[derive(Debug, Default)]
pub struct Added {
    pub required: Option<NodeTerms>,
    pub preferred: PreferredTerms,
}

impl NodeAffinityArgs {
    pub fn compile(self) -> Result<Added, ArgsError> {
        let affinity = self.added_affinity.unwrap_or_default();
        let required = affinity.required.map(|selector| {
            let node_selector_terms = selector.node_selector_terms.into_iter();
            let selector = NodeSelector {
                node_selector_terms: node_selector_terms.map(NodeSelectorTerm::from).collect(),
            };
            selector
                .compile_strict()
                .map_err(|error| invalid("requiredDuringSchedulingIgnoredDuringExecution", &error))
        });
        let preferred = affinity.preferred.unwrap_or_default().into_iter();
        let preferred: Vec<_> = preferred.map(PreferredSchedulingTerm::from).collect();
        Ok(Added {
            required: required.transpose()?,
            preferred: PreferredTerms::compile(&preferred).map_err(|error| {
                invalid("preferredDuringSchedulingIgnoredDuringExecution", &error)
            })?,
        })
    }
}

impl From<Preferred> for PreferredSchedulingTerm {
    fn from(preferred: Preferred) -> Self {
        Self { weight: preferred.weight, preference: preferred.preference.into() }
    }
}

impl From<Term> for NodeSelectorTerm {
    fn from(term: Term) -> Self {
        let requirements =
            |list: Vec<Requirement>| list.into_iter().map(NodeSelectorRequirement::from).collect();
        Self {
            match_expressions: requirements(term.match_expressions),
            match_fields: requirements(term.match_fields),
        }
    }
}

impl From<Requirement> for NodeSelectorRequirement {
    fn from(requirement: Requirement) -> Self {
        Self { key: requirement.key, operator: requirement.operator, values: requirement.values }
    }
}

fn invalid(field: &str, error: &NodeSelectorError) -> ArgsError {
    ArgsError::Decode(format!("addedAffinity.{field}: {error}"))
}
