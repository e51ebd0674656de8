//! PodDisruptionBudgets: how many pods may be evicted on purpose at the same time.

use serde::{Deserialize, Serialize};

use super::meta::{Object, ObjectMeta, null_as_default};
use crate::model::{LabelSelector, Str};

/// A policy/v1 PodDisruptionBudget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudget {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PodDisruptionBudgetSpec,
    #[serde(deserialize_with = "null_as_default")]
    pub status: PodDisruptionBudgetStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudgetSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<CountOrPercent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<CountOrPercent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudgetStatus {
    /// How many pods its controllers want.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_pods: Option<u32>,
}

/// A number of pods, or a share of them such as `50%`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CountOrPercent {
    Count(i32),
    Percent(Str),
}

impl CountOrPercent {
    /// How many of so many pods that is; a share is rounded up. Nothing where it is no share.
    pub fn of(&self, pods: u32) -> Option<u32> {
        match self {
            Self::Count(count) => Some(u32::try_from(*count).unwrap_or(0)),
            Self::Percent(text) => {
                let percent: u64 = text.strip_suffix('%')?.parse().ok()?;
                u32::try_from((u64::from(pods) * percent).div_ceil(100)).ok()
            }
        }
    }
}

impl PodDisruptionBudgetSpec {
    /// How many of so many healthy pods may be evicted at once. Nothing where the budget says
    /// nothing, or nothing that can be read.
    pub fn allowed(&self, pods: u32) -> Option<u32> {
        match (&self.max_unavailable, &self.min_available) {
            (Some(most), _) => most.of(pods).map(|most| most.min(pods)),
            (None, Some(least)) => least.of(pods).map(|least| pods.saturating_sub(least)),
            (None, None) => None,
        }
    }
}

impl Object for PodDisruptionBudget {
    const KIND: &'static str = "PodDisruptionBudget";
    const GROUP: &'static str = "policy";
    const NAMESPACED: bool = true;

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_what_its_count_or_its_share_leaves() {
        let check = |spec: &str, pods, allowed| {
            let spec: PodDisruptionBudgetSpec = serde_json::from_str(spec).unwrap();
            assert_eq!(spec.allowed(pods), allowed, "{spec:?}");
        };
        check(r#"{"maxUnavailable": 1}"#, 3, Some(1));
        check(r#"{"maxUnavailable": "50%"}"#, 3, Some(2));
        check(r#"{"maxUnavailable": 9}"#, 3, Some(3));
        check(r#"{"minAvailable": 2}"#, 3, Some(1));
        check(r#"{"minAvailable": "51%"}"#, 3, Some(1));
        check(r#"{"minAvailable": "100%"}"#, 3, Some(0));
        check(r#"{"minAvailable": 5}"#, 3, Some(0));
        check("{}", 3, None);
        check(r#"{"minAvailable": "many"}"#, 3, None);
    }
}
