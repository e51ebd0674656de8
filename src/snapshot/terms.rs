//! Pod affinity terms in the form in which they are matched.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::matches::Namespaces;
use crate::api;
use crate::model::{LabelSelector, Labels, Selector, SelectorError, Str};

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
        Self {
            names: Arc::new(names),
            selector: Selector::nothing(),
        }
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
            || known
                .get(namespace)
                .is_some_and(|labels| self.selector.matches(labels))
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
        Ok(Self {
            scope: NamespaceScope {
                names: Arc::new(names),
                selector: compile_selector(term.namespace_selector.as_ref())?,
            },
            selector: compile_selector(term.label_selector.as_ref())?,
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
        if let Some(pod_affinity) = &affinity.pod_affinity {
            terms.required_affinity = terms.required(&pod_affinity.required, own_namespace);
            terms.preferred_affinity = terms.preferred(&pod_affinity.preferred, own_namespace);
        }
        if let Some(anti) = &affinity.pod_anti_affinity {
            terms.required_anti_affinity = terms.required(&anti.required, own_namespace);
            terms.preferred_anti_affinity = terms.preferred(&anti.preferred, own_namespace);
        }
        terms
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn required(
        &mut self,
        terms: &[api::PodAffinityTerm],
        own_namespace: &Str,
    ) -> Vec<AffinityTerm> {
        let compiled = terms
            .iter()
            .map(|term| AffinityTerm::compile(term, own_namespace));
        let compiled = compiled.collect::<Result<_, _>>();
        compiled.unwrap_or_else(|error| self.fail(&error))
    }

    fn preferred(
        &mut self,
        terms: &[api::WeightedPodAffinityTerm],
        own_namespace: &Str,
    ) -> Vec<WeightedTerm> {
        let compiled = terms.iter().map(|weighted| {
            let term = AffinityTerm::compile(&weighted.pod_affinity_term, own_namespace)?;
            Ok(WeightedTerm {
                weight: i64::from(weighted.weight),
                term,
            })
        });
        let compiled = compiled.collect::<Result<_, _>>();
        compiled.unwrap_or_else(|error: SelectorError| self.fail(&error))
    }

    fn fail<T>(&mut self, error: &SelectorError) -> Vec<T> {
        self.error.get_or_insert_with(|| error.to_string().into());
        Vec::new()
    }
}

fn compile_selector(selector: Option<&LabelSelector>) -> Result<Selector, SelectorError> {
    selector.map_or_else(|| Ok(Selector::nothing()), LabelSelector::compile)
}
