//! From an experiment or a snapshot to a finished run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::admission::admit;
use super::compare::Comparison;
use super::databases::{Databases, picture};
use super::exact::{self, ExactError};
use super::expand::{ExpandError, missing_pods};
use super::experiment::{Experiment, ExperimentError, Run, Trace};
use super::input::{InputError, read_isolated, read_snapshot};
use super::openb::{self, TraceError};
use super::placer::{Placer, Settings};
use super::report::{RefusedPolicy, Report, RunReport};
use super::scaling::{Scaled, Scaling};
use super::world::{Delays, World};
use crate::api::decode::{DecodeError, Objects};
use crate::api::{self, Object};
use crate::config::{Base, ConfigError, EffectiveConfiguration};
use crate::framework::{Framework, ProfileError, Registry};
use crate::groups::Catalogue;
use crate::model::{Instant, PodKey, Str};
use crate::placement::Topology;
use crate::scheduler::{Change, Event, Scheduler};
use crate::snapshot::PodInfo;

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
    Plugins { path: PathBuf, source: Box<ProfileError> },
    #[error("{0}")]
    DefaultConfiguration(ConfigError),
    #[error("infrastructure.{0}")]
    Infrastructure(String),
    #[error(transparent)]
    Exact(#[from] ExactError),
    #[error("scale[{index}].statefulSet: {key}: expected a StatefulSet of the manifests")]
    NoSuchSet { index: usize, key: PodKey },
}

/// Something to simulate: a cluster, the pods that come, and who decides.
pub struct Simulation {
    pub name: String,
    pub seed: u64,
    settings: Settings,
    configuration: EffectiveConfiguration,
    topology: Topology,
    /// Who else places the same pods, unless the command says otherwise.
    compare: Vec<Placer>,
    scale: Vec<Scaling>,
    objects: Objects,
    interval: std::time::Duration,
    runs: Vec<Run>,
}

