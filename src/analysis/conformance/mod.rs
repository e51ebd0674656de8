//! Compares what we decide with recorded decisions of kube-scheduler.

pub mod functions;
#[cfg(test)]
mod tests;
