//! The arguments of InterPodAffinity, and their check.

use serde::Deserialize;

use crate::framework::ArgsError;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InterPodAffinityArgs {
    /// What a placed pod's required affinity towards the incoming pod adds to the score: 0 to 100.
    pub hard_pod_affinity_weight: i32,
    /// Leaves the wishes of placed pods aside for pods that have none themselves.
    pub ignore_preferred_terms_of_existing_pods: bool,
}

const HARD_POD_AFFINITY_WEIGHT_MAX: i32 = 100;

impl Default for InterPodAffinityArgs {
    fn default() -> Self {
        Self { hard_pod_affinity_weight: 1, ignore_preferred_terms_of_existing_pods: false }
    }
}

impl InterPodAffinityArgs {
    pub fn validate(&self) -> Result<(), ArgsError> {
        let weight = self.hard_pod_affinity_weight;
        if (0..=HARD_POD_AFFINITY_WEIGHT_MAX).contains(&weight) {
            return Ok(());
        }
        Err(ArgsError::Invalid {
            field: "hardPodAffinityWeight".into(),
            value: weight.to_string(),
            expected: format!("a number from 0 to {HARD_POD_AFFINITY_WEIGHT_MAX}"),
        })
    }
}
