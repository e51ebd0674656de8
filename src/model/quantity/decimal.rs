//! Exact decimal arithmetic without limits on digits, and with limits on the work it makes.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

/// Numbers whose exponents are further apart than this are not lined up digit by digit: the
/// smaller is lost in the larger. A text of a few bytes (`1e2000000000`) may not cost gigabytes.
const ALIGNMENT_MAX: i64 = 4096;

/// `mantissa` × 10^`scale`.
#[derive(Clone)]
pub(super) struct Decimal {
    pub(super) mantissa: BigInt,
    pub(super) scale: i64,
}

impl Decimal {
    pub(super) fn sign(&self) -> i32 {
        match self.mantissa.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    pub(super) fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, scale: self.scale }
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        if other.sign() == 0 {
            return self.clone();
        }
        if self.sign() == 0 {
            return other.clone();
        }
        let (high, low) = if self.scale > other.scale { (self, other) } else { (other, self) };
        let distance = high.scale - low.scale;
        if distance > ALIGNMENT_MAX {
            let larger = if high.compare_magnitude(low).is_ge() { high } else { low };
            return larger.clone();
        }
        Self { mantissa: &high.mantissa * power_of_ten(distance) + &low.mantissa, scale: low.scale }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let signs = self.sign().cmp(&other.sign());
        match (signs, self.sign()) {
            (Ordering::Equal, 0) => Ordering::Equal,
            (Ordering::Equal, 1) => self.compare_magnitude(other),
            (Ordering::Equal, _) => other.compare_magnitude(self),
            (unequal, _) => unequal,
        }
    }

    /// In units of 10^`scale`, rounded away from zero, at most what 64 bits hold.
    pub(super) fn scaled(&self, scale: i64) -> i64 {
        let shift = self.scale - scale;
        if let Ok(mantissa) = i64::try_from(&self.mantissa) {
            return scaled_small(mantissa, shift);
        }
        let limit = if self.sign() < 0 { i64::MIN } else { i64::MAX };
        if shift >= 0 {
            return limit;
        }
        i64::try_from(rounded_away(&self.mantissa, -shift)).unwrap_or(limit)
    }

    /// Without the digits below 10^`scale`, rounded away from zero.
    pub(super) fn rounded(self, scale: i64) -> Self {
        if self.scale >= scale {
            return self;
        }
        let mantissa = rounded_away(&self.mantissa, scale - self.scale);
        Self { mantissa, scale }
    }

    /// The whole number this is, unless it has a fraction or is too long to write out.
    pub(super) fn integer(&self) -> Option<BigInt> {
        if self.scale > ALIGNMENT_MAX {
            return None;
        }
        if self.scale >= 0 {
            return Some(&self.mantissa * power_of_ten(self.scale));
        }
        if digits(&self.mantissa) <= -self.scale {
            return (self.sign() == 0).then(BigInt::default);
        }
        let divisor = power_of_ten(-self.scale);
        let quotient = &self.mantissa / &divisor;
        (&quotient * &divisor == self.mantissa).then_some(quotient)
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        // The position of the leading digit decides most comparisons and bounds the others.
        let leading = |one: &Self| digits(&one.mantissa) + one.scale;
        leading(self).cmp(&leading(other)).then_with(|| {
            let low = self.scale.min(other.scale);
            let aligned =
                |one: &Self| one.mantissa.magnitude() * power_of_ten(one.scale - low).magnitude();
            aligned(self).cmp(&aligned(other))
        })
    }
}

/// `mantissa` × 10^`shift`, rounded away from zero, at most what 64 bits hold.
pub(super) fn scaled_small(mantissa: i64, shift: i64) -> i64 {
    let limit = if mantissa < 0 { i64::MIN } else { i64::MAX };
    let power = |exponent: i64| u32::try_from(exponent).ok().and_then(|e| 10_i64.checked_pow(e));
    match mantissa {
        0 => 0,
        _ if shift >= 0 => power(shift).map_or(limit, |factor| mantissa.saturating_mul(factor)),
        _ => match power(-shift) {
            Some(divisor) if mantissa % divisor == 0 => mantissa / divisor,
            Some(divisor) => mantissa / divisor + mantissa.signum(),
            None => mantissa.signum(),
        },
    }
}

/// The number without its last `places` digits, rounded away from zero.
fn rounded_away(number: &BigInt, places: i64) -> BigInt {
    let one = BigInt::from(match number.sign() {
        Sign::Minus => -1,
        Sign::NoSign => return BigInt::default(),
        Sign::Plus => 1,
    });
    if digits(number) <= places {
        return one;
    }
    let divisor = power_of_ten(places);
    let quotient = number / &divisor;
    if &quotient * &divisor == *number { quotient } else { quotient + one }
}

/// The number of decimal digits; 1 for zero.
fn digits(number: &BigInt) -> i64 {
    if number.bits() < 64 {
        let magnitude = number.iter_u64_digits().next().unwrap_or(0);
        return i64::from(magnitude.checked_ilog10().unwrap_or(0)) + 1;
    }
    i64::try_from(number.magnitude().to_string().len()).unwrap_or(i64::MAX)
}

fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
