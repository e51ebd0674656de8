//! What tests, benches and the simulator share: builders of objects.

mod builders;
pub mod storage;

pub use builders::{
    NodeBuilder, PodBuilder, namespace, node, node_term, pod, requirement, selector,
};
