//! Pod affinity terms in the form in which they are matched.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::matches::Namespaces;
use crate::api;
use crate::model::{Labels, Selector, SelectorError, Str, compile_optional};

/// The namespaces that a term speaks of: the listed ones, and those whose labels match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceScope {
    pub names: Arc<BTreeSet<Str>>,
    pub selector: Selector,
}

/// One pod affinity or anti-affinity term.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AffinityTerm {
    pub scope: NamespaceScope,
    pub selector: Selector,
    pub topology_key: Str,
}

/// A term that is wished for, with its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedTerm {
    pub weight: i64,
    pub term: AffinityTerm,
}

/// All terms of one pod. A pod without any shares one empty value with all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTerms {
    pub required_affinity: Vec<AffinityTerm>,
    pub required_anti_affinity: Vec<AffinityTerm>,
    pub preferred_affinity: Vec<WeightedTerm>,
    pub preferred_anti_affinity: Vec<WeightedTerm>,
    /// Why a list could not be read. Such a list stays empty.
    pub error: Option<Str>,
}

impl NamespaceScope {
    /// Just these namespaces.
    pub fn of_names(names: BTreeSet<Str>) -> Self {
        Self { names: Arc::new(names), selector: Selector::nothing() }
    }

    /// The namespace that is spoken of, if there can be no other.
    pub(super) fn only_namespace(&self) -> Option<&Str> {
        let alone = self.names.len() == 1 && self.selector.is_nothing();
        self.names.first().filter(|_| alone)
    }

    /// Whether this namespace is spoken of. Of one that is not known only its name can be, or all
    /// namespaces together.
    pub fn contains_known(&self, namespace: &Str, known: &Namespaces) -> bool {
        self.names.contains(namespace)
            || self.selector.is_everything()
            || known.get(namespace).is_some_and(|labels| self.selector.matches(labels))
    }

    /// Whether a namespace of this name and labels is spoken of.
    pub fn contains(&self, namespace: &Str, labels: &Labels) -> bool {
        self.names.contains(namespace) || self.selector.matches(labels)
    }
}

impl AffinityTerm {
    fn compile(term: &api::PodAffinityTerm, own_namespace: &Str) -> Result<Self, SelectorError> {
        let mut names: BTreeSet<Str> = term.namespaces.iter().cloned().collect();
        if names.is_empty() && term.namespace_selector.is_none() {
            names.insert(own_namespace.clone());
        }
        let selector = compile_optional(term.label_selector.as_ref())?;
        let namespaces = compile_optional(term.namespace_selector.as_ref())?;
        Ok(Self {
            scope: NamespaceScope { names: Arc::new(names), selector: namespaces },
            selector,
            topology_key: term.topology_key.clone(),
        })
    }

    /// Whether the term speaks of a pod with these labels in this namespace.
    pub fn matches(&self, namespace: &Str, namespace_labels: &Labels, labels: &Labels) -> bool {
        self.scope.contains(namespace, namespace_labels) && self.selector.matches(labels)
    }
}

impl PodTerms {
    pub fn compile(affinity: Option<&api::Affinity>, own_namespace: &Str) -> Self {
        let mut terms = Self::default();
        let Some(affinity) = affinity else {
            return terms;
        };
        let (towards, away) = (&affinity.pod_affinity, &affinity.pod_anti_affinity);
        let mut errors = Vec::new();
        // The names of the lists are those that kube-scheduler gives to them.
        if let Some(towards) = towards {
            let list = required(&towards.required, own_namespace);
            terms.required_affinity = read(list, "requiredAffinityTerms", &mut errors);
        }
        if let Some(away) = away {
            let list = required(&away.required, own_namespace);
            terms.required_anti_affinity = read(list, "requiredAntiAffinityTerms", &mut errors);
        }
        if let Some(towards) = towards {
            let list = preferred(&towards.preferred, own_namespace);
            terms.preferred_affinity = read(list, "preferredAffinityTerms", &mut errors);
        }
        if let Some(away) = away {
            let list = preferred(&away.preferred, own_namespace);
            terms.preferred_anti_affinity = read(list, "preferredAntiAffinityTerms", &mut errors);
        }
        terms.error = match errors.as_slice() {
            [] => None,
            [error] => Some(error.as_str().into()),
            errors => Some(format!("[{}]", errors.join(", ")).into()),
        };
        terms
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn required(
    terms: &[api::PodAffinityTerm],
    own_namespace: &Str,
) -> Result<Vec<AffinityTerm>, SelectorError> {
    let compiled = terms.iter().map(|term| AffinityTerm::compile(term, own_namespace));
    compiled.collect()
}

fn preferred(
    terms: &[api::WeightedPodAffinityTerm],
    own_namespace: &Str,
) -> Result<Vec<WeightedTerm>, SelectorError> {
    let compiled = terms.iter().map(|weighted| {
        Ok(WeightedTerm {
            weight: i64::from(weighted.weight),
            term: AffinityTerm::compile(&weighted.pod_affinity_term, own_namespace)?,
        })
    });
    compiled.collect()
}

/// The list, or none of it and one more error.
fn read<T>(list: Result<Vec<T>, SelectorError>, name: &str, errors: &mut Vec<String>) -> Vec<T> {
    let mut list = list.unwrap_or_else(|error| {
        errors.push(format!("{name}: {error}"));
        Vec::new()
    });
    // Most lists have one term, and stay as long as their pod.
    list.shrink_to_fit();
    list
}
