//! The simulator: a virtual clock and a model of the API server around the same scheduler.

pub mod admission;
mod agenda;
pub mod api_server;
pub mod compare;
pub mod core_bench;
pub mod databases;
pub mod exact;
pub mod expand;
pub mod experiment;
pub mod faults;
pub mod infrastructure;
pub mod input;
pub mod openb;
pub mod placer;
pub mod report;
pub mod rules;
pub mod scaling;
pub mod shapes;
pub mod simulation;
pub mod volumes;
pub mod workloads;
pub mod world;
