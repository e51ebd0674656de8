//! Questions asked of a cluster's picture, and of recorded decisions.

pub mod audit;
pub mod conformance;
pub mod explain;
pub mod policy_status;
