//! One profile with its plugins built: runs the stages in order.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::diagnosis::Diagnosis;
use super::plugin::{
    BindPlugin, Filter, PreEnqueuePlugin, Prepared, QueueSortPlugin, ReadyFilter, SCORE_MAX, Score,
    SetPlugin,
};
use super::refusals::Refusals;
use super::registry::{ArgsError, Instance, Registry};
use super::status::{Code, Status};
use super::{ClusterEvent, Hint};
use crate::config::EffectiveProfile;
use crate::metrics;
use crate::model::Str;
use crate::snapshot::{NodeIndex, NodeSet, Overlay, PodInfo, View};

/// A profile that is ready to decide.
pub struct Framework {
    pub scheduler_name: Str,
    pre_enqueue: Vec<(Str, Arc<dyn PreEnqueuePlugin>)>,
    queue_sort: Arc<dyn QueueSortPlugin>,
    filters: Vec<(Str, Arc<dyn SetPlugin>)>,
    scores: Vec<(Str, Arc<dyn SetPlugin>, i64)>,
    bind: Arc<dyn BindPlugin>,
}

/// Why a profile cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("profile {profile}: {plugin} is no plugin for {point}")]
    NoSuchPlugin {
        profile: Str,
        plugin: Str,
        point: &'static str,
    },
    #[error("profile {profile}: pluginConfig of {plugin}")]
    Args {
        profile: Str,
        plugin: Str,
        source: ArgsError,
    },
}

/// The cycle failed: a bug, or an input that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("running {plugin}: {reason}")]
pub struct CycleError {
    pub plugin: Str,
    pub reason: String,
}

/// What the filters leave.
#[derive(Debug, Default)]
pub struct Filtered {
    /// The nodes that pass, ascending.
    pub feasible: Vec<NodeIndex>,
    pub diagnosis: Diagnosis,
}

/// One score plugin's column, over the feasible nodes.
#[derive(Clone, Debug)]
pub struct ScoreColumn {
    pub plugin: Str,
    pub raw: Vec<i64>,
    /// From 0 to 100, before the weight.
    pub normalized: Vec<i64>,
}

/// The filters after preparation, in order.
pub struct PreparedFilters<'a> {
    filters: Vec<(usize, Box<dyn Filter + 'a>)>,
    /// The only nodes that can pass, and who says so.
    pub narrowed: Option<BTreeSet<Str>>,
    pub narrowed_by: BTreeSet<Str>,
    /// What rejects the pod outright.
    pub rejected: Option<(Option<Str>, Status)>,
}

