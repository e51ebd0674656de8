//! YAML documents as JSON texts, resolved as Kubernetes resolves them.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};

use super::error::{DecodeError, Place};
use crate::model::plain;

/// As deep as serde_json reads.
const DEPTH_MAX: usize = 128;

/// What short texts may grow to through aliases, in nodes and in bytes.
const NODES_FLOOR: usize = 1_000_000;
const BYTES_FLOOR: usize = 64 << 20;

/// Whole numbers below this are exact as floats.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// Ends a document.
const END: &str = "...";

/// One document of a text.
pub(super) struct Document<'a> {
    text: &'a str,
    /// How many lines of the text stand before it.
    lines_before: usize,
}

/// Why a document is no YAML, with the line counted in the whole text.
pub(super) struct YamlError {
    line: usize,
    column: usize,
    problem: String,
}

/// Splits a text into its documents, without those that hold nothing.
pub(super) fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut lines_before, mut has_content) = (0, 0, false);
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        // Directives and comments belong to the document that they precede.
        if is_separator(line) && has_content {
            documents.extend(text.get(start..offset).map(|text| Document { text, lines_before }));
            (start, lines_before, has_content) = (offset, index, false);
        }
        has_content |= has_more_than_marks(line);
        offset += line.len();
        if line.trim_end() == END && has_content {
            documents.extend(text.get(start..offset).map(|text| Document { text, lines_before }));
            (start, lines_before, has_content) = (offset, index + 1, false);
        }
    }
    if has_content {
        documents.extend(text.get(start..).map(|text| Document { text, lines_before }));
    }
    documents
}

fn is_separator(line: &str) -> bool {
    after_separator(line).is_some()
}

/// What follows a `---`, which must stand alone or before a space.
fn after_separator(line: &str) -> Option<&str> {
    line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn has_more_than_marks(line: &str) -> bool {
    let content = after_separator(line).unwrap_or(line).trim();
    !(content.is_empty() || content.starts_with(['#', '%']) || content == END)
}

impl Document<'_> {
    pub(super) fn to_json(&self) -> Result<Vec<u8>, YamlError> {
        let mut json = Json(Vec::new());
        serde_saphyr::with_deserializer_from_str_with_options(
            self.text,
            options(self.text.len()),
            |deserializer| json.deserialize(deserializer),
        )
        .map_err(|error| self.yaml_error(&error))?;
        Ok(json.0)
    }

    fn yaml_error(&self, error: &serde_saphyr::Error) -> YamlError {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let location = error.location();
        let line = location.map_or(1, |location| number(location.line()));
        let column = location.map_or(1, |location| number(location.column()));
        let problem = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        // The position is counted in this document and goes where ours is.
        let position = format!(" at line {line}, column {column}");
        let problem = plain(problem.strip_suffix(&position).unwrap_or(&problem));
        YamlError { line: line.saturating_add(self.lines_before), column, problem }
    }
}

impl YamlError {
    pub(super) fn at(self, place: Place) -> DecodeError {
        let Self { line, column, problem } = self;
        DecodeError::Syntax { place, line, column, problem }
    }
}

/// Limits that grow with the text, since long lists are no attack. They count what aliases
/// repeat.
fn options(bytes: usize) -> serde_saphyr::Options {
    // Every node takes a byte or more, and every collection makes one more event for its end.
    let nodes_max = bytes.saturating_mul(2).max(NODES_FLOOR);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_events: nodes_max,
            max_nodes: nodes_max,
            max_total_scalar_bytes: bytes.saturating_mul(2).max(BYTES_FLOOR),
            enforce_alias_anchor_ratio: false,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        emit_comments: false,
        // Kubernetes reads `0644` as its YAML 1.1 parser does.
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// Writes down as JSON what a deserializer finds.
struct Json(Vec<u8>);

impl Json {
    fn scalar<E: serde::de::Error>(&mut self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(&mut self.0, &value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Json {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Json {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // Kubernetes writes `1e3` and `2.0` down as whole numbers, which fit counts then.
        if value.fract() == 0.0 && value.abs() < WHOLE_MAX {
            return self.scalar(value as i64);
        }
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.scalar(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let mut first = true;
        loop {
            let comma = self.0.len();
            if !first {
                self.0.push(b',');
            }
            if items.next_element_seed(&mut *self)?.is_none() {
                self.0.truncate(comma);
                break;
            }
            first = false;
        }
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let mut first = true;
        // Keys that are numbers or truth values count as they are written.
        while let Some(key) = entries.next_key::<String>()? {
            if !first {
                self.0.push(b',');
            }
            first = false;
            self.scalar(key)?;
            self.0.push(b':');
            entries.next_value_seed(&mut *self)?;
        }
        self.0.push(b'}');
        Ok(())
    }
}
