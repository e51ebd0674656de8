//! Value types that everything else is made of: quantities, labels, selectors, taints, ids, time.

mod decode;
mod ids;
mod instant;
mod labels;
mod names;
mod node_selector;
mod plain;
mod quantity;
mod resources;
mod selector;
mod taint;

use std::sync::Arc;

pub use ids::{PodKey, Uid};
pub use instant::Instant;
pub use labels::Labels;
pub use names::{is_dns_subdomain, is_label_key};
pub use node_selector::{
    NODE_NAME_FIELD, NodeSelector, NodeSelectorError, NodeSelectorRequirement, NodeSelectorTerm,
    NodeTerms, PreferredSchedulingTerm, PreferredTerms,
};
pub use plain::{plain, quoted};
pub use quantity::{Format, Quantity, QuantityError};
pub use resources::{
    CPU, DEFAULT_MEMORY_REQUEST, DEFAULT_MILLI_CPU_REQUEST, EPHEMERAL_STORAGE, MEMORY, PODS,
    Resources, is_extended_resource_name, is_scalar_resource_name,
};
pub use selector::{
    LabelSelector, LabelSelectorRequirement, Operator, Requirement, Selector, SelectorError,
    compile_optional,
};
pub use taint::{
    NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, Taint, Toleration, first_untolerated,
};

/// Shared text. Names and labels repeat across a cluster and are never changed in place.
pub type Str = Arc<str>;
