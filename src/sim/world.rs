//! The simulated world: a virtual clock, what is under way, and the scheduler in the middle.

mod storage;

use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

use super::agenda::Agenda;
use super::api_server::ApiServer;
use super::volumes::Order;
use crate::api;
use crate::model::{Instant, PodKey};
use crate::scheduler::{Credit, Effect, Event, Outcome, Reply, Scheduler};

/// How long messages travel, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    /// A call to the API server, and its answer on the way back.
    pub call: (Duration, Duration),
    /// A watch event. Events of one kind never overtake each other.
    pub watch: (Duration, Duration),
    /// A controller, from the write that it sees to its own.
    pub controller: (Duration, Duration),
    /// A driver, to make a volume.
    pub provisioning: (Duration, Duration),
}

/// A cluster in which time is a number.
pub struct World {
    pub api: ApiServer,
    pub scheduler: Scheduler,
    now: Instant,
    under_way: Agenda<Happening>,
    /// When the last watch event of each kind arrives.
    watch_busy_until: FxHashMap<Discriminant<Event>, Instant>,
    /// Claims for which a volume is being made.
    making: BTreeSet<PodKey>,
    /// Drivers will say how much room they have.
    polls: bool,
    calls_under_way: u32,
    /// How often the scheduler was woken by nothing but the time since something last came of it.
    fruitless_tries: u32,
    /// How many pods were bound then.
    bound_before: usize,
    delays: Delays,
    rng: ChaCha8Rng,
}

/// How many bindings are under way at most, as with the connections of the daemon.
const BINDS_UNDER_WAY_MAX: u32 = 32;

/// A run ends when for so many tries nothing came of them. A pod on which a plugin fails is tried
/// again for ever, which in a cluster at rest changes nothing.
const FRUITLESS_TRIES_MAX: u32 = 8;

enum Happening {
    /// The scheduler sees an event.
    Seen(Box<Event>),
    /// A call reaches the API server.
    Called(Box<Effect>),
    /// Somebody creates a pod.
    Created(Box<api::Pod>),
    /// Somebody deletes a pod.
    Deleted(PodKey),
    /// The controller of ephemeral volumes sees a pod.
    Ephemeral(PodKey),
    /// The controller of volumes looks at a claim.
    LookedAt(PodKey),
    /// A provisioner is through with an order.
    Filled(Box<Order>),
    /// Drivers say how much room they have.
    Polled,
}

impl Default for Delays {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            call: (millis(1), millis(4)),
            watch: (millis(1), millis(10)),
            controller: (millis(5), millis(50)),
            provisioning: (millis(1_000), millis(3_000)),
        }
    }
}

