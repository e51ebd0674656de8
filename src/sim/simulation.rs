//! From an experiment or a snapshot to a finished run.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::admission::admit;
use super::expand::{ExpandError, missing_pods};
use super::experiment::{Experiment, ExperimentError, Run, Trace};
use super::input::{InputError, read_snapshot};
use super::openb::{self, TraceError};
use super::report::{RefusedPolicy, Report, RunReport};
use super::world::{Delays, World};
use crate::api::decode::{DecodeError, Objects};
use crate::api::{self, Object};
use crate::config::{ConfigError, EffectiveConfiguration};
use crate::framework::{Framework, ProfileError, Registry};
use crate::groups::Catalogue;
use crate::model::{Instant, Str};
use crate::scheduler::{Change, Event, Scheduler};

#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error("failed to read {path}: {source}", path = .path.display())]
    ReadConfiguration { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}", path = .path.display())]
    Configuration { path: PathBuf, source: ConfigError },
    /// Only the plugins can judge their arguments.
    #[error("{path}: {source}", path = .path.display())]
    Plugins { path: PathBuf, source: ProfileError },
    #[error("{0}")]
    DefaultConfiguration(ConfigError),
}

/// Something to simulate: a cluster, the pods that come, and who decides.
pub struct Simulation {
    pub name: String,
    pub seed: u64,
    configuration: EffectiveConfiguration,
    objects: Objects,
    interval: std::time::Duration,
    runs: Vec<Run>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub pods: usize,
    pub bound: usize,
    pub waiting: usize,
}

impl Simulation {
    /// Reads the experiment of a folder.
    pub fn of_experiment(path: &Path, registry: &Registry) -> Result<Self, SimulationError> {
        let (experiment, folder) = Experiment::read(path)?;
        let configuration = experiment.configuration.as_ref().map(|file| folder.join(file));
        let mut objects = Objects::default();
        objects.nodes = experiment.nodes();
        for manifest in &experiment.manifests {
            objects.extend(read_snapshot(&folder.join(manifest))?)?;
        }
        if let Some(trace) = &experiment.trace {
            read_trace(trace, &folder, &mut objects)?;
        }
        let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            name: name.unwrap_or_default(),
            seed: experiment.seed,
            configuration: read_configuration(configuration.as_deref(), registry)?,
            objects,
            interval: experiment.arrivals.interval(),
            runs: experiment.runs(),
        })
    }

    /// Takes a cluster as it was dumped, and schedules what is pending in it.
    pub fn of_snapshot(
        path: &Path,
        configuration: Option<&Path>,
        seed: u64,
        registry: &Registry,
    ) -> Result<Self, SimulationError> {
        Ok(Self {
            name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            seed,
            configuration: read_configuration(configuration, registry)?,
            objects: read_snapshot(path)?,
            interval: std::time::Duration::ZERO,
            runs: vec![Run { name: "all".to_owned(), nodes_percent: 100 }],
        })
    }

    /// Runs it. `progress` is told how far each run is.
    pub fn run(
        &self,
        registry: &Registry,
        mut progress: impl FnMut(&Run, Progress),
    ) -> Result<Report, SimulationError> {
        let mut reports = Vec::new();
        for run in &self.runs {
            reports.push(self.run_once(run, registry, |state| progress(run, state))?);
        }
        Ok(Report::new(self, reports))
    }

    /// How many objects of other kinds the input has.
    pub fn ignored(&self) -> &BTreeMap<Str, usize> {
        &self.objects.other
    }

    /// The policies that cannot be used, with the reason; the namespace of a ClusterPlacementPolicy
    /// is empty.
    pub fn refused_policies(&self) -> Vec<RefusedPolicy> {
        let (own, cluster) =
            (&self.objects.placement_policies, &self.objects.cluster_placement_policies);
        let (_, refused) = Catalogue::default().with_policies(own, cluster);
        let refused = refused.into_iter().map(|(source, namespace, error)| RefusedPolicy {
            namespace,
            name: source.name().cloned().unwrap_or_default(),
            error: error.to_string(),
        });
        refused.collect()
    }

    /// The profile that decides.
    pub fn profile(&self) -> Str {
        let first = self.configuration.profiles.first();
        first.map(|profile| profile.scheduler_name.clone()).unwrap_or_default()
    }

    fn run_once(
        &self,
        run: &Run,
        registry: &Registry,
        mut progress: impl FnMut(Progress),
    ) -> Result<RunReport, SimulationError> {
        let scheduler = Scheduler::new(&self.configuration, registry, self.seed)?;
        let mut world = World::new(scheduler, Delays::default(), self.seed);
        let (mut objects, pending) = self.cluster(run)?;
        let waiting: Vec<_> = pending.iter().map(Object::key).collect();
        for pod in objects.pods.drain(..) {
            world.list_pod(pod);
        }
        list_objects(&mut world, &objects);
        let mut at = Instant::default();
        for pod in pending {
            world.create_at(at, pod);
            at = at.plus(self.interval);
        }
        let pods = waiting.len();
        world.run(|world| {
            let lengths = world.scheduler.queue_lengths();
            let waiting = lengths.active + lengths.backoff + lengths.unschedulable + lengths.gated;
            progress(Progress { pods, bound: world.bound(), waiting });
        });
        Ok(RunReport::new(run, &world, &waiting, &objects.replica_sets))
    }

    /// The cluster of one run, and the pods that come to it.
    fn cluster(&self, run: &Run) -> Result<(Objects, Vec<api::Pod>), SimulationError> {
        let mut objects = self.objects.clone();
        let percent = run.nodes_percent as usize;
        let mut share = 0;
        objects.nodes.retain(|_| {
            share += percent;
            let taken = share >= 100;
            share %= 100;
            taken
        });
        let profile = self.profile();
        let missing = missing_pods(&mut objects)?;
        let mut pods = std::mem::take(&mut objects.pods);
        // Pods that have ended hold nothing, not even their names.
        pods.retain(|pod| !pod.is_terminal());
        pods.extend(missing);
        pods.iter_mut().for_each(|pod| admit(pod, &objects.priority_classes));
        let (mut pending, placed): (Vec<_>, Vec<_>) =
            pods.into_iter().partition(|pod| pod.spec.node_name.is_empty());
        objects.pods = placed;
        // Whoever was meant to schedule them, here it is us.
        pending.iter_mut().for_each(|pod| pod.spec.scheduler_name = profile.clone());
        Ok((objects, pending))
    }
}

