//! How much a spec may ask to be worked out. No sane pod comes near; one that does not care would
//! hold up everybody else. Whoever asks for more stays unscheduled, with a reason that names the
//! field.
//!
//! kube-scheduler has no such limits. They are chosen so that one decision over 1,000 nodes and
//! 10,000 pods should stay within 50 ms, if a condition on labels takes 20 ns where it is checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{self, PodAffinity, PodAffinityTerm};
use crate::model::{LabelSelector, NodeSelectorTerm};

/// Terms of pod affinity and anti-affinity, required and preferred together.
pub const POD_TERMS_MAX: usize = 128;
/// Conditions on the labels of pods and namespaces, in pod affinity and spread constraints
/// together. Each may have to be checked on every pod of the cluster.
pub const POD_CONDITIONS_MAX: usize = 256;
/// Spread constraints. Each counts all domains of its key.
pub const SPREAD_CONSTRAINTS_MAX: usize = 32;
/// Terms of node affinity and the conditions in them. Each may have to be checked on every node.
pub const NODE_CONDITIONS_MAX: usize = 1024;
/// Tolerations. Each may have to be held against every taint.
pub const TOLERATIONS_MAX: usize = 1024;
/// Different resources that the containers ask for. Each is a column over all nodes.
pub const RESOURCES_MAX: usize = 256;

/// What a spec has too much of: the field, how much it is, of what, and how much may be.
struct Excess {
    field: &'static str,
    count: usize,
    of: &'static str,
    max: usize,
}

/// What the spec has too much of first, if it has.
pub(super) fn excess(spec: &api::PodSpec) -> Option<String> {
    let counts = counts(spec);
    let excess = counts.into_iter().find(|count| count.count > count.max)?;
    let Excess { field, count, of, max } = excess;
    Some(format!("{field}: {count} {of}; at most {max} are supported"))
}

fn counts(spec: &api::PodSpec) -> [Excess; 9] {
    let of = |field, count, of, max| Excess { field, count, of, max };
    let affinity = spec.affinity.as_ref();
    let towards = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let away = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let spread = &spec.topology_spread_constraints;
    let (near, far) = (pod_conditions(towards), pod_conditions(away));
    let spread_conditions: usize = spread
        .iter()
        .map(|one| conditions(one.label_selector.as_ref()) + one.match_label_keys.len())
        .sum();
    let (terms, max) = (pod_terms(towards), POD_CONDITIONS_MAX);
    [
        of("spec.affinity.podAffinity", terms, "terms", POD_TERMS_MAX),
        of("spec.affinity.podAntiAffinity", terms + pod_terms(away), "terms", POD_TERMS_MAX),
        of("spec.affinity.podAffinity", near, "conditions", max),
        of("spec.affinity.podAntiAffinity", near + far, "conditions", max),
        of("spec.topologySpreadConstraints", spread.len(), "constraints", SPREAD_CONSTRAINTS_MAX),
        of("spec.topologySpreadConstraints", near + far + spread_conditions, "conditions", max),
        of(
            "spec.affinity.nodeAffinity",
            node_conditions(affinity),
            "conditions",
            NODE_CONDITIONS_MAX,
        ),
        of("spec.tolerations", spec.tolerations.len(), "tolerations", TOLERATIONS_MAX),
        of("spec.containers", resources(spec), "different resources", RESOURCES_MAX),
    ]
}

fn pod_terms(affinity: Option<&PodAffinity>) -> usize {
    affinity.map_or(0, |affinity| affinity.required.len() + affinity.preferred.len())
}

fn pod_conditions(affinity: Option<&PodAffinity>) -> usize {
    let Some(PodAffinity { required, preferred }) = affinity else {
        return 0;
    };
    let wished = preferred.iter().map(|weighted| &weighted.pod_affinity_term);
    required.iter().chain(wished).map(term_conditions).sum()
}

fn term_conditions(term: &PodAffinityTerm) -> usize {
    conditions(term.label_selector.as_ref())
        + conditions(term.namespace_selector.as_ref())
        + term.match_label_keys.len()
        + term.mismatch_label_keys.len()
}

fn conditions(selector: Option<&LabelSelector>) -> usize {
    selector.map_or(0, |one| one.match_labels.len() + one.match_expressions.len())
}

fn node_conditions(affinity: Option<&api::Affinity>) -> usize {
    let Some(affinity) = affinity.and_then(|affinity| affinity.node_affinity.as_ref()) else {
        return 0;
    };
    let required = affinity.required.iter().flat_map(|selector| &selector.node_selector_terms);
    let preferred = affinity.preferred.iter().map(|weighted| &weighted.preference);
    let of = |term: &NodeSelectorTerm| 1 + term.match_expressions.len() + term.match_fields.len();
    required.chain(preferred).map(of).sum()
}

fn resources(spec: &api::PodSpec) -> usize {
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let asked = containers.map(|container| &container.resources.requests);
    // Of usual pods nothing needs to be compared.
    if asked.clone().map(BTreeMap::len).sum::<usize>() <= RESOURCES_MAX {
        return 0;
    }
    asked.flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{PodBuilder, pod};

    fn repeated(count: usize, change: impl Fn(PodBuilder, &str) -> PodBuilder) -> api::PodSpec {
        (0..count).fold(pod("p"), |pod, number| change(pod, &format!("k{number}"))).build().spec
    }

    #[test]
    fn as_much_as_a_limit_is_fine_and_one_more_names_the_field() {
        type Change = fn(PodBuilder, &str) -> PodBuilder;
        let check = |max: usize, change: Change, expected: &str| {
            assert_eq!(excess(&repeated(max, change)), None, "{expected}");
            let more = excess(&repeated(max + 1, change));
            let expected = expected.replace("MORE", &(max + 1).to_string());
            assert_eq!(more, Some(expected.replace("MAX", &max.to_string())));
        };
        check(
            POD_TERMS_MAX,
            |pod, key| pod.affinity(key, &[("app", key)]),
            "spec.affinity.podAffinity: MORE terms; at most MAX are supported",
        );
        check(
            POD_TERMS_MAX,
            |pod, key| pod.preferred_anti_affinity(1, key, &[("app", key)]),
            "spec.affinity.podAntiAffinity: MORE terms; at most MAX are supported",
        );
        check(
            SPREAD_CONSTRAINTS_MAX,
            |pod, key| pod.spread(1, key, "DoNotSchedule", &[]),
            "spec.topologySpreadConstraints: MORE constraints; at most MAX are supported",
        );
        check(
            TOLERATIONS_MAX,
            |pod, key| pod.toleration(key, "Exists", "", ""),
            "spec.tolerations: MORE tolerations; at most MAX are supported",
        );
        check(
            RESOURCES_MAX,
            |pod, key| pod.requests(&[(format!("a.b/{key}").as_str(), "1")]),
            "spec.containers: MORE different resources; at most MAX are supported",
        );
    }
}
