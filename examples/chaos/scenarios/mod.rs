//! What can go wrong around a running scheduler, done to it on a real control plane, and judged.
//!
//! Each scenario is a file with its arguments, a `run`, and a report. `broken` in a report says in
//! sentences which promises were not kept. Judged is from the audit log of kube-apiserver, from the
//! order in which etcd took the writes, and from the proxy's own account; never from what Quorate
//! says.

mod churn;
mod daemon;
mod judge;
mod kubelet;
mod proxy;
mod stage;

pub mod kills;
pub mod leader;
pub mod lost_replies;
pub mod rbac;
pub mod rival;
pub mod servers;
pub mod soak;
