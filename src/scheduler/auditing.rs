//! The audit: pods and nodes of a consistent list beside those of the cache. Room is counted from
//! these two, so a pod or node that is missing, or a dead one that stays, would overbook a node or
//! leave one empty for ever.

use super::Scheduler;
use super::event::{Audit, Change, Event};
use crate::api::{self, Object};
use crate::metrics;
use crate::model::{Instant, PodKey, Str};
use crate::snapshot::{NodeInfo, PodInfo};
use crate::watch::{Comparison, Finding, is_newer};

/// The field of what is not there at all, in list or cache.
const PRESENCE: &str = "presence";

/// The audits that run, and what came of those before.
#[derive(Debug, Default)]
pub(super) struct Audits {
    pub(super) pods: Option<Comparison<api::Pod>>,
    pub(super) nodes: Option<Comparison<api::Node>>,
    results: AuditResults,
}

/// What all audits so far have found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditResults {
    /// Audits that were carried through.
    pub completed: u64,
    pub differences: u64,
    /// The newest difference, as object and field.
    pub last: Option<(PodKey, Str)>,
}

impl Scheduler {
    /// What the audits so far have found.
    pub fn audits(&self) -> &AuditResults {
        &self.audits.results
    }

    pub(super) fn on_pod_audit(&mut self, audit: Audit<api::Pod>, now: Instant) {
        match audit {
            Audit::Begin => self.audits.pods = Some(Comparison::new()),
            Audit::Page { items, unreadable } => {
                let Some(mut comparison) = self.audits.pods.take() else { return };
                comparison.page(items, unreadable, |pod| self.pod_differs(pod));
                self.audits.pods = Some(comparison);
            }
            Audit::End => {
                let Some(comparison) = self.audits.pods.take() else { return };
                let findings = comparison.end(self.cache.keys().cloned());
                self.note_audit("pods", &findings);
                for finding in findings {
                    self.on_pod(mend(finding), now);
                }
            }
        }
    }

    pub(super) fn on_node_audit(&mut self, audit: Audit<api::Node>, now: Instant) {
        match audit {
            Audit::Begin => self.audits.nodes = Some(Comparison::new()),
            Audit::Page { items, unreadable } => {
                let Some(mut comparison) = self.audits.nodes.take() else { return };
                comparison.page(items, unreadable, |node| self.node_differs(node));
                self.audits.nodes = Some(comparison);
            }
            Audit::End => {
                let Some(comparison) = self.audits.nodes.take() else { return };
                let nodes = self.cache.snapshot.nodes();
                let names = nodes.present().iter().map(|node| nodes.name(node));
                let findings = comparison.end(names.map(|name| PodKey::new("", name.clone())));
                self.note_audit("nodes", &findings);
                for finding in findings {
                    self.on_cluster(Event::Node(mend(finding)), now);
                }
            }
        }
    }

    /// In which field a listed pod is known otherwise. An answer may have told more of it than the
    /// list, and a version that is known is never given up for an older one.
    fn pod_differs(&self, pod: &api::Pod) -> Option<&'static str> {
        let listed = PodInfo::new(pod);
        let Some(known) = self.cache.pod(&listed.uid) else {
            let ended = listed.terminal || self.cache.is_told_gone(&listed.key, &listed.uid);
            return (!ended).then_some(PRESENCE);
        };
        if is_newer(&known.resource_version, &listed.resource_version) {
            return None;
        }
        if **known == listed {
            return None;
        }
        let fields = [
            ("spec.nodeName", known.node_name != listed.node_name),
            ("status.phase", listed.terminal),
            ("status.nominatedNodeName", known.nominated_node != listed.nominated_node),
            ("metadata.labels", known.labels != listed.labels),
            ("metadata.deletionTimestamp", known.terminating != listed.terminating),
        ];
        let first = fields.into_iter().find(|(_, differs)| *differs);
        Some(first.map_or("metadata.resourceVersion", |(field, _)| field))
    }

    /// In which field a listed node is known otherwise.
    fn node_differs(&self, node: &api::Node) -> Option<&'static str> {
        let listed = NodeInfo::new(node);
        let Some(known) = self.cache.snapshot.node(&listed.name) else {
            return Some(PRESENCE);
        };
        let fields = [
            ("metadata.labels", known.labels != listed.labels),
            ("spec.taints", known.taints != listed.taints),
            ("spec.unschedulable", known.unschedulable != listed.unschedulable),
            ("status.allocatable", known.allocatable != listed.allocatable),
            ("status.allocatable.pods", known.pods_allocatable != listed.pods_allocatable),
            ("status.images", known.images != listed.images),
            ("status.declaredFeatures", known.declared_features != listed.declared_features),
        ];
        fields.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
    }

    fn note_audit<T: Object>(&mut self, kind: &str, findings: &[Finding<T>]) {
        metrics::cache_audited(kind);
        let results = &mut self.audits.results;
        results.completed += 1;
        for finding in findings {
            let (key, field) = match finding {
                Finding::Differs { object, field } => (object.key(), *field),
                Finding::Gone { key } => (key.clone(), PRESENCE),
            };
            metrics::cache_difference(kind, field);
            tracing::error!(kind, object = %key, field, "The cache differed from the API server.");
            results.differences += 1;
            results.last = Some((key, field.into()));
        }
    }
}

/// The change that leads from the cache to the list.
fn mend<T>(finding: Finding<T>) -> Change<T> {
    match finding {
        Finding::Differs { object, .. } => Change::Upsert(object),
        Finding::Gone { key } => Change::Delete { key, uid: Str::default() },
    }
}
