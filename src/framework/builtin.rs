//! What keeps pods waiting without being a plugin, so that no profile can switch it off.

use super::{ClusterEvent, Hint};

/// The pod needs something that is not supported yet.
pub const UNSUPPORTED_FIELDS: &str = "UnsupportedFields";
/// Kubelets of the nodes rejected pods a moment ago.
pub const RESTING_NODES: &str = "RestingNodes";
/// The API server does not take the binding.
pub const BINDING_REJECTED: &str = "BindingRejected";

/// What a resting node is refused with.
pub(super) const RESTING_REASON: &str =
    "node(s) rest because their kubelet rejected a pod that should have fitted";

/// Whether an event may help a pod that waits for this; none if it waits for a plugin.
pub(super) fn hint(name: &str, event: &ClusterEvent<'_>) -> Option<Hint> {
    match name {
        UNSUPPORTED_FIELDS | BINDING_REJECTED => {
            Some(Hint::queue_if(matches!(event, ClusterEvent::WaitingPodUpdated { .. })))
        }
        RESTING_NODES => Some(Hint::queue_if(matches!(event, ClusterEvent::NodeRested))),
        _ => None,
    }
}
