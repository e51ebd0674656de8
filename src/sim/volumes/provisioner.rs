//! The provisioners: they make the volumes that claims ask for, as external-provisioner does for a
//! driver that can say from where its volumes are reached.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::room::NoRoom;
use super::{Node, Storage};
use crate::api::storage::{
    ClaimRef, PersistentVolumeSpec, PersistentVolumeStatus, VolumeNodeAffinity,
};
use crate::api::volume::CsiVolume;
use crate::api::{self, ObjectMeta};
use crate::model::{
    Labels, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodKey, Quantity, Str,
};
use crate::scheduler::Event;
use crate::snapshot::volumes::{ClaimInfo, ClassInfo, SELECTED_NODE};

const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const STORAGE: &str = "storage";

/// A volume that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub claim: PodKey,
    /// The uid of the claim.
    pub uid: Str,
    /// The node that has to reach it. Any will do for a claim that does not wait for its pod.
    pub node: Option<Str>,
}

/// Why a volume is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("node {0:?} not found")]
    NoNode(Str),
    #[error("driver {driver:?} says nothing of node {node:?}, or the node lacks its labels")]
    NoTopology { driver: Str, node: Str },
    #[error("driver {0:?} is on no node that the class allows")]
    Nowhere(Str),
    #[error("driver {driver:?} has no room for {size} bytes on node {node:?}")]
    NoRoom { driver: Str, size: i64, node: Str },
}

/// The labels that a node must have to reach a volume.
type Segment = BTreeMap<Str, Str>;

impl Storage {
    /// A provisioner is through with an order.
    pub fn fill(&mut self, order: &Order) -> Vec<Event> {
        let open = self
            .claims
            .get(&order.claim)
            .filter(|claim| claim.metadata.uid == order.uid && claim.spec.volume_name.is_empty());
        let Some(claim) = open.cloned() else {
            return Vec::new();
        };
        let info = ClaimInfo::new(&claim);
        let Some(class) = self.class(&info.class) else {
            return Vec::new();
        };
        match self.find_place(order, &info, &class) {
            Ok(segment) => {
                self.troubles.remove(&order.claim);
                self.provisioned.insert(order.claim.clone());
                vec![self.put_volume(volume(&claim, &class, segment))]
            }
            Err(trouble) => self.fail(order, trouble),
        }
    }

    /// Finds out from where the volume will be reached, and takes the room for it.
    fn find_place(
        &mut self,
        order: &Order,
        claim: &ClaimInfo,
        class: &ClassInfo,
    ) -> Result<Segment, Trouble> {
        let driver = &class.provisioner;
        let places = match &order.node {
            Some(name) => {
                let node = self.nodes.get(name).ok_or_else(|| Trouble::NoNode(name.clone()))?;
                let segment = self.keys(node, class).and_then(|keys| segment(node, keys));
                let unknown = || Trouble::NoTopology { driver: driver.clone(), node: name.clone() };
                vec![(segment.ok_or_else(unknown)?, node.labels.clone(), name.clone())]
            }
            None => self.places(claim, class),
        };
        let size = claim.size.as_ref().map_or(0, Quantity::value);
        let mut trouble = Trouble::Nowhere(driver.clone());
        for (segment, labels, node) in places {
            match self.room.take(&class.name, &labels, size) {
                Ok(()) => return Ok(segment),
                Err(NoRoom) => trouble = Trouble::NoRoom { driver: driver.clone(), size, node },
            }
        }
        Err(trouble)
    }

    /// The labels by which the class's driver tells nodes apart, if it is on the node. A driver
    /// that is on no node at all goes by the labels of the class's topologies.
    fn keys(&self, node: &Node, class: &ClassInfo) -> Option<Vec<Str>> {
        let driver = &class.provisioner;
        if self.nodes.values().any(|node| node.drivers.contains_key(driver)) {
            return node.drivers.get(driver).cloned();
        }
        let terms = class.topologies.iter().flat_map(|term| &term.match_label_expressions);
        Some(terms.map(|one| one.key.clone()).collect())
    }

