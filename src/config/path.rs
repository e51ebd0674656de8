//! Where in a file a value stands, as errors say it: `profiles[0].plugins.score.enabled[2].weight`.

use std::fmt;

use crate::model::plain;

/// The path of a field from the root of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(String);

impl FieldPath {
    /// The document itself.
    pub fn root() -> FieldPath {
        FieldPath::default()
    }

    /// The field `name` of this value.
    pub fn field(&self, name: &str) -> FieldPath {
        let name = plain(name);
        if self.0.is_empty() { FieldPath(name) } else { FieldPath(format!("{}.{name}", self.0)) }
    }

    /// The element `index` of this list.
    pub fn index(&self, index: usize) -> FieldPath {
        FieldPath(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the document" } else { &self.0 })
    }
}
