//! The one integration test binary of the crate: what a library test cannot see from inside.

// The lints that keep panics out of the product do not suit code whose failures are panics.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[cfg(feature = "kubernetes")]
mod admission;
#[cfg(feature = "kubernetes")]
mod api_decoding;
#[cfg(feature = "kubernetes")]
mod api_model;
mod audit;
mod bad_input;
#[cfg(feature = "kubernetes")]
mod chaos;
mod check_config;
mod contract;
#[cfg(feature = "kubernetes")]
mod control_plane;
mod corpora;
#[cfg(feature = "kubernetes")]
mod deploy;
mod docs;
#[cfg(feature = "kubernetes")]
mod end_to_end;
#[cfg(feature = "kubernetes")]
mod leader_election;
#[cfg(feature = "kubernetes")]
mod policies;
#[cfg(feature = "kubernetes")]
#[allow(dead_code, reason = "the longer scenarios run on demand: examples/chaos")]
#[path = "../../examples/chaos/scenarios/mod.rs"]
mod scenarios;
#[cfg(feature = "kubernetes")]
mod shadow;
mod simulations;
#[cfg(feature = "kubernetes")]
mod stateful_sets;
#[cfg(feature = "kubernetes")]
mod storage;
mod tidy;
#[cfg(feature = "kubernetes")]
mod volumes;
