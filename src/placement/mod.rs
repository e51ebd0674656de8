//! Databases on failure domains: which hosts die together, how many members a domain may have, and
//! what a placement risks.

mod completion;
mod domains;
mod infrastructure;
mod quota;
pub mod risk;
mod standing;
#[cfg(test)]
mod tests;

pub use completion::{Completion, MEMBERS_MAX, Room};
pub use domains::{
    DeclaredDomain, FailureDomains, HOST, Level, LevelDomains, RACK, REGION, Topology, ZONE,
};
pub use infrastructure::{Declaration, Infrastructure, InfrastructureError, Requires};
pub use quota::Quota;
pub use standing::{GroupStanding, LevelStanding, eligible, levels_of};
