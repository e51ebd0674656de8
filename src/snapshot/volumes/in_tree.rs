//! Kinds of volumes that Kubernetes once served itself and that CSI drivers serve today: as what
//! volume of what driver they count, and from where the driver reaches them.

use std::collections::BTreeSet;

use crate::api;
use crate::model::{
    Labels, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, NodeTerms, Str,
};

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
const BETA_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const BETA_REGION: &str = "failure-domain.beta.kubernetes.io/region";
/// Stands between the zones of a volume that is in several of them.
const ZONES_DELIMITER: &str = "__";
/// Stands in a handle for what the volume does not say of itself.
const UNSPECIFIED: &str = "UNSPECIFIED";

/// A kind of volume that a driver has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plugin {
    AwsElasticBlockStore,
    GcePersistentDisk,
    AzureDisk,
    Cinder,
    Portworx,
}

/// A volume of such a kind, as its driver sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct InTree {
    pub plugin: Plugin,
    /// How the driver calls it. None where it cannot be told, which fails whoever needs it.
    pub handle: Option<Str>,
    /// From which nodes the driver reaches a persistent volume.
    pub affinity: Option<NodeTerms>,
}

impl Plugin {
    pub const ALL: [Self; 5] = [
        Self::AwsElasticBlockStore,
        Self::GcePersistentDisk,
        Self::AzureDisk,
        Self::Cinder,
        Self::Portworx,
    ];

    /// The name under which it is a provisioner, and stands in annotations.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsElasticBlockStore => "kubernetes.io/aws-ebs",
            Self::GcePersistentDisk => "kubernetes.io/gce-pd",
            Self::AzureDisk => "kubernetes.io/azure-disk",
            Self::Cinder => "kubernetes.io/cinder",
            Self::Portworx => "kubernetes.io/portworx-volume",
        }
    }

    /// The driver that has taken it over.
    pub fn driver(self) -> &'static str {
        match self {
            Self::AwsElasticBlockStore => "ebs.csi.aws.com",
            Self::GcePersistentDisk => "pd.csi.storage.gke.io",
            Self::AzureDisk => "disk.csi.azure.com",
            Self::Cinder => "cinder.csi.openstack.org",
            Self::Portworx => "pxd.portworx.com",
        }
    }

    /// Under which label the driver tells the zones of nodes, where it has one of its own.
    fn zone_key(self) -> Option<&'static str> {
        match self {
            Self::AwsElasticBlockStore => Some("topology.ebs.csi.aws.com/zone"),
            Self::GcePersistentDisk => Some("topology.gke.io/zone"),
            Self::Cinder => Some("topology.cinder.csi.openstack.org/zone"),
            Self::AzureDisk | Self::Portworx => None,
        }
    }
}

impl InTree {
    /// A disk in the spec of a pod.
    pub(super) fn of_disk(volume: &api::Volume) -> Option<Self> {
        let (plugin, handle) = if let Some(disk) = &volume.gce_persistent_disk {
            (Plugin::GcePersistentDisk, Some(zonal_handle(UNSPECIFIED, &disk.pd_name)))
        } else if let Some(disk) = &volume.aws_elastic_block_store {
            (Plugin::AwsElasticBlockStore, aws_handle(&disk.volume_id))
        } else if let Some(disk) = &volume.azure_disk {
            (Plugin::AzureDisk, azure_handle(disk))
        } else if let Some(disk) = &volume.cinder {
            (Plugin::Cinder, Some(disk.volume_id.clone()))
        } else if let Some(disk) = &volume.portworx_volume {
            (Plugin::Portworx, Some(disk.volume_id.clone()))
        } else {
            return None;
        };
        Some(Self { plugin, handle, affinity: None })
    }

    /// The source of a persistent volume.
    pub(super) fn of_volume(volume: &api::PersistentVolume) -> Option<Self> {
        let spec = &volume.spec;
        let (plugin, handle) = if let Some(disk) = &spec.gce_persistent_disk {
            let handle = gce_handle(&volume.metadata.labels, &disk.pd_name);
            (Plugin::GcePersistentDisk, handle)
        } else if let Some(disk) = &spec.aws_elastic_block_store {
            (Plugin::AwsElasticBlockStore, aws_handle(&disk.volume_id))
        } else if let Some(disk) = &spec.azure_disk {
            (Plugin::AzureDisk, azure_handle(disk))
        } else if let Some(disk) = &spec.cinder {
            (Plugin::Cinder, Some(disk.volume_id.clone()))
        } else if let Some(disk) = &spec.portworx_volume {
            (Plugin::Portworx, Some(disk.volume_id.clone()))
        } else {
            return None;
        };
        let own = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.clone());
        let terms = match plugin.zone_key() {
            Some(key) => translated(own, &volume.metadata.labels, key),
            None => own,
        };
        Some(Self { plugin, handle, affinity: terms.map(|terms| terms.compile()) })
    }

    /// Whether a node with these labels reaches the volume through the driver.
    pub fn is_reached_from(&self, labels: &Labels) -> bool {
        self.affinity.as_ref().is_none_or(|terms| terms.matches("", labels).unwrap_or(false))
    }
}

