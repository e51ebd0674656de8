//! What would be done for a pod's claims on a node, or why the node will not do.

use std::sync::Arc;

use super::by_label::ByLabel;
use super::claims::{LateClaim, PodClaims};
use super::siblings::{Siblings, is_lost};
use super::{
    REASON_BIND_CONFLICT, REASON_NO_SPACE, REASON_NO_VOLUME, REASON_NODE_CONFLICT,
    UNSUPPORTED_PROVISIONER,
};
use crate::framework::{Code, Status};
use crate::model::Str;
use crate::snapshot::volumes::{CapacityInfo, ClaimInfo, VolumeInfo, VolumeSource};
use crate::snapshot::{NodeInfo, PodInfo, View, Volumes, VolumesView};

/// Plans for one pod, for any node.
pub(super) struct Planner<'a> {
    volumes: VolumesView<'a>,
    bound: Vec<&'a Arc<ClaimInfo>>,
    /// Claims whose volume is to be made for a node already, with the node unless it is lost.
    selected: Vec<(LateClaim<'a>, Option<&'a Str>, Room<'a>)>,
    /// The nodes among these that another volume of the pod is not reached from.
    split: Vec<&'a Str>,
    /// The others, from small to large.
    open: Vec<(LateClaim<'a>, Candidates<'a>, Room<'a>)>,
}

/// What is done for the claims of a pod on a node.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// Claims that get a volume that is there.
    pub(super) bindings: Vec<(&'a Arc<ClaimInfo>, &'a Arc<VolumeInfo>)>,
    /// Claims for which one is made, with the room it takes.
    pub(super) provisions: Vec<(&'a Arc<ClaimInfo>, Option<&'a Arc<CapacityInfo>>)>,
}

/// The volumes that may be bound to a claim, if a node reaches them.
struct Candidates<'a> {
    /// Those that are set aside for it. The first one decides.
    set_aside: Vec<&'a Arc<VolumeInfo>>,
    /// Those that nobody has, from small to large.
    available: Vec<&'a Arc<VolumeInfo>>,
    by_label: ByLabel,
    /// Why the claim's selector cannot be read.
    error: Option<String>,
}

/// Where there is room for a new volume. Nobody knows where the driver does not say.
struct Room<'a> {
    published: Option<Published<'a>>,
}

