//! What pods ask for and take, added up as kube-scheduler does.

use super::pod::Pod;
use crate::model::Resources;

/// What a pod adds to the sums of its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub requested: Resources,
    /// For scoring: containers that ask for no CPU or memory count with a default.
    pub non_zero_milli_cpu: i64,
    pub non_zero_memory: i64,
}

pub fn requests(pod: &Pod) -> Resources {
    let mut sum = Resources::default();
    for container in &pod.spec.containers {
        sum.add(&Resources::from_amounts(&container.resources.requests));
    }
    sum
}

pub fn usage(pod: &Pod) -> Usage {
    let requested = requests(pod);
    Usage {
        non_zero_milli_cpu: requested.milli_cpu,
        non_zero_memory: requested.memory,
        requested,
    }
}
