//! Quorate: a secondary Kubernetes scheduler that keeps databases quorate.
//!
//! The core is a pure state machine; the daemon and the simulator are two shells over it.
//! `ARCHITECTURE.md` draws the rooms and says which may lead where.

pub mod analysis;
pub mod api;
pub mod cache;
pub mod cli;
pub mod config;
pub mod framework;
pub mod groups;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod lease;
pub mod metrics;
pub mod model;
pub mod placement;
pub mod planted;
pub mod plugins;
pub mod queue;
pub mod scheduler;
pub mod sim;
pub mod snapshot;
pub mod telemetry;
pub mod testing;
pub mod watch;
