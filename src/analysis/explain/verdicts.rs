//! What each stage says of each node by itself.

use std::collections::BTreeMap;

use crate::framework::{CycleError, Framework};
use crate::model::Str;
use crate::snapshot::{NodeIndex, NodeSet, PodInfo, View};

/// Nodes that every filter passes and that are kept for pods which come first.
const NOMINATED: &str = "NominatedPods";
const NOMINATED_REASON: &str = "node(s) are set aside for pods of equal or higher priority";

/// One stage and the nodes that it refuses.
#[derive(Debug)]
pub(super) struct Verdict {
    pub plugin: Str,
    pub nodes: NodeSet,
    pub reasons: BTreeMap<Str, usize>,
    /// It keeps the pod from being looked at, whatever the nodes.
    pub is_gate: bool,
}

pub(super) fn verdicts(
    framework: &Framework,
    pod: &PodInfo,
    view: &View<'_>,
    feasible: &[NodeIndex],
) -> Result<Vec<Verdict>, CycleError> {
    let present = view.nodes().present();
    let mut found = Vec::new();
    if let Some((plugin, status)) = framework.pre_enqueue(pod) {
        let gate = Verdict::of_all(plugin, status.message().into(), present);
        found.push(Verdict { is_gate: true, ..gate });
    }
    let prepared = framework.prepare_filters(pod, view)?;
    for (plugin, refusals) in framework.each_filter(&prepared, present)? {
        let mut reasons: BTreeMap<Str, usize> = BTreeMap::new();
        for (status, nodes) in refusals.counts().filter(|(_, nodes)| *nodes > 0) {
            *reasons.entry(status.message().into()).or_default() += nodes;
        }
        let nodes: NodeSet = refusals.iter().map(|(node, _)| node).collect();
        if !nodes.is_empty() {
            found.push(Verdict { plugin, nodes, reasons, is_gate: false });
        }
    }
    if let Some((plugin, status)) = &prepared.rejected {
        let names = || prepared.narrowed_by.iter().cloned().collect::<Vec<_>>().join(" ").into();
        let plugin = plugin.clone().unwrap_or_else(names);
        found.retain(|verdict| verdict.plugin != plugin);
        found.push(Verdict::of_all(plugin, status.message().into(), present));
    } else {
        let mut inside = present.clone();
        prepared.narrow(view, &mut inside);
        let mut passing = inside.clone();
        found.iter().for_each(|verdict| passing.difference_with(&verdict.nodes));
        // Nodes outside a narrowing are refused by whoever named the others.
        let mut outside = present.clone();
        outside.difference_with(&inside);
        found.iter().for_each(|verdict| outside.difference_with(&verdict.nodes));
        if !outside.is_empty() {
            let names = prepared.narrowed_by.iter().cloned().collect::<Vec<_>>().join(" ");
            let reason = format!("node(s) didn't satisfy plugin(s) [{names}]");
            found.push(Verdict::of_all(names.into(), reason.into(), &outside));
        }
        feasible.iter().for_each(|node| passing.remove(*node));
        if !passing.is_empty() {
            found.push(Verdict::of_all(NOMINATED.into(), NOMINATED_REASON.into(), &passing));
        }
    }
    Ok(found)
}

/// The nodes that only this stage refuses.
pub(super) fn sole(verdicts: &[Verdict], place: usize, view: &View<'_>) -> NodeSet {
    let mut nodes = view.nodes().present().clone();
    nodes.intersect_with(&verdicts[place].nodes);
    let others = verdicts.iter().enumerate().filter(|(other, _)| *other != place);
    others.for_each(|(_, verdict)| nodes.difference_with(&verdict.nodes));
    nodes
}

impl Verdict {
    fn of_all(plugin: Str, reason: Str, nodes: &NodeSet) -> Self {
        let reasons = BTreeMap::from([(reason, nodes.len())]);
        Self { plugin, nodes: nodes.clone(), reasons, is_gate: false }
    }
}
