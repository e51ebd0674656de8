//! Does `docs/config.md` have every field, with the type and the default that it has?

use std::cell::RefCell;

use serde::de::{self, DeserializeOwned, IntoDeserializer};
use serde::forward_to_deserialize_any;

use super::*;
use crate::config::{PluginSet, SchedulerConfiguration, resolve};

const DOCS: &str = include_str!("../../../docs/config.md");

/// The cells of the first table in `text` whose rows start with the name of a field.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

fn fields_of<T: DeserializeOwned>() -> Vec<(String, &'static str)> {
    let found = RefCell::new(Vec::new());
    T::deserialize(Sample { path: String::new(), found: &found }).unwrap();
    found.into_inner()
}

fn documented(text: &str) -> Vec<(String, &str)> {
    let cells = rows(text).into_iter();
    cells.map(|row| (row[0].trim_matches('`').to_owned(), row[1])).collect()
}

#[test]
fn every_field_stands_in_the_docs_with_its_type() {
    let (fields, set) = DOCS.split_once("A plugin set:").unwrap();
    assert_eq!(documented(fields), fields_of::<SchedulerConfiguration>());
    assert_eq!(documented(set), fields_of::<PluginSet>());
}

#[test]
fn the_defaults_in_the_docs_are_those_that_hold() {
    let config = SchedulerConfiguration::default();
    let election = &config.leader_election;
    let effective = resolve(&config, &CATALOG).unwrap();
    let one = load(&file("profiles: [{}]"), &CATALOG).unwrap();
    assert_eq!(one, effective, "the default of `profiles` is one profile");
    let defaults = [
        ("parallelism", config.parallelism().to_string()),
        ("leaderElection.leaderElect", election.leader_elect().to_string()),
        ("leaderElection.leaseDuration", election.lease_duration().to_string()),
        ("leaderElection.renewDeadline", election.renew_deadline().to_string()),
        ("leaderElection.retryPeriod", election.retry_period().to_string()),
        ("leaderElection.resourceLock", election.resource_lock().to_owned()),
        ("leaderElection.resourceName", election.resource_name().to_owned()),
        ("leaderElection.resourceNamespace", election.resource_namespace().to_owned()),
        ("podInitialBackoffSeconds", effective.pod_initial_backoff.as_secs().to_string()),
        ("podMaxBackoffSeconds", effective.pod_max_backoff.as_secs().to_string()),
        ("delayCacheUntilActive", config.delay_cache_until_active.to_string()),
        ("profiles", "one profile".to_owned()),
        ("profiles[].schedulerName", effective.profiles[0].scheduler_name.to_string()),
        ("profiles[].base", "database".to_owned()),
        ("profiles[].plugins.multiPoint", "all plugins".to_owned()),
    ];
    let (fields, _) = DOCS.split_once("A plugin set:").unwrap();
    let documented: Vec<(&str, String)> = rows(fields)
        .into_iter()
        .filter(|row| row[3] != "-")
        .filter(|row| !row[0].starts_with("`extenders"))
        .map(|row| (row[0].trim_matches('`'), row[3].to_owned()))
        .collect();
    assert_eq!(documented, defaults);
}

#[test]
fn the_defaults_in_the_shipped_file_are_those_that_hold() {
    let shipped = include_str!("../../../config/quorate.yaml");
    let default = resolve(&SchedulerConfiguration::default(), &CATALOG).unwrap();
    assert_eq!(load(shipped, &CATALOG).unwrap(), default);
    let uncommented: Vec<String> = shipped
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // Prose starts with a single space, a setting stands where it would stand.
            Some(setting) if setting.starts_with("  ") => setting.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let mut all = load(&uncommented.join("\n"), &CATALOG).unwrap();
    let profile = &mut all.profiles[0];
    assert_eq!(profile.args.len(), 5, "{:?}", profile.args);
    profile.args.clear();
    assert_eq!(all, default);
}

/// Stands in for a value of every type, and notes which types it is asked for.
struct Sample<'a> {
    path: String,
    found: &'a RefCell<Vec<(String, &'static str)>>,
}

impl Sample<'_> {
    fn note(&self, kind: &'static str) {
        if !self.path.is_empty() {
            self.found.borrow_mut().push((self.path.clone(), kind));
        }
    }
}

impl<'de> de::Deserializer<'de> for Sample<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("any");
        visitor.visit_unit()
    }

    fn deserialize_bool<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("boolean");
        visitor.visit_bool(true)
    }

    fn deserialize_i32<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("integer");
        visitor.visit_i32(1)
    }

    fn deserialize_i64<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("integer");
        visitor.visit_i64(1)
    }

    fn deserialize_f32<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("number");
        visitor.visit_f32(1.0)
    }

    fn deserialize_str<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("string");
        visitor.visit_str("1s")
    }

    fn deserialize_string<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.note("list");
        let path = format!("{}[]", self.path);
        visitor.visit_seq(Once { element: Some(Sample { path, found: self.found }) })
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if name == "PluginSet" && !self.path.is_empty() {
            self.note("plugin set");
            return visitor.visit_map(Fields { fields: [].iter(), next: "", of: &self });
        }
        if !self.path.ends_with(']') {
            self.note("mapping");
        }
        visitor.visit_map(Fields { fields: fields.iter(), next: "", of: &self })
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.note("string");
        visitor.visit_enum(variants[0].into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct map identifier ignored_any
    }
}

/// A list of one element.
struct Once<'a> {
    element: Option<Sample<'a>>,
}

impl<'de> de::SeqAccess<'de> for Once<'_> {
    type Error = de::value::Error;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        self.element.take().map(|sample| seed.deserialize(sample)).transpose()
    }
}

/// A mapping that has all fields of its type.
struct Fields<'a, 'b> {
    fields: std::slice::Iter<'static, &'static str>,
    next: &'static str,
    of: &'b Sample<'a>,
}

impl<'de> de::MapAccess<'de> for Fields<'_, '_> {
    type Error = de::value::Error;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some(field) = self.fields.next() else {
            return Ok(None);
        };
        self.next = field;
        seed.deserialize(field.into_deserializer()).map(Some)
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Self::Error> {
        let root = self.of.path.is_empty();
        let path = if root { String::new() } else { format!("{}.", self.of.path) };
        seed.deserialize(Sample { path: path + self.next, found: self.of.found })
    }
}
