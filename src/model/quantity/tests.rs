use super::*;

#[test]
fn quantities_are_parsed_and_printed_as_upstream_does() {
    let check = |text: &str, canonical: &str, printed: &str| {
        let quantity = Quantity::parse(text).unwrap();
        assert_eq!(quantity.canonical(), canonical, "canonical form of {text}");
        assert_eq!(quantity.to_string(), printed, "{text} as printed");
    };
    check("0", "0", "0");
    check("1500m", "1500m", "1500m");
    check("1.5", "1500m", "1500m");
    check("1.500", "1500m", "1.500");
    check("+5", "5", "+5");
    check("1.5Gi", "1536Mi", "1536Mi");
    check("1000k", "1M", "1M");
    check("100E3", "100e3", "100E3");
    check("0.1n", "1n", "1n");
    check("-0.1n", "-1n", "-1n");
    check("8Ei", "9223372036854775807", "9223372036854775807");
    check("0.5Ki", "512", "512");
    check("m", "0", "0");
    check("1000000000000000000000", "1", "1");
}
