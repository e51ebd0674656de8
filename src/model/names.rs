//! Which texts are names and label values in Kubernetes.

/// The longest name part of a label key, and the longest label value.
const LABEL_LENGTH_MAX: usize = 63;
/// The longest DNS subdomain (RFC 1123).
const SUBDOMAIN_LENGTH_MAX: usize = 253;

/// Whether the text is a label key: a name, or a DNS subdomain, a slash and a name.
pub fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_label_name(key),
        Some((prefix, name)) => is_dns_subdomain(prefix) && is_label_name(name),
    }
}

pub(super) fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_label_name(value)
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_label_name(name: &str) -> bool {
    name.len() <= LABEL_LENGTH_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && begins_and_ends_alphanumeric(name)
}

/// Whether the text may name an object of most kinds.
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_LENGTH_MAX
        && text.split('.').all(|label| {
            label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && begins_and_ends_alphanumeric(label)
        })
}

fn begins_and_ends_alphanumeric(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_have_an_optional_domain_and_a_name() {
        let longest = "a".repeat(63);
        let check = |key: &str, expected: bool| assert_eq!(is_label_key(key), expected, "{key}");
        check("app", true);
        check("App_1.x", true);
        check("example.com/App", true);
        check(&format!("a.b/{longest}"), true);
        check(&format!("{}.b/x", "a".repeat(251)), true);
        check("", false);
        check("/x", false);
        check("x/", false);
        check("a/b/c", false);
        check("Example.com/x", false);
        check("a..b/x", false);
        check("-a/x", false);
        check("a_b/x", false);
        check("-x", false);
        check("x.", false);
        check("ä", false);
        check(&format!("{longest}a"), false);
        check(&format!("{}.b/x", "a".repeat(252)), false);
    }

    #[test]
    fn label_values_may_be_empty() {
        let check = |text: &str, expected: bool| assert_eq!(is_label_value(text), expected);
        check("", true);
        check("a-B_c.9", true);
        check(&"v".repeat(63), true);
        check(&"v".repeat(64), false);
        check("a/b", false);
        check("-1", false);
        check("b@d", false);
    }
}
