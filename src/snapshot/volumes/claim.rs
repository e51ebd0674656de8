//! A claim in the form in which decisions read it.

use super::PodInfo;
use crate::api;
use crate::model::{PodKey, Quantity, Selector, SelectorError, Str};

/// Says on a claim that its binding is complete.
pub const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Says on a claim for which node its volume is to be made.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Names the class in the place of the field, in objects of old.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const FILESYSTEM: &str = "Filesystem";
const STORAGE: &str = "storage";

/// A claim, decoded once.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimInfo {
    pub key: PodKey,
    pub uid: Str,
    pub resource_version: Str,
    /// Empty where the claim asks for no class.
    pub class: Str,
    /// The volume that the claim names; empty if none.
    pub volume: Str,
    pub bind_completed: bool,
    /// Its volume is gone.
    pub lost: bool,
    pub terminating: bool,
    /// The node for which a volume is to be made.
    pub selected_node: Option<Str>,
    /// How much storage it asks for.
    pub size: Option<Quantity>,
    pub access_modes: Vec<Str>,
    pub mode: Str,
    pub attributes_class: Str,
    /// Which volumes it takes, if it says so.
    pub selector: Option<Result<Selector, SelectorError>>,
    /// The uid of the object that manages the claim; empty if none.
    pub controller: Str,
}

impl ClaimInfo {
    pub fn new(claim: &api::PersistentVolumeClaim) -> Self {
        let (meta, spec) = (&claim.metadata, &claim.spec);
        Self {
            key: api::Object::key(claim),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
            class: class_of(meta, &spec.storage_class_name.clone().unwrap_or_default()),
            volume: spec.volume_name.clone(),
            bind_completed: meta.annotations.contains_key(BIND_COMPLETED),
            lost: &*claim.status.phase == "Lost",
            terminating: meta.deletion_timestamp.is_some(),
            selected_node: meta.annotations.get(SELECTED_NODE).cloned(),
            size: spec.resources.requests.get(STORAGE).cloned(),
            access_modes: spec.access_modes.clone(),
            mode: mode_or_default(spec.volume_mode.as_ref()),
            attributes_class: spec.volume_attributes_class_name.clone().unwrap_or_default(),
            selector: spec.selector.as_ref().map(|selector| selector.compile()),
            controller: meta.controller().map_or_else(Str::default, |owner| owner.uid.clone()),
        }
    }

    /// Whether claim and volume have found each other for good.
    pub fn is_bound(&self) -> bool {
        !self.volume.is_empty() && self.bind_completed
    }

    /// Why a claim that is made for one pod alone cannot be used by this one.
    pub fn not_of(&self, pod: &PodInfo) -> String {
        let (claim, pod) = (&self.key, &pod.key);
        format!("PVC {claim} was not created for pod {pod} (pod is not owner)")
    }
}

/// What a volume or a claim holds; what says nothing holds a file system.
pub(super) fn mode_or_default(mode: Option<&Str>) -> Str {
    mode.cloned().unwrap_or_else(|| FILESYSTEM.into())
}

/// The class of a volume or a claim.
pub(super) fn class_of(meta: &api::ObjectMeta, field: &Str) -> Str {
    meta.annotations.get(BETA_CLASS).unwrap_or(field).clone()
}

/// The storage that a list of amounts offers.
pub(super) fn storage_of(amounts: &api::ResourceList) -> Quantity {
    amounts.get(STORAGE).cloned().unwrap_or_default()
}
