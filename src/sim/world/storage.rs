//! When the controllers of claims and volumes act: some time after what they see.

use std::time::Duration;

use super::{Happening, World};
use crate::api::Object;
use crate::api::decode::Objects;
use crate::model::{Instant, PodKey};
use crate::scheduler::{Change, Event};
use crate::sim::expand::ephemeral_claims;
use crate::sim::volumes::{Order, Storage};

/// How often drivers are asked for their room: external-provisioner's `--capacity-poll-interval`.
const POLL: Duration = Duration::from_secs(60);

impl World {
    /// Puts claims and volumes into the cluster before the scheduler starts.
    pub fn list_storage(&mut self, objects: &Objects) {
        self.api.storage = Storage::new(objects);
        let events: Vec<Event> = self.api.storage.list().collect();
        events.into_iter().for_each(|event| self.list(event));
        let unbound: Vec<PodKey> = self.api.storage.unbound().cloned().collect();
        unbound.into_iter().for_each(|claim| self.will_look_at(claim));
    }

    /// The controller of volumes sees what the scheduler will see.
    pub(super) fn alert(&mut self, event: &Event) {
        let claim = match event {
            Event::PersistentVolumeClaim(Change::Upsert(claim)) => Some(claim.key()),
            Event::PersistentVolume(Change::Upsert(volume)) => {
                let claim = volume.spec.claim_ref.as_ref();
                claim.map(|claim| PodKey::new(claim.namespace.clone(), claim.name.clone()))
            }
            _ => None,
        };
        if let Some(claim) = claim {
            self.will_look_at(claim);
        }
    }

    fn will_look_at(&mut self, claim: PodKey) {
        let at = self.now.plus(self.delay(self.delays.controller));
        self.push(at, Happening::LookedAt(claim));
    }

    pub(super) fn create_ephemeral_claims(&mut self, pod: &PodKey) {
        let claims = self.api.pod(pod).map(ephemeral_claims).unwrap_or_default();
        for claim in claims {
            let event = self.api.storage.create_claim(claim);
            self.watched(event);
        }
    }

    pub(super) fn look_at(&mut self, claim: &PodKey) {
        let look = self.api.storage.look_at(claim);
        if !look.events.is_empty() {
            self.fruitless_tries = 0;
        }
        for event in look.events {
            self.watched(Some(event));
        }
        if let Some(order) = look.order {
            self.take_order(order);
        }
    }

    /// A volume is made for a claim once at a time.
    fn take_order(&mut self, order: Order) {
        if self.making.insert(order.claim.clone()) {
            let at = self.now.plus(self.delay(self.delays.provisioning));
            self.push(at, Happening::Filled(Box::new(order)));
        }
    }

    pub(super) fn fill(&mut self, order: &Order) {
        self.making.remove(&order.claim);
        for event in self.api.storage.fill(order) {
            self.watched(Some(event));
        }
        if self.api.storage.room_is_outdated() && !self.polls {
            self.polls = true;
            let since = self.now.since(Instant::default()).as_secs() / POLL.as_secs();
            let next = Duration::from_secs((since + 1) * POLL.as_secs());
            self.push(Instant::default().plus(next), Happening::Polled);
        }
        // The node may have been another one by the time that the first came to nothing.
        let next = self.api.storage.next_order(&order.claim);
        if let Some(next) = next.filter(|next| next != order) {
            self.take_order(next);
        }
    }

    pub(super) fn publish_room(&mut self) {
        self.polls = false;
        for event in self.api.storage.publish_room() {
            self.watched(Some(event));
        }
    }
}
