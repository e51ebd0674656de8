//! What was wrong with a text, and where.

use std::fmt;

use thiserror::Error;

use crate::model::{Str, plain, quoted};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The text is not JSON or YAML.
    #[error("{place}, line {line}, column {column}: {problem}")]
    Syntax { place: Place, line: usize, column: usize, problem: String },
    #[error("{place}: expected a Kubernetes object, found {found}")]
    NotAnObject { place: Place, found: &'static str },
    #[error("{place}: kind is missing")]
    KindMissing { place: Place },
    #[error("{place}: a {kind} within a list is not supported")]
    NestedList { place: Place, kind: String },
    #[error("{place}: metadata.name is missing in this {kind}")]
    NameMissing { place: Place, kind: &'static str },
    /// A field has a value that it cannot have.
    #[error("{place}: {}{problem}", field_prefix(.object, .path))]
    Field { place: Place, object: Option<Box<ObjectName>>, path: String, problem: String },
    #[error("{second}: {object} was already defined in {first}")]
    Duplicate { object: Box<ObjectName>, first: Place, second: Place },
    /// A uid is one object's for ever; two that share one could not be told apart.
    #[error("{place}: {object}: metadata.uid: {} is the uid of {other}, too", quoted(.uid))]
    SameUid { place: Place, object: Box<ObjectName>, uid: Str, other: Box<ObjectName> },
}

/// Where in which text something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, where one is known.
    source: Option<Str>,
    /// Counted from one; documents with nothing in them do not count.
    document: usize,
    /// The list and the index in it, counted from zero.
    item: Option<(&'static str, usize)>,
}

/// How an object is called in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    pub kind: Str,
    /// Empty for kinds without namespaces.
    pub namespace: Str,
    pub name: Str,
}

/// What is wrong with one field, seen from the text that holds it.
pub(super) struct FieldProblem {
    pub(super) path: serde_path_to_error::Path,
    pub(super) problem: String,
}

impl DecodeError {
    pub(super) fn json(place: Place, error: &serde_json::Error) -> Self {
        let (line, column, problem) = (error.line(), error.column(), json_problem(error));
        Self::Syntax { place, line, column, problem }
    }
}

impl Place {
    pub(super) fn of_document(document: usize) -> Self {
        Self { source: None, document, item: None }
    }

    pub(super) fn item(&self, list: &'static str, index: usize) -> Self {
        Self { item: Some((list, index)), ..self.clone() }
    }

    pub(super) fn set_source(&mut self, source: Str) {
        self.source = Some(source);
    }
}

impl FieldProblem {
    pub(super) fn new(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let problem = json_problem(error.inner());
        Self { path: error.path().clone(), problem }
    }

    /// The same, of an object (or of a text that is not yet known to be one) at a place.
    pub(super) fn at(self, place: Place, object: Option<ObjectName>) -> DecodeError {
        let path = field_path(&self.path);
        DecodeError::Field { place, object: object.map(Box::new), path, problem: self.problem }
    }

    /// The same, of what stands in a field of the document.
    pub(super) fn within(self, place: Place, field: &str) -> DecodeError {
        let path = match field_path(&self.path) {
            inner if inner.starts_with('[') => format!("{field}{inner}"),
            inner if inner.is_empty() => field.to_owned(),
            inner => format!("{field}.{inner}"),
        };
        DecodeError::Field { place, object: None, path, problem: self.problem }
    }
}

/// The message without the position: inside a document, the path says more.
fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    plain(text.strip_suffix(&position).unwrap_or(&text))
}

/// Writes a path as Kubernetes does: `spec.containers[0].image`, `labels[a.b/c]`.
fn field_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if key.contains(['.', '/']) => {
                text.push_str(&format!("[{}]", plain(key)));
            }
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&plain(key));
            }
            Segment::Unknown => {}
        }
    }
    text
}

fn field_prefix(object: &Option<Box<ObjectName>>, path: &str) -> String {
    let object = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    object + &path
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source}: ")?;
        }
        write!(f, "document {}", self.document)?;
        match self.item {
            Some((list, index)) => write!(f, ", {list}[{index}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.namespace, &*self.name) {
            (_, "") => f.write_str(&self.kind),
            ("", name) => write!(f, "{} {}", self.kind, plain(name)),
            (namespace, name) => {
                write!(f, "{} {}/{}", self.kind, plain(namespace), plain(name))
            }
        }
    }
}
