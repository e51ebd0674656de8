//! The raw ceiling: a client that decides nothing, watches nothing, and posts one Binding and one
//! Event a pod. No scheduler that speaks to the API server as we do can be faster.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Request, header};
use jiff::Timestamp;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::load::{NAMESPACE, node_name, pod_name};

/// As many as the daemon has for connections.
const WORKERS: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[arg(long)]
    kubeconfig: PathBuf,
    #[arg(long)]
    pods: u32,
    #[arg(long)]
    nodes: u32,
    #[arg(long)]
    connections: u32,
}

/// Writes everything, and then waits to be ended, so that what it used can still be read.
pub fn run(arguments: &Arguments) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = connect(&arguments.kubeconfig).await;
        let next = AtomicU32::new(0);
        let writers = (0..arguments.connections).map(|_| write(&client, arguments, &next));
        futures::future::join_all(writers).await;
        pending::<()>().await;
    });
}

/// A client that repeats nothing by itself.
pub async fn connect(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Takes one pod after the other until all are taken.
async fn write(client: &Client, arguments: &Arguments, next: &AtomicU32) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= arguments.pods {
            return;
        }
        let (pod, node) = (pod_name(number), node_name(number % arguments.nodes));
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/binding");
        post(client, &path, &binding(&pod, &node)).await;
        let path = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
        post(client, &path, &event(&pod, &node)).await;
    }
}

async fn post(client: &Client, path: &str, body: &Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(serde_json::to_vec(body).unwrap()).unwrap();
    client.request_text(request).await.unwrap_or_else(|e| panic!("{path}: {e}"));
}

fn binding(pod: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": pod, "namespace": NAMESPACE},
        "target": {"kind": "Node", "name": node},
    })
}

fn event(pod: &str, node: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"name": format!("{pod}.1"), "namespace": NAMESPACE},
        "eventTime": format!("{:.6}", Timestamp::now()),
        "type": "Normal", "reason": "Scheduled", "action": "Binding",
        "note": format!("Successfully assigned {NAMESPACE}/{pod} to {node}"),
        "reportingController": "ceiling", "reportingInstance": "ceiling-0",
        "regarding": {
            "apiVersion": "v1", "kind": "Pod", "name": pod, "namespace": NAMESPACE,
        },
    })
}
