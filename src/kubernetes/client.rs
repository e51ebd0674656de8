//! Connections to the API server: one client for reading, one each for binding, reports and the
//! lease, so that none waits for the other's connections.

use std::path::{Path, PathBuf};

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::permit::GuardedBody;

/// Who we are, in every request.
const AGENT: &str = concat!("quorate/", env!("CARGO_PKG_VERSION"));

/// The clients. None of them repeats a request by itself.
#[derive(Clone)]
pub(super) struct Clients {
    pub(super) reading: Client,
    pub(super) binding: Client,
    pub(super) reporting: Client,
    pub(super) electing: Client,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("failed to read the kubeconfig {}", path.display())]
    Kubeconfig { path: PathBuf, source: kube::config::KubeconfigError },
    #[error("no --kubeconfig was given, and this is no pod that has a ServiceAccount")]
    NotInCluster(#[source] kube::config::InClusterError),
    #[error("failed to set up the connection to the API server")]
    Client(#[source] kube::Error),
}

impl Clients {
    /// Reads who and where the API server is. Nothing is sent yet.
    pub(super) async fn new(kubeconfig: Option<&Path>) -> Result<Self, ConnectError> {
        let mut config = read_config(kubeconfig).await?;
        config.default_retry = false;
        let agent = HeaderValue::from_static(AGENT);
        config.headers.push((USER_AGENT, agent));
        let reading = Client::try_from(config.clone()).map_err(ConnectError::Client)?;
        let writing = || writing(&config).map_err(ConnectError::Client);
        Ok(Self { reading, binding: writing()?, reporting: writing()?, electing: writing()? })
    }
}

/// A client as kube builds it, but that bodies leave under their permits only, and that nothing is
/// timed: whoever writes has a deadline.
fn writing(config: &Config) -> Result<Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let client = Builder::new(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_request(GuardedBody::guard)
        .map_err(BoxError::from)
        .service(client);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// The given file, else what KUBECONFIG names, else the ServiceAccount of this pod.
async fn read_config(kubeconfig: Option<&Path>) -> Result<Config, ConnectError> {
    let (path, read) = match kubeconfig {
        Some(path) => (path.to_owned(), Kubeconfig::read_from(path).map(Some)),
        None => ("KUBECONFIG".into(), Kubeconfig::from_env()),
    };
    let failed = |source| ConnectError::Kubeconfig { path, source };
    let Some(kubeconfig) = (match read {
        Ok(kubeconfig) => kubeconfig,
        Err(source) => return Err(failed(source)),
    }) else {
        return Config::incluster().map_err(ConnectError::NotInCluster);
    };
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    config.map_err(failed)
}
