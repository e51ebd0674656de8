//! How much room drivers really have, beside what they have published of it.

use std::collections::BTreeMap;

use super::Storage;
use crate::api;
use crate::api::Object;
use crate::model::{Labels, PodKey, Quantity};
use crate::scheduler::Event;
use crate::snapshot::volumes::CapacityInfo;

/// One pool for each CSIStorageCapacity object: what it says at the start is what there is.
#[derive(Debug, Default)]
pub(super) struct Room {
    pools: BTreeMap<PodKey, Pool>,
}

#[derive(Debug)]
struct Pool {
    published: api::CsiStorageCapacity,
    info: CapacityInfo,
    /// How much is left, in bytes. Without an end where the object does not say how much.
    left: Option<i64>,
}

/// There is no pool with so much left on the node.
pub(super) struct NoRoom;

impl Room {
    pub(super) fn add(&mut self, published: api::CsiStorageCapacity) {
        let info = CapacityInfo::new(&published);
        let left = published.capacity.as_ref().map(Quantity::value);
        self.pools.insert(published.key(), Pool { published, info, left });
    }

    pub(super) fn published(&self) -> impl Iterator<Item = &api::CsiStorageCapacity> {
        self.pools.values().map(|pool| &pool.published)
    }

    /// Takes room for a volume of a class that a node with these labels reaches. A class without
    /// pools has room without an end.
    pub(super) fn take(&mut self, class: &str, labels: &Labels, size: i64) -> Result<(), NoRoom> {
        let mut of_class = self.pools.values_mut().filter(|pool| *pool.info.class == *class);
        let mut is_limited = false;
        let found = of_class.find(|pool| {
            is_limited = true;
            pool.has(size) && pool.info.serves(labels)
        });
        match found {
            Some(pool) => pool.left = pool.left.map(|left| left - size),
            None if is_limited => return Err(NoRoom),
            None => {}
        }
        Ok(())
    }
}

impl Pool {
    fn has(&self, size: i64) -> bool {
        let small_enough = |most: &Quantity| most.value() >= size;
        self.left.is_none_or(|left| left >= size)
            && self.info.volume_max.as_ref().is_none_or(small_enough)
    }

    fn is_outdated(&self) -> bool {
        self.left != self.published.capacity.as_ref().map(Quantity::value)
    }
}

impl Storage {
    /// Whether drivers have another room than they say.
    pub fn room_is_outdated(&self) -> bool {
        self.room.pools.values().any(Pool::is_outdated)
    }

    /// The drivers say how much room they have.
    pub fn publish_room(&mut self) -> Vec<Event> {
        let mut pools = std::mem::take(&mut self.room.pools);
        let outdated = pools.values_mut().filter(|pool| pool.is_outdated());
        let events = outdated.map(|pool| {
            pool.published.capacity = pool.left.map(Quantity::from_units);
            self.stamp(&mut pool.published);
            pool.info = CapacityInfo::new(&pool.published);
            Event::CsiStorageCapacity(super::upsert(&pool.published))
        });
        let events = events.collect();
        self.room.pools = pools;
        events
    }
}