/// `aws://zone/vol-1` and `vol-1` are one.
fn aws_handle(id: &Str) -> Option<Str> {
    let Some(rest) = id.strip_prefix("aws://") else {
        return Some(id.clone());
    };
    let (_, path) = rest.split_once('/')?;
    let volume = path.trim_matches('/');
    (volume.starts_with("vol-") && !volume.contains('/')).then(|| volume.into())
}

fn azure_handle(disk: &api::volume::AzureDisk) -> Option<Str> {
    let managed = disk.kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case("managed"));
    managed.then(|| disk.disk_uri.clone())
}

fn zonal_handle(zone: &str, disk: &str) -> Str {
    format!("projects/{UNSPECIFIED}/zones/{zone}/disks/{disk}").into()
}

/// A disk in several zones is named by their region.
fn gce_handle(labels: &Labels, disk: &str) -> Option<Str> {
    let label = labels.get(BETA_ZONE).filter(|zones| !zones.is_empty());
    let label = label.or_else(|| labels.get(ZONE)).map_or("", |zones| zones);
    let zones: Vec<&str> = label.split(ZONES_DELIMITER).collect();
    match zones.as_slice() {
        [""] => Some(zonal_handle(UNSPECIFIED, disk)),
        [zone] => Some(zonal_handle(zone, disk)),
        zones => {
            let regions: Option<BTreeSet<&str>> = zones.iter().map(|zone| region(zone)).collect();
            let regions = regions?;
            let only = regions.first().filter(|_| regions.len() == 1)?;
            Some(format!("projects/{UNSPECIFIED}/regions/{only}/disks/{disk}").into())
        }
    }
}

/// The region of a zone `continent-region-zone`.
fn region(zone: &str) -> Option<&str> {
    let (region, _) = zone.rsplit_once('-')?;
    (region.split('-').count() == 2).then_some(region)
}

/// The node affinity of a volume in the labels of the driver: zones go by the driver's label, and
/// where the affinity names none, those in the volume's own labels are added to every term.
fn translated(own: Option<NodeSelector>, labels: &Labels, key: &str) -> Option<NodeSelector> {
    let names = |label: &str| own.as_ref().is_some_and(|terms| mentions(terms, label));
    let is_beta = !names(ZONE)
        && (names(BETA_ZONE) || !labels.contains_key(ZONE))
        && (names(BETA_ZONE) || labels.contains_key(BETA_ZONE));
    let zone = if is_beta { BETA_ZONE } else { ZONE };
    let mut terms = own.clone();
    let has_zones = own.as_ref().is_some_and(|terms| has_values(terms, zone));
    if has_zones {
        terms.iter_mut().for_each(|terms| rename(terms, zone, key));
    } else if let Some(label) = labels.get(zone) {
        let zones: BTreeSet<&str> =
            label.split(ZONES_DELIMITER).map(str::trim).filter(|zone| !zone.is_empty()).collect();
        if !zones.is_empty() {
            add(terms.get_or_insert_default(), key, &zones);
        }
    }
    if is_beta
        && let Some(terms) = &mut terms
        && has_values(terms, BETA_REGION)
    {
        rename(terms, BETA_REGION, REGION);
    }
    terms
}

fn requirements(terms: &NodeSelector) -> impl Iterator<Item = &NodeSelectorRequirement> {
    terms.node_selector_terms.iter().flat_map(|term| &term.match_expressions)
}

fn mentions(terms: &NodeSelector, key: &str) -> bool {
    requirements(terms).any(|one| *one.key == *key)
}

fn has_values(terms: &NodeSelector, key: &str) -> bool {
    requirements(terms).any(|one| *one.key == *key && !one.values.is_empty())
}

fn rename(terms: &mut NodeSelector, from: &str, to: &str) {
    let terms = terms.node_selector_terms.iter_mut();
    for one in terms.flat_map(|term| &mut term.match_expressions) {
        if *one.key == *from {
            one.key = to.into();
        }
    }
}

fn add(terms: &mut NodeSelector, key: &str, zones: &BTreeSet<&str>) {
    let values = zones.iter().map(|zone| Str::from(*zone)).collect();
    let zones = NodeSelectorRequirement { key: key.into(), operator: "In".into(), values };
    let terms = &mut terms.node_selector_terms;
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    terms.iter_mut().for_each(|term| term.match_expressions.push(zones.clone()));
}
