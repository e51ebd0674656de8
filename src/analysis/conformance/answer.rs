//! A scheduling decision in the form in which ours and a recorded one are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::case::{Expect, Rejection};
use crate::framework::{Code, CycleError, Framework, Refusals, Status};
use crate::model::Str;
use crate::snapshot::{NodeIndex, PodInfo, Snapshot, View};

/// A verdict of a plugin; the order of reasons is left to chance.
pub type Verdict = (Str, Code, BTreeSet<Str>);

/// What becomes of a pod. Nodes are positions among the recorded ones.
#[derive(Debug, Default)]
pub struct Answer {
    pre_enqueue: Option<Verdict>,
    pre_filter: Option<Verdict>,
    narrowed: Option<BTreeSet<Str>>,
    /// What each filter says of each node by itself.
    refused: BTreeMap<usize, BTreeSet<Verdict>>,
    /// Who refuses each node in the end.
    outcomes: BTreeMap<usize, Verdict>,
    feasible: Vec<usize>,
    /// Raw and normalized scores of each plugin.
    scores: BTreeMap<Str, (Vec<i64>, Vec<i64>)>,
    total: Vec<i64>,
    host: Option<usize>,
    message: Option<String>,
    unschedulable_plugins: BTreeSet<Str>,
    /// Why there are no scores.
    score_error: Option<String>,
    /// Why the cycle ends without a decision.
    error: Option<String>,
}

/// The filters of kube-scheduler 1.37 in the order in which they refuse a node.
const FILTER_ORDER: [&str; 14] = [
    "NodeName",
    "NodeUnschedulable",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "DynamicResources",
    "NodeDeclaredFeatures",
];

impl Answer {
    /// The recorded answer.
    pub fn recorded(expect: &Expect) -> Self {
        let mut answer = Self {
            pre_enqueue: expect.pre_enqueue.as_ref().map(rejection),
            pre_filter: expect.pre_filter.as_ref().map(rejection),
            narrowed: expect.narrowed.clone(),
            feasible: expect.feasible.clone(),
            host: expect.host,
            message: expect.message.clone(),
            unschedulable_plugins: expect.unschedulable_plugins.clone(),
            score_error: expect.score_error.clone(),
            error: expect.error.clone(),
            ..Self::default()
        };
        answer.record_refusals(expect);
        let nodes = expect.feasible.len();
        for (plugin, scores) in &expect.scores {
            let raw = scores.raw.expand(nodes);
            let normalized = scores.normalized.as_ref();
            let normalized = normalized.map_or_else(|| raw.clone(), |column| column.expand(nodes));
            answer.scores.insert(plugin.clone(), (raw, normalized));
        }
        let total = expect.total.as_ref();
        answer.total = total.map_or_else(Vec::new, |column| column.expand(nodes));
        answer
    }

    /// Our answer.
    pub fn ours(framework: &Framework, pod: &PodInfo, snapshot: &Snapshot) -> Self {
        let mut answer = Self::default();
        if let Some((plugin, status)) = framework.pre_enqueue(pod) {
            answer.pre_enqueue = Some(verdict(&plugin, &status));
        } else if let Err(error) = answer.decide(framework, pod, &snapshot.view()) {
            answer.error = Some(error.to_string());
        }
        answer
    }

    /// What differs, in words; empty if nothing does.
    pub fn differences(&self, recorded: &Self) -> Vec<String> {
        let mut found = Differences(Vec::new());
        found.compare("preEnqueue", &self.pre_enqueue, &recorded.pre_enqueue);
        found.compare("preFilter", &self.pre_filter, &recorded.pre_filter);
        found.compare("narrowed", &self.narrowed, &recorded.narrowed);
        found.compare_by_key("refused", &self.refused, &recorded.refused);
        found.compare_by_key("outcome", &self.outcomes, &recorded.outcomes);
        found.compare("feasible", &self.feasible, &recorded.feasible);
        // Scores of different nodes have nothing in common.
        if self.feasible == recorded.feasible {
            self.compare_scores(recorded, &mut found);
            found.compare("total", &self.total, &recorded.total);
        }
        found.compare("host", &self.host, &recorded.host);
        found.compare("message", &self.message, &recorded.message);
        let plugins = [&self.unschedulable_plugins, &recorded.unschedulable_plugins];
        found.compare("unschedulablePlugins", plugins[0], plugins[1]);
        // The texts of errors come from parsers; that there is one has to agree.
        let errors = [
            ("scoreError", &self.score_error, &recorded.score_error),
            ("error", &self.error, &recorded.error),
        ];
        for (field, ours, recorded) in errors {
            if ours.is_some() != recorded.is_some() {
                found.compare(field, ours, recorded);
            }
        }
        found.0
    }

    /// A plugin that skips, or that we do not have, counts as a column of zeros. Where upstream
    /// skips a plugin, only what ours would add to the total counts.
    fn compare_scores(&self, recorded: &Self, found: &mut Differences) {
        let plugins: BTreeSet<&Str> = self.scores.keys().chain(recorded.scores.keys()).collect();
        for plugin in plugins {
            let zeros = || (vec![0; self.feasible.len()], vec![0; self.feasible.len()]);
            let (raw, normalized) = self.scores.get(plugin).cloned().unwrap_or_else(zeros);
            let theirs = recorded.scores.get(plugin);
            if let Some((their_raw, _)) = theirs {
                found.compare(&format!("raw scores of {plugin}"), &raw, their_raw);
            }
            let theirs = theirs.map_or_else(|| zeros().1, |(_, normalized)| normalized.clone());
            found.compare(&format!("scores of {plugin}"), &normalized, &theirs);
        }
    }

