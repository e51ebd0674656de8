//! Simulation with faults: the scheduler with the daemon's protocols, a model of the API server
//! that fails in every way we know, and an oracle that checks every step.
//!
//! A run is a seed. First faults strike, then they end, then everything has to come right.

mod actors;
mod calls;
mod campaign;
mod checker;
mod clock;
mod dice;
mod election;
mod fault;
mod feed;
mod history;
mod mirror;
mod model;
mod network;
mod plan;
mod pods;
mod process;
mod quiet;
mod replica;
mod run;
mod scene;
mod shrink;
mod streams;
mod strikes;
mod world;

pub use campaign::{Campaign, Report, SCHEMA, Seeds, Violation};
pub use fault::{FAULTS, Fault, FaultSet, Injected, UnknownFault};
pub use model::{ApiModel, Refused, Shown};
pub use world::Setup;
