//! A pod's place in a group.

use std::fmt;
use std::sync::Arc;

use super::definition::Definition;
use crate::model::Str;

/// What tells one group from all others. Labels count within their namespace only, so that labels
/// forged in another one reach nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    pub namespace: Str,
    pub cluster: Str,
    pub part: Str,
    /// The preset's name; empty for a group that none knows.
    pub preset: Str,
}

/// One pod in one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Membership {
    pub key: GroupKey,
    pub definition: Arc<Definition>,
    pub member: Str,
    pub rack: Option<Str>,
    pub voter: bool,
    pub primary: Primary,
}

/// Whether a member is a primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Primary {
    /// The group has none, or nobody can know.
    #[default]
    No,
    /// It is foreseen to be one.
    Predicted,
    /// Its operator says that it is one.
    Live,
}

impl Primary {
    pub fn is_one(self) -> bool {
        self != Self::No
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.cluster)?;
        if self.part.is_empty() { Ok(()) } else { write!(f, "/{}", self.part) }
    }
}
