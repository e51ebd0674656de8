//! Scores nodes by how much of their resources would be taken.

use crate::framework::Score;
use crate::plugins::scored_resources::{
    BLOCK_NODES, ResourceSpec, Room, ScoredResource, floor, floor_to_integer, to_float,
};
use crate::plugins::shape::Shape;
use crate::snapshot::NodeIndex;

/// Amounts below 2^46 have percentages that floats get right: a hundredth part of such an amount is
/// a whole number of them below 2^53, and a quotient that lies below a whole number, which is at
/// most 100, lies so far below it that rounding does not reach it.
const EXACT_BITS: u32 = 46;
const EXACT: i64 = 1 << EXACT_BITS;

/// How nodes are scored.
#[derive(Clone, Debug)]
pub struct Strategy {
    pub rule: Rule,
    pub resources: Vec<ResourceSpec>,
}

/// How much a resource gives, by what is taken of it.
#[derive(Clone, Debug)]
pub enum Rule {
    /// More, the more is left.
    LeastAllocated,
    /// More, the more is taken.
    MostAllocated,
    /// What a shape says. Where that is nothing, the resource does not count.
    RequestedToCapacityRatio(Shape),
}

/// The score of one pod.
#[derive(Debug)]
pub struct AllocationScore<'a> {
    pub rule: &'a Rule,
    pub resources: Vec<ScoredResource<'a>>,
    pub nodes: &'a [NodeIndex],
}

impl Score for AllocationScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        let mut room = Room::default();
        let blocks = scores.chunks_mut(BLOCK_NODES);
        for (scores, nodes) in blocks.zip(self.nodes.chunks(BLOCK_NODES)) {
            let usual = match self.rule {
                Rule::LeastAllocated => self.score_block(nodes, &mut room, scores, left),
                Rule::MostAllocated => self.score_block(nodes, &mut room, scores, smaller),
                Rule::RequestedToCapacityRatio(_) => None,
            };
            if usual.is_none() {
                let scores = scores.iter_mut().zip(nodes);
                scores.for_each(|(score, node)| *score = self.score_one(*node));
            }
        }
    }
}

impl AllocationScore<'_> {
    /// Scores a block by the share that `part` is of each capacity. None if an amount is out of the
    /// ordinary.
    fn score_block(
        &self,
        nodes: &[NodeIndex],
        room: &mut Room,
        scores: &mut [i64],
        part: impl Fn(f64, f64) -> f64,
    ) -> Option<()> {
        let mut sums = [0.0; BLOCK_NODES];
        let mut weights = 0.0;
        for resource in &self.resources {
            let block = resource.read(nodes, EXACT_BITS, room)?;
            let weight = resource.weight as f64;
            let lanes = block.capacity.iter().zip(block.taken);
            for (sum, (capacity, taken)) in sums.iter_mut().zip(lanes) {
                // Only places past the last node can wrap.
                let requested = to_float(taken.wrapping_add(resource.request));
                let capacity = to_float(*capacity);
                *sum += weight * percent(part(requested, capacity), capacity);
            }
            weights += weight;
        }
        if weights == 0.0 {
            return None;
        }
        for (score, sum) in scores.iter_mut().zip(&sums) {
            *score = floor_to_integer(sum / weights);
        }
        Some(())
    }

    /// The score of one node, whatever the amounts.
    fn score_one(&self, node: NodeIndex) -> i64 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for resource in &self.resources {
            let (capacity, taken) = resource.at(node);
            let requested = taken.saturating_add(resource.request);
            if let Some(share) = self.rule.share(requested, capacity) {
                let weight = resource.weight as f64;
                sum += share * weight;
                weights += weight;
            }
        }
        self.rule.mean(sum, weights)
    }
}

impl Rule {
    /// What a resource gives; none where it does not count.
    fn share(&self, requested: i64, capacity: i64) -> Option<f64> {
        let part = match self {
            Self::LeastAllocated if requested > capacity => 0,
            Self::LeastAllocated => i128::from(capacity) - i128::from(requested),
            Self::MostAllocated | Self::RequestedToCapacityRatio(_) => {
                i128::from(requested.min(capacity))
            }
        };
        let share = match (i64::try_from(part), capacity) {
            // An amount below 0 is nonsense that one node may tell; it must not fail all pods.
            (_, ..=0) => return None,
            (Ok(part @ 0..EXACT), 1..EXACT) if part <= capacity => {
                percent(part as f64, capacity as f64)
            }
            _ => (part * 100 / i128::from(capacity)).clamp(0, 100) as f64,
        };
        match self {
            Self::LeastAllocated | Self::MostAllocated => Some(share),
            Self::RequestedToCapacityRatio(shape) => {
                Some(shape.at(share)).filter(|score| *score > 0.0)
            }
        }
    }

    fn mean(&self, sum: f64, weights: f64) -> i64 {
        let mean = sum / weights;
        // Without any resource that counts this is no number, which becomes 0.
        match self {
            Self::RequestedToCapacityRatio(_) => mean.round() as i64,
            Self::LeastAllocated | Self::MostAllocated => mean as i64,
        }
    }
}

/// What is left, if anything is.
fn left(requested: f64, capacity: f64) -> f64 {
    larger(capacity - requested, 0.0)
}

/// Rounded down, of amounts below [`EXACT`].
fn percent(part: f64, whole: f64) -> f64 {
    floor(part * 100.0 / whole)
}

fn smaller(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}

fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}