    /// Says for each node which refusal counts: the first one in the order of the filters, unless
    /// nominated pods decide.
    fn record_refusals(&mut self, expect: &Expect) {
        let mut ranks: BTreeMap<usize, usize> = BTreeMap::new();
        for (plugin, refusals) in &expect.refused {
            let known = FILTER_ORDER.iter().position(|name| **name == **plugin);
            let rank = known.unwrap_or(FILTER_ORDER.len());
            for (code, reasons, nodes) in refusals {
                let verdict = (plugin.clone(), *code, reasons.clone());
                for node in nodes {
                    self.refused.entry(*node).or_default().insert(verdict.clone());
                    if ranks.get(node).is_none_or(|first| rank < *first) {
                        ranks.insert(*node, rank);
                        self.outcomes.insert(*node, verdict.clone());
                    }
                }
            }
        }
        for (node, plugin, code, reasons) in &expect.with_nominated {
            let verdict = (plugin.clone(), *code, reasons.clone());
            self.outcomes.insert(*node, verdict);
        }
    }

    fn decide(
        &mut self,
        framework: &Framework,
        pod: &PodInfo,
        view: &View<'_>,
    ) -> Result<(), CycleError> {
        let filtered = framework.filter(pod, view)?;
        if filtered.feasible.is_empty() {
            self.message = Some(filtered.diagnosis.message());
            self.unschedulable_plugins = filtered.diagnosis.unschedulable_plugins();
        }
        let prepared = framework.prepare_filters(pod, view)?;
        if let Some((plugin, status)) = &prepared.rejected {
            let plugin = plugin.clone().unwrap_or_default();
            self.pre_filter = Some(verdict(&plugin, status));
            return Ok(());
        }
        self.narrowed = prepared.narrowed.clone();
        let present = view.nodes().present();
        for (node, verdict) in verdicts(&framework.each_filter(&prepared, present)?) {
            self.refused.entry(node).or_default().insert(verdict);
        }
        let first = framework.first_refusals(pod, view, &prepared, present)?;
        self.outcomes = verdicts(&first).collect();

        let mut feasible = filtered.feasible;
        let nominated = view.nodes().find(&pod.nominated_node);
        if nominated.is_some_and(|node| feasible == [node]) {
            // It is taken without looking further; what stands beside it is compared as well.
            self.host = nominated.map(NodeIndex::index);
            let mut others = present.clone();
            prepared.narrow(view, &mut others);
            let others = others.iter();
            feasible = others.filter(|node| !self.outcomes.contains_key(&node.index())).collect();
        }
        self.feasible = feasible.iter().map(|node| node.index()).collect();
        self.score(framework, pod, view, &feasible)
    }

    fn score(
        &mut self,
        framework: &Framework,
        pod: &PodInfo,
        view: &View<'_>,
        nodes: &[NodeIndex],
    ) -> Result<(), CycleError> {
        if nodes.is_empty() {
            return Ok(());
        }
        let mut columns = Vec::new();
        match framework.score(pod, view, nodes, Some(&mut columns)) {
            Ok(total) => self.total = total,
            Err(error) => {
                self.score_error = Some(error.to_string());
                // One node alone, or the one set aside, is taken without scores.
                return match (nodes, self.host) {
                    ([_], _) | (_, Some(_)) => Ok(()),
                    _ => Err(error),
                };
            }
        }
        for column in columns {
            self.scores.insert(column.plugin, (column.raw, column.normalized));
        }
        Ok(())
    }
}

/// Collects what differs.
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: Debug + PartialEq>(&mut self, field: &str, ours: &T, recorded: &T) {
        if ours != recorded {
            self.0.push(format!("{field}: ours {ours:?}, recorded {recorded:?}"));
        }
    }

    fn compare_by_key<T: Debug + PartialEq>(
        &mut self,
        field: &str,
        ours: &BTreeMap<usize, T>,
        recorded: &BTreeMap<usize, T>,
    ) {
        let nodes: BTreeSet<&usize> = ours.keys().chain(recorded.keys()).collect();
        for node in nodes {
            let field = format!("{field} at node {node}");
            self.compare(&field, &ours.get(node), &recorded.get(node));
        }
    }
}

fn rejection(rejection: &Rejection) -> Verdict {
    (rejection.plugin.clone(), rejection.code, rejection.reasons.clone())
}

fn verdict(plugin: &Str, status: &Status) -> Verdict {
    let reasons = status.reasons.iter().cloned().collect();
    (plugin.clone(), status.code, reasons)
}

fn verdicts(refusals: &[(Str, Refusals)]) -> impl Iterator<Item = (usize, Verdict)> {
    refusals.iter().flat_map(|(plugin, refusals)| {
        let refused = refusals.iter();
        refused.map(move |(node, status)| (node.index(), verdict(plugin, status)))
    })
}
