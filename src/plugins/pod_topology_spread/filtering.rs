//! Hard constraints: no domain may have more pods than the emptiest one by more than the skew.

use std::sync::Arc;

use super::constraints::Constraint;
use super::inclusion::Inclusion;
use super::{REASON_LABEL, REASON_SKEW};
use crate::framework::{Filter, Refusals, Status};
use crate::snapshot::{DomainSums, NodeSet, PodInfo, TopologyColumn, View};

/// The hard constraints of a pod, counted.
pub struct SpreadFilter {
    counted: Vec<Counted>,
}

struct Counted {
    /// The pods that match, by domain.
    pods: DomainSums,
    /// How many of them a domain may have before the new pod comes.
    limit: i64,
}

impl SpreadFilter {
    pub fn new(pod: &PodInfo, view: &View<'_>, constraints: &[Constraint]) -> Self {
        let inclusion = Inclusion::of(pod, view, constraints);
        let columns = constraints.iter().map(|constraint| view.topology(&constraint.topology_key));
        let columns: Vec<_> = columns.collect();
        let counted = constraints.iter().zip(&columns).map(|(constraint, column)| {
            let eligible = eligible(column, &columns, &inclusion, constraint);
            count(pod, view, constraint, column, eligible.as_ref())
        });
        Self { counted: counted.collect() }
    }
}

impl Filter for SpreadFilter {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let mut left = nodes.clone();
        for constraint in &self.counted {
            let mut lacking = left.clone();
            lacking.difference_with(constraint.pods.column().holders());
            refusals.refuse_set(&lacking, Status::unresolvable(REASON_LABEL));
            left.difference_with(&lacking);

            let mut crowded = NodeSet::default();
            constraint.pods.add_nodes_above(constraint.limit, &mut crowded);
            crowded.intersect_with(&left);
            refusals.refuse_set(&crowded, Status::unschedulable(REASON_SKEW));
            left.difference_with(&crowded);
        }
    }
}

/// The nodes whose domains and pods count: those that have the keys of all hard constraints and
/// that the policies of this one include. None if these are all that have its key.
fn eligible(
    column: &TopologyColumn,
    all: &[Arc<TopologyColumn>],
    inclusion: &Inclusion,
    constraint: &Constraint,
) -> Option<NodeSet> {
    let has_others = |other: &Arc<TopologyColumn>| column.holders().is_subset(other.holders());
    let mut left_out = inclusion.left_out(constraint).peekable();
    if left_out.peek().is_none() && all.iter().all(has_others) {
        return None;
    }
    let mut eligible = column.holders().clone();
    all.iter().for_each(|other| eligible.intersect_with(other.holders()));
    left_out.for_each(|nodes| eligible.difference_with(nodes));
    Some(eligible)
}

fn count(
    pod: &PodInfo,
    view: &View<'_>,
    constraint: &Constraint,
    column: &Arc<TopologyColumn>,
    eligible: Option<&NodeSet>,
) -> Counted {
    let counts = |node| eligible.is_none_or(|nodes| nodes.contains(node));
    let mut pods = DomainSums::new(column.clone());
    if let Some(query) = constraint.counted(pod) {
        for (node, count) in view.matching_placed(&query).as_slice() {
            if counts(*node) {
                pods.add(*node, count.staying().into());
            }
        }
    }
    // A pod that is only supposed to come or go changes the counts in kube-scheduler even if it is
    // being deleted or the selector is that of everything.
    for (other, node, comes) in view.changes() {
        let matches =
            other.key.namespace == pod.key.namespace && constraint.selector.matches(&other.labels);
        if matches && counts(node) {
            pods.add(node, if comes { 1 } else { -1 });
        }
    }
    let itself = i64::from(constraint.selector.matches(&pod.labels));
    let limit = i64::from(constraint.max_skew) + least(&pods, constraint, eligible) - itself;
    Counted { pods, limit }
}

/// The count of the emptiest domain.
fn least(pods: &DomainSums, constraint: &Constraint, eligible: Option<&NodeSet>) -> i64 {
    let domains = match eligible {
        None => pods.column().len(),
        Some(nodes) => domains_of(pods.column(), nodes),
    };
    if i64::try_from(domains).unwrap_or(i64::MAX) < i64::from(constraint.min_domains) {
        return 0;
    }
    let least = pods.touched().iter().map(|domain| pods.get(*domain)).min();
    match least {
        // Without any domain nothing is too much, as far as the other side can count.
        None if domains == 0 => i32::MAX.into(),
        None => 0,
        Some(least) if pods.nonzero() < domains => least.min(0),
        Some(least) => least,
    }
}

fn domains_of(column: &TopologyColumn, nodes: &NodeSet) -> usize {
    let mut seen = vec![false; column.len()];
    let domains = nodes.iter().filter_map(|node| column.domain(node));
    let mut count = 0;
    for domain in domains {
        let seen = &mut seen[domain.index()];
        count += usize::from(!*seen);
        *seen = true;
    }
    count
}
