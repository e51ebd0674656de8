//! One list of everything that a question about a cluster needs. Nothing is written.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;

use super::client::ConnectError;
use super::wire;
use crate::api::{DecodeError, Format, Objects, decode};
use crate::watch::Request;

/// Pages of this size keep the memory of the API server small; a pod has about 8 KiB.
const PAGE_OBJECTS: u32 = 1_000;

/// How long one page may take.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// What is listed, and whether it may be left out where it is forbidden or not known.
const LISTS: [(&str, bool); 18] = [
    ("/api/v1/nodes", false),
    ("/api/v1/pods", false),
    ("/api/v1/namespaces", true),
    ("/apis/apps/v1/statefulsets", true),
    ("/apis/apps/v1/replicasets", true),
    ("/api/v1/replicationcontrollers", true),
    ("/api/v1/services", true),
    ("/apis/policy/v1/poddisruptionbudgets", true),
    ("/apis/quorate.dev/v1alpha1/placementpolicies", true),
    ("/apis/quorate.dev/v1alpha1/clusterplacementpolicies", true),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", true),
    ("/api/v1/persistentvolumes", true),
    ("/api/v1/persistentvolumeclaims", true),
    ("/apis/storage.k8s.io/v1/storageclasses", true),
    ("/apis/storage.k8s.io/v1/csidrivers", true),
    ("/apis/storage.k8s.io/v1/csinodes", true),
    ("/apis/storage.k8s.io/v1/csistoragecapacities", true),
    ("/apis/storage.k8s.io/v1/volumeattachments", true),
];

/// Answers with which a list may be left out.
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("failed to read the kubeconfig")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("failed to start")]
    Runtime(#[source] std::io::Error),
    #[error("failed to list {path}: {source}")]
    List { path: &'static str, source: Box<kube::Error> },
    #[error("failed to list {path}: no answer in {} s", ANSWER_DEADLINE.as_secs())]
    Late { path: &'static str },
    #[error("{path}: {source}")]
    Decode { path: &'static str, source: Box<DecodeError> },
}

/// The part of a list that says whether it goes on.
#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    metadata: ReplyMeta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReplyMeta {
    #[serde(rename = "continue")]
    continue_token: String,
}

/// Reads a whole cluster.
pub fn list_cluster(kubeconfig: Option<&Path>) -> Result<Objects, ListError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(ListError::Runtime)?.block_on(list_all(kubeconfig))
}

async fn list_all(kubeconfig: Option<&Path>) -> Result<Objects, ListError> {
    let client = connect(kubeconfig).await?;
    let mut objects = Objects::default();
    for (path, may_be_left_out) in LISTS {
        match list(&client, path, &mut objects).await {
            Err(ListError::List { source, .. }) if may_be_left_out && is_refused(&source) => {
                tracing::warn!(path, error = %source, "Left out, because it cannot be listed.");
            }
            other => other?,
        }
    }
    Ok(objects)
}

async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ListError> {
    let read = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = read.map_err(ListError::Kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let config = config.map_err(ListError::Kubeconfig)?;
    Ok(Client::try_from(config).map_err(ConnectError::Client)?)
}

/// One kind, page by page, by the decode path of dumps.
async fn list(client: &Client, path: &'static str, all: &mut Objects) -> Result<(), ListError> {
    let failed = |source| ListError::List { path, source: Box::new(source) };
    let undecodable = |source| ListError::Decode { path, source: Box::new(source) };
    let mut continue_token = None;
    loop {
        let request = Request::List { limit: Some(PAGE_OBJECTS), continue_token };
        let written = wire::write_request(path, None, &request).map_err(failed)?;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, client.request_text(written)).await;
        let text = answer.map_err(|_| ListError::Late { path })?.map_err(failed)?;
        let reply: Reply =
            serde_json::from_str(&text).map_err(|e| failed(kube::Error::SerdeError(e)))?;
        let mut page = decode(&text, Format::Json).map_err(undecodable)?;
        page.set_source(path);
        all.extend(page).map_err(undecodable)?;
        if reply.metadata.continue_token.is_empty() {
            return Ok(());
        }
        continue_token = Some(reply.metadata.continue_token.as_str().into());
    }
}

fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if [FORBIDDEN, NOT_FOUND].contains(&status.code))
}
