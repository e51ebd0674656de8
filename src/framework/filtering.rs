//! Filtering: prepares all filters for a pod, runs them over the nodes, and says who refused what.

use std::collections::BTreeSet;

use super::builtin::{RESTING_NODES, RESTING_REASON, UNSUPPORTED_FIELDS};
use super::diagnosis::Diagnosis;
use super::framework::{CycleError, Framework, contained};
use super::plugin::{Filter, Prepared, ReadyFilter};
use super::refusals::Refusals;
use super::status::{Code, Status};
use super::unsupported;
use crate::model::Str;
use crate::snapshot::{NodeIndex, NodeSet, Overlay, PodInfo, View};

/// What the filters leave.
#[derive(Debug, Default)]
pub struct Filtered {
    /// The nodes that pass, ascending.
    pub feasible: Vec<NodeIndex>,
    pub diagnosis: Diagnosis,
}

/// The filters after preparation, in order.
pub struct PreparedFilters<'a> {
    filters: Vec<(usize, Box<dyn Filter + 'a>)>,
    /// The only nodes that can pass, and who says so.
    pub narrowed: Option<BTreeSet<Str>>,
    pub narrowed_by: BTreeSet<Str>,
    /// What rejects the pod outright. Without a plugin: several together.
    pub rejected: Option<(Option<Str>, Status)>,
}

impl Framework {
    /// The nodes that the pod can run on.
    pub fn filter(&self, pod: &PodInfo, view: &View<'_>) -> Result<Filtered, CycleError> {
        let present = view.nodes().present();
        let prepared = self.prepare_filters(pod, view)?;
        let mut diagnosis = Diagnosis {
            nodes: present.len(),
            rejected: prepared.rejected.clone(),
            narrowed_by: prepared.narrowed_by.clone(),
            ..Diagnosis::default()
        };
        if prepared.rejected.is_some() {
            return Ok(Filtered { feasible: Vec::new(), diagnosis });
        }
        let mut refusals = self.no_refusals();
        let resting = view.snapshot().resting();
        let mut asked = present.clone();
        asked.difference_with(&resting);
        let nominated = view.nodes().find(&pod.nominated_node);
        if let Some(node) = nominated.filter(|node| asked.contains(*node)) {
            let mut alone: NodeSet = [node].into_iter().collect();
            let run = self.run_filters(pod, view, &prepared, &mut alone, &mut refusals);
            if run.is_ok() && !alone.is_empty() {
                return Ok(Filtered { feasible: vec![node], diagnosis });
            }
            // A refused one has its verdict, also where it lies outside the narrowing. Where a
            // filter failed there is none, and the failure may come again below.
            if run.is_ok() {
                asked.remove(node);
                let refused_by = refusals.iter().position(|refusals| !refusals.is_empty());
                diagnosis.nominated_refused_by =
                    refused_by.map(|position| self.filters[position].0.clone());
            }
        }
        let mut alive = asked.clone();
        prepared.narrow(view, &mut alive);
        diagnosis.nodes_outside = asked.len() - alive.len();
        self.run_filters(pod, view, &prepared, &mut alive, &mut refusals)?;
        diagnosis.refusals = self.named(refusals);
        diagnosis.refusals.extend(rest(&resting, present));
        Ok(Filtered { feasible: alive.to_vec(), diagnosis })
    }