impl Framework {
    pub fn new(profile: &EffectiveProfile, registry: &Registry) -> Result<Self, ProfileError> {
        let build = |plugin: &Str, point: &'static str| -> Result<Instance, ProfileError> {
            let profile_name = profile.scheduler_name.clone();
            let Some(registration) = registry.find(plugin) else {
                return Err(no_such(profile, plugin, point));
            };
            let args = profile.args.get(plugin).unwrap_or(&serde_json::Value::Null);
            (registration.build)(args).map_err(|source| ProfileError::Args {
                profile: profile_name,
                plugin: plugin.clone(),
                source,
            })
        };
        let mut framework = Self {
            scheduler_name: profile.scheduler_name.clone(),
            pre_enqueue: Vec::new(),
            queue_sort: build(&profile.queue_sort, "queueSort")?
                .queue_sort
                .ok_or_else(|| no_such(profile, &profile.queue_sort, "queueSort"))?,
            filters: Vec::new(),
            scores: Vec::new(),
            bind: match profile.bind.first() {
                Some(name) => build(name, "bind")?
                    .bind
                    .ok_or_else(|| no_such(profile, name, "bind"))?,
                None => return Err(no_such(profile, &"".into(), "bind")),
            },
        };
        for name in &profile.pre_enqueue {
            let plugin = build(name, "preEnqueue")?.pre_enqueue;
            let plugin = plugin.ok_or_else(|| no_such(profile, name, "preEnqueue"))?;
            framework.pre_enqueue.push((name.clone(), plugin));
        }
        for name in &profile.filter {
            let plugin = build(name, "filter")?.set;
            let plugin = plugin.ok_or_else(|| no_such(profile, name, "filter"))?;
            framework.filters.push((name.clone(), plugin));
        }
        for (name, weight) in &profile.score {
            let plugin = build(name, "score")?.set;
            let plugin = plugin.ok_or_else(|| no_such(profile, name, "score"))?;
            framework.scores.push((name.clone(), plugin, *weight));
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

    pub fn bind(&self) -> &dyn BindPlugin {
        &*self.bind
    }

    /// Whether an event may make a pod schedulable that these plugins have refused.
    pub fn hint(&self, rejectors: &BTreeSet<Str>, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        let rejecting = self
            .filters
            .iter()
            .filter(|(name, _)| rejectors.contains(name));
        let mut hints = rejecting.map(|(name, plugin)| {
            contained(name, || plugin.hint(pod, event)).unwrap_or(Hint::Queue)
        });
        Hint::queue_if(hints.any(|hint| hint == Hint::Queue))
    }

    /// The nodes that the pod can run on.
    pub fn filter(&self, pod: &PodInfo, view: &View<'_>) -> Result<Filtered, CycleError> {
        let prepared = self.prepare_filters(pod, view)?;
        let mut diagnosis = Diagnosis {
            nodes: view.nodes().present().len(),
            rejected: prepared.rejected.clone(),
            narrowed_by: prepared.narrowed_by.clone(),
            ..Diagnosis::default()
        };
        if prepared.rejected.is_some() {
            return Ok(Filtered {
                feasible: Vec::new(),
                diagnosis,
            });
        }
        let mut refusals = vec![Refusals::default(); self.filters.len()];
        let mut asked = view.nodes().present().clone();
        if let Some(node) = view
            .nodes()
            .find(&pod.nominated_node)
            .filter(|n| asked.contains(*n))
        {
            let mut alone: NodeSet = [node].into_iter().collect();
            let passes = self.run_filters(pod, view, &prepared, &mut alone, &mut refusals);
            if passes.is_ok() && !alone.is_empty() {
                return Ok(Filtered {
                    feasible: vec![node],
                    diagnosis,
                });
            }
            // It has its verdict, also where it lies outside the narrowing.
            asked.remove(node);
        }
        let mut alive = asked.clone();
        if let Some(names) = &prepared.narrowed {
            let named = names
                .iter()
                .filter_map(|name| view.nodes().find(name))
                .collect();
            alive.intersect_with(&named);
        }
        diagnosis.nodes_outside = asked.len() - alive.len();
        self.run_filters(pod, view, &prepared, &mut alive, &mut refusals)?;
        let names = self.filters.iter().map(|(name, _)| name.clone());
        diagnosis.refusals = names.zip(refusals).filter(|(_, r)| !r.is_empty()).collect();
        Ok(Filtered {
            feasible: alive.iter().collect(),
            diagnosis,
        })
    }

    /// Whether the pod can run on this node.
    pub fn fits(&self, pod: &PodInfo, view: &View<'_>, node: NodeIndex) -> bool {
        let Ok(prepared) = self.prepare_filters(pod, view) else {
            return false;
        };
        let named = |names: &BTreeSet<Str>| names.contains(view.nodes().name(node));
        if prepared.rejected.is_some() || !prepared.narrowed.as_ref().is_none_or(named) {
            return false;
        }
        let mut alone = view.nodes().present().clone();
        let mut refusals = vec![Refusals::default(); self.filters.len()];
        let only: NodeSet = [node].into_iter().collect();
        alone.intersect_with(&only);
        let run = self.run_filters(pod, view, &prepared, &mut alone, &mut refusals);
        run.is_ok() && !alone.is_empty()
    }

    /// Prepares all filters (upstream's PreFilter stage).
    pub fn prepare_filters<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Result<PreparedFilters<'a>, CycleError> {
        let mut prepared = PreparedFilters {
            filters: Vec::new(),
            narrowed: None,
            narrowed_by: BTreeSet::new(),
            rejected: None,
        };
        for (position, (name, plugin)) in self.filters.iter().enumerate() {
            match contained(name, || plugin.prepare_filter(pod, view))? {
                Prepared::Skip => {}
                Prepared::Reject(status) if status.code == Code::Unschedulable => {
                    // Preemption may follow, so the others still have their say.
                    prepared.rejected = Some((Some(name.clone()), status));
                }
                Prepared::Reject(status) if status.code == Code::UnschedulableAndUnresolvable => {
                    prepared.rejected = Some((Some(name.clone()), status));
                    return Ok(prepared);
                }
                Prepared::Reject(status) => return Err(CycleError::new(name, status.message())),
                Prepared::Ready(ready) => {
                    prepared.add(position, name, ready);
                    if prepared.narrowed.as_ref().is_some_and(BTreeSet::is_empty) {
                        prepared.reject_all();
                        return Ok(prepared);
                    }
                }
            }
        }
        Ok(prepared)
    }

