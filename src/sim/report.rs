//! What a simulation shows: where pods went, why others wait, and how replicas are spread.

mod claims;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

pub use self::claims::{ClaimReport, Claims};
use super::compare::Comparison;
use super::databases::Databases;
use super::experiment::Run;
use super::scaling::Step;
use super::simulation::Simulation;
use super::world::World;
use crate::api;
use crate::model::{CPU, Instant, MEMORY, PodKey, Str};
use crate::placement::{HOST, RACK, ZONE};
use crate::scheduler::Refusal;
use crate::snapshot::Snapshot;

/// The version of the report's fields.
pub const SCHEMA: &str = "quorate.dev/simulate/v1";

/// Topology keys by which replicas are counted, with the names under which they are reported.
const LEVELS: [(&str, &str); 3] = [("host", HOST), ("rack", RACK), ("zone", ZONE)];

/// A whole simulation. Nothing in it depends on how fast it ran.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub schema: &'static str,
    pub simulation: String,
    pub seed: u64,
    pub profile: Str,
    /// How many objects of other kinds the input had, which nothing here reads.
    pub ignored: BTreeMap<Str, usize>,
    /// Policies that are left out because they cannot be used.
    pub refused_policies: Vec<RefusedPolicy>,
    /// Pods that were pending at the start and have a node now, over all runs.
    pub placed: usize,
    pub pending: usize,
    pub decisions_hash: String,
    /// The databases at the end; of several runs, the worst.
    #[serde(flatten)]
    pub databases: Databases,
    /// How others place the same pods.
    pub compare: Vec<Comparison>,
    /// The pods that were pending at the start, of all runs in order.
    pub pods: Vec<PodReport>,
    /// The claims that had no volume when they came, of all runs in order.
    pub claims: Vec<ClaimReport>,
    pub runs: Vec<RunReport>,
}

/// A policy that cannot be used.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedPolicy {
    /// Empty for a ClusterPlacementPolicy.
    pub namespace: Str,
    pub name: Str,
    pub error: String,
}

/// One run: the experiment at one density.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunReport {
    pub name: String,
    pub nodes: usize,
    pub placed: usize,
    pub pending: usize,
    /// From the start to the last event, on the virtual clock.
    pub virtual_seconds: f64,
    pub utilisation: BTreeMap<Str, Utilisation>,
    pub spread: Vec<Spread>,
    /// How many claims got a volume.
    pub claims: Claims,
    pub decisions_hash: String,
    #[serde(flatten)]
    pub databases: Databases,
    /// What came of each step of sets that were scaled.
    pub steps: Vec<Step>,
    /// Its part of the report's pods.
    #[serde(skip)]
    pub pods: Vec<PodReport>,
    /// Its part of the report's claims.
    #[serde(skip)]
    pub claim_rows: Vec<ClaimReport>,
}

/// One pod that was pending at the start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    pub namespace: Str,
    pub name: Str,
    /// Empty while the pod waits.
    pub node: Str,
    /// What stood in the way where no node would do.
    pub refusals: Vec<Refusal>,
}

/// How much of a resource is asked for, of what nodes offer. CPU in milli, memory in bytes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Utilisation {
    pub requested: i64,
    pub allocatable: i64,
    pub percent: f64,
}

/// How the replicas of one workload are spread.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    pub namespace: Str,
    pub workload: Str,
    pub placed: usize,
    /// For each level whose label some node of these pods carries.
    pub levels: BTreeMap<&'static str, Level>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// In how many domains the replicas are.
    pub domains: usize,
    /// How many of them the fullest domain has.
    pub max: usize,
}

impl Report {
    pub fn new(simulation: &Simulation, runs: Vec<RunReport>, compare: Vec<Comparison>) -> Self {
        let mut hash = Xxh3::new();
        runs.iter().for_each(|run| hash.update(run.decisions_hash.as_bytes()));
        let decisions_hash = match runs.as_slice() {
            [only] => only.decisions_hash.clone(),
            _ => format!("{:016x}", hash.digest()),
        };
        Self {
            schema: SCHEMA,
            simulation: simulation.name.clone(),
            seed: simulation.seed,
            profile: simulation.profile(),
            ignored: simulation.ignored().clone(),
            refused_policies: simulation.refused_policies(),
            placed: runs.iter().map(|run| run.placed).sum(),
            pending: runs.iter().map(|run| run.pending).sum(),
            decisions_hash,
            databases: Databases::worst_of(runs.iter().map(|run| &run.databases)),
            compare,
            pods: runs.iter().flat_map(|run| run.pods.iter().cloned()).collect(),
            claims: runs.iter().flat_map(|run| run.claim_rows.iter().cloned()).collect(),
            runs,
        }
    }
}

