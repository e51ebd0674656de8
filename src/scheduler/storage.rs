//! What events about claims, volumes and drivers do to the snapshot and to waiting pods.

use super::Scheduler;
use super::event::{Change, Event};
use crate::framework::{self, ClusterEvent, StorageEvent};
use crate::model::Instant;
use crate::snapshot::volumes::{
    AttachmentInfo, CapacityInfo, ClaimInfo, ClassInfo, DriverInfo, NodeDrivers, VolumeInfo,
};

impl Scheduler {
    /// Takes in a change of one object. Deletions free nothing by themselves but attachments: a pod
    /// that waits for a claim or a volume waits for one that comes or changes.
    pub(super) fn on_storage(&mut self, event: Event, now: Instant) {
        self.claims_changed = true;
        let volumes = &mut self.cache.snapshot.volumes;
        macro_rules! apply {
            ($change:ident, $info:ident, $set:ident, $event:ident, |$key:ident| $remove:expr) => {
                match $change {
                    Change::Upsert(object) => {
                        let new = $info::new(&object);
                        let old = volumes.$set(new.clone());
                        if old.as_deref() != Some(&new) {
                            let change = framework::Change::new(old.as_ref(), &new);
                            self.wake(&ClusterEvent::Storage(StorageEvent::$event(change)), now);
                        }
                    }
                    Change::Delete { key: $key, .. } => _ = $remove,
                }
            };
        }
        match event {
            Event::PersistentVolumeClaim(change) => {
                apply!(change, ClaimInfo, set_claim, Claim, |key| volumes.remove_claim(&key));
            }
            Event::PersistentVolume(change) => {
                apply!(change, VolumeInfo, set_volume, Volume, |key| volumes
                    .remove_volume(&key.name));
            }
            Event::StorageClass(change) => {
                apply!(change, ClassInfo, set_class, Class, |key| volumes.remove_class(&key.name));
            }
            Event::CsiDriver(change) => {
                apply!(change, DriverInfo, set_driver, Driver, |key| volumes
                    .remove_driver(&key.name));
            }
            Event::CsiNode(change) => {
                apply!(change, NodeDrivers, set_node, NodeDrivers, |key| volumes
                    .remove_node(&key.name));
            }
            Event::CsiStorageCapacity(change) => {
                apply!(change, CapacityInfo, set_capacity, Capacity, |key| volumes
                    .remove_capacity(&key));
            }
            Event::VolumeAttachment(Change::Upsert(attachment)) => {
                let name = &attachment.metadata.name;
                volumes.set_attachment(name, AttachmentInfo::new(&attachment));
            }
            Event::VolumeAttachment(Change::Delete { key, .. }) => {
                if let Some(old) = volumes.remove_attachment(&key.name) {
                    self.wake(&ClusterEvent::Storage(StorageEvent::Detached(&old)), now);
                }
            }
            _ => {}
        }
    }
}
