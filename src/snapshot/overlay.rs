//! What-if changes on top of a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node_set::NodeIndex;
use super::pod_info::PodInfo;
use super::volumes::ClaimDecision;
use crate::model::Str;

/// Pods that are supposed to stand on nodes, and pods that are supposed to be gone.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    pub added: Vec<(Arc<PodInfo>, NodeIndex)>,
    pub removed: BTreeSet<Str>,
    /// What is decided for the claims of the pods that are added, by their uid.
    pub claims: BTreeMap<Str, Vec<ClaimDecision>>,
}

impl Overlay {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.claims.is_empty()
    }
}
