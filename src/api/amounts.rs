//! Amounts by resource name, as pods ask for them and nodes offer them: never less than nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::pod::ResourceList;
use crate::model::{Quantity, Str};

/// Reads amounts and refuses negative ones, as the API server does: a pod that asks for less than
/// nothing would make room on its node for others.
pub(crate) fn amounts<'de, D>(deserializer: D) -> Result<ResourceList, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Amounts)
}

struct Amounts;

/// One amount.
struct Amount(Quantity);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amount = Quantity::deserialize(deserializer)?;
        if amount.sign() < 0 {
            let amount = amount.to_string();
            return Err(D::Error::custom(format_args!("{amount:?}: an amount is never negative")));
        }
        Ok(Self(amount))
    }
}

impl<'de> Visitor<'de> for Amounts {
    type Value = ResourceList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of amounts")
    }

    fn visit_none<E>(self) -> Result<ResourceList, E> {
        Ok(ResourceList::default())
    }

    fn visit_unit<E>(self) -> Result<ResourceList, E> {
        Ok(ResourceList::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<ResourceList, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ResourceList, A::Error> {
        let mut amounts: BTreeMap<Str, Quantity> = BTreeMap::new();
        while let Some((name, Amount(amount))) = map.next_entry()? {
            amounts.insert(name, amount);
        }
        Ok(amounts)
    }
}
