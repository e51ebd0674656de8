//! Kubernetes objects from text: the one way in for dumps, manifests and exports.
//!
//! A document is one object, a list (`List`, `PodList`, ...) or the export of
//! kube-scheduler-simulator. YAML is turned into JSON first, as Kubernetes does, so that both
//! are read by the same code and mean the same.

mod error;
mod objects;
mod strict;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use error::FieldProblem;
pub use error::{DecodeError, ObjectName, Place};
pub use objects::Objects;
use strict::Strict;

use crate::model::plain;

/// What the export of kube-scheduler-simulator calls its lists, in the order of our kinds.
const EXPORT: [(&str, &str, &str); 7] = [
    ("namespaces", "", "Namespace"),
    ("nodes", "", "Node"),
    ("pods", "", "Pod"),
    ("priorityClasses", "scheduling.k8s.io", "PriorityClass"),
    ("pvcs", "", "PersistentVolumeClaim"),
    ("pvs", "", "PersistentVolume"),
    ("storageClasses", "storage.k8s.io", "StorageClass"),
];

/// How objects are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One or more JSON texts, one after the other.
    Json,
    /// One or more YAML documents.
    Yaml,
}

/// Reads all objects of a text.
pub fn decode(text: &str, format: Format) -> Result<Objects, DecodeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut objects = Objects::default();
    match format {
        Format::Json => {
            let documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
            for (index, document) in documents.enumerate() {
                let place = Place::of_document(index + 1);
                let document =
                    document.map_err(|error| DecodeError::json(place.clone(), &error))?;
                add_document(&mut objects, document, place)?;
            }
        }
        Format::Yaml => {
            for (index, document) in yaml::documents(text).into_iter().enumerate() {
                let place = Place::of_document(index + 1);
                let json = document.to_json().map_err(|error| error.at(place.clone()))?;
                let json = serde_json::from_slice(&json);
                let json = json.map_err(|error| DecodeError::json(place.clone(), &error))?;
                add_document(&mut objects, json, place)?;
            }
        }
    }
    Ok(objects)
}

impl Format {
    /// Guesses from how the text begins, as kubectl does.
    pub fn guess(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('{') { Self::Json } else { Self::Yaml }
    }
}

/// The fields that tell what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    items: Option<&'a RawValue>,
}

/// The kind that the objects of a list have where they do not say it themselves.
#[derive(Clone, Copy)]
struct ItemKind<'a> {
    group: Option<&'a str>,
    kind: &'a str,
}

fn add_document(
    objects: &mut Objects,
    document: &RawValue,
    place: Place,
) -> Result<(), DecodeError> {
    let envelope: Envelope<'_> = object(document, &place)?;
    let Some(kind) = &envelope.kind else {
        return add_export(objects, document, place);
    };
    match (kind.strip_suffix("List"), envelope.items) {
        (Some(""), items) => add_items(objects, items, place, "items", None),
        (Some(kind), Some(items)) => {
            let group = envelope.api_version.as_deref().map(group_of);
            let item_kind = ItemKind { group, kind };
            add_items(objects, Some(items), place, "items", Some(item_kind))
        }
        _ => add_object(objects, document, place, None),
    }
}

/// Reads what kube-scheduler-simulator exports: lists of objects that do not say their kind.
fn add_export(objects: &mut Objects, document: &RawValue, place: Place) -> Result<(), DecodeError> {
    let fields: BTreeMap<String, &RawValue> = object(document, &place)?;
    let mut found = false;
    for (name, group, kind) in EXPORT {
        if let Some(list) = fields.get(name) {
            found = true;
            let item_kind = ItemKind { group: Some(group), kind };
            add_items(objects, Some(list), place.clone(), name, Some(item_kind))?;
        }
    }
    if found { Ok(()) } else { Err(DecodeError::KindMissing { place }) }
}

fn add_items(
    objects: &mut Objects,
    items: Option<&RawValue>,
    place: Place,
    list: &'static str,
    item_kind: Option<ItemKind<'_>>,
) -> Result<(), DecodeError> {
    let Some(items) = items else { return Ok(()) };
    // A list of nothing is `null` where Go had no slice.
    let items: Option<Vec<&RawValue>> =
        typed(items).map_err(|problem| problem.within(place.clone(), list))?;
    for (index, item) in items.unwrap_or_default().into_iter().enumerate() {
        add_object(objects, item, place.item(list, index), item_kind)?;
    }
    Ok(())
}

fn add_object(
    objects: &mut Objects,
    text: &RawValue,
    place: Place,
    item_kind: Option<ItemKind<'_>>,
) -> Result<(), DecodeError> {
    let envelope: Envelope<'_> = object(text, &place)?;
    if let (Some(kind), Some(_)) = (&envelope.kind, envelope.items)
        && kind.ends_with("List")
    {
        return Err(DecodeError::NestedList { place, kind: plain(kind) });
    }
    let own_group = envelope.api_version.as_deref().map(group_of);
    match (&envelope.kind, item_kind) {
        (Some(kind), _) => objects.add(own_group, kind, text, place),
        (None, Some(item)) => objects.add(own_group.or(item.group), item.kind, text, place),
        (None, None) => Err(DecodeError::KindMissing { place }),
    }
}

/// Reads the fields of what should be an object.
fn object<'a, T: Deserialize<'a>>(text: &'a RawValue, place: &Place) -> Result<T, DecodeError> {
    let found = match text.get().as_bytes().first() {
        Some(b'{') => return typed(text).map_err(|problem| problem.at(place.clone(), None)),
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a truth value",
        _ => "a number",
    };
    Err(DecodeError::NotAnObject { place: place.clone(), found })
}

/// Reads a value. Following the path costs time, so that is done only where there is an error.
fn typed<'a, T: Deserialize<'a>>(text: &'a RawValue) -> Result<T, FieldProblem> {
    let mut deserializer = serde_json::Deserializer::from_str(text.get());
    T::deserialize(Strict(&mut deserializer)).or_else(|_| {
        let mut deserializer = serde_json::Deserializer::from_str(text.get());
        serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(FieldProblem::new)
    })
}

/// Tells a field that is `null` from one that is absent.
fn even_null<'de: 'a, 'a, D>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    Deserialize::deserialize(deserializer).map(Some)
}

/// The group of an `apiVersion`: `apps` of `apps/v1`, and nothing of `v1`.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
