//! Reading quantities from text.

use num_bigint::BigInt;

use super::decimal::Decimal;
use super::{DIGITS_MAX, Format, Quantity, QuantityError, Repr};

/// Decimal digits that always fit into 64 bits.
const SMALL_DIGITS_MAX: usize = 18;
/// The smallest power of ten that a quantity keeps.
const NANO: i64 = -9;

/// A text cut into its parts. `integer` has no leading zeros; `number` is everything before the
/// suffix, sign and leading zeros included.
struct Parts<'a> {
    negative: bool,
    number: &'a str,
    integer: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

enum Suffix {
    /// 10^exponent.
    Decimal(i32, Format),
    /// 2^exponent.
    Binary(u32),
}

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Form);
    }
    let parts = split(text)?;
    if parts.integer.len() + parts.fraction.len() > DIGITS_MAX {
        return long(&parts);
    }
    match interpret(parts.suffix).ok_or(QuantityError::Suffix)? {
        Suffix::Decimal(exponent, format) => decimal(text, &parts, exponent, format),
        Suffix::Binary(exponent) => binary(text, &parts, exponent),
    }
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let significant = unsigned.trim_start_matches('0');
    let (integer, rest) = split_digits(significant);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let exponent = letters.strip_prefix(['+', '-']).unwrap_or(letters);
    if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Form);
    }
    // A text of nothing but a sign and zeros is zero, even without a single zero.
    let number = match significant {
        "" => "0",
        _ => text.get(..text.len() - suffix.len()).unwrap_or_default(),
    };
    Ok(Parts { negative: text.starts_with('-'), number, integer, fraction, suffix })
}

fn split_digits(text: &str) -> (&str, &str) {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text.split_at(text.len() - rest.len())
}

fn interpret(suffix: &str) -> Option<Suffix> {
    Some(match suffix {
        "" => Suffix::Decimal(0, Format::DecimalSI),
        "n" => Suffix::Decimal(-9, Format::DecimalSI),
        "u" => Suffix::Decimal(-6, Format::DecimalSI),
        "m" => Suffix::Decimal(-3, Format::DecimalSI),
        "k" => Suffix::Decimal(3, Format::DecimalSI),
        "M" => Suffix::Decimal(6, Format::DecimalSI),
        "G" => Suffix::Decimal(9, Format::DecimalSI),
        "T" => Suffix::Decimal(12, Format::DecimalSI),
        "P" => Suffix::Decimal(15, Format::DecimalSI),
        "E" => Suffix::Decimal(18, Format::DecimalSI),
        "Ki" => Suffix::Binary(10),
        "Mi" => Suffix::Binary(20),
        "Gi" => Suffix::Binary(30),
        "Ti" => Suffix::Binary(40),
        "Pi" => Suffix::Binary(50),
        "Ei" => Suffix::Binary(60),
        _ => {
            let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            // Upstream keeps the low 32 bits, and so must whoever wants the same number.
            Suffix::Decimal(exponent as i32, Format::DecimalExponent)
        }
    })
}

fn decimal(
    text: &str,
    parts: &Parts<'_>,
    exponent: i32,
    format: Format,
) -> Result<Quantity, QuantityError> {
    let places = i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
    let scale = i64::from(exponent).saturating_sub(places);
    let digits = parts.integer.len().max(1) + parts.fraction.len();
    if digits <= SMALL_DIGITS_MAX && scale >= NANO {
        let unsigned = small_number(parts.integer, parts.fraction);
        let quantity = small(parts.negative, unsigned, scale as i32, format);
        let counts_as_canonical =
            scale % 3 == 0 && unsigned % 1000 != 0 && !parts.integer.is_empty();
        return Ok(if counts_as_canonical { remember(quantity, text, parts) } else { quantity });
    }
    let amount = Decimal { mantissa: big_number(parts.number)?, scale };
    Ok(Quantity::of(amount.rounded(NANO), format))
}

