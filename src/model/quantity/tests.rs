//! Quantities against upstream's answers and against plain arithmetic.

use proptest::prelude::*;

use super::*;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn quantities_are_parsed_and_printed_as_upstream_does() {
    let check = |text: &str, canonical: &str, printed: &str| {
        let quantity = quantity(text);
        assert_eq!(quantity.canonical(), canonical, "canonical form of {text}");
        assert_eq!(quantity.to_string(), printed, "{text} as printed");
    };
    check("0", "0", "0");
    check("1500m", "1500m", "1500m");
    check("1.5", "1500m", "1500m");
    check("1000k", "1M", "1M");
    check("12e4", "120e3", "120e3");
    check("-3000", "-3k", "-3k");
    check("1.5Gi", "1536Mi", "1536Mi");
    check("0.5Ki", "512", "512");
    check("0.3Ki", "307200m", "307200m");
    check("2048Ki", "2Mi", "2Mi");
    check("12345678901234567890", "12345678901234567890", "12345678901234567890");
    // The input counts as canonical, however it looks.
    check("+5", "5", "+5");
    check("05", "5", "05");
    check("5.", "5", "5.");
    check("1.500", "1500m", "1.500");
    check("100E3", "100e3", "100E3");
    check("1.Ki", "1Ki", "1.Ki");
    check("+1000", "1k", "1k");
    check("+8Ki", "8Ki", "8Ki");
    // Upstream reads zero where there are no digits.
    check(".", "0", "0");
    check("-", "0", "0");
    check("m", "0", "0");
    check("Mi", "0", "0");
    // Upstream has no suffix for 10^21 and prints none.
    check("1000000000000000000000", "1", "1");
}

#[test]
fn amounts_end_at_a_billionth_and_binary_ones_at_64_bits() {
    let check = |text: &str, canonical: &str, format: Format| {
        let quantity = quantity(text);
        assert_eq!(quantity.canonical(), canonical, "{text}");
        assert_eq!(quantity.format(), format, "{text}");
    };
    check("0.1n", "1n", Format::DecimalSI);
    check("-0.1n", "-1n", Format::DecimalSI);
    check("1.0000000001", "1000000001n", Format::DecimalSI);
    check("1e-400", "1e-9", Format::DecimalExponent);
    check("8Ei", "9223372036854775807", Format::BinarySI);
    check("-8Ei", "-9223372036854775807", Format::BinarySI);
    check("0.0001Ki", "102400u", Format::DecimalSI);
    check("9E", "9E", Format::DecimalSI);
    check("1e4294967299", "1e3", Format::DecimalExponent);
}

#[test]
fn what_is_no_quantity_is_refused() {
    let check = |text: &str, expected: QuantityError| {
        assert_eq!(Quantity::parse(text).err(), Some(expected), "{text:?}");
    };
    check("", QuantityError::Form);
    check(" 1", QuantityError::Form);
    check("1 ", QuantityError::Form);
    check("1x", QuantityError::Form);
    check("1e1.5", QuantityError::Form);
    check("1..5", QuantityError::Form);
    check("１", QuantityError::Form);
    check("1K", QuantityError::Suffix);
    check("1mi", QuantityError::Suffix);
    check("1e", QuantityError::Suffix);
    check("1ee3", QuantityError::Suffix);
    check("+-1", QuantityError::Suffix);
    check("1e99999999999999999999", QuantityError::Suffix);
    check("Ei", QuantityError::Number);
    check("-.Pi", QuantityError::Number);
}

#[test]
fn values_are_rounded_away_from_zero_and_saturate() {
    let check = |text: &str, value: i64, milli: i64, nano: i64| {
        let quantity = quantity(text);
        let actual = (quantity.value(), quantity.milli_value(), quantity.nano_value());
        assert_eq!(actual, (value, milli, nano), "{text}");
    };
    check("1500m", 2, 1500, 1_500_000_000);
    check("-1500m", -2, -1500, -1_500_000_000);
    check("1n", 1, 1, 1);
    check("-1n", -1, -1, -1);
    check("2.0", 2, 2000, 2_000_000_000);
    check("1Gi", 1 << 30, 1000 << 30, 1_000_000_000 << 30);
    check("9223372036854775807", i64::MAX, i64::MAX, i64::MAX);
    check("-4Ei", -(4 << 60), i64::MIN, i64::MIN);
    check("1e2000000000", i64::MAX, i64::MAX, i64::MAX);
    check("-1e30", i64::MIN, i64::MIN, i64::MIN);
    check("0e2000000000", 0, 0, 0);
    check("1234567890123456789.123456789", 1_234_567_890_123_456_790, i64::MAX, i64::MAX);
}

