//! Strict decoding that knows where it is: every error carries the path of its field.
//!
//! A null means "not set" in every field, as in Go; inside of raw values it is kept.

use serde::de::{self, DeserializeOwned, IntoDeserializer};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::error::shown;
use super::{ConfigError, FieldPath};
use crate::model;

/// Reads the one document of a YAML (or JSON) text.
pub(super) fn parse_yaml(text: &str) -> Result<Value, ConfigError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let message = error.without_snippet().to_string();
        let lines: Vec<_> = message.lines().map(str::trim).collect();
        ConfigError::Syntax(model::plain(&lines.join(" ")))
    })
}

/// Decodes `value`, which stands at `path`, and refuses every field that `T` does not have.
pub fn decode<T: DeserializeOwned>(value: &Value, path: &FieldPath) -> Result<T, ConfigError> {
    T::deserialize(Node { value, path: path.clone() }).map_err(|fault| fault.into_error(path))
}

/// A value and where it stands.
struct Node<'a> {
    value: &'a Value,
    path: FieldPath,
}

/// What serde found wrong; the place is filled in by the innermost [`Node`] that passes it on.
#[derive(Debug)]
struct Fault {
    at: Option<(FieldPath, String)>,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Expected(String),
    Missing(&'static str),
    Unknown(String),
    Rejected(String),
}

impl<'de> de::Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => visit_number(number, visitor),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => {
                visitor.visit_seq(List { elements: list.iter().enumerate(), path: &self.path })
            }
            Value::Object(map) => visitor.visit_map(Fields::of(map, &self.path, Nulls::Keep)),
        };
        result.map_err(|fault| fault.within(&self))
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Value::Object(map) = self.value else {
            return Err(Fault::new(Problem::Expected("a mapping".to_owned())).within(&self));
        };
        self.require_fields(map, fields)?;
        visitor
            .visit_map(Fields::of(map, &self.path, Nulls::LeaveOut))
            .map_err(|fault| fault.within(&self))
    }

    /// A type without fields, such as the arguments of a plugin that takes none.
    fn deserialize_unit<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Object(map) => {
                self.require_fields(map, &[])?;
                visitor.visit_unit()
            }
            _ => Err(Fault::new(Problem::Expected("a mapping".to_owned())).within(&self)),
        }
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            Value::String(name) if variants.contains(&name.as_str()) => {
                visitor.visit_enum(name.as_str().into_deserializer())
            }
            _ => {
                let expected = format!("one of {}", variants.join(", "));
                Err(Fault::new(Problem::Expected(expected)).within(&self))
            }
        }
    }

    fn deserialize_ignored_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct seq tuple tuple_struct map identifier
    }
}

impl Node<'_> {
    /// Refuses the first field that is not one of `fields`; serde would not see one that is null.
    fn require_fields(&self, map: &Map<String, Value>, fields: &[&str]) -> Result<(), Fault> {
        let unknown = map.iter().find(|(name, _)| !fields.contains(&name.as_str()));
        let Some((name, value)) = unknown else {
            return Ok(());
        };
        let expected = match fields {
            [] => "no field".to_owned(),
            fields => format!("one of {}", fields.join(", ")),
        };
        let at = Some((self.path.field(name), shown(value)));
        Err(Fault { at, problem: Problem::Unknown(expected) })
    }
}

fn visit_number<'de, V: de::Visitor<'de>>(
    number: &serde_json::Number,
    visitor: V,
) -> Result<V::Value, Fault> {
    if let Some(value) = number.as_i64() {
        visitor.visit_i64(value)
    } else if let Some(value) = number.as_u64() {
        visitor.visit_u64(value)
    } else {
        visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// The elements of a list.
struct List<'de, 'p> {
    elements: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: &'p FieldPath,
}

impl<'de> de::SeqAccess<'de> for List<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, value)) = self.elements.next() else {
            return Ok(None);
        };
        seed.deserialize(Node { value, path: self.path.index(index) }).map(Some)
    }
}

/// The fields of a mapping.
struct Fields<'de, 'p> {
    entries: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
    path: &'p FieldPath,
    nulls: Nulls,
}

/// What becomes of the fields of a mapping that are null.
#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    Keep,
    LeaveOut,
}

impl<'de, 'p> Fields<'de, 'p> {
    fn of(map: &'de Map<String, Value>, path: &'p FieldPath, nulls: Nulls) -> Fields<'de, 'p> {
        Fields { entries: map.iter(), current: None, path, nulls }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let nulls = self.nulls;
        let next = self.entries.find(|(_, value)| nulls == Nulls::Keep || !value.is_null());
        let Some((name, value)) = next else {
            return Ok(None);
        };
        self.current = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (name, value) = self.current.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Node { value, path: self.path.field(name) })
    }
}

impl Fault {
    fn new(problem: Problem) -> Fault {
        Fault { at: None, problem }
    }

    /// Notes the place, unless a place inside of it is known already.
    fn within(mut self, node: &Node<'_>) -> Fault {
        self.at.get_or_insert_with(|| (node.path.clone(), shown(node.value)));
        self
    }

    fn into_error(self, root: &FieldPath) -> ConfigError {
        let (path, value) = self.at.unwrap_or_else(|| (root.clone(), String::new()));
        match self.problem {
            Problem::Expected(expected) => ConfigError::Invalid { path, value, expected },
            Problem::Missing(field) => {
                ConfigError::Missing { path: path.field(field), expected: "a value".to_owned() }
            }
            Problem::Unknown(expected) => ConfigError::UnknownField { path, value, expected },
            Problem::Rejected(reason) => ConfigError::Rejected { path, value, reason },
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Fault {
        Fault::new(Problem::Rejected(message.to_string()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Fault {
        Fault::new(Problem::Expected(plain(&expected.to_string()).to_owned()))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Fault {
        Fault::new(Problem::Expected(plain(&expected.to_string()).to_owned()))
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::new(Problem::Missing(field))
    }
}

/// What serde says in Rust's words, in those of the file.
fn plain(expected: &str) -> &str {
    match expected {
        "i32" => "an integer of 32 bits",
        "i64" => "an integer of 64 bits",
        "u32" => "a non-negative integer of 32 bits",
        "u64" => "a non-negative integer of 64 bits",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "a mapping",
        _ => expected,
    }
}
