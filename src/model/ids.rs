//! Names by which objects are known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Str;

/// The identity that the API server gives to an object for its whole life.
pub type Uid = Str;

/// Namespace and name. A pod recreated under its old name has the same key and another uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodKey {
    pub namespace: Str,
    pub name: Str,
}

impl PodKey {
    pub fn new(namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
