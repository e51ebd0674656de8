//! Questions asked of a cluster's picture, and of recorded decisions.

pub mod conformance;
pub mod policy_status;
