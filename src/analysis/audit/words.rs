//! How levels, numbers and rules are called.

use crate::groups::Source;
use crate::model::Str;
use crate::placement::{HOST, RACK, REGION, ZONE};

use super::counted::Counted;

/// How many names a sentence lists before it only counts the rest.
const NAMES_MAX: usize = 4;

/// One domain of a level.
pub(super) fn level(key: &str) -> &str {
    match key {
        HOST => "host",
        RACK => "rack",
        ZONE => "zone",
        REGION => "region",
        other => other,
    }
}

/// So many domains of a level.
pub(super) fn levels(key: &str, count: u32) -> String {
    match (level(key), count) {
        (word, 1) => format!("1 {word}"),
        (word, count) if word == key => format!("{count} domains of {word}"),
        (word, count) => format!("{count} {word}s"),
    }
}

pub(super) fn voters(count: u32) -> String {
    if count == 1 { "1 voter".to_owned() } else { format!("{count} voters") }
}

/// `a, b and c`; of many names the first ones.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a Str>) -> String {
    let names: Vec<&Str> = names.into_iter().collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut shown: Vec<String> = names.iter().take(NAMES_MAX).map(ToString::to_string).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    match shown.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The rule and what it means: `majority: 1 of 3 may be gone`.
pub(super) fn rule(counted: &Counted<'_>) -> String {
    let standing = &counted.standing;
    let guess = if is_guess(counted) { ", a guess" } else { "" };
    let (name, size) = (standing.rule.name(), standing.size);
    format!("{name}{guess}: {} of {size} may be gone", counted.tolerance_full())
}

/// Whether nobody has said by which rule the group counts.
pub(super) fn is_guess(counted: &Counted<'_>) -> bool {
    counted.definition.source == Source::StatefulSet
}
