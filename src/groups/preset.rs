//! Presets: what is known of one operator's pods, as a data file.

use serde::{Deserialize, Serialize};

use super::definition::{Definition, InitialPrimary, Remedy, Role, Source};
use super::rule::{Rule, RuleError, RuleName};
use crate::api::Primaries;
use crate::model::{LabelSelector, SelectorError, Str};

/// One operator.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preset {
    pub name: Str,
    /// What people call it.
    pub title: Str,
    pub parts: Vec<Part>,
    pub scheduler: SchedulerField,
    /// How the operator places the pods by itself.
    pub default_placement: Str,
    #[serde(default)]
    pub custom_resource: Option<CustomResource>,
    pub verified: Verification,
}

/// One kind of group that the operator makes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    pub name: Str,
    #[serde(rename = "match")]
    pub selector: LabelSelector,
    #[serde(default)]
    pub cluster: Option<Str>,
    #[serde(default)]
    pub part: Vec<Str>,
    #[serde(default)]
    pub member: Option<Str>,
    #[serde(default)]
    pub rack: Option<Str>,
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub initial_primary: InitialPrimaryName,
    #[serde(default)]
    pub initial_primary_label: Option<Label>,
    #[serde(default)]
    pub voters: Option<LabelSelector>,
    pub rule: RuleName,
    #[serde(default)]
    pub replication_factor: Option<u32>,
    #[serde(default)]
    pub needed: Option<u32>,
    pub why: Str,
    #[serde(default)]
    pub remedy: Remedy,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub key: Str,
    pub value: Str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum InitialPrimaryName {
    #[default]
    None,
    Ordinal0,
    Label,
}

/// How a user sets `schedulerName`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SchedulerField {
    /// The field of the custom resource or of the chart's values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Str>,
    /// The operator has no such field: the pods have to be stamped at admission.
    pub none: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Str>,
}

/// The object in which a user declares the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomResource {
    pub group: Str,
    pub kind: Str,
    /// The path of the number of members.
    #[serde(default)]
    pub size: Option<Str>,
}

/// Where the facts of a preset were seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verification {
    pub by: VerifiedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VerifiedBy {
    /// A rendered pod or StatefulSet carries the labels.
    Fixture,
    /// The operator's source sets them.
    Source,
    None,
}

#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    #[error("preset {preset}: {reason}")]
    Syntax { preset: Str, reason: String },
    #[error("preset {preset}: parts[{index}].{field}: {source}")]
    Selector { preset: Str, index: usize, field: &'static str, source: SelectorError },
    #[error("preset {preset}: parts[{index}]: {source}")]
    Rule { preset: Str, index: usize, source: RuleError },
    #[error("preset {preset}: {field}: {value:?}: expected {expected}")]
    Invalid { preset: Str, field: String, value: Str, expected: &'static str },
}

impl Preset {
    /// Reads one file.
    pub fn parse(name: &str, text: &str) -> Result<Self, PresetError> {
        let syntax = |reason: String| PresetError::Syntax { preset: name.into(), reason };
        let preset: Self =
            serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
        preset.definitions()?;
        Ok(preset)
    }

    /// The kinds of groups that the preset knows.
    pub fn definitions(&self) -> Result<Vec<Definition>, PresetError> {
        let parts = self.parts.iter().enumerate();
        parts.map(|(index, part)| self.definition(index, part)).collect()
    }

    fn definition(&self, index: usize, part: &Part) -> Result<Definition, PresetError> {
        let compile = |field, selector: &LabelSelector| {
            selector.compile().map_err(|source| PresetError::Selector {
                preset: self.name.clone(),
                index,
                field,
                source,
            })
        };
        let selector = compile("match", &part.selector)?;
        let rule = Rule::from_parts(part.rule, part.replication_factor, part.needed);
        let rule =
            rule.map_err(|source| PresetError::Rule { preset: self.name.clone(), index, source })?;
        let definition = Definition {
            source: Source::Preset(self.name.clone()),
            part: part.name.clone(),
            selector,
            cluster: part.cluster.clone(),
            parts: part.part.clone(),
            member: part.member.clone(),
            rack: part.rack.clone(),
            role: part.role.clone(),
            initial_primary: self.initial_primary(index, part)?,
            voters: part.voters.as_ref().map(|voters| compile("voters", voters)).transpose()?,
            rule,
            why: part.why.clone(),
            remedy: part.remedy.clone(),
            desired_size: None,
            levels: Vec::new(),
            max_members: None,
            primaries: Primaries::default(),
            scatter_width: None,
        };
        if definition.demanded_label().is_none() {
            return Err(PresetError::Invalid {
                preset: self.name.clone(),
                field: format!("parts[{index}].match"),
                value: "".into(),
                expected: "a label that the operator's pods have and others have not",
            });
        }
        Ok(definition)
    }

    fn initial_primary(&self, index: usize, part: &Part) -> Result<InitialPrimary, PresetError> {
        match (part.initial_primary, &part.initial_primary_label) {
            (InitialPrimaryName::None, None) => Ok(InitialPrimary::None),
            (InitialPrimaryName::Ordinal0, None) => Ok(InitialPrimary::Ordinal0),
            (InitialPrimaryName::Label, Some(Label { key, value })) => {
                Ok(InitialPrimary::Label { key: key.clone(), value: value.clone() })
            }
            (name, _) => Err(PresetError::Invalid {
                preset: self.name.clone(),
                field: format!("parts[{index}].initialPrimaryLabel"),
                value: format!("{name:?}").into(),
                expected: "a label with initialPrimary: label, and none otherwise",
            }),
        }
    }
}
