//! The daemon's shell around the core: the only room that knows kube, k8s-openapi and tokio.

mod answer;
mod audits;
mod backlog;
mod calls;
mod client;
mod clock;
mod daemon;
mod elector;
mod feed;
mod health;
mod http;
mod lease;
mod owner;
mod permit;
mod recorder;
mod reports;
mod requests;
mod series;
mod shadow;
mod statuses;
mod wire;

pub use daemon::{Candidacy, DaemonError, Options, Recording, run};
