//! Compares how even a node is with the pod and without it.
//!
//! The floats are those of kube-scheduler, in the same order: whether a score is 71 or 72 hangs on
//! the last bit.

use crate::framework::Score;
use crate::plugins::scored_resources::{
    BLOCK_NODES, Block, PLAIN_BITS, Room, ScoredResource, floor_to_integer, to_float,
};
use crate::snapshot::NodeIndex;

/// Of two amounts below 2^51 the sum, too, can be turned into a float the quick way.
const ADDABLE_BITS: u32 = PLAIN_BITS - 1;

/// The score of one pod.
#[derive(Debug)]
pub struct BalanceScore<'a> {
    pub resources: Vec<ScoredResource<'a>>,
    pub nodes: &'a [NodeIndex],
}

impl Score for BalanceScore<'_> {
    fn score(&self, scores: &mut [i64]) {
        let mut rooms = [Room::default(), Room::default()];
        let mut fractions = Vec::with_capacity(self.resources.len());
        let chunks = scores.chunks_mut(BLOCK_NODES);
        for (scores, nodes) in chunks.zip(self.nodes.chunks(BLOCK_NODES)) {
            if self.score_pairs(nodes, &mut rooms, scores).is_some() {
                continue;
            }
            for (score, node) in scores.iter_mut().zip(nodes) {
                let with = self.evenness(*node, true, &mut fractions);
                let without = self.evenness(*node, false, &mut fractions);
                *score = 50 + (50 + with - without) / 2;
            }
        }
    }
}

impl BalanceScore<'_> {
    /// How even a node is, with the pod or without: 100 where the same share of everything is
    /// taken.
    fn evenness(&self, node: NodeIndex, with: bool, fractions: &mut Vec<f64>) -> i64 {
        fractions.clear();
        for resource in &self.resources {
            let (capacity, taken) = resource.at(node);
            // An amount below 0 is nonsense that one node may tell; it must not fail all pods.
            if capacity > 0 {
                let request = if with { resource.request } else { 0 };
                let requested = taken.saturating_add(request).max(0);
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

    /// The usual case: two resources, and every node offers both. None if it is another one.
    fn score_pairs(
        &self,
        nodes: &[NodeIndex],
        [first, second]: &mut [Room; 2],
        scores: &mut [i64],
    ) -> Option<()> {
        let [one, other] = &*self.resources else {
            return None;
        };
        let blocks =
            (one.read(nodes, ADDABLE_BITS, first)?, other.read(nodes, ADDABLE_BITS, second)?);
        let evenness = |lane: usize, one: i64, other: i64| {
            let share = |block: Block<'_>, request: i64| {
                let requested = block.taken[lane].wrapping_add(request);
                fraction(to_float(requested), to_float(block.capacity[lane]))
            };
            let deviation = half_distance(share(blocks.0, one), share(blocks.1, other));
            floor_to_integer((1.0 - deviation) * 100.0)
        };
        let mut lanes = [0; BLOCK_NODES];
        for (lane, score) in lanes.iter_mut().enumerate() {
            let gain = evenness(lane, one.request, other.request) - evenness(lane, 0, 0);
            // No node is less even than 50, so that this is halved as a number of at least 0.
            *score = 50 + ((50 + gain).cast_unsigned() >> 1).cast_signed();
        }
        scores.copy_from_slice(lanes.get(..scores.len())?);
        Some(())
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
