//! Compares how even a node is with the pod and without it.
//!
//! The floats are those of kube-scheduler, in the same order: whether a score is 71 or 72 hangs on
//! the last bit.

use crate::framework::Score;
use crate::plugins::scored_resources::{BLOCK_NODES, Block, ScoredResource, floor};
use crate::snapshot::NodeIndex;

/// Amounts below 2^62 can be added without leaving an i64.
const ADDABLE_BITS: u32 = 62;

/// The score of one pod.
#[derive(Debug)]
pub struct BalanceScore<'a> {
    pub resources: Vec<ScoredResource<'a>>,
    pub nodes: &'a [NodeIndex],
}

impl Score for BalanceScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        let mut blocks = vec![Block::default(); self.resources.len()];
        let mut fractions = Vec::with_capacity(self.resources.len());
        let chunks = scores.chunks_mut(BLOCK_NODES);
        for (scores, nodes) in chunks.zip(self.nodes.chunks(BLOCK_NODES)) {
            for (resource, block) in self.resources.iter().zip(&mut blocks) {
                resource.read(nodes, block);
            }
            if let ([one, other], [first, second]) = (&*self.resources, &*blocks) {
                let (one, other) = ((one.request, first), (other.request, second));
                if is_plain(one, nodes.len()) && is_plain(other, nodes.len()) {
                    score_pairs(one, other, scores);
                    continue;
                }
            }
            for (lane, score) in scores.iter_mut().enumerate() {
                let with = self.evenness(&blocks, lane, true, &mut fractions);
                let without = self.evenness(&blocks, lane, false, &mut fractions);
                *score = 50 + (50 + with - without) / 2;
            }
        }
    }
}

impl BalanceScore<'_> {
    /// How even a node is, with the pod or without: 100 where equal shares of everything are taken.
    fn evenness(&self, blocks: &[Block], lane: usize, with: bool, fractions: &mut Vec<f64>) -> i64 {
        fractions.clear();
        for (resource, block) in self.resources.iter().zip(blocks) {
            let capacity = block.capacity[lane];
            // An amount below 0 is nonsense that one node may tell; it must not fail all pods.
            if capacity > 0 {
                let request = if with { resource.request } else { 0 };
                let requested = block.taken[lane].saturating_add(request).max(0);
                fractions.push(fraction(requested as f64, capacity as f64));
            }
        }
        let deviation = match **fractions {
            [] | [_] => 0.0,
            [one, other] => half_distance(one, other),
            ref many => {
                let count = many.len() as f64;
                let mean = many.iter().fold(0.0, |sum, one| sum + one) / count;
                let squares = many.iter().map(|one| (one - mean) * (one - mean));
                (squares.fold(0.0, |sum, square| sum + square) / count).sqrt()
            }
        };
        ((1.0 - deviation) * 100.0) as i64
    }
}

/// Whether the nodes offer some of the resource, and no amount is out of the ordinary.
fn is_plain((request, block): (i64, &Block), nodes: usize) -> bool {
    (0..1 << ADDABLE_BITS).contains(&request)
        && block.is_below(ADDABLE_BITS)
        && block.capacity.iter().take(nodes).all(|amount| *amount > 0)
}

/// The usual case: two resources, and every node offers both.
fn score_pairs(one: (i64, &Block), other: (i64, &Block), scores: &mut [i64]) {
    let mut floats = [0.0; BLOCK_NODES];
    let evenness = |lane: usize, with: i64| {
        let share = |(request, block): (i64, &Block)| {
            let requested = block.taken[lane].wrapping_add(request * with);
            fraction(requested as f64, block.capacity[lane] as f64)
        };
        floor((1.0 - half_distance(share(one), share(other))) * 100.0)
    };
    for (lane, score) in floats.iter_mut().enumerate() {
        let (with, without) = (evenness(lane, 1), evenness(lane, 0));
        *score = 50.0 + floor((50.0 + with - without) / 2.0);
    }
    for (score, float) in scores.iter_mut().zip(&floats) {
        *score = *float as i64;
    }
}

fn fraction(requested: f64, capacity: f64) -> f64 {
    let fraction = requested / capacity;
    if fraction > 1.0 { 1.0 } else { fraction }
}

/// The standard deviation of two numbers.
fn half_distance(one: f64, other: f64) -> f64 {
    ((one - other) / 2.0).abs()
}