impl World {
    pub fn new(scheduler: Scheduler, delays: Delays, seed: u64) -> Self {
        Self {
            api: ApiServer::default(),
            scheduler,
            now: Instant::default(),
            under_way: Agenda::default(),
            watch_busy_until: FxHashMap::default(),
            making: BTreeSet::new(),
            polls: false,
            calls_under_way: 0,
            fruitless_tries: 0,
            bound_before: 0,
            delays,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets the scheduler see something at once, as part of its first lists.
    pub fn list(&mut self, event: Event) {
        self.scheduler.observe(self.now, event);
    }

    /// Puts a pod into the cluster before the scheduler starts.
    pub fn list_pod(&mut self, pod: api::Pod) {
        if let Some(event) = self.api.create(pod) {
            self.list(event);
        }
    }

    /// Somebody will create a pod.
    pub fn create_at(&mut self, at: Instant, pod: api::Pod) {
        self.push(at, Happening::Created(Box::new(pod)));
    }

    /// Somebody will delete a pod.
    pub fn delete_at(&mut self, at: Instant, key: PodKey) {
        self.push(at, Happening::Deleted(key));
    }

    /// How many pods have been bound since the start.
    pub fn bound(&self) -> usize {
        self.api.bound()
    }

    /// Runs until nothing is under way any more and waiting would change nothing. Calls `progress`
    /// now and then.
    pub fn run(&mut self, mut progress: impl FnMut(&World)) {
        self.scheduler.observe(self.now, Event::Synced);
        let mut effects = Vec::new();
        loop {
            let wake = self.scheduler.advance(self.now, self.credit(), &mut effects);
            for effect in effects.drain(..) {
                self.send(effect);
            }
            progress(self);
            let next = self.under_way.next_at();
            let wake = wake.filter(|_| !self.is_quiet());
            let Some(at) = next.into_iter().chain(wake).min() else {
                return;
            };
            self.note_progress(next.is_none());
            self.now = self.now.max(at);
            self.happen();
        }
    }

    /// Counts the tries that only time brings about, until something else does.
    fn note_progress(&mut self, at_rest: bool) {
        if self.bound() != self.bound_before {
            (self.bound_before, self.fruitless_tries) = (self.bound(), 0);
        } else if at_rest {
            self.fruitless_tries += 1;
        }
    }

    /// Whether only time could change anything, and nothing that it could change.
    fn is_quiet(&self) -> bool {
        let queue = self.scheduler.queue_lengths();
        let may_change =
            queue.active > 0 || queue.backoff > 0 && self.fruitless_tries < FRUITLESS_TRIES_MAX;
        self.under_way.is_empty() && self.scheduler.in_flight() == 0 && !may_change
    }

    fn credit(&self) -> Credit {
        Credit { binds: BINDS_UNDER_WAY_MAX.saturating_sub(self.calls_under_way) }
    }

    /// Everything that is due.
    fn happen(&mut self) {
        while let Some((_, what)) = self.under_way.pop_due(self.now) {
            match what {
                Happening::Seen(event) => {
                    if matches!(*event, Event::Reply(_)) {
                        self.calls_under_way = self.calls_under_way.saturating_sub(1);
                    }
                    self.scheduler.observe(self.now, *event);
                }
                Happening::Called(effect) => self.answer(&effect),
                Happening::Created(pod) => {
                    let ephemeral = pod.spec.volumes.iter().any(|v| v.ephemeral.is_some());
                    let key = api::Object::key(&*pod);
                    let event = self.api.create(*pod);
                    if ephemeral && event.is_some() {
                        let at = self.now.plus(self.delay(self.delays.controller));
                        self.push(at, Happening::Ephemeral(key));
                    }
                    self.watched(event);
                }
                Happening::Deleted(key) => {
                    let event = self.api.delete(&key);
                    self.watched(event);
                }
                Happening::Ephemeral(key) => self.create_ephemeral_claims(&key),
                Happening::LookedAt(claim) => self.look_at(&claim),
                Happening::Filled(order) => self.fill(&order),
                Happening::Polled => self.publish_room(),
            }
        }
    }

    fn send(&mut self, effect: Effect) {
        self.calls_under_way += 1;
        let at = self.now.plus(self.delay(self.delays.call));
        self.push(at, Happening::Called(Box::new(effect)));
    }

    fn answer(&mut self, effect: &Effect) {
        let back = self.now.plus(self.delay(self.delays.call));
        let answer = if self.now > effect.not_after {
            super::api_server::Answer { outcome: Outcome::NotSent, pod: None, event: None }
        } else {
            self.api.call(&effect.op)
        };
        self.watched(answer.event);
        let reply = Reply { id: effect.id, outcome: answer.outcome, pod: answer.pod };
        self.push(back, Happening::Seen(Box::new(Event::Reply(reply))));
    }

    /// The watch will show an event, after those of its kind before it.
    fn watched(&mut self, event: Option<Event>) {
        let Some(event) = event else { return };
        self.alert(&event);
        let at = self.now.plus(self.delay(self.delays.watch));
        let busy = self.watch_busy_until.entry(discriminant(&event)).or_default();
        *busy = at.max(*busy);
        let at = *busy;
        self.push(at, Happening::Seen(Box::new(event)));
    }

    fn delay(&mut self, (least, most): (Duration, Duration)) -> Duration {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let (least, most) = (nanos(least), nanos(most));
        Duration::from_nanos(self.rng.random_range(least..=most.max(least)))
    }

    fn push(&mut self, at: Instant, what: Happening) {
        self.under_way.push(at, what);
    }
}
