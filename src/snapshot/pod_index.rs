//! Finds what may concern a pod by its namespace and one label that it would have to carry.

use rustc_hash::FxHashMap;

use crate::model::{Labels, Str};

/// Numbered entries, each filed under what a pod must have to be concerned: a namespace, a label,
/// both, or neither.
///
/// Of several labels that an entry demands it is filed under the one with the fewest entries so
/// far: `app=postgres` may stand in a thousand selectors, and `cluster=orders` in one.
#[derive(Debug, Default)]
pub(super) struct PodIndex {
    namespaces: FxHashMap<Option<Str>, Entries>,
}

/// Where an entry is filed.
#[derive(Clone, Debug)]
pub(super) struct Filing {
    namespace: Option<Str>,
    label: Option<(Str, Str)>,
}

#[derive(Debug, Default)]
struct Entries {
    by_label: FxHashMap<(Str, Str), Vec<usize>>,
    unlabelled: Vec<usize>,
}

impl PodIndex {
    /// Files an entry for pods of the namespace, or of all of them, that carry all of the labels.
    pub(super) fn insert<'a>(
        &mut self,
        namespace: Option<&Str>,
        labels: impl Iterator<Item = (&'a Str, &'a Str)>,
        entry: usize,
    ) -> Filing {
        let namespace = namespace.cloned();
        let entries = self.namespaces.entry(namespace.clone()).or_default();
        let filed_under = |label: &(Str, Str)| entries.by_label.get(label).map_or(0, Vec::len);
        let label = labels.map(|(key, value)| (key.clone(), value.clone())).min_by_key(filed_under);
        match &label {
            Some(label) => entries.by_label.entry(label.clone()).or_default(),
            None => &mut entries.unlabelled,
        }
        .push(entry);
        Filing { namespace, label }
    }

    pub(super) fn remove(&mut self, filing: &Filing, entry: usize) {
        let Some(entries) = self.namespaces.get_mut(&filing.namespace) else {
            return;
        };
        match &filing.label {
            Some(label) => {
                if let Some(filed) = entries.by_label.get_mut(label) {
                    take_out(filed, entry);
                    if filed.is_empty() {
                        entries.by_label.remove(label);
                    }
                }
            }
            None => take_out(&mut entries.unlabelled, entry),
        }
        if entries.by_label.is_empty() && entries.unlabelled.is_empty() {
            self.namespaces.remove(&filing.namespace);
        }
    }

    /// Every entry that may concern a pod with these labels, once.
    pub(super) fn candidates<'a>(
        &'a self,
        namespace: &Str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = usize> + 'a {
        let near = self.namespaces.get(&Some(namespace.clone()));
        let all = [near, self.namespaces.get(&None)];
        all.into_iter().flatten().flat_map(|entries| entries.candidates(labels))
    }
}

impl Entries {
    fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = usize> + 'a {
        // Without a single filed label there is nothing to look up.
        let labels = (!self.by_label.is_empty()).then(|| labels.iter());
        let filed = labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| self.by_label.get(&(key.clone(), value.clone())));
        filed.flatten().chain(&self.unlabelled).copied()
    }
}

fn take_out(entries: &mut Vec<usize>, entry: usize) {
    if let Some(position) = entries.iter().position(|filed| *filed == entry) {
        entries.swap_remove(position);
    }
}