/// The room that a driver publishes, as far as the volume fits into it.
struct Published<'a> {
    capacities: Vec<&'a Arc<CapacityInfo>>,
    by_label: ByLabel,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        pod: &PodInfo,
        claims: PodClaims<'a>,
        siblings: &Siblings,
        view: &'a View<'a>,
    ) -> Self {
        let volumes = view.volumes();
        let (mut selected, mut open, mut split) = (Vec::new(), Vec::new(), Vec::new());
        // Only siblings make a pod give a node up for which a volume is being made.
        let has_siblings = pod.owner.is_some();
        for late in claims.late {
            match late.selected {
                Some(node) => {
                    let is_split = has_siblings && is_split(node, &claims.bound, view);
                    split.extend(is_split.then_some(node));
                    let node = (!is_lost(node, pod, siblings, view)).then_some(node);
                    selected.push((late, node, Room::new(&late, volumes)));
                }
                None => open.push(late),
            }
        }
        // Of equal ones the first stays first.
        open.sort_by_key(|late| size(late.claim));
        let open = open
            .into_iter()
            .map(|late| (late, Candidates::new(late.claim, volumes), Room::new(&late, volumes)));
        Self { volumes, bound: claims.bound, selected, split, open: open.collect() }
    }

    /// What is done if the pod goes to this node.
    pub(super) fn plan(&self, node: &NodeInfo) -> Result<Plan<'a>, Status> {
        let bound = self.check_bound(node)?;
        let mut plan = Plan::default();
        let late = self.plan_late(node, bound.is_none(), &mut plan)?;
        let reasons = [
            (bound == Some(REASON_NODE_CONFLICT)).then_some(REASON_NODE_CONFLICT),
            late,
            (bound == Some(REASON_NO_VOLUME)).then_some(REASON_NO_VOLUME),
        ];
        let reasons: Vec<Str> = reasons.into_iter().flatten().map(Str::from).collect();
        if reasons.is_empty() {
            return Ok(plan);
        }
        Err(Status { code: Code::UnschedulableAndUnresolvable, reasons })
    }

    /// Why the claims that have their volume cannot be used on the node.
    fn check_bound(&self, node: &NodeInfo) -> Result<Option<&'static str>, Status> {
        for claim in &self.bound {
            let Some(volume) = self.volumes.shown().volume(&claim.volume) else {
                return Ok(Some(REASON_NO_VOLUME));
            };
            if !is_reached(volume, node, self.volumes.shown()).map_err(Status::error)? {
                return Ok(Some(REASON_NODE_CONFLICT));
            }
        }
        Ok(None)
    }

    /// Plans for the claims without a volume. Gives the reason why not.
    fn plan_late(
        &self,
        node: &NodeInfo,
        reaches_bound: bool,
        plan: &mut Plan<'a>,
    ) -> Result<Option<&'static str>, Status> {
        // A node that is split from the pod's other volumes is given up for one that reaches them.
        let holds = |at: &&Str| !(reaches_bound && self.split.contains(at));
        let mut selected = self.selected.iter().filter_map(|(_, at, _)| *at).filter(holds);
        if selected.any(|at| *at != node.name) {
            return Ok(Some(REASON_BIND_CONFLICT));
        }
        let mut to_make: Vec<(&LateClaim<'a>, &Room<'a>)> =
            self.selected.iter().map(|(late, _, room)| (late, room)).collect();
        for (late, candidates, room) in &self.open {
            match candidates.find(node, plan)? {
                Some(volume) => plan.bindings.push((late.claim, volume)),
                None => to_make.push((late, room)),
            }
        }
        for (late, room) in to_make {
            let provisioner = &*late.class.provisioner;
            let makes_volumes = !matches!(provisioner, "" | UNSUPPORTED_PROVISIONER);
            if !makes_volumes || !late.class.serves(&node.labels) {
                return Ok(Some(REASON_BIND_CONFLICT));
            }
            match room.find(node) {
                Ok(capacity) => plan.provisions.push((late.claim, capacity)),
                Err(NoSpace) => return Ok(Some(REASON_NO_SPACE)),
            }
        }
        Ok(None)
    }
}

/// Whether a volume would be made for a node that another volume of the pod is not reached from. So
/// it is where another node was written over the one for which that volume was being made.
fn is_split(node: &str, bound: &[&Arc<ClaimInfo>], view: &View<'_>) -> bool {
    let Some(node) = view.nodes().find(node) else {
        return false;
    };
    let (node, volumes) = (view.nodes().info(node), view.volumes().shown());
    let mut theirs = bound.iter().filter_map(|claim| volumes.volume(&claim.volume));
    theirs.any(|volume| is_reached(volume, node, volumes) == Ok(false))
}

/// Whether a node reaches a volume. A kind of volume that a driver has taken over on the node is
/// reached where the driver says; an error says that the volume cannot be told in its words.
pub(super) fn is_reached(
    volume: &VolumeInfo,
    node: &NodeInfo,
    volumes: &Volumes,
) -> Result<bool, String> {
    if let VolumeSource::InTree(in_tree) = &volume.source {
        let drivers = volumes.node(&node.name);
        if drivers.is_some_and(|drivers| drivers.migrated.contains(in_tree.plugin.name())) {
            if in_tree.handle.is_none() {
                return Err(format!("could not translate pv: {}", volume.name));
            }
            return Ok(in_tree.is_reached_from(&node.labels));
        }
    }
    Ok(volume.is_reached_from(&node.labels))
}

