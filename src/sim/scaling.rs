//! StatefulSets that are scaled out and in, one step after the other.

use serde::{Deserialize, Serialize};

use super::databases::Databases;
use super::simulation::SimulationError;
use super::world::World;
use crate::api::decode::Objects;
use crate::api::{self, Object};
use crate::model::{PodKey, Str};
use crate::placement::ZONE;
use crate::scheduler::{Change, Event};

/// How many members a StatefulSet has over time. Its first number is in its manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    pub namespace: Str,
    pub stateful_set: Str,
    pub replicas: Vec<u16>,
    #[serde(default)]
    pub pod_management_policy: PodManagementPolicy,
}

/// Whether a pod waits for the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum PodManagementPolicy {
    #[default]
    OrderedReady,
    Parallel,
}

/// What one step came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub namespace: Str,
    pub stateful_set: Str,
    pub replicas: u16,
    pub pending: usize,
    /// Of all groups of the cluster.
    pub quorums_lost_by_one_domain: usize,
    pub pods: Vec<StepPod>,
}

/// Where a member is after a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPod {
    pub name: Str,
    /// Empty while the pod waits.
    pub node: Str,
    pub zone: Str,
}

/// A StatefulSet on its way through its steps.
pub struct Scaled<'a> {
    scaling: &'a Scaling,
    set: api::StatefulSet,
    /// All pods that it ever has, by their ordinals.
    pods: Vec<api::Pod>,
    replicas: usize,
}

impl Scaling {
    /// Lets a set have all its pods at once, so that all can be made, and remembers its number.
    pub fn widen<'a>(
        &'a self,
        index: usize,
        objects: &mut Objects,
    ) -> Result<Scaled<'a>, SimulationError> {
        let key = PodKey::new(self.namespace.clone(), self.stateful_set.clone());
        let set = objects.stateful_sets.iter_mut().find(|set| set.key() == key);
        let set = set.ok_or(SimulationError::NoSuchSet { index, key })?;
        let written = set.clone();
        let first = written.spec.replicas.unwrap_or(1);
        let most = self.replicas.iter().copied().max().unwrap_or(0);
        set.spec.replicas = Some(first.max(i32::from(most)));
        let replicas = usize::try_from(first).unwrap_or(0);
        Ok(Scaled { scaling: self, set: written, pods: Vec::new(), replicas })
    }
}

impl Scaled<'_> {
    /// Takes its pods, and leaves those that are there from the start.
    pub fn hold_back(&mut self, objects: &mut Objects, pending: &mut Vec<api::Pod>) {
        let key = self.set.key();
        if let Some(set) = objects.stateful_sets.iter_mut().find(|set| set.key() == key) {
            set.spec.replicas = self.set.spec.replicas;
        }
        let is_own = |pod: &api::Pod| {
            let owner = pod.metadata.controller();
            pod.metadata.namespace == key.namespace
                && owner.is_some_and(|o| &*o.kind == "StatefulSet" && o.name == key.name)
        };
        self.pods = pending.iter().filter(|pod| is_own(pod)).cloned().collect();
        let later: Vec<PodKey> = self.pods.iter().skip(self.replicas).map(Object::key).collect();
        pending.retain(|pod| !later.contains(&pod.key()));
    }

    /// Goes through all steps, each until nothing moves any more.
    pub fn run(&mut self, world: &mut World, count: impl Fn(&World) -> Databases) -> Vec<Step> {
        let steps = self.scaling.replicas.iter().enumerate();
        steps
            .map(|(step, replicas)| {
                self.scale(usize::from(*replicas), step, world);
                self.report(*replicas, world, &count(world))
            })
            .collect()
    }

    fn scale(&mut self, replicas: usize, step: usize, world: &mut World) {
        let mut set = self.set.clone();
        set.spec.replicas = i32::try_from(replicas).ok();
        world.list(Event::StatefulSet(Change::Upsert(Box::new(set))));
        for pod in self.pods.iter().take(self.replicas).skip(replicas).rev() {
            world.delete_at(world.now(), pod.key());
        }
        for pod in self.pods.iter().take(replicas).skip(self.replicas) {
            let mut pod = pod.clone();
            // A pod that comes again is another one.
            pod.metadata.uid = format!("{}/{step}", pod.metadata.uid).into();
            world.create_at(world.now(), pod);
            if self.scaling.pod_management_policy == PodManagementPolicy::OrderedReady {
                world.run(|_| ());
            }
        }
        world.run(|_| ());
        self.replicas = replicas;
    }

    fn report(&self, replicas: u16, world: &World, databases: &Databases) -> Step {
        let snapshot = &world.scheduler.cache().snapshot;
        let there = self.pods.iter().filter_map(|pod| world.api.pod(&pod.key()));
        let pods = there.map(|pod| {
            let node = pod.spec.node_name.clone();
            let zone = snapshot.node(&node).and_then(|info| info.labels.get(ZONE).cloned());
            StepPod { name: pod.metadata.name.clone(), node, zone: zone.unwrap_or_default() }
        });
        let pods: Vec<StepPod> = pods.collect();
        Step {
            namespace: self.scaling.namespace.clone(),
            stateful_set: self.scaling.stateful_set.clone(),
            replicas,
            pending: pods.iter().filter(|pod| pod.node.is_empty()).count(),
            quorums_lost_by_one_domain: databases.quorums_lost_by_one_domain,
            pods,
        }
    }
}
