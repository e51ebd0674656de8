//! Databases on failure domains: which hosts die together, how many members a domain may have, and
//! what a placement risks.

mod domains;
mod infrastructure;
mod quota;
pub mod risk;
mod standing;
#[cfg(test)]
mod tests;

pub use domains::{DeclaredDomain, FailureDomains, Level, LevelDomains, Topology};
pub use infrastructure::{Infrastructure, InfrastructureError, Requires};
pub use quota::Quota;
pub use standing::{GroupStanding, LevelStanding, eligible};
