//! Drives the core alone: every effect is answered at once, so that only deciding takes time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant as Clock};

use super::shapes::{self, Shape};
use crate::api;
use crate::config::EffectiveConfiguration;
use crate::framework::{ProfileError, Registry};
use crate::model::{Instant, Labels};
use crate::scheduler::{Change, Credit, Effect, Event, Op, Outcome, Reply, Scheduler};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub shape: Shape,
    pub nodes: usize,
    /// Pods of the same shape that stand on nodes before.
    pub placed: usize,
    /// Pods whose placement is measured.
    pub pods: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measurement {
    pub bound: usize,
    pub took: Duration,
    /// Label sets among the measured pods.
    pub distinct_label_sets: usize,
    pub decisions_hash: String,
}

/// A scheduler with a cluster in it, and the pods that it will be timed on.
pub struct CoreBench {
    scheduler: Scheduler,
    pods: Vec<api::Pod>,
    placed: usize,
    now: Instant,
}

/// How many bindings may be under way.
const CREDIT: Credit = Credit { binds: 64 };
const TICK: Duration = Duration::from_millis(1);

impl CoreBench {
    pub fn new(
        measured: &Measured,
        configuration: &EffectiveConfiguration,
        registry: &Registry,
        seed: u64,
    ) -> Result<Self, ProfileError> {
        let mut scheduler = Scheduler::new(configuration, registry, seed)?;
        let profile = configuration.profiles.first().map(|p| p.scheduler_name.clone());
        let profile = profile.unwrap_or_default();
        let all = measured.placed + measured.pods;
        let nodes = shapes::nodes(measured.nodes, all);
        let now = Instant::default();
        for node in &nodes {
            scheduler.observe(now, Event::Node(Change::Upsert(Box::new(node.clone()))));
        }
        for number in 0..measured.placed {
            let mut pod = shapes::pod(measured.shape, number);
            pod.spec.node_name = home(measured.shape, number, &nodes);
            scheduler.observe(now, upsert(&pod));
        }
        scheduler.observe(now, Event::Synced);
        let pods = (measured.placed..all).map(|number| {
            let mut pod = shapes::pod(measured.shape, number);
            pod.spec.scheduler_name = profile.clone();
            pod
        });
        Ok(Self { scheduler, pods: pods.collect(), placed: measured.placed, now })
    }

    /// Places the pods and times it: from seeing each pod to seeing it on its node.
    pub fn run(mut self) -> Measurement {
        let labels: BTreeSet<Labels> =
            self.pods.iter().map(|pod| pod.metadata.labels.clone()).collect();
        let started = Clock::now();
        for pod in &self.pods {
            self.scheduler.observe(self.now, upsert(pod));
        }
        let bound = self.drain();
        Measurement {
            bound,
            took: started.elapsed(),
            distinct_label_sets: labels.len(),
            decisions_hash: self.scheduler.decisions_hash(),
        }
    }

    /// Advances until no pod is active any more; returns how many were bound.
    fn drain(&mut self) -> usize {
        let mut bound = 0;
        let mut effects = Vec::new();
        loop {
            self.scheduler.advance(self.now, CREDIT, &mut effects);
            if effects.is_empty() && self.scheduler.queue_lengths().active == 0 {
                return bound;
            }
            for effect in effects.drain(..) {
                bound += usize::from(self.answer(effect));
            }
            self.now = self.now.plus(TICK);
        }
    }

    /// Carries an effect out at once. True if it bound a pod.
    fn answer(&mut self, effect: Effect) -> bool {
        let reply = Reply { id: effect.id, outcome: Outcome::Applied(None), pod: None };
        self.scheduler.observe(self.now, Event::Reply(reply));
        let Op::Bind { pod: key, node, .. } = effect.op else {
            return false;
        };
        let number = key.name.strip_prefix("pod-").and_then(|n| n.parse::<usize>().ok());
        let measured = number.and_then(|number| number.checked_sub(self.placed));
        let Some(pod) = measured.and_then(|at| self.pods.get_mut(at)) else {
            return false;
        };
        pod.spec.node_name = node;
        let event = upsert(pod);
        self.scheduler.observe(self.now, event);
        true
    }
}

/// Where a pod that is placed before the measurement stands, so that it breaks no rule of its own.
fn home(shape: Shape, number: usize, nodes: &[api::Node]) -> crate::model::Str {
    let group = number / shapes::GROUP_SIZE;
    let member = number % shapes::GROUP_SIZE;
    // Neighbours are in different zones; the same zone comes again after three.
    let step = if shape == Shape::Affinity { 3 * member } else { member };
    let node = nodes.get((3 * group + step) % nodes.len().max(1));
    node.map(|node| node.metadata.name.clone()).unwrap_or_default()
}

fn upsert(pod: &api::Pod) -> Event {
    Event::Pod(Change::Upsert(Box::new(pod.clone())))
}
