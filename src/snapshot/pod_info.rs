//! A pod in the form in which decisions read it.

use std::sync::{Arc, LazyLock};

use super::terms::PodTerms;
use super::volumes::{Exclusive, PodVolume};
use crate::api;
use crate::api::requests::{self, Usage};
use crate::model::{Labels, PodKey, Resources, Str};

/// A pod, decoded once: what it asks for, and what it takes away from its node.
#[derive(Clone, Debug, PartialEq)]
pub struct PodInfo {
    pub key: PodKey,
    pub uid: Str,
    pub resource_version: Str,
    pub generation: i64,
    pub labels: Labels,
    pub priority: i32,
    pub scheduler_name: Str,
    /// The node that the pod is bound to; empty while it is not.
    pub node_name: Str,
    /// The node that was set aside for the pod; empty if none.
    pub nominated_node: Str,
    pub terminating: bool,
    /// Succeeded and Failed pods hold nothing any more.
    pub terminal: bool,
    /// What the pod asks for.
    pub requests: Resources,
    /// What the pod counts when NodeResourcesFit scores. None for bound pods, of which nobody reads
    /// it.
    pub scored_requests: Option<Box<Resources>>,
    /// What the pod takes away from its node.
    pub usage: Usage,
    pub terms: Arc<PodTerms>,
    pub host_ports: Vec<HostPort>,
    pub volumes: Arc<[PodVolume]>,
    /// The spec as decoded. Empty for bound pods, of which nobody reads it.
    pub spec: Arc<api::PodSpec>,
    pub owner: Option<api::OwnerReference>,
    /// Reason and message of the condition PodScheduled=False, where it stands on the pod.
    pub unscheduled: Option<Arc<(Str, Str)>>,
}

/// A port of the node that a pod claims.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    pub ip: Str,
    pub protocol: Str,
    pub port: i32,
}

/// What pods without a spec or without terms share: a placed pod would be half as large again if
/// each had its own.
static NO_SPEC: LazyLock<Arc<api::PodSpec>> = LazyLock::new(Arc::default);
static NO_TERMS: LazyLock<Arc<PodTerms>> = LazyLock::new(Arc::default);

impl PodInfo {
    pub fn new(pod: &api::Pod) -> Self {
        let pending = pod.spec.node_name.is_empty();
        let spec = match pending {
            true => Arc::new(pod.spec.clone()),
            false => NO_SPEC.clone(),
        };
        let terms = PodTerms::compile(pod.spec.affinity.as_ref(), &pod.metadata.namespace);
        Self {
            key: api::Object::key(pod),
            uid: pod.metadata.uid.clone(),
            resource_version: pod.metadata.resource_version.clone(),
            generation: pod.metadata.generation,
            labels: pod.metadata.labels.clone(),
            priority: pod.priority(),
            scheduler_name: pod.spec.scheduler_name.clone(),
            node_name: pod.spec.node_name.clone(),
            nominated_node: pod.status.nominated_node_name.clone(),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            terminal: pod.is_terminal(),
            requests: requests::requests(pod),
            scored_requests: pending.then(|| Box::new(requests::scored_requests(pod))),
            usage: requests::usage(pod),
            terms: if terms.is_empty() { NO_TERMS.clone() } else { Arc::new(terms) },
            host_ports: host_ports(&pod.spec),
            volumes: PodVolume::of_pod(pod),
            spec,
            owner: pod.metadata.controller().cloned(),
            unscheduled: unscheduled(pod),
        }
    }

    /// Whether a change is one that placement may depend on.
    pub fn differs_for_placement(&self, other: &Self) -> bool {
        self.labels != other.labels
            || self.spec != other.spec
            || self.terminating != other.terminating
            || self.requests != other.requests
    }

    /// The names of the claims that the pod names itself.
    pub fn named_claims(&self) -> impl Iterator<Item = &Str> {
        self.volumes.iter().filter_map(|volume| match volume {
            PodVolume::Claim(name) => Some(name),
            PodVolume::Ephemeral(_) | PodVolume::Disk(_) => None,
        })
    }

    /// The disks in its own spec for which it may have to fight.
    pub fn disks(&self) -> impl Iterator<Item = &Exclusive> {
        self.volumes.iter().filter_map(|volume| match volume {
            PodVolume::Disk(disk) => disk.exclusive.as_ref(),
            PodVolume::Claim(_) | PodVolume::Ephemeral(_) => None,
        })
    }

    /// Whether the pod waits for a node.
    pub fn is_pending(&self) -> bool {
        self.node_name.is_empty() && !self.terminal
    }
}

fn unscheduled(pod: &api::Pod) -> Option<Arc<(Str, Str)>> {
    let condition = pod.condition("PodScheduled").filter(|c| &*c.status == "False")?;
    Some(Arc::new((condition.reason.clone(), condition.message.clone())))
}

/// Ports of containers and sidecars; plain init containers are gone before the others run.
fn host_ports(spec: &api::PodSpec) -> Vec<HostPort> {
    let sidecars =
        spec.init_containers.iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container| &container.ports);
    ports.filter(|port| port.host_port > 0).map(HostPort::new).collect()
}

impl HostPort {
    fn new(port: &api::ContainerPort) -> Self {
        let or = |text: &Str, default: &str| {
            if text.is_empty() { Str::from(default) } else { text.clone() }
        };
        Self {
            ip: or(&port.host_ip, "0.0.0.0"),
            protocol: or(&port.protocol, "TCP"),
            port: port.host_port,
        }
    }

    /// Whether both claims cannot stand on one node: a wildcard address meets every address.
    pub fn conflicts_with(&self, other: &HostPort) -> bool {
        self.port == other.port && self.protocol == other.protocol && self.meets(&other.ip)
    }

    /// Whether the address and another are one, or one of them stands for all.
    pub(super) fn meets(&self, ip: &Str) -> bool {
        self.ip == *ip || &*self.ip == "0.0.0.0" || &**ip == "0.0.0.0"
    }
}
