//! What can be wrong with a configuration. Every text names the field, its value and what was
//! expected there; the caller, who read the file, adds its name.

use serde::Serialize;
use thiserror::Error;

use super::{FieldPath, TEXT_BYTES_MAX};

/// A value that is longer than this is cut in an error, which is one line.
const SHOWN_CHARS_MAX: usize = 80;

/// The first thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error("longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// The text is not one YAML document, or a mapping has a key twice.
    #[error("not readable as YAML: {0}")]
    Syntax(String),
    /// A field has a value of the wrong type, or one that is not allowed there.
    #[error("{path}: {value} is not {expected}")]
    Invalid { path: FieldPath, value: String, expected: String },
    /// A field has a value that its type refuses for a reason of its own.
    #[error("{path}: {value}: {reason}")]
    Rejected { path: FieldPath, value: String, reason: String },
    /// A field that must stand there does not.
    #[error("{path}: missing; expected {expected}")]
    Missing { path: FieldPath, expected: String },
    /// A mapping has a field that its type does not have.
    #[error("{path}: unknown field with value {value}; expected {expected}")]
    UnknownField { path: FieldPath, value: String, expected: String },
    /// What may stand once stands twice.
    #[error("{path}: {value} stands already at {first}; expected it once")]
    Duplicate { path: FieldPath, value: String, first: FieldPath },
    /// A plugin that neither we nor kube-scheduler have.
    #[error("{path}: {value} is not a known plugin; expected one of {expected}")]
    UnknownPlugin { path: FieldPath, value: String, expected: String },
    /// An extension point for which the whole profile yields too few or too many plugins.
    #[error("{path}: the enabled plugins are {value}; expected {expected}")]
    PluginCount { path: FieldPath, value: String, expected: String },
}

impl ConfigError {
    /// `value` at `path` is not what was expected.
    pub fn invalid(path: FieldPath, value: &impl Serialize, expected: &str) -> ConfigError {
        ConfigError::Invalid { path, value: shown(value), expected: expected.to_owned() }
    }
}

/// A value as an error shows it: JSON on one line, so that strings stand in quotes.
pub(super) fn shown(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}
