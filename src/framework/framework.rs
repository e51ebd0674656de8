//! One profile with its plugins built: answers for its plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::plugin::{
    BindPlugin, Binding, PreBindPlugin, PreEnqueuePlugin, Progress, QueueSortPlugin, ReservePlugin,
    SetPlugin,
};
use super::registry::{ArgsError, Instance, Registry};
use super::status::Status;
use super::{ClusterEvent, Hint, builtin};
use crate::config::EffectiveProfile;
use crate::metrics;
use crate::model::{Instant, Str, plain};
use crate::snapshot::{ClaimDecision, NodeIndex, PodInfo, Snapshot, View};

/// A profile that is ready to decide.
pub struct Framework {
    pub scheduler_name: Str,
    pre_enqueue: Vec<(Str, Arc<dyn PreEnqueuePlugin>)>,
    queue_sort: Arc<dyn QueueSortPlugin>,
    pub(super) filters: Vec<(Str, Arc<dyn SetPlugin>)>,
    pub(super) scores: Vec<(Str, Arc<dyn SetPlugin>, i64)>,
    reserve: Vec<(Str, Arc<dyn ReservePlugin>)>,
    pre_bind: Vec<(Str, Arc<dyn PreBindPlugin>)>,
    bind: (Str, Arc<dyn BindPlugin>),
}

/// Why a profile cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("the configuration has no profile")]
    None,
    #[error("profile {profile}: {plugin} is no plugin for {point}")]
    NoSuchPlugin { profile: Str, plugin: Str, point: &'static str },
    #[error("profile {profile}: pluginConfig of {plugin}")]
    Args { profile: Str, plugin: Str, source: ArgsError },
}

/// The cycle failed: a bug, or an input that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("running {plugin}: {reason}")]
pub struct CycleError {
    pub plugin: Str,
    pub reason: String,
}

impl Framework {
    pub fn new(profile: &EffectiveProfile, registry: &Registry) -> Result<Self, ProfileError> {
        let mut plugins = Plugins { profile, registry, built: BTreeMap::new() };
        let mut framework = Self {
            scheduler_name: profile.scheduler_name.clone(),
            pre_enqueue: Vec::new(),
            queue_sort: Arc::new(ContainedSort {
                plugin: plugins.at("queueSort", &profile.queue_sort, |built| built.queue_sort)?,
                name: profile.queue_sort.clone(),
            }),
            filters: Vec::new(),
            scores: Vec::new(),
            reserve: Vec::new(),
            pre_bind: Vec::new(),
            bind: match profile.bind.first() {
                Some(name) => (name.clone(), plugins.at("bind", name, |built| built.bind)?),
                None => return Err(plugins.no_such("bind", &"".into())),
            },
        };
        for name in &profile.pre_enqueue {
            let plugin = plugins.at("preEnqueue", name, |built| built.pre_enqueue)?;
            framework.pre_enqueue.push((name.clone(), plugin));
        }
        for name in &profile.filter {
            let plugin = plugins.at("filter", name, |built| built.set)?;
            framework.filters.push((name.clone(), plugin));
        }
        for (name, weight) in &profile.score {
            let plugin = plugins.at("score", name, |built| built.set)?;
            framework.scores.push((name.clone(), plugin, *weight));
        }
        for name in &profile.reserve {
            let plugin = plugins.at("reserve", name, |built| built.reserve)?;
            framework.reserve.push((name.clone(), plugin));
        }
        for name in &profile.pre_bind {
            let plugin = plugins.at("preBind", name, |built| built.pre_bind)?;
            framework.pre_bind.push((name.clone(), plugin));
        }
        Ok(framework)
    }

    /// Who keeps the pod out of the queue, if anybody does.
    pub fn pre_enqueue(&self, pod: &PodInfo) -> Option<(Str, Status)> {
        self.pre_enqueue.iter().find_map(|(name, plugin)| {
            let status = contained(name, || plugin.pre_enqueue(pod)).unwrap_or_else(Status::from);
            (!status.is_success()).then(|| (name.clone(), status))
        })
    }

    pub fn queue_sort(&self) -> &Arc<dyn QueueSortPlugin> {
        &self.queue_sort
    }

    /// What has to be done for the claims of a pod that goes to this node, which has passed the
    /// filters on this view.
    pub fn reserve(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        node: NodeIndex,
    ) -> Result<Vec<ClaimDecision>, CycleError> {
        let mut decisions = Vec::new();
        for (name, plugin) in &self.reserve {
            let reserved = contained(name, || plugin.reserve(pod, view, node))?;
            decisions.extend(reserved.map_err(|status| CycleError::of_status(name, &status))?);
        }
        Ok(decisions)
    }

