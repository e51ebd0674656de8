//! What the scores of resources share: which resources count, and their columns in blocks of nodes.

use std::borrow::Cow;

use serde::Deserialize;

use crate::framework::ArgsError;
use crate::model::{CPU, MEMORY, Resources, Str, is_scalar_resource_name};
use crate::snapshot::{NodeIndex, ResourceId, View};

/// How many nodes are scored at a time: few enough that all columns of a block stay in the nearest
/// cache, and enough for loops over them to be worth unrolling.
pub const BLOCK_NODES: usize = 64;

/// A resource of the arguments.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceArgs {
    pub name: Str,
    /// Absent and 0 are 1.
    #[serde(default)]
    weight: Option<i64>,
}

/// A resource that counts in a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSpec {
    pub name: Str,
    pub weight: i64,
}

/// What pods take of CPU and memory in the eyes of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// What they ask for.
    Requested,
    /// The same, and a default for containers that ask for none.
    NonZero,
}

/// A resource in the score of one pod.
#[derive(Debug)]
pub struct ScoredResource<'a> {
    /// What the pod asks for.
    pub request: i64,
    pub weight: i64,
    allocatable: &'a [i64],
    taken: Cow<'a, [i64]>,
}

/// One number for each node of a block. Those past its last node mean nothing.
pub type Lanes = [i64; BLOCK_NODES];

/// The amounts of one resource on the nodes of a block, none of them out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// At least 1.
    pub capacity: &'a Lanes,
    /// What the pods of the nodes take, without the pod that is scored.
    pub taken: &'a Lanes,
}

/// Where the amounts of nodes that do not stand side by side are gathered.
#[derive(Clone, Debug)]
pub struct Room {
    capacity: Lanes,
    taken: Lanes,
}

/// The resources that count, with their weights; without any these are CPU and memory.
pub fn specs(
    resources: Option<Vec<ResourceArgs>>,
    field: &str,
    weight_max: i64,
) -> Result<Vec<ResourceSpec>, ArgsError> {
    let resources = resources.unwrap_or_default();
    if resources.is_empty() {
        let default = [CPU, MEMORY].map(|name| ResourceSpec { name: name.into(), weight: 1 });
        return Ok(default.into());
    }
    let mut specs = Vec::new();
    for (index, ResourceArgs { name, weight }) in resources.into_iter().enumerate() {
        let weight = weight.filter(|weight| *weight != 0).unwrap_or(1);
        if !(1..=weight_max).contains(&weight) {
            return Err(ArgsError::Invalid {
                field: format!("{field}[{index}].weight"),
                value: weight.to_string(),
                expected: match weight_max {
                    1 => "1".into(),
                    most => format!("a number from 1 to {most}"),
                },
            });
        }
        specs.push(ResourceSpec { name, weight });
    }
    Ok(specs)
}

/// The resources that count for a pod with these requests. What is no resource of the scheduler
/// never does, and a scalar one only where the pod asks for it.
pub fn scored<'a>(
    specs: &[ResourceSpec],
    requests: &Resources,
    view: &'a View<'a>,
    taken: Taken,
) -> Vec<ScoredResource<'a>> {
    let columns = view.columns();
    let counting = specs.iter().filter_map(|spec| {
        let request = requests.get(&spec.name);
        if request == 0 && is_scalar_resource_name(&spec.name) {
            return None;
        }
        let resource = columns.resource(&spec.name)?;
        Some(ScoredResource {
            request,
            weight: spec.weight,
            allocatable: columns.allocatable(resource),
            taken: match (resource, taken) {
                (ResourceId::CPU, Taken::NonZero) => view.non_zero_milli_cpu(),
                (ResourceId::MEMORY, Taken::NonZero) => view.non_zero_memory(),
                _ => view.requested(resource),
            },
        })
    });
    counting.collect()
}

impl ScoredResource<'_> {
    /// What a node offers, and what its pods take.
    pub fn at(&self, node: NodeIndex) -> (i64, i64) {
        let at = |column: &[i64]| column.get(node.index()).copied().unwrap_or(0);
        (at(self.allocatable), at(&self.taken))
    }

    /// The amounts of some nodes, at most as many as a block holds; none if one of them, or what
    /// the pod asks for, is negative or not below the power of two, or a node offers nothing.
    pub fn read<'a>(
        &'a self,
        nodes: &[NodeIndex],
        power: u32,
        room: &'a mut Room,
    ) -> Option<Block<'a>> {
        let block = match self.side_by_side(nodes) {
            Some(block) => block,
            None => self.gather(nodes, room),
        };
        let lanes = block.capacity.iter().zip(block.taken).take(nodes.len());
        let bits = lanes.fold(self.request, |bits, (capacity, taken)| {
            bits | capacity | taken | capacity.wrapping_sub(1)
        });
        (bits.cast_unsigned() >> power == 0).then_some(block)
    }

    /// The amounts where they stand, for a whole block of neighbours.
    fn side_by_side(&self, nodes: &[NodeIndex]) -> Option<Block<'_>> {
        let nodes: &[NodeIndex; BLOCK_NODES] = nodes.try_into().ok()?;
        let first = nodes[0].index();
        let apart = nodes.iter().zip(first..);
        let apart = apart.fold(0, |apart, (node, place)| apart | (node.index() ^ place));
        let lanes = |column| <[i64]>::get(column, first..)?.first_chunk();
        let (capacity, taken) = (lanes(self.allocatable)?, lanes(&self.taken)?);
        (apart == 0).then_some(Block { capacity, taken })
    }

    fn gather<'a>(&self, nodes: &[NodeIndex], room: &'a mut Room) -> Block<'a> {
        let lanes = room.capacity.iter_mut().zip(&mut room.taken);
        for ((capacity, taken), node) in lanes.zip(nodes) {
            (*capacity, *taken) = self.at(*node);
        }
        Block { capacity: &room.capacity, taken: &room.taken }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { capacity: [0; BLOCK_NODES], taken: [0; BLOCK_NODES] }
    }
}

/// From 2^52 up to 2^53 floats are whole numbers, and the low bits of one are what it is above
/// 2^52.
const WHOLE: f64 = (1_u64 << PLAIN_BITS) as f64;

/// Amounts below this power of two are turned into floats, and back, by adding and subtracting
/// [`WHOLE`]. The processors that we build for have no instruction that does it for several numbers
/// at once, nor one that rounds them down.
pub const PLAIN_BITS: u32 = 52;

/// An amount from 0 to below 2^52 as a float.
pub fn to_float(amount: i64) -> f64 {
    f64::from_bits(amount.cast_unsigned() | WHOLE.to_bits()) - WHOLE
}

/// The largest whole number that is not above `number`, which lies between 0 and 2^51.
pub fn floor(number: f64) -> f64 {
    let nearest = (number + WHOLE) - WHOLE;
    nearest - if nearest > number { 1.0 } else { 0.0 }
}

/// The same as an integer.
pub fn floor_to_integer(number: f64) -> i64 {
    let above = number + WHOLE;
    let nearest = (above.to_bits() ^ WHOLE.to_bits()).cast_signed();
    nearest - i64::from(above - WHOLE > number)
}
