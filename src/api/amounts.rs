//! Amounts by resource name, as pods ask for them and nodes offer them: never less than nothing.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::pod::ResourceList;
use crate::model::{Quantity, Str, quoted};

/// Reads amounts and refuses negative ones, as the API server does: a pod that asks for less than
/// nothing would make room on its node for others.
pub(crate) fn amounts<'de, D>(deserializer: D) -> Result<ResourceList, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_option(Amounts)
}

/// Reads an amount that may be missing, and refuses a negative one.
pub(crate) fn optional_amount<'de, D>(deserializer: D) -> Result<Option<Quantity>, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::<Amount>::deserialize(deserializer)?.map(|Amount(amount)| amount))
}

struct Amounts;

/// One amount.
struct Amount(Quantity);

struct AmountVisitor;

impl Amount {
    /// Takes the quantity, unless it is negative; `written` is what the error calls it.
    fn of<E: Error>(quantity: Quantity, written: &str) -> Result<Self, E> {
        if quantity.sign() < 0 {
            return Err(E::custom(format_args!(
                "{}: an amount is never negative",
                quoted(written)
            )));
        }
        Ok(Self(quantity))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        let deserializer: StrDeserializer<'_, E> = text.into_deserializer();
        Amount::of(Quantity::deserialize(deserializer)?, text)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
        Amount::of(Quantity::from_units(number), &number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Amount, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Amount, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E>(self) -> Result<Amount, E> {
        Ok(Amount(Quantity::default()))
    }

    fn visit_none<E>(self) -> Result<Amount, E> {
        Ok(Amount(Quantity::default()))
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
        let mut amounts = ResourceList::new();
        while let Some((name, Amount(amount))) = map.next_entry::<Str, Amount>()? {
            amounts.insert(name, amount);
        }
        Ok(amounts)
    }
}
