//! The simulator: a virtual clock and a model of the API server around the same scheduler.

pub mod api_server;
pub mod input;
pub mod world;
