//! Soft constraints: the fewer matching pods a node's domains have, the better.

use std::sync::Arc;

use super::constraints::Constraint;
use super::inclusion::Inclusion;
use crate::framework::{SCORE_MAX, Score};
use crate::snapshot::{Domain, NodeIndex, NodeSet, PodInfo, TopologyColumn, View};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// The soft constraints of a pod, counted.
pub struct SpreadScore<'a> {
    nodes: &'a [NodeIndex],
    /// For each node whether it is left aside because it lacks a key; empty if none does.
    ignored: Vec<bool>,
    terms: Vec<Term>,
}

/// What one constraint adds to the score of a node.
struct Term {
    column: Arc<TopologyColumn>,
    /// By domain, or by node for the hostname constraint: each node counts by itself there.
    values: Vec<f64>,
    by_node: bool,
}

/// Numbers the domains of a column once more, with one for the nodes that lack the key. They are
/// one domain with those whose value is empty.
struct Slots<'a> {
    column: &'a TopologyColumn,
    lacking: usize,
}

impl<'a> SpreadScore<'a> {
    /// `needs_all_keys` leaves nodes aside that lack the key of any constraint.
    pub fn new(
        pod: &PodInfo,
        view: &View<'_>,
        nodes: &'a [NodeIndex],
        constraints: &[Constraint],
        needs_all_keys: bool,
    ) -> Self {
        let columns = constraints.iter().map(|constraint| view.topology(&constraint.topology_key));
        let columns: Vec<_> = columns.collect();
        let mut complete = view.nodes().present().clone();
        if needs_all_keys {
            columns.iter().for_each(|column| complete.intersect_with(column.holders()));
        }
        let mut ignored = Vec::new();
        if nodes.iter().any(|node| !complete.contains(*node)) {
            ignored = nodes.iter().map(|node| !complete.contains(*node)).collect();
        }
        let count =
            Count { pod, view, nodes, complete, inclusion: Inclusion::of(pod, view, constraints) };
        let terms = constraints
            .iter()
            .zip(columns)
            .map(|(constraint, column)| count.term(constraint, column));
        Self { terms: terms.collect(), nodes, ignored }
    }

    fn is_ignored(&self, position: usize) -> bool {
        self.ignored.get(position).copied().unwrap_or(false)
    }
}

impl Score for SpreadScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (position, (score, node)) in scores.iter_mut().zip(self.nodes).enumerate() {
            if !self.is_ignored(position) {
                let sum = self.terms.iter().fold(0.0, |sum, term| term.add(sum, *node));
                *score = sum.round() as i64;
            }
        }
    }

    /// The node with the lowest score gets the most; a highest score of 0 gives all nodes 100.
    fn normalize(&self, scores: &mut [i64]) {
        let counting = scores
            .iter()
            .enumerate()
            .filter(|(position, _)| !self.is_ignored(*position))
            .map(|(_, score)| *score);
        let (least, most) = counting
            .fold((i64::MAX, 0), |(least, most), score| (least.min(score), most.max(score)));
        for (position, score) in scores.iter_mut().enumerate() {
            *score = match most {
                _ if self.is_ignored(position) => 0,
                0 => SCORE_MAX,
                most => {
                    let above = most.saturating_add(least).saturating_sub(*score);
                    SCORE_MAX.saturating_mul(above) / most
                }
            };
        }
    }
}

/// What all constraints of a pod are counted with.
struct Count<'a, 'v> {
    pod: &'a PodInfo,
    view: &'a View<'v>,
    nodes: &'a [NodeIndex],
    /// The nodes that have every key they need to have.
    complete: NodeSet,
    inclusion: Inclusion,
}

impl Count<'_, '_> {
    fn term(&self, constraint: &Constraint, column: Arc<TopologyColumn>) -> Term {
        let by_node = &*constraint.topology_key == HOSTNAME;
        let (counts, size) =
            if by_node { self.by_node(constraint) } else { self.by_domain(constraint, &column) };
        // The same numbers in the same order as in Go, whose logarithm is that of libm.
        let weight = libm::log((size + 2) as f64);
        let base = f64::from(constraint.max_skew.wrapping_sub(1));
        let values = counts.into_iter().map(|count| f64::from(count) * weight + base);
        Term { values: values.collect(), column, by_node }
    }

    /// The matching pods of every node, whatever the policies say, and the number of nodes.
    fn by_node(&self, constraint: &Constraint) -> (Vec<u32>, usize) {
        let mut counts = vec![0; self.view.nodes().places()];
        if let Some(query) = constraint.counted(self.pod) {
            for (node, count) in self.view.matching(&query).as_slice() {
                counts[node.index()] = count.staying();
            }
        }
        let scored = self.nodes.iter().filter(|node| self.complete.contains(**node));
        (counts, scored.count())
    }

    /// The matching pods of every domain that a scored node lies in, and the number of these.
    fn by_domain(&self, constraint: &Constraint, column: &TopologyColumn) -> (Vec<u32>, usize) {
        let slots = Slots::of(column, &self.complete);
        let mut seen = vec![false; column.len() + 1];
        let mut size = 0;
        for node in self.nodes.iter().filter(|n| self.complete.contains(**n)) {
            let seen = &mut seen[slots.slot(*node)];
            size += usize::from(!*seen);
            *seen = true;
        }
        let mut counts = vec![0_u32; column.len() + 1];
        if let Some(query) = constraint.counted(self.pod) {
            let left_out: Vec<_> = self.inclusion.left_out(constraint).collect();
            for (node, count) in self.view.matching(&query).as_slice() {
                let slot = slots.slot(*node);
                let included = !left_out.iter().any(|nodes| nodes.contains(*node));
                if included && seen[slot] && self.complete.contains(*node) {
                    counts[slot] = counts[slot].saturating_add(count.staying());
                }
            }
        }
        (counts, size)
    }
}

impl<'a> Slots<'a> {
    fn of(column: &'a TopologyColumn, nodes: &NodeSet) -> Self {
        let some_lack = !nodes.is_subset(column.holders());
        let empty = some_lack.then(|| column.find("")).flatten();
        Self { column, lacking: empty.map_or(column.len(), Domain::index) }
    }

    fn slot(&self, node: NodeIndex) -> usize {
        let domain = self.column.domain(node);
        domain.map_or(self.lacking, Domain::index)
    }
}

impl Term {
    fn add(&self, sum: f64, node: NodeIndex) -> f64 {
        let Some(domain) = self.column.domain(node) else {
            return sum;
        };
        let at = if self.by_node { node.index() } else { domain.index() };
        sum + self.values.get(at).copied().unwrap_or(0.0)
    }
}
