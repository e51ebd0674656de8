//! The one integration test binary of the crate: what a library test cannot see from inside.

// The lints that keep panics out of the product do not suit code whose failures are panics.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[cfg(feature = "kubernetes")]
mod api_decoding;
#[cfg(feature = "kubernetes")]
mod api_model;
mod check_config;
mod contract;
#[cfg(feature = "kubernetes")]
mod control_plane;
#[cfg(feature = "kubernetes")]
mod deploy;
mod docs;
#[cfg(feature = "kubernetes")]
mod end_to_end;
#[cfg(feature = "kubernetes")]
mod leader_election;
#[cfg(feature = "kubernetes")]
mod shadow;
mod tidy;
