//! Which volumes of which drivers each node has, counted with every change.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::in_tree::{InTree, Plugin};
use super::pod_volumes::PodVolume;
use super::{AttachmentInfo, ClaimInfo, PodInfo, VolumeInfo, VolumeSource};
use crate::model::{PodKey, Str};

/// A volume as a driver counts it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId {
    pub driver: Str,
    pub handle: Str,
    /// Counts only where drivers have taken over kinds of volumes, which is wherever a driver has
    /// told Kubernetes of itself.
    pub in_tree: bool,
}

/// The volumes of all nodes.
#[derive(Debug, Default)]
pub(super) struct Attached {
    nodes: FxHashMap<Str, NodeAttached>,
    /// For each claim that pods on nodes use: by how many pods of each node.
    users: FxHashMap<PodKey, Users>,
    attachments: FxHashMap<Str, Attachment>,
    /// The attachments of a volume.
    of_volume: FxHashMap<Str, BTreeSet<Str>>,
}

/// The volumes of one node, by driver.
#[derive(Debug, Default)]
pub struct NodeAttached(FxHashMap<Str, FxHashMap<Str, Holders>>);

/// Who says that a volume is on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holders {
    pods: u32,
    attachments: u32,
}

#[derive(Debug, Default)]
struct Users {
    /// The volume that the claim counts as, if any.
    volume: Option<VolumeId>,
    nodes: FxHashMap<Str, u32>,
    /// How many of the pods name the claim themselves; the others have it for themselves alone.
    named: u32,
}

#[derive(Debug)]
struct Attachment {
    info: AttachmentInfo,
    /// How the driver calls the volume; unknown as long as the volume is.
    handle: Option<Str>,
}

impl VolumeId {
    pub(super) fn of_volume(volume: &VolumeInfo) -> Option<Self> {
        match &volume.source {
            VolumeSource::Csi { driver, handle } => {
                let known = !driver.is_empty() && !handle.is_empty();
                let (driver, handle) = (driver.clone(), handle.clone());
                known.then_some(Self { driver, handle, in_tree: false })
            }
            VolumeSource::InTree(in_tree) => Self::of_in_tree(in_tree),
            VolumeSource::Other => None,
        }
    }

    pub fn of_in_tree(in_tree: &InTree) -> Option<Self> {
        let handle = in_tree.handle.clone().filter(|handle| !handle.is_empty())?;
        Some(Self { driver: in_tree.plugin.driver().into(), handle, in_tree: true })
    }

    /// The volume that a provisioner will make for a claim.
    pub(super) fn of_unbound(claim: &ClaimInfo, provisioner: &Str) -> Option<Self> {
        // No driver's handle can look like this one: it is no text that an API object may hold.
        let handle = format!("\0{}", claim.key).into();
        let taken_over = Plugin::ALL.into_iter().find(|plugin| plugin.name() == &**provisioner);
        match (taken_over, &**provisioner) {
            (Some(plugin), _) => {
                Some(Self { driver: plugin.driver().into(), handle, in_tree: true })
            }
            // Kinds that drivers have taken over and that are not counted.
            (None, "" | "kubernetes.io/azure-file" | "kubernetes.io/vsphere-volume") => None,
            (None, _) => Some(Self { driver: provisioner.clone(), handle, in_tree: false }),
        }
    }
}

impl Attached {
    /// The claims that pods on nodes use.
    pub(super) fn claims(&self) -> impl Iterator<Item = &PodKey> {
        self.users.keys()
    }

    pub(super) fn node(&self, name: &str) -> Option<&NodeAttached> {
        self.nodes.get(name)
    }

    /// By how many pods on nodes a claim is used that they name themselves.
    pub(super) fn users(&self, claim: &PodKey) -> u32 {
        self.users.get(claim).map_or(0, |users| users.named)
    }

    /// The volume that a claim counts as which pods on nodes use.
    pub(super) fn count(
        &mut self,
        pod: &PodInfo,
        node: &Str,
        comes: bool,
        resolve: impl Fn(&PodKey) -> Option<VolumeId>,
    ) {
        for volume in pod.volumes.iter() {
            match volume {
                PodVolume::Claim(name) => self.count_claim(pod, name, true, node, comes, &resolve),
                PodVolume::Ephemeral(name) => {
                    self.count_claim(pod, name, false, node, comes, &resolve);
                }
                PodVolume::Disk(disk) => {
                    if let Some(id) = disk.in_tree.as_ref().and_then(VolumeId::of_in_tree) {
                        self.hold(node, &id, |holders| change(&mut holders.pods, 1, comes));
                    }
                }
            }
        }
    }

