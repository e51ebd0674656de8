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

/// The amounts of one resource on the nodes of a block. Places past its last node hold nothing of
/// meaning.
#[derive(Clone, Debug)]
pub struct Block {
    pub capacity: [i64; BLOCK_NODES],
    /// What the pods of the nodes take, without the pod that is scored.
    pub taken: [i64; BLOCK_NODES],
    /// All bits that are set in any of these amounts.
    bits: u64,
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
    /// Reads the amounts of some nodes, at most as many as a block holds.
    pub fn read(&self, nodes: &[NodeIndex], block: &mut Block) {
        let mut bits = 0;
        let lanes = block.capacity.iter_mut().zip(&mut block.taken);
        for ((capacity, taken), node) in lanes.zip(nodes) {
            let node = node.index();
            *capacity = self.allocatable.get(node).copied().unwrap_or(0);
            *taken = self.taken.get(node).copied().unwrap_or(0);
            bits |= *capacity | *taken;
        }
        block.bits = bits.cast_unsigned();
    }
}

impl Block {
    /// Whether all amounts are at least 0 and below the power of two.
    pub fn is_below(&self, power: u32) -> bool {
        self.bits.checked_shr(power).is_none_or(|rest| rest == 0)
    }
}

impl Default for Block {
    fn default() -> Self {
        Self { capacity: [0; BLOCK_NODES], taken: [0; BLOCK_NODES], bits: 0 }
    }
}

/// The largest whole number that is not above `number`, which lies between 0 and 2^51.
///
/// It comes out of additions and a comparison, because the processors that we build for have no
/// instruction that rounds down several numbers at once.
pub fn floor(number: f64) -> f64 {
    // Between 2^52 and 2^53 floats are whole numbers, so the sum is rounded to the nearest one.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    let nearest = (number + WHOLE) - WHOLE;
    if nearest > number { nearest - 1.0 } else { nearest }
}