    /// Runs the filters over `alive` and leaves in it the nodes that pass.
    fn run_filters(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        prepared: &PreparedFilters<'_>,
        alive: &mut NodeSet,
        refusals: &mut [Refusals],
    ) -> Result<(), CycleError> {
        self.yield_to_nominated(pod, view, prepared, alive, refusals)?;
        for (position, filter) in &prepared.filters {
            if alive.is_empty() {
                break;
            }
            self.run_filter(*position, &**filter, alive, refusals)?;
        }
        Ok(())
    }

    /// One filter over `alive`; those it refuses leave the set.
    fn run_filter(
        &self,
        position: usize,
        filter: &dyn Filter,
        alive: &mut NodeSet,
        refusals: &mut [Refusals],
    ) -> Result<(), CycleError> {
        let (name, _) = &self.filters[position];
        let mut refused = Refusals::default();
        contained(name, || filter.filter(alive, &mut refused))?;
        if let Some((error, _)) = refused
            .counts()
            .find(|(status, nodes)| status.code == Code::Error && *nodes > 0)
        {
            return Err(CycleError::new(name, error.message()));
        }
        refused.take_from(alive);
        if !refused.is_empty() {
            refusals[position].append(&refused);
        }
        Ok(())
    }

    /// Refuses nodes on which the pod would not fit beside pods of equal or higher priority that
    /// are nominated to them. Those pods are not running yet, so each node must also pass without
    /// them, which is what comes next.
    fn yield_to_nominated(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        prepared: &PreparedFilters<'_>,
        alive: &mut NodeSet,
        refusals: &mut [Refusals],
    ) -> Result<(), CycleError> {
        for (node, nominated) in view.nominated(pod) {
            if !alive.contains(node) {
                continue;
            }
            let added = nominated.into_iter().map(|other| (other, node)).collect();
            let with = view.with(Overlay {
                added,
                ..Overlay::default()
            });
            let mut alone: NodeSet = [node].into_iter().collect();
            for (position, _) in &prepared.filters {
                let (name, plugin) = &self.filters[*position];
                match contained(name, || plugin.prepare_filter(pod, &with))? {
                    Prepared::Skip => {}
                    Prepared::Reject(status) => {
                        refusals[*position].refuse_all(alone.iter(), status);
                        alone.remove(node);
                    }
                    Prepared::Ready(ready) => {
                        self.run_filter(*position, &*ready.filter, &mut alone, refusals)?;
                    }
                }
                if alone.is_empty() {
                    alive.remove(node);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The weighted sums of all scores, in the order of `nodes`. The columns of which they are made
    /// go to `columns` where somebody wants to see them.
    pub fn score(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        nodes: &[NodeIndex],
        mut columns: Option<&mut Vec<ScoreColumn>>,
    ) -> Result<Vec<i64>, CycleError> {
        let mut totals = vec![0_i64; nodes.len()];
        let mut scores = vec![0_i64; nodes.len()];
        for (name, plugin, weight) in &self.scores {
            let stage = match contained(name, || plugin.prepare_score(pod, view, nodes))? {
                Prepared::Skip => continue,
                Prepared::Reject(status) => return Err(CycleError::new(name, status.message())),
                Prepared::Ready(stage) => stage,
            };
            scores.fill(0);
            let raw = run_score(name, &*stage, &mut scores, columns.is_some())?;
            for (total, score) in totals.iter_mut().zip(&scores) {
                *total += weight * score;
            }
            if let Some(columns) = columns.as_deref_mut() {
                let normalized = scores.clone();
                columns.push(ScoreColumn {
                    plugin: name.clone(),
                    raw,
                    normalized,
                });
            }
        }
        Ok(totals)
    }

    /// What each filter says of each node by itself, leaving the others aside.
    pub fn each_filter<'a>(
        &self,
        prepared: &PreparedFilters<'a>,
        nodes: &NodeSet,
    ) -> Result<Vec<(Str, Refusals)>, CycleError> {
        let mut all = Vec::new();
        for (position, filter) in &prepared.filters {
            let (name, _) = &self.filters[*position];
            let mut refusals = Refusals::default();
            contained(name, || filter.filter(nodes, &mut refusals))?;
            all.push((name.clone(), refusals));
        }
        Ok(all)
    }
}

impl<'a> PreparedFilters<'a> {
    fn add(&mut self, position: usize, name: &Str, ready: ReadyFilter<'a>) {
        self.filters.push((position, ready.filter));
        let Some(names) = ready.narrowed else { return };
        self.narrowed_by.insert(name.clone());
        self.narrowed = Some(match self.narrowed.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    }

    /// Nothing is left of the nodes that the plugins name.
    fn reject_all(&mut self) {
        let names: Vec<&str> = self.narrowed_by.iter().map(|name| &**name).collect();
        let reason = match names.as_slice() {
            [name] => format!("node(s) didn't satisfy plugin {name}"),
            names => {
                format!(
                    "node(s) didn't satisfy plugin(s) [{}] simultaneously",
                    names.join(" ")
                )
            }
        };
        self.rejected = Some((None, Status::unresolvable(reason)));
    }
}

impl CycleError {
    fn new(plugin: &Str, reason: impl Into<String>) -> Self {
        Self {
            plugin: plugin.clone(),
            reason: reason.into(),
        }
    }
}

impl From<CycleError> for Status {
    fn from(error: CycleError) -> Self {
        Self::error(error.to_string())
    }
}

fn no_such(profile: &EffectiveProfile, plugin: &Str, point: &'static str) -> ProfileError {
    let profile = profile.scheduler_name.clone();
    ProfileError::NoSuchPlugin {
        profile,
        plugin: plugin.clone(),
        point,
    }
}

/// Fills and normalizes one column; returns the raw scores if they are wanted.
fn run_score(
    name: &Str,
    stage: &dyn Score,
    scores: &mut [i64],
    keep_raw: bool,
) -> Result<Vec<i64>, CycleError> {
    let raw = contained(name, || {
        stage.score(scores);
        let raw = if keep_raw {
            scores.to_vec()
        } else {
            Vec::new()
        };
        stage.normalize(scores);
        raw
    })?;
    match scores
        .iter()
        .find(|score| !(0..=SCORE_MAX).contains(*score))
    {
        None => Ok(raw),
        Some(score) => {
            metrics::plugin_misbehaved(name, "score_out_of_range");
            let reason = format!("score {score} is not between 0 and {SCORE_MAX}");
            Err(CycleError::new(name, reason))
        }
    }
}

/// Runs a stage of a plugin so that its panic ends the cycle of one pod and nothing else.
fn contained<T>(name: &Str, stage: impl FnOnce() -> T) -> Result<T, CycleError> {
    catch_unwind(AssertUnwindSafe(stage)).map_err(|panic| {
        metrics::plugin_misbehaved(name, "panic");
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        CycleError::new(
            name,
            format!("the plugin panicked: {}", text.unwrap_or_default()),
        )
    })
}
