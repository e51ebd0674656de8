//! The controller of volumes: it completes the bindings that somebody began, and binds at once what
//! does not wait for a pod.

use super::Storage;
use super::provisioner::Order;
use crate::api::storage::ClaimRef;
use crate::model::{PodKey, Str};
use crate::scheduler::Event;
use crate::snapshot::volumes::{BIND_COMPLETED, BOUND_BY_CONTROLLER, ClaimInfo, VolumeInfo};

/// The provisioner of classes whose volumes are made by hand.
pub(super) const BY_HAND: &str = "kubernetes.io/no-provisioner";

/// What the controller makes of a claim.
#[derive(Debug, Default)]
pub struct Look {
    /// What watchers will see.
    pub events: Vec<Event>,
    /// A volume has to be made.
    pub order: Option<Order>,
}

impl Storage {
    /// The controller looks at a claim.
    pub fn look_at(&mut self, key: &PodKey) -> Look {
        let Some(claim) = self.claims.get(key).map(ClaimInfo::new) else {
            return Look::default();
        };
        if claim.terminating {
            return Look::default();
        }
        match self.partner(&claim) {
            Some(volume) => Look { events: self.bind(key, &volume), order: None },
            None if claim.is_bound() => Look { events: self.lose(key), order: None },
            None => Look { events: Vec::new(), order: self.order(&claim) },
        }
    }

    /// What would have to be made for a claim now.
    pub fn next_order(&self, key: &PodKey) -> Option<Order> {
        let claim = self.claims.get(key).map(ClaimInfo::new)?;
        let waits = !claim.terminating && self.partner(&claim).is_none();
        self.order(&claim).filter(|_| waits)
    }

    /// The volume that the claim is bound to, or will be now.
    fn partner(&self, claim: &ClaimInfo) -> Option<Str> {
        if !claim.volume.is_empty() {
            let volume = VolumeInfo::new(self.volumes.get(&claim.volume)?);
            let free = volume.claim.is_none() && volume.class == claim.class;
            let own = volume.is_for(claim) || free && satisfies(&volume, claim);
            return own.then_some(volume.name);
        }
        let names = self.of_claim.get(&claim.key).into_iter().flatten();
        let mut set_aside = names.filter_map(|name| self.volumes.get(name)).map(VolumeInfo::new);
        let own = set_aside.find(|volume| volume.is_for(claim) && satisfies(volume, claim));
        if let Some(volume) = own {
            return Some(volume.name);
        }
        // A claim that waits for its pod gets a volume from the scheduler alone.
        if self.class(&claim.class).is_some_and(|class| class.waits_for_consumer) {
            return None;
        }
        self.smallest(claim)
    }

    /// The smallest volume of the class that will do.
    fn smallest(&self, claim: &ClaimInfo) -> Option<Str> {
        let least = (claim.size.clone().unwrap_or_default(), Str::default());
        let selector = claim.selector.as_ref().map(|selector| selector.as_ref().ok());
        let selected = |volume: &VolumeInfo| {
            selector.is_none_or(|selector| selector.is_some_and(|s| s.matches(&volume.labels)))
        };
        let modes = |volume: &VolumeInfo| {
            claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
        };
        let mut larger = self.available.get(&claim.class)?.range(least..).map(|(_, volume)| volume);
        let found =
            larger.find(|volume| satisfies(volume, claim) && selected(volume) && modes(volume));
        found.map(|volume| volume.name.clone())
    }

    /// Whether a provisioner has to make a volume for a claim without one.
    fn order(&self, claim: &ClaimInfo) -> Option<Order> {
        let class = self.class(&claim.class)?;
        let waits = class.waits_for_consumer && claim.selected_node.is_none();
        if !claim.volume.is_empty() || waits || matches!(&*class.provisioner, "" | BY_HAND) {
            return None;
        }
        let node = claim.selected_node.clone().filter(|_| class.waits_for_consumer);
        Some(Order { claim: claim.key.clone(), uid: claim.uid.clone(), node })
    }

    /// Writes on both what is not there yet.
    fn bind(&mut self, key: &PodKey, name: &Str) -> Vec<Event> {
        let (Some(old_claim), Some(old_volume)) = (self.claims.get(key), self.volumes.get(name))
        else {
            return Vec::new();
        };
        let (mut claim, mut volume) = (old_claim.clone(), old_volume.clone());
        let by_controller = (Str::from(BOUND_BY_CONTROLLER), Str::from("yes"));
        if volume.spec.claim_ref.is_none() {
            volume.metadata.annotations.extend([by_controller.clone()]);
        }
        volume.spec.claim_ref = Some(ClaimRef {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: claim.metadata.uid.clone(),
        });
        volume.status.phase = "Bound".into();
        if claim.spec.volume_name.is_empty() {
            claim.metadata.annotations.extend([by_controller]);
        }
        claim.spec.volume_name = name.clone();
        claim.metadata.annotations.insert(BIND_COMPLETED.into(), "yes".into());
        claim.status.phase = "Bound".into();
        let volume = (volume != *old_volume).then_some(volume);
        let claim = (claim != *old_claim).then_some(claim);
        let volume = volume.map(|volume| self.put_volume(volume));
        let claim = claim.map(|claim| self.put_claim(claim));
        volume.into_iter().chain(claim).collect()
    }

    /// The volume of a bound claim is not there, or belongs to another.
    fn lose(&mut self, key: &PodKey) -> Vec<Event> {
        let old = self.claims.get(key).filter(|claim| &*claim.status.phase != "Lost");
        let Some(mut claim) = old.cloned() else {
            return Vec::new();
        };
        claim.status.phase = "Lost".into();
        vec![self.put_claim(claim)]
    }
}

/// Whether a volume is of the kind and size that a claim asks for.
fn satisfies(volume: &VolumeInfo, claim: &ClaimInfo) -> bool {
    volume.size >= claim.size.clone().unwrap_or_default()
        && volume.mode == claim.mode
        && volume.attributes_class == claim.attributes_class
        && !volume.terminating
}
