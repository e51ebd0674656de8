//! VolumeBinding: a pod runs where its volumes are, or where they can be made; claims that wait for
//! the pod are bound with it.

mod args;
mod binding;
mod by_label;
mod claims;
mod plan;
mod scoring;
mod siblings;
#[cfg(test)]
mod tests;
mod wake;

use std::sync::Arc;
use std::time::Duration;

use self::args::VolumeBindingArgs;
use self::claims::PodClaims;
use self::plan::Planner;
use self::scoring::StorageScore;
use self::siblings::Siblings;
use super::shape::Shape;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, PreBindPlugin, Prepared, Progress, ReadyFilter, Refusals,
    Registration, ReservePlugin, Score, SetPlugin, Status, decode_args,
};
use crate::model::Str;
use crate::snapshot::{ClaimDecision, NodeIndex, NodeSet, NodeTable, PodInfo, Snapshot, View};

pub const NAME: &str = "VolumeBinding";

const REASON_NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
const REASON_BIND_CONFLICT: &str = "node(s) didn't find available persistent volumes to bind";
const REASON_NO_SPACE: &str = "node(s) did not have enough free storage";
const REASON_NO_VOLUME: &str =
    "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const REASON_IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";
/// How reasons call a claim.
const REASON_MISSING: &str = "persistentvolumeclaim";
/// The provisioner of classes whose volumes are made by hand.
const UNSUPPORTED_PROVISIONER: &str = "kubernetes.io/no-provisioner";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "runs pods where their volumes are or can be made, and binds their claims",
    points: &[Point::Filter, Point::Score, Point::Reserve, Point::PreBind],
    weight: 1,
    base: Base::Parity,
    build: |args| {
        let plugin = Arc::new(decode_args::<VolumeBindingArgs>(args)?.compile()?);
        Ok(Instance {
            set: Some(plugin.clone()),
            reserve: Some(plugin.clone()),
            pre_bind: Some(plugin),
            ..Instance::default()
        })
    },
};

#[derive(Debug)]
pub struct VolumeBinding {
    /// How long claims may take to be bound.
    timeout: Duration,
    shape: Shape,
}

struct ClaimFilter<'a> {
    planner: Planner<'a>,
    siblings: Siblings,
    table: &'a NodeTable,
}

impl SetPlugin for VolumeBinding {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        match PodClaims::of(pod, view.volumes()) {
            Err(status) => Prepared::Reject(status),
            Ok(None) => Prepared::Skip,
            Ok(Some(claims)) => {
                let siblings = Siblings::of(pod, view);
                let planner = Planner::new(pod, claims, &siblings, view);
                let filter = Box::new(ClaimFilter { planner, siblings, table: view.nodes() });
                Prepared::Ready(ReadyFilter { filter, narrowed: None })
            }
        }
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        match PodClaims::of(pod, view.volumes()) {
            // Volumes that are there make no difference between the nodes that reach them.
            Ok(Some(claims)) if !claims.late.is_empty() => {
                Prepared::Ready(Box::new(StorageScore {
                    planner: Planner::new(pod, claims, &Siblings::of(pod, view), view),
                    shape: &self.shape,
                    volumes: view.volumes(),
                    table: view.nodes(),
                    nodes,
                }))
            }
            _ => Prepared::Skip,
        }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(wake::may_help(pod, event))
    }
}

impl Filter for ClaimFilter<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        for node in nodes.iter() {
            let planned = self.planner.plan(self.table.info(node));
            if let Err(status) = planned.and_then(|_| self.siblings.check(node)) {
                let status = refusals.status(status);
                refusals.refuse(node, status);
            }
        }
    }
}

impl ReservePlugin for VolumeBinding {
    fn reserve(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        node: NodeIndex,
    ) -> Result<Vec<ClaimDecision>, Status> {
        let Some(claims) = PodClaims::of(pod, view.volumes())? else {
            return Ok(Vec::new());
        };
        let node = view.nodes().info(node);
        let plan = Planner::new(pod, claims, &Siblings::of(pod, view), view).plan(node)?;
        Ok(binding::decisions(&plan, &node.name))
    }
}

impl PreBindPlugin for VolumeBinding {
    fn pre_bind(
        &self,
        pod: &PodInfo,
        node: &Str,
        decisions: &[ClaimDecision],
        snapshot: &Snapshot,
        waited: Duration,
    ) -> Progress {
        let progress = binding::progress(pod, node, decisions, snapshot);
        match progress {
            Progress::Wait(_) if waited >= self.timeout => {
                binding::failed("context deadline exceeded")
            }
            // What was to be written has been written or refused several times by now.
            Progress::Do(_) if waited > self.timeout => {
                binding::failed("context deadline exceeded")
            }
            progress => progress,
        }
    }
}
