//! Quantities: exact decimal numbers with the suffixes of Kubernetes.
//!
//! Amounts, rounding and printing are those of Go's `resource.Quantity`, also where these are
//! odd; only amounts beyond 64 bits come out as the nearest 64-bit number instead of nonsense.

mod decimal;
mod format;
mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::quoted;
use decimal::Decimal;

/// Of a number so many digits are read. Numbers of a pod have twenty, and no digit after these can
/// change one that 64 bits hold; the work that a number makes grows with the square of its length,
/// and one of a megabyte, which an API server takes, would hold everybody up for seconds.
const DIGITS_MAX: usize = 1024;

/// An amount, with the notation it was written in. Usual ones take 16 bytes and no allocation.
#[derive(Clone)]
pub struct Quantity(Repr);

#[derive(Clone)]
enum Repr {
    Small { mantissa: i64, scale: i32, format: Format },
    Rare(Box<Rare>),
}

/// A number of more than 64 bits, or one whose text is not what we would print.
#[derive(Clone)]
struct Rare {
    amount: Decimal,
    format: Format,
    written: Option<Box<str>>,
}

/// The family of suffixes that a quantity is printed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    #[default]
    DecimalSI,
    BinarySI,
    DecimalExponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuantityError {
    #[error("a quantity is a signed decimal number with an optional suffix, such as 1500m or 2Gi")]
    Form,
    #[error("the numeric part of the quantity has no digits")]
    Number,
    #[error(
        "the suffix of the quantity is none of n u m k M G T P E Ki Mi Gi Ti Pi Ei e<exponent>"
    )]
    Suffix,
}

impl Quantity {
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }

    pub fn from_units(units: i64) -> Self {
        Self(Repr::Small { mantissa: units, scale: 0, format: Format::DecimalSI })
    }

    pub fn from_milli(thousandths: i64) -> Self {
        Self(Repr::Small { mantissa: thousandths, scale: -3, format: Format::DecimalSI })
    }

    /// Whole units, rounded away from zero.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// Thousandths, rounded away from zero.
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    /// Billionths. Nothing smaller survives parsing.
    pub fn nano_value(&self) -> i64 {
        self.scaled(-9)
    }

    pub fn format(&self) -> Format {
        match &self.0 {
            Repr::Small { format, .. } => *format,
            Repr::Rare(rare) => rare.format,
        }
    }

    /// The shortest text without a fraction, whatever the input looked like.
    pub fn canonical(&self) -> String {
        format::canonical(self)
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        match &self.0 {
            Repr::Small { mantissa, .. } => mantissa.signum() as i32,
            Repr::Rare(rare) => rare.amount.sign(),
        }
    }

    pub fn is_zero(&self) -> bool {
        self.sign() == 0
    }

    /// The sum, in the notation of the first summand that is not zero.
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format() } else { self.format() };
        if let Some((mantissa, scale)) = self.small_sum(other) {
            return Self(Repr::Small { mantissa, scale, format });
        }
        Self::of(self.decimal().add(&other.decimal()), format)
    }

    /// The difference, in the notation of the first operand that is not zero.
    pub fn sub(&self, other: &Self) -> Self {
        let format = if self.is_zero() { other.format() } else { self.format() };
        Self::of(self.decimal().add(&other.decimal().negated()), format)
    }

    fn of(amount: Decimal, format: Format) -> Self {
        match (i64::try_from(&amount.mantissa), i32::try_from(amount.scale)) {
            (Ok(mantissa), Ok(scale)) => Self(Repr::Small { mantissa, scale, format }),
            _ => Self(Repr::Rare(Box::new(Rare { amount, format, written: None }))),
        }
    }

    /// The same amount that remembers how it was written.
    fn written_as(self, text: &str) -> Self {
        let (amount, format) = (self.decimal(), self.format());
        Self(Repr::Rare(Box::new(Rare { amount, format, written: Some(text.into()) })))
    }

    fn decimal(&self) -> Decimal {
        match &self.0 {
            Repr::Small { mantissa, scale, .. } => {
                Decimal { mantissa: BigInt::from(*mantissa), scale: i64::from(*scale) }
            }
            Repr::Rare(rare) => rare.amount.clone(),
        }
    }

    /// The sum of two usual amounts, if it is one too.
    fn small_sum(&self, other: &Self) -> Option<(i64, i32)> {
        let (one, two, scale) = self.aligned(other)?;
        Some((i64::try_from(one + two).ok()?, scale))
    }

    /// The mantissas of two usual amounts at the smaller of their scales.
    fn aligned(&self, other: &Self) -> Option<(i128, i128, i32)> {
        let (
            Repr::Small { mantissa: one, scale: one_scale, .. },
            Repr::Small { mantissa: two, scale: two_scale, .. },
        ) = (&self.0, &other.0)
        else {
            return None;
        };
        let scale = *one_scale.min(two_scale);
        let at_scale = |mantissa: i64, own: i32| {
            let places = own.checked_sub(scale).filter(|places| *places <= 18)?;
            Some(i128::from(mantissa) * 10_i128.pow(places.unsigned_abs()))
        };
        Some((at_scale(*one, *one_scale)?, at_scale(*two, *two_scale)?, scale))
    }

    fn scaled(&self, scale: i32) -> i64 {
        match &self.0 {
            Repr::Small { mantissa, scale: own, .. } => {
                decimal::scaled_small(*mantissa, i64::from(*own) - i64::from(scale))
            }
            Repr::Rare(rare) => rare.amount.scaled(i64::from(scale)),
        }
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::from_units(0)
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(other) {
            Some((one, two, _)) => one.cmp(&two),
            None => self.decimal().compare(&other.decimal()),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Quantities are equal when their amounts are, however they are written.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

/// The input where it counts as canonical, else the canonical form.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Rare(rare) if rare.written.is_some() => {
                f.pad(rare.written.as_deref().unwrap_or_default())
            }
            _ => f.pad(&self.canonical()),
        }
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format::Lossless(self))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
        let trimmed = text.trim();
        Quantity::parse(trimmed)
            .map_err(|error| E::custom(format_args!("{}: {error}", quoted(trimmed))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity::from_units(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Quantity, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_unit<E>(self) -> Result<Quantity, E> {
        Ok(Quantity::default())
    }

    fn visit_none<E>(self) -> Result<Quantity, E> {
        Ok(Quantity::default())
    }
}
