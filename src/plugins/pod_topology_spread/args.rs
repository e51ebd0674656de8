//! The arguments of PodTopologySpread, and their checks.

use serde::Deserialize;

use super::constraints::{DO_NOT_SCHEDULE, SCHEDULE_ANYWAY};
use crate::api::TopologySpreadConstraint;
use crate::framework::ArgsError;
use crate::model::is_label_key;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTopologySpreadArgs {
    /// Constraints for pods that state none, without selectors: these come from the Services and
    /// the controller of each pod. Only with `defaultingType: List`.
    pub default_constraints: Vec<TopologySpreadConstraint>,
    pub defaulting_type: DefaultingType,
}

/// Where the constraints of pods that state none come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum DefaultingType {
    /// Soft constraints over hosts and zones.
    #[default]
    #[serde(alias = "")]
    System,
    /// What `defaultConstraints` says.
    List,
}

impl PodTopologySpreadArgs {
    pub fn validate(&self) -> Result<(), ArgsError> {
        if self.defaulting_type == DefaultingType::System && !self.default_constraints.is_empty() {
            return Err(invalid(
                "defaultingType".into(),
                "System",
                "List, because defaultConstraints are given",
            ));
        }
        for (position, constraint) in self.default_constraints.iter().enumerate() {
            self.validate_constraint(position, constraint)?;
        }
        Ok(())
    }

    fn validate_constraint(
        &self,
        position: usize,
        constraint: &TopologySpreadConstraint,
    ) -> Result<(), ArgsError> {
        let field = |name: &str| format!("defaultConstraints[{position}]{name}");
        if constraint.max_skew <= 0 {
            let value = constraint.max_skew.to_string();
            return Err(invalid(field(".maxSkew"), &value, "a number above 0"));
        }
        if !is_label_key(&constraint.topology_key) {
            let key = &constraint.topology_key;
            return Err(invalid(field(".topologyKey"), key, "a label key"));
        }
        let action = &constraint.when_unsatisfiable;
        if ![DO_NOT_SCHEDULE, SCHEDULE_ANYWAY].contains(&&**action) {
            let expected = format!("{DO_NOT_SCHEDULE} or {SCHEDULE_ANYWAY}");
            return Err(invalid(field(".whenUnsatisfiable"), action, &expected));
        }
        if constraint.label_selector.is_some() {
            let expected = "none: selectors come from the Services and controllers of pods";
            return Err(invalid(field(".labelSelector"), "a selector", expected));
        }
        let said = |other: &TopologySpreadConstraint| {
            other.topology_key == constraint.topology_key && other.when_unsatisfiable == *action
        };
        if self.default_constraints.iter().take(position).any(said) {
            let value = format!("{} {action}", constraint.topology_key);
            return Err(invalid(field(""), &value, "each pair of them once"));
        }
        Ok(())
    }
}

fn invalid(field: String, value: &str, expected: &str) -> ArgsError {
    ArgsError::Invalid { field, value: value.to_owned(), expected: expected.to_owned() }
}
