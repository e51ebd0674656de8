//! What a watch tells the core.

use serde::{Deserialize, Serialize};

use crate::model::{PodKey, Str};

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change<T> {
    /// Added or updated: the whole new object.
    Upsert(Box<T>),
    /// Deleted. The uid is empty where only the name is known.
    Delete { key: PodKey, uid: Str },
}
