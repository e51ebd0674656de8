//! A small typed client for tests: blocking, without retries, and panicking where a failure can
//! only mean a failed test.

use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::Resource;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, ObjectList, Patch,
    PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::wait_for;

/// No answer of a local kube-apiserver takes longer, unless it is stopped or broken.
const ANSWER_SECONDS_MAX: u64 = 30;

/// How many requests `create_all` keeps under way.
const REQUESTS_AT_ONCE: usize = 16;

/// Any Kubernetes type of k8s-openapi.
pub trait Object:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize
{
}

impl<K> Object for K where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize
{
}

/// A client for one user. Where a method takes a namespace, the empty one stands for cluster-wide
/// kinds, and in `list` for all namespaces.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
}

impl Cluster {
    pub fn connect(kubeconfig: &Path) -> Self {
        let client = block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let mut config = config.unwrap();
            config.default_retry = false;
            config.read_timeout = Some(Duration::from_secs(ANSWER_SECONDS_MAX));
            kube::Client::try_from(config).unwrap()
        });
        Self { client }
    }

    /// Returns the client of the kube crate, for what this one does not offer.
    pub fn kube(&self) -> kube::Client {
        self.client.clone()
    }

    /// Tells whether kube-apiserver is ready and has made its own namespaces.
    pub fn is_ready(&self) -> bool {
        let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
        let ready = block_on(self.client.request_text(request)).is_ok();
        let names = ["default", "kube-node-lease", "kube-public", "kube-system"];
        ready && names.iter().all(|name| matches!(self.try_get::<Namespace>("", name), Ok(Some(_))))
    }

    /// Tells whether there are neither nodes nor pods, in kube-apiserver's own view.
    pub fn is_empty(&self) -> bool {
        self.list::<Node>("").is_empty() && self.list::<Pod>("").is_empty()
    }

    /// Creates an object in the namespace that it names.
    pub fn create<K: Object>(&self, object: &K) -> K {
        self.try_create(object).unwrap_or_else(|e| panic!("failed to create {object:?}: {e}"))
    }

    pub fn try_create<K: Object>(&self, object: &K) -> kube::Result<K> {
        block_on(self.send_create(object))
    }

    /// Creates many objects, several at once, and returns them in the same order.
    pub fn create_all<K: Object>(&self, objects: &[K]) -> Vec<K> {
        let requests = objects.iter().map(|object| self.send_create(object));
        let requests = futures::stream::iter(requests).buffered(REQUESTS_AT_ONCE);
        let created = block_on_all(requests.collect::<Vec<_>>());
        created.into_iter().map(|object| object.unwrap()).collect()
    }

    pub fn create_namespace(&self, name: &str) {
        self.create::<Namespace>(&from_json(json!({"metadata": {"name": name}})));
    }

    /// Applies YAML or JSON documents as `kubectl apply` does.
    pub fn apply(&self, manifests: &str) {
        let manifests: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
        for manifest in manifests.into_iter().filter(|manifest| !manifest.is_null()) {
            let object: DynamicObject = from_json(manifest);
            let types = object.types.clone().expect("a manifest has apiVersion and kind");
            let kind = ApiResource::from_gvk(&GroupVersionKind::try_from(types).unwrap());
            let namespace = object.metadata.namespace.as_deref();
            let name = object.metadata.name.clone().expect("a manifest has a name");
            let parameters = PatchParams::apply("quorate-tests").force();
            let request = Request::new(DynamicObject::url_path(&kind, namespace))
                .patch(&name, &parameters, &Patch::Apply(&object))
                .unwrap();
            let applied: kube::Result<Value> = block_on(self.client.request(request));
            applied.unwrap_or_else(|e| panic!("failed to apply {} {name}: {e}", kind.kind));
        }
    }

    pub fn get<K: Object>(&self, namespace: &str, name: &str) -> Option<K> {
        self.try_get(namespace, name).unwrap_or_else(|e| panic!("failed to get {name}: {e}"))
    }

    pub fn try_get<K: Object>(&self, namespace: &str, name: &str) -> kube::Result<Option<K>> {
        let request = path::<K>(namespace).get(name, &Default::default()).unwrap();
        none_if_not_found(block_on(self.client.request(request)))
    }

    pub fn list<K: Object>(&self, namespace: &str) -> Vec<K> {
        self.try_list(namespace).unwrap_or_else(|e| panic!("failed to list: {e}"))
    }

    pub fn try_list<K: Object>(&self, namespace: &str) -> kube::Result<Vec<K>> {
        let request = path::<K>(namespace).list(&ListParams::default()).unwrap();
        block_on(self.client.request::<ObjectList<K>>(request)).map(|list| list.items)
    }

    /// Merges `patch` into an object (RFC 7386).
    pub fn patch<K: Object>(&self, namespace: &str, name: &str, patch: &Value) -> K {
        let request = path::<K>(namespace)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .unwrap();
        block_on(self.client.request(request)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Merges `patch`, an object with the field `status`, into the status of an object.
    pub fn patch_status<K: Object>(&self, namespace: &str, name: &str, patch: &Value) -> K {
        let request = path::<K>(namespace)
            .patch_subresource("status", name, &PatchParams::default(), &Patch::Merge(patch))
            .unwrap();
        block_on(self.client.request(request)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Deletes an object without a grace period; there is no kubelet that would end the wait.
    /// Tells whether it was there.
    pub fn delete<K: Object>(&self, namespace: &str, name: &str) -> bool {
        let deleted = self.try_delete::<K>(namespace, name);
        deleted.unwrap_or_else(|e| panic!("failed to delete {name}: {e}"))
    }

    pub fn try_delete<K: Object>(&self, namespace: &str, name: &str) -> kube::Result<bool> {
        let request =
            path::<K>(namespace).delete(name, &DeleteParams::default().grace_period(0)).unwrap();
        let deleted = none_if_not_found(block_on(self.client.request::<Value>(request)));
        deleted.map(|deleted| deleted.is_some())
    }

    /// Waits until a pod is bound and returns the name of its node.
    pub fn wait_until_bound(&self, namespace: &str, name: &str, timeout: Duration) -> String {
        wait_for(&format!("a node for the pod {namespace}/{name}"), timeout, || {
            node_of(&self.get::<Pod>(namespace, name)?)
        })
    }

    /// Waits until a namespace has at least `count` pods and all of its pods are bound.
    pub fn wait_until_all_bound(
        &self,
        namespace: &str,
        count: usize,
        timeout: Duration,
    ) -> Vec<Pod> {
        wait_for(&format!("{count} bound pods in {namespace}"), timeout, || {
            let pods = self.list::<Pod>(namespace);
            let done = pods.len() >= count && pods.iter().all(|pod| node_of(pod).is_some());
            done.then_some(pods)
        })
    }

    /// Sends any request and returns the JSON of its answer.
    pub fn send(&self, request: http::Request<Vec<u8>>) -> kube::Result<Value> {
        block_on(self.client.request(request))
    }

    /// Posts an object of any kind to the path of its list.
    pub fn post(&self, path: &str, object: &Value) -> kube::Result<Value> {
        let request = http::Request::post(path).header("Content-Type", "application/json");
        self.send(request.body(object.to_string().into_bytes()).unwrap())
    }

    /// Gets whatever is at a path.
    pub fn get_path(&self, path: &str) -> kube::Result<Value> {
        self.send(http::Request::get(path).body(Vec::new()).unwrap())
    }

    /// Waits until kube-apiserver knows a path, as it does a moment after a
    /// CustomResourceDefinition was created.
    pub fn wait_until_served(&self, path: &str) {
        let timeout = Duration::from_secs(ANSWER_SECONDS_MAX);
        wait_for(path, timeout, || self.get_path(path).ok());
    }

    async fn send_create<K: Object>(&self, object: &K) -> kube::Result<K> {
        let body = serde_json::to_vec(object).unwrap();
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        let request = path::<K>(namespace).create(&PostParams::default(), body).unwrap();
        self.client.request(request).await
    }
}

/// Runs a future on the runtime of the tests; fails the test if it takes too long.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_all(async {
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        tokio::time::timeout(limit, future).await.expect("an answer in time")
    })
}

/// Builds a typed object from its JSON.
pub fn from_json<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

fn block_on_all<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(1).enable_all().build().unwrap()
        })
        .block_on(future)
}

fn path<K: Object>(namespace: &str) -> Request {
    Request::new(K::url_path(&(), (!namespace.is_empty()).then_some(namespace)))
}

fn node_of(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone()
}

fn none_if_not_found<T>(answer: kube::Result<T>) -> kube::Result<Option<T>> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        other => other.map(Some),
    }
}
