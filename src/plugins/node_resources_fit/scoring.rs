//! Scores nodes by how much of their resources would be taken.

use crate::framework::Score;
use crate::plugins::scored_resources::{BLOCK_NODES, Block, ResourceSpec, ScoredResource, floor};
use crate::plugins::shape::Shape;
use crate::snapshot::NodeIndex;

/// Amounts below 2^46 have percentages that floats get right: a hundredth part of such an amount is
/// a whole number of them below 2^53, and a quotient that lies below a whole number, which is at
/// most 100, lies so far below it that rounding does not reach it.
const EXACT_BITS: u32 = 46;

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
        let mut block = Block::default();
        let mut shares = [0.0; BLOCK_NODES];
        let blocks = scores.chunks_mut(BLOCK_NODES);
        for (scores, nodes) in blocks.zip(self.nodes.chunks(BLOCK_NODES)) {
            let mut sums = [0.0; BLOCK_NODES];
            let mut weights = [0.0; BLOCK_NODES];
            for resource in &self.resources {
                resource.read(nodes, &mut block);
                self.rule.shares(resource.request, &block, &mut shares);
                let weight = resource.weight as f64;
                let lanes = sums.iter_mut().zip(&mut weights);
                for ((sum, total), share) in lanes.zip(&shares) {
                    // A resource that does not count on a node has no share, not even 0.
                    let counts = !share.is_nan();
                    *sum += if counts { share * weight } else { 0.0 };
                    *total += if counts { weight } else { 0.0 };
                }
            }
            for ((score, sum), weight) in scores.iter_mut().zip(&sums).zip(&weights) {
                *score = self.rule.mean(*sum, *weight);
            }
        }
    }
}

impl Rule {
    /// What a resource gives on each node of a block; no number where it does not count.
    fn shares(&self, request: i64, block: &Block, shares: &mut [f64; BLOCK_NODES]) {
        if block.is_below(EXACT_BITS) && (0..1 << EXACT_BITS).contains(&request) {
            let left = |requested: f64, capacity: f64| {
                percent(larger(capacity - requested, 0.0), capacity)
            };
            let used =
                |requested: f64, capacity: f64| percent(smaller(requested, capacity), capacity);
            match self {
                Self::LeastAllocated => fill(request, block, shares, left),
                Self::MostAllocated | Self::RequestedToCapacityRatio(_) => {
                    fill(request, block, shares, used);
                }
            }
        } else {
            let lanes = block.capacity.iter().zip(&block.taken);
            for (share, (capacity, taken)) in shares.iter_mut().zip(lanes) {
                *share = self.share(taken.saturating_add(request), *capacity);
            }
        }
        if let Self::RequestedToCapacityRatio(shape) = self {
            for share in shares.iter_mut().filter(|share| !share.is_nan()) {
                let score = shape.at(*share);
                *share = if score > 0.0 { score } else { f64::NAN };
            }
        }
    }

    /// The share in per cent for amounts of any size.
    fn share(&self, requested: i64, capacity: i64) -> f64 {
        let part = match self {
            Self::LeastAllocated if requested > capacity => 0,
            Self::LeastAllocated => i128::from(capacity) - i128::from(requested),
            Self::MostAllocated | Self::RequestedToCapacityRatio(_) => {
                i128::from(requested.min(capacity))
            }
        };
        let percent = (part * 100).checked_div(i128::from(capacity));
        percent.map_or(f64::NAN, |percent| percent as f64)
    }

    fn mean(&self, sum: f64, weight: f64) -> i64 {
        let mean = sum / weight;
        // Without any resource that counts this is no number, which becomes 0.
        match self {
            Self::RequestedToCapacityRatio(_) => mean.round() as i64,
            Self::LeastAllocated | Self::MostAllocated => mean as i64,
        }
    }
}

fn fill(
    request: i64,
    block: &Block,
    shares: &mut [f64; BLOCK_NODES],
    share: impl Fn(f64, f64) -> f64,
) {
    let lanes = block.capacity.iter().zip(&block.taken);
    for (out, (capacity, taken)) in shares.iter_mut().zip(lanes) {
        // Only places past the last node can wrap.
        *out = share(taken.wrapping_add(request) as f64, *capacity as f64);
    }
}

/// Rounded down; no number where there is nothing to take a part of.
fn percent(part: f64, whole: f64) -> f64 {
    floor(part * 100.0 / whole)
}

fn smaller(one: f64, other: f64) -> f64 {
    if one < other { one } else { other }
}

fn larger(one: f64, other: f64) -> f64 {
    if one > other { one } else { other }
}