    /// How far the preparations of a pod's binding are: the first plugin that is not done says
    /// what comes next.
    pub fn pre_bind(
        &self,
        pod: &PodInfo,
        node: &Str,
        decisions: &[ClaimDecision],
        snapshot: &Snapshot,
        waited: Duration,
    ) -> Progress {
        for (name, plugin) in &self.pre_bind {
            let ask = || plugin.pre_bind(pod, node, decisions, snapshot, waited);
            match contained(name, ask) {
                Ok(Progress::Done) => {}
                Ok(progress) => return progress,
                Err(error) => return Progress::Fail(Status::from(error)),
            }
        }
        Progress::Done
    }

    /// What is written when the pod is bound to the node.
    pub fn binding(&self, pod: &PodInfo, node: &Str) -> Result<Binding, CycleError> {
        let (name, plugin) = &self.bind;
        contained(name, || plugin.binding(pod, node))
    }

    /// Whether an event may make a pod schedulable that these plugins have refused.
    pub fn hint(&self, rejectors: &BTreeSet<Str>, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        if rejectors.is_empty() {
            // Nobody was asked, because there was no node.
            return Hint::Queue;
        }
        if rejectors.iter().any(|name| builtin::hint(name, event) == Some(Hint::Queue)) {
            return Hint::Queue;
        }
        let rejecting = self.filters.iter().filter(|(name, _)| rejectors.contains(name));
        let mut hints = rejecting.map(|(name, plugin)| {
            contained(name, || plugin.hint(pod, event)).unwrap_or(Hint::Queue)
        });
        Hint::queue_if(hints.any(|hint| hint == Hint::Queue))
    }
}

/// A queue sort plugin whose panic puts the pod behind all others and does nothing else.
struct ContainedSort {
    name: Str,
    plugin: Arc<dyn QueueSortPlugin>,
}

impl QueueSortPlugin for ContainedSort {
    fn key(&self, pod: &PodInfo, since: Instant) -> (i64, u64) {
        contained(&self.name, || self.plugin.key(pod, since)).unwrap_or((i64::MAX, u64::MAX))
    }
}

/// The plugins of a profile, each built once, however many extension points it has.
struct Plugins<'a> {
    profile: &'a EffectiveProfile,
    registry: &'a Registry,
    built: BTreeMap<Str, Instance>,
}

impl Plugins<'_> {
    /// The plugin in its role at one extension point.
    fn at<T>(
        &mut self,
        point: &'static str,
        name: &Str,
        role: impl Fn(Instance) -> Option<T>,
    ) -> Result<T, ProfileError> {
        if !self.built.contains_key(name) {
            let registration = self.registry.find(name);
            let registration = registration.ok_or_else(|| self.no_such(point, name))?;
            let args = self.profile.args.get(name).unwrap_or(&Value::Null);
            let built = (registration.build)(args).map_err(|source| ProfileError::Args {
                profile: self.profile.scheduler_name.clone(),
                plugin: name.clone(),
                source,
            })?;
            self.built.insert(name.clone(), built);
        }
        let built = self.built.get(name).cloned();
        built.and_then(role).ok_or_else(|| self.no_such(point, name))
    }

    fn no_such(&self, point: &'static str, plugin: &Str) -> ProfileError {
        ProfileError::NoSuchPlugin {
            profile: self.profile.scheduler_name.clone(),
            plugin: plugin.clone(),
            point,
        }
    }
}

impl CycleError {
    pub(super) fn new(plugin: &Str, reason: impl Into<String>) -> Self {
        Self { plugin: plugin.clone(), reason: reason.into() }
    }

    /// A verdict that ends the cycle: an error, or one that has no place where it was given.
    pub(super) fn of_status(plugin: &Str, status: &Status) -> Self {
        match status.reasons.is_empty() {
            true => {
                Self::new(plugin, format!("the plugin said {:?} without a reason", status.code))
            }
            false => Self::new(plugin, status.message()),
        }
    }
}

impl From<CycleError> for Status {
    fn from(error: CycleError) -> Self {
        Self::error(error.to_string())
    }
}

/// Runs a stage of a plugin so that its panic ends the cycle of one pod and nothing else.
pub(super) fn contained<T>(name: &Str, stage: impl FnOnce() -> T) -> Result<T, CycleError> {
    catch_unwind(AssertUnwindSafe(stage)).map_err(|panic| {
        metrics::plugin_misbehaved(name, "panic");
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = plain(&text.unwrap_or_default());
        CycleError::new(name, format!("the plugin panicked: {text}"))
    })
}
