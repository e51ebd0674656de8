//! What became of the claims that had no volume.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api;
use crate::model::Str;
use crate::sim::volumes::{Fate, Storage};

/// How many claims got a volume, of those that had none when they came.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    pub bound: usize,
    /// For how many of them a volume was made.
    pub provisioned: usize,
    pub pending: usize,
    /// How often a volume could not be made.
    pub failures: usize,
}

/// One of these claims.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimReport {
    pub namespace: Str,
    pub name: Str,
    pub class: Str,
    /// Empty while the claim waits.
    pub volume: Str,
    /// Whether the volume was made for the claim.
    pub provisioned: bool,
    /// The labels that a node must have to reach the volume, each with the values that will do.
    pub reached_from: BTreeMap<Str, Vec<Str>>,
    /// Why the claim waits; empty if it does not.
    pub reason: String,
}

impl Claims {
    pub(super) fn new(rows: &[ClaimReport], storage: &Storage) -> Self {
        let count = |counts: fn(&ClaimReport) -> bool| rows.iter().filter(|r| counts(r)).count();
        Self {
            bound: count(|row| row.reason.is_empty()),
            provisioned: count(|row| row.reason.is_empty() && row.provisioned),
            pending: count(|row| !row.reason.is_empty()),
            failures: storage.failures(),
        }
    }

    /// Whether there were any.
    pub fn is_empty(&self) -> bool {
        self.bound + self.pending == 0
    }
}

impl ClaimReport {
    pub(super) fn rows(storage: &Storage) -> Vec<Self> {
        let rows = storage.fates().map(|Fate { claim, class, volume, provisioned, reason }| Self {
            reached_from: storage.volume(&volume).map(reached_from).unwrap_or_default(),
            namespace: claim.namespace,
            name: claim.name,
            class,
            volume,
            provisioned,
            reason,
        });
        rows.collect()
    }
}

/// What the only term of a volume's affinity asks for. Where it has several there is no one answer.
fn reached_from(volume: &api::PersistentVolume) -> BTreeMap<Str, Vec<Str>> {
    let affinity = volume.spec.node_affinity.as_ref().and_then(|one| one.required.as_ref());
    let terms = affinity.map(|affinity| affinity.node_selector_terms.as_slice());
    let [term] = terms.unwrap_or_default() else {
        return BTreeMap::new();
    };
    let expressions = term.match_expressions.iter().filter(|one| &*one.operator == "In");
    expressions.map(|one| (one.key.clone(), one.values.clone())).collect()
}
