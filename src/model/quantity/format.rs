//! Quantities as text.

use std::fmt;

use num_bigint::BigInt;

use super::decimal::Decimal;
use super::{Format, Quantity, Repr};

/// The suffix of 10^(3 × (index - 3)).
const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// The suffix of 1024^index.
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Writes a quantity so that reading it gives the same amount. That is what `Display` does too,
/// except that upstream drops a suffix that does not exist: 10^21 is printed as `1`.
pub(super) struct Lossless<'a>(pub(super) &'a Quantity);

pub(super) fn canonical(quantity: &Quantity) -> String {
    let (number, exponent, format) = mantissa_and_exponent(quantity);
    match format {
        Format::DecimalSI => number + decimal_suffix(exponent).unwrap_or_default(),
        Format::DecimalExponent if exponent == 0 => number,
        Format::DecimalExponent => format!("{number}e{exponent}"),
        Format::BinarySI => number + binary_suffix(exponent).unwrap_or_default(),
    }
}

impl fmt::Display for Lossless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(&self.0.0, Repr::Rare(rare) if rare.written.is_some()) {
            return self.0.fmt(f);
        }
        let (number, exponent, format) = mantissa_and_exponent(self.0);
        match format {
            Format::DecimalSI if decimal_suffix(exponent).is_none() => {
                write!(f, "{number}e{exponent}")
            }
            Format::BinarySI if binary_suffix(exponent).is_none() => {
                let amount = self.0.decimal();
                write!(f, "{}e{}", amount.mantissa, amount.scale)
            }
            _ => f.write_str(&canonical(self.0)),
        }
    }
}

/// The digits, the exponent and the notation that fits the amount. Exponents count thousands in
/// BinarySI (to the base 1024) and single decimal places in the others.
fn mantissa_and_exponent(quantity: &Quantity) -> (String, i64, Format) {
    let amount = quantity.decimal();
    if amount.sign() == 0 {
        return ("0".to_owned(), 0, Format::DecimalExponent);
    }
    if quantity.format() == Format::BinarySI {
        // Amounts below 1Ki and fractions read better as decimals. What is too long to write
        // out can only be written with an exponent.
        return match amount.integer() {
            Some(integer) if *integer.magnitude() >= 1024_u32.into() => in_1024s(integer),
            Some(_) => in_thousands(&amount, Format::DecimalSI),
            None if amount.scale > 0 => in_thousands(&amount, Format::DecimalExponent),
            None => in_thousands(&amount, Format::DecimalSI),
        };
    }
    in_thousands(&amount, quantity.format())
}

/// As few digits as an exponent divisible by three allows.
fn in_thousands(amount: &Decimal, format: Format) -> (String, i64, Format) {
    let written = amount.mantissa.to_string();
    let stripped = written.trim_end_matches('0');
    let zeros = written.len() - stripped.len();
    let exponent = amount.scale.saturating_add(i64::try_from(zeros).unwrap_or(i64::MAX));
    let places = exponent.rem_euclid(3);
    let number = match places {
        0 => stripped.to_owned(),
        1 => format!("{stripped}0"),
        _ => format!("{stripped}00"),
    };
    (number, exponent - places, format)
}

fn in_1024s(mut number: BigInt) -> (String, i64, Format) {
    let mut exponent = 0;
    let base = BigInt::from(1024);
    while &number % &base == BigInt::default() {
        number /= &base;
        exponent += 1;
    }
    (number.to_string(), exponent, Format::BinarySI)
}

fn decimal_suffix(exponent: i64) -> Option<&'static str> {
    let index = usize::try_from(exponent / 3 + 3).ok()?;
    DECIMAL_SUFFIXES.get(index).copied()
}

fn binary_suffix(exponent: i64) -> Option<&'static str> {
    BINARY_SUFFIXES.get(usize::try_from(exponent).ok()?).copied()
}
