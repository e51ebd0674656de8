//! A cluster from the objects of a dump.

use std::sync::Arc;

use super::volumes::{
    AttachmentInfo, CapacityInfo, ClaimInfo, ClassInfo, DriverInfo, NodeDrivers, VolumeInfo,
};
use super::{NodeInfo, PodInfo, Snapshot};
use crate::api::{self, Object, Objects};

impl Snapshot {
    /// The cluster that these objects make up. Pods that have ended hold nothing.
    pub fn from_objects(objects: &Objects) -> Self {
        let mut snapshot = Self::default();
        objects.nodes.iter().for_each(|node| _ = snapshot.set_node(NodeInfo::new(node)));
        objects.namespaces.iter().for_each(|namespace| snapshot.set_namespace(namespace));
        snapshot.set_owners(objects);
        snapshot.set_storage(objects);
        let pods = objects.pods.iter().filter(|pod| !pod.is_terminal());
        for pod in pods.map(|pod| Arc::new(PodInfo::of_object(pod))) {
            if !pod.node_name.is_empty() {
                let node = pod.node_name.clone();
                snapshot.place(pod, &node);
                continue;
            }
            snapshot.set_waiting(&pod);
            if !pod.nominated_node.is_empty() {
                let node = pod.nominated_node.clone();
                snapshot.nominate(pod, &node);
            }
        }
        snapshot
    }

    fn set_owners(&mut self, objects: &Objects) {
        for service in &objects.services {
            self.owners.services.insert(service.key(), service.spec.selector.clone());
        }
        for controller in &objects.replication_controllers {
            let selector = controller.spec.selector.clone();
            self.owners.replication_controllers.insert(controller.key(), selector);
        }
        for set in &objects.replica_sets {
            self.owners.replica_sets.insert(set.key(), set.spec.selector.clone());
        }
        objects.stateful_sets.iter().for_each(|set| self.set_stateful_set(set));
    }

    fn set_storage(&mut self, objects: &Objects) {
        let volumes = &mut self.volumes;
        for class in &objects.storage_classes {
            volumes.set_class(ClassInfo::new(class));
        }
        for driver in &objects.csi_drivers {
            volumes.set_driver(DriverInfo::new(driver));
        }
        for node in &objects.csi_nodes {
            volumes.set_node(NodeDrivers::new(node));
        }
        for capacity in &objects.csi_storage_capacities {
            volumes.set_capacity(CapacityInfo::new(capacity));
        }
        for volume in &objects.persistent_volumes {
            volumes.set_volume(VolumeInfo::new(volume));
        }
        for claim in &objects.persistent_volume_claims {
            volumes.set_claim(ClaimInfo::new(claim));
        }
        for attachment in &objects.volume_attachments {
            let name = &attachment.metadata.name;
            volumes.set_attachment(name, AttachmentInfo::new(attachment));
        }
    }
}

impl PodInfo {
    /// A pod of a dump. Those of manifests have no uid; their name stands in for it.
    pub fn of_object(pod: &api::Pod) -> Self {
        let mut info = Self::new(pod);
        if info.uid.is_empty() {
            info.uid = info.key.to_string().into();
        }
        info
    }
}
