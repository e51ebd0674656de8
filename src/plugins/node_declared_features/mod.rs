//! NodeDeclaredFeatures: a pod runs only where the kubelet declares the features that it uses.

#[cfg(test)]
mod tests;

use crate::api;
use crate::config::{Base, Point};
use crate::framework::{
    ClusterEvent, Filter, Hint, Instance, Prepared, ReadyFilter, Refusals, Registration, SetPlugin,
    Status, decode_args,
};
use crate::snapshot::{NodeSet, NodeTable, PodInfo, View};

pub const NAME: &str = "NodeDeclaredFeatures";

const REASON: &str = "node(s) didn't match Pod's required features";

const RESTART_ALL_CONTAINERS: &str = "RestartAllContainersOnContainerExits";
const USER_NAMESPACES_ON_HOST_NETWORK: &str = "UserNamespacesHostNetworkSupport";
const BIND_MOUNT_OPTIONS: &str = "VolumeBindMountOptions";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "refuses nodes that do not declare a feature that the pod uses",
    points: &[Point::Filter],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance::of_set(NodeDeclaredFeatures))
    },
};

#[derive(Debug)]
pub struct NodeDeclaredFeatures;

/// Refuses the nodes that do not declare all of these features.
struct Requires<'a> {
    features: Vec<&'static str>,
    table: &'a NodeTable,
}

impl SetPlugin for NodeDeclaredFeatures {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        let features = required_features(&pod.spec);
        if features.is_empty() {
            return Prepared::Skip;
        }
        let table = view.nodes();
        Prepared::Ready(ReadyFilter {
            filter: Box::new(Requires { features, table }),
            narrowed: None,
        })
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::NodeUpdated { old, new } => {
                old.declared_features != new.declared_features
            }
            ClusterEvent::WaitingPodUpdated { old, new } => {
                required_features(&old.spec) != required_features(&new.spec)
            }
            _ => false,
        })
    }
}

impl Filter for Requires<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let lacking = nodes.iter().filter(|node| {
            let declared = &self.table.info(*node).declared_features;
            !self.features.iter().all(|one| declared.contains(*one))
        });
        refusals.refuse_all(lacking, Status::unresolvable(REASON));
    }
}

/// The features that a spec uses and that not every kubelet has.
fn required_features(spec: &api::PodSpec) -> Vec<&'static str> {
    let containers = || spec.containers.iter().chain(&spec.init_containers);
    let restarts_all = containers()
        .flat_map(|container| &container.restart_policy_rules)
        .any(|rule| &*rule.action == "RestartAllContainers");
    let bind_options = containers()
        .flat_map(|container| &container.volume_mounts)
        .any(|mount| !mount.bind_mount_options.is_empty());
    let own_users_on_host_network = spec.host_network && spec.host_users == Some(false);
    let uses = [
        (restarts_all, RESTART_ALL_CONTAINERS),
        (own_users_on_host_network, USER_NAMESPACES_ON_HOST_NETWORK),
        (bind_options, BIND_MOUNT_OPTIONS),
    ];
    uses.into_iter().filter(|(used, _)| *used).map(|(_, name)| name).collect()
}
