//! A volume in the form in which decisions read it.

use super::claim::{ClaimInfo, class_of, mode_or_default, storage_of};
use super::in_tree::InTree;
use crate::api;
use crate::api::storage::ClaimRef;
use crate::model::{Labels, NodeTerms, PodKey, Quantity, Str};

/// Says on a volume that no person has chosen its claim.
pub const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

/// A volume, decoded once.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeInfo {
    pub name: Str,
    pub uid: Str,
    pub resource_version: Str,
    pub labels: Labels,
    /// Empty where it belongs to no class.
    pub class: Str,
    /// The claim that it is bound to, or set aside for.
    pub claim: Option<ClaimRef>,
    pub bound_by_controller: bool,
    pub size: Quantity,
    pub access_modes: Vec<Str>,
    pub mode: Str,
    pub attributes_class: Str,
    pub terminating: bool,
    /// Nobody has it.
    pub available: bool,
    /// From which nodes it can be reached; from all of them where it does not say.
    pub affinity: Option<NodeTerms>,
    pub source: VolumeSource,
}

/// Who serves a volume.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeSource {
    /// A CSI driver, and how it calls the volume.
    Csi {
        driver: Str,
        handle: Str,
    },
    /// A kind of volume that Kubernetes once served itself.
    InTree(InTree),
    Other,
}

impl VolumeInfo {
    pub fn new(volume: &api::PersistentVolume) -> Self {
        let (meta, spec) = (&volume.metadata, &volume.spec);
        let affinity = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
        Self {
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            labels: meta.labels.clone(),
            class: class_of(meta, &spec.storage_class_name),
            claim: spec.claim_ref.clone(),
            bound_by_controller: meta.annotations.contains_key(BOUND_BY_CONTROLLER),
            size: storage_of(&spec.capacity),
            access_modes: spec.access_modes.clone(),
            mode: mode_or_default(spec.volume_mode.as_ref()),
            attributes_class: spec.volume_attributes_class_name.clone().unwrap_or_default(),
            terminating: meta.deletion_timestamp.is_some(),
            available: &*volume.status.phase == "Available",
            affinity: affinity.map(|terms| terms.compile()),
            source: VolumeSource::of(volume),
        }
    }

    /// Whether the volume is bound to the claim, or set aside for it.
    pub fn is_for(&self, claim: &ClaimInfo) -> bool {
        self.claim.as_ref().is_some_and(|reference| {
            is_of(reference, &claim.key) && (reference.uid.is_empty() || reference.uid == claim.uid)
        })
    }

    /// Whether a node with these labels reaches the volume. Terms that cannot be read reach none.
    pub fn is_reached_from(&self, labels: &Labels) -> bool {
        self.affinity.as_ref().is_none_or(|terms| terms.matches("", labels).unwrap_or(false))
    }
}

impl VolumeSource {
    fn of(volume: &api::PersistentVolume) -> Self {
        match &volume.spec.csi {
            Some(csi) => {
                Self::Csi { driver: csi.driver.clone(), handle: csi.volume_handle.clone() }
            }
            None => InTree::of_volume(volume).map_or(Self::Other, Self::InTree),
        }
    }
}

/// Whether the reference names this claim.
pub(super) fn is_of(reference: &ClaimRef, claim: &PodKey) -> bool {
    reference.namespace == claim.namespace && reference.name == claim.name
}
