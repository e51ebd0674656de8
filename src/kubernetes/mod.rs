//! The daemon's shell around the core: the only room that knows kube, k8s-openapi and tokio.

mod answer;
mod backlog;
mod calls;
mod client;
mod clock;
mod daemon;
mod feed;
mod health;
mod http;
mod owner;
mod recorder;
mod reports;
mod requests;
mod series;
mod wire;

pub use daemon::{DaemonError, Options, Recording, run};
