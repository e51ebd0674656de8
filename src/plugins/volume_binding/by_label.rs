//! Finds, for the labels of a node, those of many entries that may belong to it.

use rustc_hash::FxHashMap;

use crate::model::{Labels, Str};

/// Entries known by their rank, each filed under a label that a node must have for it. A thousand
/// local volumes, one for each node, cost a node one look instead of a thousand.
#[derive(Debug, Default)]
pub(super) struct ByLabel {
    keys: Vec<(Str, FxHashMap<Str, Vec<usize>>)>,
    anywhere: Vec<usize>,
}

impl ByLabel {
    /// Files an entry, whose rank is higher than those before. `demanded` are the values of which
    /// a node must have one.
    pub(super) fn insert(&mut self, demanded: Option<(&Str, &[Str])>, rank: usize) {
        let Some((key, values)) = demanded else {
            self.anywhere.push(rank);
            return;
        };
        let position = self.keys.iter().position(|(own, _)| own == key).unwrap_or_else(|| {
            self.keys.push((key.clone(), FxHashMap::default()));
            self.keys.len() - 1
        });
        for value in values {
            let filed = self.keys[position].1.entry(value.clone()).or_default();
            // A value may stand there twice.
            if filed.last() != Some(&rank) {
                filed.push(rank);
            }
        }
    }

    /// The first entry for a node with these labels that is accepted.
    pub(super) fn first(
        &self,
        labels: &Labels,
        mut accept: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        let filed = self.keys.iter().filter_map(|(key, values)| values.get(labels.get(key)?));
        let lists = filed.chain([&self.anywhere]);
        lists.filter_map(|ranks| ranks.iter().copied().find(|rank| accept(*rank))).min()
    }
}
