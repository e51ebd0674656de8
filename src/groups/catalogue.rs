//! All definitions of groups, and which of them a pod falls under.

use std::cell::RefCell;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::definition::{Definition, InitialPrimary, Source};
use super::membership::{GroupKey, Membership, Primary};
use super::policy::{Check, Policy, PolicyError};
use super::preset::{Preset, PresetError};
use super::rule::Rule;
use crate::api::{ClusterPlacementPolicy, OwnerReference, PlacementPolicy};
use crate::model::{Labels, Str};

/// What is looked at to find a pod's groups: a pod, or the template of pods to come.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub namespace: &'a Str,
    pub namespace_labels: &'a Labels,
    pub name: &'a Str,
    pub labels: &'a Labels,
    pub owner: Option<&'a OwnerReference>,
}

type Overlaid = FxHashMap<(usize, Option<usize>), Arc<Definition>>;

/// Presets and policies.
#[derive(Clone, Debug)]
pub struct Catalogue {
    definitions: Vec<Arc<Definition>>,
    /// The presets that make several kinds of groups, whose names then tell the groups apart.
    several: Vec<Str>,
    /// Definitions by a label key that their pods must have.
    by_label: FxHashMap<Str, Vec<usize>>,
    of_stateful_set: Arc<Definition>,
    /// The first that fits counts: those of a namespace first, then the older, then by name.
    policies: Vec<Arc<Policy>>,
    /// Definitions with a policy over them, by their places; the definition's is none for pods
    /// that no preset knows.
    overlaid: RefCell<Overlaid>,
}

impl Default for Catalogue {
    /// No presets and no policies: every StatefulSet is a group.
    fn default() -> Self {
        Self {
            definitions: Vec::new(),
            several: Vec::new(),
            by_label: FxHashMap::default(),
            of_stateful_set: Arc::new(Definition::of_stateful_set()),
            policies: Vec::new(),
            overlaid: RefCell::default(),
        }
    }
}

impl Catalogue {
    pub fn new(presets: &[Preset]) -> Result<Self, PresetError> {
        let mut catalogue = Self::default();
        for preset in presets {
            let definitions = preset.definitions()?;
            if definitions.len() > 1 {
                catalogue.several.push(preset.name.clone());
            }
            for definition in definitions {
                // A definition that demands no label is refused before.
                if let Some(key) = definition.demanded_label() {
                    let places = catalogue.by_label.entry(key.clone()).or_default();
                    places.push(catalogue.definitions.len());
                }
                catalogue.definitions.push(Arc::new(definition));
            }
        }
        Ok(catalogue)
    }

    /// The same presets with these policies. Those that cannot be used are told with their name
    /// and left out.
    pub fn with_policies<'a>(
        &self,
        policies: impl IntoIterator<Item = &'a PlacementPolicy>,
        cluster_policies: impl IntoIterator<Item = &'a ClusterPlacementPolicy>,
    ) -> (Self, Vec<(Source, Str, PolicyError)>) {
        let mut own: Vec<&PlacementPolicy> = policies.into_iter().collect();
        own.sort_by_key(|policy| (policy.metadata.creation_timestamp, &policy.metadata.name));
        let mut all: Vec<&ClusterPlacementPolicy> = cluster_policies.into_iter().collect();
        all.sort_by_key(|policy| (policy.metadata.creation_timestamp, &policy.metadata.name));
        let own = own.into_iter().map(|policy| {
            let source = Source::Policy(policy.metadata.name.clone());
            (source, policy.metadata.namespace.clone(), policy.check())
        });
        let all = all.into_iter().map(|policy| {
            let source = Source::ClusterPolicy(policy.metadata.name.clone());
            (source, Str::from(""), policy.check())
        });
        let mut refused = Vec::new();
        let mut used = Vec::new();
        for (source, namespace, policy) in own.chain(all) {
            match policy {
                Ok(policy) => used.push(Arc::new(policy)),
                Err(error) => refused.push((source, namespace, error)),
            }
        }
        (Self { policies: used, overlaid: RefCell::default(), ..self.clone() }, refused)
    }

    /// The groups of a pod. Mostly there is one or none.
    pub fn memberships(&self, candidate: Candidate<'_>) -> Vec<Membership> {
        // Jobs that back a database up or set it up carry its labels and do not vote.
        if candidate.owner.is_some_and(|owner| &*owner.kind == "Job") {
            return Vec::new();
        }
        let found = self.matching(candidate.labels);
        let policy = self.policies.iter().position(|policy| {
            policy.covers(candidate.namespace, candidate.namespace_labels)
                && policy.selector.matches(candidate.labels)
        });
        let definitions: Vec<Arc<Definition>> = match (policy, found.is_empty()) {
            (None, false) => found.iter().map(|place| self.definitions[*place].clone()).collect(),
            (None, true) if is_of_stateful_set(candidate) => vec![self.of_stateful_set.clone()],
            (None, true) => Vec::new(),
            (Some(policy), false) => {
                found.iter().map(|place| self.overlaid(policy, Some(*place))).collect()
            }
            (Some(policy), true) => vec![self.overlaid(policy, None)],
        };
        let preset = found.first().and_then(|place| match &self.definitions[*place].source {
            Source::Preset(name) => Some(name.clone()),
            _ => None,
        });
        let preset = preset.unwrap_or_default();
        let several = self.several.contains(&preset);
        let memberships = definitions.into_iter();
        memberships.map(|definition| membership(candidate, definition, &preset, several)).collect()
    }

    /// Whether a change of a namespace's labels may change groups.
    pub fn reads_namespace_labels(&self) -> bool {
        self.policies.iter().any(|policy| !policy.namespaces.is_everything())
    }

    /// The definitions of the preset that says most about these labels.
    fn matching(&self, labels: &Labels) -> Vec<usize> {
        let places = labels.iter().filter_map(|(key, _)| self.by_label.get(key)).flatten();
        let mut found: Vec<usize> = places
            .copied()
            .filter(|place| self.definitions[*place].selector.matches(labels))
            .collect();
        let said = |place: &usize| self.definitions[*place].selector.requirements().len();
        found.sort_by_key(|place| (std::cmp::Reverse(said(place)), *place));
        if let Some(best) = found.first().map(|place| self.definitions[*place].source.clone()) {
            found.retain(|place| self.definitions[*place].source == best);
        }
        found
    }

    fn overlaid(&self, policy: usize, definition: Option<usize>) -> Arc<Definition> {
        let mut overlaid = self.overlaid.borrow_mut();
        let made = overlaid.entry((policy, definition)).or_insert_with(|| {
            let policy = &self.policies[policy];
            Arc::new(match definition {
                Some(place) => policy.over(&self.definitions[place]),
                None => policy.definition(),
            })
        });
        made.clone()
    }
}

