//! The end of a run: faults are over, and everything has to come right.

use std::time::Duration;

use super::checker::{Checker, holds};
use super::pods::OURS;
use super::process::Process;
use super::scene::{Placed, Room, Scene};
use super::world::World;
use crate::api;
use crate::cache::PodState;
use crate::framework::ProfileError;
use crate::snapshot::ResourceId;

/// The longest patience that the API server can have asked for, and the longest wait of a watch
/// that failed: before they are over nobody has to be well.
const PATIENCE: Duration = Duration::from_secs(60);
/// After so long every pod that fits somewhere is bound.
const LIVE_WITHIN: Duration = Duration::from_secs(60);
/// Within this time every pod that fits nowhere is tried once more, and may be told a new reason.
const SETTLE: Duration = Duration::from_secs(310);
/// A write is shown to everybody within this time: watch caches lag by less.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// So often a check waits for writes to be shown, at most.
const WAITS_MAX: u32 = 12;
/// How long nothing more may be written or listed then.
const QUIET: Duration = Duration::from_secs(600);

impl World<'_> {
    /// Faults, their end, and what must hold after it.
    pub fn run(&mut self) -> Result<(), ProfileError> {
        self.run_until(self.now.plus(super::plan::FAULTS_LAST))?;
        if self.checker.broken.is_some() {
            return Ok(());
        }
        self.heal();
        self.run_until(self.now.plus(PATIENCE).plus(LIVE_WITHIN))?;
        self.let_writes_be_shown()?;
        self.check_end();
        self.run_until(self.now.plus(SETTLE))?;
        let (writes, lists) = (self.writes_by_us, self.lists_read());
        self.run_until(self.now.plus(QUIET))?;
        self.check_end();
        let (more, listed) = (self.writes_by_us - writes, self.lists_read() - lists);
        if more > 0 {
            self.checker.report("L4", format!("{more} writes in a quiet cluster"), &[]);
        }
        if listed > 0 {
            self.checker.report("L4", format!("{listed} lists in a quiet cluster"), &[]);
        }
        Ok(())
    }

    /// A pod that is told its reason at this very moment is no difference.
    fn let_writes_be_shown(&mut self) -> Result<(), ProfileError> {
        for _ in 0..WAITS_MAX {
            let written = self.history.revision();
            self.run_until(self.now.plus(SHOWN_WITHIN))?;
            if self.history.revision() == written {
                break;
            }
        }
        Ok(())
    }

    fn lists_read(&self) -> u64 {
        self.checker.mirrors.values().map(super::mirror::Mirror::lists).sum()
    }

    fn check_end(&mut self) {
        if self.checker.broken.is_some() {
            return;
        }
        let shown = self.history.pods.values().map(|pod| &**pod).filter(|pod| holds(pod));
        let (waiting, others): (Vec<&api::Pod>, Vec<&api::Pod>) = shown
            .filter(|pod| pod.spec.node_name.is_empty())
            .partition(|pod| &*pod.spec.scheduler_name == OURS);
        let others = others.len();
        let placed =
            self.history.pods.values().filter(|pod| !pod.spec.node_name.is_empty() && holds(pod));
        let placed = placed.map(|pod| Placed { pod, node: &pod.spec.node_name, doubtful: false });
        let scene = Scene { nodes: &self.history.nodes, placed: placed.collect() };
        for seat in &self.seats {
            if let Some(process) = &seat.process {
                check_liveness(&mut self.checker, process, &waiting, &scene);
                check_queue(&mut self.checker, process, &waiting);
                check_cache(&mut self.checker, process, (&waiting, others), &scene);
            }
        }
    }
}

