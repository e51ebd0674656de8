//! What is known of one node besides its resources.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api;
use crate::model::{Labels, PODS, Resources, Str, Taint};

/// A node, decoded once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeInfo {
    pub name: Str,
    pub labels: Labels,
    pub taints: Arc<[Taint]>,
    pub unschedulable: bool,
    pub allocatable: Resources,
    pub pods_allocatable: i64,
    /// Name and size in bytes of every image on the node.
    pub images: Arc<[(Str, i64)]>,
    pub declared_features: Arc<BTreeSet<Str>>,
}

impl NodeInfo {
    pub fn new(node: &api::Node) -> Self {
        let allocatable = &node.status.allocatable;
        let pods = allocatable.get(PODS).map_or(0, |amount| amount.value());
        Self {
            name: node.metadata.name.clone(),
            labels: node.metadata.labels.clone(),
            taints: node.spec.taints.clone().into(),
            unschedulable: node.spec.unschedulable,
            allocatable: Resources::from_amounts(allocatable),
            pods_allocatable: pods,
            images: images(&node.status.images),
            declared_features: Arc::new(node.status.declared_features.iter().cloned().collect()),
        }
    }
}

fn images(images: &[api::ContainerImage]) -> Arc<[(Str, i64)]> {
    let named = images
        .iter()
        .flat_map(|image| image.names.iter().map(|name| (name.clone(), image.size_bytes)));
    named.collect()
}