#[test]
fn sums_keep_the_notation_of_the_first_amount_that_is_not_zero() {
    let check = |one: &str, other: &str, sum: &str, difference: &str| {
        let (one, other) = (quantity(one), quantity(other));
        assert_eq!(one.add(&other).to_string(), sum, "{one} + {other}");
        assert_eq!(one.sub(&other).to_string(), difference, "{one} - {other}");
    };
    check("1", "500m", "1500m", "500m");
    check("0", "1Ki", "1Ki", "-1Ki");
    check("1Ki", "1k", "2024", "24");
    check("1k", "1Ki", "2024", "-24");
    check("+5", "0", "5", "5");
    check("9223372036854775807", "1", "9223372036854775808", "9223372036854775806");
    check("1e30", "1", "1000000000000000000000000000001", "999999999999999999999999999999");
    check("1Gi", "1Gi", "2Gi", "0");
}

#[test]
fn of_a_number_of_any_length_the_first_digits_count() {
    let many = |digit: &str| digit.repeat(1_000_000);
    let check = |text: &str, value: i64, nano: i64| {
        let quantity = quantity(text);
        assert_eq!((quantity.value(), quantity.nano_value()), (value, nano), "{text:.20}");
    };
    check(&many("9"), i64::MAX, i64::MAX);
    check(&format!("{}12", many("0")), 12, 12_000_000_000);
    check(&format!("12.{}1", many("0")), 13, 12_000_000_001);
    check(&format!("12.{}", many("0")), 12, 12_000_000_000);
    check(&format!("-0.5{}", many("0")), -1, -500_000_000);
    check(&format!("{}e-999999", many("7")), 8, 7_777_777_778);
    check(&format!("0.{}1", many("0")), 1, 1);
    check(&format!(".{}Ki", many("0")), 0, 0);
    // Binary amounts end at 64 bits.
    check(&format!("{}Ki", many("9")), i64::MAX, i64::MAX);
    assert_eq!(Quantity::parse(&format!("{}x", many("1"))).err(), Some(QuantityError::Form));
}

#[test]
fn exponents_of_any_size_cost_next_to_nothing() {
    let huge = quantity("1e2000000000");
    assert_eq!(huge.canonical(), "100e1999999998");
    assert!(huge > quantity("9E"));
    assert!(quantity("-1e2000000000") < quantity("-9E"));
    assert_eq!(huge.add(&quantity("1")), huge);
    assert_eq!(quantity("1").sub(&huge), quantity("-1e2000000000"));
    assert_eq!(quantity("1Ki").add(&huge).canonical(), "100e1999999998");
    assert_eq!(quantity("1234567890123456789012e-2000000000"), quantity("1n"));
}