/// L1: no pod that waits fits anywhere.
fn check_liveness(
    checker: &mut Checker,
    process: &Process,
    waiting: &[&api::Pod],
    scene: &Scene<'_>,
) {
    let free = waiting.iter().filter(|pod| {
        pod.spec.scheduling_gates.is_empty() && pod.metadata.deletion_timestamp.is_none()
    });
    for pod in free {
        let fitting = scene.nodes.keys().find(|node| scene.refuses(pod, &node.name).is_none());
        if let Some(node) = fitting {
            let name = &pod.metadata.name;
            let refusals = process.scheduler.refusals(&pod.metadata.uid);
            let told = refusals.iter().map(|r| format!("{} on {}", r.reason, r.nodes));
            let told: Vec<String> = told.collect();
            let text = format!("{name} waits and fits on {}; it was told {told:?}", node.name);
            return checker.report("L1", text, &[name, &node.name]);
        }
    }
}

/// L2: what waits at the API server waits in the queue.
fn check_queue(checker: &mut Checker, process: &Process, waiting: &[&api::Pod]) {
    let lengths = process.scheduler.queue_lengths();
    let queued = lengths.active + lengths.backoff + lengths.unschedulable + lengths.gated;
    let in_flight = process.scheduler.in_flight();
    if queued != waiting.len() || in_flight > 0 {
        let text = format!(
            "{} pods wait, {queued} are queued ({lengths:?}), {in_flight} in flight",
            waiting.len()
        );
        checker.report("L2", text, &[]);
    }
}

/// L3: the cache has what the API server has, and the sums are right. `others` are the pods of
/// others that wait.
fn check_cache(
    checker: &mut Checker,
    process: &Process,
    (waiting, others): (&[&api::Pod], usize),
    scene: &Scene<'_>,
) {
    let cache = process.scheduler.cache();
    let expected = scene.placed.iter().map(|placed| placed.pod);
    for pod in expected.chain(waiting.iter().copied()) {
        let (meta, name) = (&pod.metadata, &pod.metadata.name);
        let Some(cached) = cache.pod(&meta.uid) else {
            return checker.report("L3", format!("{name} is not in the cache"), &[name]);
        };
        let state = cache.state(&meta.uid);
        let bound = state == Some(&PodState::Bound);
        let same = cached.node_name == pod.spec.node_name
            && cached.resource_version == meta.resource_version
            && cached.labels == meta.labels
            && bound != pod.spec.node_name.is_empty();
        if !same {
            let (version, cached) = (&meta.resource_version, &cached.resource_version);
            let text = format!("{name} is at {version}, in the cache at {cached}: {state:?}");
            return checker.report("L3", text, &[name]);
        }
    }
    let known = scene.placed.len() + waiting.len() + others;
    if cache.len() != known {
        let text = format!("there are {known} pods, {} in the cache", cache.len());
        return checker.report("L3", text, &[]);
    }
    check_nodes(checker, process, scene);
}

fn check_nodes(checker: &mut Checker, process: &Process, scene: &Scene<'_>) {
    let nodes = process.scheduler.cache().snapshot.nodes();
    if nodes.present().len() != scene.nodes.len() {
        let text = format!("{} nodes, {} in the cache", scene.nodes.len(), nodes.present().len());
        return checker.report("L3", text, &[]);
    }
    for (key, node) in scene.nodes {
        let name = &key.name;
        let Some(index) = nodes.find(name) else {
            return checker.report("L3", format!("{name} is not in the cache"), &[name]);
        };
        let columns = nodes.columns();
        let at = |column: &[i64]| column.get(index.index()).copied().unwrap_or(0);
        let cached = Room {
            cpu: at(columns.requested(ResourceId::CPU)),
            memory: at(columns.requested(ResourceId::MEMORY)),
            pods: at(columns.pods()),
        };
        let offered = Room {
            cpu: at(columns.allocatable(ResourceId::CPU)),
            memory: at(columns.allocatable(ResourceId::MEMORY)),
            pods: at(columns.pods_allocatable()),
        };
        let taken = scene.taken(name);
        let labels = &nodes.info(index).labels;
        if cached != taken || offered != Room::of_node(node) || *labels != node.metadata.labels {
            let text =
                format!("{name} has {taken:?} taken, in the cache {cached:?} of {offered:?}");
            return checker.report("L3", text, &[name]);
        }
    }
}
