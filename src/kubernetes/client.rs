//! Connections to the API server: one client for reading, one for binding, one for reports, so that
//! none waits for the other's connections.

use std::path::{Path, PathBuf};

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Who we are, in every request.
const AGENT: &str = concat!("quorate/", env!("CARGO_PKG_VERSION"));

/// The clients. None of them repeats a request by itself.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) reading: Client,
    pub(super) binding: Client,
    pub(super) reporting: Client,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("failed to read the kubeconfig {}", path.display())]
    Kubeconfig {
        path: PathBuf,
        source: kube::config::KubeconfigError,
    },
    #[error("no --kubeconfig was given, and this is no pod that has a ServiceAccount")]
    NotInCluster(#[source] kube::config::InClusterError),
    #[error("failed to set up the connection to the API server")]
    Client(#[source] kube::Error),
}

impl Clients {
    /// Reads who and where the API server is. Nothing is sent yet.
    pub(super) async fn new(kubeconfig: Option<&Path>) -> Result<Self, ConnectError> {
        let mut config = match kubeconfig {
            Some(path) => from_file(path).await.map_err(|source| {
                let path = path.to_owned();
                ConnectError::Kubeconfig { path, source }
            })?,
            None => Config::incluster().map_err(ConnectError::NotInCluster)?,
        };
        config.default_retry = false;
        let agent = HeaderValue::from_static(AGENT);
        config.headers.push((USER_AGENT, agent));
        let client = || Client::try_from(config.clone()).map_err(ConnectError::Client);
        Ok(Self {
            reading: client()?,
            binding: client()?,
            reporting: client()?,
        })
    }
}

async fn from_file(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}