impl RunReport {
    /// Looks at a finished run. `waiting` are the pods that were pending at the start.
    pub fn new(
        run: &Run,
        world: &World,
        waiting: &[PodKey],
        sets: &[api::ReplicaSet],
        databases: Databases,
    ) -> Self {
        let snapshot = &world.scheduler.cache().snapshot;
        let pods: Vec<PodReport> =
            waiting.iter().filter_map(|key| pod_report(world, world.api.pod(key)?)).collect();
        let placed = pods.iter().filter(|pod| !pod.node.is_empty()).count();
        let claim_rows: Vec<ClaimReport> = ClaimReport::rows(&world.api.storage);
        Self {
            name: run.name.clone(),
            nodes: snapshot.nodes().present().len(),
            placed,
            pending: pods.len() - placed,
            virtual_seconds: world.now().since(Instant::default()).as_secs_f64(),
            utilisation: utilisation(snapshot),
            spread: spread(world, snapshot, waiting, &deployments(sets)),
            claims: Claims::new(&claim_rows, &world.api.storage),
            decisions_hash: world.scheduler.decisions_hash(),
            databases,
            steps: Vec::new(),
            pods,
            claim_rows,
        }
    }
}

fn pod_report(world: &World, pod: &api::Pod) -> Option<PodReport> {
    let node = pod.spec.node_name.clone();
    let refusals = match &*node {
        "" => world.scheduler.refusals(&pod.metadata.uid).to_vec(),
        _ => Vec::new(),
    };
    let (namespace, name) = (pod.metadata.namespace.clone(), pod.metadata.name.clone());
    Some(PodReport { namespace, name, node, refusals })
}

fn utilisation(snapshot: &Snapshot) -> BTreeMap<Str, Utilisation> {
    let columns = snapshot.nodes().columns();
    let rows = [CPU, MEMORY].into_iter().filter_map(|name| {
        let resource = columns.resource(name)?;
        let sum = |column: &[i64]| {
            let nodes = snapshot.nodes().present().iter();
            nodes.map(|node| column[node.index()]).fold(0, i64::saturating_add)
        };
        let requested = sum(columns.requested(resource));
        let allocatable = sum(columns.allocatable(resource));
        let percent = 100.0 * requested as f64 / (allocatable.max(1)) as f64;
        let percent = (percent * 100.0).round() / 100.0;
        Some((Str::from(name), Utilisation { requested, allocatable, percent }))
    });
    rows.collect()
}

/// The spread of every workload that had a pending pod, its older pods included.
fn spread(
    world: &World,
    snapshot: &Snapshot,
    waiting: &[PodKey],
    deployments: &BTreeMap<PodKey, Str>,
) -> Vec<Spread> {
    let workload = |pod: &api::Pod| workload(pod, deployments);
    let pods = waiting.iter().filter_map(|key| world.api.pod(key));
    let workloads: BTreeSet<(Str, Str)> = pods.filter_map(&workload).collect();
    let mut nodes: BTreeMap<(Str, Str), Vec<&Str>> =
        workloads.into_iter().map(|workload| (workload, Vec::new())).collect();
    for pod in world.api.pods().filter(|pod| !pod.spec.node_name.is_empty()) {
        if let Some(on) = workload(pod).and_then(|workload| nodes.get_mut(&workload)) {
            on.push(&pod.spec.node_name);
        }
    }
    let rows = nodes.into_iter().map(|((namespace, workload), on)| {
        let levels = LEVELS.iter().filter_map(|(name, key)| {
            let mut domains: BTreeMap<(Option<&Str>, &Str), usize> = BTreeMap::new();
            for node in on.iter().filter_map(|node| snapshot.node(node)) {
                // Two zones may both have a rack of one name.
                let zone = node.labels.get(ZONE).filter(|_| *key == RACK);
                *domains.entry((zone, node.labels.get(key)?)).or_default() += 1;
            }
            let max = domains.values().copied().max()?;
            Some((*name, Level { domains: domains.len(), max }))
        });
        Spread { namespace, workload, placed: on.len(), levels: levels.collect() }
    });
    rows.collect()
}

/// The Deployments of the ReplicaSets that have one.
fn deployments(sets: &[api::ReplicaSet]) -> BTreeMap<PodKey, Str> {
    let owned = sets.iter().filter_map(|set| {
        let owner = set.metadata.controller().filter(|owner| &*owner.kind == "Deployment")?;
        Some((api::Object::key(set), owner.name.clone()))
    });
    owned.collect()
}

/// The workload of a pod: its namespace, and the kind and name of its controller, or of the
/// Deployment behind that.
fn workload(pod: &api::Pod, deployments: &BTreeMap<PodKey, Str>) -> Option<(Str, Str)> {
    let owner = pod.metadata.controller()?;
    let namespace = pod.metadata.namespace.clone();
    let set = PodKey::new(namespace.clone(), owner.name.clone());
    let deployment = deployments.get(&set).filter(|_| &*owner.kind == "ReplicaSet");
    let name = match deployment {
        Some(deployment) => format!("Deployment/{deployment}"),
        None => format!("{}/{}", owner.kind, owner.name),
    };
    Some((namespace, name.into()))
}
