//! Why a pod fits nowhere, in upstream's words.

use std::collections::{BTreeMap, BTreeSet};

use super::refusals::Refusals;
use super::status::{Code, Status};
use crate::model::Str;

/// There is nobody to ask.
const NO_NODES: &str = "no nodes available to schedule pods";

/// What refused a pod on which nodes.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// How many nodes there are.
    pub nodes: usize,
    /// What rejected the pod before any node was looked at. Without a plugin: several together.
    pub rejected: Option<(Option<Str>, Status)>,
    /// The plugins that named the only nodes that can pass.
    pub narrowed_by: BTreeSet<Str>,
    /// The nodes outside that narrowing, of which nobody was asked.
    pub nodes_outside: usize,
    /// Who refused the node that was set aside for the pod, if that was tried.
    pub nominated_refused_by: Option<Str>,
    /// The refusals of each filter.
    pub refusals: Vec<(Str, Refusals)>,
}

impl Diagnosis {
    /// The text of the FailedScheduling event.
    pub fn message(&self) -> String {
        let mut text = format!("0/{} nodes are available:", self.nodes);
        if let Some((_, status)) = &self.rejected {
            return format!("{text} {}.", status.message());
        }
        if self.nodes == 0 {
            return NO_NODES.to_owned();
        }
        let mut items: Vec<String> =
            self.reasons().into_iter().map(|(reason, nodes)| format!("{nodes} {reason}")).collect();
        items.sort_unstable();
        if !items.is_empty() {
            text = format!("{text} {}.", items.join(", "));
        }
        text
    }

    /// The plugins whose verdict has to change before the pod can be placed.
    pub fn unschedulable_plugins(&self) -> BTreeSet<Str> {
        let mut plugins = self.narrowed_by.clone();
        plugins.extend(self.rejected.iter().filter_map(|(plugin, _)| plugin.clone()));
        let refusing = self.refusals.iter().filter(|(_, refusals)| !refusals.is_empty());
        plugins.extend(refusing.map(|(plugin, _)| plugin.clone()));
        plugins
    }

    /// How many nodes each plugin refused for each reason. Where there are no nodes no plugin did.
    pub fn by_plugin(&self) -> Vec<(Str, Str, usize)> {
        if let Some((plugin, status)) = &self.rejected {
            let plugin = plugin.clone().unwrap_or_else(|| self.narrowed_by_text().into());
            return vec![(plugin, status.message().into(), self.nodes)];
        }
        if self.nodes == 0 {
            return vec![(Str::default(), NO_NODES.into(), 0)];
        }
        let mut rows: Vec<(Str, Str, usize)> = Vec::new();
        if self.nodes_outside > 0 {
            let plugin = self.narrowed_by_text().into();
            rows.push((plugin, self.outside_reason(), self.nodes_outside));
        }
        for (plugin, refusals) in &self.refusals {
            for (status, nodes) in refusals.counts().filter(|(_, nodes)| *nodes > 0) {
                let reason: Str = status.message().into();
                // Whether eviction would help makes no difference here.
                match rows.iter_mut().find(|row| row.0 == *plugin && row.1 == reason) {
                    Some((.., sum)) => *sum += nodes,
                    None => rows.push((plugin.clone(), reason, nodes)),
                }
            }
        }
        rows
    }

    /// Whether evicting pods may help on some node.
    pub fn may_preempt(&self) -> bool {
        let statuses = self.refusals.iter().flat_map(|(_, refusals)| refusals.counts());
        let rejected = self.rejected.iter().map(|(_, status)| status.code);
        statuses.map(|(status, _)| status.code).chain(rejected).any(|c| c == Code::Unschedulable)
    }

    fn reasons(&self) -> BTreeMap<Str, usize> {
        let mut reasons: BTreeMap<Str, usize> = BTreeMap::new();
        for (status, nodes) in self.refusals.iter().flat_map(|(_, refusals)| refusals.counts()) {
            for reason in &status.reasons {
                *reasons.entry(reason.clone()).or_default() += nodes;
            }
        }
        if self.nodes_outside > 0 {
            *reasons.entry(self.outside_reason()).or_default() += self.nodes_outside;
        }
        reasons
    }

    /// kube-scheduler also names who refused the node that was set aside for the pod.
    fn outside_reason(&self) -> Str {
        let names: BTreeSet<&Str> =
            self.narrowed_by.iter().chain(&self.nominated_refused_by).collect();
        let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
        format!("node(s) didn't satisfy plugin(s) [{}]", names.join(" ")).into()
    }

    fn narrowed_by_text(&self) -> String {
        let names: Vec<&str> = self.narrowed_by.iter().map(|name| &**name).collect();
        names.join(" ")
    }
}