    /// All segments where a volume of the class can be made, with the labels and the name of a node
    /// in each. They begin at another one for each claim, and at the next one for the next claim of
    /// a StatefulSet.
    fn places(&self, claim: &ClaimInfo, class: &ClassInfo) -> Vec<(Segment, Labels, Str)> {
        let mut places: BTreeMap<Segment, (Labels, Str)> = BTreeMap::new();
        for (name, node) in self.nodes.iter().filter(|(_, node)| class.serves(&node.labels)) {
            if let Some(segment) = self.keys(node, class).and_then(|keys| segment(node, keys)) {
                places.entry(segment).or_insert_with(|| (node.labels.clone(), name.clone()));
            }
        }
        let mut places: Vec<_> =
            places.into_iter().map(|(segment, (labels, node))| (segment, labels, node)).collect();
        let name = &*claim.key.name;
        let numbered = name
            .rsplit_once('-')
            .and_then(|(set, number)| Some((set, number.parse::<u64>().ok()?)));
        let (set, number) = numbered.unwrap_or((name, 0));
        if !places.is_empty() {
            let first = xxh3_64(set.as_bytes()).wrapping_add(number) % places.len() as u64;
            places.rotate_left(usize::try_from(first).unwrap_or(0));
        }
        places
    }

    /// Without room the claim is given back to the scheduler, unless it has another node by now.
    fn fail(&mut self, order: &Order, trouble: Trouble) -> Vec<Event> {
        self.failures += 1;
        let is_given_back = matches!(trouble, Trouble::NoRoom { .. } | Trouble::NoNode(_));
        self.troubles.insert(order.claim.clone(), trouble);
        let claim = self.claims.get(&order.claim).filter(|_| is_given_back);
        let selected = |claim: &&api::PersistentVolumeClaim| {
            order.node.is_some()
                && claim.metadata.annotations.get(SELECTED_NODE) == order.node.as_ref()
        };
        let Some(mut claim) = claim.filter(selected).cloned() else {
            return Vec::new();
        };
        claim.metadata.annotations.remove(SELECTED_NODE);
        vec![self.put_claim(claim)]
    }
}

/// What the node has under these labels; none if it lacks one.
fn segment(node: &Node, keys: Vec<Str>) -> Option<Segment> {
    let pairs = keys.into_iter().map(|key| {
        let value = node.labels.get(&key)?.clone();
        Some((key, value))
    });
    pairs.collect()
}

/// The volume for a claim, set aside for it.
fn volume(
    claim: &api::PersistentVolumeClaim,
    class: &ClassInfo,
    segment: Segment,
) -> api::PersistentVolume {
    let (meta, spec) = (&claim.metadata, &claim.spec);
    let name: Str = format!("pvc-{:016x}", xxh3_64(meta.uid.as_bytes())).into();
    let expressions = segment.into_iter().map(|(key, value)| NodeSelectorRequirement {
        key,
        operator: "In".into(),
        values: vec![value],
    });
    let term = NodeSelectorTerm {
        match_expressions: expressions.collect(),
        ..NodeSelectorTerm::default()
    };
    let required = NodeSelector { node_selector_terms: vec![term] };
    let is_bounded = !required.node_selector_terms[0].match_expressions.is_empty();
    let size = spec.resources.requests.get(STORAGE).cloned().unwrap_or_default();
    let driver = class.provisioner.clone();
    api::PersistentVolume {
        metadata: ObjectMeta {
            name: name.clone(),
            annotations: [(PROVISIONED_BY.into(), driver.clone())].into(),
            ..ObjectMeta::default()
        },
        spec: PersistentVolumeSpec {
            capacity: [(STORAGE.into(), size)].into_iter().collect(),
            access_modes: spec.access_modes.clone(),
            claim_ref: Some(ClaimRef {
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
            }),
            storage_class_name: class.name.clone(),
            volume_mode: spec.volume_mode.clone(),
            volume_attributes_class_name: spec.volume_attributes_class_name.clone(),
            node_affinity: is_bounded.then_some(VolumeNodeAffinity { required: Some(required) }),
            csi: Some(CsiVolume { driver, volume_handle: name }),
            ..PersistentVolumeSpec::default()
        },
        status: PersistentVolumeStatus { phase: "Pending".into() },
    }
}
