//! Finds what may concern a pod by one label that it would have to carry.

use rustc_hash::FxHashMap;

use crate::model::{Labels, Str};

/// Entries filed under a label, or under none where no single label is demanded.
#[derive(Debug)]
pub(super) struct LabelIndex<T> {
    by_label: FxHashMap<(Str, Str), Vec<T>>,
    unfiled: Vec<T>,
}

impl<T> Default for LabelIndex<T> {
    fn default() -> Self {
        Self {
            by_label: FxHashMap::default(),
            unfiled: Vec::new(),
        }
    }
}

impl<T: PartialEq> LabelIndex<T> {
    pub(super) fn insert(&mut self, label: Option<(&Str, &Str)>, entry: T) {
        match label {
            Some((key, value)) => {
                self.by_label
                    .entry((key.clone(), value.clone()))
                    .or_default()
                    .push(entry);
            }
            None => self.unfiled.push(entry),
        }
    }

    pub(super) fn remove(&mut self, label: Option<(&Str, &Str)>, entry: &T) {
        let Some((key, value)) = label else {
            return remove_entry(&mut self.unfiled, entry);
        };
        let label = (key.clone(), value.clone());
        if let Some(entries) = self.by_label.get_mut(&label) {
            remove_entry(entries, entry);
            if entries.is_empty() {
                self.by_label.remove(&label);
            }
        }
    }

    /// Everything that may concern a pod with these labels.
    pub(super) fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a T> + 'a {
        let filed = labels
            .iter()
            .filter_map(|(key, value)| self.by_label.get(&(key.clone(), value.clone())));
        filed.flatten().chain(&self.unfiled)
    }
}

fn remove_entry<T: PartialEq>(entries: &mut Vec<T>, entry: &T) {
    if let Some(position) = entries.iter().position(|candidate| candidate == entry) {
        entries.swap_remove(position);
    }
}