    /// Whether the pod can run on this node.
    pub fn fits(&self, pod: &PodInfo, view: &View<'_>, node: NodeIndex) -> bool {
        let prepared = match self.prepare_filters(pod, view) {
            Ok(prepared) if prepared.rejected.is_none() => prepared,
            _ => return false,
        };
        let mut alone: NodeSet = [node].into_iter().collect();
        alone.intersect_with(view.nodes().present());
        alone.difference_with(&view.snapshot().resting());
        prepared.narrow(view, &mut alone);
        let mut refusals = self.no_refusals();
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
        if let Some(status) = unsupported::reject(pod) {
            prepared.reject(&UNSUPPORTED_FIELDS.into(), status);
            return Ok(prepared);
        }
        if view.nodes().present().is_empty() {
            // There is nothing to ask about, which is all that upstream says then.
            return Ok(prepared);
        }
        for (position, (name, plugin)) in self.filters.iter().enumerate() {
            match contained(name, || plugin.prepare_filter(pod, view))? {
                Prepared::Skip => {}
                Prepared::Reject(status) => match status.code {
                    // Preemption may follow, so the others still have their say.
                    Code::Unschedulable => prepared.reject(name, status),
                    Code::UnschedulableAndUnresolvable => {
                        prepared.narrowed_by.clear();
                        prepared.reject(name, status);
                        return Ok(prepared);
                    }
                    _ => return Err(CycleError::of_status(name, &status)),
                },
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

    /// What each filter says of each node by itself, leaving the others and nominated pods aside.
    pub fn each_filter(
        &self,
        prepared: &PreparedFilters<'_>,
        nodes: &NodeSet,
    ) -> Result<Vec<(Str, Refusals)>, CycleError> {
        let mut all = Vec::new();
        for (position, filter) in &prepared.filters {
            let (name, refusals) = self.ask(*position, &**filter, nodes)?;
            all.push((name.clone(), refusals));
        }
        Ok(all)
    }

    /// What becomes of these nodes, wherever the pod is narrowed to: who refuses them first.
    pub fn first_refusals(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        prepared: &PreparedFilters<'_>,
        nodes: &NodeSet,
    ) -> Result<Vec<(Str, Refusals)>, CycleError> {
        let mut refusals = self.no_refusals();
        let mut alive = nodes.clone();
        self.run_filters(pod, view, prepared, &mut alive, &mut refusals)?;
        Ok(self.named(refusals))
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
        let (_, refused) = self.ask(position, filter, alive)?;
        refused.take_from(alive);
        if !refused.is_empty() {
            refusals[position].append(&refused);
        }
        Ok(())
    }

    /// What one filter says of these nodes. A status that is no refusal fails the cycle.
    fn ask(
        &self,
        position: usize,
        filter: &dyn Filter,
        nodes: &NodeSet,
    ) -> Result<(&Str, Refusals), CycleError> {
        let (name, _) = &self.filters[position];
        let mut refused = Refusals::default();
        contained(name, || filter.filter(nodes, &mut refused))?;
        let failure = refused.counts().find(|(status, nodes)| *nodes > 0 && !status.is_refusal());
        match failure {
            Some((status, _)) => Err(CycleError::of_status(name, status)),
            None => Ok((name, refused)),
        }
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
            let with = view.with(Overlay { added, ..Overlay::default() });
            let mut alone: NodeSet = [node].into_iter().collect();
            // A filter that skips this pod also skips it here, as upstream's does.
            for (position, _) in &prepared.filters {
                let (name, plugin) = &self.filters[*position];
                match contained(name, || plugin.prepare_filter(pod, &with))? {
                    Prepared::Skip => {}
                    Prepared::Reject(status) => {
                        refusals[*position].refuse_set(&alone, status);
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

    fn no_refusals(&self) -> Vec<Refusals> {
        vec![Refusals::default(); self.filters.len()]
    }

    fn named(&self, refusals: Vec<Refusals>) -> Vec<(Str, Refusals)> {
        let names = self.filters.iter().map(|(name, _)| name.clone());
        names.zip(refusals).filter(|(_, refusals)| !refusals.is_empty()).collect()
    }
}

/// What is said of nodes that are left out for a while.
fn rest(resting: &NodeSet, present: &NodeSet) -> Option<(Str, Refusals)> {
    let mut resting = resting.clone();
    resting.intersect_with(present);
    let mut refusals = Refusals::default();
    refusals.refuse_set(&resting, Status::unschedulable(RESTING_REASON));
    (!resting.is_empty()).then(|| (RESTING_NODES.into(), refusals))
}

impl<'a> PreparedFilters<'a> {
    /// Leaves of these nodes those that can pass.
    pub fn narrow(&self, view: &View<'_>, nodes: &mut NodeSet) {
        if let Some(names) = &self.narrowed {
            let named = names.iter().filter_map(|name| view.nodes().find(name));
            nodes.intersect_with(&named.collect());
        }
    }

    fn add(&mut self, position: usize, name: &Str, ready: ReadyFilter<'a>) {
        self.filters.push((position, ready.filter));
        let Some(names) = ready.narrowed else { return };
        self.narrowed_by.insert(name.clone());
        self.narrowed = Some(match self.narrowed.take() {
            Some(before) => before.intersection(&names).cloned().collect(),
            None => names,
        });
    }

    fn reject(&mut self, plugin: &Str, status: Status) {
        self.rejected = Some((Some(plugin.clone()), status));
    }

    /// Nothing is left of the nodes that the plugins name.
    fn reject_all(&mut self) {
        let names: Vec<&str> = self.narrowed_by.iter().map(|name| &**name).collect();
        let reason = match names.as_slice() {
            [name] => format!("node(s) didn't satisfy plugin {name}"),
            names => {
                let names = names.join(" ");
                format!("node(s) didn't satisfy plugin(s) [{names}] simultaneously")
            }
        };
        self.rejected = Some((None, Status::unresolvable(reason)));
    }
}
