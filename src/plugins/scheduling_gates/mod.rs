//! SchedulingGates: a pod with gates waits outside the queue until they are gone.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::config::{Base, Point};
use crate::framework::{Instance, PreEnqueuePlugin, Registration, Status, decode_args};
use crate::snapshot::PodInfo;

pub const NAME: &str = "SchedulingGates";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps pods with scheduling gates out of the queue",
    points: &[Point::PreEnqueue],
    weight: 0,
    base: Base::Parity,
    build: |args| {
        decode_args::<()>(args)?;
        Ok(Instance { pre_enqueue: Some(Arc::new(SchedulingGates)), ..Instance::default() })
    },
};

#[derive(Debug)]
pub struct SchedulingGates;

impl PreEnqueuePlugin for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Status {
        let gates = &pod.spec.scheduling_gates;
        if gates.is_empty() {
            return Status::success();
        }
        let names: Vec<&str> = gates.iter().map(|gate| &*gate.name).collect();
        let reason = format!("waiting for scheduling gates: [{}]", names.join(" "));
        Status::unresolvable(reason)
    }
}
