//! What has been decided for claims and is not shown by the API server yet.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::ClaimDecision;
use crate::model::{PodKey, Str};

/// The decisions of pods that are on their way, and the room that they take.
#[derive(Clone, Debug, Default)]
pub(super) struct Assumed {
    decisions: BTreeMap<Str, Vec<ClaimDecision>>,
    /// The pods that have decided on a claim. Several may share one.
    by_claim: FxHashMap<PodKey, BTreeSet<Str>>,
    /// The pods that have decided to take a volume.
    by_volume: FxHashMap<Str, BTreeSet<Str>>,
    /// What is taken of each capacity object.
    ledger: FxHashMap<PodKey, Vec<Entry>>,
}

/// Room that a volume takes which is not made yet, or not yet seen to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    pod: Str,
    claim: PodKey,
    size: i64,
    /// The version of the capacity object that did not know of the volume.
    resource_version: Str,
}

impl Assumed {
    /// `versions` are those of the capacity objects now.
    pub(super) fn insert(
        &mut self,
        pod: &Str,
        decisions: &[ClaimDecision],
        version: impl Fn(&PodKey) -> Option<Str>,
    ) {
        self.remove(pod);
        for decision in decisions {
            let claim = decision.claim();
            self.by_claim.entry(claim.clone()).or_default().insert(pod.clone());
            match decision {
                ClaimDecision::Bind { volume, .. } => {
                    self.by_volume.entry(volume.clone()).or_default().insert(pod.clone());
                }
                ClaimDecision::Provision { size, capacity: Some(capacity), .. } => {
                    let Some(resource_version) = version(capacity) else { continue };
                    let (pod, claim, size) = (pod.clone(), claim.clone(), *size);
                    let entry = Entry { pod, claim, size, resource_version };
                    self.ledger.entry(capacity.clone()).or_default().push(entry);
                }
                ClaimDecision::Provision { capacity: None, .. } => {}
            }
        }
        self.decisions.insert(pod.clone(), decisions.to_vec());
    }

    /// The pod goes nowhere: as if nothing had been decided.
    pub(super) fn remove(&mut self, pod: &str) {
        self.settle(pod);
        self.retain_entries(|entry| *entry.pod != *pod);
    }

    /// The API server shows what was decided. What it takes of the room counts on until a newer
    /// capacity object knows of it.
    pub(super) fn settle(&mut self, pod: &str) {
        for decision in self.decisions.remove(pod).unwrap_or_default() {
            take_out(&mut self.by_claim, decision.claim(), pod);
            if let ClaimDecision::Bind { volume, .. } = &decision {
                take_out(&mut self.by_volume, volume, pod);
            }
        }
    }

    pub(super) fn decisions(&self, pod: &str) -> &[ClaimDecision] {
        self.decisions.get(pod).map_or(&[], Vec::as_slice)
    }

    /// The decisions on a claim, with the pods that made them.
    pub(super) fn of_claim<'a>(
        &'a self,
        claim: &'a PodKey,
    ) -> impl Iterator<Item = (&'a Str, &'a ClaimDecision)> {
        let pods = self.by_claim.get(claim).into_iter().flatten();
        pods.flat_map(move |pod| {
            let decisions = self.decisions(pod).iter();
            decisions.filter(move |one| one.claim() == claim).map(move |one| (pod, one))
        })
    }

    /// The claims that get a volume, with the pods that decided it.
    pub(super) fn of_volume<'a>(
        &'a self,
        volume: &'a str,
    ) -> impl Iterator<Item = (&'a Str, &'a PodKey)> {
        let pods = self.by_volume.get(volume).into_iter().flatten();
        pods.flat_map(move |pod| {
            self.decisions(pod).iter().filter_map(move |decision| match decision {
                ClaimDecision::Bind { claim, volume: taken, .. } if **taken == *volume => {
                    Some((pod, claim))
                }
                _ => None,
            })
        })
    }

    /// How much room of a capacity object is taken, in bytes: by volumes of which this version of
    /// it does not know, and by those of pods under way that have `no_volume` yet. A claim that
    /// several pods share is made once.
    pub(super) fn taken(
        &self,
        capacity: &PodKey,
        resource_version: &str,
        counts: impl Fn(&Str) -> bool,
        has_volume: impl Fn(&PodKey) -> bool,
    ) -> i64 {
        let entries = self.ledger.get(capacity).into_iter().flatten();
        let mut seen = BTreeSet::new();
        let open = entries.filter(|entry| {
            counts(&entry.pod)
                && (*entry.resource_version == *resource_version
                    || self.decisions.contains_key(&entry.pod) && !has_volume(&entry.claim))
        });
        let sizes = open.filter(|entry| seen.insert(&entry.claim)).map(|entry| entry.size);
        sizes.fold(0, i64::saturating_add)
    }

    /// A capacity object has changed: forgets what it knows of by now.
    pub(super) fn on_capacity(&mut self, capacity: &PodKey, has_volume: impl Fn(&PodKey) -> bool) {
        let decisions = &self.decisions;
        if let Some(entries) = self.ledger.get_mut(capacity) {
            entries.retain(|entry| decisions.contains_key(&entry.pod) && !has_volume(&entry.claim));
            if entries.is_empty() {
                self.ledger.remove(capacity);
            }
        }
    }

    fn retain_entries(&mut self, keep: impl Fn(&Entry) -> bool) {
        self.ledger.retain(|_, entries| {
            entries.retain(&keep);
            !entries.is_empty()
        });
    }
}

fn take_out<K: Eq + std::hash::Hash>(pods: &mut FxHashMap<K, BTreeSet<Str>>, key: &K, pod: &str) {
    if let Some(holders) = pods.get_mut(key) {
        holders.remove(pod);
        if holders.is_empty() {
            pods.remove(key);
        }
    }
}
