//! The endpoints: alive, ready, metrics.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::clock::Clock;
use super::health::Health;
use crate::metrics;

/// What Prometheus reads.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
pub(super) struct Endpoints {
    pub(super) health: Arc<Health>,
    pub(super) clock: Clock,
}

/// Takes the port on all addresses: the kubelet and Prometheus come from outside.
pub(super) async fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
}

impl Endpoints {
    pub(super) async fn serve(self, listener: TcpListener) {
        let routes = Router::new()
            .route("/livez", get(live))
            .route("/readyz", get(ready))
            .route("/metrics", get(render))
            .with_state(self);
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "The endpoints ended.");
        }
    }
}

async fn live(State(at): State<Endpoints>) -> impl IntoResponse {
    if at.health.is_alive(at.clock.now()) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "the scheduler is stuck\n")
    }
}

async fn ready(State(at): State<Endpoints>) -> impl IntoResponse {
    let complaints = at.health.complaints(at.clock.now());
    if complaints.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
    }
}

async fn render(State(at): State<Endpoints>) -> impl IntoResponse {
    at.health.report(at.clock.now());
    ([(header::CONTENT_TYPE, METRICS_TYPE)], metrics::render())
}