impl Definition {
    /// The definition of pods of which nothing is known but that one StatefulSet owns them.
    pub(super) fn of_stateful_set() -> Self {
        Self {
            source: Source::StatefulSet,
            part: "".into(),
            selector: crate::model::Selector::everything(),
            cluster: None,
            parts: Vec::new(),
            member: None,
            rack: None,
            role: None,
            initial_primary: InitialPrimary::None,
            voters: None,
            rule: Rule::Majority,
            why: "no preset knows these pods; the rule is a guess from their number".into(),
            remedy: super::Remedy::new(),
            desired_size: None,
            levels: Vec::new(),
            max_members: None,
            primaries: super::Primaries::default(),
            scatter_width: None,
        }
    }
}

fn is_of_stateful_set(candidate: Candidate<'_>) -> bool {
    candidate.owner.is_some_and(|owner| &*owner.kind == "StatefulSet")
}

fn membership(
    candidate: Candidate<'_>,
    definition: Arc<Definition>,
    preset: &Str,
    several: bool,
) -> Membership {
    let labels = candidate.labels;
    let owner = || candidate.owner.map_or_else(|| stem(candidate.name), |o| o.name.clone());
    let cluster = definition.cluster.as_ref().and_then(|key| labels.get(key).cloned());
    let own = several.then_some(&definition.part);
    let values = definition.parts.iter().filter_map(|key| labels.get(key));
    let parts: Vec<&str> = own.into_iter().chain(values).map(|part| &**part).collect();
    let part = if parts.is_empty() { definition.part.clone() } else { parts.join("/").into() };
    let primary = primary(candidate, &definition);
    let voter = match definition.rule {
        Rule::MastersMajority => primary.is_one(),
        _ => definition.voters.as_ref().is_none_or(|voters| voters.matches(labels)),
    };
    let member = definition.member.as_ref().and_then(|key| labels.get(key));
    Membership {
        key: GroupKey {
            namespace: candidate.namespace.clone(),
            cluster: cluster.unwrap_or_else(owner),
            part,
            preset: preset.clone(),
        },
        member: member.unwrap_or(candidate.name).clone(),
        rack: definition.rack.as_ref().and_then(|key| labels.get(key).cloned()),
        voter,
        primary,
        definition,
    }
}

/// A role that the operator has written down counts; before that, what can be foreseen.
fn primary(candidate: Candidate<'_>, definition: &Definition) -> Primary {
    let role = definition.role.as_ref();
    if let Some((role, value)) =
        role.and_then(|role| Some((role, candidate.labels.get(&role.key)?)))
    {
        let is_one = role.primary.contains(value);
        return if is_one { Primary::Live } else { Primary::No };
    }
    let foreseen = match &definition.initial_primary {
        InitialPrimary::None => false,
        InitialPrimary::Ordinal0 => ordinal(candidate.name) == Some(first_ordinal(candidate)),
        InitialPrimary::Label { key, value } => candidate.labels.get(key) == Some(value),
    };
    if foreseen { Primary::Predicted } else { Primary::No }
}

/// StatefulSets count their pods from 0, operators that make pods themselves from 1.
fn first_ordinal(candidate: Candidate<'_>) -> u32 {
    u32::from(!is_of_stateful_set(candidate))
}

/// The number at the end of a pod's name.
pub fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

/// A name without the number at its end.
fn stem(name: &Str) -> Str {
    match name.rsplit_once('-') {
        Some((stem, number)) if number.parse::<u32>().is_ok() => stem.into(),
        _ => name.clone(),
    }
}
