//! Which nodes count for a constraint: the inclusion policies.

use super::constraints::Constraint;
use crate::plugins::reach::{tainted, unwanted};
use crate::snapshot::{NodeSet, PodInfo, View};

/// The nodes that the inclusion policies leave out for one pod. Each is worked out only where a
/// constraint asks for it and it can leave anything out.
#[derive(Debug, Default)]
pub struct Inclusion {
    /// The nodes that the pod's node selector and required node affinity do not allow.
    unwanted: Option<NodeSet>,
    /// The nodes with a taint that keeps the pod away.
    tainted: Option<NodeSet>,
}

impl Inclusion {
    pub fn of(pod: &PodInfo, view: &View<'_>, constraints: &[Constraint]) -> Self {
        let asks = |honors: fn(&Constraint) -> bool| constraints.iter().any(honors);
        Self {
            unwanted: asks(|constraint| constraint.honors_affinity)
                .then(|| unwanted(pod, view))
                .flatten(),
            tainted: asks(|constraint| constraint.honors_taints)
                .then(|| tainted(pod, view))
                .filter(|nodes| !nodes.is_empty()),
        }
    }

    /// The nodes that do not count for the constraint, as sets that may overlap.
    pub fn left_out(&self, constraint: &Constraint) -> impl Iterator<Item = &NodeSet> {
        let unwanted = self.unwanted.as_ref().filter(|_| constraint.honors_affinity);
        let tainted = self.tainted.as_ref().filter(|_| constraint.honors_taints);
        unwanted.into_iter().chain(tainted)
    }
}