/// A cluster, the pods that come to it, and the sets that are scaled then.
type Cluster<'a> = (Objects, Vec<api::Pod>, Vec<Scaled<'a>>);

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
        objects.csi_nodes = experiment.csi_nodes();
        for manifest in &experiment.manifests {
            objects.extend(read_snapshot(&folder.join(manifest))?)?;
        }
        for manifest in &experiment.isolated_manifests {
            objects.extend(read_isolated(&folder, manifest)?)?;
        }
        for workload in &experiment.workloads {
            workload.add_to(&mut objects, &folder)?;
        }
        if let Some(trace) = &experiment.trace {
            read_trace(trace, &folder, &mut objects)?;
        }
        let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
        let settings = Settings::read(configuration.as_deref(), registry)?;
        Ok(Self {
            name: name.unwrap_or_default(),
            seed: experiment.seed,
            configuration: settings.as_written()?,
            topology: settings.topology()?,
            settings,
            compare: experiment.compare.clone(),
            scale: experiment.scale.clone(),
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
        let settings = Settings::read(configuration, registry)?;
        Ok(Self {
            name: path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            seed,
            configuration: settings.as_written()?,
            topology: settings.topology()?,
            settings,
            compare: Vec::new(),
            scale: Vec::new(),
            objects: read_snapshot(path)?,
            interval: std::time::Duration::ZERO,
            runs: vec![Run { name: "all".to_owned(), nodes_percent: 100 }],
        })
    }

    /// Lets others place the same pods, too, instead of those that the experiment names.
    pub fn compare_with(&mut self, placers: &[Placer]) {
        self.compare = placers.to_vec();
    }

    /// Runs it. `progress` is told how far each run is.
    pub fn run(
        &self,
        registry: &Registry,
        mut progress: impl FnMut(&Run, Progress),
    ) -> Result<Report, SimulationError> {
        let mut run_all = |configuration: &EffectiveConfiguration| {
            let runs = self.runs.iter();
            runs.map(|run| {
                self.run_once(run, configuration, registry, |state| progress(run, state))
            })
            .collect::<Result<Vec<_>, _>>()
        };
        let reports = run_all(&self.configuration)?;
        let mut compare = vec![Comparison::of_runs(self.placer(), &reports)];
        for placer in self.rivals() {
            compare.push(match placer {
                Placer::Exact => self.exact(registry)?,
                _ => Comparison::of_runs(placer, &run_all(&self.settings.with(placer)?)?),
            });
        }
        compare.sort_by_key(|row| row.profile);
        Ok(Report::new(self, reports, compare))
    }

    /// Who decides.
    fn placer(&self) -> Placer {
        match self.configuration.profiles.first().map(|profile| profile.base) {
            Some(Base::Parity) => Placer::Parity,
            _ => Placer::Database,
        }
    }

    /// The best placement of all.
    fn exact(&self, registry: &Registry) -> Result<Comparison, SimulationError> {
        if self.settings.declares_infrastructure() {
            return Err(ExactError::Infrastructure.into());
        }
        let configuration = self.settings.with(Placer::Exact)?;
        let profile = configuration.profiles.first().ok_or(ProfileError::None)?;
        let framework = Framework::new(profile, registry)?;
        let (mut placed, mut pending, mut databases) = (0, 0, Vec::new());
        for run in &self.runs {
            let (objects, pods, _) = self.cluster(run)?;
            let mut picture = picture(&objects, objects.pods.iter());
            let pods: Vec<_> = pods.iter().map(|pod| Arc::new(PodInfo::new(pod))).collect();
            let left_out = exact::place(&framework, &mut picture, &pods)?;
            placed += pods.len() - left_out;
            pending += left_out;
            databases.push(Databases::of(&picture, &self.topology, self.seed));
        }
        let databases = Databases::worst_of(&databases);
        Ok(Comparison { profile: Placer::Exact, placed, pending, databases })
    }

    /// Who else places the pods. Where anybody does, the base `database` is one of them.
    fn rivals(&self) -> BTreeSet<Placer> {
        let mut rivals: BTreeSet<Placer> = self.compare.iter().copied().collect();
        if !rivals.is_empty() {
            rivals.insert(Placer::Database);
        }
        rivals.remove(&self.placer());
        rivals
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
        configuration: &EffectiveConfiguration,
        registry: &Registry,
        mut progress: impl FnMut(Progress),
    ) -> Result<RunReport, SimulationError> {
        let scheduler = Scheduler::new(configuration, registry, self.seed)?;
        let mut world = World::new(scheduler, Delays::default(), self.seed);
        let (mut objects, pending, mut scaled) = self.cluster(run)?;
        let waiting: Vec<_> = pending.iter().map(Object::key).collect();
        for pod in objects.pods.drain(..) {
            world.list_pod(pod);
        }
        list_objects(&mut world, &objects);
        world.list_storage(&objects);
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
        let count = |world: &World| self.count(&objects, world.api.pods());
        let steps = scaled.iter_mut().flat_map(|set| set.run(&mut world, count)).collect();
        let databases = count(&world);
        let mut report = RunReport::new(run, &world, &waiting, &objects.replica_sets, databases);
        report.steps = steps;
        Ok(report)
    }

    /// How the groups of a cluster stand, with these pods in it.
    fn count<'a>(&self, objects: &Objects, pods: impl Iterator<Item = &'a api::Pod>) -> Databases {
        Databases::of(&picture(objects, pods), &self.topology, self.seed)
    }

    /// The cluster of one run, the pods that come to it, and what comes after them.
    fn cluster(&self, run: &Run) -> Result<Cluster<'_>, SimulationError> {
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
        let scaled = self.scale.iter().enumerate();
        let scaled = scaled.map(|(index, scaling)| scaling.widen(index, &mut objects));
        let mut scaled = scaled.collect::<Result<Vec<_>, _>>()?;
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
        scaled.iter_mut().for_each(|set| set.hold_back(&mut objects, &mut pending));
        Ok((objects, pending, scaled))
    }
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
    let attachments = objects.volume_attachments.iter();
    attachments.for_each(|o| world.list(Event::VolumeAttachment(upsert(o))));
    let policies = objects.placement_policies.iter();
    policies.for_each(|o| world.list(Event::PlacementPolicy(upsert(o))));
    let policies = objects.cluster_placement_policies.iter();
    policies.for_each(|o| world.list(Event::ClusterPlacementPolicy(upsert(o))));
}