    fn count_claim(
        &mut self,
        pod: &PodInfo,
        name: &Str,
        named: bool,
        node: &Str,
        comes: bool,
        resolve: &impl Fn(&PodKey) -> Option<VolumeId>,
    ) {
        let key = PodKey { namespace: pod.key.namespace.clone(), name: name.clone() };
        let users = self
            .users
            .entry(key.clone())
            .or_insert_with(|| Users { volume: resolve(&key), ..Users::default() });
        change(users.nodes.entry(node.clone()).or_default(), 1, comes);
        users.nodes.retain(|_, pods| *pods > 0);
        change(&mut users.named, u32::from(named), comes);
        let volume = users.volume.clone();
        if users.nodes.is_empty() {
            self.users.remove(&key);
        }
        if let Some(volume) = volume {
            self.hold(node, &volume, |holders| change(&mut holders.pods, 1, comes));
        }
    }

    /// Finds out anew which volume a claim counts as.
    pub(super) fn resolve(
        &mut self,
        claim: &PodKey,
        resolve: impl Fn(&PodKey) -> Option<VolumeId>,
    ) {
        let Some(users) = self.users.get_mut(claim) else {
            return;
        };
        let new = resolve(claim);
        if users.volume == new {
            return;
        }
        let old = std::mem::replace(&mut users.volume, new.clone());
        let nodes: Vec<(Str, u32)> =
            users.nodes.iter().map(|(node, n)| (node.clone(), *n)).collect();
        for (node, pods) in nodes {
            if let Some(old) = &old {
                self.hold(&node, old, |holders| change(&mut holders.pods, pods, false));
            }
            if let Some(new) = &new {
                self.hold(&node, new, |holders| change(&mut holders.pods, pods, true));
            }
        }
    }

    pub(super) fn set_attachment(
        &mut self,
        name: &Str,
        info: Option<AttachmentInfo>,
        find: impl Fn(&str) -> Option<Arc<VolumeInfo>>,
    ) {
        self.remove_attachment(name);
        let Some(info) = info else { return };
        let handle = handle_of(find(&info.volume).as_deref());
        self.of_volume.entry(info.volume.clone()).or_default().insert(name.clone());
        let attachment = Attachment { info, handle };
        self.count_attachment(&attachment, true);
        self.attachments.insert(name.clone(), attachment);
    }

    pub(super) fn remove_attachment(&mut self, name: &Str) -> Option<AttachmentInfo> {
        let attachment = self.attachments.remove(name)?;
        super::take_out(&mut self.of_volume, &attachment.info.volume, name);
        self.count_attachment(&attachment, false);
        Some(attachment.info)
    }

    /// A volume came, went or changed: its attachments may count or not any more.
    pub(super) fn resolve_attachments(
        &mut self,
        volume: &str,
        find: impl Fn(&str) -> Option<Arc<VolumeInfo>>,
    ) {
        for name in self.of_volume.get(volume).cloned().unwrap_or_default() {
            let info = self.attachments.get(&name).map(|attachment| attachment.info.clone());
            self.set_attachment(&name, info, &find);
        }
    }

    fn count_attachment(&mut self, attachment: &Attachment, comes: bool) {
        let Some(handle) = attachment.handle.clone() else {
            return;
        };
        let driver = attachment.info.driver.clone();
        let id = VolumeId { driver, handle, in_tree: false };
        self.hold(&attachment.info.node, &id, |holders| {
            change(&mut holders.attachments, 1, comes);
        });
    }

    fn hold(&mut self, node: &Str, id: &VolumeId, change: impl FnOnce(&mut Holders)) {
        let on_node = self.nodes.entry(node.clone()).or_default();
        let of_driver = on_node.0.entry(id.driver.clone()).or_default();
        let holders = of_driver.entry(id.handle.clone()).or_default();
        change(holders);
        if *holders != Holders::default() {
            return;
        }
        of_driver.remove(&id.handle);
        if of_driver.is_empty() {
            on_node.0.remove(&id.driver);
        }
        if on_node.0.is_empty() {
            self.nodes.remove(node);
        }
    }
}

impl NodeAttached {
    /// How many volumes of a driver the node has: those of its pods, and those that are attached.
    pub fn len(&self, driver: &str) -> usize {
        self.0.get(driver).map_or(0, FxHashMap::len)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pods of the node use the volume.
    pub fn pods(&self, id: &VolumeId) -> u32 {
        self.holders(id).pods
    }

    /// Whether the volume is attached, whoever uses it.
    pub fn is_attached(&self, id: &VolumeId) -> bool {
        self.holders(id).attachments > 0
    }

    fn holders(&self, id: &VolumeId) -> Holders {
        let of_driver = self.0.get(&id.driver);
        of_driver.and_then(|volumes| volumes.get(&id.handle)).copied().unwrap_or_default()
    }
}

/// How a driver calls a volume. Of kinds that drivers have taken over attachments do not count.
fn handle_of(volume: Option<&VolumeInfo>) -> Option<Str> {
    match &volume?.source {
        VolumeSource::Csi { handle, .. } => Some(handle.clone()),
        VolumeSource::InTree(_) | VolumeSource::Other => None,
    }
}

fn change(count: &mut u32, by: u32, comes: bool) {
    *count = if comes { count.saturating_add(by) } else { count.saturating_sub(by) };
}
