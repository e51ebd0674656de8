//! Labels: an immutable sorted map that costs one pointer to share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Str;

/// Labels by key. They are never changed in place, so clones share their entries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[(Str, Str)]>);

impl Labels {
    pub fn get(&self, key: &str) -> Option<&Str> {
        let index = self.0.binary_search_by(|(own, _)| (**own).cmp(key)).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sorts the entries; of several with one key the last wins, as in a map.
    fn from_entries(mut entries: Vec<(Str, Str)>) -> Self {
        if !entries.is_sorted_by(|(earlier, _), (later, _)| earlier < later) {
            entries.reverse();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        Self(entries.into())
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Into<Str>, V: Into<Str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        Self::from_entries(entries.collect())
    }
}

impl From<BTreeMap<Str, Str>> for Labels {
    fn from(map: BTreeMap<Str, Str>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(LabelsVisitor)
    }
}

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of labels")
    }

    fn visit_none<E>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_unit<E>(self) -> Result<Labels, E> {
        Ok(Labels::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Labels, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut entries = Vec::new();
        // A null value is the empty text, as Go reads it.
        while let Some((key, value)) = map.next_entry::<Str, Option<Str>>()? {
            entries.push((key, value.unwrap_or_default()));
        }
        Ok(Labels::from_entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_by_key_and_the_last_of_equal_keys_wins() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "")].into_iter().collect();
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.get("a").map(|value| &**value), Some("2"));
        assert_eq!(labels.get("b").map(|value| &**value), Some("3"));
        assert_eq!(labels.get("c").map(|value| &**value), Some(""));
        assert!(!labels.contains_key("d"));
        let keys: Vec<&str> = labels.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["a", "b", "c"]);
    }

    #[test]
    fn labels_are_read_and_written_as_a_map() {
        let check = |text: &str, expected: &str| {
            let labels: Labels = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&labels).unwrap(), expected);
        };
        check(r#"{"b":"1","a":"2"}"#, r#"{"a":"2","b":"1"}"#);
        check(r#"{"a":"1","a":"2"}"#, r#"{"a":"2"}"#);
        check(r#"{"a":null}"#, r#"{"a":""}"#);
        check("{}", "{}");
        check("null", "{}");
        assert!(serde_json::from_str::<Labels>(r#"{"a":1}"#).is_err());
        assert!(serde_json::from_str::<Labels>(r#"["a"]"#).is_err());
    }

    #[test]
    fn labels_of_one_map_are_equal_however_they_were_built() {
        let map = BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        let built: Labels = [("b", "2"), ("a", "1")].into_iter().collect();
        assert_eq!(Labels::from(map), built);
        assert_eq!(Labels::default(), Labels::from_iter(Vec::<(Str, Str)>::new()));
    }
}
