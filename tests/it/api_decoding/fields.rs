//! Which fields a struct has, found by watching how it decodes itself; and comparisons by them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use quorate::model::Quantity;
use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::Value;

/// A text that is a time too.
const TEXT: &str = "2006-01-02T15:04:05Z";

/// What a type reads.
pub enum Fields {
    Struct(BTreeMap<&'static str, Fields>),
    List(Box<Fields>),
    /// A scalar or a map of scalars.
    Value,
    /// Only whether it is there.
    Presence,
}

/// Differences, by path.
#[derive(Default)]
pub struct Report {
    problems: Vec<String>,
}

impl Fields {
    pub fn of<T: DeserializeOwned>() -> Self {
        let mut fields = Self::Value;
        T::deserialize(Watch(&mut fields)).expect("a struct that reads what it asks for");
        assert!(matches!(fields, Self::Struct(_)), "no struct");
        fields
    }

    /// The paths of fields that the value has not.
    pub fn missing_in(&self, value: &Value) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        self.add_missing(value, "", &mut missing);
        missing
    }

    fn add_missing(&self, value: &Value, path: &str, missing: &mut BTreeSet<String>) {
        match self {
            _ if is_default(value) => drop(missing.insert(path.to_owned())),
            Self::Struct(fields) => {
                for (name, fields) in fields {
                    fields.add_missing(&value[*name], &joined(path, name), missing);
                }
            }
            Self::List(item) => item.add_missing(&value[0], &format!("{path}[]"), missing),
            Self::Value | Self::Presence => {}
        }
    }
}

impl Report {
    pub fn lines(self, prefix: &str) -> Vec<String> {
        self.problems.into_iter().map(|problem| format!("{prefix}: {problem}")).collect()
    }

    /// Everything that we have, k8s-openapi has too, with an equal value.
    pub fn ours_is_part_of_theirs(&mut self, ours: &Value, theirs: &Value) {
        self.part(ours, theirs, "");
    }

    /// Everything in the text that we have a field for, we have.
    pub fn nothing_was_dropped(&mut self, fields: &Fields, text: &Value, ours: &Value) {
        self.kept(fields, text, ours, "");
    }

    fn part(&mut self, ours: &Value, theirs: &Value, path: &str) {
        match (ours, theirs) {
            (Value::Object(ours), Value::Object(theirs)) => {
                for (name, value) in ours {
                    let theirs = theirs.get(name).unwrap_or(&Value::Null);
                    self.part(value, theirs, &joined(path, name));
                }
            }
            (Value::Array(ours), Value::Array(theirs)) => {
                self.same_length(ours.len(), theirs.len(), path);
                for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    self.part(ours, theirs, &format!("{path}[{index}]"));
                }
            }
            _ if is_default(ours) && theirs.is_null() || is_equal(ours, theirs) => {}
            _ => self.problems.push(format!("{path} is {ours} and not {theirs}")),
        }
    }

    fn kept(&mut self, fields: &Fields, text: &Value, ours: &Value, path: &str) {
        if is_default(text) {
            return;
        }
        if ours.is_null() {
            return self.problems.push(format!("{path} was dropped"));
        }
        match (fields, text) {
            (Fields::Struct(fields), _) => {
                for (name, fields) in fields {
                    self.kept(fields, &text[*name], &ours[*name], &joined(path, name));
                }
            }
            (Fields::List(item), Value::Array(items)) => {
                for (index, text) in items.iter().enumerate() {
                    self.kept(item, text, &ours[index], &format!("{path}[{index}]"));
                }
            }
            (Fields::Value, Value::Object(entries)) => {
                let ours = ours.as_object().map_or(0, serde_json::Map::len);
                self.same_length(ours, entries.len(), path);
            }
            _ => {}
        }
    }

    fn same_length(&mut self, ours: usize, theirs: usize, path: &str) {
        if ours != theirs {
            self.problems.push(format!("{path} has {ours} and not {theirs}"));
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What Go leaves out, or may.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

/// Equal as values: quantities and times may be written differently.
fn is_equal(ours: &Value, theirs: &Value) -> bool {
    let (Value::String(ours), Value::String(theirs)) = (ours, theirs) else {
        return ours == theirs;
    };
    let quantity = |text: &str| Quantity::parse(text).ok();
    let time = |text: &str| text.parse::<Timestamp>().ok();
    ours == theirs
        || quantity(ours).is_some_and(|ours| quantity(theirs) == Some(ours))
        || time(ours).is_some_and(|ours| time(theirs) == Some(ours))
}

/// Gives a value of whatever type is asked for, and notes what was asked for.
struct Watch<'a>(&'a mut Fields);

impl<'de> Deserializer<'de> for Watch<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(1)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(true)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(TEXT)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(TEXT)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut item = Fields::Value;
        let value = visitor.visit_seq(OneItem(Some(&mut item)))?;
        *self.0 = Fields::List(Box::new(item));
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(EachField { names: &["key"], fields: &mut BTreeMap::new() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut fields = BTreeMap::new();
        let value = visitor.visit_map(EachField { names, fields: &mut fields })?;
        *self.0 = Fields::Struct(fields);
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        *self.0 = Fields::Presence;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct enum identifier
    }
}

struct OneItem<'a>(Option<&'a mut Fields>);

impl<'de> SeqAccess<'de> for OneItem<'_> {
    type Error = Error;

    fn next_element_seed<T>(&mut self, seed: T) -> Result<Option<T::Value>, Error>
    where
        T: DeserializeSeed<'de>,
    {
        self.0.take().map(|fields| seed.deserialize(Watch(fields))).transpose()
    }
}

struct EachField<'a> {
    names: &'a [&'static str],
    fields: &'a mut BTreeMap<&'static str, Fields>,
}

impl<'de> MapAccess<'de> for EachField<'_> {
    type Error = Error;

    fn next_key_seed<K>(&mut self, seed: K) -> Result<Option<K::Value>, Error>
    where
        K: DeserializeSeed<'de>,
    {
        let Some(name) = self.names.first() else { return Ok(None) };
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, rest) = self.names.split_first().expect("a key was asked for");
        self.names = rest;
        let mut fields = Fields::Value;
        let value = seed.deserialize(Watch(&mut fields))?;
        self.fields.insert(name, fields);
        Ok(value)
    }
}
