//! Builders of nodes and pods that kube-apiserver accepts.

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use super::cluster::from_json;

/// A node in the making.
#[derive(Clone, Debug)]
pub struct NodeBuilder {
    json: Value,
}

/// Begins a ready node of 4 CPUs, 32 GiB and 110 pods.
pub fn node(name: &str) -> NodeBuilder {
    let json = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    NodeBuilder { json }.resource("cpu", "4").resource("memory", "32Gi").resource("pods", "110")
}

impl NodeBuilder {
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.json["metadata"]["labels"][key] = json!(value);
        self
    }

    /// Sets capacity and allocatable of a resource.
    pub fn resource(mut self, name: &str, quantity: &str) -> Self {
        self.json["status"]["capacity"][name] = json!(quantity);
        self.json["status"]["allocatable"][name] = json!(quantity);
        self
    }

    /// Sets a field of the spec, such as `taints`.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.json["spec"][field] = value;
        self
    }

    pub fn build(self) -> Node {
        from_json(self.json)
    }
}

/// A pod in the making.
#[derive(Clone, Debug)]
pub struct PodBuilder {
    json: Value,
}

/// Begins a pod of one container that requests nothing and names no scheduler.
pub fn pod(namespace: &str, name: &str) -> PodBuilder {
    let json = json!({
        "metadata": {"namespace": namespace, "name": name, "labels": {}},
        "spec": {"containers": [{"name": "main", "image": "none", "resources": {"requests": {}}}]},
    });
    PodBuilder { json }
}

impl PodBuilder {
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.json["metadata"]["labels"][key] = json!(value);
        self
    }

    /// Sets a request of the container.
    pub fn request(mut self, resource: &str, quantity: &str) -> Self {
        self.json["spec"]["containers"][0]["resources"]["requests"][resource] = json!(quantity);
        self
    }

    /// Sets the `schedulerName`.
    pub fn scheduler(self, name: &str) -> Self {
        self.spec("schedulerName", json!(name))
    }

    /// Sets a field of the spec, such as `affinity`.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.json["spec"][field] = value;
        self
    }

    pub fn build(self) -> Pod {
        from_json(self.json)
    }
}