#[test]
fn quantities_are_read_from_texts_numbers_and_null() {
    let check = |json: &str, expected: &str| {
        let quantity: Quantity = serde_json::from_str(json).unwrap();
        assert_eq!(quantity.to_string(), expected, "{json}");
    };
    check(r#""100m""#, "100m");
    check(r#"" 1Gi ""#, "1Gi");
    check("2", "2");
    check("-2", "-2");
    check("18446744073709551615", "18446744073709551615");
    check("0.5", "500m");
    check("null", "0");
    let refused = serde_json::from_str::<Quantity>(r#""1Zi""#).unwrap_err();
    assert!(refused.to_string().contains(r#""1Zi""#), "{refused}");
    assert!(serde_json::from_str::<Quantity>("true").is_err());

    let from_yaml: Vec<Quantity> = serde_saphyr::from_str("[100m, 2, 0.5, '3']").unwrap();
    assert_eq!(from_yaml, ["100m", "2", "500m", "3"].map(quantity));
}

#[test]
fn quantities_are_written_as_printed_or_else_without_loss() {
    let check = |text: &str, expected: &str| {
        let written = serde_json::to_value(quantity(text)).unwrap();
        assert_eq!(written, expected, "{text}");
    };
    check("1.5", "1500m");
    check("+5", "+5");
    check("1000E", "1e21");
    check("-2500000000000000000000", "-2500E");
}

#[test]
fn a_usual_quantity_takes_16_bytes() {
    assert_eq!(size_of::<Quantity>(), 16);
    for text in ["100m", "1.5", "64Gi", "250e-3", "-7k"] {
        assert!(matches!(quantity(text).0, Repr::Small { .. }), "{text}");
    }
}

/// Texts of quantities in all notations, with more digits than 64 bits hold.
fn texts() -> impl Strategy<Value = String> {
    "[+-]?(0{0,2}[0-9]{1,25}\\.?|[0-9]{0,20}\\.[0-9]{1,15})\
     (|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})"
}

/// A decimal amount below 10^24 as text and in billionths.
fn amounts() -> impl Strategy<Value = (Quantity, i128)> {
    let suffixes = [("n", 0), ("u", 3), ("m", 6), ("", 9), ("k", 12), ("M", 15)];
    (any::<i32>(), 0_u32..4, 0_usize..6).prop_map(move |(mantissa, zeros, suffix)| {
        let (suffix, places) = suffixes[suffix];
        let text = format!("{mantissa}{}{suffix}", "0".repeat(zeros as usize));
        (quantity(&text), i128::from(mantissa) * 10_i128.pow(places + zeros))
    })
}

proptest! {
    #[test]
    fn any_text_is_a_quantity_or_an_error(text in "\\PC*") {
        let _ = Quantity::parse(&text).map(|quantity| (quantity.value(), quantity.canonical()));
    }

    #[test]
    fn what_is_written_reads_as_the_same_amount(text in texts()) {
        let quantity = quantity(&text);
        let written = serde_json::to_string(&quantity).unwrap();
        let read: Quantity = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &quantity, "written as {}", written);
        if quantity < Quantity::parse("1000E").unwrap() {
            let canonical = Quantity::parse(&quantity.canonical()).unwrap();
            prop_assert_eq!(&canonical, &quantity);
            prop_assert_eq!(canonical.canonical(), quantity.canonical());
        }
    }

    #[test]
    fn adding_and_comparing_agree_with_whole_billionths(
        (one, one_nano) in amounts(),
        (two, two_nano) in amounts(),
    ) {
        let nano = |number: i128| quantity(&format!("{number}n"));
        prop_assert_eq!(one.cmp(&two), one_nano.cmp(&two_nano));
        prop_assert_eq!(one.add(&two), nano(one_nano + two_nano));
        prop_assert_eq!(one.sub(&two), nano(one_nano - two_nano));
        prop_assert_eq!(i128::from(one.sign()), one_nano.signum());
    }

    #[test]
    fn values_agree_with_whole_billionths((quantity, nano) in amounts()) {
        let rounded = |unit: i128| {
            let away = nano / unit + if nano % unit == 0 { 0 } else { nano.signum() };
            away.clamp(i64::MIN.into(), i64::MAX.into()) as i64
        };
        prop_assert_eq!(quantity.value(), rounded(1_000_000_000));
        prop_assert_eq!(quantity.milli_value(), rounded(1_000_000));
        prop_assert_eq!(quantity.nano_value(), rounded(1));
    }

    #[test]
    fn the_order_is_total(one in texts(), two in texts(), three in texts()) {
        let mut all = [one, two, three].map(|text| quantity(&text));
        all.sort();
        let [low, middle, high] = &all;
        prop_assert!(low <= middle && middle <= high && low <= high);
        prop_assert!(high.sub(low).sign() >= 0);
        prop_assert_eq!(&middle.sub(low).add(low), middle);
    }
}
