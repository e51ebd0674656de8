//! The policies of the cluster: what they do to replica groups, and which cannot be used.

use std::collections::BTreeMap;

use super::Scheduler;
use super::event::Change;
use crate::api::{ClusterPlacementPolicy, Object, PlacementPolicy, PlacementPolicySpec};
use crate::framework::ClusterEvent;
use crate::groups::{Catalogue, PolicyError};
use crate::model::{Instant, PodKey};

/// All policies, and what groups are without them.
#[derive(Debug, Default)]
pub struct Policies {
    /// None where no profile knows groups.
    presets: Option<Catalogue>,
    own: BTreeMap<PodKey, PlacementPolicy>,
    cluster: BTreeMap<PodKey, ClusterPlacementPolicy>,
    refused: BTreeMap<PodKey, PolicyError>,
    /// They have changed since groups were last found by them.
    changed: bool,
}

impl Policies {
    /// No policies yet.
    pub(super) fn over(presets: Option<Catalogue>) -> Self {
        Self { presets, ..Self::default() }
    }

    /// Whether a profile makes use of them.
    pub fn are_used(&self) -> bool {
        self.presets.is_some()
    }

    pub fn own(&self) -> impl Iterator<Item = &PlacementPolicy> {
        self.own.values()
    }

    pub fn cluster(&self) -> impl Iterator<Item = &ClusterPlacementPolicy> {
        self.cluster.values()
    }

    /// Why a policy is not in force; the namespace of a ClusterPlacementPolicy is empty.
    pub fn refusal(&self, key: &PodKey) -> Option<&PolicyError> {
        self.refused.get(key)
    }

    /// The policies that are not in force.
    pub fn refusals(&self) -> impl Iterator<Item = (&PodKey, &PolicyError)> {
        self.refused.iter()
    }

    /// The presets with the policies over them, if those have changed.
    fn take_catalogue(&mut self) -> Option<Catalogue> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let presets = self.presets.as_ref()?;
        let (catalogue, refused) = presets.with_policies(self.own.values(), self.cluster.values());
        let refused = refused.into_iter().map(|(source, namespace, error)| {
            let name = source.name().cloned().unwrap_or_default();
            (PodKey { namespace, name }, error)
        });
        let before = std::mem::replace(&mut self.refused, refused.collect());
        for (policy, error) in &self.refused {
            if before.get(policy) != Some(error) {
                tracing::warn!(%policy, %error, "A policy cannot be used.");
            }
        }
        Some(catalogue)
    }
}

impl Scheduler {
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    pub(super) fn on_policy(&mut self, change: Change<PlacementPolicy>) {
        self.policies.changed |= apply(&mut self.policies.own, change, |policy| &policy.spec);
    }

    pub(super) fn on_cluster_policy(&mut self, change: Change<ClusterPlacementPolicy>) {
        self.policies.changed |= apply(&mut self.policies.cluster, change, |policy| &policy.spec);
    }

    /// Finds groups anew where policies have changed. That goes through all pods, so it is done
    /// once for all changes that came together, and not before everything has been listed.
    pub(super) fn find_groups(&mut self, now: Instant) {
        if !self.synced {
            return;
        }
        if let Some(catalogue) = self.policies.take_catalogue() {
            self.cache.snapshot.set_catalogue(Some(catalogue));
            self.wake(&ClusterEvent::PolicyChanged, now);
        }
    }
}

/// Takes in a change. Returns whether it may change groups; most are statuses of our own.
fn apply<T: Object>(
    policies: &mut BTreeMap<PodKey, T>,
    change: Change<T>,
    spec: impl Fn(&T) -> &PlacementPolicySpec,
) -> bool {
    match change {
        Change::Upsert(policy) => {
            let age = policy.meta().creation_timestamp;
            let same = policies.get(&policy.key()).is_some_and(|old| {
                spec(old) == spec(&policy) && old.meta().creation_timestamp == age
            });
            policies.insert(policy.key(), *policy);
            !same
        }
        Change::Delete { key, .. } => policies.remove(&key).is_some(),
    }
}
