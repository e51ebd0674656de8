//! Taints of nodes and the tolerations of pods for them.

use serde::{Deserialize, Serialize};

use super::Str;
use super::decode::null_as_default;

pub const NO_SCHEDULE: &str = "NoSchedule";
pub const NO_EXECUTE: &str = "NoExecute";
pub const PREFER_NO_SCHEDULE: &str = "PreferNoSchedule";

/// What keeps pods away from a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    #[serde(deserialize_with = "null_as_default")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_empty")]
    pub value: Str,
    #[serde(deserialize_with = "null_as_default")]
    pub effect: Str,
}

/// What lets a pod onto a node all the same. Empty key and empty effect stand for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_empty")]
    pub key: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_empty")]
    pub operator: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_empty")]
    pub value: Str,
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "is_empty")]
    pub effect: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    /// Whether this toleration covers the taint. The operators Gt and Lt stand behind a gate that
    /// is off upstream, so like all unknown operators they cover nothing.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match &*self.operator {
                "" | "Equal" => self.value == taint.value,
                "Exists" => true,
                _ => false,
            }
    }
}

/// The first taint with an effect that `counts` and that nothing tolerates.
pub fn first_untolerated<'a>(
    taints: &'a [Taint],
    tolerations: &[Toleration],
    counts: impl Fn(&str) -> bool,
) -> Option<&'a Taint> {
    taints.iter().find(|taint| {
        counts(&taint.effect) && !tolerations.iter().any(|toleration| toleration.tolerates(taint))
    })
}

fn is_empty(text: &Str) -> bool {
    text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(text: &str) -> Taint {
        let (key, rest) = text.split_once('=').unwrap();
        let (value, effect) = rest.split_once(':').unwrap();
        Taint { key: key.into(), value: value.into(), effect: effect.into() }
    }

    fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
        Toleration {
            key: key.into(),
            operator: operator.into(),
            value: value.into(),
            effect: effect.into(),
            toleration_seconds: None,
        }
    }

    #[test]
    fn a_toleration_covers_what_it_names_and_empty_means_all() {
        let taint = taint("disk=5:NoSchedule");
        let check = |key, operator, value, effect, expected| {
            let toleration = toleration(key, operator, value, effect);
            assert_eq!(toleration.tolerates(&taint), expected, "{toleration:?}");
        };
        check("disk", "Equal", "5", "NoSchedule", true);
        check("disk", "", "5", "", true);
        check("", "Exists", "", "", true);
        check("", "", "5", "", true);
        check("disk", "Exists", "other", "", true);
        check("disk", "Equal", "6", "", false);
        check("disk", "Exists", "", "NoExecute", false);
        check("gpu", "Exists", "", "", false);
        check("disk", "Gt", "4", "", false);
        check("disk", "Lt", "6", "", false);
        check("disk", "exists", "", "", false);
    }

    #[test]
    fn the_first_taint_without_toleration_is_named() {
        let taints = [taint("a=:PreferNoSchedule"), taint("b=:NoSchedule"), taint("c=:NoExecute")];
        let tolerations = [toleration("b", "Exists", "", "")];
        let hard = |effect: &str| effect != PREFER_NO_SCHEDULE;
        assert_eq!(first_untolerated(&taints, &tolerations, hard), Some(&taints[2]));
        assert_eq!(first_untolerated(&taints, &tolerations, |_| true), Some(&taints[0]));
        assert_eq!(first_untolerated(&taints[..2], &tolerations, hard), None);
    }
}
