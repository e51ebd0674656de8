//! What a pod's volumes are made of, as far as placement depends on it.

use std::sync::Arc;

use super::in_tree::InTree;
use crate::api;
use crate::api::volume::{AwsElasticBlockStore, GcePersistentDisk, Iscsi, Rbd};
use crate::model::Str;

/// One volume of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum PodVolume {
    /// The name of a claim.
    Claim(Str),
    /// The name of the claim that is made for the pod alone.
    Ephemeral(Str),
    /// A disk that the pod names itself.
    Disk(Disk),
}

/// A disk that stands in a pod's own spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// As what driver's volume it counts, if it was once served by Kubernetes itself.
    pub in_tree: Option<InTree>,
    /// What cannot be used by two pods of a node at will.
    pub exclusive: Option<Exclusive>,
}

/// A disk that pods on one node may have to fight for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusive {
    Gce(GcePersistentDisk),
    Aws(AwsElasticBlockStore),
    Iscsi(Iscsi),
    Rbd(Rbd),
}

impl PodVolume {
    /// The volumes of a pod on which placement depends, in their order.
    pub fn of_pod(pod: &api::Pod) -> Arc<[Self]> {
        let volumes: Vec<Self> = pod.spec.volumes.iter().filter_map(|v| Self::of(pod, v)).collect();
        if volumes.is_empty() { Arc::default() } else { volumes.into() }
    }

    fn of(pod: &api::Pod, volume: &api::Volume) -> Option<Self> {
        if let Some(claim) = &volume.persistent_volume_claim {
            return Some(Self::Claim(claim.claim_name.clone()));
        }
        if volume.ephemeral.is_some() {
            let name = format!("{}-{}", pod.metadata.name, volume.name);
            return Some(Self::Ephemeral(name.into()));
        }
        let (in_tree, exclusive) = (InTree::of_disk(volume), Exclusive::of(volume));
        (in_tree.is_some() || exclusive.is_some())
            .then_some(Self::Disk(Disk { in_tree, exclusive }))
    }

    /// The claim behind the volume, and whether it is made for the pod alone.
    pub fn claim(&self) -> Option<(&Str, bool)> {
        match self {
            Self::Claim(name) => Some((name, false)),
            Self::Ephemeral(name) => Some((name, true)),
            Self::Disk(_) => None,
        }
    }
}

impl Exclusive {
    fn of(volume: &api::Volume) -> Option<Self> {
        let gce = volume.gce_persistent_disk.clone().map(Self::Gce);
        let aws = || volume.aws_elastic_block_store.clone().map(Self::Aws);
        let iscsi = || volume.iscsi.clone().map(Self::Iscsi);
        gce.or_else(aws).or_else(iscsi).or_else(|| volume.rbd.clone().map(Self::Rbd))
    }

    /// Whether one node cannot serve both.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gce(one), Self::Gce(two)) => {
                one.pd_name == two.pd_name && !(one.read_only && two.read_only)
            }
            (Self::Aws(one), Self::Aws(two)) => one.volume_id == two.volume_id,
            (Self::Iscsi(one), Self::Iscsi(two)) => {
                one.iqn == two.iqn && !(one.read_only && two.read_only)
            }
            (Self::Rbd(one), Self::Rbd(two)) => {
                one.pool == two.pool
                    && one.image == two.image
                    && one.monitors.iter().any(|monitor| two.monitors.contains(monitor))
                    && !(one.read_only && two.read_only)
            }
            _ => false,
        }
    }
}
