//! What users are told: events, the condition PodScheduled, and refusals by plugin.

use std::sync::Arc;

use serde::Serialize;

use super::Scheduler;
use super::effect::{Condition, Note, Op};
use super::rest::REST;
use crate::api;
use crate::framework::{CycleError, Diagnosis};
use crate::metrics;
use crate::model::{Instant, Str};
use crate::snapshot::PodInfo;

/// A pod carries its message in its status, and every watcher of it reads that. Usual ones have
/// a few hundred bytes.
const MESSAGE_BYTES_MAX: usize = 32 << 10;

/// One reason of one plugin, and on how many nodes it stood in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub plugin: Str,
    pub nodes: usize,
    pub reason: Str,
}

impl Refusal {
    pub fn rows(diagnosis: &Diagnosis) -> Vec<Self> {
        let rows = diagnosis.by_plugin().into_iter();
        let row = |(plugin, reason, nodes): (Str, Str, usize)| Self {
            plugin,
            nodes,
            reason: cut(&reason).into(),
        };
        rows.map(row).collect()
    }
}

impl Scheduler {
    /// The pod was not placed: tells so where it was not told already.
    pub(super) fn report_failure(
        &mut self,
        pod: &Arc<PodInfo>,
        reason: &str,
        message: &str,
        now: Instant,
    ) {
        let message = cut(message);
        self.record(pod, "Warning", "FailedScheduling", "Scheduling", message, now);
        let condition = Condition {
            reason: reason.into(),
            message: message.into(),
            observed_generation: pod.generation,
            transition: pod.unscheduled.is_none(),
        };
        let told = pod.unscheduled.as_deref();
        if told != Some(&(condition.reason.clone(), condition.message.clone())) {
            let (key, uid) = (pod.key.clone(), pod.uid.clone());
            self.call(&pod.uid, Op::PatchCondition { pod: key, uid, condition }, now);
        }
    }

    /// Tells that a plugin failed on a pod, which is tried again.
    pub(super) fn fail(&mut self, pod: &Arc<PodInfo>, error: &CycleError, now: Instant) {
        tracing::warn!(pod = %pod.key, %error, "A scheduling cycle failed.");
        self.note_refusal(pod, &error.plugin, &error.reason);
        self.report_failure(pod, "SchedulerError", &error.to_string(), now);
    }

    /// Notes what keeps a pod from any node, whichever it is.
    pub(super) fn note_refusal(&mut self, pod: &PodInfo, plugin: &Str, reason: &str) {
        let nodes = self.cache.snapshot.nodes().present().len();
        let reason = cut(reason).into();
        let refusal = Refusal { plugin: plugin.clone(), nodes, reason };
        self.refusals.insert(pod.uid.clone(), vec![refusal]);
    }

    pub(super) fn report_deleting(&mut self, pod: &Arc<PodInfo>, now: Instant) {
        let text = format!("skip schedule deleting pod: {}", pod.key);
        self.record(pod, "Warning", "FailedScheduling", "Scheduling", &text, now);
    }

    /// The pod is bound where we wanted it. That is told once, by whichever shows it first: the
    /// answer to the POST, a look-up, or the watch.
    pub(super) fn report_scheduled(&mut self, uid: &str, now: Instant) {
        let Some(binding) = self.bindings.get_mut(uid).filter(|binding| !binding.told) else {
            return;
        };
        binding.told = true;
        let pod = binding.pod.clone();
        let text = format!("Successfully assigned {} to {}", pod.key, binding.node);
        metrics::scheduled(&pod.scheduler_name, now.since(binding.decided_at));
        self.record(&pod, "Normal", "Scheduled", "Binding", &text, now);
    }

    pub(super) fn report_kubelet_rejection(&mut self, pod: &api::Pod, now: Instant) {
        let Some(info) = self.cache.pod(&pod.metadata.uid).cloned() else {
            return;
        };
        let (node, status) = (&pod.spec.node_name, &pod.status);
        let text = format!(
            "the kubelet of {node} rejected the pod: {}: {}; \
             the node gets no pods of ours for {} s",
            status.reason,
            status.message,
            REST.as_secs()
        );
        self.record(&info, "Warning", "RejectedByKubelet", "Binding", &text, now);
    }

    pub(super) fn report_lengths(&self) {
        let lengths = self.queue.lengths();
        metrics::pending_pods("active", lengths.active);
        metrics::pending_pods("backoff", lengths.backoff);
        metrics::pending_pods("unschedulable", lengths.unschedulable);
        metrics::pending_pods("gated", lengths.gated);
    }

    fn record(
        &mut self,
        pod: &PodInfo,
        type_: &str,
        reason: &str,
        action: &str,
        text: &str,
        now: Instant,
    ) {
        let note = Note {
            pod: pod.key.clone(),
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            type_: type_.into(),
            reason: reason.into(),
            action: action.into(),
            text: text.into(),
            reporting_controller: pod.scheduler_name.clone(),
        };
        self.emit(Op::Record { note }, now);
    }
}

/// The part of a message that is told.
fn cut(message: &str) -> &str {
    let mut ends = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev();
    ends.find_map(|end| message.get(..end)).unwrap_or_default()
}
