//! The constraints of a pod: its own, or the defaults over the pods that belong with it.

use std::collections::BTreeSet;

use super::PodTopologySpread;
use crate::api;
use crate::model::{
    LabelSelector, Labels, Operator, Requirement, Selector, SelectorError, Str, compile_optional,
};
use crate::snapshot::{MapSelector, NamespaceScope, Owners, PodInfo, PodQuery};

pub const DO_NOT_SCHEDULE: &str = "DoNotSchedule";
pub const SCHEDULE_ANYWAY: &str = "ScheduleAnyway";

/// A constraint ready to be counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    pub max_skew: i32,
    pub topology_key: Str,
    pub selector: Selector,
    pub min_domains: i32,
    /// Whether only nodes count that the pod's node selector and required node affinity allow.
    pub honors_affinity: bool,
    /// Whether only nodes count of which the pod tolerates all taints.
    pub honors_taints: bool,
}

impl PodTopologySpread {
    /// The constraints of one kind that hold for a pod.
    pub fn constraints(
        &self,
        pod: &PodInfo,
        owners: &Owners,
        action: &str,
    ) -> Result<Vec<Constraint>, SelectorError> {
        let mut constraints = self.stated(pod, action)?;
        if constraints.is_empty() || !self.defaults_hold_for(pod) {
            return Ok(constraints);
        }
        let selector = default_selector(pod, owners);
        if selector.is_everything() {
            return Ok(Vec::new());
        }
        for constraint in &mut constraints {
            constraint.selector = selector.clone();
        }
        Ok(constraints)
    }

    /// The same, but defaults still without the selector that comes from Services and owners.
    pub fn stated(&self, pod: &PodInfo, action: &str) -> Result<Vec<Constraint>, SelectorError> {
        let constraints = if self.defaults_hold_for(pod) {
            &self.defaults
        } else {
            &pod.spec.topology_spread_constraints
        };
        compile(constraints, &pod.labels, action)
    }

    pub fn defaults_hold_for(&self, pod: &PodInfo) -> bool {
        pod.spec.topology_spread_constraints.is_empty()
    }
}

impl Constraint {
    /// The pods that are counted. None for the selector of everything: it has always counted no
    /// pod, though the incoming pod matches it.
    pub fn counted(&self, pod: &PodInfo) -> Option<PodQuery> {
        if self.selector.is_everything() || self.selector.is_nothing() {
            return None;
        }
        let namespace = BTreeSet::from([pod.key.namespace.clone()]);
        let scope = NamespaceScope::of_names(namespace);
        Some(PodQuery::new(scope, self.selector.clone()))
    }
}

fn compile(
    constraints: &[api::TopologySpreadConstraint],
    pod_labels: &Labels,
    action: &str,
) -> Result<Vec<Constraint>, SelectorError> {
    let wanted = constraints.iter().filter(|constraint| &*constraint.when_unsatisfiable == action);
    let compiled = wanted.map(|constraint| {
        let honors = |policy: &Option<Str>, default: bool| {
            policy.as_ref().map_or(default, |text| &**text == "Honor")
        };
        Ok(Constraint {
            max_skew: constraint.max_skew,
            topology_key: constraint.topology_key.clone(),
            selector: selector(constraint, pod_labels)?,
            min_domains: constraint.min_domains.unwrap_or(1),
            honors_affinity: honors(&constraint.node_affinity_policy, true),
            honors_taints: honors(&constraint.node_taints_policy, false),
        })
    });
    compiled.collect()
}

/// The selector, narrowed to pods that agree with this one in `matchLabelKeys`.
fn selector(
    constraint: &api::TopologySpreadConstraint,
    pod_labels: &Labels,
) -> Result<Selector, SelectorError> {
    let selector = compile_optional(constraint.label_selector.as_ref())?;
    let keys = constraint.match_label_keys.iter();
    let agreed = keys.filter_map(|key| Some(equals(key, pod_labels.get(key)?)));
    Ok(selector.and(agreed))
}

fn equals(key: &Str, value: &Str) -> Requirement {
    Requirement::new(key.clone(), Operator::Equals, vec![value.clone()])
}

/// What the Services that select the pod and the controller that owns it select together; the
/// selector of everything if there are none.
fn default_selector(pod: &PodInfo, owners: &Owners) -> Selector {
    let selects =
        |map: &&MapSelector| map.iter().all(|(key, value)| pod.labels.get(key) == Some(value));
    let services = owners.services_of(&pod.key.namespace).filter(selects);
    let mut labels = MapSelector::new();
    for service in services {
        labels.extend(service.clone());
    }
    let Some(owner) = &pod.owner else {
        return Selector::from_map(&labels.into());
    };
    let mut key = pod.key.clone();
    key.name = owner.name.clone();
    let selected_by = |selector: Option<&Option<LabelSelector>>| {
        let compiled = selector.and_then(|selector| selector.as_ref()?.compile().ok());
        let requirements = compiled.iter().flat_map(Selector::requirements).cloned();
        requirements.collect::<Vec<_>>()
    };
    let requirements = match (&*owner.api_version, &*owner.kind) {
        ("v1", "ReplicationController") => {
            labels.extend(owners.replication_controllers.get(&key).cloned().unwrap_or_default());
            Vec::new()
        }
        ("apps/v1", "ReplicaSet") => selected_by(owners.replica_sets.get(&key)),
        ("apps/v1", "StatefulSet") => selected_by(owners.stateful_sets.get(&key)),
        _ => Vec::new(),
    };
    Selector::from_map(&labels.into()).and(requirements)
}
