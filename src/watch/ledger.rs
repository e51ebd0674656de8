//! What has been delivered of one kind, so that any list becomes the changes that lead to it.

use rustc_hash::FxHashMap;

use super::{Batch, Change};
use crate::api::Object;
use crate::model::{PodKey, Str};
use crate::planted::{Bug, planted};

/// The newest delivered state of each object, by name.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    known: FxHashMap<PodKey, Known>,
    /// Counts the lists, so that what the present one has not shown can be told apart.
    listing: u32,
}

#[derive(Debug)]
struct Known {
    uid: Str,
    resource_version: Str,
    /// The last list that showed the object.
    listing: u32,
}

impl Ledger {
    pub(super) fn begin_listing(&mut self) {
        self.listing = self.listing.wrapping_add(1);
    }

    /// Delivers an object, unless exactly this state of it has been delivered. An object under the
    /// name of another one takes its place: a delete, then an upsert. An API server has no object
    /// without a name, and nothing could be written about one.
    pub(super) fn upsert<T: Object>(&mut self, object: T, out: &mut Batch<T>) {
        let key = object.key();
        if key.name.is_empty() {
            tracing::error!(kind = T::KIND, "An object of a watch has no name.");
            return;
        }
        let meta = object.meta();
        let new = Known {
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            listing: self.listing,
        };
        if let Some(old) = self.known.get_mut(&key) {
            let same_object = old.uid == new.uid;
            if same_object && old.resource_version == new.resource_version {
                old.listing = self.listing;
                return;
            }
            if !same_object {
                let uid = old.uid.clone();
                let key = key.clone();
                out.push(Change::Delete { key, uid });
            }
            *old = new;
        } else {
            self.known.insert(key, new);
        }
        out.push(Change::Upsert(Box::new(object)));
    }

    /// Delivers a delete. An object of another uid under the same name is gone as well, since the
    /// API server has at most one object of a name.
    pub(super) fn delete<T: Object>(&mut self, object: &T, out: &mut Batch<T>) {
        let key = object.key();
        let uid = object.meta().uid.clone();
        if let Some(known) = self.known.remove(&key)
            && known.uid != uid
        {
            let key = key.clone();
            out.push(Change::Delete { key, uid: known.uid });
        }
        out.push(Change::Delete { key, uid });
    }

    /// Notes that the list has the object, though not in a state that could be read.
    pub(super) fn keep(&mut self, key: &PodKey) {
        if let Some(known) = self.known.get_mut(key) {
            known.listing = self.listing;
        }
    }

    /// Delivers a delete, by name order, for each object that the list did not show.
    pub(super) fn end_listing<T: Object>(&mut self, out: &mut Batch<T>) {
        if planted(Bug::ListKeepsTheDead) {
            return;
        }
        let listing = self.listing;
        let mut gone: Vec<PodKey> = self
            .known
            .iter()
            .filter(|(_, known)| known.listing != listing)
            .map(|(key, _)| key.clone())
            .collect();
        gone.sort();
        for key in gone {
            if let Some(known) = self.known.remove(&key) {
                let uid = known.uid;
                out.push(Change::Delete { key, uid });
            }
        }
    }
}

/// Whether a resource version is later than another. They compare as numbers; one that is no number
/// counts as later, because to read twice is safe and to overlook is not.
pub fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}