impl<'a> Candidates<'a> {
    fn new(claim: &'a ClaimInfo, volumes: VolumesView<'a>) -> Self {
        let size = size(claim);
        let suits = |volume: &&Arc<VolumeInfo>| {
            volume.mode == claim.mode
                && volume.attributes_class == claim.attributes_class
                && !volume.terminating
        };
        let set_aside = volumes.set_aside_for(claim).into_values();
        let set_aside = set_aside
            .filter(|volume| volume.class == claim.class && volume.size >= size)
            .filter(suits);
        let mut candidates = Self {
            set_aside: set_aside.collect(),
            available: Vec::new(),
            by_label: ByLabel::default(),
            error: None,
        };
        let selector = match &claim.selector {
            Some(Ok(selector)) => Some(selector),
            None => None,
            Some(Err(error)) => {
                candidates.error = Some(error.to_string());
                return candidates;
            }
        };
        let available = volumes.available(claim).filter(suits).filter(|volume| {
            selector.is_none_or(|selector| selector.matches(&volume.labels))
                && claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
        });
        candidates.available = available.collect();
        for (rank, volume) in candidates.available.iter().enumerate() {
            let demanded = volume.affinity.as_ref().and_then(|terms| terms.demanded_label());
            candidates.by_label.insert(demanded, rank);
        }
        candidates
    }

    /// The volume for the claim on a node, beside those that the plan has taken.
    fn find(
        &self,
        node: &NodeInfo,
        plan: &Plan<'a>,
    ) -> Result<Option<&'a Arc<VolumeInfo>>, Status> {
        if let Some(error) = &self.error {
            return Err(Status::error(error.clone()));
        }
        let is_free = |volume: &Arc<VolumeInfo>| {
            plan.bindings.iter().all(|(_, taken)| taken.name != volume.name)
        };
        if let Some(volume) = self.set_aside.iter().find(|volume| is_free(volume)) {
            return Ok(volume.is_reached_from(&node.labels).then_some(*volume));
        }
        let rank = self.by_label.first(&node.labels, |rank| {
            let volume = self.available[rank];
            is_free(volume) && volume.is_reached_from(&node.labels)
        });
        Ok(rank.map(|rank| self.available[rank]))
    }
}

/// There is not enough room on a node.
struct NoSpace;

impl<'a> Room<'a> {
    fn new(late: &LateClaim<'a>, volumes: VolumesView<'a>) -> Self {
        let driver = volumes.shown().driver(&late.class.provisioner);
        let published = driver.is_some_and(|driver| driver.storage_capacity);
        let size = late.claim.size.as_ref().map(|size| size.value());
        let Some(size) = size.filter(|_| published) else {
            return Self { published: None };
        };
        let fitting = volumes.capacities(&late.class.name).filter(|capacity| {
            capacity.limit().is_some_and(|limit| limit >= size) && has_left(capacity, size, volumes)
        });
        let capacities: Vec<_> = fitting.collect();
        let mut by_label = ByLabel::default();
        for (rank, capacity) in capacities.iter().enumerate() {
            by_label.insert(capacity.demanded_label(), rank);
        }
        Self { published: Some(Published { capacities, by_label }) }
    }

    /// The room for the volume on a node, where the driver publishes any.
    fn find(&self, node: &NodeInfo) -> Result<Option<&'a Arc<CapacityInfo>>, NoSpace> {
        let Some(Published { capacities, by_label }) = &self.published else {
            return Ok(None);
        };
        let rank = by_label.first(&node.labels, |rank| capacities[rank].serves(&node.labels));
        rank.map(|rank| Some(capacities[rank])).ok_or(NoSpace)
    }
}

/// Whether a volume still fits beside those that have been decided since the driver has last said
/// how much room there is. Where it says only how large one volume can be, nobody knows.
fn has_left(capacity: &CapacityInfo, size: i64, volumes: VolumesView<'_>) -> bool {
    let Some(room) = &capacity.capacity else {
        return true;
    };
    let taken = volumes.taken(capacity);
    taken == 0 || room.value().saturating_sub(taken) >= size
}

fn size(claim: &ClaimInfo) -> crate::model::Quantity {
    claim.size.clone().unwrap_or_default()
}
