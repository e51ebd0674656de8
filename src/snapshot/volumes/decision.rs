//! What is decided for the claims of a pod, together with its node.

use serde::{Deserialize, Serialize};

use crate::model::{PodKey, Str};

/// What has to be done so that one claim of a pod can be used on the pod's node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimDecision {
    /// The claim gets a volume that is there.
    Bind {
        claim: PodKey,
        volume: Str,
        /// The version of the volume on which this was decided.
        resource_version: Str,
    },
    /// A volume is made for the claim where this node can reach it.
    Provision {
        claim: PodKey,
        node: Str,
        /// The version of the claim on which this was decided.
        resource_version: Str,
        class: Str,
        /// In bytes.
        size: i64,
        /// The capacity object that promises the room, where the driver publishes any.
        capacity: Option<PodKey>,
    },
}

impl ClaimDecision {
    pub fn claim(&self) -> &PodKey {
        match self {
            Self::Bind { claim, .. } | Self::Provision { claim, .. } => claim,
        }
    }
}