fn read_configuration(
    file: Option<&Path>,
    registry: &Registry,
) -> Result<EffectiveConfiguration, SimulationError> {
    let catalog = registry.catalog();
    let Some(file) = file else {
        return crate::config::resolve(&Default::default(), &catalog)
            .map_err(SimulationError::DefaultConfiguration);
    };
    let path = file.to_owned();
    let text = File::open(file)
        .and_then(crate::config::read)
        .map_err(|source| SimulationError::ReadConfiguration { path: path.clone(), source })?;
    let configuration = crate::config::load(&text, &catalog)
        .map_err(|source| SimulationError::Configuration { path: path.clone(), source })?;
    for profile in &configuration.profiles {
        Framework::new(profile, registry)
            .map_err(|source| SimulationError::Plugins { path: path.clone(), source })?;
    }
    Ok(configuration)
}

fn read_trace(trace: &Trace, folder: &Path, objects: &mut Objects) -> Result<(), SimulationError> {
    objects.nodes.extend(openb::read_nodes(&folder.join(&trace.nodes))?);
    objects.pods.extend(openb::read_pods(&folder.join(&trace.pods))?);
    Ok(())
}

fn list_objects(world: &mut World, objects: &Objects) {
    fn upsert<T: Clone>(object: &T) -> Change<T> {
        Change::Upsert(Box::new(object.clone()))
    }
    objects.nodes.iter().for_each(|o| world.list(Event::Node(upsert(o))));
    objects.namespaces.iter().for_each(|o| world.list(Event::Namespace(upsert(o))));
    objects.services.iter().for_each(|o| world.list(Event::Service(upsert(o))));
    let controllers = objects.replication_controllers.iter();
    controllers.for_each(|o| world.list(Event::ReplicationController(upsert(o))));
    objects.replica_sets.iter().for_each(|o| world.list(Event::ReplicaSet(upsert(o))));
    objects.stateful_sets.iter().for_each(|o| world.list(Event::StatefulSet(upsert(o))));
    objects.storage_classes.iter().for_each(|o| world.list(Event::StorageClass(upsert(o))));
    objects.csi_drivers.iter().for_each(|o| world.list(Event::CsiDriver(upsert(o))));
    objects.csi_nodes.iter().for_each(|o| world.list(Event::CsiNode(upsert(o))));
    let capacities = objects.csi_storage_capacities.iter();
    capacities.for_each(|o| world.list(Event::CsiStorageCapacity(upsert(o))));
    let volumes = objects.persistent_volumes.iter();
    volumes.for_each(|o| world.list(Event::PersistentVolume(upsert(o))));
    let claims = objects.persistent_volume_claims.iter();
    claims.for_each(|o| world.list(Event::PersistentVolumeClaim(upsert(o))));
    let attachments = objects.volume_attachments.iter();
    attachments.for_each(|o| world.list(Event::VolumeAttachment(upsert(o))));
    let policies = objects.placement_policies.iter();
    policies.for_each(|o| world.list(Event::PlacementPolicy(upsert(o))));
    let policies = objects.cluster_placement_policies.iter();
    policies.for_each(|o| world.list(Event::ClusterPlacementPolicy(upsert(o))));
}
