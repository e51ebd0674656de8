//! Scores nodes by how much of their storage would be used.

use super::plan::{Plan, Planner};
use crate::framework::Score;
use crate::model::{Quantity, Str};
use crate::plugins::shape::Shape;
use crate::snapshot::{NodeIndex, NodeTable, VolumesView};

pub(super) struct StorageScore<'a> {
    pub(super) planner: Planner<'a>,
    pub(super) shape: &'a Shape,
    pub(super) volumes: VolumesView<'a>,
    pub(super) table: &'a NodeTable,
    pub(super) nodes: &'a [NodeIndex],
}

/// What is asked for of a class, and what there is.
struct OfClass<'a> {
    class: &'a Str,
    requested: i64,
    capacity: i64,
}

impl Score for StorageScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        for (score, node) in scores.iter_mut().zip(self.nodes) {
            // Whoever scores has passed the filters, so that there is a plan.
            if let Ok(plan) = self.planner.plan(self.table.info(*node)) {
                *score = self.mean(&self.by_class(&plan));
            }
        }
    }
}

impl StorageScore<'_> {
    /// Volumes that are there count alone; where there are none, those that are made.
    fn by_class<'p>(&self, plan: &Plan<'p>) -> Vec<OfClass<'p>> {
        let mut classes: Vec<OfClass<'p>> = Vec::new();
        if plan.bindings.is_empty() {
            for (claim, capacity) in &plan.provisions {
                let Some((info, room)) = capacity.and_then(|c| Some((c, c.capacity.as_ref()?)))
                else {
                    continue;
                };
                let one = of_class(&mut classes, &claim.class);
                one.requested = one.requested.saturating_add(size(claim.size.as_ref()));
                // All volumes of a class share one room, and the last one tells how much it is.
                one.capacity = room.value().saturating_sub(self.volumes.taken(info));
            }
        }
        for (claim, volume) in &plan.bindings {
            let one = of_class(&mut classes, &volume.class);
            one.requested = one.requested.saturating_add(size(claim.size.as_ref()));
            one.capacity = one.capacity.saturating_add(volume.size.value());
        }
        classes
    }

    fn mean(&self, classes: &[OfClass<'_>]) -> i64 {
        if classes.is_empty() {
            return 0;
        }
        let sum: f64 = classes.iter().map(|one| self.shape.at(utilization(one))).sum();
        (sum / classes.len() as f64).round() as i64
    }
}

fn of_class<'c, 'p>(classes: &'c mut Vec<OfClass<'p>>, class: &'p Str) -> &'c mut OfClass<'p> {
    let position = classes.iter().position(|one| one.class == class).unwrap_or_else(|| {
        classes.push(OfClass { class, requested: 0, capacity: 0 });
        classes.len() - 1
    });
    &mut classes[position]
}

/// In per cent, without a fraction.
fn utilization(of: &OfClass<'_>) -> f64 {
    if of.capacity == 0 || of.requested > of.capacity {
        return 100.0;
    }
    // Sizes go up to 64 bits, and so their hundredfold beyond.
    let percent = i128::from(of.requested) * 100 / i128::from(of.capacity);
    percent as f64
}

fn size(size: Option<&Quantity>) -> i64 {
    size.map_or(0, Quantity::value)
}