fn binary(text: &str, parts: &Parts<'_>, exponent: u32) -> Result<Quantity, QuantityError> {
    // Upstream's estimate of how many digits still fit when multiplied by 2^exponent.
    let digits_max = 14_usize.saturating_sub(exponent as usize * 3 / 10);
    let digits = parts.integer.len().max(1);
    if parts.fraction.is_empty() && digits <= digits_max {
        let unsigned = small_number(parts.integer, "");
        if let Some(product) = unsigned.checked_mul(1_i64 << exponent) {
            let quantity = small(parts.negative, product, 0, Format::BinarySI);
            let counts_as_canonical = unsigned % 8 != 0;
            return Ok(if counts_as_canonical {
                remember(quantity, text, parts)
            } else {
                quantity
            });
        }
    }
    let places = i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
    let mantissa = big_number(parts.number)? << exponent;
    let amount = Decimal { mantissa, scale: places.saturating_neg() }.rounded(NANO);
    Ok(capped(amount, parts.negative))
}

/// Binary amounts end at 64 bits, and fractions of one are decimals from here on.
fn capped(amount: Decimal, negative: bool) -> Quantity {
    let limit = i64::MAX;
    let magnitude = if negative { amount.clone().negated() } else { amount.clone() };
    let whole = |units: i64| Decimal { mantissa: BigInt::from(units), scale: 0 };
    if magnitude.compare(&whole(limit)).is_gt() {
        return small(negative, limit, 0, Format::BinarySI);
    }
    let below_one = magnitude.sign() > 0 && magnitude.compare(&whole(1)).is_lt();
    Quantity::of(amount, if below_one { Format::DecimalSI } else { Format::BinarySI })
}

/// A number of more digits than are read: what the first ones say, and a last one if anything
/// follows, so that it is rounded alike.
fn long(parts: &Parts<'_>) -> Result<Quantity, QuantityError> {
    let whole = i64::try_from(parts.integer.len()).unwrap_or(i64::MAX);
    let all = parts.integer.bytes().chain(parts.fraction.bytes());
    // Zeros right behind the point say nothing either where none stand before it.
    let zeros = if parts.integer.is_empty() { leading_zeros(parts.fraction) } else { 0 };
    let mut digits: String = all.clone().skip(zeros).take(DIGITS_MAX).map(char::from).collect();
    if all.skip(zeros + DIGITS_MAX).any(|digit| digit != b'0') {
        digits.push('1');
    }
    let read = i64::try_from(zeros + digits.len()).unwrap_or(i64::MAX);
    let mut mantissa = if digits.is_empty() { BigInt::ZERO } else { big_number(&digits)? };
    if parts.negative {
        mantissa = -mantissa;
    }
    let scale = whole.saturating_sub(read);
    Ok(match interpret(parts.suffix).ok_or(QuantityError::Suffix)? {
        Suffix::Decimal(exponent, format) => {
            let scale = scale.saturating_add(exponent.into());
            Quantity::of(Decimal { mantissa, scale }.rounded(NANO), format)
        }
        Suffix::Binary(exponent) => {
            let amount = Decimal { mantissa: mantissa << exponent, scale };
            capped(amount.rounded(NANO), parts.negative)
        }
    })
}

fn leading_zeros(digits: &str) -> usize {
    digits.len() - digits.trim_start_matches('0').len()
}

fn small(negative: bool, unsigned: i64, scale: i32, format: Format) -> Quantity {
    let mantissa = if negative { -unsigned } else { unsigned };
    Quantity(Repr::Small { mantissa, scale, format })
}

/// Keeps the text where printing would not give it back anyway.
fn remember(quantity: Quantity, text: &str, parts: &Parts<'_>) -> Quantity {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.starts_with(['+', '0']) && !parts.number.contains('.');
    let named_suffix = parts.suffix.bytes().all(|byte| byte.is_ascii_alphabetic());
    if (plain && named_suffix) || quantity.canonical() == text {
        quantity
    } else {
        quantity.written_as(text)
    }
}

/// The digits of both parts as one number; callers make sure that it fits.
fn small_number(integer: &str, fraction: &str) -> i64 {
    let digits = integer.bytes().chain(fraction.bytes());
    digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit.saturating_sub(b'0')))
    })
}

/// The digits of a number of any length, sign included and decimal point left out.
fn big_number(number: &str) -> Result<BigInt, QuantityError> {
    let digits: String = number.chars().filter(|c| !matches!(c, '.' | '+')).collect();
    digits.parse().map_err(|_| QuantityError::Number)
}
